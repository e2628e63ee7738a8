"""Moves of virtual swap space between backends, and swapoff: behind the virtual slot, no PTE and no count changes."""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import LOW32, U0, U1, U2, U6, U63
from kernels.compiling.jit import called, inner, u
from kernels.designs.vswap import clusters as v
from kernels.designs.vswap import slots as vs
from kernels.designs.vswap.own import F_ALLOC_SLOT, F_STORE_FOLIO
from kernels.designs.vswap.rounds import settle
from kernels.designs.vswap.steps import count_is_zero, load_data, read_begin, read_end
from kernels.life import lifecycle, moves
from kernels.life.page_io import write_slot
from kernels.memory import DIRTY, F_TOKEN, F_VALUE, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word
from kernels.observing.probe import R_BITMAP, touch
from kernels.structures import cluster as cl
from kernels.structures.cluster import device_of, slot_of


@inner
def place_of(st, d):  # type: ignore[no-untyped-def]
    """Backend of the descriptor at `d`; MEMORY for a zero page or a folio, which are on no backend."""
    kind = v.type_of(st, d)
    return device_of(st.vmem[d]) if kind == v.SWAPFILE else codes.ZSWAP if kind == v.ZSWAP else codes.MEMORY


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run a step of a move: a locked folio in the swap cache; a slot; copy and switch the backing; end of writeback. No PTE, no count."""
    txn, n, value, f = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_VALUE], st.txn[t + w.T_FOLIO]
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        return move_begin(st, pr, t, value)
    if n == U1:
        new = U0 if count_is_zero(st, value) else vs.slot_for(st, pr, txn[t + w.T_TARGET], value, cpu)
        if new != U0:
            txn[t + w.T_FLAGS] = new
            return codes.STEPPED
        return moves.give_up(st, pr, f, codes.MOVED_AWAY if count_is_zero(st, value) else codes.FULL)
    if n == U2:
        load_data(st, pr, value, f)
        write_slot(st, pr, txn[t + w.T_FLAGS], st.folio[f_word(f, F_TOKEN)])
        settle(st, pr, value, v.SWAPFILE, txn[t + w.T_FLAGS], F_ALLOC_SLOT)
        f_clear(st, f, LOCKED | DIRTY)
        f_set(st, f, WRITEBACK)
        return codes.STEPPED
    lifecycle.writeback_end(st, pr, f)
    return codes.MOVED


@called
def move_begin(st, pr, t, value):  # type: ignore[no-untyped-def]
    """Find the data and the cached folio, and enter a locked folio."""
    txn = st.txn
    source, target = txn[t + w.T_AUX], txn[t + w.T_TARGET]
    d = v.look(st, pr, value)
    if target == codes.ZSWAP or target == source or place_of(st, d) != source:
        return codes.WRONG_BACKEND
    if v.is_cached(st, d):
        return codes.BUSY
    f = w.folio_new(st, txn[t] - U1 & LOW32)
    if f == U0 or not read_begin(st, pr, value, f):
        return codes.BUSY
    f_set(st, f, LOCKED)
    st.folio[f_word(f, F_VALUE)] = value
    txn[t + w.T_FOLIO] = f
    return codes.STEPPED


@called
def swapoff(st, pr, device, target, cpu):  # type: ignore[no-untyped-def]
    """Visit the used slots of `device`: the reverse word leads to the virtual slot, which loses its backing. No page table is read."""
    row = device * cl.DEV_WORDS
    if not cl.turn_off(st, device):
        return codes.DEVICE_OFF
    for i in range(st.dev[row], st.dev[row] + st.dev[row + cl.D_SLOTS]):
        touch(pr, R_BITMAP, u(i) >> U6)
        if st.bitmap[u(i) >> U6] >> (u(i) & U63) & U1 != U0:
            st.ctl[control.S_SCANNED] += U1
            value = vs.reverse_of(st, pr, u(i))
            d = v.look(st, pr, value)
            if v.type_of(st, d) == v.SWAPFILE and slot_of(st, st.vmem[d]) == u(i):
                bring_in(st, pr, value, codes.MEMORY if target == device or target == codes.ZSWAP else target, cpu)
    return cl.turned_off(st, device)


@called
def bring_in(st, pr, value, target, cpu):  # type: ignore[no-untyped-def]
    """Take `value` off its device: to a slot of `target`, or into memory, where the folio is its backing until it is faulted."""
    f = v.cached_folio(st, pr, value)
    if f != U0 and f_is(st, f, LOCKED | WRITEBACK):
        return
    if f == U0:
        f = w.folio_new(st, U0)
        if f == U0:
            return
        read_begin(st, pr, value, f)
        st.folio[f_word(f, F_VALUE)] = value
        read_end(st, pr, value, f)
    new = U0 if target == codes.MEMORY else vs.slot_for(st, pr, target, value, cpu)
    settle(st, pr, value, v.SWAPFILE if new != U0 else v.FOLIO, new, F_STORE_FOLIO)
    moves.rehouse(st, pr, value, f, new)
