"""Ways out for a scenario in which nothing is swapped out: how much less memory, or how many more accesses, would do."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.errors import BadInput
from dse.scenario import Scenario
from dse.workloads import stream as streams
from kernels import demand

RECLAIMS = (demand.RECLAIM, demand.RECLAIM_BEGIN)
HALVINGS, STEPS = 12, 5
"""Limits that are tried: halves of the limit, then bisection between the last two."""
DOUBLINGS = 4
MOST = 1 << 28
"""Most accesses that are tried."""


def swaps(case: Scenario) -> bool:
    """Tell whether a scenario swaps anything out. Its stream is made up to the first page that goes."""
    return any(np.isin(block[:, 0].astype(np.uint8), RECLAIMS).any() for block in streams.build(case).blocks())


def memory(case: Scenario, pages: int) -> int | None:
    """Find a memory limit at which pages are swapped out, near the largest.

    Parameters
    ----------
    case : Scenario
        A scenario in which nothing is swapped out.
    pages : int
        Pages of its workload.

    Returns
    -------
    int or None
        Pages; None where not even the smallest limit that is tried would do.
    """
    high = case.limit_pages(pages)
    low = high
    for _ in range(HALVINGS):
        low = low // 2
        if low < 2:
            return None
        if _swaps_at(case, low):
            break
        high = low
    else:
        return None
    for _ in range(STEPS):
        middle = (low + high) // 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _swaps_at(case, middle) else (low, middle)
    return low


def _swaps_at(case: Scenario, pages: int) -> bool:
    """Tell whether a scenario swaps out at a limit of `pages` (at least 2: a limit of 1 is a share)."""
    try:
        return swaps(case.but(memory__limit=float(pages)))
    except BadInput:
        return False


def accesses(case: Scenario) -> int | None:
    """Find a number of accesses after which pages are swapped out: 2, 4, 8 or 16 times those of the scenario, None if none does."""
    for times in range(1, DOUBLINGS + 1):
        more = case.workload.accesses << times
        if more > MOST:
            return None
        if swaps(case.but(workload__accesses=more)):
            return more
    return None


def refuse(stream: Any) -> BadInput:
    """Make the refusal of a stream in which nothing is swapped out.

    Parameters
    ----------
    stream : Stream
        Its blocks were gone through.
    """
    case, pages = stream.scenario.but(memory__loop="open"), stream.workload.touched
    peak = stream.counters.get("resident_peak", 0)
    text = f"scenario {case.name}: nothing is swapped out, as {peak:,} pages at the peak fit the limit of {stream.limit:,}"
    limit, more = memory(case, pages), accesses(case)
    ways = []
    if limit is not None:
        share = int(limit / pages * 1000) / 1000
        setting = f"{share:g}" if share > 0 and case.memory.limit <= 1.0 else str(limit)
        ways.append(f"--set memory.limit={setting} ({limit:,} pages)")
    if more is not None:
        ways.append(f"--set workload.accesses={more}")
    return BadInput(f"{text}; " + (f"{' or '.join(ways)} would do" if ways else "the workload is too small: take a larger one"))
