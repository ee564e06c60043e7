#!/usr/bin/python3
"""Checks every BUILD.bazel and .bzl file for the habits of buildifier, which Debian 12 lacks.

Load statements first, then package(); `name` is a rule's first argument; srcs, hdrs, deps and the
like are sorted and without repetition; four spaces, no tabs, double quotes, one newline at the end;
every file that a target names exists, and every C++ file of the folder belongs to a target.
"""

import ast
import glob
import os
import sys

SORTED = {"srcs", "hdrs", "deps", "data", "tags", "textual_hdrs", "packages", "includes"}
UNSORTED_RULES = {"exports_files", "glob"}
CPP = (".h", ".cc")


def build_files():
    for folder, folders, files in os.walk("."):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "bazel-")))
        for name in sorted(files):
            if name == "BUILD.bazel" or name.endswith(".bzl"):
                yield os.path.normpath(os.path.join(folder, name))


def sort_key(value):
    """Buildifier's order: plain names, then :local, then //absolute, then @repository."""
    order = next((i for i, p in enumerate((":", "//", "@"), 1) if value.startswith(p)), 0)
    return order, value.replace(":", "/").split("/")


def check_text(text):
    if text and (not text.endswith("\n") or text.endswith("\n\n")):
        yield text.count("\n") or 1, "the file must end with one newline"
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            yield number, "a tab"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if (len(line) - len(line.lstrip(" "))) % 4 != 0:
            yield number, "indentation is four spaces"


def strings_of(node):
    """The literal strings of a list, or None if it is anything else (a select, a glob, a sum)."""
    if not isinstance(node, (ast.List, ast.Tuple)):
        return None
    if not all(isinstance(e, ast.Constant) and isinstance(e.value, str) for e in node.elts):
        return None
    return [e.value for e in node.elts]


def check_call(call, name):
    if name not in UNSORTED_RULES and call.keywords:
        names = [keyword.arg for keyword in call.keywords]
        if "name" in names and names[0] != "name":
            yield call.lineno, f"{name}: `name` must come first"
    for keyword in call.keywords:
        values = strings_of(keyword.value) if keyword.arg in SORTED else None
        if not values:
            continue
        if len(set(values)) != len(values):
            yield keyword.value.lineno, f"{name}: {keyword.arg} names something twice"
        for before, after in zip(values, values[1:]):
            if sort_key(before) > sort_key(after):
                yield keyword.value.lineno, f"{name}: {keyword.arg}: {after} goes before {before}"
                break


def check_calls(tree):
    stage = 0  # 0: loads, 1: package, 2: rules
    for statement in tree.body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        name = call.func.id
        wanted = {"load": 0, "package": 1}.get(name, 2)
        if wanted < stage:
            yield call.lineno, f"{name}() must come before the rules"
        stage = max(stage, wanted)
        yield from check_call(call, name)


def is_computed(node):
    """Whether file names may come from here that do not stand in the text."""
    if isinstance(node, ast.Call):
        return getattr(node.func, "id", "") == "glob"
    return isinstance(node, (ast.comprehension, ast.BinOp))


def check_files(path, tree):
    """Sources that no target names are never built; names without a file never will be."""
    folder = os.path.dirname(path)
    if any(is_computed(node) for node in ast.walk(tree)):
        return
    named = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    named = {value for value in named if isinstance(value, str)}
    for value in sorted(v for v in named if v.endswith(CPP) and not v.startswith((":", "/", "@"))):
        if not os.path.exists(os.path.join(folder, value)):
            yield 1, f"{value} does not exist"
    for name in sorted(os.listdir(folder or ".")):
        if name.endswith(CPP) and name not in named:
            yield 1, f"{name} belongs to no target"


def check(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    yield from check_text(text)
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield error.lineno, f"cannot be read: {error.msg}"
        return
    if path.endswith("BUILD.bazel"):
        yield from check_calls(tree)
        yield from check_files(path, tree)


def main():
    faults = [f"{path}:{line}: {fault}" for path in build_files() for line, fault in check(path)]
    for source in sorted(glob.glob("*/*.cc") + glob.glob("*/*/*.cc")):
        folder = os.path.dirname(source)
        if not folder.startswith("bazel-") and not os.path.exists(f"{folder}/BUILD.bazel"):
            faults.append(f"{source}: its folder has no BUILD.bazel")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
