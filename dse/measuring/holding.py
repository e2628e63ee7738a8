"""Outcomes of designs held against the first one's: all replay the same demands, so each must serve as many.

Designs differ in whether a fault reads or finds the swap cache, and in whether a reclaim writes or drops a clean copy. The sums do not
differ, unless a design refused something: then its pages stayed in memory. A design that serves fewer without a refusal is broken, and
its figures would be those of work left undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import CheckFailed
from kernels import control, demand

Counts = NDArray[np.uint64]
FOLIO = "folio_out"
"""Stands for large folios. One that is refused is one reply, whatever its size."""
SERVED = {
    "swap_in": (demand.FIRST_TOUCH, demand.SWAP_IN, demand.CACHE_HIT, demand.AVOIDED),
    "swap_out": (demand.SWAP_OUT, demand.CLEAN_DROP),
    FOLIO: (demand.FOLIO_OUT, demand.FOLIO_SPLIT),
    "zap": (demand.ZAPPED,),
    "fork": (demand.FORKED,),
    "cow": (demand.COWED, demand.REUSED),
    "swapoff": (demand.SWAPPED_OFF,),
    "read_ahead": (demand.READ_AHEAD, demand.IN_CACHE),
}
"""Replies that serve a kind of demand, by the operation that stands for it."""
REFUSALS = (demand.FULL, demand.REACTIVATED, demand.UNMAP_FAILED, demand.NO_MEMORY)
"""Replies of a design that had no room: a page stays resident, or a space has no copy of it."""
LEAST = 0.5
"""Share of the first design's demands that a design must serve although it refuses some."""
RETRIES = (demand.BUSY, demand.NO_BEGIN)
"""Replies to a demand that meets a folio under way, as a move locks it or has taken it elsewhere: the kernel waits and faults again. Each
explains one demand that was not served, and there are no more of them than moves."""


def served(counts: Counts) -> dict[str, int]:
    """Demands served, by the operation that stands for them; `counts` has one number for each reply code."""
    return {op: int(sum(counts[code] for code in codes)) for op, codes in SERVED.items()}


def unserved(counts: Counts) -> str:
    """Say which replies served nothing, the most frequent first."""
    codes = [(int(counts[code]), demand.REASONS[code - demand.REASON_BASE]) for code in range(demand.REASON_BASE, len(counts))
             if counts[code] and code != demand.AVOIDED and code - demand.REASON_BASE < len(demand.REASONS)]  # fmt: skip
    return ", ".join(f"{n:,} x {name}" for n, name in sorted(codes, reverse=True)[:3]) or "nothing was refused"


def fault_of(name: str, mine: Counts, first: str, theirs: Counts) -> str:
    """Say what is wrong with the outcomes of design `name`, empty if nothing is.

    Parameters
    ----------
    name, first : str
        The design, and the one that it is held against.
    mine, theirs : uint64[128]
        How often each reply was given.
    """
    ours, wanted = served(mine), served(theirs)
    kept, missed = (sum(int(counts[code]) for code in REFUSALS) for counts in (mine, theirs))
    again = min(sum(int(counts[code]) for counts in (mine, theirs) for code in RETRIES), int(mine[demand.MOVED]))
    for op, n in wanted.items():
        explained = kept + missed or abs(ours[op] - n) <= again
        if ours[op] == n or (explained and (ours[op] >= LEAST * n or (op == FOLIO and ours[op] + kept >= n))):
            continue
        return f"{name}: {op} is served {ours[op]:,} times, {n:,} times on {first} ({unserved(mine)})"
    return ""


def leak_of(name: str, mine: Sequence[tuple[str, int]], first: str, theirs: Sequence[tuple[str, int]]) -> str:
    """Say what design `name` has left after everything was unmapped and `first` has not, empty if nothing is.

    Parameters
    ----------
    mine, theirs : sequence of (str, int)
        Kinds of objects, and how many are left.
    """
    most = max((n for _, n in theirs), default=0)
    kept = [f"{n:,} {what}" for what, n in mine if n > most]
    return f"{name}: zap leaves {', '.join(kept)} when everything is unmapped, {first} leaves {most:,}" if kept else ""


def hold(sides: Sequence[Any]) -> None:
    """Hold the outcomes of all sides against those of the first.

    Raises
    ------
    CheckFailed
        A design served fewer demands than the first, and refused nothing that would explain it.
    """
    for side in sides[1:]:
        wrong = fault_of(side.name, side.totals(), sides[0].name, sides[0].totals())
        if wrong:
            raise CheckFailed(wrong)


def unmap_all(side: Any) -> None:
    """Unmap every page of every space."""
    pages, size = len(side.state.pte), 1 << int(side.state.ctl[int(control.C_SPACE_SHIFT)])
    rows = [demand.pack(demand.UNMAP, base, count=min(size, pages - base)) for base in range(0, pages, size)]
    side.replay(side.off, np.array(rows, np.uint64).reshape(-1, 2))


def left(side: Any) -> list[tuple[str, int]]:
    """Slots and objects in use, by the words that the layout of the design names."""
    words = {"slots": control.S_SLOTS} | side.named.design.live
    return [(what, int(side.state.ctl[int(word)])) for what, word in words.items()]
