"""Sweeps: what a trial costs besides its replay, and how long a query of stored results takes.

Skipped where this commit has no ``dse.sweeps`` or no ``dse.querying`` yet.
"""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from typing import Any

from benchmarks import fixtures

version = fixtures.version(__file__)


def there(module: str) -> bool:
    """Does this commit have `module`?"""
    return importlib.util.find_spec(module) is not None


class Store(fixtures.Warm):
    """Runs of 500 figures each, written and then queried: the mean of every metric of every design."""

    params = [[16]]
    param_names = ["runs"]
    repeat = (3, 5, 3.0)

    def setup(self, runs: int) -> None:
        from dse.storing import schema

        self.folder = tempfile.TemporaryDirectory(prefix="swapdse-bench-")
        self.rows = [
            schema.figure(f"design{i % 5}", f"op{i % 10}", f"metric{i // 50}", "counted", "lines", i, stat="total") for i in range(500)
        ]
        self.write(runs)
        self.ready()

    def teardown(self, runs: int) -> None:
        super().teardown()
        self.folder.cleanup()

    def write(self, runs: int) -> None:
        from dse.storing import write_run

        for _ in range(runs):
            write_run(self.folder.name, self.rows)

    def time_write_runs(self, runs: int) -> None:
        self.write(runs)

    def time_query_runs(self, runs: int) -> None:
        from dse.storing import scan

        scan(self.folder.name)["ops"].group_by("design", "metric").agg(polars().col("value").mean()).collect()


def polars() -> Any:
    """polars, imported when it is used: a process with its threads must not be forked."""
    import polars as pl

    return pl


class Trials(fixtures.Warm):
    """What a sweep costs besides its replays: 64 trials that do nothing.

    ``dse.sweeps`` offers ``idle_trials(folder, n)`` for it; skipped where it does not.
    """

    params = [[64]]
    param_names = ["trials"]
    repeat = (1, 2, 10.0)
    number, rounds = 1, 1

    def setup(self, trials: int) -> None:
        if not there("dse.sweeps") or not hasattr(importlib.import_module("dse.sweeps"), "idle_trials"):
            raise NotImplementedError
        self.folder = tempfile.TemporaryDirectory(prefix="swapdse-bench-")
        self.ready()

    def time_idle_trials(self, trials: int) -> None:
        importlib.import_module("dse.sweeps").idle_trials(self.folder.name, trials)
