"""Moves of redirect: a slot of the target, the data, the redirect. PTEs, count, owner and swap cache stay where they are. Swapoff.

===== ============================================================================== ===================================
step  what it does                                                                   what may come before the next
===== ============================================================================== ===================================
0     a locked folio in the swap cache of the entry                                  the last PTE goes: the move ends
1     a slot of the target, read, write, redirect; what had the data before is free  the page is faulted in, or zapped
2     end of writeback
===== ============================================================================== ===================================

A move back to the device of the entry takes no slot: the entry has had one all the time. Writeback of zswap to that device is as in
phase IV.
"""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CLUSTER_SHIFT
from kernels.designs.redirect import array, own
from kernels.designs.redirect.array import entry_in, word_of
from kernels.designs.redirect.steps import let_go, read_end
from kernels.designs.swap_table import table as swap_table
from kernels.life import lifecycle, moves, page_io, swapfile
from kernels.memory import DIRTY, F_TOKEN, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word
from kernels.observing.probe import R_CLUSTER, chase, touch
from kernels.structures import cluster as cl
from kernels.structures.cluster import ci_of, device_of, slot_of
from kernels.structures.slots import count_read, zero_of


@inner
def place_of(st, pr, entry):  # type: ignore[no-untyped-def]
    """Backend that has the data: MEMORY for a zero page, which has none, the device of the redirect, or that of the entry."""
    g = slot_of(st, entry)
    if zero_of(st, pr, g):
        return codes.MEMORY
    word = array.find(st, pr, g)
    return device_of(entry_in(word)) if word != U0 else moves.place_of(st, pr, entry)


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run the next step of a move."""
    txn, n, entry = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_ENTRY]
    source, target = txn[t + w.T_AUX], txn[t + w.T_TARGET]
    if n == U0:
        if target == codes.ZSWAP or target == source or place_of(st, pr, entry) != source:
            return codes.WRONG_BACKEND
        if swapfile.lookup(st, pr, entry) != U0:
            return codes.BUSY
    if source == codes.ZSWAP and target == device_of(entry):
        return moves.writeback_step(st, pr, t)
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        return moves.hold(st, pr, t, entry)
    f = txn[t + w.T_FOLIO]
    if n == U1:
        return change(st, pr, f, entry, target, cpu)
    lifecycle.writeback_end(st, pr, f)
    return codes.MOVED


@called
def change(st, pr, f, entry, target, cpu):  # type: ignore[no-untyped-def]
    """Take a slot of the target, unless the entry is of it; read, write, redirect; free what had the data before."""
    if swapfile.count_is_zero(st, entry):
        return moves.back_out(st, pr, f, codes.MOVED_AWAY)
    g, new = slot_of(st, entry), entry
    if target != device_of(entry):
        found = swapfile.slot_or_reclaim(st, pr, target, cpu)
        if found == U0:
            return moves.back_out(st, pr, f, codes.FULL)
        new = cl.entry_of(st, target, found - U1)
        array.stand_in(st, found - U1, entry)
    read_end(st, pr, entry, f)
    page_io.write_slot(st, pr, new, st.folio[f_word(f, F_TOKEN)])
    if new == entry:
        let_go(st, pr, g)
    else:
        old = array.set_word(st, pr, g, word_of(new))
        if old != U0:
            array.slots_free(st, pr, slot_of(st, entry_in(old)), U1)
    f_clear(st, f, LOCKED | DIRTY)
    f_set(st, f, WRITEBACK)
    return codes.STEPPED


@called
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """``try_to_unuse``, and what stands in on device `d` for slots of others comes into memory.

    Entries of the device are faulted in by a walk of the page tables. Slots that stand in are found by their words before that walk, or
    after it by a scan of all arrays, if slots are still in use. Pages come into memory, whatever the demand's target.
    """
    if not cl.turn_off(st, d):
        return codes.DEVICE_OFF
    by_word = st.ctl[own.C_REVERSE] == array.FOUND_BY_WORD
    if by_word:
        walk_slots(st, pr, d)
    if not by_word or st.dev[d * cl.DEV_WORDS + cl.D_USED] != U0:
        moves.fault_in(st, pr, d)
    if not by_word and st.dev[d * cl.DEV_WORDS + cl.D_USED] != U0:
        scan_arrays(st, pr, d)
    return moves.sweep(st, pr, d)


@called
def walk_slots(st, pr, d):  # type: ignore[no-untyped-def]
    """Look at every slot of device `d`; the word of one that stands in names the entry."""
    base = st.dev[d * cl.DEV_WORDS]
    for i in range(base, base + st.dev[d * cl.DEV_WORDS + cl.D_SLOTS]):
        touch(pr, R_CLUSTER, ci_of(st, u(i)) >> U1)
        count_read(st, pr, u(i))
        if array.is_stand_in(st, u(i)):
            st.ctl[control.S_SCANNED] += U1
            bring_in(st, pr, entry_in(st.table[swap_table.at(st, u(i))] >> u(2)))


@called
def scan_arrays(st, pr, d):  # type: ignore[no-untyped-def]
    """Look at the headers of all clusters, and at every word of the arrays that they lead to."""
    shift = st.ctl[C_CLUSTER_SHIFT]
    for i in range(4):
        row = u(i) * cl.DEV_WORDS
        first = st.dev[row + cl.D_CLUSTER]
        for c in range(first, first + st.dev[row + cl.D_CLUSTERS]):
            touch(pr, R_CLUSTER, ci_of(st, u(c) << shift) >> U1)
            if st.rtail[u(c)] != 0:
                scan_array(st, pr, d, u(i), u(c) << shift)


@called
def scan_array(st, pr, d, home, first):  # type: ignore[no-untyped-def]
    """Look at every word of the array of the cluster of device `home` whose slots begin at `first`."""
    for i in range(first, first + (U1 << st.ctl[C_CLUSTER_SHIFT])):
        chase(pr, own.R_REDIRECT, array.at(st, u(i)) >> U1)
        word = u(st.redirect[array.at(st, u(i))])
        if word != U0 and device_of(entry_in(word)) == d:
            st.ctl[control.S_SCANNED] += U1
            bring_in(st, pr, cl.entry_of(st, home, u(i)))


@called
def bring_in(st, pr, entry):  # type: ignore[no-untyped-def]
    """Bring the page of `entry` into the swap cache, dirty, and take its redirect off; a folio that is busy stays as it is."""
    f = swapfile.lookup(st, pr, entry)
    if f != U0 and f_is(st, f, LOCKED | WRITEBACK):
        return
    if f == U0:
        f = moves.cached(st, pr, entry, U0, entry)
        if f == U0:
            return
        read_end(st, pr, entry, f)
    let_go(st, pr, slot_of(st, entry))
    f_set(st, f, DIRTY)
