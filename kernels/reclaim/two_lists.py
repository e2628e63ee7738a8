"""Reclaim from an active and an inactive list of anonymous pages, as mm/vmscan.c has it since Linux 5.9.

A new page is inactive and young. At the inactive tail a young page is kept once (PG_referenced) and activated the next time. A page
that comes back soon after it left is activated at once (refault distance). The active tail is deactivated regardless of its accessed
bit, where the inactive list is low or pages that came back were activated since the round before. A round scans a growing share of
both lists, by priority, until it has a batch.

Left out: file pages (the cost of a memory cgroup without them leaves anonymous memory 89 parts of 508), memory.min and memory.low.
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.eviction import swap_out
from kernels.reclaim.lists import activate, deactivate, pop, push
from kernels.reclaim.state import (
    C_BATCH,
    NONE,
    REFERENCED,
    RING,
    S_ACTIVE,
    S_RESIDENT,
    S_SKIPPED,
    S_SNAPSHOT,
    V_ACTIVATIONS,
    YOUNG,
    weight,
)
from kernels.reclaim.views import inactive_is_low, look

DEF_PRIORITY = 12  # include/linux/mmzone.h
ANONYMOUS, BOTH = u(89), u(508)
"""Shares of swappiness 60 when all cost is of anonymous memory: ``calculate_pressure_balance``, mm/vmscan.c."""


@called
def scan_inactive(st, n):  # type: ignore[no-untyped-def]
    """``shrink_inactive_list`` for `n` pages, or as many more as the last folio has; return the number that left."""
    taken, scanned = U0, U0
    while scanned < n:
        o = pop(st, st.ring, RING)
        if o == NONE:
            break
        st.held[taken] = o
        taken += U1
        scanned += weight(st, o)
    kept, left = U0, U0
    for i in range(taken):
        o = u(st.held[u(i)])
        s = u(st.state[o])
        if s & YOUNG != U0:
            st.state[o] = (s | REFERENCED) & ~YOUNG
            st.held[kept] = o << U1 | (U1 if s & REFERENCED != U0 else U0)
            kept += U1
        else:
            left += swap_out(st, o)
    for i in range(kept):
        o, active = u(st.held[u(i)]) >> U1, u(st.held[u(i)]) & U1
        if active != U0:
            activate(st, o)
        else:
            push(st, st.ring, RING, o)
    return left


@inner
def share(pages, priority):  # type: ignore[no-untyped-def]
    """``get_scan_count`` for a list of `pages` pages."""
    scan = pages >> priority
    return scan * ANONYMOUS // BOTH if priority != U0 else scan


@called
def shrink_lists(st, priority, force, goal):  # type: ignore[no-untyped-def]
    """``shrink_lruvec`` at a priority; `force`: deactivate in any case. Return the number of pages that left, once it is `goal`."""
    ctl, batch = st.ctl, st.ctl[C_BATCH]
    low = inactive_is_low(st)
    may = force or low or ctl[V_ACTIVATIONS] != ctl[S_SNAPSHOT]
    inactive, active = share(ctl[S_RESIDENT] - ctl[S_ACTIVE], priority), share(ctl[S_ACTIVE], priority)
    left = U0
    while inactive != U0 and left < goal:
        n = min(inactive, batch)
        inactive -= n
        left += scan_inactive(st, n)
        n = min(active, batch)
        active -= n
        if n != U0 and may:
            deactivate(st, n)
        elif n != U0:
            ctl[S_SKIPPED] = U1
    if inactive_is_low(st):
        deactivate(st, batch)
    return left


@called
def reclaim_lists(st, goal):  # type: ignore[no-untyped-def]
    """``do_try_to_free_pages``: raise the pressure until `goal` pages have left; start again, at last by force, if none did."""
    ctl = st.ctl
    ctl[S_SKIPPED] = U0
    for attempt in range(3):
        if attempt == 2 and ctl[S_SKIPPED] == U0:
            return
        left = U0
        for i in range(DEF_PRIORITY + 1):
            left += shrink_lists(st, u(DEF_PRIORITY - i), attempt == 2, goal)
            if left >= goal:
                break
        look(st)
        ctl[S_SNAPSHOT] = ctl[V_ACTIVATIONS]
        if left != U0:
            return
