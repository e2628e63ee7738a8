"""Swap tables: one 8-byte word a slot has the cached folio or its shadow, and phase by phase count, zero bit and owner too (6.18 on).

mm/swap_table.h. A table has a word for each slot of a cluster. It exists while the
cluster has a slot in use. Phases (C_PHASE):

===== ================== ========================== ========================= ======================================
phase cached or not      count                      owner, zero bit           locks to enter a folio
===== ================== ========================== ========================= ======================================
1     word; map has-cache swap_map, continuation    cgroup array, zeromap     cluster: look, flag, word
2     word alone         swap_map, continuation     cgroup array, zeromap     cluster: look, word
3     word alone         word, extend table         cgroup array, zeromap     cluster: look, word
4     word alone         word, extend table         memcg table, word         cluster: look, word
5     word alone         word, extend table         word                      the same (phase 4 as first proposed)
===== ================== ========================== ========================= ======================================

A word: bits 0..1 tag (0 free, 1 shadow, 2 cached), 2..33 folio, 34..55 count, 63 zero bit. C_COUNT_MAX is the count field that means
"look in the extend table", which has 4 bytes a slot and is allocated for a cluster when a count first gets there.
"""

from __future__ import annotations

from kernels import control
from kernels.compiling.atomic import prefetch
from kernels.compiling.constants import LOW32, U0, U1, U2, U3, U4, U63
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CLUSTER_SHIFT, C_CONT_LIMIT
from kernels.designs.swap_table import allocation
from kernels.designs.swap_table.own import C_COUNT_MAX, C_PHASE, F_ADD_CHECK, F_MAYBE_SWAPPED, F_SWAPPED, R_EXTEND, R_MEMCG, R_TABLE
from kernels.observing.atomics import atomic_xchg
from kernels.observing.probe import F_DUP, F_NONE, F_ZERO, R_CLUSTER, R_MAP, chase, step, touch, wrote
from kernels.structures import swap_map
from kernels.structures.blocks import CI_EXTEND, CI_MEMCG, CI_TABLE, EXTEND, drop, element, has, number
from kernels.structures.cluster import CI_COUNT, ci_of, lock_cluster, look_locked, unlock_cluster
from kernels.structures.slots import cluster_reach

SHADOW, CACHED, TAG = U1, U2, U3
COUNT_AT = u(34)
ONE = U1 << COUNT_AT  # one more PTE holds the slot
ZERO = U1 << U63
KEPT = ZERO | ((U1 << u(56)) - ONE)  # what stays of a word when the cache takes or leaves its slot: count and zero bit
P2, P3, P4, PITCHED = U2, U3, U4, u(5)


@inner
def at(st, g):  # type: ignore[no-untyped-def]
    """Index of the word of slot `g`."""
    return element(st, g, CI_TABLE)


@inner
def word_set(st, pr, g, word):  # type: ignore[no-untyped-def]
    """Write the word of slot `g`."""
    st.table[at(st, g)] = word
    wrote(pr, R_TABLE, at(st, g))


@inner
def word_xchg(st, pr, g, word):  # type: ignore[no-untyped-def]
    """``__swap_table_xchg``: phases 1 and 2 exchange the word of a folio that leaves the cache, in phase 1 of one that comes, too."""
    atomic_xchg(pr, R_TABLE, at(st, g), st.table, at(st, g), word)


@inner
def field(st, g):  # type: ignore[no-untyped-def]
    """Count field of the word of slot `g`."""
    return (st.table[at(st, g)] & KEPT & ~ZERO) >> COUNT_AT


@inner
def slot_scan(st, pr, first, end):  # type: ignore[no-untyped-def]
    """First slot with nothing in the map (phases 1, 2) and in the table (from phase 2 on)."""
    phase = st.ctl[C_PHASE]
    for i in range(first, end):
        g = u(i)
        if phase <= P2:
            touch(pr, R_MAP, g >> U3)
        if phase >= P2:
            touch(pr, R_TABLE, at(st, g))
        if (phase > P2 or st.smap[g] == 0) and (phase < P2 or st.table[at(st, g)] == U0):
            return g + U1
    return U0


