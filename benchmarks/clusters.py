"""Cluster allocator: slots taken and given back, in order and after the device has been fragmented."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import fixtures, loops
from benchmarks.fixtures import LARGE, MIDDLE, SMALL
from dse import naming
from kernels import demand as d
from kernels.compiling.jit import u
from kernels.life.registry import Config
from kernels.observing import probe

version = fixtures.version(__file__, loops.__file__)
BATCH, TIMES = 1 << 16, 16
SSD = u(d.SSD)


@functools.lru_cache(maxsize=1)
def device(slots: int, fragmented: bool) -> tuple[Any, NDArray[np.uint64]]:
    """Device of direct with half of its slots in use: one cluster after the other, or every other slot of every cluster."""
    state = naming.registry()["direct"].build(Config(pages=8, slots={"ssd": slots}, tokens=False, forks=False))
    taken = np.empty(slots, np.uint64)
    n = slots if fragmented else slots // 2
    loops.slots_taken(state, probe.make("off"), SSD, u(n), taken)
    if fragmented:
        loops.slots_given_back(state, probe.make("off"), SSD, np.ascontiguousarray(taken[:n:2]))
    return state, np.empty(BATCH, np.uint64)


class Allocator(fixtures.Warm):
    """Take and give back 2^16 slots, 16 times."""

    params = [[SMALL * 4, MIDDLE, LARGE], [False, True]]
    param_names = ["slots", "fragmented"]

    def setup(self, slots: int, fragmented: bool) -> None:
        self.state, self.taken = device(slots, fragmented)
        self.off = probe.make("off")
        if self.is_new():
            self.time_take_and_release(slots, fragmented)
        self.ready()

    def time_take_and_release(self, slots: int, fragmented: bool) -> None:
        for _ in range(TIMES):
            if int(loops.slots_taken(self.state, self.off, SSD, u(BATCH), self.taken)) != BATCH:
                raise RuntimeError("the device is full")
            loops.slots_given_back(self.state, self.off, SSD, self.taken)
