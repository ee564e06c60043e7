#!/usr/bin/python3
"""What the guard lets pass, what it refuses, and what it asks to be recorded."""

import importlib.util
import os
import unittest

spec = importlib.util.spec_from_file_location("guard", os.path.abspath("tests/guard/guard.py"))
guard = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guard)


def one(name, count):
    return {"stream": {name: count}}


class GuardTest(unittest.TestCase):
    def judge(self, before, now, name="instructions"):
        lines, passed, failed = guard.judge(one(name, before), one(name, now))
        return lines[0].split(":")[0], passed, failed

    def test_within_tolerance_passes(self):
        self.assertEqual(self.judge(100_000, 102_900), ("as recorded", 1, 0))
        self.assertEqual(self.judge(100_000, 97_100), ("as recorded", 1, 0))

    def test_worse_fails_and_better_is_named(self):
        self.assertEqual(self.judge(100_000, 103_100), ("failed", 0, 1))
        self.assertEqual(self.judge(100_000, 96_900), ("better", 1, 0))

    def test_one_allocation_where_there_was_none_fails(self):
        self.assertEqual(self.judge(0, 0.1, "allocations"), ("failed", 0, 1))
        self.assertEqual(self.judge(0, 0, "allocations"), ("as recorded", 1, 0))

    def test_what_is_not_recorded_fails_and_says_what_to_do(self):
        lines, passed, failed = guard.judge({}, one("instructions", 5))
        self.assertEqual((passed, failed), (0, 1))
        self.assertIn("./dev guard --update", lines[0])


if __name__ == "__main__":
    unittest.main()