@inner
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Mark slot `g` as allocated (and thereby cached) or freed; the blocks come with the first slot and go with the last."""
    count = u(st.cluster[ci_of(st, g) + CI_COUNT])
    if used and count == U0:
        allocation.blocks_new(st, pr, g)
    if st.ctl[C_PHASE] <= P2:
        if st.ctl[C_PHASE] < P2:
            swap_map.slot_mark(st, pr, g, used)
    if st.ctl[C_PHASE] >= P2:
        word_set(st, pr, g, CACHED if used else U0)
    if not used and count == U1:
        allocation.blocks_drop(st, pr, g)


@inner
def owner_set(st, pr, g, memcg):  # type: ignore[no-untyped-def]
    """Write the owner (cgroup array, memcg table, or as first proposed the word, here kept aside) and return the one before."""
    if st.ctl[C_PHASE] < P4:
        return swap_map.owner_set(st, pr, g, memcg)
    if st.ctl[C_PHASE] == P4:
        before = u(st.owner[element(st, g, CI_MEMCG)])
        st.owner[element(st, g, CI_MEMCG)] = memcg
        wrote(pr, R_MEMCG, element(st, g, CI_MEMCG) >> U2)
        return before
    before = u(st.cgroup[g])
    st.cgroup[g] = memcg
    return before


@inner
def charge(st, pr, g, memcg):  # type: ignore[no-untyped-def]
    """Charge the slot. The memcg table is the cluster's, and written under its lock (``__swap_cgroup_set``)."""
    if st.ctl[C_PHASE] == P4:
        ci = lock_cluster(st, pr, g)
        owner_set(st, pr, g, memcg)
        unlock_cluster(st, pr, ci)
    else:
        owner_set(st, pr, g, memcg)


@inner
def owner_of(st, pr, g):  # type: ignore[no-untyped-def]
    """Owner, from the place of :func:`owner_set`."""
    if st.ctl[C_PHASE] < P4:
        return swap_map.owner_of(st, pr, g)
    if st.ctl[C_PHASE] == P4:
        touch(pr, R_MEMCG, element(st, g, CI_MEMCG) >> U2)
        return u(st.owner[element(st, g, CI_MEMCG)])
    return u(st.cgroup[g])


@inner
def zero_of(st, pr, g):  # type: ignore[no-untyped-def]
    """Zero bit: in the zeromap up to phase 3, then bit 63 of the word."""
    if st.ctl[C_PHASE] < P4:
        return swap_map.zero_of(st, pr, g)
    touch(pr, R_TABLE, at(st, g))
    return st.table[at(st, g)] & ZERO != U0


@inner
def zero_set(st, pr, g, zero):  # type: ignore[no-untyped-def]
    """Write the zero bit."""
    if st.ctl[C_PHASE] < P4:
        swap_map.zero_set(st, pr, g, zero)
        return
    before = st.table[at(st, g)]
    word_set(st, pr, g, before | ZERO if zero else before & ~ZERO)
    st.ctl[control.S_ZERO_LIVE] += (U1 if zero else U0) - (before >> U63)


@inner
def zero_mark(st, pr, g, zero):  # type: ignore[no-untyped-def]
    """Write the zero bit in the word under the cluster's lock, as the count beside it may change (``__swap_table_set_zero``)."""
    if st.ctl[C_PHASE] < P4:
        swap_map.zero_mark(st, pr, g, zero)
        return
    step(pr, F_ZERO)
    ci = lock_cluster(st, pr, g)
    zero_set(st, pr, g, zero)
    unlock_cluster(st, pr, ci)
    step(pr, F_NONE)


@inner
def unheld(st, g):  # type: ignore[no-untyped-def]
    """True if no PTE holds slot `g`."""
    return swap_map.unheld(st, g) if st.ctl[C_PHASE] <= P2 else field(st, g) == U0


@inner
def count_read(st, pr, g):  # type: ignore[no-untyped-def]
    """Read the map byte or the word."""
    if st.ctl[C_PHASE] <= P2:
        touch(pr, R_MAP, g >> U3)
    else:
        touch(pr, R_TABLE, at(st, g))


