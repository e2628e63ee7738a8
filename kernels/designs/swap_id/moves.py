"""Move of the mail: add the page to the swap cache of B, hand the count over, change the ID's mapping, drop the page from A.

A step machine, so that other demands can come between any two steps. A fault that
loaded A's entry before finds a locked folio or a changed mapping and walks again. Count
and mapping change in one section under both cluster locks, so that no fork or zap comes
between. Nothing is read or freed on A before the mapping has changed, so backing out
loses nothing.

====== ==================================================================================================
step   action
====== ==================================================================================================
0      precheck (place of the data, cached, under writeback), lock a folio, enter it in A's swap cache, walk the ID again
1      allocate B's slot, enter the folio in B's swap cache, chain the continuation pages that the count needs (no lock held)
2      under both cluster locks: count and memcg to B, map[ID] = B, A's count = 0; again if the count has outgrown the pages
3      read from A, write to B, leave A's swap cache, free A's slot
4      end of writeback
====== ==================================================================================================
"""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import BYTE, LOW32, U0, U1, U2, U3, U4
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_id import layer as idlayer
from kernels.designs.swap_id import own
from kernels.designs.swap_id.hooks import link, unlink
from kernels.designs.swap_id.own import F_ID_STORE, L_ID, R_ID, R_ID_NODE
from kernels.life import charging, lifecycle, moves, page_io, steps, swapfile
from kernels.memory import F_ENTRY, F_VALUE, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word
from kernels.observing.lock import L_CLUSTER, L_CLUSTER2, lock, unlock
from kernels.observing.probe import F_NONE, R_CLUSTER, RETRIES, bump, step, wrote
from kernels.structures import cluster as cl
from kernels.structures import xarray as xa
from kernels.structures.cluster import device_of, entry_of, slot_of
from kernels.structures.slots import count_of, count_prepare, count_set

BORROWED = u(1 << 63)  # T_AUX: the folio was in the swap cache before the move
SWAPOFF_PAGE = u(0xFFFF_FFF0)  # key of the move that swapoff runs: no page has this number
T_B1 = w.T_FLAGS


@inner
def lock_both(st, pr, a, b):  # type: ignore[no-untyped-def]
    """Take the cluster locks of slots `a` and `b`, the lower header first."""
    first, second = min(cl.ci_of(st, a), cl.ci_of(st, b)), max(cl.ci_of(st, a), cl.ci_of(st, b))
    lock(pr, st.cluster, first, L_CLUSTER)
    wrote(pr, R_CLUSTER, first >> U1)
    if second != first:
        lock(pr, st.cluster, second, L_CLUSTER2)
        wrote(pr, R_CLUSTER, second >> U1)


@inner
def unlock_both(st, pr, a, b):  # type: ignore[no-untyped-def]
    """Release the locks of :func:`lock_both`."""
    first, second = min(cl.ci_of(st, a), cl.ci_of(st, b)), max(cl.ci_of(st, a), cl.ci_of(st, b))
    if second != first:
        unlock(pr, st.cluster, second, L_CLUSTER2)
    unlock(pr, st.cluster, first, L_CLUSTER)


@called
def lock_folio(st, pr, t, borrow):  # type: ignore[no-untyped-def]
    """Step 0. With `borrow` (swapoff) a folio in the swap cache is used; else it makes the move give way."""
    txn, entry = st.txn, st.txn[t + w.T_ENTRY]
    f = swapfile.lookup(st, pr, entry)
    if f != U0:
        if not borrow or f_is(st, f, LOCKED | WRITEBACK):
            return codes.BUSY
        txn[t + w.T_AUX] |= BORROWED
    else:
        f = w.folio_new(st, txn[t] - U1 & LOW32)
        if f == U0:
            return codes.BUSY
        if not swapfile.cache_begin(st, pr, entry, f):
            w.folio_free(st, f)
            return codes.BUSY
    f_set(st, f, LOCKED)
    st.folio[f_word(f, F_VALUE)] = txn[t + w.T_VALUE]
    txn[t + w.T_FOLIO] = f
    txn[t + w.T_STEP] = U1
    if not idlayer.same(st, pr, txn[t + w.T_VALUE], entry):
        return give_up(st, pr, t, codes.BUSY)
    return codes.STEPPED


@called
def give_up(st, pr, t, why):  # type: ignore[no-untyped-def]
    """Back out: free B's slot and unlock the folio; A keeps the page."""
    txn, f = st.txn, st.txn[t + w.T_FOLIO]
    new = txn[t + T_B1]
    if new != U0:
        unlink(st, pr, new, U1)
        g = slot_of(st, new)
        ci = cl.lock_cluster(st, pr, g)
        count_set(st, pr, g, U0)
        swapfile.slot_free(st, pr, new, g)
        cl.unlock_cluster(st, pr, ci)
    if txn[t + w.T_AUX] & BORROWED != U0:
        f_clear(st, f, LOCKED)
        steps.drop_unused(st, pr, f)
        return why
    return moves.back_out(st, pr, f, why)


