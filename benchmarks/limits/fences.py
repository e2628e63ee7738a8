"""Cost of the record of a timed operation over its least parts: two readings of the clock and a fence between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.limits import bars, micro
from dse.measuring.stats import paired_ratio
from kernels import demand
from kernels.compiling.atomic import drain, read_clock
from kernels.compiling.constants import U0
from kernels.compiling.jit import outer, u
from kernels.observing import probe

MOST_OVER_FENCE = 1.15  # issue 5: a fenced record over fence plus clock
RECORDS = 1 << 17  # between two readings of the outer clock: 10 ms
SWAP_IN = u(demand.SWAP_IN)


@outer
def recorded(pr, n):  # type: ignore[no-untyped-def]
    """Time `n` operations that do nothing, as a timed replay does."""
    for _ in range(n):
        probe.begin(pr)
        probe.finish(pr, SWAP_IN)


@outer
def bare(total, n):  # type: ignore[no-untyped-def]
    """Read the clock, the fence that ends an operation, and the clock, `n` times; add up the differences in ``total[0]``."""
    for _ in range(n):
        began = read_clock()
        drain()
        total[U0] += read_clock() - began


def main(*, quick: bool) -> list[dict[str, Any]]:
    """Measure one row: nanoseconds of both, their ratio, and ours over itself."""
    timed, total, n = probe.make("timed"), np.zeros(1, np.uint64), u(RECORDS >> 6 if quick else RECORDS)
    sides: dict[str, Callable[[], Any]] = {
        "ours": lambda: recorded(timed, n), "again": lambda: recorded(timed, n), "bare": lambda: bare(total, n),
    }  # fmt: skip
    pairs = 8 if quick else micro.PAIRS
    rng, taken = np.random.default_rng(1), {name: np.zeros(pairs) for name in sides}
    with micro.pinned():
        for run in sides.values():
            run()
        for pair in range(pairs):
            for name in (list(sides)[i] for i in rng.permutation(len(sides))):
                began = time.perf_counter_ns()
                sides[name]()
                taken[name][pair] = (time.perf_counter_ns() - began) / int(n)
    aa, over = paired_ratio(taken["again"], taken["ours"], seed=1), paired_ratio(taken["ours"], taken["bare"], seed=1)
    bar = bars.NONE if quick else bars.verdict(bars.at_most(over.ratio, MOST_OVER_FENCE, "of fence and clock"))
    return [{
        "op": "fenced record", "pairs": pairs, "record_ns": micro.spread(taken["ours"]), "fence_and_clock_ns": micro.spread(taken["bare"]),
        **{name: {"ratio": r.ratio, "lo": r.lo, "hi": r.hi} for name, r in (("aa", aa), ("over_fence_and_clock", over))},
        "bar": bar,
    }]  # fmt: skip
