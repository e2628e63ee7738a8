"""Moves of zram's own: a page from its object to a block of the backing device. No PTE, count, swap slot or swap cache is looked at.

``writeback_store``, told the index of one page. Its batch holds ``dev_lock``, so that nobody else selects an element meanwhile; here a
writeback of an element that another one has in flight is busy. What is allocated once for a batch (requests, their pages) is left out.

===== ================================================================== ==========================================================
step  what it does                                                       what may come before the next
===== ================================================================== ==========================================================
0     select the element, reserve a block, decompress, submit the write  the slot is read, written or freed: the element is given up
1     the write has ended: free the object, the element names the block
===== ================================================================== ==========================================================
"""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.jit import called, inner
from kernels.designs.zram.driver import (
    E_BUSY,
    E_HANDLE,
    HUGE,
    N_COMPRESSED,
    N_HUGE,
    N_WRITES,
    PP_SLOT,
    SIZE,
    WB,
    at,
    block_free,
    block_take,
    element,
    lock_entry,
    lock_first,
    object_drop,
    object_read,
    set_flags,
    unlock_entry,
    unselect,
)
from kernels.designs.zram.own import (
    A_PP_SLOT,
    C_BACKING,
    C_BLOCKS,
    F_COMPLETE,
    F_RELEASE,
    F_RESERVE,
    F_SCAN,
    F_WRITEBACK,
    R_ELEMENT,
    R_ZRAM_DEVICE,
    S_BD_WRITES,
    S_COMPRESSED,
    S_HUGE,
)
from kernels.life import moves, swapfile
from kernels.observing.atomics import atomic_add, atomic_sub
from kernels.observing.probe import F_NONE, allocated, freed, step, touch
from kernels.structures.cluster import device_of, slot_of
from kernels.structures.slots import zero_of


@inner
def wrong_place(st, pr, g, source, target):  # type: ignore[no-untyped-def]
    """Precheck of a move of a page of the device: its data is an object, or in a block, where the demand expects it, or it is zero.

    A zero page moves by being faulted in and swapped out; the driver has nothing of it to write back.
    """
    place = codes.ZSWAP
    back = source == codes.ZSWAP and target == st.ctl[C_BACKING]
    if zero_of(st, pr, g):
        return codes.WRONG_BACKEND if back or source != place or target == codes.ZSWAP else U0
    step(pr, F_SCAN)
    touch(pr, R_ELEMENT, g * U2)
    step(pr, F_NONE)
    if element(st, g) & WB != U0:
        place = st.ctl[C_BACKING]
    nothing = back and element(st, g) == U0  # the only write of the slot has failed, or is still to come
    return codes.WRONG_BACKEND if target == codes.ZSWAP or target == source or place != source or nothing else U0


@called
def release(st, pr, g):  # type: ignore[no-untyped-def]
    """``release_pp_slot``: the element is no longer selected."""
    unselect(st, pr, g, F_RELEASE)
    st.element[at(g, E_BUSY)] = 0
    freed(pr, A_PP_SLOT)


@called
def begin(st, pr, t, g):  # type: ignore[no-untyped-def]
    """Select the element, reserve a block, read the object and submit the write."""
    if st.ctl[C_BLOCKS] == U0:
        return codes.REFUSED  # -ENODEV
    if st.element[at(g, E_BUSY)] != 0:
        return codes.BUSY
    step(pr, F_SCAN)
    lock_first(st, pr, g)
    if element(st, g) == U0 or element(st, g) & WB != U0:  # freed or written back since the look without the lock
        unlock_entry(st, pr, g)
        return codes.MOVED_AWAY
    allocated(pr, A_PP_SLOT)
    set_flags(st, pr, g, element(st, g) | PP_SLOT)
    st.element[at(g, E_BUSY)] = 1
    unlock_entry(st, pr, g)
    step(pr, F_RESERVE)
    found = block_take(st, pr)
    if found == U0:
        release(st, pr, g)
        return codes.FULL  # -ENOSPC
    step(pr, F_WRITEBACK)
    lock_entry(st, pr, g)
    kept = element(st, g) & PP_SLOT != U0
    token = object_read(st, pr, g) if kept else U0
    unlock_entry(st, pr, g)
    step(pr, F_NONE)
    if not kept:
        block_free(st, pr, found - U1)
        release(st, pr, g)
        return codes.MOVED_AWAY
    if st.ctl[control.C_TOKENS] != U0:
        st.backing[found - U1] = token
    st.txn[t + w.T_FLAGS] = found
    return codes.STEPPED


@called
def complete(st, pr, t, g):  # type: ignore[no-untyped-def]
    """``zram_writeback_complete``: the element names the block, unless it was read, written or freed meanwhile."""
    block, ctl = st.txn[t + w.T_FLAGS] - U1, st.ctl
    step(pr, F_COMPLETE)
    atomic_add(pr, R_ZRAM_DEVICE, N_WRITES, ctl, S_BD_WRITES, U1)
    lock_first(st, pr, g)
    flags = element(st, g)
    kept = flags & PP_SLOT != U0
    if kept:
        size = flags & SIZE
        if flags & HUGE != U0:
            atomic_sub(pr, R_ZRAM_DEVICE, N_HUGE, ctl, S_HUGE, U1)
        atomic_sub(pr, R_ZRAM_DEVICE, N_COMPRESSED, ctl, S_COMPRESSED, size)
        object_drop(st, pr, g, size)
        st.element[at(g, E_HANDLE)] = block
        set_flags(st, pr, g, flags | WB)
    else:
        block_free(st, pr, block)
    unlock_entry(st, pr, g)
    release(st, pr, g)
    return codes.MOVED if kept else codes.MOVED_AWAY


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run the next step of a move: writeback to the backing device in the driver, any other as without a layer."""
    txn, entry = st.txn, st.txn[t + w.T_ENTRY]
    if device_of(entry) != codes.ZSWAP:
        return moves.move_step(st, pr, t, cpu)
    g, source, target = slot_of(st, entry), txn[t + w.T_AUX], txn[t + w.T_TARGET]
    first = txn[t + w.T_STEP] == U0
    if first:
        why = wrong_place(st, pr, g, source, target)
        if why != U0:
            return why
    if source == codes.ZSWAP and target == st.ctl[C_BACKING]:
        txn[t + w.T_STEP] = U1
        return begin(st, pr, t, g) if first else complete(st, pr, t, g)
    if first and swapfile.lookup(st, pr, entry) != U0:
        return codes.BUSY
    return moves.reswap_step(st, pr, t, cpu)
