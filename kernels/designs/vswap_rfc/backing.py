"""The backing of a virtual slot: its release and replacement, slots of devices, and charges (mm/vswap.c and mm/swapfile.c of April 2025).

A device still has a byte a slot, now "allocated" or not. An xarray for each device leads from a slot to its virtual slot. The series has
one for all devices, indexed by type and offset; with one device the two are the same (:mod:`kernels.designs.swap_id_rmap.reverse`).
Only a slot of a device is charged to swap; a virtual slot holds a reference to the id of its memory cgroup.
"""

from __future__ import annotations

from kernels import control
from kernels.compiling.constants import U0, U1, U3, U32
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_id_rmap import reverse
from kernels.designs.vswap_rfc import own
from kernels.designs.vswap_rfc import space as v
from kernels.designs.vswap_rfc.own import R_RDESC, R_SLOT_STATES
from kernels.life import page_io, swapfile
from kernels.observing.atomics import atomic_add, atomic_sub
from kernels.observing.probe import F_NONE, step, touch, wrote
from kernels.structures import cluster as cl
from kernels.structures import leaves, swap_cache, zswap
from kernels.structures import page_counter as pc
from kernels.structures.cluster import DEV_WORDS, OFFSET_MASK, device_of, entry_of, slot_of


@called
def record(st, pr, value, memcg):  # type: ignore[no-untyped-def]
    """``mem_cgroup_record_swap``: the owner of virtual slot `value`, with a reference to its id, and no charge."""
    step(pr, own.F_RECORD)
    pc.id_get(st, pr, pc.block_of(st, memcg), U1)
    step(pr, own.F_RECORD)
    word = v.at(st, v.find(st, pr, value)) + v.D_KIND
    atomic_add(pr, R_RDESC, word, st.descriptors, word, memcg << U32)
    step(pr, F_NONE)


@called
def unrecord(st, pr, value):  # type: ignore[no-untyped-def]
    """``mem_cgroup_unrecord_swap``: undo :func:`record`."""
    step(pr, own.F_RECORD)
    d = v.find(st, pr, value)
    memcg, word = v.owner_of(st, d), v.at(st, d) + v.D_KIND
    atomic_sub(pr, R_RDESC, word, st.descriptors, word, memcg << U32)
    pc.id_put(st, pr, pc.from_id(st, pr, memcg), U1)
    step(pr, F_NONE)


@called
def release(st, pr, value):  # type: ignore[no-untyped-def]
    """``release_backing``: free what backs `value`; its descriptor then names nothing. The device gets its slot behind the lock."""
    step(pr, own.F_RELEASE)
    d = v.find(st, pr, value)
    v.hold(st, pr, d)
    back, kind = st.descriptors[v.at(st, d)], v.type_of(st, d)
    if kind == v.ZSWAP:
        page_io.invalidate(st, pr, v.shard_of(st, value), v.index_of(value))
    elif kind == v.SWAPFILE and back != U0:
        reverse.unlink(st, pr, back, U1)
    elif kind == v.ZERO:
        st.ctl[control.S_ZERO_LIVE] -= U1
    step(pr, own.F_RELEASE)
    v.back_with(st, pr, d, v.FOLIO, U0)
    v.leave(st, pr, d)
    step(pr, F_NONE)
    if kind == v.SWAPFILE and back != U0:
        slot_free(st, pr, back, v.owner_of(st, d))


@called
def slot_free(st, pr, entry, memcg):  # type: ignore[no-untyped-def]
    """``swap_slot_free_nr`` and ``mem_cgroup_uncharge_swap``: free the slot of `entry`, which was charged to `memcg`."""
    g = slot_of(st, entry)
    step(pr, own.F_SLOT_FREE)
    ci = cl.lock_cluster(st, pr, g)
    cl.slot_release(st, pr, device_of(entry), g)
    cl.unlock_cluster(st, pr, ci)
    step(pr, F_NONE)
    if memcg != U0:
        pc.uncharge(st, pr, pc.from_id(st, pr, memcg), U1)


