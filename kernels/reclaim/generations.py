"""Generations of multi-generational LRU: their lists, the placement of a page, tiers and refaults, for anonymous memory.

As mm/vmscan.c, mm/workingset.c and include/linux/mm_inline.h have it in Linux 7.2 (policy ``mglru``) and from 6.14 on (``mglru-6.18``).
There are at most four generations, MIN_SEQ the oldest and MAX_SEQ the youngest. A page moves up by its mark alone. Its place in the
lists follows when eviction meets it. The tier of a page is 3 with PG_workingset, 1 from two references on, else 0. A tier above 0 whose
refaults exceed 2/3 of those of tier 0 is protected.

Left out: file pages, memory.min and memory.low, the ages in time (min_ttl), per-CPU batches, the accessed bits of page middle
directories (a table without young PTEs changes nothing), false positives of the Bloom filters (exact sets here).
"""

from __future__ import annotations

from kernels.compiling.constants import LOW32, U0, U1, U3
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.state import (
    C_PAGES,
    C_POLICY,
    CACHED,
    CHANGED,
    GENERATION,
    LISTED,
    MGLRU,
    MGLRU_6_18,
    N_ACTIVATED,
    ONE_REFERENCE,
    REFERENCES,
    S_MAX_SEQ,
    S_MIN_SEQ,
    SWAPPED,
    T_AVG_REFAULTED,
    T_AVG_TOTAL,
    T_EVICTED,
    T_PROTECTED,
    T_REFAULTED,
    WORKINGSET,
    count,
)

U2 = u(2)
TIERS = u(4)  # MAX_NR_TIERS, include/linux/mmzone.h
MOST, LEAST = u(4), u(2)  # MAX_NR_GENS, MIN_NR_GENS, include/linux/mmzone.h
BATCH = u(64)  # MIN_LRU_BATCH, include/linux/mmzone.h


@inner
def unlink(st, o):  # type: ignore[no-untyped-def]
    """Take page `o` off its list."""
    after, before = u(st.links[o << U1]), u(st.links[(o << U1) + U1])
    st.links[before << U1] = after
    st.links[(after << U1) + U1] = before


@inner
def link(st, o, generation):  # type: ignore[no-untyped-def]
    """Put page `o` at the head of the list of a generation."""
    head = st.ctl[C_PAGES] + (generation & GENERATION)
    after = u(st.links[head << U1])
    st.links[o << U1], st.links[(o << U1) + U1] = after, head
    st.links[head << U1] = o
    st.links[(after << U1) + U1] = o


@inner
def tail(st, seq):  # type: ignore[no-untyped-def]
    """Page at the tail of the list of generation `seq`, C_PAGES or more if it is empty."""
    return u(st.links[(st.ctl[C_PAGES] + (seq & GENERATION) << U1) + U1])


@inner
def nth_youngest(st, n):  # type: ignore[no-untyped-def]
    """Number of the `n`-th youngest generation, or of the oldest one."""
    return max(st.ctl[S_MAX_SEQ] - n + U1, st.ctl[S_MIN_SEQ])


@inner
def put(st, o, mark, seq):  # type: ignore[no-untyped-def]
    """Put page `o`, which is on no list, into generation `seq`."""
    st.mark[o] = mark & ~GENERATION | seq & GENERATION | LISTED
    link(st, o, seq)


@inner
def put_active(st, o, mark):  # type: ignore[no-untyped-def]
    """Put page `o` where ``lru_gen_folio_seq`` puts one with PG_active."""
    put(st, o, mark, nth_youngest(st, U1 if mark & WORKINGSET != U0 else LEAST))


@inner
def tier_of(mark):  # type: ignore[no-untyped-def]
    """``lru_tier_from_refs``."""
    return U3 if mark & WORKINGSET != U0 else (mark & REFERENCES) // ONE_REFERENCE >> U1


@inner
def note_eviction(st, o):  # type: ignore[no-untyped-def]
    """``lru_gen_eviction``: leave a shadow with the oldest generation and the tier."""
    tier = tier_of(u(st.mark[o]))
    st.ctl[T_EVICTED + tier] += U1
    st.shadow[o] = (st.ctl[S_MIN_SEQ] << U2 | tier) & LOW32
    st.mark[o] = U0


@inner
def recent_workingset(st, o):  # type: ignore[no-untyped-def]
    """``lru_gen_refault``: count the refault of page `o` if it left a short while ago. True: it was of the working set."""
    shadow = u(st.shadow[o])
    if (st.ctl[S_MAX_SEQ] - (shadow >> U2) & LOW32 >> U2) >= MOST:
        return False
    st.ctl[T_REFAULTED + (shadow & U3)] += U1
    return shadow & U3 == U3


