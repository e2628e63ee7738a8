"""Stage that turns accesses into demands, and the bare policies."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import fixtures
from benchmarks.fixtures import LARGE, MIDDLE, SMALL
from dse import scenario, workloads
from dse.workloads import stream
from kernels.compiling.jit import u
from kernels.reclaim import misses

version = fixtures.version(__file__)
ACCESSES, TRACED = 1 << 20, 1 << 22
SCENARIOS = ["churn", "writeback"]


@functools.lru_cache(maxsize=1)
def accesses(pages: int, generator: str = "zipf") -> NDArray[np.uint32]:
    """Accesses over `pages` pages. Exact figures take a uniform stream: it is made of whole numbers, the same on every machine."""
    made = workloads.make({"generator": generator, "pages": pages, "accesses": TRACED}, 1)
    return np.concatenate([block[0] for block in made.blocks()])


class Policies(fixtures.Warm):
    """Misses of 2^22 accesses with room for half of the pages."""

    params = [[SMALL, MIDDLE]]
    param_names = ["pages"]

    def setup(self, pages: int) -> None:
        self.accesses, self.room = accesses(pages), u(pages // 2)
        self.last, self.frames, self.bits = np.zeros(pages, np.uint32), np.zeros(pages // 2, np.uint32), np.zeros(pages, np.uint8)
        few = self.accesses[:16]
        misses.lru(few, u(4), self.last.copy())
        misses.clock(few, u(4), self.frames.copy(), self.bits.copy())
        self.ready()

    def time_lru(self, pages: int) -> None:
        misses.lru(self.accesses, self.room, self.last)

    def time_clock(self, pages: int) -> None:
        misses.clock(self.accesses, self.room, self.frames, self.bits)


class Misses:
    """Misses per access: the cost of a workload before any design."""

    params = [[SMALL, MIDDLE]]
    param_names = ["pages"]

    def track_misses(self, pages: int) -> float:
        return int(misses.lru(accesses(pages, "uniform"), u(pages // 2), np.zeros(pages, np.uint32))) / TRACED

    track_misses.unit = "misses of LRU per access"  # type: ignore[attr-defined]


def small(name: str, pages: int) -> Any:
    """Built-in scenario with 2^20 accesses over `pages` pages, uniform."""
    return scenario.load(name).but(
        workload__trace=None, workload__generator="uniform", workload__pages=pages, workload__pages_at_least=1, workload__copies=1,
        workload__accesses=ACCESSES, workload__filter_pages=0,
    )  # fmt: skip


class Stage(fixtures.Warm):
    """Turn accesses into demands: reclaim, placement and moves."""

    params = [SCENARIOS, [SMALL, MIDDLE]]
    param_names = ["scenario", "pages"]
    repeat = (5, 10, 3.0)

    def setup(self, name: str, pages: int) -> None:
        self.stream = stream.build(small(name, pages))
        if self.is_new():
            self.time_demands(name, pages)
        self.ready()

    def time_demands(self, name: str, pages: int) -> None:
        for _ in self.stream.blocks():
            pass


class Demands:
    """Demands per access of built-in scenarios, exact."""

    params = [SCENARIOS]
    param_names = ["scenario"]

    def track_demands(self, name: str) -> float:
        return sum(len(block) for block in stream.build(small(name, SMALL)).blocks()) / ACCESSES

    track_demands.unit = "demands per access"  # type: ignore[attr-defined]


class Large(fixtures.Warm):
    """LRU at 2^24 pages: DRAM, not a shared cache."""

    params = [[LARGE]]
    param_names = ["pages"]
    repeat = (2, 3, 5.0)
    rounds = 1

    def setup(self, pages: int) -> None:
        self.accesses, self.last = accesses(pages), np.zeros(pages, np.uint32)
        misses.lru(self.accesses[:16], u(4), self.last.copy())
        self.ready()

    def time_lru(self, pages: int) -> None:
        misses.lru(self.accesses, u(pages // 2), self.last)
