#!/usr/bin/python3
"""Makes one C++ header of a document's cpp blocks. Usage: snippets.py DOCUMENT NAMESPACE > HEADER

Includes go to the top. Everything else stands in NAMESPACE, in the document's order, so that a
block may use what an earlier one defines. A program's main becomes Main, for the test to call.
"""

import re
import sys

import documents


def main():
    path, namespace = sys.argv[1:]
    includes, body = [], []
    for block in documents.blocks(path):
        if block.kind != "cpp":
            continue
        body.append(f'#line {block.line + 1} "{path}"')
        for line in block.text.splitlines():
            if line.startswith("#include"):
                includes.append(line)
                body.append("")
            else:
                body.append(re.sub(r"\bint main\(", "inline int Main(", line))
    print("\n".join(sorted(set(includes))))
    print(f"namespace {namespace} {{")
    print("\n".join(body))
    print(f"}}  // namespace {namespace}")


if __name__ == "__main__":
    main()
