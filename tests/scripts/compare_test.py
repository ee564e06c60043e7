#!/usr/bin/python3
"""What `./dev compare` makes of runs: medians, disturbed runs, ratios, targets, table, plot, publishing."""

import argparse
import io
import os
import stat
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.path.insert(0, os.path.abspath("scripts/compare"))
sys.dont_write_bytecode = True

import cells  # noqa: E402
import compare  # noqa: E402
import figures as figures_module  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import runner  # noqa: E402
import targets  # noqa: E402


def row(group, who, rate, other_cpus=0.1, **more):
    return {"group": group, "who": who, "records_per_s": rate, "mb_per_s": rate / 100, "other_cpus": other_cpus, **more}


def some_rows():
    group = "commit 16"
    return [
        row(group, "corewal engine", 300, p99_us=50, ratio_to_floor=0.5),
        row(group, "corewal engine", 320, p99_us=60, ratio_to_floor=0.6),
        row(group, "corewal engine", 10, other_cpus=1.5, p99_us=9000, ratio_to_floor=0.01),
        row(group, "rocksdb", 200, p99_us=70),
        row(group, "bdb", 100, p99_us=40),
        row(group, "raw-group", 400, p99_us=55),
    ]


def options(*arguments):
    return compare.parse_options(["--root=/nowhere", *arguments])


class FiguresTest(unittest.TestCase):
    def test_disturbed_runs_do_not_count_where_there_are_others(self):
        figures = figures_module.Figures(some_rows())
        self.assertEqual(figures.rate("commit 16", "corewal engine"), 310)
        self.assertFalse(figures.disturbed("commit 16", "corewal engine"))
        self.assertTrue(figures.undisturbed_everywhere())

    def test_a_cell_of_disturbed_runs_alone_is_marked(self):
        figures = figures_module.Figures([row("commit 16", "bdb", 100, other_cpus=0.3)])
        self.assertEqual(figures.rate("commit 16", "bdb"), 100)
        self.assertFalse(figures.undisturbed_everywhere())
        self.assertIn("| bdb ~ |", report.group_table(figures, "commit 16"))

    def test_the_best_peer_is_an_engine_and_not_ours(self):
        figures = figures_module.Figures(some_rows())
        self.assertEqual(figures.best_peer("commit 16"), "rocksdb")
        self.assertAlmostEqual(figures.ratio("commit 16", "corewal engine", "rocksdb"), 1.55)

    def test_streams_are_compared_by_bytes(self):
        figures = figures_module.Figures([row("stream 128", "raw-stream", 5, mb_per_s=2000)])
        self.assertEqual(figures.rate("stream 128", "raw-stream"), 2000)


class TargetsTest(unittest.TestCase):
    def verdicts(self):
        found = targets.all_targets(figures_module.Figures(some_rows()), {"stream": {"instructions": 100_000}})
        return {target.what: target.verdict() for target in found}

    def test_met_missed_and_not_measured(self):
        verdicts = self.verdicts()
        self.assertEqual(verdicts["commit, 16 clients, over best peer"], "met")
        self.assertEqual(verdicts["commit, 16 clients, over naive group"], "missed by 22.5%")
        self.assertEqual(verdicts["commit, 16 clients, p99 over best peer's"], "met")
        self.assertEqual(verdicts["commit, 64 clients, over best peer"], "not measured")
        self.assertEqual(verdicts["user instructions per record, stream 128 B, embedded (./dev guard)"], "met")

    def test_auto_must_keep_up_with_the_better_backend(self):
        group = "stream 128"
        rows = [row(group, "corewal embedded" + io, rate)
                for io, rate in (("", 90), (" io=uring", 100), (" io=posix", 50))]
        found = list(targets.io_targets(figures_module.Figures(rows)))
        self.assertEqual([target.verdict() for target in found], ["missed by 5.3%"])


    def test_shards_and_rolls_are_held_against_ours_without(self):
        rows = [row("shards", "corewal 1", 100, cpu_us_per_record=2),
                row("shards", "corewal 2", 90, cpu_us_per_record=2),
                row("shards", "corewal 4", 200, cpu_us_per_record=3),
                row("roll", "corewal rolls", 1, p999_us=150), row("roll", "corewal no rolls", 1, p999_us=100)]
        figures = figures_module.Figures(rows)
        verdicts = {target.what: target.verdict() for target in targets.shard_targets(figures)}
        self.assertEqual(verdicts["commit, 2 shards on one disk, over one shard"], "missed by 10.0%")
        self.assertEqual(verdicts["commit, 2 shards on one disk, CPU per record over one shard's"], "met")
        self.assertEqual(verdicts["commit, 4 shards on one disk, CPU per record over one shard's"], "missed by 36.4%")
        self.assertEqual(verdicts["commit, 8 shards on one disk, over one shard"], "not measured")
        self.assertEqual([target.verdict() for target in targets.roll_targets(figures)], ["missed by 15.4%"])


