#!/usr/bin/python3
"""Runs the sh blocks of documents and compares what they print with the output blocks, in shape.

Usage: shell_blocks_test.py DOCUMENT...

Each document has one scratch directory, where its blocks run in order with bash -euo pipefail.
wal-bench and wal-dump are those just built. `./dev` stands for the real one, which cannot run
inside a test of its own: `./dev bench` is wal-bench, `./dev install` is the real script over what
was built, and any other command must be one that the real `./dev help` lists.

Shape: numbers, times, sizes, ids and sync methods may differ; of a line in columns only the first
column counts. Each line of the output block must come in the order given; others may come between.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import documents

DEV = r"""#!/usr/bin/env bash
set -euo pipefail
root=@ROOT@
command=$1
shift
"$root/dev" help | grep -q "^\./dev \(.* | \)\?$command\b" || { echo "dev: no $command"; exit 1; }
case $command in
  bench) exec wal-bench "$@" ;;
  install) cd "$root" && exec scripts/install.sh . "$1" ;;
esac
"""

SHAPES = [
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b", "UUID"),
    (r"\b[0-9a-f]{16}\.wal\b", "SEGMENT"),
    (r"\b(ring-)?(dsync|datasync)\b", "SYNC"),
    (r"\d[\d ]*(\.\d+)?( ?[KMGT]i?B\b| ?[mun]?s\b| ?[kM]\b)?", "#"),
    (r"\s+", " "),
]


def shape(line):
    columns = re.split(r"\s{2,}", line.strip())
    if len(columns) > 1 and len(columns[0]) > 3:
        line = columns[0]
    for pattern, name in SHAPES:
        line = re.sub(pattern, name, line.strip())
    return line


def is_continuation(line):
    return len(line) - len(line.lstrip()) > 12


def missing_line(expected, printed):
    """The first line of `expected` that `printed` does not have in its place, or None."""
    rest = iter([shape(line) for line in printed.splitlines()])
    for line in expected.splitlines():
        if line.strip() and not is_continuation(line) and shape(line) not in rest:
            return line
    return None


def prepare(scratch):
    tools = os.path.join(scratch, ".tools")
    os.mkdir(tools)
    for tool in ("wal-bench", "wal-dump"):
        os.symlink(os.path.abspath(f"tools/{tool}"), os.path.join(tools, tool))
    with open(os.path.join(scratch, "dev"), "w", encoding="utf-8") as file:
        file.write(DEV.replace("@ROOT@", os.getcwd()))
    os.chmod(os.path.join(scratch, "dev"), 0o755)
    # As a user has them after ./dev build.
    os.makedirs(os.path.join(scratch, "bazel-bin"))
    os.symlink(tools, os.path.join(scratch, "bazel-bin/tools"))
    if os.path.isdir("examples"):
        os.symlink(os.path.abspath("examples"), os.path.join(scratch, "bazel-bin/examples"))
    for name in ("tests", "engine"):
        if os.path.isdir(name):
            os.symlink(os.path.abspath(name), os.path.join(scratch, name))
    return dict(os.environ, PATH=f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin")


def run(block, scratch, environment):
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text], cwd=scratch, env=environment, timeout=120,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return process.returncode, process.stdout.decode("utf-8", "replace")


def check(document):
    """Faults of one document, as lines for people."""
    faults, printed, ran = [], "", 0
    scratch = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
    environment = prepare(scratch)
    for block in documents.blocks(document):
        place = f"{document}:{block.line}"
        if block.kind == "sh":
            ran += 1
            code, printed = run(block, scratch, environment)
            if code != 0:
                faults.append(f"{place}: exit {code}:\n{block.text}{printed}")
        elif block.kind == "output":
            line = missing_line(block.text, printed)
            if line is not None:
                faults.append(f"{place}: not printed: {line!r}; printed was:\n{printed}")
    shutil.rmtree(scratch, ignore_errors=True)
    print(f"{document}: {ran} shell blocks, {len(faults)} faults")
    return faults


def main():
    faults = []
    for document in sys.argv[1:]:
        try:
            faults += check(document)
        except documents.Malformed as error:
            faults.append(str(error))
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
