"""Times from cold caches: between two timed operations demands are replayed that flush every line that they touch.

All of the caches is emptied once, before the first demand of a chunk (twice the last-level cache is read). From then on the design's
own accesses are all that fills them. The demands between two timed ones are replayed under the probe ``flush``, which leaves no line
of them, nor one that the last timed operation shares with them. So a timed operation finds none of its data in a cache. Code is warm:
its size is that of the model and says nothing of a kernel's.

Where the machine or the way to compile has no flush, the caches are emptied before every timed operation, which takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.measuring.places import KINDS_OF
from kernels.compiling.jit import LEAN
from kernels.compiling.machine import X86

STATE = "cold"
GAP = 8
"""Least demands between two timed ones."""
DEMANDS = 128
"""Most demands that are timed in a chunk."""


def flushes() -> bool:
    """Tell if kernels can flush what they touch."""
    return LEAN and X86


def probes(states: Sequence[str]) -> tuple[str, ...]:
    """Kinds of probes that times in `states` need."""
    return ("timed", "flush") if STATE in states and flushes() else ("timed",)


def picks(block: NDArray[np.uint64], ops: Sequence[str], start: int, gap: int = GAP, most: int = DEMANDS) -> list[int]:
    """Choose the demands of a chunk that are timed.

    Parameters
    ----------
    block : uint64[n, 2]
        Demands of the chunk.
    ops : sequence of str
        Operations that are asked for. They take turns.
    start : int
        Demands that are replayed before.
    gap : int
        Least demands between two that are timed.
    most : int
        Most demands that are timed.

    Returns
    -------
    list of int
        In order. Between a chosen demand and the one before, another of its own kind lies where there is one within four gaps: it flushes
        what operations of the kind share.
    """
    kinds = block[:, 0].astype(np.uint8)
    places = [np.flatnonzero(np.isin(kinds, KINDS_OF[op])) for op in ops]
    out: list[int] = []
    at, turn = start, 0
    while len(out) < most:
        found = -1
        for n in range(len(ops)):
            mine = places[(turn + n) % len(ops)]
            first = int(np.searchsorted(mine, at))
            here = int(np.searchsorted(mine, at + gap))
            here += here == first  # one of its kind comes before it
            if here < len(mine) and int(mine[here]) <= at + 4 * gap:
                found, turn = int(mine[here]), turn + n + 1
                break
        if found < 0:
            later = [int(mine[i]) for mine in places if (i := int(np.searchsorted(mine, at + gap))) < len(mine)]
            if not later:
                break
            found, turn = min(later), turn + 1
        out.append(found)
        at = found + 1
    return out


def evict(foot: NDArray[np.uint64]) -> int:
    """Empty the caches: read a word of every line of `foot`, which is larger than they are."""
    return int(foot[::8].sum())


def replay(side: Any, pr: Any, flush: Any, block: NDArray[np.uint64], chosen: Sequence[int], foot: NDArray[np.uint64]) -> int:
    """Replay a chunk up to the last chosen demand; time the chosen ones with `pr`, and flush behind all others.

    Parameters
    ----------
    side : Timer
        Its state is replayed on.
    pr, flush : Timed, Flush
        Probes.
    block : uint64[n, 2]
        Demands.
    chosen : sequence of int
        From :func:`picks`.
    foot : uint64[n]
        Memory that is read first.

    Returns
    -------
    int
        Demands that were replayed.
    """
    evict(foot)
    at = 0
    for here in chosen:
        side.replay(flush, block[at:here])
        side.replay(pr, block[here : here + 1])
        at = here + 1
    return at