@inner
def entry_swapped(st, pr, g, sync):  # type: ignore[no-untyped-def]
    """Look before a folio is allocated; reads of synchronous devices in phases 2 and 3 allocate without a look (``swapin_folio``)."""
    phase = st.ctl[C_PHASE]
    if phase >= P4:
        look_locked(st, pr, g, F_ADD_CHECK)
    elif not sync or phase < P2:
        look_locked(st, pr, g, F_SWAPPED)


@inner
def folio_swapped(st, pr, g):  # type: ignore[no-untyped-def]
    """Look at the map byte under the lock; from phase 3 on at the word under RCU (``folio_maybe_swapped``)."""
    if st.ctl[C_PHASE] <= P2:
        look_locked(st, pr, g, F_SWAPPED)
        return
    step(pr, F_MAYBE_SWAPPED)
    chase(pr, R_CLUSTER, ci_of(st, cluster_reach(st, pr, g)) >> U1)
    chase(pr, R_TABLE, at(st, g))
    step(pr, F_NONE)


@inner
def load_erases(st):  # type: ignore[no-untyped-def]
    """Return False: since 6.15, before phase 1, ``zswap_load`` erases an entry only when it has decompressed it."""
    return False


@inner
def is_cached(st, g):  # type: ignore[no-untyped-def]
    """Has-cache flag in phase 1, then the tag of the word."""
    return swap_map.is_cached(st, g) if st.ctl[C_PHASE] < P2 else st.table[at(st, g)] & TAG == CACHED


@inner
def flag_set(st, pr, g):  # type: ignore[no-untyped-def]
    """Set the flag in phase 1; later take the word itself and replace its shadow."""
    if st.ctl[C_PHASE] < P2:
        return swap_map.flag_set(st, pr, g)
    touch(pr, R_TABLE, at(st, g))
    if is_cached(st, g) or unheld(st, g):
        return U0
    word_set(st, pr, g, st.table[at(st, g)] & KEPT | CACHED)
    return U1


@inner
def flag_clear(st, pr, g):  # type: ignore[no-untyped-def]
    """Clear the flag in phase 1; later put the shadow in the folio's place, in the same locked section as the free that may follow."""
    if st.ctl[C_PHASE] < P2:
        swap_map.flag_clear(st, pr, g)
    elif st.ctl[C_PHASE] == P2:
        word_xchg(st, pr, g, SHADOW)
    else:
        word_set(st, pr, g, st.table[at(st, g)] & KEPT | SHADOW)


@inner
def cache_find(st, pr, g):  # type: ignore[no-untyped-def]
    """``swap_cache_get_folio``: cluster header, table, word; no tree."""
    chase(pr, R_CLUSTER, ci_of(st, cluster_reach(st, pr, g)) >> U1)
    chase(pr, R_TABLE, at(st, g))
    word = st.table[at(st, g)]
    return (word >> U2) & LOW32 if word & TAG == CACHED else U0


@inner
def cache_insert(st, pr, g, f):  # type: ignore[no-untyped-def]
    """``__swap_cache_add_folio``. From phase 2 on it is part of the section that took the slot, which has counted this write."""
    word = st.table[at(st, g)] & KEPT | CACHED | f << U2
    if st.ctl[C_PHASE] < P2:
        put_locked(st, pr, g, word)
    else:
        st.table[at(st, g)] = word


@inner
def cache_remove(st, pr, g, shadow):  # type: ignore[no-untyped-def]
    """``__swap_cache_del_folio`` of phase 1; later it is one section with its successor (:func:`flag_clear`)."""
    if st.ctl[C_PHASE] < P2:
        put_locked(st, pr, g, SHADOW if shadow else U0)


@called
def put_locked(st, pr, g, word):  # type: ignore[no-untyped-def]
    """Exchange a word under the cluster lock."""
    ci = lock_cluster(st, pr, g)
    word_xchg(st, pr, g, word)
    unlock_cluster(st, pr, ci)


