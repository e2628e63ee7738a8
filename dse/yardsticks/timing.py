"""Fenced times of an operation, design against design: the same pages, chunk by chunk, in random order, and the base against itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.measuring import clock
from dse.measuring.run import rows_of
from dse.modelling.filling import FOLIOS, Filled, run
from kernels import demand
from kernels.observing import probe

PAGES = {"zap": 1 << 21, "swap_in": 1 << 19}
"""Far more than caches hold, few enough for half a minute."""
ROUNDS = 64
RUN = 512  # PTEs of a page table: the most that one walk of the kernel frees at once
RESAMPLES = 2000
TWIN = "A/A"
Times = Mapping[str, NDArray[np.float64]]
"""Nanoseconds a PTE by design, one for each round."""


@dataclass(frozen=True)
class Extra:
    """Nanoseconds a PTE more than the base: median over rounds, its interval, and that of the base against itself."""

    ns: float
    lo: float
    hi: float
    noise: float

    @property
    def said(self) -> str:
        """The interval in words."""
        return f"{self.ns:.1f} [{self.lo:.1f}, {self.hi:.1f}] ns, A/A within {self.noise:.1f}"


def demands(op: str, first: int, last: int) -> NDArray[np.uint64]:
    """Demands that zap, a page table's worth at a time, or swap in the pages `first` .. ``last - 1``."""
    if op == "zap":
        return run(demand.UNMAP, np.arange(first, last, RUN, dtype=np.uint64), count=RUN)
    return run(demand.FAULT, np.arange(first, last, dtype=np.uint64))


def measure(designs: Sequence[str], backend: str, op: str, *, pages: int = 0, rounds: int = ROUNDS, seed: int = 0, flags: int = 0) -> Times:
    """Time an operation on `pages` swapped-out pages, in order.

    Parameters
    ----------
    designs : sequence of str
        The first one is the base, which is timed twice.
    backend : str
        Where the pages are.
    op : str
        ``zap`` or ``swap_in``.
    pages, rounds : int
        Pages in all (0: :data:`PAGES`), and chunks that they are taken in.
    seed : int
        Order of the designs within a round.
    flags : int
        Flags of the pages that went out, such as ZERO.
    """
    pages = pages or PAGES[op]
    folios = {"zap": FOLIOS, "swap_in": pages}[op]
    states = {text: Filled(text.removeprefix(TWIN), pages, backend, folios=folios) for text in (*designs, TWIN + designs[0])}
    for state in states.values():
        state.fill(pages, flags)
    tick, rng, code = clock.calibrate(), np.random.default_rng(seed), {"zap": demand.ZAPPED, "swap_in": demand.SWAP_IN}[op]
    times: dict[str, list[float]] = {text: [] for text in states}
    step = max(RUN, pages // rounds)
    for first in range(0, pages, step):
        last = min(first + step, pages)
        block = demands(op, first, last)
        for i in rng.permutation(len(states)):
            text = list(states)[i]
            pr: Any = probe.make("timed")
            states[text].replay(block, pr)
            n, ticks = (float(rows_of(pr)[code][int(column)]) for column in (probe.N, probe.TICKS))
            if n != len(block):
                raise RuntimeError(f"{text}: {n:g} of {len(block)} demands were a {op}")
            times[text].append(max(ticks - n * tick.own_ticks, 0.0) * tick.ns_per_tick / (last - first))
    return {text: np.array(found) for text, found in times.items()}


def interval(differences: NDArray[np.float64], seed: int = 0) -> tuple[float, float, float]:
    """Median of paired differences and its 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(differences), (RESAMPLES, len(differences)))
    lo, hi = np.quantile(np.median(differences[picks], axis=1), [0.025, 0.975])
    return float(np.median(differences)), float(lo), float(hi)


def compared(times: Times, base: str, design: str) -> Extra | None:
    """Compare a design with the base; None where the difference is no larger than the noise, and no figure exists.

    Parameters
    ----------
    times : mapping
        As :func:`measure` gives them.
    """
    ns, lo, hi = interval(times[design] - times[base])
    _, low, high = interval(times[TWIN + base] - times[base])
    noise = max(abs(low), abs(high))
    if lo > noise or hi < -noise:
        return Extra(ns, lo, hi, noise)
    return None
