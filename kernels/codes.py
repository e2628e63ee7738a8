"""Kinds, flags, backends and reply codes of demands (:mod:`kernels.demand`) as the 64-bit words that kernels compare."""

from __future__ import annotations

from kernels import demand
from kernels.compiling.jit import u

(
    NOP, FAULT, FAULT_BEGIN, FAULT_END, RECLAIM, RECLAIM_BEGIN, RECLAIM_END, MOVE, MOVE_BEGIN, MOVE_STEP, MOVE_END, FORK, UNMAP,
    COW, SWAPOFF, READAHEAD,
) = (u(i) for i in range(len(demand.KINDS)))  # fmt: skip
ZSWAP, SSD, HDD, ZRAM, MEMORY = u(0), u(1), u(2), u(3), u(demand.MEMORY)
WRITE, DIRTY, ZERO = u(demand.WRITE), u(demand.DIRTY), u(demand.ZERO)
(
    NOTHING, FIRST_TOUCH, SWAP_IN, CACHE_HIT, SWAP_OUT, CLEAN_DROP, WRITEBACK_END, FORKED, ZAPPED, COWED, REUSED, MOVED, SWAPPED_OFF,
    BEGUN, STEPPED, FOLIO_OUT, FOLIO_SPLIT, READ_AHEAD,
) = (u(i) for i in range(len(demand.OPS)))  # fmt: skip
(
    AVOIDED, NOT_RESIDENT, BUSY, NO_BEGIN, FULL, REACTIVATED, UNMAP_FAILED, NO_MEMORY, NOT_SWAPPED, WRONG_BACKEND, REFUSED, GONE,
    MOVED_AWAY, DEVICE_OFF, EMPTY, IN_CACHE,
) = (u(i) for i in range(demand.REASON_BASE, demand.REASON_BASE + len(demand.REASONS)))  # fmt: skip