class PlanTest(unittest.TestCase):
    def test_every_group_and_backend_is_planned(self):
        groups = {group[0].group: [run.who for run in group] for group in cells.plan(options())}
        self.assertEqual(len(groups), 11)
        self.assertEqual(groups["shards"], [f"corewal {shards}" for shards in (1, 2, 4, 8)])
        self.assertIn("corewal 1 client, 256 in flight io=posix", groups["commit 256"])
        self.assertIn("raw-stream", groups["stream 1024"])
        self.assertIn("postgres", groups["recover 128"])

    def test_rounds_begin_with_another_run_each(self):
        self.assertEqual([cells.rotated("abc", i) for i in range(4)], ["abc", "bca", "cab", "abc"])

    def test_unknown_peer_is_refused(self):
        with self.assertRaises(argparse.ArgumentTypeError):
            compare.names_among(cells.PEERS)("oracle")


class PublishTest(unittest.TestCase):
    def why(self, rows, *arguments, failures=()):
        return compare.why_not_published(options(*arguments), figures_module.Figures(rows), failures)

    def test_only_a_full_undisturbed_run_is_published(self):
        self.assertEqual(self.why(some_rows()), "")
        self.assertIn("rounds", self.why(some_rows(), "--quick"))
        self.assertIn("rounds", self.why(some_rows(), "--rounds=4"))
        self.assertIn("peers", self.why(some_rows(), "--peers=bdb"))
        self.assertIn("failed", self.why(some_rows(), failures=["x"]))
        self.assertIn("disturbed", self.why([row("commit 16", "bdb", 1, other_cpus=1)]))


class OutputTest(unittest.TestCase):
    def test_table_and_plot_are_well_formed(self):
        figures = figures_module.Figures(some_rows())
        text, _ = report.section("now", figures, {}, [("machine", "a")])
        widths = {line.count("|") for line in report.group_table(figures, "commit 16").splitlines()[2:]}
        self.assertEqual(len(widths), 1)
        self.assertIn("6 runs, 1 of them disturbed", text)
        image = plot.svg(figures, "a < b")
        xml.dom.minidom.parseString(image)
        self.assertIn("prefers-color-scheme: dark", image)


class RunnerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def program(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, stat.S_IRWXU)
        return path

    def test_results_are_kept_failures_named_and_nothing_left(self):
        programs = {
            "wal-bench": self.program("good", 'echo table >&2; echo \'{"records_per_s": 7}\'\n'),
            "peerbench": self.program("bad", 'echo "peerbench: no disk" >&2; exit 1\n'),
        }
        logs, output = os.path.join(self.folder, "logs"), io.StringIO()
        group = [cells.Run("commit 1", "corewal engine", "wal-bench", []), cells.Run("commit 1", "bdb", "peerbench", [])]
        with runner.Runner(programs, logs, output) as run:
            run.run_all([group], 2)
        self.assertEqual([(r["who"], r["round"], r["order"], r["records_per_s"]) for r in run.rows],
                         [("corewal engine", 1, 0, 7), ("corewal engine", 2, 1, 7)])
        self.assertEqual(run.failures, ["commit 1, bdb: peerbench: no disk"] * 2)
        self.assertEqual(len(output.getvalue().splitlines()), 2)
        self.assertFalse(os.path.exists(logs))


if __name__ == "__main__":
    unittest.main()
