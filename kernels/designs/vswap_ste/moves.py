"""Moves of the swap-table edition: the slot is taken before the data is read, and the virtual table is all that changes. Swapoff.

Pages with a direct entry move as in the swap tables, by a fault and another swap-out.
"""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import LOW32, U0, U1, U3
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_table import table as swap_table
from kernels.designs.vswap_ste import backing, own
from kernels.designs.vswap_ste import slots as vs
from kernels.designs.vswap_ste.steps import is_virtual_entry, load
from kernels.life import lifecycle, moves, swapfile
from kernels.life.page_io import read_slot, write_slot
from kernels.memory import DIRTY, F_TOKEN, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word
from kernels.observing.probe import R_CLUSTER, touch
from kernels.structures import cluster as cl
from kernels.structures import zswap
from kernels.structures.cluster import ci_of, device_of, slot_of
from kernels.structures.slots import count_read


@inner
def place_of(st, g):  # type: ignore[no-untyped-def]
    """Backend of virtual slot `g`; MEMORY for a zero page or a folio, which are on no backend."""
    word = vs.behind(st, g)
    kind = word & vs.KIND
    return device_of(word >> U3) if kind == vs.SWAPFILE else codes.ZSWAP if kind == vs.ZSWAP else codes.MEMORY


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run a step of a move: a locked folio in the swap cache; a slot, the data, the write; end of writeback. No PTE, no count."""
    txn, n, entry = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_ENTRY]
    if not is_virtual_entry(entry):
        return moves.move_step(st, pr, t, cpu)
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        source, target = txn[t + w.T_AUX], txn[t + w.T_TARGET]
        if target == codes.ZSWAP or target == source or place_of(st, slot_of(st, entry)) != source:
            return codes.WRONG_BACKEND
        return moves.hold(st, pr, t, entry)
    f = txn[t + w.T_FOLIO]
    if n == U1:
        return change(st, pr, f, entry, txn[t + w.T_TARGET], cpu)
    lifecycle.writeback_end(st, pr, f)
    return codes.MOVED


@called
def change(st, pr, f, entry, target, cpu):  # type: ignore[no-untyped-def]
    """``zswap_writeback_entry`` from the look at the virtual table on: slot, data, old backing, write. From a disk likewise."""
    if swapfile.count_is_zero(st, entry):
        return moves.back_out(st, pr, f, codes.MOVED_AWAY)
    g = slot_of(st, entry)
    word = vs.ask(st, pr, g, own.F_LOAD)
    if word & vs.KIND == vs.ZSWAP:
        new = backing.realloc(st, pr, g, target, cpu)
    else:
        new = backing.backed_anew(st, pr, g, ci_of(st, g), swap_table.owner_of(st, pr, g), target, cpu)
    if new == U0:
        return moves.back_out(st, pr, f, codes.FULL)
    if word & vs.KIND == vs.ZSWAP:
        st.folio[f_word(f, F_TOKEN)] = zswap.entry_read(st, pr, word >> U3) & LOW32
    else:
        st.folio[f_word(f, F_TOKEN)] = read_slot(st, pr, word >> U3)
    write_slot(st, pr, new, st.folio[f_word(f, F_TOKEN)])
    leave(st, pr, g, word)
    f_clear(st, f, LOCKED | DIRTY)
    f_set(st, f, WRITEBACK)
    return codes.STEPPED


@inner
def leave(st, pr, g, word):  # type: ignore[no-untyped-def]
    """Free what was behind virtual slot `g` before its move, the word `word`."""
    if word & vs.KIND == vs.ZSWAP:
        zswap.entry_free(st, pr, word >> U3)
    else:
        backing.slots_free(st, pr, word >> U3, U1)
        backing.uncharge(st, pr, swap_table.owner_of(st, pr, g), U1)


@called
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """``try_to_unuse``: slots behind virtual ones first, each by its pointer, then direct entries by a walk of the page tables.

    Pages come into memory, whatever the demand's target: the series moves them nowhere else. The virtual device is on for good.
    """
    if d == codes.ZSWAP or not cl.turn_off(st, d):
        return codes.DEVICE_OFF
    follow_pointers(st, pr, d)
    if st.dev[d * cl.DEV_WORDS + cl.D_USED] != U0:
        moves.fault_in(st, pr, d)
    return moves.sweep(st, pr, d)


@called
def follow_pointers(st, pr, d):  # type: ignore[no-untyped-def]
    """Look at every slot of device `d`; one that stands behind a virtual slot says so itself."""
    base = st.dev[d * cl.DEV_WORDS]
    for i in range(base, base + st.dev[d * cl.DEV_WORDS + cl.D_SLOTS]):
        touch(pr, R_CLUSTER, ci_of(st, u(i)) >> U1)
        count_read(st, pr, u(i))
        if vs.is_pointer(st, u(i)):
            st.ctl[control.S_SCANNED] += U1
            bring_in(st, pr, u(i))


@called
def bring_in(st, pr, b):  # type: ignore[no-untyped-def]
    """Free slot `b`, which stands behind a virtual slot: the page comes into the swap cache, dirty, and has nothing else behind it."""
    cl.look_locked(st, pr, b, own.F_UNUSE)
    bring_back(st, pr, vs.virtual_of(st, b))


@called
def bring_back(st, pr, g):  # type: ignore[no-untyped-def]
    """Free what is behind virtual slot `g`, in the same way."""
    entry = cl.entry_of(st, codes.ZSWAP, g)
    f = swap_table.cache_find(st, pr, g)
    if f != U0 and f_is(st, f, LOCKED | WRITEBACK):
        return
    if f == U0:
        f = moves.cached(st, pr, entry, U0, entry)
        if f == U0:
            return
        load(st, pr, g, f)
    vs.ask(st, pr, g, own.F_TO_PHYS)
    backing.release_of(st, pr, g, False)
    f_set(st, f, DIRTY)
