"""Medians of runs, and how they stand against the device floor, the best peer and the naive group."""

import collections
import statistics

import cells

DISTURBED_CPUS = 0.3
FLOOR_KEYS = ("floor_commits_per_s", "floor_mb_per_s", "floor_read_mb_per_s")


def is_disturbed(row):
    return (row.get("other_cpus") or 0) >= DISTURBED_CPUS


class Figures:
    """The runs of one comparison. A cell's figures are medians of its undisturbed runs, or, where there
    are none, of all of them; disturbed() tells."""

    def __init__(self, rows):
        self.rows = rows
        self.cells = collections.defaultdict(list)
        for row in rows:
            self.cells[row["group"], row["who"]].append(row)

    def groups(self):
        return list(dict.fromkeys(group for group, _ in self.cells))

    def who(self, group):
        return [who for g, who in self.cells if g == group]

    def used(self, group, who):
        rows = self.cells.get((group, who), [])
        return [row for row in rows if not is_disturbed(row)] or rows

    def disturbed(self, group, who):
        used = self.used(group, who)
        return bool(used) and is_disturbed(used[0])

    def median(self, group, who, key):
        values = [row[key] for row in self.used(group, who) if row.get(key) is not None]
        return statistics.median(values) if values else None

    def rate(self, group, who):
        """What is compared: bytes in a group whose runs have records of several sizes, else records."""
        return self.median(group, who, "mb_per_s" if group.startswith("stream") else "records_per_s")

    def engines(self, group):
        return [who for who in self.who(group) if not cells.is_ours(who) and not cells.is_naive(who)]

    def best_peer(self, group):
        rated = [(self.rate(group, who), who) for who in self.engines(group)]
        return max(((rate, who) for rate, who in rated if rate), default=(None, None))[1]

    def ratio(self, group, who, other):
        mine, theirs = self.rate(group, who), self.rate(group, other) if other else None
        return mine / theirs if mine and theirs else None

    def floor_ratio(self, group, who):
        """Ours: measured by wal-bench, interleaved within the run."""
        return self.median(group, who, "ratio_to_floor")

    def undisturbed_everywhere(self):
        return not any(self.disturbed(group, who) for group, who in self.cells)
