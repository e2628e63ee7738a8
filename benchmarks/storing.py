"""Stored runs, written and queried."""

from __future__ import annotations

import tempfile
import timeit
from typing import Any

from benchmarks import fixtures

version = fixtures.version(__file__)


class Store(fixtures.Warm):
    """Write runs of 500 figures each, then query the mean of every metric of every design."""

    timer = timeit.default_timer  # files are waited for, and polars has threads
    params = [[16]]
    param_names = ["runs"]
    repeat = (5, 10, 3.0)

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
