"""The clock of timed replays: the length of a tick, and the cost of reading it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from dse import naming
from dse.measuring.stats import histogram_quantiles
from kernels import demand
from kernels.life import registry as state
from kernels.observing import probe

NOPS = 1 << 14
REST = 0.05  # seconds between the two readings that give the rate
READINGS = 9
"""Readings of both clocks. The pair taken closest together counts, as nothing came between."""


@dataclass(frozen=True)
class Clock:
    """Conversion of ticks to nanoseconds.

    Attributes
    ----------
    ns_per_tick : float
        Length of a tick of the cycle counter.
    own_ticks : float
        Cost of the clock, its fences and the decoding of a demand [ticks]: the median over demands that do nothing.
    """

    ns_per_tick: float
    own_ticks: float

    def ns(self, ticks: float) -> float:
        """Nanoseconds of `ticks`, without the clock's own cost."""
        return max(0.0, ticks - self.own_ticks) * self.ns_per_tick


def edges() -> Any:
    """Edges of the bins of the tick histogram [ticks]."""
    return np.arange(probe.TICK_BINS + 1, dtype=np.float64) * float(1 << int(probe.TICK_SHIFT))


def calibrate() -> Clock:
    """Compare the cycle counter with the system's clock, and time demands that do nothing."""
    design = naming.registry()["direct"]
    small = design.build(state.Config(pages=8, slots={"ssd": 8}))
    pr: Any = probe.make("timed")
    nothing = np.zeros((NOPS, 2), np.uint64)
    replies = np.zeros(NOPS, np.uint8)
    design.replay(small, pr, nothing, replies)
    marks = []
    for rest in (0.0, REST):
        time.sleep(rest)
        readings = []
        for _ in range(READINGS):
            before = time.perf_counter_ns()
            design.replay(small, pr, nothing[:1], replies[:1])
            after = time.perf_counter_ns()
            readings.append((after - before, (before + after) / 2, int(pr.tally[int(probe.CLOCK)])))
        marks.append(min(readings)[1:])
    (t0, c0), (t1, c1) = marks
    row = slice(demand.NOTHING * probe.TICK_BINS, (demand.NOTHING + 1) * probe.TICK_BINS)
    own = histogram_quantiles(pr.ticks[row], edges(), [0.5])[0]
    return Clock((t1 - t0) / max(1, c1 - c0), float(own))
