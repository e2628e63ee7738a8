"""Filter for recorded accesses to swappable memory: first-write rule, mappings, and the LRU filter of a recorder.

Only private memory swaps. A page is swappable from its first write on: until then it
reads as the zero page or as a page of a file. A page keeps its dense number for life,
also when it is unmapped and mapped again. Its address gets a new number only where a
shared mapping was in between, or where the page was moved away.
"""

from __future__ import annotations

import numpy as np

from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import inner, outer
from kernels.traces.parse import _find

NONE = np.uint64(0xFFFF_FFFF)  # table value - 1: the page has no dense number
SHARED = np.uint64(0xFFFF_FFFE)  # table value - 1: shared memory, not swappable here
ID_MASK = np.uint32((1 << 31) - 1)
BIT31 = np.uint64(31)

# fields of the carry array (uint64[8])
IDS, KEYS, LAST, LAST_WRITE, OUT = range(5)
# fields of the list head of the LRU filter; states of a page in it
ABSENT, CLEAN, DIRTY = np.uint8(0), np.uint8(1), np.uint8(2)
ZERO32 = np.uint32(0)


@inner
def _flush(carry, out):  # type: ignore[no-untyped-def]
    """Write the access that is still open, if any."""
    if carry[LAST] != U0:
        out[carry[OUT]] = carry[LAST] - U1 | carry[LAST_WRITE] << BIT31
        carry[OUT] += U1
        carry[LAST] = U0


@outer
def flush(carry, out):  # type: ignore[no-untyped-def]
    """Write the access that is still open to `out` (uint32) at ``carry[OUT]``."""
    _flush(carry, out)


@outer
def translate(runs, first, last, table, names, live, carry, out):  # type: ignore[no-untyped-def]
    """Turn runs into accesses to swappable pages; equal neighbours fold into one.

    Parameters
    ----------
    runs : uint64[n]
        Used in ``[first, last)``.
    table : uint64[2**b, 2]
        Page to dense number.
    names : uint64[c]
        Out: the page of each dense number.
    live : uint8[c]
        1 from the first write to the unmap.
    carry : uint64[8]
        IDS given, KEYS in the table, LAST access + 1 still open, LAST_WRITE its bit, OUT accesses written.
    out : uint32[m]
        Out: accesses, from ``carry[OUT]`` on; m - carry[OUT] > last - first.

    Returns
    -------
    uint64
        The run not done yet (`last`: all done; else the table or `names` is full: grow and go on).
    """
    most = np.uint64(table.shape[0]) >> U1
    room = np.uint64(names.size)
    for i in range(first, last):
        page, write = runs[i] >> U1, runs[i] & U1
        slot = _find(table, page)
        value = table[slot, U1] - U1  # 2**64 - 1 when free
        if value == SHARED or (value >= NONE and write == U0):
            continue
        if value >= NONE:
            if carry[KEYS] >= most or carry[IDS] >= room:
                return i
            carry[KEYS] += np.uint64(table[slot, U1] == U0)
            value = carry[IDS]
            carry[IDS] += U1
            names[value] = page
            table[slot, U0], table[slot, U1] = page, value + U1
        if live[value] == ABSENT:
            if write == U0:
                continue
            live[value] = CLEAN
        if carry[LAST] != value + U1:
            _flush(carry, out)
            carry[LAST], carry[LAST_WRITE] = value + U1, U0
        carry[LAST_WRITE] |= write
    return last


@inner
def _zap_slot(table, slot, live, whole, gone, n):  # type: ignore[no-untyped-def]
    """Unmap the page in `slot`; return the new number of pages in `gone`."""
    value = table[slot, U1] - U1
    if value == SHARED:
        if whole:
            table[slot, U1] = NONE + U1
    elif value < SHARED and live[value] != ABSENT:
        live[value] = ABSENT
        gone[n] = value
        n += U1
    return n


