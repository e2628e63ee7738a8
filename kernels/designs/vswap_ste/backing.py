"""Backings of virtual slots: they are released, a zswap entry or a slot of a disk takes their place, and that slot is charged.

What is behind a virtual slot changes only with the folio locked that the swap cache has for it. The cluster's lock makes one look at the
virtual table atomic. A slot of a disk is freed with the virtual cluster's lock held, the disk's nested inside.
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U3
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CLUSTER_SHIFT
from kernels.designs.swap_table import table as swap_table
from kernels.designs.swap_table.own import R_TABLE
from kernels.designs.vswap_ste import own
from kernels.designs.vswap_ste import slots as vs
from kernels.designs.vswap_ste.clusters import is_virtual
from kernels.designs.vswap_ste.hooks import point_to, slot_find, slot_leave
from kernels.observing.lock import L_CLUSTER2, lock, unlock
from kernels.observing.probe import F_NONE, R_CLUSTER, step, touch, wrote
from kernels.structures import cluster as cl
from kernels.structures import page_counter as pc
from kernels.structures import zswap
from kernels.structures.cluster import ci_of, device_of, slot_of


@inner
def backing_drop(st, pr, g, n):  # type: ignore[no-untyped-def]
    """Release what is behind `n` virtual slots that are about to be freed."""
    if is_virtual(st, g):
        release(st, pr, g, n)


@called
def release(st, pr, g, n):  # type: ignore[no-untyped-def]
    """``__vswap_release_backing``: what is behind `n` slots of a virtual cluster from `g` on. Its lock is held.

    Slots of a disk in a row are freed together, and those of one memory cgroup uncharged together.
    """
    step(pr, own.F_RELEASE)
    owner, charged = swap_table.owner_of(st, pr, g), U0
    first, row = U0, U0
    for i in range(n):
        v = g + u(i)
        word = vs.see(st, pr, v)
        mine = swap_table.owner_of(st, pr, v)
        if mine != owner:
            uncharge(st, pr, owner, charged)
            owner, charged = mine, U0
        if row != U0 and not follows(st, word, first + row):
            slots_free(st, pr, first, row)
            step(pr, own.F_RELEASE)
            row = U0
        if word & vs.KIND == vs.SWAPFILE:
            first = word >> U3 if row == U0 else first
            row += U1
            charged += U1
        elif word & vs.KIND == vs.ZSWAP:
            step(pr, F_NONE)
            zswap.entry_free(st, pr, word >> U3)
            step(pr, own.F_RELEASE)
        vs.back_with(st, pr, v, vs.NONE)
        zero_clear(st, pr, v)
    if row != U0:
        slots_free(st, pr, first, row)
    uncharge(st, pr, owner, charged)
    step(pr, F_NONE)


@inner
def follows(st, word, entry):  # type: ignore[no-untyped-def]
    """True if the word of the virtual table names swap entry `entry`, which is not the first of a cluster."""
    size = U1 << st.ctl[C_CLUSTER_SHIFT]
    return word == entry << U3 | vs.SWAPFILE and entry & (size - U1) != U0


@inner
def zero_clear(st, pr, g):  # type: ignore[no-untyped-def]
    """``__swap_table_test_zero``, and clear the flag where it is set."""
    touch(pr, R_TABLE, swap_table.at(st, g))
    if st.table[swap_table.at(st, g)] & swap_table.ZERO != U0:
        swap_table.zero_set(st, pr, g, False)


@called
def slots_free(st, pr, entry, n):  # type: ignore[no-untyped-def]
    """``__swap_cluster_free_phys_backing``: free `n` slots of a disk's cluster from `entry` on, under its lock, which nests."""
    g = slot_of(st, entry)
    ci = ci_of(st, g)
    step(pr, own.F_FREE_BACKING)
    lock(pr, st.cluster, ci, L_CLUSTER2)
    wrote(pr, R_CLUSTER, ci >> U1)
    for i in range(n):
        slot_leave(st, pr, entry + u(i), g + u(i))
    step(pr, own.F_FREE_BACKING)
    cl.slots_release(st, pr, device_of(entry), g, n)
    unlock(pr, st.cluster, ci, L_CLUSTER2)
    step(pr, F_NONE)


@inner
def uncharge(st, pr, memcg, n):  # type: ignore[no-untyped-def]
    """``mem_cgroup_uncharge_backing_phys_swap``: the virtual slots keep their references to the id."""
    if n != U0:
        pc.uncharge(st, pr, pc.from_id(st, pr, memcg), n)


@called
def release_of(st, pr, g, other):  # type: ignore[no-untyped-def]
    """``folio_release_vswap_backing``; with `other` ``folio_release_non_phys_swap_backing``, which leaves a slot of a disk."""
    step(pr, own.F_RELEASE_OTHER if other else own.F_RELEASE_FOLIO)
    ci = cl.lock_cluster(st, pr, g)
    kind = vs.see(st, pr, g) & vs.KIND if other else vs.ZSWAP
    if kind == vs.ZSWAP:
        release(st, pr, g, U1)
    cl.unlock_cluster(st, pr, ci)
    step(pr, F_NONE)


@called
def store(st, pr, g, z):  # type: ignore[no-untyped-def]
    """``vswap_zswap_store``: zswap entry `z` takes the place of what was behind virtual slot `g`."""
    step(pr, own.F_STORE)
    ci = cl.lock_cluster(st, pr, g)
    release(st, pr, g, U1)
    vs.back_with(st, pr, g, z << U3 | vs.ZSWAP)
    cl.unlock_cluster(st, pr, ci)
    step(pr, F_NONE)


@called
def realloc(st, pr, g, device, cpu):  # type: ignore[no-untyped-def]
    """``folio_realloc_swap``: the swap entry behind virtual slot `g`, the one it has or a new one on `device`; 0 if there is none.

    What was behind it before is left to the caller.
    """
    step(pr, own.F_REALLOC)
    ci = cl.lock_cluster(st, pr, g)
    word = vs.see(st, pr, g)
    memcg = swap_table.owner_of(st, pr, g) if word & vs.KIND != vs.SWAPFILE else U0
    cl.unlock_cluster(st, pr, ci)
    step(pr, F_NONE)
    if word & vs.KIND == vs.SWAPFILE:
        return word >> U3
    return backed_anew(st, pr, g, ci, memcg, device, cpu)


@called
def backed_anew(st, pr, g, ci, memcg, device, cpu):  # type: ignore[no-untyped-def]
    """Back virtual slot `g`, whose cluster's header is at `ci`, with a new, charged slot of `device`; its swap entry, or 0."""
    found = slot_find(st, pr, device, cpu)
    if found == U0:
        return U0
    entry = cl.entry_of(st, device, found - U1)
    point_to(st, found - U1, g)
    if not pc.try_charge(st, pr, pc.block_of(st, memcg), U1):
        slots_free(st, pr, entry, U1)
        return U0
    step(pr, own.F_REALLOC)
    cl.hold_cluster(st, pr, ci)
    vs.back_with(st, pr, g, entry << U3 | vs.SWAPFILE)
    cl.unlock_cluster(st, pr, ci)
    step(pr, F_NONE)
    return entry
