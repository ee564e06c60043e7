"""The fenced blocks of a Markdown document, and what is done with them.

  ```cpp     compiled; a whole program is run too (snippets.py)
  ```sh      run, in one scratch directory for the whole document (shell_blocks_test.py)
  ```output  what the block before it prints, compared in shape
  ```text    neither: a picture, a message inside prose

No other info string is allowed, and no block by indentation alone where somebody might miss it.
"""

import collections

KINDS = {"cpp", "sh", "output", "text"}

Block = collections.namedtuple("Block", "document line kind text")


class Malformed(Exception):
    """A document that the tests cannot see all of."""


def blocks(path):
    found, start, kind, lines = [], None, None, []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("```"):
                if start is None:
                    start, kind, lines = number, line[3:].strip(), []
                    if kind not in KINDS:
                        raise Malformed(f"{path}:{number}: ```{kind}: use one of {sorted(KINDS)}")
                else:
                    found.append(Block(path, start, kind, "".join(lines)))
                    start = None
            elif start is not None:
                lines.append(line)
            elif line.startswith("    ") and line.strip():
                raise Malformed(f"{path}:{number}: a block by indentation; fence it")
    if start is not None:
        raise Malformed(f"{path}:{start}: the block has no end")
    for before, after in zip([None] + found, found):
        if after.kind == "output" and (before is None or before.kind != "sh"):
            raise Malformed(f"{path}:{after.line}: ```output follows no ```sh")
    return found