@called
def take_slot(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Step 1."""
    txn, f, entry, d = st.txn, st.txn[t + w.T_FOLIO], st.txn[t + w.T_ENTRY], st.txn[t + w.T_TARGET]
    if swapfile.count_is_zero(st, entry):
        return give_up(st, pr, t, codes.MOVED_AWAY)
    found = swapfile.slot_or_reclaim(st, pr, d, cpu)
    if found == U0:
        return give_up(st, pr, t, codes.FULL)
    new = entry_of(st, d, found - U1)
    txn[t + T_B1] = new
    swapfile.cache_add(st, pr, found - U1, f, new)
    st.folio[f_word(f, F_ENTRY)] = entry
    link(st, pr, txn[t + w.T_VALUE], new)
    if not count_prepare(st, pr, found - U1, count_of(st, slot_of(st, entry))):
        return give_up(st, pr, t, codes.NO_MEMORY)
    txn[t + w.T_STEP] = U2
    return codes.STEPPED


@called
def hand_over(st, pr, t):  # type: ignore[no-untyped-def]
    """Step 2."""
    txn = st.txn
    a, b = slot_of(st, txn[t + w.T_ENTRY]), slot_of(st, txn[t + T_B1])
    lock_both(st, pr, a, b)
    count = count_of(st, a)
    fits = count != U0 and count_set(st, pr, b, count)
    if fits:
        charging.owner_copy(st, pr, a, b)
        change_mapping(st, pr, txn[t + w.T_VALUE], txn[t + T_B1])
        count_set(st, pr, a, U0)
        st.folio[f_word(txn[t + w.T_FOLIO], F_ENTRY)] = txn[t + T_B1]
    unlock_both(st, pr, a, b)
    if count == U0:
        return give_up(st, pr, t, codes.MOVED_AWAY)
    if not fits:
        st.ctl[own.S_HANDOVER_RETRIES] += U1
        bump(pr, RETRIES, U1)
        return codes.STEPPED if count_prepare(st, pr, b, count) else give_up(st, pr, t, codes.NO_MEMORY)
    txn[t + w.T_STEP] = U3
    return codes.STEPPED


@called
def change_mapping(st, pr, value, new):  # type: ignore[no-untyped-def]
    """Write entry `new` over the one that ID `value` has (``xa_store``)."""
    step(pr, F_ID_STORE)
    lock(pr, st.idhead, xa.H_LOCK, L_ID)
    slot = xa.find_slot(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, value)
    xa.replace(st.idpool, pr, R_ID_NODE, slot, value, xa.mk_value(new | idlayer.MOVED_BIT))
    unlock(pr, st.idhead, xa.H_LOCK, L_ID)
    step(pr, F_NONE)


@called
def leave_a(st, pr, t):  # type: ignore[no-untyped-def]
    """Step 3."""
    txn, f, old, new = st.txn, st.txn[t + w.T_FOLIO], st.txn[t + w.T_ENTRY], st.txn[t + T_B1]
    a = slot_of(st, old)
    page_io.copy_data(st, pr, f, old, new, txn[t + w.T_AUX] & BORROWED == U0)
    unlink(st, pr, old, U1)
    ci = cl.lock_cluster(st, pr, a)
    swapfile.slot_free(st, pr, old, a)
    cl.unlock_cluster(st, pr, ci)
    f_clear(st, f, LOCKED | w.DIRTY)
    f_set(st, f, WRITEBACK)
    txn[t + w.T_STEP] = U4
    return codes.STEPPED


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run the next step of the move in record `t`."""
    n, entry = st.txn[t + w.T_STEP], st.txn[t + w.T_ENTRY]
    source, target = st.txn[t + w.T_AUX] & BYTE, st.txn[t + w.T_TARGET]
    if n == U0:
        why = moves.wrong_place(st, pr, entry, source, target)
        if why != U0:
            return why
    if source == codes.ZSWAP and target == device_of(entry):
        return moves.writeback_step(st, pr, t)
    if n == U0:
        return lock_folio(st, pr, t, st.txn[t] - U1 & LOW32 == SWAPOFF_PAGE)
    if n == U1:
        return take_slot(st, pr, t, cpu)
    if n == U2:
        return hand_over(st, pr, t)
    if n == U3:
        return leave_a(st, pr, t)
    lifecycle.writeback_end(st, pr, st.txn[t + w.T_FOLIO])
    return codes.MOVED


@called
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """Visit every ID and move what is on device `d`; no page table is read. There is no entry that means "in memory", so that
    the target MEMORY needs the page-table scan of a design without the layer.
    """
    if target == codes.MEMORY or target == d:
        return moves.swapoff(st, pr, d, target, cpu)
    if not cl.turn_off(st, d):
        return codes.DEVICE_OFF
    move_ids(st, pr, d, target, cpu)
    return moves.sweep(st, pr, d)


@called
def move_ids(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """Visit every ID and move what is on device `d`."""
    value = idlayer.next_id(st, pr, U1)
    while value != xa.NOT_FOUND:
        entry = idlayer.resolve(st, pr, value)
        st.ctl[control.S_SCANNED] += U1
        if device_of(entry) == d:
            move_off(st, pr, value, entry, target, cpu)
        value = idlayer.next_id(st, pr, value + U1)


@called
def move_off(st, pr, value, entry, target, cpu):  # type: ignore[no-untyped-def]
    """Move the page of ID `value` from `entry`, whose device is going, to device `target`, if nothing is in its way."""
    if not w.txn_room(st):
        return
    t = w.txn_new(st, w.TX_MOVE, SWAPOFF_PAGE, U0, value, entry)
    st.txn[t + w.T_TARGET] = target
    st.txn[t + w.T_AUX] = moves.place_of(st, pr, entry)
    while move_step(st, pr, t, cpu) == codes.STEPPED:
        continue
    w.txn_end(st, t)
