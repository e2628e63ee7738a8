"""Moves with virtual slots of April 2025, and a swapoff that reads no page table: from each slot of the device to its virtual slot."""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import LOW32, U0, U1, U2, U3
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_id_rmap import reverse
from kernels.designs.vswap_rfc import backing as b
from kernels.designs.vswap_rfc import own
from kernels.designs.vswap_rfc import space as v
from kernels.designs.vswap_rfc.steps import begin, count_is_zero, read_device, read_end, zswap_load
from kernels.life import lifecycle, moves
from kernels.life.page_io import write_slot
from kernels.memory import DIRTY, F_TOKEN, F_VALUE, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word
from kernels.observing.probe import F_NONE, step, touch
from kernels.structures import cluster as cl
from kernels.structures import zswap
from kernels.structures.cluster import device_of, make_entry
from kernels.structures.common import table
from kernels.structures.common.steps import common


@inner
def place_of(st, d):  # type: ignore[no-untyped-def]
    """Backend of descriptor `d`; MEMORY for a zero page or a folio, which are on no backend."""
    kind = v.type_of(st, d)
    return device_of(st.descriptors[v.at(st, d)]) if kind == v.SWAPFILE else codes.ZSWAP if kind == v.ZSWAP else codes.MEMORY


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run a step of a move: a locked folio in the swap cache; a slot; copy and switch; end of writeback. No PTE, no count changes."""
    txn, n, value, f = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_VALUE], st.txn[t + w.T_FOLIO]
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        return move_begin(st, pr, t, value)
    if n == U1:
        new = U0 if count_is_zero(st, value) else b.slot_for(st, pr, txn[t + w.T_TARGET], value, cpu)
        if new != U0:
            txn[t + w.T_FLAGS] = new
            return codes.STEPPED
        return moves.give_up(st, pr, f, codes.MOVED_AWAY if count_is_zero(st, value) else codes.FULL)
    if n == U2:
        switch(st, pr, value, f, txn[t + w.T_FLAGS])
        return codes.STEPPED
    lifecycle.writeback_end(st, pr, f)
    return codes.MOVED


@called
def move_begin(st, pr, t, value):  # type: ignore[no-untyped-def]
    """Find the data and the cached folio, and enter a locked folio (``__read_swap_cache_async``)."""
    txn = st.txn
    source, target, d = txn[t + w.T_AUX], txn[t + w.T_TARGET], v.peek(st, value)
    if target == codes.ZSWAP or target == source or place_of(st, d) != source:
        return codes.WRONG_BACKEND
    if v.is_cached(st, d):
        return codes.BUSY
    f = w.folio_new(st, txn[t] - U1 & LOW32)
    if f == U0 or not enter_cache(st, pr, value, f):
        return codes.BUSY
    f_set(st, f, LOCKED)
    txn[t + w.T_FOLIO] = f
    return codes.STEPPED


@inner
def enter_cache(st, pr, value, f):  # type: ignore[no-untyped-def]
    """``__read_swap_cache_async`` of a mover, which never goes around the swap cache."""
    st.folio[f_word(f, F_VALUE)] = value
    return begin(st, pr, value, f, False)


@called
def switch(st, pr, value, f, new):  # type: ignore[no-untyped-def]
    """Copy the page to slot `new`, and make that the backing of `value`: what zswap had is taken out of its tree, a slot is released."""
    if v.type_of(st, v.peek(st, value)) == v.ZSWAP:
        z = zswap_load(st, pr, value, f)
        zswap.entry_free(st, pr, z)
        b.name(st, pr, value, v.SWAPFILE, new, own.F_ALLOC_SLOT)
    else:
        read_device(st, pr, value, f)
        b.settle(st, pr, value, v.SWAPFILE, new, own.F_ALLOC_SLOT)
    write_slot(st, pr, new, st.folio[f_word(f, F_TOKEN)])
    f_clear(st, f, LOCKED | DIRTY)
    f_set(st, f, WRITEBACK)


@called
def swapoff(st, pr, device, target, cpu):  # type: ignore[no-untyped-def]
    """``try_to_unuse``: one round over the slots of `device` reads their pages, another makes the folios their backing."""
    if not cl.turn_off(st, device):
        return codes.DEVICE_OFF
    row = device * cl.DEV_WORDS
    first, n = st.dev[row], st.dev[row + cl.D_SLOTS]
    for i in range(n):
        touch(pr, own.R_SLOT_STATES, (first + u(i)) >> U3)
        if st.states[first + u(i)] != 0:
            st.ctl[control.S_SCANNED] += U1
            page_in(st, pr, reverse.id_of(st, pr, make_entry(device, u(i))))
    for i in range(n):
        touch(pr, own.R_SLOT_STATES, (first + u(i)) >> U3)
        if st.states[first + u(i)] != 0:
            bring_in(st, pr, make_entry(device, u(i)), codes.MEMORY if target == device or target == codes.ZSWAP else target, cpu)
    return cl.turned_off(st, device)


@called
def page_in(st, pr, value):  # type: ignore[no-untyped-def]
    """``pagein``: the folio of `value` in the swap cache, read if it was not there; 0 if there is none to be had."""
    if value == U0:
        return U0
    step(pr, own.F_CACHE)
    f = b.folio_of(st, pr, value)
    step(pr, F_NONE)
    if f != U0 or v.is_cached(st, v.peek(st, value)):
        return f
    f = w.folio_new(st, U0)
    if f != U0:
        common(pr, st, table.READ, f)
        enter_cache(st, pr, value, f)
        read_end(st, pr, value, f)
    return f


@called
def bring_in(st, pr, entry, target, cpu):  # type: ignore[no-untyped-def]
    """``vswap_swapoff`` of the slot of `entry`: into memory, where the folio backs it until it is faulted, or to a slot of `target`."""
    value = reverse.id_of(st, pr, entry)
    f = page_in(st, pr, value)
    if f == U0 or f_is(st, f, LOCKED | WRITEBACK):
        return
    new = U0 if target == codes.MEMORY else b.slot_for(st, pr, target, value, cpu)
    b.release(st, pr, value)
    if new != U0:
        b.name(st, pr, value, v.SWAPFILE, new, own.F_SWAPOFF)
    moves.rehouse(st, pr, value, f, new)
