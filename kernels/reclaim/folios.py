"""Large folios: aligned blocks of 2**order pages that are mapped at once, are one object of the lists while resident, and leave as one.

A first touch makes one, as ``alloc_anon_folio`` does (mm/memory.c): the highest order of which no PTE of the block exists. Its first page
(the head) carries state, accessed bit and place in the lists for all; it weighs its pages. Swapped out it is single pages.

Simplified: an unmap of a part splits it at once, and the other pages of the block come to the head of its list
(``deferred_split_folio``: reclaim splits it, and the parts stay side by side). All pages have the accessed bit of the head.
"""

from __future__ import annotations

from kernels.compiling.constants import LOW32, U0, U1, U32
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.lists import push
from kernels.reclaim.residence import removed
from kernels.reclaim.state import (
    ACTIVE,
    ACTIVE_RING,
    C_FOLIO_KEY,
    C_FOLIO_SHARES,
    C_FOLIO_SPACE,
    C_SHIFT,
    N_FIRST,
    N_FOLIO_SPLITS,
    N_FOLIOS,
    NONE,
    RESIDENT,
    RING,
    S_RESIDENT,
    count,
    count_pages,
)
from kernels.traces.generate import mix


@called
def possible(st, page, order):  # type: ignore[no-untyped-def]
    """True if the block of `page` may become one folio: it is drawn for it, lies in the pages of a space, and none of its pages exists."""
    ctl, block = st.ctl, page >> order
    if order > ctl[C_SHIFT] or (block + U1 << order) - (page >> ctl[C_SHIFT] << ctl[C_SHIFT]) > ctl[C_FOLIO_SPACE]:
        return False
    if mix(ctl[C_FOLIO_KEY] + (block | order << U32)) & LOW32 >= ctl[C_FOLIO_SHARES + order]:
        return False
    for p in range(block << order, block + U1 << order):
        if st.state[u(p)] != U0:
            return False
    return True


@inner
def begin(st, o, order):  # type: ignore[no-untyped-def]
    """Make one folio of the pages from `o` on; all but the head are resident then, and the head, whose state is still 0, is to follow."""
    n = U1 << order
    for i in range(n):
        p = o + u(i)
        st.order[p] = order
        if p != o:
            st.state[p] = RESIDENT
            st.pos[p] = NONE
    st.ctl[S_RESIDENT] += n - U1
    count_pages(st, N_FIRST, n - U1)
    count(st, N_FOLIOS)


@called
def split(st, o, n):  # type: ignore[no-untyped-def]
    """Make single pages of folio `o` of `n` pages, on its list and with its flags."""
    s = u(st.state[o])
    st.order[o] = U0
    for i in range(U1, n):
        p = o + u(i)
        st.order[p] = U0
        st.state[p] = s
        if s & ACTIVE != U0:
            push(st, st.active, ACTIVE_RING, p)
        else:
            push(st, st.ring, RING, p)
    count(st, N_FOLIO_SPLITS)


@called
def freed_whole(st, page, first, run):  # type: ignore[no-untyped-def]
    """Free the folio of `page` if it lies in the `run` pages from `first` on that are unmapped, and return True; else split it."""
    order = u(st.order[page])
    o, n = page >> order << order, U1 << order
    if o < first or o + n > first + run:
        split(st, o, n)
        return False
    removed(st, o, u(st.state[o]), n)
    for i in range(n):
        st.state[o + u(i)] = U0
        st.order[o + u(i)] = U0
    return True
