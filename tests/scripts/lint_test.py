#!/usr/bin/python3
"""What `./dev lint` finds in C++ and build files, and what it leaves alone."""

import os
import subprocess
import tempfile
import unittest


class LintTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, path, text):
        full = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def run_script(self, script, *arguments):
        done = subprocess.run(
            [os.path.abspath(script), *arguments],
            cwd=self.folder, stdout=subprocess.PIPE, check=False, text=True,
        )
        return done.stdout, done.returncode

    def lint(self, path, text):
        self.write(path, text)
        return self.run_script("scripts/lint_sources.py", path)

    def lint_build(self, text, *files):
        self.write("wal/BUILD.bazel", text)
        for file in files:
            self.write("wal/" + file, "")
        return self.run_script("scripts/lint_build_files.py")

    def assert_fault(self, outcome, text):
        self.assertIn(text, outcome[0])
        self.assertEqual(outcome[1], 1)

    def test_room_to_the_left_may_be_included(self):
        self.assertEqual(self.lint("wal/a.cc", '#include "base/check.h"\n'), ("", 0))
        self.assertEqual(self.lint("tests/wal/a.cc", '#include "uring/ring.h"\n'), ("", 0))
        self.assertEqual(self.lint("io_backend/uring_a.cc", '#include "uring/ring.h"\n'), ("", 0))

    def test_room_to_the_right_may_not(self):
        self.assert_fault(self.lint("base/a.cc", '#include "wal/lsn.h"\n'), "base/a.cc:1: room")
        self.assert_fault(self.lint("engine/a.cc", '#include "tools/a.h"\n'), "engine/a.cc:1: room")

    def test_uring_is_hidden_from_the_log(self):
        self.assert_fault(self.lint("wal/a.cc", '\n#include "uring/ring.h"\n'), "wal/a.cc:2: room")
        self.assert_fault(self.lint("wal/a.cc", "#include <liburing.h>\n"), "wal/a.cc:1: room")

    def test_the_log_knows_no_threads(self):
        self.assert_fault(self.lint("wal/a.cc", "#include <mutex>\n"), "wal/a.cc:1: room")
        self.assertEqual(self.lint("engine/a.cc", "#include <mutex>\n"), ("", 0))

    def test_header_needs_guard_and_banner(self):
        good = (
            "// wal/a.h: one.\n#ifndef COREWAL_WAL_A_H_\n#define COREWAL_WAL_A_H_\n"
            "#endif  // COREWAL_WAL_A_H_\n"
        )
        self.assertEqual(self.lint("wal/a.h", good), ("", 0))
        self.assert_fault(self.lint("wal/b.h", good), "COREWAL_WAL_B_H_")
        self.assert_fault(self.lint("wal/a.h", good.replace("// wal/a.h", "// a.h")), "banner")

    def test_wrong_verb_is_found_in_names_only(self):
        self.assert_fault(self.lint("wal/a.cc", "void FlushLog();\n"), "`FlushLog`")
        self.assert_fault(self.lint("wal/a.cc", "/* x\n*/ int persisted_lsn;\n"), "wal/a.cc:2:")
        text = '// no flush\nauto s = "flush";\nchar c = \'"\'; fflush(stdout); out.flush();\n'
        self.assertEqual(self.lint("wal/a.cc", text), ("", 0))

    def test_peers_call_others_by_their_names_and_share_the_tools(self):
        text = '#include "tools/json_object.h"\nvoid f() { db->FlushWAL(true); }\n'
        self.assertEqual(self.lint("benchmarks/peers/a.cc", text), ("", 0))
        self.assert_fault(self.lint("benchmarks/a.cc", text), "benchmarks/a.cc:1: room")
        self.assert_fault(self.lint("wal/a.cc", "void FlushWAL();\n"), "`FlushWAL`")
        self.assert_fault(self.lint("benchmarks/peers/a.cc", "void FlushLog();\n"), "`FlushLog`")

    def test_build_file_in_order_is_clean(self):
        text = (
            'package(default_visibility = ["//:x"])\n\ncc_library(\n    name = "a",\n'
            '    srcs = ["a.cc"],\n    deps = [\n        ":b",\n        "//base:check",\n    ],\n)\n'
        )
        self.assertEqual(self.lint_build(text, "a.cc"), ("", 0))

    def test_build_file_faults(self):
        for text, fault in [
            ('cc_library(deps = [":a"], name = "a")\n', "`name` must come first"),
            ('cc_library(name = "a", deps = ["//b", ":a"])\n', ":a goes before //b"),
            ('cc_library(name = "a", deps = [":b", ":b"])\n', "twice"),
            ('cc_library(name = "a")\nload(":x.bzl", "y")\n', "load() must come before"),
            ('cc_library(\n\tname = "a")\n', "a tab"),
            ('cc_library(name = "a")', "one newline"),
            ('cc_library(name = "a", srcs = ["none.cc"])\n', "none.cc does not exist"),
            ('cc_library(name = "a"\n', "cannot be read"),
        ]:
            with self.subTest(fault=fault):
                self.assert_fault(self.lint_build(text), fault)

    def test_source_outside_every_target_is_found(self):
        self.assert_fault(self.lint_build('cc_library(name = "a")\n', "lost.cc"), "lost.cc belongs")


if __name__ == "__main__":
    unittest.main()
