"""The targets of corewal, and by how much each is met or missed."""

import cells

IO_MARGIN = 0.95
EMBEDDED, ENGINE = f"{cells.OURS} embedded", f"{cells.OURS} engine"
IN_FLIGHT = f"{cells.OURS} 1 client, 256 in flight"


class Target:
    """`figure` against `bound`: at least it, or at most it if `most`. None: not measured.

    `doubtful`: the figure rests on disturbed runs only.
    """

    def __init__(self, what, figure, bound, unit="", most=False, doubtful=False):
        self.what, self.figure, self.bound, self.unit = what, figure, bound, unit
        self.most, self.doubtful = most, doubtful

    def verdict(self):
        if self.figure is None:
            return "not measured"
        if self.figure <= self.bound if self.most else self.figure >= self.bound:
            return "met"
        gap = self.figure / self.bound - 1 if self.most else 1 - self.figure / self.bound
        return f"missed by {gap:.1%}" if gap >= 0.001 else "missed by less than 0.1%"

    def row(self):
        bound = f"{'at most' if self.most else 'at least'} {show(self.bound)}{self.unit}"
        mark = "~" if self.doubtful else ""
        figure = "-" if self.figure is None else f"{show(self.figure)}{self.unit}{mark}"
        return [self.what, bound, figure, self.verdict()]


def show(value):
    return f"{value:,.0f}".replace(",", " ") if value >= 1000 else f"{value:.3g}"


def divided(one, other):
    return one / other if one and other else None


class Cell:
    """The targets of one of ours in one group."""

    def __init__(self, figures, group, who, what):
        self.figures, self.group, self.who, self.what = figures, group, who, what

    def target(self, what, figure, bound, unit="", most=False, against=()):
        others = [self.who, *(who for who in against if who)]
        doubtful = any(self.figures.disturbed(self.group, who) for who in others)
        return Target(f"{self.what}{what}", figure, bound, unit, most, doubtful)

    def median(self, key):
        return self.figures.median(self.group, self.who, key)

    def over_floor(self, bound, what=", over floor"):
        return self.target(what, self.figures.floor_ratio(self.group, self.who), bound)

    def over(self, other, name, bound):
        ratio = self.figures.ratio(self.group, self.who, other)
        return self.target(f", over {name}", ratio, bound, " x", against=[other])

    def over_best_peer(self, bound):
        return self.over(self.figures.best_peer(self.group), "best peer", bound)

    def over_naive_group(self):
        return self.over("raw-group", "naive group", 1)

    def p99_over(self, other, name):
        theirs = self.figures.median(self.group, other, "p99_us") if other else None
        figure = divided(self.median("p99_us"), theirs)
        return self.target(f", p99 over {name}'s", figure, 1, " x", most=True, against=[other])


def commit_targets(figures):
    embedded = Cell(figures, "commit 1", EMBEDDED, "commit, 1 client, embedded")
    yield embedded.over_floor(0.97)
    p50 = divided(embedded.median("p50_us"), embedded.median("floor_p50_us"))
    yield embedded.target(", p50 over floor's", p50, 1.03, most=True)
    yield Cell(figures, "commit 1", ENGINE, "commit, 1 client, engine").over_floor(0.85)
    for clients, bound in ((16, 1.5), (64, 2), (256, 2)):
        cell = Cell(figures, f"commit {clients}", ENGINE, f"commit, {clients} clients")
        yield cell.over_best_peer(bound)
        yield cell.over_naive_group()
        yield cell.p99_over(figures.best_peer(cell.group), "best peer")
        yield cell.p99_over("raw-group", "naive group")
    what = "commit, 1 client with 256 in flight (the others have 256 clients)"
    yield Cell(figures, "commit 256", IN_FLIGHT, what).over_best_peer(10)


def stream_targets(figures):
    for record_bytes, floor, best in ((128, 0.90, 4), (1024, 0.95, 3), (16384, 0.95, 3)):
        what = f"stream, {record_bytes} B, embedded"
        cell = Cell(figures, f"stream {record_bytes}", EMBEDDED, what)
        yield cell.over_floor(floor)
        yield cell.over_best_peer(best)
        yield cell.over_naive_group()
    engine = Cell(figures, "stream 128", ENGINE, "stream, 128 B, engine")
    yield engine.target(", records/s", engine.median("records_per_s"), 8e6)
    yield engine.over_best_peer(2)
    embedded = Cell(figures, "stream 128", EMBEDDED, "stream, 128 B, embedded")
    cpu_us = embedded.median("cpu_us_per_record")
    cpu_ns = None if cpu_us is None else cpu_us * 1000
    yield embedded.target(", CPU per record, making it included", cpu_ns, 45, " ns", most=True)


def recover_targets(figures):
    for record_bytes in cells.RECOVER_BYTES:
        cell = Cell(figures, f"recover {record_bytes}", EMBEDDED, f"read back, {record_bytes} B")
        yield cell.over_floor(0.90, ", over raw O_DIRECT reading")
        yield cell.over_best_peer(3)


def shard_targets(figures):
    one = f"{cells.OURS} {cells.SHARDS[0]}"
    alone_us = figures.median("shards", one, "cpu_us_per_record")
    for shards in cells.SHARDS[1:]:
        cell = Cell(figures, "shards", f"{cells.OURS} {shards}", f"commit, {shards} shards on one disk")
        yield cell.over(one, "one shard", 1)
        cpu = divided(cell.median("cpu_us_per_record"), alone_us)
        yield cell.target(", CPU per record over one shard's", cpu, 1.1, " x", most=True, against=[one])


def roll_targets(figures):
    rolls, none = (f"{cells.OURS} {what}" for what in cells.SEGMENT_MB)
    cell = Cell(figures, "roll", rolls, "commit, 1 client, embedded, with rolls")
    p999 = divided(cell.median("p999_us"), figures.median("roll", none, "p999_us"))
    yield cell.target(", p99.9 over that without", p999, 1.3, " x", most=True, against=[none])


def io_targets(figures):
    """Each place where all three backends were run."""
    for group in figures.groups():
        for who in figures.who(group):
            if not cells.is_ours(who) or " io=" in who:
                continue
            backends = [f"{who} io={io}" for io in ("uring", "posix")]
            ratios = [figures.ratio(group, who, backend) for backend in backends]
            if None not in ratios:
                what = f"{group}, {who.removeprefix(cells.OURS + ' ')}"
                cell = Cell(figures, group, who, what)
                yield cell.target(": auto over the better of io_uring and posix", min(ratios),
                                  IO_MARGIN, against=backends)


def all_targets(figures, recorded_counts):
    """`recorded_counts`: what tests/guard/recorded.json holds, or {}."""
    yield from commit_targets(figures)
    yield from stream_targets(figures)
    counted = recorded_counts.get("stream", {}).get("instructions")
    yield Target("user instructions per record, stream 128 B, embedded (./dev guard)",
                 None if counted is None else counted / 1000, 120, most=True)
    yield from recover_targets(figures)
    yield from shard_targets(figures)
    yield from roll_targets(figures)
    yield from io_targets(figures)
