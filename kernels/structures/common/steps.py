"""Touches and locks of the common steps: counted, logged, or real loads, stores and atomics, as the probe asks.

A replay that observes nothing leaves them out, as it leaves out the locks. So does one of threads: their lines are mostly of a CPU each.
"""

from __future__ import annotations

from kernels import control
from kernels.compiling.atomic import drop, take
from kernels.compiling.constants import BYTE, LOW16, U0, U1, U3, U8, U16, U24, U32
from kernels.compiling.jit import called, inner, operation, u
from kernels.observing.probe import (
    CHAIN_COMMON,
    E_COMMON,
    FOOT_SUM,
    HELD,
    LINES_COMMON,
    LOCK_ORDER,
    LOCKS_COMMON,
    R_COMMON,
    R_ZOBJ,
    SCRATCH,
    WRITTEN_COMMON,
    Count,
    Off,
    Timed,
    Trace,
    is_new,
    record,
)
from kernels.structures.common.table import (
    DESCRIPTOR,
    FOLIO,
    HANDLE,
    HOOKS,
    LOCK_SHIFT,
    LOCKED,
    NEIGHBOUR,
    OBJECT,
    POINTED,
    ROWS,
    SHARED,
    STARTS,
    WRITTEN,
    ZSPAGE,
)  # fmt: skip

KEY = R_COMMON << u(56)
CHASED, STORED = u(1 << 55), u(1 << 54)  # of a key: the structure was reached, the line was written
LOCK_WORD, LOW6 = U1, u(63)  # of a line with a lock; of a rank
NEXT_ZSPAGE = u(13)  # zspages between an object's own and its neighbour on the list of its class


@operation
def common(pr, st, hook, item):  # type: ignore[no-untyped-def]
    """Touch what all kernels touch at `hook` for `item`: a folio or a zswap entry, 0 where the hook has neither."""


@inner
def scattered(st, f):  # type: ignore[no-untyped-def]
    """Another folio in the place of the neighbour of folio `f` on its list: lists are not in the order of memory."""
    return ((f * u(0x9E3779B1)) & u(0xFFFFFFFF)) * st.ctl[control.S_FOLIO_HIGH] >> U32


@inner
def index_of(st, place, line, item):  # type: ignore[no-untyped-def]
    """Number of a line among those of its kind."""
    if place == SHARED:
        return line
    if place == FOLIO:
        return item
    if place == NEIGHBOUR:
        return scattered(st, item)
    if place == HANDLE:
        return item >> U3
    if place == ZSPAGE:
        return (item >> U3) + line * NEXT_ZSPAGE
    return item >> U1 if place == DESCRIPTOR else item


@inner
def _nothing(pr, st, hook, item):  # type: ignore[no-untyped-def]
    return None


@called
def _touched(pr, st, hook, item):  # type: ignore[no-untyped-def]
    """Load every line, and store to those that are written. Pages of content are no part of it."""
    at, total = st.ctl[control.C_ERA] * HOOKS + hook, U0
    for i in range(STARTS[at], STARTS[at + U1]):
        row = ROWS[u(i)]
        place = row >> U16 & BYTE
        if place == SHARED:
            word = (row & LOW16) << U3
            if row & LOCKED != U0:
                take(st.hot, word + LOCK_WORD)
                drop(st.hot, word + LOCK_WORD)
                continue
            total += st.hot[word]
            if row & WRITTEN != U0:
                st.hot[word] += U1
            continue
        index = index_of(st, place, row & LOW16, item)
        if place == FOLIO or place == NEIGHBOUR:
            total += st.folio[index << U3]
        elif place == HANDLE:
            total += st.zhandle[index << U3]
        elif row & LOCKED != U0:
            take(st.zspage, (index << U3) + LOCK_WORD)
            drop(st.zspage, (index << U3) + LOCK_WORD)
        elif place == ZSPAGE:
            st.zspage[index << U3] += U1
        elif place == DESCRIPTOR:
            total += st.zpdesc[index << U3]
    pr.tally[FOOT_SUM] += total


@inner
def _count_row(pr, st, row, item):  # type: ignore[no-untyped-def]
    """Count the line of a row; 1 if it is new."""
    place = row >> U16 & BYTE
    index = index_of(st, place, row & LOW16, item)
    key = R_ZOBJ << u(56) | index << u(6) if place == OBJECT else KEY | place << u(40) | index
    new = is_new(pr, key)
    pr.tally[SCRATCH + LINES_COMMON] += new
    if row & POINTED != U0:
        pr.tally[SCRATCH + CHAIN_COMMON] += is_new(pr, KEY | CHASED | row >> u(48))
    if row & WRITTEN != U0:
        pr.tally[SCRATCH + WRITTEN_COMMON] += is_new(pr, key | STORED)
    return new


@inner
def _count_lock(pr, row):  # type: ignore[no-untyped-def]
    """Count the lock of a row, which is released at once; whoever holds one of its rank or above takes it against the order."""
    pr.tally[SCRATCH + LOCKS_COMMON] += U1
    if pr.tally[HELD] >> (row >> LOCK_SHIFT & LOW6):
        pr.tally[SCRATCH + LOCK_ORDER] += U1


@called
def _counted(pr, st, hook, item):  # type: ignore[no-untyped-def]
    """Count lines, written lines and structures that were reached through a pointer, each once in an operation."""
    at = st.ctl[control.C_ERA] * HOOKS + hook
    for i in range(STARTS[at], STARTS[at + U1]):
        row = ROWS[u(i)]
        if row & LOCKED != U0:
            _count_lock(pr, row)
        else:
            _count_row(pr, st, row, item)


@called
def _logged(pr, st, hook, item):  # type: ignore[no-untyped-def]
    """Count, and log each function: its lines, those that it is the first to touch, those that it writes, its locks."""
    at = st.ctl[control.C_ERA] * HOOKS + hook
    lines, first, written, locks = U0, U0, U0, U0
    for i in range(STARTS[at], STARTS[at + U1]):
        row = ROWS[u(i)]
        function = row >> U32 & LOW16
        if row & LOCKED != U0:
            _count_lock(pr, row)
            locks += U1
        else:
            first += _count_row(pr, st, row, item)
            lines += U1
            written += U1 if row & WRITTEN != U0 else U0
        if u(i) + U1 == STARTS[at + U1] or ROWS[u(i) + U1] >> U32 & LOW16 != function:
            record(pr, E_COMMON, function, lines | first << U8 | written << U16 | hook << U24 | locks << U32)
            lines, first, written, locks = U0, U0, U0, U0


common.register(Off, _nothing)
common.register(Timed, _touched)
common.register(Count, _counted)
common.register(Trace, _logged)
