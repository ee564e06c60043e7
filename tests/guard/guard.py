#!/usr/bin/python3
"""Counts what the log does per record, and compares with what was recorded.

  user instructions   valgrind --tool=callgrind, of the measured part of append_work alone
  system calls        ptrace(2), by append_work itself
  allocations         malloc and its kin, by append_work itself

A count that is worse than recorded by more than the tolerance fails. One that is better by more
than that is named, with the command that records it. Nothing here is a time.

Usage: guard.py --program=APPEND_WORK --recorded=FILE [--update]
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOLERANCE = 0.03
# Counts per 1000 records below this differ by chance of rounding alone.
SLACK_PER_1000 = 1
# One segment has room for them, and callgrind needs seconds.
RECORDS = {"stream": 102_400, "stream-callbacks": 102_400, "commit": 2_000}
UPDATE_COMMAND = "./dev guard --update"


def output_of(command, extra_environment=()):
    # On a disk, not on tmpfs; and gone again whatever becomes of the program.
    with tempfile.TemporaryDirectory(prefix="corewal-guard-", dir="/var/tmp") as folder:
        environment = {**os.environ, **dict(extra_environment), "TEST_TMPDIR": folder}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=300)
    if done.returncode != 0:
        sys.exit(f"guard: {' '.join(command)}: exit code {done.returncode}: {done.stderr[-500:]}")
    return done.stdout + done.stderr


def number_behind(text, name):
    match = re.search(rf"{name} *:? *([0-9]+)", text)
    if not match:
        sys.exit(f"guard: no `{name}` in: {text[-500:]}")
    return int(match[1])


def instructions(program, workload, records):
    with tempfile.TemporaryDirectory() as folder:
        text = output_of([
            "valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*MeasuredPart*",
            f"--callgrind-out-file={folder}/out", program, workload, str(records),
        ])
    return number_behind(text, "Collected")


def measure(program):
    """{"stream": {"instructions": per 1000 records, ...}, ...}"""
    counts = {}
    for workload, records in RECORDS.items():
        plain = output_of([program, workload, str(records)])
        traced = output_of([program, workload, str(records)],
                           extra_environment={"COUNT_SYSTEM_CALLS": "1"})
        found = {
            "instructions": instructions(program, workload, records),
            "system_calls": number_behind(traced, "system_calls"),
            "allocations": number_behind(plain, "allocations"),
        }
        counts[workload] = {name: round(count * 1000 / records, 1) for name, count in found.items()}
    return counts


def judge(recorded, counted):
    """Lines for people, and how many counts passed and failed."""
    lines, passed, failed, better = [], 0, 0, False
    for workload, names in counted.items():
        for name, count in names.items():
            before = recorded.get(workload, {}).get(name)
            what = f"{workload}: {count / 1000:.3f} {name.replace('_', ' ')} a record"
            if before is None:
                lines.append(f"failed: {what}; none is recorded: run {UPDATE_COMMAND}")
                failed += 1
                continue
            margin = max(before * TOLERANCE, SLACK_PER_1000 if before else 0)
            change = f"recorded {before / 1000:.3f}"
            if count > before + margin:
                lines.append(f"failed: {what}; {change}: worse by more than {TOLERANCE:.0%}. If that "
                             f"is the price of something, say so in the commit and run {UPDATE_COMMAND}")
                failed += 1
                continue
            passed += 1
            if count < before - margin:
                better = True
                lines.append(f"better: {what}; {change}")
            else:
                lines.append(f"as recorded: {what}; {change}")
    if better:
        lines.append(f"Keep what was won: run {UPDATE_COMMAND} and commit the file.")
    return lines, passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--recorded", required=True)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("guard: valgrind is missing; ./dev guard installs it")
    counted = measure(options.program)
    if options.update:
        with open(options.recorded, "w", encoding="utf-8") as file:
            json.dump(counted, file, indent=2)
            file.write("\n")
    with open(options.recorded, encoding="utf-8") as file:
        recorded = json.load(file)
    lines, passed, failed = judge(recorded, counted)
    print("\n".join(lines))
    print(f"dev guard: {passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
