"""Demands of a scenario dealt out to threads: each has the pages of its part of memory, and all that is asked of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from kernels import demand

KINDS = (demand.NOP, demand.FAULT, demand.RECLAIM, demand.UNMAP, demand.COW)
"""Demands that threads replay: those that concern pages of one thread alone."""
MOST = 1 << 25
"""Most demands, which are kept in memory."""
PAGE, LOW32 = np.uint64(32), np.uint64(0xFFFF_FFFF)
CPU, CPU_MASK = np.uint64(24), np.uint64(0xFF << 24)
Demands = NDArray[np.uint64]


def of_stream(stream: Any, most: int) -> Demands:
    """The first `most` demands of a stream.

    Raises
    ------
    BadInput
        Threads do not replay one of them.
    """
    name, found, total = stream.scenario.name, [], 0
    for block in stream.blocks():
        found.append(block[: most - total])
        total += len(found[-1])
        if total >= most:
            break
    demands = np.concatenate(found) if found else np.zeros((0, 2), np.uint64)
    fields = demand.records(demands)
    others = np.setdiff1d(fields["kind"], KINDS)
    if len(others):
        raise BadInput(f"scenario {name}: threads replay pages that one of them has alone; {demand.KINDS[others[0]]} is of others too")
    if fields["order"].any():
        raise BadInput(f"scenario {name}: threads replay single pages, and folio.orders makes large folios")
    if not np.isin(fields["kind"], demand.RECLAIM).any():
        raise BadInput(f"scenario {name}: its first {total:,} demands swap nothing out: take more, or set memory.limit lower")
    return demands


def edges(threads: int, pages: int) -> NDArray[np.int64]:
    """First page of each thread, and the number of all pages."""
    return -(-np.arange(threads + 1, dtype=np.int64) * pages // threads)


def dealt(demands: Demands, threads: int, pages: int) -> list[Demands]:
    """Deal demands out by their pages; an unmap of pages of two threads becomes two demands.

    Examples
    --------
    >>> whole = np.array([demand.pack(demand.UNMAP, 1, count=6), demand.pack(demand.FAULT, 7)], np.uint64)
    >>> [[(int(r["page"]), int(r["count"]), int(r["cpu"])) for r in demand.records(part)] for part in dealt(whole, 2, 8)]
    [[(1, 3, 0)], [(4, 3, 1), (7, 0, 1)]]
    """
    first = edges(threads, pages)
    page = (demands[:, 0] >> PAGE).astype(np.int64)
    unmaps = demands[:, 0] & np.uint64(0xFF) == demand.UNMAP
    end = page + np.where(unmaps, (demands[:, 1] & LOW32).astype(np.int64), 1)
    found = []
    for t in range(threads):
        low, high = int(first[t]), int(first[t + 1])
        mine = (page < high) & (end > low)
        part, start, stop = demands[mine].copy(), np.maximum(page[mine], low), np.minimum(end[mine], high)
        cut = unmaps[mine]
        part[:, 0] = part[:, 0] & ~CPU_MASK & LOW32 | np.uint64(t) << CPU | start.astype(np.uint64) << PAGE
        part[cut, 1] = part[cut, 1] & ~LOW32 | (stop - start)[cut].astype(np.uint64)
        found.append(part)
    return found
