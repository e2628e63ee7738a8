"""Physical side of virtual swap: two bitmaps and, in swap tables, the virtual slot of each slot. Also the release of backings to it."""

from __future__ import annotations

from kernels import control
from kernels.compiling.atomic import ctz
from kernels.compiling.constants import LOW16, ONES, U0, U1, U2, U6, U32, U63
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_table import allocation
from kernels.designs.swap_table import own as swap_table_own
from kernels.designs.swap_table import table as swap_table
from kernels.designs.vswap import allocation as va
from kernels.designs.vswap import clusters as v
from kernels.designs.vswap import own
from kernels.designs.vswap.own import L_VMAP
from kernels.life import swapfile
from kernels.observing import probe
from kernels.observing.atomics import atomic_add, atomic_sub
from kernels.observing.lock import lock, unlock
from kernels.observing.probe import freed, touch, wrote
from kernels.observing.shared import modify, shared
from kernels.structures import bitmap, blocks, orders, zswap
from kernels.structures import cluster as cl
from kernels.structures import page_counter as pc
from kernels.structures import xarray as xa
from kernels.structures.cluster import device_of, slot_of


@inner
def slot_scan(st, pr, first, end):  # type: ignore[no-untyped-def]
    """First slot that is neither allocated nor bad."""
    g = first
    while g < end:
        touch(pr, probe.R_BITMAP, g >> U6)
        touch(pr, own.R_BAD, g >> U6)
        free_bits = ~(st.bitmap[g >> U6] | st.bad[g >> U6]) >> (g & U63)
        if free_bits != U0:
            g += ctz(free_bits)
            return g + U1 if g < end else U0
        g = ((g >> U6) + U1) << U6
    return U0