@inner
def enter_generation(st, o, s, before):  # type: ignore[no-untyped-def]
    """``folio_add_lru`` in a fault: `before` is the page's state before, `s` its state now."""
    mark = U0
    if before & SWAPPED != U0:
        if s & CHANGED == U0:
            mark |= CACHED
        if recent_workingset(st, o):
            count(st, N_ACTIVATED)
            mark |= WORKINGSET
    if mark & WORKINGSET != U0 or st.ctl[C_POLICY] == MGLRU_6_18:
        put_active(st, o, mark)
    else:
        put(st, o, mark | ONE_REFERENCE, nth_youngest(st, U3 if mark & CACHED != U0 else LEAST))


@inner
def referenced_again(st, mark):  # type: ignore[no-untyped-def]
    """``lru_gen_set_refs``: note that reclaim found the page young. Return (mark, True if the page is activated)."""
    if mark & (REFERENCES | WORKINGSET) == U0:
        return mark | ONE_REFERENCE, False
    if st.ctl[C_POLICY] == MGLRU and mark & REFERENCES <= ONE_REFERENCE:
        return mark + ONE_REFERENCE, True
    return mark & ~REFERENCES | WORKINGSET, True


@inner
def promoted(st, mark):  # type: ignore[no-untyped-def]
    """``folio_update_gen``: mark of a page that a walk of page tables found young."""
    if mark & (REFERENCES | WORKINGSET) == U0:
        return mark | ONE_REFERENCE
    return mark & ~(REFERENCES | GENERATION) | WORKINGSET | st.ctl[S_MAX_SEQ] & GENERATION


@inner
def put_back(st, o, activated):  # type: ignore[no-untyped-def]
    """Put back page `o`, which eviction isolated and did not take (the end of ``evict_folios``)."""
    mark = u(st.mark[o])
    if activated:
        n = U1 if mark & WORKINGSET != U0 else LEAST
    elif mark & CACHED == U0:
        n = LEAST
    else:
        above = mark & WORKINGSET != U0 or (st.ctl[C_POLICY] == MGLRU and mark & REFERENCES != U0)
        n = U3 if above else MOST
    if nth_youngest(st, n) == st.ctl[S_MIN_SEQ]:
        put_active(st, o, mark & ~REFERENCES)
    else:
        put(st, o, mark, nth_youngest(st, n))


@called
def highest_unprotected(st):  # type: ignore[no-untyped-def]
    """``get_tier_idx``: the highest tier whose pages may be evicted. Gains are 2 for tier 0 and 3 for those above."""
    ctl = st.ctl
    refaulted = ctl[T_AVG_REFAULTED] + ctl[T_REFAULTED]
    total = ctl[T_AVG_TOTAL] + ctl[T_PROTECTED] + ctl[T_EVICTED]
    tier = U1
    while tier < TIERS:
        again = ctl[T_AVG_REFAULTED + tier] + ctl[T_REFAULTED + tier]
        of = ctl[T_AVG_TOTAL + tier] + ctl[T_PROTECTED + tier] + ctl[T_EVICTED + tier]
        if again >= BATCH and again * (total + BATCH) * U2 > (refaulted + U1) * of * U3:
            break
        tier += U1
    return tier - U1


@called
def advance_oldest(st):  # type: ignore[no-untyped-def]
    """``try_to_inc_min_seq``: leave empty generations behind. Return 1 if there was one, else 0."""
    ctl = st.ctl
    seq = ctl[S_MIN_SEQ]
    while seq + LEAST <= ctl[S_MAX_SEQ] and tail(st, seq) >= ctl[C_PAGES]:
        seq += U1
    if seq == ctl[S_MIN_SEQ]:
        return U0
    ctl[S_MIN_SEQ] = seq
    for i in range(TIERS):
        t = u(i)
        total = ctl[T_AVG_TOTAL + t] + ctl[T_PROTECTED + t] + ctl[T_EVICTED + t]
        ctl[T_AVG_REFAULTED + t] = ctl[T_AVG_REFAULTED + t] + ctl[T_REFAULTED + t] >> U1
        ctl[T_AVG_TOTAL + t] = total >> U1
        ctl[T_REFAULTED + t] = ctl[T_EVICTED + t] = ctl[T_PROTECTED + t] = U0
    return U1
