#!/usr/bin/python3
"""Checks C++ files for what clang-tidy does not know: rooms, guards, names, size.

  guard     a header is guarded by COREWAL_<PATH>_H_
  banner    a header starts with `// <path>: ` and one sentence
  room      a room includes only from rooms to its left; only io_backend/uring_* and the tests see
            uring and liburing; wal and io_backend start no threads; benchmarks/peers shares the
            tools' helpers, so that its figures are taken and printed as wal-bench's are
  name      no identifier calls a stage of the log flush or persist: the verbs are append, submit,
            write, sync, durable; benchmarks/peers calls others' functions by their names

A file of more than 500 lines is mentioned, no more. Usage: lint_sources.py FILE...
"""

import re
import sys

ROOMS = ["base", "uring", "io_backend", "wal", "engine"]
OUTER_ROOMS = ["tools", "tests", "benchmarks", "examples"]
SEES_URING = ("uring/", "io_backend/uring_", "tests/", "benchmarks/")
NO_THREADS = ("wal/", "io_backend/", "uring/")
THREAD_HEADERS = {"thread", "mutex", "shared_mutex", "condition_variable", "future"}
LIBRARY_NAMES = {"fflush", "flush"}  # of stdio and ostream
PEERS = "benchmarks/peers/"
# What folders that use the libraries of others call them by.
NAMES_OF_OTHERS = {
    "examples/rocksdb_log/": {
        "Flush", "FlushJobInfo", "FlushOptions", "OnFlushCompleted", "atomic_flush", "kPersistedTier"
    },
    PEERS: {
        "DB_FLUSH", "Flush", "FlushOptions", "FlushWAL", "avoid_flush_during_recovery",
        "avoid_flush_during_shutdown", "log_flush", "manual_wal_flush", "stats_persist_period_sec"
    },
}
LINES_MAX = 500

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
NOT_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)
FORBIDDEN = re.compile(r"\b\w*(?:flush|persist(?!ent))\w*\b", re.IGNORECASE)


def guard_of(path):
    return "COREWAL_" + re.sub(r"[^A-Z0-9]", "_", path.upper()) + "_"


def check_header(path, text):
    guard = guard_of(path)
    if f"#ifndef {guard}\n#define {guard}\n" not in text or f"#endif  // {guard}" not in text:
        yield 1, f"guard: the header guard must be {guard}"
    if not text.startswith(f"// {path}: "):
        yield 1, f"banner: the first line must be `// {path}: ` and what the header is for"


def check_include(path, included):
    room, other = path.split("/")[0], included.split("/")[0]
    if other == "liburing.h" or other == "uring":
        if not path.startswith(SEES_URING):
            yield f"room: only io_backend/uring_* and tests see uring, not {path}"
        return
    if "/" not in included:
        if included in THREAD_HEADERS and path.startswith(NO_THREADS):
            yield f"room: {room} knows no threads; <{included}> belongs into engine"
        return
    if other in ROOMS and room in ROOMS and ROOMS.index(other) > ROOMS.index(room):
        yield f"room: {other} stands to the right of {room}"
    if other == "tools" and path.startswith(PEERS):
        return
    if other in OUTER_ROOMS and other != room and room != "tests":
        yield f"room: {room} must not include from {other}"


def check(path, text):
    if path.endswith(".h"):
        yield from check_header(path, text)
    for number, line in enumerate(text.split("\n"), 1):
        match = INCLUDE.match(line)
        if match:
            for fault in check_include(path, match.group(1)):
                yield number, fault
    library_names = LIBRARY_NAMES.union(
        *(names for folder, names in NAMES_OF_OTHERS.items() if path.startswith(folder))
    )
    code = NOT_CODE.sub(lambda m: "\n" * m.group(0).count("\n") or " ", text)
    for number, line in enumerate(code.split("\n"), 1):
        for word in FORBIDDEN.findall(line):
            if word not in library_names:
                yield number, f"name: `{word}`; say submit, write, sync or durable"


def main():
    faults = 0
    for path in sys.argv[1:]:
        path = path[2:] if path.startswith("./") else path
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for number, fault in check(path, text):
            print(f"{path}:{number}: {fault}")
            faults += 1
        lines = text.count("\n")
        if lines > LINES_MAX:
            print(f"{path}: note: {lines} lines; is it two nouns?")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
