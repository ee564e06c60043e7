"""What `./dev compare` runs: groups of runs that are compared with each other, and the command of each.

A run is one line of JSON, of wal-bench or of peerbench. Both say record_bytes, clients, seconds,
records, records_per_s, mb_per_s, p50_us, p99_us, p999_us, cpu_us_per_record, syncs, writes,
bytes_written and other_cpus in the same units; `who`, `group`, `round` and `order` are added here.
peerbench's mode is wal-bench's workload, with `async` for `stream`.
"""

import collections
import os

COMMIT_CLIENTS = (1, 16, 64, 256)
COMMIT_BYTES = 128
STREAM_BYTES = (128, 1024, 16384)
RECOVER_BYTES = (128, 1024)
SHARDS = (1, 2, 4, 8)
SEGMENT_MB = {"rolls": 8, "no rolls": 256}  # filled many times in a run of seconds, and not once
NAIVE = ("raw-serial", "raw-group", "raw-stream")
PEERS = ("raw-serial", "raw-group", "raw-stream", "rocksdb", "rocksdb-put", "leveldb", "bdb",
         "wiredtiger", "wiredtiger-group", "sqlite", "sqlite-group", "postgres")
QUICK_PEERS = ("raw-serial", "raw-group", "rocksdb", "bdb")
# A second client does not help these.
ONE_STREAM_CLIENT = ("leveldb", "sqlite")
OURS = "corewal"

Run = collections.namedtuple("Run", "group who program flags")


def is_ours(who):
    return who.startswith(OURS)


def is_naive(who):
    return who in NAIVE


def ours(group, who, io, flags):
    """One run on each backend: what `auto` picks, and each by name."""
    return [
        Run(group, f"{OURS} {who}" + ("" if backend == "auto" else f" io={backend}"), "wal-bench",
            [f"--io={backend}", *flags])
        for backend in io
    ]


def peer(group, who, mode, record_bytes, clients, more=()):
    return Run(group, who, "peerbench",
               [f"--peer={who}", f"--mode={mode}", f"--record_bytes={record_bytes}",
                f"--clients={clients}", *more])


def commit_group(clients, seconds, io):
    group = f"commit {clients}"
    flags = ["--workload=commit", f"--record_bytes={COMMIT_BYTES}", f"--seconds={seconds}"]
    runs = []
    if clients == 1:
        runs += ours(group, "embedded", io, [*flags, "--embedded"])
    runs += ours(group, "engine", io, [*flags, f"--clients={clients}"])
    if clients == 256:
        runs += ours(group, "1 client, 256 in flight", io, [*flags, "--clients=1", "--inflight=256"])
    names = ["raw-group", "rocksdb", "leveldb", "bdb", "postgres"]
    if clients == 1:
        names += ["raw-serial", "rocksdb-put", "wiredtiger", "sqlite"]
    else:
        names += ["wiredtiger-group", "sqlite-group"]
    length = [f"--seconds={seconds}"]
    return runs + [peer(group, name, "commit", COMMIT_BYTES, clients, length) for name in names]


def stream_group(record_bytes, seconds, io):
    group = f"stream {record_bytes}"
    flags = ["--workload=stream", f"--record_bytes={record_bytes}", f"--seconds={seconds}"]
    runs = ours(group, "embedded", io, [*flags, "--embedded"]) + ours(group, "engine", io, flags)
    for name in ("raw-group", "rocksdb", "rocksdb-put", "bdb", "wiredtiger", "postgres", "leveldb", "sqlite"):
        clients = 1 if name in ONE_STREAM_CLIENT else 2
        runs.append(peer(group, name, "async", record_bytes, clients, [f"--seconds={seconds}"]))
    # Its record is a MiB, whatever the group's is.
    return runs + [peer(group, "raw-stream", "async", 1 << 20, 1, [f"--seconds={seconds}"])]


def recover_group(record_bytes, mib, io):
    group = f"recover {record_bytes}"
    mib = mib if record_bytes >= 1024 else max(1, mib // 4)
    megabytes = max(1, mib * (1 << 20) // 10**6)
    flags = ["--workload=recover", f"--record_bytes={record_bytes}", f"--mb={megabytes}"]
    runs = ours(group, "embedded", io, flags)
    for name in ("raw-group", "rocksdb", "rocksdb-put", "leveldb", "bdb", "wiredtiger", "sqlite", "postgres"):
        runs.append(peer(group, name, "recover", record_bytes, 1, [f"--recover_mib={mib}"]))
    return runs


def shards_group(seconds):
    """More shards on one disk, each with a client of its own."""
    group = "shards"
    return [
        Run(group, f"{OURS} {shards}", "wal-bench",
            ["--workload=commit", f"--record_bytes={COMMIT_BYTES}", f"--seconds={seconds}", f"--shards={shards}",
             f"--clients={shards}", "--inflight=16", "--segment_mb=16", "--floor=off"])
        for shards in SHARDS
    ]


def roll_group(seconds):
    group = "roll"
    return [
        Run(group, f"{OURS} {what}", "wal-bench",
            ["--workload=commit", f"--record_bytes={COMMIT_BYTES}", f"--seconds={seconds}", "--embedded",
             f"--segment_mb={segment_mb}", "--floor=off"])
        for what, segment_mb in SEGMENT_MB.items()
    ]


def plan(options):
    """The groups asked for, each a list of runs, in the order of the first round."""
    io = ("auto",) if options.quick else ("auto", "uring", "posix")
    groups = [commit_group(clients, options.seconds, io) for clients in COMMIT_CLIENTS]
    groups += [stream_group(size, options.seconds, io) for size in STREAM_BYTES]
    groups += [recover_group(size, options.recover_mib, io) for size in RECOVER_BYTES]
    groups += [shards_group(options.seconds), roll_group(options.seconds)]
    wanted = [
        [run for run in group if is_ours(run.who) or run.who in options.peers]
        for group in groups
        if not options.groups or group[0].group in options.groups
    ]
    return wanted


def rotated(runs, round_number):
    """Each round begins with another run, so that none always follows the same one."""
    start = round_number % len(runs)
    return runs[start:] + runs[:start]


def command_of(run, programs, scratch):
    directory = os.path.join(scratch, "log" if run.program == "wal-bench" else "peers")
    more = ["--json=-"] if run.program == "wal-bench" else []
    return [programs[run.program], f"--dir={directory}", *run.flags, *more]
