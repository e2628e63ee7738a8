"""Walks of page tables by multi-generational LRU: aging, and a look around a young PTE that eviction met.

A walk clears accessed bits and promotes the pages. It visits the tables of 512 PTEs that had at least one young PTE in eight at the
walk before, or around a page that eviction found young since (Bloom filters in the kernel, exact sets here).
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.generations import BATCH, promoted, put_active, referenced_again, unlink
from kernels.reclaim.state import (
    C_PAGES,
    C_TABLE,
    GENERATION,
    LISTED,
    N_AGINGS,
    NONE,
    S_MAX_SEQ,
    YOUNG,
    count,
    name_of,
    page_at,
)

DENSE = u(8)  # PTEs in a line of 64 bytes: a walk is worth while with a young one in each (suitable_to_scan)


@inner
def young_at(st, page):  # type: ignore[no-untyped-def]
    """Object that the PTE of `page` maps and that is young and on a list, its accessed bit cleared; else NONE."""
    o = page_at(st, page)
    if o == NONE or st.state[o] & YOUNG == U0 or st.mark[o] & LISTED == U0:
        return NONE
    st.state[o] &= ~YOUNG
    return o


@called
def walk_table(st, first, n):  # type: ignore[no-untyped-def]
    """``walk_pte_range``: promote the young pages of a table of `n` PTEs; return their number."""
    young = U0
    for i in range(n):
        o = young_at(st, first + u(i))
        if o != NONE:
            st.mark[o] = promoted(st, u(st.mark[o]))
            young += U1
    return young


@called
def age(st):  # type: ignore[no-untyped-def]
    """``try_to_inc_max_seq``: walk the page tables, then begin a new generation."""
    ctl = st.ctl
    shift, seq = ctl[C_TABLE], ctl[S_MAX_SEQ]
    n, tables = U1 << shift, ctl[C_PAGES] >> shift
    now, later = (seq & U1) * tables, (seq + U1 & U1) * tables
    for t in range(tables):
        st.tables[later + u(t)] = U0
    for t in range(tables):
        if st.tables[now + u(t)] != U0 and walk_table(st, u(t) << shift, n) * DENSE >= n:
            st.tables[later + u(t)] = U1
    ctl[S_MAX_SEQ] = seq + U1
    count(st, N_AGINGS)


@inner
def activate_around(st, o):  # type: ignore[no-untyped-def]
    """Note that a look around found page `o` young; activate it from its second reference on, unless it is of the youngest generation."""
    mark, activated = referenced_again(st, u(st.mark[o]))
    st.mark[o] = mark
    if activated and mark & GENERATION != st.ctl[S_MAX_SEQ] & GENERATION:
        unlink(st, o)
        put_active(st, o, mark)


@called
def look_around(st, o, walked):  # type: ignore[no-untyped-def]
    """``lru_gen_look_around``: clear the accessed bits of up to 64 PTEs around page `o`, which was young, and promote their pages.

    `walked`: this reclaim has walked page tables, so that pages are promoted as by a walk.
    """
    page, shift = name_of(st, o), st.ctl[C_TABLE]
    first = page >> shift << shift
    last = first + (U1 << shift)
    half = BATCH >> U1
    if last - first > BATCH:
        if page - first < half:
            last = first + BATCH
        elif last - page < half:
            first = last - BATCH
        else:
            first, last = page - half, page + half
    young = U1
    for p in range(first, last):
        near = young_at(st, u(p))
        if near == NONE:
            continue
        young += U1
        if walked:
            st.mark[near] = promoted(st, u(st.mark[near]))
        else:
            activate_around(st, near)
    if young * DENSE >= last - first:
        st.tables[(st.ctl[S_MAX_SEQ] & U1) * (st.ctl[C_PAGES] >> shift) + (page >> shift)] = U1
