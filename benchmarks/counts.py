"""Reference counts of slots in swap_map, below and above the limit of a byte (62, then continuation pages)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import fixtures, loops
from dse import naming
from kernels import control
from kernels import demand as d
from kernels.compiling.jit import u
from kernels.life.registry import Config
from kernels.observing import probe

version = fixtures.version(__file__, loops.__file__)
SLOTS, STEPS = 1 << 14, 1 << 22
SHARERS = [1, 32, 100]


@functools.lru_cache(maxsize=1)
def counts() -> tuple[Any, NDArray[np.uint64]]:
    """Device of direct with all slots in use, and room for every continuation page that is needed."""
    config = Config(pages=8, slots={"ssd": SLOTS}, tokens=False, forks=False, continuation_pages=SLOTS // 4096 * 2)
    state = naming.registry()["direct"].build(config)
    taken = np.empty(SLOTS, np.uint64)
    loops.slots_taken(state, probe.make("off"), u(d.SSD), u(SLOTS), taken)
    return state, taken


class Counts(fixtures.Warm):
    """Raise and lower counts of slots by so many sharers, some 2^23 steps in all."""

    params = [SHARERS]
    param_names = ["sharers"]

    def setup(self, sharers: int) -> None:
        self.state, self.slots = counts()
        self.off = probe.make("off")
        if self.is_new():
            self.time_up_and_down(sharers)
        self.ready()

    def time_up_and_down(self, sharers: int) -> None:
        for _ in range(STEPS // (SLOTS * sharers)):
            loops.counted_up_and_down(self.state, self.off, self.slots, u(sharers))


class Continuation:
    """Continuation pages for counts past 62."""

    params = [SHARERS]
    param_names = ["sharers"]

    def track_continuation_pages(self, sharers: int) -> float:

        counts.cache_clear()
        state, slots = counts()
        loops.counted_up_and_down(state, probe.make("off"), slots, u(sharers))
        return int(state.ctl[int(control.S_CONT_USED)])

    track_continuation_pages.unit = "pages of 4 KiB"  # type: ignore[attr-defined]
