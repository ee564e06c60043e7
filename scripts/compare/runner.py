"""Runs the cells one after the other, interleaved, and writes each result down at once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import cells

RUN_SECONDS_MAX = 300


class Progress:
    """How far, what now, how long still: one line that is overwritten on a terminal, else one a group."""

    def __init__(self, total):
        self.total, self.done, self.begin = total, 0, time.monotonic()
        self.terminal, self.group = sys.stderr.isatty(), None

    def show(self, round_number, run):
        left = "?"
        if self.done:
            minutes = (time.monotonic() - self.begin) / self.done * (self.total - self.done) / 60
            left = f"{minutes:.0f} min left" if minutes >= 1.5 else f"{minutes * 60:.0f} s left"
        text = f"compare: {self.done}/{self.total}, round {round_number + 1}, {run.group}"
        if self.terminal:
            print(f"\r\033[K{text}: {run.who}, {left}", end="", file=sys.stderr, flush=True)
        elif self.group != (round_number, run.group):
            print(f"{text}, {left}", file=sys.stderr, flush=True)
        self.group = round_number, run.group

    def clear(self):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Runner:
    """`directory` is where the logs go; all of it lies in one new folder there, which goes away again."""

    def __init__(self, programs, directory, output):
        self.programs, self.output = programs, output
        self.made = [] if os.path.isdir(directory) else [directory]
        os.makedirs(directory, exist_ok=True)
        self.scratch = tempfile.mkdtemp(prefix="compare-", dir=directory)
        os.chmod(self.scratch, 0o755)  # PostgreSQL runs as another user
        self.rows, self.failures = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove_leftovers()
        shutil.rmtree(self.scratch, ignore_errors=True)
        for directory in self.made:
            if not os.listdir(directory):
                os.rmdir(directory)

    def run_all(self, groups, rounds):
        progress = Progress(rounds * sum(len(group) for group in groups))
        try:
            for round_number in range(rounds):
                for group in groups:
                    for order, run in enumerate(cells.rotated(group, round_number)):
                        progress.show(round_number, run)
                        self.run(run, round_number, order)
                        progress.done += 1
        finally:
            progress.clear()

    def run(self, run, round_number, order):
        command = cells.command_of(run, self.programs, self.scratch)
        # With a group of its own: whatever it started can be ended with it.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True)
        try:
            out, err = process.communicate(timeout=RUN_SECONDS_MAX)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            self.remove_leftovers(process.pid)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            out, err = "", f"took more than {RUN_SECONDS_MAX} s"
        lines = out.strip().splitlines()
        if process.returncode != 0 or not lines:
            cause = err.strip().splitlines()[-1] if err.strip() else f"exit code {process.returncode}"
            self.failures.append(f"{run.group}, {run.who}: {cause}")
            self.remove_leftovers(process.pid)
            return
        row = {"group": run.group, "who": run.who, "round": round_number + 1, "order": order, **json.loads(lines[-1])}
        self.rows.append(row)
        self.output.write(json.dumps(row) + "\n")
        self.output.flush()

    def remove_leftovers(self, process_id=None):
        """What a run that failed has left: a PostgreSQL server of its own, its socket, files."""
        peers = os.path.join(self.scratch, "peers")
        for folder in os.listdir(peers) if os.path.isdir(peers) else []:
            try:
                with open(os.path.join(peers, folder, "pg", "postmaster.pid"), encoding="utf-8") as file:
                    os.kill(int(file.readline()), signal.SIGQUIT)
                time.sleep(1)
            except (OSError, ValueError):
                pass
            shutil.rmtree(os.path.join(peers, folder), ignore_errors=True)
        shutil.rmtree(os.path.join(self.scratch, "log"), ignore_errors=True)
        if process_id is not None:
            shutil.rmtree(f"/tmp/peerbench-postgres.{process_id}", ignore_errors=True)