@called
def name(st, pr, value, kind, back, function):  # type: ignore[no-untyped-def]
    """Make `back` the backing of `value`, in the kernel's `function`: a walk and a section."""
    step(pr, function)
    d = v.find(st, pr, value)
    v.hold(st, pr, d)
    v.back_with(st, pr, d, kind, back)
    v.leave(st, pr, d)
    step(pr, F_NONE)


@called
def settle(st, pr, value, kind, back, function):  # type: ignore[no-untyped-def]
    """Free what backs `value`, and make it `back`: a walk and a section each."""
    release(st, pr, value)
    name(st, pr, value, kind, back, function)


@called
def slot_for(st, pr, device, value, cpu):  # type: ignore[no-untyped-def]
    """First half of ``vswap_alloc_swap_slot``: a charged slot of `device` that leads to `value`; its swap entry, 0 if there is none."""
    found = swapfile.slot_or_reclaim(st, pr, device, cpu)
    if found == U0:
        return U0
    entry, memcg = entry_of(st, device, found - U1), v.owner_of(st, v.peek(st, value))
    if not pc.try_charge(st, pr, pc.block_of(st, memcg), U1):
        slot_free(st, pr, entry, U0)
        return U0
    reverse.link(st, pr, value, entry)
    return entry


@inner
def entry_at(st, g):  # type: ignore[no-untyped-def]
    """Swap entry of slot `g`: devices lie one behind the other."""
    d = U0
    while g - st.dev[d * DEV_WORDS] >= st.dev[d * DEV_WORDS + cl.D_SLOTS]:
        d += U1
    return entry_of(st, d, g)


@called
def cache_only(st, pr, g):  # type: ignore[no-untyped-def]
    """``swap_cache_only``: ask the virtual layer whether the swap cache alone holds slot `g`, which is allocated."""
    value = reverse.id_of(st, pr, entry_at(st, g))
    if value != U0:
        v.look(st, pr, value, own.F_CACHE_ONLY)


@called
def slot_scan(st, pr, first, end):  # type: ignore[no-untyped-def]
    """First slot whose byte is 0, plus 1. Of each that is not, ``cluster_scan_range`` asks whether the swap cache alone holds it."""
    for g in range(first, end):
        touch(pr, R_SLOT_STATES, u(g) >> U3)
        if st.states[u(g)] == 0:
            return u(g) + U1
        cache_only(st, pr, u(g))
    return U0


@inner
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Write the byte of slot `g`: SWAP_MAP_ALLOCATED, or nothing."""
    st.states[g] = U1 if used else U0
    wrote(pr, R_SLOT_STATES, g >> U3)


@called
def count_read(st, pr, g):  # type: ignore[no-untyped-def]
    """Read the byte of slot `g`, and of one that is allocated whether the swap cache alone holds it."""
    touch(pr, R_SLOT_STATES, g >> U3)
    if st.states[g] != 0:
        cache_only(st, pr, g)


@called
def is_cached(st, g):  # type: ignore[no-untyped-def]
    """Answer of :func:`count_read`: the swap cache has slot `g`, and no PTE holds it."""
    if st.states[g] == 0:
        return False
    entry = entry_at(st, g)
    value = leaves.peek(st.rhead, device_of(entry), st.rpool, entry & OFFSET_MASK) >> U1
    d = v.peek(st, value) if value != U0 else U0
    return d != U0 and v.is_cached(st, d) and v.count_of(st, d) == U0


@inner
def unheld(st, g):  # type: ignore[no-untyped-def]
    """Return True: :func:`is_cached` has answered that."""
    return True


@called
def folio_of(st, pr, value):  # type: ignore[no-untyped-def]
    """Folio of `value` in the swap cache, 0 if none (``filemap_get_folio``)."""
    return swap_cache.find_in(st, pr, v.shard_of(st, value), v.index_of(value))


@inner
def cache_find(st, pr, g):  # type: ignore[no-untyped-def]
    """Folio of slot `g` in the swap cache."""
    return folio_of(st, pr, reverse.id_of(st, pr, entry_at(st, g)))


@called
def zswap_take(st, pr, value):  # type: ignore[no-untyped-def]
    """Take the zswap entry of `value` out of its tree (``xa_erase``, under the lock also of an empty tree); 0 if there is none."""
    return zswap.erase_in(st, pr, v.shard_of(st, value), v.index_of(value))
