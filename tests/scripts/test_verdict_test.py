#!/usr/bin/python3
"""What ./dev says of a test run: nothing that failed may be counted as anything else."""

import json
import os
import subprocess
import tempfile
import unittest

PASSED = '<testcase name="A" classname="S" status="run" result="completed"/>'
FAILED = '<testcase name="B" classname="S"><failure message="x"/></testcase>'
SKIPPED = '<testcase name="C" classname="S"><skipped message="no ring"/></testcase>'
DISABLED = '<testcase name="DISABLED_D" classname="S" status="notrun"/>'


class TestVerdict(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.events = []

    def path(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def configure(self, label, built=True):
        self.events.append(
            {"id": {"targetConfigured": {"label": label}}, "configured": {"testSize": "SMALL"}}
        )
        self.events.append(
            {"id": {"targetCompleted": {"label": label}}, "completed": {"success": built}}
        )

    def result(self, label, cases, status="PASSED", attempt=1):
        result = {"status": status}
        if cases is not None:
            xml = self.path(
                f"{len(self.events)} 1.xml", f"<testsuites><testsuite>{cases}</testsuite></testsuites>"
            )
            uri = "file://" + xml.replace(" ", "%20")
            result["testActionOutput"] = [{"name": "test.xml", "uri": uri}]
        key = {"label": label, "run": 1, "shard": 1, "attempt": attempt}
        self.events.append({"id": {"testResult": key}, "testResult": result})

    def verdict(self, *flags, bazel_exit=0, allowed="S.C   no ring here\n"):
        events = self.path("events", "\n".join(json.dumps(event) for event in self.events))
        done = subprocess.run(
            ["scripts/test_verdict.py", "--name=v", f"--events={events}",
             f"--bazel_exit={bazel_exit}", "--allowed_skips=" + self.path("allowed", allowed), *flags],
            stdout=subprocess.PIPE, check=False, text=True,
        )
        self.printed = done.stdout
        return done.stdout.strip().split("\n")[-1], done.returncode

    def run_one(self, cases, status="PASSED"):
        self.configure("//a:t")
        self.result("//a:t", cases, status)

    def test_counts_cases_not_targets(self):
        self.run_one(PASSED + PASSED + SKIPPED)
        self.assertEqual(self.verdict(), ("v: 2 passed, 0 failed, 1 skipped", 0))

    def test_failed_case_fails(self):
        self.run_one(PASSED + FAILED, "FAILED")
        self.assertEqual(self.verdict(bazel_exit=3), ("v: 1 passed, 1 failed, 0 skipped", 1))

    def test_failure_after_the_last_case_counts(self):
        self.run_one(PASSED, "FAILED")
        self.assertEqual(self.verdict(bazel_exit=3), ("v: 1 passed, 1 failed, 0 skipped", 1))

    def test_target_without_xml_counts_when_it_failed(self):
        self.run_one(None, "TIMEOUT")
        self.assertEqual(self.verdict(bazel_exit=3), ("v: 0 passed, 1 failed, 0 skipped", 1))

    def test_last_attempt_of_a_flaky_target_counts(self):
        self.run_one(FAILED, "FAILED")
        self.result("//a:t", PASSED, attempt=2)
        self.assertEqual(self.verdict(), ("v: 1 passed, 0 failed, 0 skipped", 0))
        self.assertIn("tried again: S.B in //a:t failed at first", self.printed)

    def test_target_that_did_not_build_counts(self):
        self.run_one(PASSED)
        self.configure("//a:u", built=False)
        self.assertEqual(self.verdict(bazel_exit=1), ("v: 1 passed, 1 failed, 0 skipped", 1))

    def test_target_that_built_and_did_not_run_counts(self):
        self.run_one(PASSED)
        self.configure("//a:u")
        self.assertEqual(self.verdict(), ("v: 1 passed, 1 failed, 0 skipped", 1))

    def test_target_without_a_case_counts_unless_filtered(self):
        self.run_one("")
        self.result("//a:u", PASSED)
        self.assertEqual(self.verdict(), ("v: 1 passed, 1 failed, 0 skipped", 1))
        self.assertEqual(self.verdict("--filtered"), ("v: 1 passed, 0 failed, 0 skipped", 0))

    def test_bazel_failure_without_events_counts(self):
        self.assertEqual(self.verdict(bazel_exit=1), ("v: 0 passed, 1 failed, 0 skipped", 1))

    def test_no_test_at_all_is_no_success(self):
        verdict = ("v: 0 passed, 0 failed, 0 skipped; no test was found", 1)
        self.assertEqual(self.verdict(bazel_exit=4), verdict)

    def test_skip_without_leave_fails_where_skips_are_strict(self):
        self.run_one(PASSED + SKIPPED + DISABLED)
        self.assertEqual(self.verdict(), ("v: 1 passed, 0 failed, 2 skipped", 0))
        self.assertEqual(self.verdict("--strict_skips"), ("v: 1 passed, 1 failed, 1 skipped", 1))

    def test_allowed_skip_needs_a_reason(self):
        self.run_one(PASSED)
        self.assertEqual(self.verdict(allowed="S.*  # why\n")[1], 1)


if __name__ == "__main__":
    unittest.main()
