"""Reclaim from the oldest of several generations, as mm/vmscan.c has it with multi-generational LRU."""

from __future__ import annotations

from kernels.compiling.constants import LOW32, U0, U1
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.eviction import swap_out
from kernels.reclaim.generations import (
    BATCH,
    LEAST,
    advance_oldest,
    highest_unprotected,
    link,
    put_back,
    referenced_again,
    tail,
    tier_of,
    unlink,
)
from kernels.reclaim.state import (
    C_BATCH,
    C_PAGES,
    C_POLICY,
    GENERATION,
    LISTED,
    MGLRU,
    REFERENCES,
    S_MAX_SEQ,
    S_MIN_SEQ,
    S_RESIDENT,
    T_PROTECTED,
    YOUNG,
)
from kernels.reclaim.walking import age, look_around

DEF_PRIORITY = 12  # include/linux/mmzone.h
MOST_SCANNED = BATCH * BATCH  # MAX_LRU_BATCH, include/linux/mmzone.h


@inner
def sorted_away(st, o, highest):  # type: ignore[no-untyped-def]
    """``sort_folio``: move a page of the oldest list that was promoted or is protected. False: it may be evicted."""
    mark, seq = u(st.mark[o]), st.ctl[S_MIN_SEQ]
    if mark & GENERATION != seq & GENERATION:
        link(st, o, mark)
        return True
    tier = tier_of(mark)
    if tier <= highest:
        return False
    st.ctl[T_PROTECTED + tier] += U1
    st.mark[o] = mark & ~(REFERENCES | GENERATION) | seq + U1 & GENERATION
    link(st, o, seq + U1)
    return True


@called
def isolate(st, budget):  # type: ignore[no-untyped-def]
    """``scan_folios``: scan up to `budget` pages of the oldest generation. Return the numbers of scanned and of isolated pages."""
    ctl = st.ctl
    scanned, isolated = U0, U0
    if ctl[S_MAX_SEQ] - ctl[S_MIN_SEQ] + U1 == LEAST:
        return scanned, isolated
    highest = highest_unprotected(st)
    while scanned < budget and isolated < BATCH:
        o = tail(st, ctl[S_MIN_SEQ])
        if o >= ctl[C_PAGES]:
            break
        scanned += U1
        unlink(st, o)
        if not sorted_away(st, o, highest):
            st.mark[o] &= ~LISTED
            st.held[isolated] = o
            isolated += U1
    return scanned, isolated


@called
def shrink_held(st, n, walked):  # type: ignore[no-untyped-def]
    """``shrink_folio_list`` for `n` isolated pages; put back those that stay. Return the number of pages that left."""
    kept, left = U0, U0
    for i in range(n):
        o = u(st.held[u(i)])
        if st.state[o] & YOUNG != U0:
            st.state[o] &= ~YOUNG
            look_around(st, o, walked)
            mark, activated = referenced_again(st, u(st.mark[o]))
            st.mark[o] = mark
            st.held[kept] = o << U1 & LOW32 | (U1 if activated else U0)
            kept += U1
        else:
            left += swap_out(st, o)
    for i in range(kept):
        word = u(st.held[u(i)])
        put_back(st, word >> U1, word & U1 != U0)
    return left


@called
def shrink_generations(st, priority, left):  # type: ignore[no-untyped-def]
    """``try_to_shrink_lruvec`` of Linux 7.2 at a priority, after `left` pages have left; return their new number."""
    ctl = st.ctl
    todo, walked = ctl[S_RESIDENT] >> priority, False
    while todo != U0:
        oldest = ctl[S_MIN_SEQ] + LEAST
        if oldest > ctl[S_MAX_SEQ] or (oldest == ctl[S_MAX_SEQ] and priority != u(DEF_PRIORITY)):
            age(st)
            walked = True
        advance_oldest(st)
        scanned, isolated = isolate(st, min(todo, BATCH))
        advance_oldest(st)
        left += shrink_held(st, isolated, walked)
        if scanned == U0 or left >= ctl[C_BATCH]:
            break
        todo -= scanned
    return left


@called
def shrink_generations_6_18(st, priority, left):  # type: ignore[no-untyped-def]
    """``try_to_shrink_lruvec`` of Linux 6.14 to 6.18: it ages instead of evicting, and evicts 64 pages at a time."""
    ctl, done = st.ctl, U0
    while True:
        oldest = ctl[S_MIN_SEQ] + LEAST
        if oldest >= ctl[S_MAX_SEQ] and priority != u(DEF_PRIORITY):
            age(st)
            return left
        todo = U0 if oldest > ctl[S_MAX_SEQ] else ctl[S_RESIDENT] >> priority
        if todo == U0:
            return left
        scanned, isolated = isolate(st, MOST_SCANNED)
        if isolated == U0 and scanned < MOST_SCANNED:
            scanned = U0
        scanned += advance_oldest(st)
        last = ctl[S_MIN_SEQ] + LEAST > ctl[S_MAX_SEQ]
        left += shrink_held(st, isolated, False)
        done += scanned
        if last or scanned == U0 or done >= todo:
            return left


@called
def reclaim_generations(st):  # type: ignore[no-untyped-def]
    """``do_try_to_free_pages``: raise the pressure until a batch has left; start again once if nothing did."""
    for _ in range(2):
        left = U0
        for i in range(DEF_PRIORITY + 1):
            priority = u(DEF_PRIORITY - i)
            if st.ctl[C_POLICY] == MGLRU:
                left = shrink_generations(st, priority, left)
            else:
                left = shrink_generations_6_18(st, priority, left)
            if left >= st.ctl[C_BATCH]:
                return
        if left != U0:
            return
