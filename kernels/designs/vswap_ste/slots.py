"""Slots of the swap-table edition: the table's words as in phase IV, those of disks that stand behind virtual slots, and memcg tables.

A word of a disk's swap table may be a pointer: tag 3 (the kernel's low bits 100), the virtual slot from bit 2 on, and bit 62 (the kernel's
63), a hint that no PTE holds the virtual slot and the swap cache has it. The word of a direct entry is that of phase IV.
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U2, U3
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CLUSTER_SHIFT
from kernels.designs.swap_table import allocation
from kernels.designs.swap_table import table as swap_table
from kernels.designs.swap_table.table import CACHED, TAG, at
from kernels.designs.vswap_ste import clusters as vc
from kernels.designs.vswap_ste import own
from kernels.designs.vswap_ste.clusters import is_virtual
from kernels.designs.vswap_ste.hooks import mark_hint
from kernels.designs.vswap_ste.pointers import HINT, POINTER
from kernels.designs.xswap.own import S_USED_CLUSTERS
from kernels.observing.probe import F_NONE, chase, step, touch, wrote
from kernels.structures import cluster as cl
from kernels.structures.blocks import CI_MEMCG, has
from kernels.structures.cluster import ci_of, slot_of

NONE, ZSWAP, SWAPFILE, KIND = U0, U1, U2, u(7)  # enum vswap_backing_type: the tag of a word of the virtual table
EAGER = U1  # C_EAGER


@inner
def is_pointer(st, g):  # type: ignore[no-untyped-def]
    """True if the word of slot `g` is a pointer to a virtual slot."""
    return st.table[at(st, g)] & TAG == POINTER


@inner
def virtual_of(st, g):  # type: ignore[no-untyped-def]
    """Virtual slot behind which slot `g` stands."""
    return (st.table[at(st, g)] & ~HINT) >> U2


@inner
def vtable_at(st, g):  # type: ignore[no-untyped-def]
    """Index of the word of virtual slot `g` in the virtual table of its cluster."""
    shift = st.ctl[C_CLUSTER_SHIFT]
    return st.vtail[(g >> shift) * vc.TAIL_WORDS + vc.T_VTABLE] << shift | g & ((U1 << shift) - U1)


@inner
def behind(st, g):  # type: ignore[no-untyped-def]
    """The word of virtual slot `g`, uncounted: tag, then a zswap entry or a swap entry."""
    return st.vtable[vtable_at(st, g)]


@inner
def see(st, pr, g):  # type: ignore[no-untyped-def]
    """``__vtable_get``: the pointer behind the header, then the word. The cluster's lock is held."""
    touch(pr, own.R_VTAIL, (g >> st.ctl[C_CLUSTER_SHIFT]) * vc.TAIL_WORDS)
    chase(pr, own.R_VTABLE, vtable_at(st, g))
    return behind(st, g)


@inner
def back_with(st, pr, g, word):  # type: ignore[no-untyped-def]
    """``__vtable_set``."""
    st.vtable[vtable_at(st, g)] = word
    wrote(pr, own.R_VTABLE, vtable_at(st, g))


@inner
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Mark slot `g`; the tables of its cluster come with the first slot and go with the last, but for the memcg table of a disk."""
    first = u(st.cluster[ci_of(st, g) + cl.CI_COUNT]) == (U0 if used else U1)
    if is_virtual(st, g):
        virtual_tables(st, pr, g, used, first)
    elif used and first:
        disk_tables(st, pr, g)
    swap_table.word_set(st, pr, g, CACHED if used else U0)
    if first and not used:
        st.ctl[own.S_PMEMCG] -= U1 if not is_virtual(st, g) and has(st, g, CI_MEMCG) else U0
        allocation.blocks_drop(st, pr, g)
    if not is_virtual(st, g):
        st.ctl[own.S_PSLOTS] += U1 if used else ~U0
        st.ctl[own.S_PTABLES] -= U1 if first and not used else U0


@called
def virtual_tables(st, pr, g, used, first):  # type: ignore[no-untyped-def]
    """Tables of a virtual cluster: all three come and go together."""
    ctl = st.ctl
    if used and first:
        allocation.blocks_new(st, pr, g)
        vc.vtable_new(st, pr, g)
        ctl[S_USED_CLUSTERS] += U1
        ctl[own.S_VCLUSTERS_PEAK] = max(ctl[own.S_VCLUSTERS_PEAK], ctl[S_USED_CLUSTERS])
    elif first:
        vc.vtable_free(st, pr, g)
        ctl[S_USED_CLUSTERS] -= U1
    ctl[own.S_VSLOTS] += U1 if used else ~U0
    ctl[own.S_VSLOTS_PEAK] = max(ctl[own.S_VSLOTS_PEAK], ctl[own.S_VSLOTS])


@called
def disk_tables(st, pr, g):  # type: ignore[no-untyped-def]
    """The swap table of a disk's cluster, and its memcg table if that is not put off."""
    ctl = st.ctl
    allocation.table_new(st, pr, g)
    ctl[own.S_PTABLES] += U1
    ctl[own.S_PTABLES_PEAK] = max(ctl[own.S_PTABLES_PEAK], ctl[own.S_PTABLES])
    if ctl[own.C_EAGER] == EAGER:
        memcg_table(st, pr, g)


