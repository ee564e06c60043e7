#!/usr/bin/python3
"""What describes the tools to their users agrees with the tools: man pages, completion, --help.

Runs in the runfiles tree, with the built programs in tools/.
"""

import os
import re
import shutil
import subprocess
import unittest

PROGRAMS = ("wal-bench", "wal-dump")
# --help lists both as the ways to get here; they are not on their own screen.
EVERYWHERE = {"help"}


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def tool(name):
    return os.path.abspath(os.path.join("tools", name))


def flags_of_help(name):
    text = run(tool(name), "--help").stdout
    # The other program's flags stand in sentences such as "wal-bench --acks".
    text = re.sub(r"wal-(?!%s)[a-z]+ --[a-z_]+" % name[4:], "", text)
    flags = set(re.findall(r"--([a-z][a-z_]*)", text))
    return {flag for flag in flags if not (flag.startswith("no") and flag[2:] in flags)}


def man_page(name):
    return os.path.join("docs", "man", name + ".1")


class ManPageTest(unittest.TestCase):
    def test_every_flag_of_help_is_in_the_page_and_no_other(self):
        for name in PROGRAMS:
            with open(man_page(name), encoding="utf-8") as page:
                in_page = set(re.findall(r"^\.It Fl -([a-z_]+)", page.read(), re.M))
            self.assertEqual(in_page - EVERYWHERE, flags_of_help(name) - EVERYWHERE, name)

    def test_formatters_have_no_warning(self):
        checks = [
            ("mandoc", "-Tlint", "-Wwarning"),
            ("groff", "-ww", "-man", "-mdoc", "-z"),
        ]
        checks = [check for check in checks if shutil.which(check[0])]
        if not checks:
            self.skipTest("neither mandoc nor groff is installed")
        for check in checks:
            for name in PROGRAMS:
                result = run(*check, man_page(name))
                self.assertEqual(result.stdout + result.stderr, "", check)

    def test_examples_use_flags_that_exist(self):
        for name in PROGRAMS:
            with open(man_page(name), encoding="utf-8") as page:
                examples = [line for line in page if line.startswith(".Dl")]
            self.assertTrue(examples)
            for line in examples:
                for program, flags in re.findall(r"(wal-[a-z]+)((?: --[a-z_]+(?:=\S+)?)+)", line):
                    for flag in re.findall(r"--([a-z_]+)", flags.split("=")[0]):
                        self.assertIn(flag, flags_of_help(program), line)


class CompletionTest(unittest.TestCase):
    def complete(self, *words):
        """The answers for the last of the words, which bash has split at "=" already."""
        script = (
            f"source docs/completion/{os.path.basename(words[0])}.bash; "
            'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _corewal "$1"; '
            "printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        result = run("bash", "-c", script, "bash", *words)
        self.assertEqual(result.stderr, "")
        return set(result.stdout.split())

    def test_every_flag_of_help_is_offered(self):
        for name in PROGRAMS:
            offered = {flag[2:] for flag in self.complete(tool(name), "--")}
            self.assertLessEqual(flags_of_help(name), offered)

    def test_a_flag_is_completed(self):
        self.assertEqual(self.complete(tool("wal-bench"), "--compa"), {"--compare"})
        self.assertEqual(self.complete(tool("wal-dump"), "--summ"), {"--summary"})

    def test_values_follow_an_equals_sign_or_a_space(self):
        for words in (("--io", "=", "p"), ("--io", "p")):
            self.assertEqual(self.complete(tool("wal-bench"), *words), {"posix"})
        self.assertEqual(self.complete(tool("wal-dump"), "--format", "="), {"text", "json", "raw"})

    def test_the_values_offered_are_accepted(self):
        for value in self.complete(tool("wal-dump"), "--format", "="):
            self.assertNotIn("format", run(tool("wal-dump"), "--format=" + value, "/nonexistent").stderr)
        for flag in ("io", "sync", "direct", "workload"):
            for value in self.complete(tool("wal-bench"), "--" + flag, "="):
                result = run(tool("wal-bench"), f"--{flag}={value}", "--dir=/proc/none")
                self.assertNotIn("expected", result.stderr)

    def test_files_are_offered_where_a_path_goes(self):
        self.assertIn("docs", self.complete(tool("wal-dump"), "doc"))


class HelpTest(unittest.TestCase):
    def test_help_is_one_screen_with_examples_first(self):
        for name in PROGRAMS:
            lines = run(tool(name), "--help").stdout.splitlines()
            self.assertLessEqual(len(lines), 40, name)
            self.assertLessEqual(max(map(len, lines)), 100, name)
            self.assertIn(name, lines[2], "examples come first")

    def test_version_is_told(self):
        for name in PROGRAMS:
            self.assertRegex(run(tool(name), "--version").stdout, r"^%s \d+\.\d+\.\d+" % name)


if __name__ == "__main__":
    unittest.main()
