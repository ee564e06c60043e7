#!/usr/bin/python3
"""Checks the documents: blocks that the tests know, links that lead somewhere, targets that exist.

The kinds of blocks are those of tests/docs/documents.py. A target of a test, //tests/ROOM:NAME, must
be named in that folder's BUILD.bazel; //tests/ROOM/... must be a folder. A link must be relative and
lead to a file, or be a URL.
"""

import os
import re
import sys

sys.path.insert(0, "tests/docs")
sys.dont_write_bytecode = True

import documents  # noqa: E402  pylint: disable=wrong-import-position

CHECKED = [
    "README.md", "CONTRIBUTING.md", "docs/EMBEDDING.md", "docs/OPERATIONS.md", "docs/TESTING.md",
    "examples/README.md"
]
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"//((?:tests|examples|benchmarks)/[a-z0-9_/]*?)(/\.\.\.|:[a-z0-9_]+)")
FILE = re.compile(r"`((?:[a-z_]+/)+[A-Za-z_]+\.(?:md|h|cc|py|sh|txt))`")


def line_of(text, match):
    return text.count("\n", 0, match.start()) + 1


def faults_of(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        documents.blocks(path)
    except documents.Malformed as error:
        yield str(error)
    for match in LINK.finditer(text):
        target = os.path.join(os.path.dirname(path), match[1])
        if not re.match(r"https?://", match[1]) and not os.path.exists(target):
            yield f"{path}:{line_of(text, match)}: {match[1]}: there is no such file"
    for match in FILE.finditer(text):
        if not os.path.exists(match[1].removeprefix("corewal/")):
            yield f"{path}:{line_of(text, match)}: {match[1]}: there is no such file"
    for match in TARGET.finditer(text):
        folder, name = match.groups()
        build = os.path.join(folder, "BUILD.bazel")
        if name == "/...":
            if not os.path.isdir(folder):
                yield f"{path}:{line_of(text, match)}: {match[0]}: there is no such folder"
            continue
        rules = ""
        if os.path.exists(build):
            with open(build, encoding="utf-8") as file:
                rules = file.read()
        # Tests made by a list comprehension carry their name in two pieces.
        whole, tail = f'"{name[1:]}"', '_' + name.rsplit("_", 2)[-2] + "_" + name.rsplit("_", 1)[-1]
        if whole not in rules and f'+ "{tail}"' not in rules:
            yield f"{path}:{line_of(text, match)}: {match[0]}: {build} has no such target"


def main():
    faults = [fault for path in CHECKED for fault in faults_of(path)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
