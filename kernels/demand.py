"""The demand record: what reclaim asks of a design, never what the design made of it.

16 bytes a record, the same stream for every design (docs/contracts.md). In memory a record is two little-endian 64-bit
words; kernels read the words, Python code builds records with :data:`DTYPE` or :func:`pack`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DTYPE = np.dtype(
    [
        ("kind", "u1"),
        ("order", "u1"),
        ("backend", "u1"),
        ("cpu", "u1"),
        ("page", "<u4"),
        ("count", "<u4"),
        ("arg", "<u4"),
    ]
)

# kinds ----------------------------------------------------------------------------------------
NOP, FAULT, FAULT_BEGIN, FAULT_END, RECLAIM, RECLAIM_BEGIN, RECLAIM_END = range(7)
MOVE, MOVE_BEGIN, MOVE_STEP, MOVE_END, FORK, UNMAP, COW, SWAPOFF, READAHEAD = range(7, 16)
KINDS = (
    "nop", "fault", "fault_begin", "fault_end", "reclaim", "reclaim_begin", "reclaim_end",
    "move", "move_begin", "move_step", "move_end", "fork", "unmap", "cow", "swapoff", "readahead",
)  # fmt: skip

# backends -------------------------------------------------------------------------------------
ZSWAP, SSD, HDD, ZRAM = range(4)
BACKENDS = ("zswap", "ssd", "hdd", "zram")
MEMORY = 255  # SWAPOFF target: bring the pages back into memory

# flags in the top byte of arg -----------------------------------------------------------------
WRITE, DIRTY, ZERO = 1, 2, 4

# reply codes: what a demand turned out to be ------------------------------------------------
OPS = (
    "nothing", "first_touch", "swap_in", "cache_hit", "swap_out", "clean_drop", "writeback_end",
    "fork", "zap", "cow", "reuse", "move", "swapoff", "begun", "stepped", "folio_out", "folio_split",
    "read_ahead",
)  # fmt: skip
(
    NOTHING, FIRST_TOUCH, SWAP_IN, CACHE_HIT, SWAP_OUT, CLEAN_DROP, WRITEBACK_END,
    FORKED, ZAPPED, COWED, REUSED, MOVED, SWAPPED_OFF, BEGUN, STEPPED, FOLIO_OUT, FOLIO_SPLIT,
    READ_AHEAD,
) = range(18)  # fmt: skip

OUTCOMES = tuple(name for name in OPS if name not in ("nothing", "begun", "stepped"))
"""Outcomes of a demand that did its work."""

# reply codes from 64 up: why nothing was done --------------------------------------------------
REASONS = (
    "avoided",  # FAULT on a present page: an earlier RECLAIM was refused, the fault never happens
    "not_resident",  # RECLAIM or COW of a page that maps no folio
    "busy",  # the folio is locked or under writeback, or the page has a phase in flight
    "no_begin",  # an END or STEP without its BEGIN
    "full",  # no slot (or no ID) left: the page stays in memory
    "reactivated",  # no slot at writeout, after the unmap: the folio stays, the sharers fault
    "unmap_failed",  # the unmap stopped part-way: the folio stays mapped, cached with its slot
    "no_memory",  # a metadata allocation failed (continuation page)
    "not_swapped",  # MOVE or READAHEAD of a page that holds no swap entry
    "wrong_backend",  # MOVE: the data is not where the demand expects it
    "refused",  # the design does not do this (direct with move=refuse; READAHEAD where reads go around the swap cache)
    "gone",  # the PTE changed between BEGIN and END
    "moved_away",  # MOVE backed out: the last reference went away, or a fault mapped the folio
    "device_off",  # the device was swapped off
    "empty",  # nothing in the run (UNMAP or FORK of unmapped pages)
    "in_cache",  # READAHEAD of a page whose folio the swap cache has
)
REASON_BASE = 64
(
    AVOIDED, NOT_RESIDENT, BUSY, NO_BEGIN, FULL, REACTIVATED, UNMAP_FAILED, NO_MEMORY,
    NOT_SWAPPED, WRONG_BACKEND, REFUSED, GONE, MOVED_AWAY, DEVICE_OFF, EMPTY, IN_CACHE,
) = range(REASON_BASE, REASON_BASE + 16)  # fmt: skip


def pack(
    kind: int, page: int, *, order: int = 0, backend: int = 0, cpu: int = 0, count: int = 0, payload: int = 0, flags: int = 0
) -> tuple[int, int]:
    """Build the two words of one record.

    Parameters
    ----------
    kind, page, order, backend, cpu, count
        The fields of the record. RECLAIM alone heeds `order`: the folio of 2^order pages that `page` is in leaves memory. Of
        RECLAIM_BEGIN, or where no such folio fits an address space, `page` alone does; anything else with an order does nothing.
    payload : int
        Low 24 bits of ``arg``: compressed size [B], target backend or child space.
    flags : int
        Top byte of ``arg``: WRITE, DIRTY, ZERO.

    Returns
    -------
    tuple of int
        Words 0 and 1.
    """
    return kind | order << 8 | backend << 16 | cpu << 24 | page << 32, count | (payload | flags << 24) << 32


def pages_out(block: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Pages that each demand takes out: 2**order of RECLAIM and RECLAIM_BEGIN, 0 of others.

    Examples
    --------
    >>> pages_out(np.array([pack(RECLAIM, 8, order=2), pack(RECLAIM, 3), pack(FAULT, 3)], np.uint64)).tolist()
    [4, 1, 0]
    """
    fields = records(block)
    return np.where(np.isin(fields["kind"], (RECLAIM, RECLAIM_BEGIN)), np.int64(1) << fields["order"].astype(np.int64), 0)


def words(records: NDArray[np.void]) -> NDArray[np.uint64]:
    """View an array of :data:`DTYPE` records as the ``uint64[n, 2]`` that kernels take (no copy)."""
    return records.view(np.uint64).reshape(-1, 2)


def records(block: NDArray[np.uint64]) -> NDArray[np.void]:
    """View ``uint64[n, 2]`` words as :data:`DTYPE` records (no copy)."""
    return np.ascontiguousarray(block).view(DTYPE).reshape(-1)