@inner
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Set or clear the bit of slot `g`; the table comes with the first slot of its cluster and goes with the last."""
    count = u(st.cluster[cl.ci_of(st, g) + cl.CI_COUNT])
    bitmap.mark(st, pr, g, used)
    if used:
        if count == U0:
            allocation.table_new(st, pr, g)
        return
    swap_table.word_set(st, pr, g, U0)
    if count == U1:
        blocks.drop(st, pr, cl.ci_of(st, g), blocks.TABLE, blocks.CI_TABLE)


@inner
def reverse_of(st, pr, g):  # type: ignore[no-untyped-def]
    """Virtual slot behind slot `g` (``swp_slot_to_swp_entry``)."""
    touch(pr, swap_table_own.R_TABLE, swap_table.at(st, g))
    return st.table[swap_table.at(st, g)] & ~v.HINT


@inner
def hint(st, pr, d, only):  # type: ignore[no-untyped-def]
    """Note in the reverse word of the slot behind the descriptor at `d` whether the swap cache alone holds it: an atomic, no lock."""
    if st.ctl[own.C_VHINT] != U0 and v.type_of(st, d) == v.SWAPFILE:
        g = cl.slot_of(st, st.vmem[d])
        if (st.table[swap_table.at(st, g)] & v.HINT != U0) != only:
            at = swap_table.at(st, g)
            atomic_add(pr, swap_table_own.R_TABLE, at, st.table, at, v.HINT)  # the top bit: adding it sets or clears it
        probe.alone(pr, True)  # an atomic of one word, also where the bit stays
        wrote(pr, swap_table_own.R_TABLE, swap_table.at(st, g))
        probe.alone(pr, False)


@inner
def slot_for(st, pr, device, value, cpu):  # type: ignore[no-untyped-def]
    """``vswap_alloc_swap_slot``: take a charged slot of `device` for `value`, with its reverse word; return its swap entry, or 0."""
    return lead_to(st, pr, device, swapfile.slot_or_reclaim(st, pr, device, cpu), value, U1)


@inner
def run_for(st, pr, device, value, order, cpu):  # type: ignore[no-untyped-def]
    """:func:`slot_for` the folio of 2^`order` pages from `value` on: a run of as many slots (``swap_slot_alloc``), or 0."""
    return lead_to(st, pr, device, orders.run_alloc(st, pr, device, cpu, order), value, U1 << order)


@called
def lead_to(st, pr, device, found, value, n):  # type: ignore[no-untyped-def]
    """Charge `n` slots of `device`, the first of which is `found` - 1, and have them lead to `value` and its successors; swap entry, or 0.

    A reverse word is one atomic store without the cluster's lock (``vswap_rmap_set``), which v3 took: nobody else has the slot yet.
    """
    if found == U0:
        return U0
    g = found - U1
    if st.ctl[own.C_VCHARGE] == v.LATE and not charge(st, pr, v.owner_of(st, v.peek(st, value)), n):
        ci = cl.lock_cluster(st, pr, g)
        cl.slots_release(st, pr, device, g, n)
        cl.unlock_cluster(st, pr, ci)
        return U0
    locked = st.ctl[own.C_VROUNDS] == v.SEPARATE
    ci = cl.lock_cluster(st, pr, g) if locked else U0
    probe.alone(pr, not locked)
    for i in range(n):
        swap_table.word_set(st, pr, g + u(i), value + u(i))
    probe.alone(pr, False)
    if locked:
        cl.unlock_cluster(st, pr, ci)
    return cl.entry_of(st, device, g)


@called
def count_read(st, pr, g):  # type: ignore[no-untyped-def]
    """Read whether the swap cache alone holds slot `g`: from the reverse word (*cacheonly*), or by asking the virtual layer."""
    value = reverse_of(st, pr, g)
    if st.ctl[own.C_VHINT] == U0 and value != U0:
        v.look(st, pr, value)


@called
def is_cached(st, g):  # type: ignore[no-untyped-def]
    """Answer of :func:`count_read`: the swap cache has slot `g`, and no PTE holds it."""
    word = st.table[swap_table.at(st, g)]
    if st.ctl[own.C_VHINT] != U0 or word == U0:
        return word & v.HINT != U0
    d = v.peek(st, word)
    return v.is_cached(st, d) and v.count_of(st, d) == U0


@inner
def unheld(st, g):  # type: ignore[no-untyped-def]
    """Return True: :func:`is_cached` has answered that."""
    return True


@inner
def cache_find(st, pr, g):  # type: ignore[no-untyped-def]
    """Folio of slot `g` in the swap cache."""
    return v.cached_folio(st, pr, reverse_of(st, pr, g))


@called
def cluster_free(st, pr, c):  # type: ignore[no-untyped-def]
    """Free a cluster without slots: it leaves list and map, lookup caches forget it, and a grace period passes."""
    ctl, h = st.ctl, v.header(st, c)
    lock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    if st.vmem[h + v.H_STATE] & v.FULL == U0:
        va.link(st, pr, st.vmem[h + v.H_PREV], st.vmem[h + v.H_NEXT])
    xa.erase(st.vhead, U0, st.vpool, pr, own.R_VMAP, own.R_VNODE, st.vmem[h + v.H_ID])
    unlock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    for cpu in range(ctl[control.C_CPUS] if st.vmem[h + v.H_STATE] >> U32 != U0 else U0):
        at = u(cpu) * v.CPU_WORDS
        touch(pr, own.R_VCPU, at)
        if st.vcpu[at + v.P_CLUSTER] == c:
            v.forget(st, pr, at)
    if shared(pr):
        lock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    va.number_give(st, pr, c)
    if shared(pr):
        unlock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    ctl[own.S_VCLUSTERS] -= U1
    freed(pr, own.A_VHEADER if ctl[own.C_VSPLIT] != U0 else own.A_VOBJECT)
    if ctl[own.C_VSPLIT] != U0:
        freed(pr, own.A_VDESCS)


@called
def free(st, pr, c, value, n):  # type: ignore[no-untyped-def]
    """``vswap_free_nr``: free `n` slots from `value` on, which nothing holds; the cluster goes with its last slot. Its lock is held."""
    release(st, pr, c, value, n)
    h, ctl, memcg = v.header(st, c), st.ctl, v.owner_of(st, v.desc_of(st, c, value))
    unrecord(st, pr, pc.from_id(st, pr, memcg), n)
    for i in range(value, value + n):
        d = v.desc_of(st, c, u(i))
        st.vmem[d + v.D_CACHE] = U0
        st.vmem[d + v.D_STATE] = U0
        wrote(pr, own.R_VDESC, d + v.D_CACHE)
        wrote(pr, own.R_VDESC, d + v.D_STATE)
        bit = v.offset_of(st, u(i))
        st.vmem[h + v.H_BITS + (bit >> U6)] &= ~(U1 << (bit & U63))
        wrote(pr, own.R_VCLUSTER, h + v.H_BITS + (bit >> U6))
    atomic_sub(pr, own.R_VCLUSTER, h + v.H_STATE, st.vmem, h + v.H_STATE, n * v.REF)
    modify(pr, st.vmem, h + v.H_STATE, ONES, U0 - n)
    atomic_sub(pr, own.R_VUSED, U0, ctl, own.S_VSLOTS, n)
    state = st.vmem[h + v.H_STATE]
    if state & (LOW16 | v.CURRENT) == U0:
        cluster_free(st, pr, c)
    elif state & v.FULL != U0 and va.room(st, c):
        modify(pr, st.vmem, h + v.H_STATE, ~v.FULL, U0)
        if state & v.CURRENT == U0:
            head = va.head_of(st, v.order_of(st, c))
            lock(pr, st.vhead, xa.H_LOCK, L_VMAP)
            va.link(st, pr, st.vmem[v.header(st, head) + v.H_PREV], c)
            va.link(st, pr, c, head)
            unlock(pr, st.vhead, xa.H_LOCK, L_VMAP)


@called
def release(st, pr, c, value, n):  # type: ignore[no-untyped-def]
    """``release_backing`` of `n` slots from `value` on; physical slots in a row are freed under one lock of their cluster."""
    ci, due, charged = U0, U0, U0  # the locked cluster, the slot + 1 that would go on the row, slots freed
    for i in range(value, value + n):
        d = v.desc_of(st, c, u(i))
        back, kind = st.vmem[d], v.type_of(st, d)
        g = slot_of(st, back) if kind == v.SWAPFILE else U0
        if due != U0 and (kind != v.SWAPFILE or g + U1 != due or cl.ci_of(st, g) != ci):
            cl.unlock_cluster(st, pr, ci)
            due = U0
        if kind == v.ZSWAP:
            zswap.entry_free(st, pr, back)
        elif kind == v.ZERO:
            st.ctl[control.S_ZERO_LIVE] -= U1
        elif kind == v.SWAPFILE:
            if due == U0:
                ci = cl.lock_cluster(st, pr, g)
            cl.slot_release(st, pr, device_of(back), g)
            due = g + U2
            charged += U1
        if kind != v.FOLIO:
            v.back_with(st, pr, d, v.FOLIO, U0)
    if due != U0:
        cl.unlock_cluster(st, pr, ci)
    if charged != U0 and st.ctl[own.C_VCHARGE] == v.LATE:
        uncharge(st, pr, pc.from_id(st, pr, v.owner_of(st, v.desc_of(st, c, value))), charged)


@called
def record(st, pr, memcg, n):  # type: ignore[no-untyped-def]
    """``mem_cgroup_record_swap``: references to the id for `n` virtual slots; charges where those are charged, false at the limit."""
    if st.ctl[own.C_VCHARGE] == v.EARLY and not charge(st, pr, memcg, n):
        return False
    pc.id_get(st, pr, pc.block_of(st, memcg), n)
    return True


@inner
def unrecord(st, pr, block, n):  # type: ignore[no-untyped-def]
    """``mem_cgroup_clear_swap``: undo :func:`record` of `n` virtual slots."""
    if st.ctl[own.C_VCHARGE] == v.EARLY:
        uncharge(st, pr, block, n)
    pc.id_put(st, pr, block, n)


@called
def charge(st, pr, memcg, n):  # type: ignore[no-untyped-def]
    """Charge `n` more pages to swap (``mem_cgroup_charge_backing_phys_swap``); false at the limit. The slots' id has references already."""
    if not pc.try_charge(st, pr, pc.block_of(st, memcg), n):
        return False
    st.ctl[own.S_CHARGES] += n
    st.ctl[own.S_CHARGED] += n
    st.ctl[own.S_CHARGED_PEAK] = max(st.ctl[own.S_CHARGED_PEAK], st.ctl[own.S_CHARGED])
    return True


@inner
def uncharge(st, pr, block, n):  # type: ignore[no-untyped-def]
    """Uncharge `n` pages (``mem_cgroup_uncharge_backing_phys_swap``)."""
    pc.uncharge(st, pr, block, n)
    st.ctl[own.S_CHARGED] -= n