@outer
def zap(table, page, count, live, whole, gone):  # type: ignore[no-untyped-def]
    """Unmap `count` pages from `page` on.

    Parameters
    ----------
    table, live
        See :func:`translate`.
    page, count : uint64
    whole : bool
        The mapping goes (munmap, mmap over it), not only its pages (madvise).
    gone : uint32[n]
        Out: dense numbers of the pages that were live; as long as numbers were given.

    Returns
    -------
    uint64
        Number of pages in `gone`.
    """
    n = U0
    slots = np.uint64(table.shape[0])
    if count < slots:
        for p in range(page, page + count):
            n = _zap_slot(table, _find(table, p), live, whole, gone, n)
    else:
        for slot in range(slots):
            if table[slot, U1] != U0 and table[slot, U0] - page < count:
                n = _zap_slot(table, slot, live, whole, gone, n)
    return n


@inner
def _enter(table, page, value, carry):  # type: ignore[no-untyped-def]
    """Give `page` the table value `value`."""
    slot = _find(table, page)
    carry[KEYS] += np.uint64(table[slot, U1] == U0)
    table[slot, U0], table[slot, U1] = page, value + U1


@outer
def share(table, page, count, carry):  # type: ignore[no-untyped-def]
    """Note that `count` pages from `page` on are shared memory; the table must have room for them."""
    for p in range(page, page + count):
        _enter(table, p, SHARED, carry)


@outer
def move(table, old, new, count, carry):  # type: ignore[no-untyped-def]
    """Move `count` pages from `old` to `new` (mremap): they keep their dense numbers; the table must have room."""
    for i in range(count):
        slot = _find(table, old + i)
        if table[slot, U1] != U0:
            value = table[slot, U1] - U1
            table[slot, U1] = NONE + U1
            _enter(table, new + i, value, carry)


@inner
def _unlink(links, page):  # type: ignore[no-untyped-def]
    """Take list node `page` out of its list."""
    before, after = links[page, U0], links[page, U1]
    links[before, U1] = after
    links[after, U0] = before


@inner
def _push(links, page):  # type: ignore[no-untyped-def]
    """Put list node `page` behind node 0, the head."""
    after = links[U0, U1]
    links[page, U0], links[page, U1] = ZERO32, after
    links[after, U0] = page
    links[U0, U1] = page


@outer
def lru_filter(accesses, n, k, links, state, held):  # type: ignore[no-untyped-def]
    """Drop, in place, accesses that hit in an LRU list of `k` pages.

    The first write to a page since it entered the list is kept, so no written page looks clean. A dropped hit
    no longer refreshes its page in a larger memory: docs/formats.md gives the counted error.

    Parameters
    ----------
    accesses : uint32[m]
        Used in ``[0, n)``.
    n, k : uint64
    links : uint32[c + 1, 2]
        Previous and next of node ``page + 1``; node 0 is the head.
    state : uint8[c + 1]
        ABSENT, CLEAN or DIRTY.
    held : uint64
        Pages in the list.

    Returns
    -------
    (uint64, uint64)
        Accesses kept, pages in the list.
    """
    kept = U0
    for i in range(n):
        access = accesses[i]
        node = np.uint64(access & ID_MASK) + U1
        want = DIRTY if access >> BIT31 else CLEAN
        have = state[node]
        if have == ABSENT:
            if held == k:
                oldest = np.uint64(links[U0, U0])
                _unlink(links, oldest)
                state[oldest] = ABSENT
                held -= U1
            held += U1
        else:
            _unlink(links, node)
        _push(links, node)
        if want > have:
            state[node] = want
            accesses[kept] = access
            kept += U1
    return kept, held


@outer
def lru_drop(gone, n, links, state, held):  # type: ignore[no-untyped-def]
    """Take the pages ``gone[0:n]`` (uint32) out of the LRU filter; return the number of pages left in the list."""
    for i in range(n):
        node = np.uint64(gone[i]) + U1
        if state[node] != ABSENT:
            _unlink(links, node)
            state[node] = ABSENT
            held -= U1
    return held
