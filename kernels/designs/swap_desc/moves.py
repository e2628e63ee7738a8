"""Moves and swapoff with descriptors: data changes place behind the descriptor; PTEs, count and swap cache do not notice."""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import LOW32, U0, U1, U2, U4
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_desc import descriptor as ds
from kernels.designs.swap_desc import own
from kernels.designs.swap_desc.own import L_DESC, R_DESC, R_DESC_NODE, R_DESC_TREE
from kernels.life import lifecycle, moves
from kernels.life.page_io import write_slot
from kernels.memory import DIRTY, F_TOKEN, F_VALUE, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word
from kernels.observing.lock import lock, unlock
from kernels.observing.probe import wrote
from kernels.structures import cluster as cl
from kernels.structures import idalloc
from kernels.structures import xarray as xa

T_B1 = w.T_FLAGS


@called
def lock_folio(st, pr, t):  # type: ignore[no-untyped-def]
    """Step 0: find the data and the cached folio, and enter a locked folio into the descriptor."""
    txn, d = st.txn, st.txn[t + w.T_ENTRY]
    source, target = txn[t + w.T_AUX], txn[t + w.T_TARGET]
    if target == codes.ZSWAP or target == source or ds.place_of(st, d) != source:
        return codes.WRONG_BACKEND
    if ds.lookup(st, pr, d) != U0:
        return codes.BUSY
    f = w.folio_new(st, txn[t] - U1 & LOW32)
    if f == U0:
        return codes.BUSY
    ds.read_begin(st, pr, d, f)
    f_set(st, f, LOCKED)
    st.folio[f_word(f, F_VALUE)] = txn[t + w.T_VALUE]
    txn[t + w.T_FOLIO] = f
    txn[t + w.T_STEP] = U1
    return codes.STEPPED


@called
def take_slot(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Step 1: take the new backing, and name it in the descriptor as B1 where there is room for it."""
    txn, f, d = st.txn, st.txn[t + w.T_FOLIO], st.txn[t + w.T_ENTRY]
    if ds.count_is_zero(st, d):
        return moves.give_up(st, pr, f, codes.MOVED_AWAY)
    new = ds.slot_for(st, pr, txn[t + w.T_TARGET], cpu)
    if new == U0:
        return moves.give_up(st, pr, f, codes.FULL)
    txn[t + T_B1] = new
    if st.ctl[own.C_STRIDE] == U4:
        st.desc[ds.at(st, d) + ds.D_B] = new
        wrote(pr, R_DESC, ds.at(st, d) + ds.D_B)
    txn[t + w.T_STEP] = U2
    return codes.STEPPED


@called
def switch(st, pr, t):  # type: ignore[no-untyped-def]
    """Step 2: read the old backing, write the new one, and make it the descriptor's."""
    txn, f, d, new = st.txn, st.txn[t + w.T_FOLIO], st.txn[t + w.T_ENTRY], st.txn[t + T_B1]
    ds.read_end(st, pr, d, f)
    write_slot(st, pr, new, st.folio[f_word(f, F_TOKEN)])
    settle(st, pr, d, new)
    f_clear(st, f, LOCKED | DIRTY)
    f_set(st, f, WRITEBACK)
    txn[t + w.T_STEP] = u(3)
    return codes.STEPPED


@inner
def settle(st, pr, d, new):  # type: ignore[no-untyped-def]
    """Set A1 = `new` under the descriptor's lock and free the old backing."""
    at = ds.at(st, d)
    lock(pr, st.dlock, d & u(63), L_DESC)
    old = st.desc[at + ds.D_A]
    st.desc[at + ds.D_A] = new
    if st.ctl[own.C_STRIDE] == U4:
        st.desc[at + ds.D_B] = U0
    wrote(pr, R_DESC, at)
    unlock(pr, st.dlock, d & u(63), L_DESC)
    ds.release(st, pr, old)


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run the next step of the move in record `t`."""
    n = st.txn[t + w.T_STEP]
    if n == U0:
        return lock_folio(st, pr, t)
    if n == U1:
        return take_slot(st, pr, t, cpu)
    if n == U2:
        return switch(st, pr, t)
    lifecycle.writeback_end(st, pr, st.txn[t + w.T_FOLIO])
    return codes.MOVED


@called
def cache_of(st, pr, d, value):  # type: ignore[no-untyped-def]
    """Folio of descriptor `d` with its content, read if it was not cached; 0 if it is locked or under writeback."""
    f = ds.lookup(st, pr, d)
    if f != U0:
        return U0 if f_is(st, f, LOCKED | WRITEBACK) else f
    f = w.folio_new(st, U0)
    if f == U0:
        return U0
    ds.read_begin(st, pr, d, f)
    st.folio[f_word(f, F_VALUE)] = value
    ds.read_end(st, pr, d, f)
    return f


@called
def bring_in(st, pr, d, value, target, cpu):  # type: ignore[no-untyped-def]
    """Take descriptor `d` off its device: to a slot of `target`, or into memory, where the folio stays cached until it is faulted."""
    f = cache_of(st, pr, d, value)
    if f == U0:
        return
    new = U0
    if target != codes.MEMORY:
        new = ds.slot_for(st, pr, target, cpu)
    settle(st, pr, d, new)
    moves.rehouse(st, pr, d, f, new)


@called
def swapoff(st, pr, device, target, cpu):  # type: ignore[no-untyped-def]
    """Walk all descriptors and bring in the data on `device`. No page table is read; later minor faults remain."""
    if not cl.turn_off(st, device):
        return codes.DEVICE_OFF
    value = idalloc.next_index(st.dhead, st.dpool, pr, R_DESC_TREE, R_DESC_NODE, U1)
    while value != xa.NOT_FOUND:
        st.ctl[control.S_SCANNED] += U1
        d = ds.resolve(st, pr, value)
        if ds.place_of(st, d) == device:
            bring_in(st, pr, d, value, codes.MEMORY if target == device or target == codes.ZSWAP else target, cpu)
        value = idalloc.next_index(st.dhead, st.dpool, pr, R_DESC_TREE, R_DESC_NODE, value + U1)
    return cl.turned_off(st, device)
