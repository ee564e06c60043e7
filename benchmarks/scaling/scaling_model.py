#!/usr/bin/env python3
"""What bounds corewal on machines that nobody here has: the model behind docs/SCALING.md.

    scaling_model.py                    prints its tables
    scaling_model.py --check DOCUMENT   fails unless the document holds these tables, word for word

A shard is a loop: hand a batch to the device, wait until it is durable, answer its clients, who
append again. Its time is one sync and the CPU of one turn. Three things are shared and can be short:
the syncs a device does in a second, its bytes in a second, and the cores. The slowest wins.
"""
import dataclasses
import sys


@dataclasses.dataclass(frozen=True)
class Device:
    name: str
    sync_us: float  # one durable write of one block, alone
    syncs_per_s: float  # of all shards together, each with its own write in flight
    mb_per_s: float  # of large writes


@dataclasses.dataclass(frozen=True)
class Machine:
    cores: int
    devices: int
    device: Device


# CPU, in us. What is measured and what is assumed: docs/SCALING.md, "What goes in".
TURN_US = 8.0  # one batch: submit, interrupt, completion, both watermarks
ENGINE_RECORD_US = 0.13  # one record of 128 bytes, handed over by another thread; both threads
EMBEDDED_RECORD_US = 0.027  # one record of 128 bytes, appended by the shard's own thread
WAKE_US = 14.0  # a client that sleeps until its record is durable: all of such a record
RECORD_BYTES = 128
FRAMED_BYTES = 132
BLOCK_BYTES = 4096
HEADER_BYTES = 64

PROTECTED = Device("power-loss protection", 11, 180_000, 4_000)
PLAIN = Device("none: flushes", 1_700, 1_200, 3_000)


def batch_bytes(records):
    return -(-(HEADER_BYTES + records * FRAMED_BYTES) // BLOCK_BYTES) * BLOCK_BYTES


def commit(machine, shards, in_flight, record_us):
    """Records a second of all shards, what bounds them, and the latency of a record in us."""
    device = machine.device
    shard_us = device.sync_us + TURN_US + in_flight * record_us
    bounds = {
        "each shard's wait for its sync": shards * in_flight / shard_us * 1e6,
        "syncs of the devices": machine.devices * device.syncs_per_s * in_flight,
        "bytes of the devices": machine.devices * device.mb_per_s * 1e6 * in_flight / batch_bytes(in_flight),
        "cores": machine.cores * 1e6 / (TURN_US / in_flight + record_us),
    }
    bound = min(bounds, key=bounds.get)
    rate = bounds[bound]
    return rate, bound, shards * in_flight / rate * 1e6


def count(value):
    for unit, divisor in (("M", 1e6), ("k", 1e3)):
        if value >= divisor:
            return f"{value / divisor:.3g} {unit}"
    return f"{value:.3g}"


def commit_table(machine):
    lines = [
        "| shards | in flight, each | records/s | latency, us | syncs/s of a device | cores busy | bound by |",
        "|---|---|---|---|---|---|---|",
    ]
    for shards in (8, 16, 64):
        for in_flight in (1, 16, 256):
            rate, bound, latency = commit(machine, shards, in_flight, ENGINE_RECORD_US)
            busy = rate * (TURN_US / in_flight + ENGINE_RECORD_US) / 1e6
            lines.append(f"| {shards} | {in_flight} | {count(rate)} | {latency:.0f} | "
                         f"{count(rate / in_flight / machine.devices)} | {busy:.1f} | {bound} |")
    return "\n".join(lines)


def stream_table(machines):
    lines = [
        "| device | records/s of one core | cores that fill one device | of all devices, GB/s |",
        "|---|---|---|---|",
    ]
    core = 1e6 / EMBEDDED_RECORD_US
    for machine in machines:
        cores = machine.device.mb_per_s * 1e6 / (core * FRAMED_BYTES)
        lines.append(f"| {machine.device.name} | {count(core)} | {cores:.1f} | "
                     f"{machine.devices * machine.device.mb_per_s / 1e3:.0f} |")
    return "\n".join(lines)


def sleeper_table():
    lines = ["| clients that sleep | records/s of 64 cores at most | of 2 cores |", "|---|---|---|"]
    for share in (0, 1):
        record_us = WAKE_US if share else ENGINE_RECORD_US
        lines.append(f"| {'all' if share else 'none'} | {count(64e6 / record_us)} | {count(2e6 / record_us)} |")
    return "\n".join(lines)


def tables():
    protected, plain = (Machine(64, 8, device) for device in (PROTECTED, PLAIN))
    return [commit_table(protected), commit_table(plain), stream_table([protected, plain]), sleeper_table()]


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        with open(sys.argv[2], encoding="utf-8") as document:
            text = document.read()
        missing = [table for table in tables() if table not in text]
        for table in missing:
            print(f"{sys.argv[2]} lacks this table of scaling_model.py:\n{table}\n", file=sys.stderr)
        return 1 if missing else 0
    if len(sys.argv) != 1:
        print(__doc__, file=sys.stderr)
        return 1
    print("\n\n".join(tables()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
