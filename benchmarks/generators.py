"""Seeded generators of accesses."""

from __future__ import annotations

from benchmarks import fixtures
from benchmarks.fixtures import SIZES
from dse import workloads

version = fixtures.version(__file__)
ACCESSES = 1 << 21
KINDS = ["zipf", "uniform", "scan", "phase", "fork"]


class Generators(fixtures.Warm):
    """Generation of 2^21 accesses."""

    params = [KINDS, SIZES]
    param_names = ["generator", "pages"]

    def setup(self, generator: str, pages: int) -> None:
        self.workload = workloads.make({"generator": generator, "pages": pages, "accesses": ACCESSES}, 1)
        for _ in self.workload.blocks(16):
            pass
        self.ready()

    def time_accesses(self, generator: str, pages: int) -> None:
        for _ in self.workload.blocks():
            pass
