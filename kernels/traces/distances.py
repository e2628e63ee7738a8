"""Stack distances of a trace: how many distinct pages lie between two accesses to the same page.

An LRU list of C pages holds a page that is accessed at distance d if d is at most C, for every C at once (Mattson et al., "Evaluation
techniques for storage hierarchies", IBM Systems Journal 9(2), 1970). Distances are counted on a Fenwick tree over the times of last
accesses, which is packed anew when the times are used up.
"""

from __future__ import annotations

import numpy as np

from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import inner, outer, u
from kernels.traces.pages import ID_MASK

BIT31 = np.uint64(31)
ONE = np.uint32(1)
ZERO = np.uint32(0)
NEXT, LIVE, MOST_LIVE = (np.uint64(i) for i in range(3))
"""Words of the carry: time of the next access less one, pages in the list, the most of them at a time."""


@inner
def _add(tree, at, by):  # type: ignore[no-untyped-def]
    """Add `by` (uint32, modulo 2**32) to the count of time `at`."""
    i = at
    size = np.uint64(tree.size)
    while i < size:
        tree[i] = np.uint32(tree[i] + by)
        i += i & (~i + U1)


@inner
def _upto(tree, at):  # type: ignore[no-untyped-def]
    """Pages whose last access is at time `at` or before."""
    found = U0
    i = at
    while i > U0:
        found += np.uint64(tree[i])
        i &= i - U1
    return found


@inner
def _pack(times, owners, tree, carry):  # type: ignore[no-untyped-def]
    """Give the pages of the list the times 1, 2, 3 and so on, in their order."""
    size = np.uint64(tree.size)
    given = U0
    for at in range(U1, size):
        owner = owners[at]
        owners[at] = ZERO
        if owner != ZERO:
            given += U1
            owners[given] = owner
            times[np.uint64(owner) - U1] = np.uint32(given)
    for at in range(U1, size):
        tree[at] = ONE if owners[at] != ZERO else ZERO
    for at in range(U1, size):
        up = u(at) + (u(at) & (~u(at) + U1))
        if up < size:
            tree[up] = np.uint32(tree[up] + tree[at])
    carry[NEXT] = given


@outer
def measure(accesses, first, last, times, owners, tree, distances, carry):  # type: ignore[no-untyped-def]
    """Count the stack distances of the accesses ``[first, last)``.

    Parameters
    ----------
    accesses : uint32[n]
        Bits 0..30 the page.
    times : uint32[pages]
        Time of the last access of a page, 0: it is not in the list.
    owners : uint32[s]
        The page of each time, plus 1; 0: none. s is at least twice the pages, plus 2.
    tree : uint32[s]
        Fenwick tree over the times.
    distances : uint64[pages + 1]
        Out: accesses by distance, from 1 on. 0: the page was not in the list.
    carry : uint64[4]
        NEXT, LIVE, MOST_LIVE, all 0 at first.
    """
    for i in range(first, last):
        page = np.uint64(accesses[i] & ID_MASK)
        before = np.uint64(times[page])
        if before == U0:
            distances[U0] += U1
            carry[LIVE] += U1
            carry[MOST_LIVE] = max(carry[MOST_LIVE], carry[LIVE])
        else:
            distances[carry[LIVE] - _upto(tree, before) + U1] += U1
            _add(tree, before, ~ZERO)
            owners[before] = ZERO
        if carry[NEXT] + U1 >= np.uint64(tree.size):
            times[page] = ZERO
            _pack(times, owners, tree, carry)
        carry[NEXT] += U1
        now = carry[NEXT]
        times[page], owners[now] = np.uint32(now), np.uint32(page + U1)
        _add(tree, now, ONE)


@outer
def forget(first, count, times, owners, tree, carry):  # type: ignore[no-untyped-def]
    """Take the pages ``[first, first + count)`` out of the list: they were unmapped."""
    end = min(first + count, np.uint64(times.size))
    for page in range(first, end):
        at = np.uint64(times[page])
        if at != U0:
            _add(tree, at, ~ZERO)
            owners[at], times[page] = ZERO, ZERO
            carry[LIVE] -= U1


@outer
def windows(accesses, length, seen, found):  # type: ignore[no-untyped-def]
    """Count the distinct pages of each run of `length` accesses.

    Parameters
    ----------
    accesses : uint32[n]
        Bits 0..30 the page, bit 31 a write.
    length : uint64
        Accesses of a window.
    seen : uint32[pages, 2]
        All 0: windows, from 1 on, in which a page was last accessed, and last written.
    found : uint64[w, 3]
        Out: of each window the distinct pages, the distinct written pages, the writes. w covers all accesses.
    """
    n = np.uint64(accesses.size)
    for i in range(n):
        window = i // length
        mark = np.uint32(window + U1)
        page = np.uint64(accesses[i] & ID_MASK)
        if seen[page, U0] != mark:
            seen[page, U0] = mark
            found[window, U0] += U1
        if accesses[i] >> BIT31:
            found[window, np.uint64(2)] += U1
            if seen[page, U1] != mark:
                seen[page, U1] = mark
                found[window, U1] += U1
