#!/usr/bin/python3
"""Counts the test cases of one `bazel test` and prints the verdict as the last line.

Bazel counts targets; people want to know about cases. What ran is read from Bazel's build event
file, and what happened inside from each target's test.xml. A target that did not build, or that
failed without a failed case in its XML (crash, timeout, a sanitizer's report at exit), counts as
one failed case.

A target that failed and passed when tried again (--flaky_test_attempts) counts by its last attempt;
what failed before is named.

A skipped case must match a line of the allowed list: `PATTERN  reason`. With --strict_skips any
other counts as failed; without, it is named.

Exit: 0 if nothing failed and something ran, else 1.
"""

import argparse
import collections
import fnmatch
import json
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

BAZEL_NO_TESTS_FOUND = 4

Case = collections.namedtuple("Case", "target name outcome detail")


class Run:
    """What the build events say about one `bazel test`."""

    def __init__(self, path):
        self.test_targets = set()
        self.built = set()
        self.not_built = set()
        self.results = {}  # (label, run, shard) -> the result of the last attempt
        self.tried_again = []  # (label, result) of the attempts before it
        with open(path, encoding="utf-8") as events:
            for line in events:
                if line.strip():
                    self._add(json.loads(line))

    def _add(self, event):
        kind, key = next(iter(event["id"].items()), ("", {}))
        if kind == "targetConfigured" and "configured" in event:
            if event["configured"].get("testSize", "UNKNOWN") != "UNKNOWN":
                self.test_targets.add(key["label"])
        elif kind == "targetCompleted" and "aborted" not in event:
            built = event.get("completed", {}).get("success", False)
            (self.built if built else self.not_built).add(key["label"])
        elif kind == "targetCompleted" and event["aborted"].get("reason") != "SKIPPED":
            self.not_built.add(key["label"])
        elif kind == "testResult":
            attempt = (key["label"], key.get("run", 0), key.get("shard", 0))
            if attempt in self.results:
                self.tried_again.append((key["label"], self.results[attempt]))
            self.results[attempt] = event.get("testResult", {})


def file_of(result, name):
    for output in result.get("testActionOutput", []):
        if output["name"] == name and output.get("uri", "").startswith("file://"):
            return urllib.parse.unquote(output["uri"][len("file://"):])
    return None


def case_of(target, element):
    name = element.get("name", "")
    if element.get("classname"):
        name = element.get("classname") + "." + name
    failure = element.find("failure")
    if failure is None:
        failure = element.find("error")
    skipped = element.find("skipped")
    if failure is not None:
        return Case(target, name, "failed", "")
    if skipped is not None:
        return Case(target, name, "skipped", " ".join((skipped.get("message") or "").split()))
    if element.get("status") == "notrun":
        return Case(target, name, "skipped", "disabled")
    return Case(target, name, "passed", "")


def cases_of(target, result, filtered):
    path = file_of(result, "test.xml")
    cases = []
    try:
        if path:
            elements = ElementTree.parse(path).iter("testcase")
            cases = [case_of(target, element) for element in elements]
    except (OSError, ElementTree.ParseError) as error:
        cases = [Case(target, "(unreadable test.xml)", "failed", str(error))]
    status = result.get("status", "NO_STATUS")
    if status not in ("PASSED", "FLAKY") and not any(c.outcome == "failed" for c in cases):
        cases.append(Case(target, "(the test program)", "failed", status.lower()))
    if status == "PASSED" and not cases and not filtered:
        cases.append(Case(target, "(the test program)", "failed", "ran no test case"))
    return cases


def read_allowed(path):
    """The patterns of the list, and a failed case for each line without a reason."""
    patterns, faults = [], []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split("#", 1)[0].split(None, 1)
            if len(words) == 1:
                faults.append(Case(f"{path}:{number}", words[0], "failed", "no reason is given"))
            elif words:
                patterns.append(words[0])
    return patterns, faults


def collect(run, filtered):
    cases = []
    for (label, _, _), result in sorted(run.results.items()):
        cases += cases_of(label, result, filtered)
    ran = {label for label, _, _ in run.results}
    for label in sorted(run.not_built - ran):
        cases.append(Case(label, "(target)", "failed", "did not build"))
    for label in sorted(run.test_targets - ran - run.not_built):
        cases.append(Case(label, "(the test program)", "failed", "did not run"))
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--name", required=True, help="what the verdict line starts with")
    parser.add_argument("--events", required=True, help="Bazel's --build_event_json_file")
    parser.add_argument("--bazel_exit", type=int, required=True)
    parser.add_argument("--allowed_skips", required=True)
    parser.add_argument("--strict_skips", action="store_true")
    parser.add_argument("--filtered", action="store_true", help="a target may run no case at all")
    options = parser.parse_args()

    allowed, cases = read_allowed(options.allowed_skips)
    run = Run(options.events)
    for label, result in run.tried_again:
        for case in cases_of(label, result, options.filtered):
            if case.outcome == "failed":
                print(f"tried again: {case.name} in {case.target} failed at first {case.detail}")
    for case in collect(run, options.filtered):
        if case.outcome == "skipped" and not any(
            fnmatch.fnmatchcase(case.name, pattern) for pattern in allowed
        ):
            reason = f"skipped without leave: {case.detail}"
            if options.strict_skips:
                case = case._replace(outcome="failed", detail=reason)
            else:
                print(f"{case.name} in {case.target}: {reason}")
        cases.append(case)

    count = collections.Counter(case.outcome for case in cases)
    if options.bazel_exit not in (0, BAZEL_NO_TESTS_FOUND) and not count["failed"]:
        cases.append(Case("bazel", "(build)", "failed", f"exit code {options.bazel_exit}"))
        count["failed"] += 1
    for case in cases:
        if case.outcome == "failed":
            print(f"failed: {case.name} in {case.target}" + (case.detail and f": {case.detail}"))
    empty = "" if cases else "; no test was found"
    print(
        f"{options.name}: {count['passed']} passed, {count['failed']} failed, "
        f"{count['skipped']} skipped{empty}",
        flush=True,
    )
    return 1 if count["failed"] or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