@called
def memcg_table(st, pr, g):  # type: ignore[no-untyped-def]
    """The memcg table of a disk's cluster."""
    ctl = st.ctl
    allocation.memcg_new(st, pr, g)
    ctl[own.S_PMEMCG] += U1
    ctl[own.S_PMEMCG_PEAK] = max(ctl[own.S_PMEMCG_PEAK], ctl[own.S_PMEMCG])


@inner
def owner_set(st, pr, g, memcg):  # type: ignore[no-untyped-def]
    """Write the owner, and return the one before; a cluster of a disk that has no memcg table yet has none."""
    if not has(st, g, CI_MEMCG):
        return U0
    before = swap_table.owner_set(st, pr, g, memcg)
    if not is_virtual(st, g):
        st.ctl[own.S_PDIRECT] += (U1 if memcg != U0 else U0) - (U1 if before != U0 else U0)
    return before


@inner
def charge(st, pr, g, memcg):  # type: ignore[no-untyped-def]
    """``__swap_cgroup_set``. The first direct entry of a disk's cluster brings its memcg table (``alloc_swap_scan_cluster``)."""
    ci = cl.lock_cluster(st, pr, g)
    if not has(st, g, CI_MEMCG):
        memcg_table(st, pr, g)
    owner_set(st, pr, g, memcg)
    cl.unlock_cluster(st, pr, ci)


@called
def charge_run(st, pr, g, n, memcg):  # type: ignore[no-untyped-def]
    """The same for `n` slots of one cluster from `g` on, in one section."""
    ci = cl.lock_cluster(st, pr, g)
    if not has(st, g, CI_MEMCG):
        memcg_table(st, pr, g)
    for i in range(n):
        owner_set(st, pr, g + u(i), memcg)
    cl.unlock_cluster(st, pr, ci)


@inner
def is_cached(st, g):  # type: ignore[no-untyped-def]
    """True if the swap cache has slot `g`; of a pointer, if the hint says that it alone has the virtual slot."""
    word = st.table[at(st, g)]
    return word & TAG == CACHED or word & (TAG | HINT) == POINTER | HINT


@inner
def cache_find(st, pr, g):  # type: ignore[no-untyped-def]
    """Folio of slot `g`, or of the virtual slot that its word points to."""
    if is_virtual(st, g) or not is_pointer(st, g):
        return swap_table.cache_find(st, pr, g)
    return behind_pointer(st, pr, g)


@called
def behind_pointer(st, pr, g):  # type: ignore[no-untyped-def]
    """``try_to_reclaim_vswap_backing``: the virtual slot that slot `g` points to, its folio, and if that has it behind it still."""
    cl.look_locked(st, pr, g, own.F_RECLAIM)
    virtual = virtual_of(st, g)
    f = swap_table.cache_find(st, pr, virtual)
    if f != U0:
        ask(st, pr, virtual, own.F_TO_PHYS)
    return f


@called
def ask(st, pr, g, function):  # type: ignore[no-untyped-def]
    """Look at what is behind virtual slot `g` under its cluster's lock, in the kernel's `function`; the word of the virtual table."""
    step(pr, function)
    ci = cl.lock_cluster(st, pr, g)
    word = see(st, pr, g)
    cl.unlock_cluster(st, pr, ci)
    step(pr, F_NONE)
    return word


@called
def hint(st, pr, g, only):  # type: ignore[no-untyped-def]
    """Note at the slot behind virtual slot `g`, if there is one, whether the swap cache alone holds the page: an atomic, its lock not held.

    The lock of the virtual cluster is, under which the slot came to stand there.
    """
    step(pr, own.F_MARK if only else own.F_CLEAR)
    word = see(st, pr, g)
    if word & KIND == SWAPFILE:
        mark_hint(st, pr, slot_of(st, word >> U3), only)
    step(pr, F_NONE)


@inner
def count_up(st, pr, g):  # type: ignore[no-untyped-def]
    """Add one PTE. The first one of a cached virtual slot takes the hint off."""
    ok = swap_table.count_up(st, pr, g)
    if is_virtual(st, g) and ok and is_cached(st, g) and swap_table.field(st, g) == U1:
        hint(st, pr, g, False)
    return ok


@inner
def count_down(st, pr, g):  # type: ignore[no-untyped-def]
    """Take one PTE off. The last one of a cached virtual slot leaves the hint."""
    if is_virtual(st, g) and is_cached(st, g) and swap_table.field(st, g) == U1:
        hint(st, pr, g, True)
    return swap_table.count_down(st, pr, g)