@inner
def cache_clear(st, pr, g):  # type: ignore[no-untyped-def]
    """``__swap_cache_clear_shadow`` in phase 1; later the word is cleared when the slot is marked free."""
    if st.ctl[C_PHASE] < P2:
        word_xchg(st, pr, g, U0)


@inner
def count_up(st, pr, g):  # type: ignore[no-untyped-def]
    """Add one PTE: in the map byte, or the word and past its field the extend table."""
    if st.ctl[C_PHASE] <= P2:
        return swap_map.count_up(st, pr, g)
    n, most = field(st, g), st.ctl[C_COUNT_MAX]
    step(pr, F_DUP)
    wrote(pr, R_TABLE, at(st, g))
    step(pr, F_NONE)
    if n < most - U1:
        st.table[at(st, g)] += ONE
        return True
    return count_set(st, pr, g, count_of(st, g) + U1) or (count_prepare(st, pr, g, most) and count_set(st, pr, g, most))


@inner
def count_down(st, pr, g):  # type: ignore[no-untyped-def]
    """Take one PTE off; true if none is left."""
    if st.ctl[C_PHASE] <= P2:
        return swap_map.count_down(st, pr, g)
    n = field(st, g)
    wrote(pr, R_TABLE, at(st, g))
    if n == st.ctl[C_COUNT_MAX]:
        count_set(st, pr, g, count_of(st, g) - U1)
        return False
    st.table[at(st, g)] -= ONE
    return n == U1


@called
def count_of(st, g):  # type: ignore[no-untyped-def]
    """Full count."""
    if st.ctl[C_PHASE] <= P2:
        return swap_map.count_of(st, g)
    n = field(st, g)
    return n if n < st.ctl[C_COUNT_MAX] else u(st.extend[element(st, g, CI_EXTEND)])


@called
def count_prepare(st, pr, g, count):  # type: ignore[no-untyped-def]
    """Allocate an extend table for the cluster, if `count` does not fit into the word and it has none."""
    if st.ctl[C_PHASE] <= P2:
        return swap_map.prepare(st, pr, g, count)
    if count < st.ctl[C_COUNT_MAX] or has(st, g, CI_EXTEND):
        return True
    return number(st, pr, ci_of(st, g), EXTEND, CI_EXTEND, st.ctl[C_CONT_LIMIT]) != U0


@called
def count_set(st, pr, g, count):  # type: ignore[no-untyped-def]
    """Write the count; free the extend table when no slot needs it any more. False: a table is needed and there is none."""
    if st.ctl[C_PHASE] <= P2:
        return swap_map.count_set(st, pr, g, count)
    most, before = st.ctl[C_COUNT_MAX], field(st, g)
    if count >= most:
        if not has(st, g, CI_EXTEND):
            return False
        st.extend[element(st, g, CI_EXTEND)] = count
        wrote(pr, R_EXTEND, element(st, g, CI_EXTEND) >> U1)
    word = st.table[at(st, g)] & ~(KEPT & ~ZERO)
    word_set(st, pr, g, word | min(count, most) << COUNT_AT)
    if before == most and count < most:
        extend_try_drop(st, pr, g)
    return True


@called
def extend_try_drop(st, pr, g):  # type: ignore[no-untyped-def]
    """``swap_extend_table_try_free``: the count of slot `g` fits into its word again; free the extend table if all others do too."""
    here = element(st, g, CI_EXTEND)
    st.extend[here] = 0
    size = U1 << st.ctl[C_CLUSTER_SHIFT]
    first = here & ~(size - U1)
    for i in range(first, first + size):
        touch(pr, R_EXTEND, u(i) >> U1)
        if st.extend[u(i)] != 0:
            return
    drop(st, pr, ci_of(st, g), EXTEND, CI_EXTEND)


@inner
def slot_fetch(st, pr, g):  # type: ignore[no-untyped-def]
    """Prefetch the word and the other arrays of the phase."""
    prefetch(st.table, at(st, g))
    if st.ctl[C_PHASE] < P3:
        swap_map.fetch(st, g)
    elif st.ctl[C_PHASE] == P4:
        prefetch(st.owner, element(st, g, CI_MEMCG))
