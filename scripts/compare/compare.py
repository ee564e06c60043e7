#!/usr/bin/python3
"""./dev compare: corewal, the device floor and the peers, interleaved on one disk; table and plot.

  ./dev compare                      5 rounds of everything; an hour or more, on a quiet machine
  ./dev compare --quick              2 short rounds, a few peers: does it work here? Proves nothing
  ./dev compare --groups='commit 16,stream 128' --rounds=9

Writes compare-DATE.jsonl (one object a run), .md (targets, tables) and .svg (plot) into --out. A full
run that other work left alone is also added to benchmarks/RESULTS.md.
Exit: 0 done (a missed target is a result); 1 bad flags, or something failed.
"""

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys

import cells
import figures as figures_module
import plot
import report
import runner

ROUNDS_MIN = 5
PACKAGES = ["libdb5.3", "libleveldb1d", "librocksdb7.8", "libsqlite3-0", "libwiredtiger0",
            "postgresql-15"]


def positive(text):
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
    return value


def names_among(known):
    def parse(text):
        names = [name.strip() for name in text.split(",") if name.strip()]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name}: expected some of {', '.join(known)}")
        return names
    return parse


def parse_options(arguments):
    groups = [f"commit {clients}" for clients in cells.COMMIT_CLIENTS]
    groups += [f"stream {size}" for size in cells.STREAM_BYTES] + [f"recover {size}" for size in cells.RECOVER_BYTES]
    groups += ["shards", "roll"]
    parser = argparse.ArgumentParser(prog="./dev compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help=f"each run so often, medians ({ROUNDS_MIN})")
    parser.add_argument("--seconds", type=positive, help="length of one run (3)")
    parser.add_argument("--recover_mib", type=int, default=None, help="log to read back; a quarter for 128 B (1024)")
    parser.add_argument("--quick", action="store_true", help="2 rounds, 0.5 s, 64 MiB, few peers, io=auto only")
    parser.add_argument("--peers", type=names_among(cells.PEERS), help="only these peers; a comma between")
    parser.add_argument("--groups", type=names_among(groups), default=[], help="only these groups; a comma between")
    parser.add_argument("--dir", default="./corewal-compare", help="where the logs go, on the disk to be measured")
    parser.add_argument("--out", default=None, help="where the results go (benchmarks/results)")
    parser.add_argument("--root", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    quick = options.quick
    options.rounds = options.rounds or (2 if quick else ROUNDS_MIN)
    options.seconds = options.seconds or (0.5 if quick else 3)
    options.recover_mib = options.recover_mib or (64 if quick else 1024)
    if options.peers is None:
        options.peers = cells.QUICK_PEERS if quick else cells.PEERS
    options.out = options.out or os.path.join(options.root, "benchmarks", "results")
    if options.rounds < 1 or options.recover_mib < 1:
        parser.error("--rounds and --recover_mib are at least 1")
    return options


def said_by(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip()


def machine_facts(options, command):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = said_by("dpkg-query", "--show", "--showformat=${Package} ${Version}, ", *PACKAGES).rstrip(", ")
    return [
        ("command", f"`{command}`"),
        ("commit", said_by("git", "-C", options.root, "describe", "--always", "--dirty") or "unknown"),
        ("machine", f"{os.cpu_count()} x {models[0] if models else platform.machine()}, {memory_gib:.0f} GiB"),
        ("kernel", platform.release()),
        ("disk", said_by("findmnt", "--noheadings", "--output=FSTYPE,SOURCE", "--target", options.dir) or "unknown"),
        ("peers", versions or "unknown"),
        ("runs", f"{options.rounds} rounds, {options.seconds:g} s each, {options.recover_mib} MiB to read back"),
    ]


def why_not_published(options, figures, failures):
    if options.quick or options.rounds < ROUNDS_MIN:
        return f"fewer than {ROUNDS_MIN} full rounds"
    if options.groups or set(options.peers) != set(cells.PEERS):
        return "not all groups and peers"
    if failures:
        return f"{len(failures)} runs failed"
    if not figures.undisturbed_everywhere():
        return "other work disturbed it: some cells have no undisturbed run"
    return ""


def publish(root, text):
    with open(os.path.join(root, "benchmarks", "RESULTS.md"), "a", encoding="utf-8") as file:
        file.write("\n" + text)


def read_recorded_counts(root):
    try:
        with open(os.path.join(root, "tests", "guard", "recorded.json"), encoding="utf-8") as file:
            return json.load(file)
    except OSError:
        return {}


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(arguments):
    options = parse_options(arguments)
    # As if by the keyboard: the run at work is ended, and what it left is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.makedirs(options.out, exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    stem = os.path.join(options.out, f"compare-{now:%Y%m%dT%H%M%SZ}")
    programs = {
        "wal-bench": os.path.join(options.root, "bazel-bin/tools/wal-bench"),
        "peerbench": os.path.join(options.root, "bazel-bin/benchmarks/peers/peerbench"),
    }
    shown = " ".join(["./dev compare", *(a for a in arguments if not a.startswith(("--root", "--dir", "--out")))])
    with open(stem + ".jsonl", "w", encoding="utf-8") as output, \
            runner.Runner(programs, options.dir, output) as run:
        facts = machine_facts(options, shown)
        try:
            run.run_all(cells.plan(options), options.rounds)
        except KeyboardInterrupt:
            run.failures.append("interrupted; these are the figures so far")
    figures = figures_module.Figures(run.rows)
    title = f"{now:%Y-%m-%d %H:%M} UTC"
    text, found = report.section(title, figures, read_recorded_counts(options.root), facts)
    if run.failures:
        text += "\n### Failed\n\n" + "".join(f"- {failure}\n" for failure in run.failures)
    reason = why_not_published(options, figures, run.failures)
    if reason:
        text = text.replace("\n\n", f"\n\n**Not a result to quote: {reason}.**\n\n", 1)
    else:
        publish(options.root, text)
    write(stem + ".md", text)
    write(stem + ".svg", plot.svg(figures, f"corewal and its peers, {title}"))
    print(text)
    for ending in (".jsonl", ".md", ".svg"):
        print(f"written: {stem}{ending}")
    print(f"not added to benchmarks/RESULTS.md: {reason}" if reason else "added to benchmarks/RESULTS.md")
    verdicts = [target.verdict() for target in found]
    met, missed = verdicts.count("met"), sum(verdict.startswith("missed") for verdict in verdicts)
    print(f"dev compare: {len(run.rows)} runs, {len(run.failures)} failed; targets: {met} met, {missed} missed, "
          f"{len(verdicts) - met - missed} not measured, "
          f"{sum(target.doubtful for target in found)} by disturbed runs"
          + (f"; not to be quoted: {reason}" if reason else ""))
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
