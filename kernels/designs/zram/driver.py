"""The zram driver below the block layer: a flat array of 16-byte elements, one a slot, zsmalloc objects, blocks of a backing device.

drivers/block/zram. The element of slot ``g`` is four words of 32 bits in the model:

===== ==========================================================================================================
word  content
===== ==========================================================================================================
0     handle: the content token of the object; or the number of the block on the backing device
1     the model's own: a writeback of the element is in flight (the kernel has one batch at a time, under dev_lock)
2     size of the object in bits 0..12, flags from 13 on
3     lock (the kernel's is a bit of the flags)
===== ==========================================================================================================

An element without a size and without the flag WB is free. It keeps its size with WB: the slot is then in the block, no object is left.
The device is number 0 (:mod:`kernels.structures.cluster`), so a slot of it has the same number as its element.
"""

from __future__ import annotations

from kernels import codes
from kernels.compiling.atomic import ctz
from kernels.compiling.constants import LOW32, ONES, U0, U1, U2, U3, U4, U9, U63
from kernels.compiling.jit import called, inner, u
from kernels.control import C_TOKENS, S_ZE_LIVE, S_ZE_PEAK, S_ZOBJ_BYTES
from kernels.designs.zram.own import (
    A_READ,
    C_BLOCKS,
    C_LIMIT_PAGES,
    F_ACCESSED,
    F_NOTIFY,
    F_READ,
    F_SLOT_FREE,
    F_WRITE,
    L_ENTRY,
    R_BITMAP,
    R_ELEMENT,
    R_ZRAM_DEVICE,
    S_BD_READS,
    S_BLOCKS,
    S_COMPRESSED,
    S_FAILED_WRITES,
    S_HUGE,
    S_HUGE_SINCE,
    S_NOTIFIED,
    S_STORED,
    S_USED_MAX,
)
from kernels.observing.allocations import A_ZOBJ
from kernels.observing.atomics import atomic_add, atomic_and, atomic_or, atomic_sub, atomic_xchg
from kernels.observing.lock import lock, trylock, unlock
from kernels.observing.probe import F_NONE, R_ZOBJ, allocated, chase, freed, step, touch, wrote
from kernels.structures.cluster import D_SLOTS
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.zsmalloc import object_free, object_new

E_WORDS, E_HANDLE, E_BUSY, E_FLAGS, E_LOCK = U4, U0, U1, U2, U3
SIZE = u((1 << 13) - 1)  # ZRAM_FLAG_SHIFT is PAGE_SHIFT + 1
WB, PP_SLOT, HUGE = u(1 << 15), u(1 << 16), u(1 << 17)
WHOLE, HUGE_SIZE = u(4096), u(3625)
"""Bytes of an object that is stored as it is, and the least compressed size of a page that is (``zs_huge_class_size``): the largest class
of several objects, 3,632 bytes, less the handle that a smaller object still has room for."""
PAGE_SHIFT = u(12)
# words of `struct zram`, whose three lines are pointers and limit; counters of bytes and pages; the most used, and the backing device's
POINTERS, N_COMPRESSED, N_FAILED, N_NOTIFIED, N_HUGE, N_SINCE, N_STORED, N_MAX, N_BLOCKS, N_READS, N_WRITES = (
    u(i) for i in (0, 8, 10, 11, 13, 14, 15, 16, 19, 20, 21)
)


@inner
def at(g, word):  # type: ignore[no-untyped-def]
    """Index of `word` of the element of slot `g`."""
    return g * E_WORDS + word


@inner
def element(st, g):  # type: ignore[no-untyped-def]
    """Size and flags of the element of slot `g`."""
    return u(st.element[at(g, E_FLAGS)])


@inner
def lock_entry(st, pr, g):  # type: ignore[no-untyped-def]
    """``slot_lock``: the lock is a bit of the element."""
    lock(pr, st.element, at(g, E_LOCK), L_ENTRY)
    wrote(pr, R_ELEMENT, g * U2)


@inner
def lock_first(st, pr, g):  # type: ignore[no-untyped-def]
    """:func:`lock_entry` where the driver is entered: the block device leads to its own, that to the element."""
    chase(pr, R_ZRAM_DEVICE, POINTERS)
    chase(pr, R_ELEMENT, g * U2)
    lock_entry(st, pr, g)


@inner
def unlock_entry(st, pr, g):  # type: ignore[no-untyped-def]
    """``slot_unlock``."""
    unlock(pr, st.element, at(g, E_LOCK), L_ENTRY)


@inner
def set_flags(st, pr, g, flags):  # type: ignore[no-untyped-def]
    """Write size and flags. The entry is locked."""
    st.element[at(g, E_FLAGS)] = flags
    wrote(pr, R_ELEMENT, g * U2)


@called
def unselect(st, pr, g, function):  # type: ignore[no-untyped-def]
    """Take the mark of a writeback off the element, in the kernel's `function`."""
    step(pr, function)
    lock_entry(st, pr, g)
    set_flags(st, pr, g, element(st, g) & ~PP_SLOT)
    unlock_entry(st, pr, g)
    step(pr, F_NONE)


@inner
def accessed(st, pr, g):  # type: ignore[no-untyped-def]
    """``mark_slot_accessed`` at the end of a read or a write: a writeback that has selected the element gives it up."""
    unselect(st, pr, g, F_ACCESSED)


@inner
def pages_used(st):  # type: ignore[no-untyped-def]
    """``zs_get_total_pages``: pages that objects fill, without free objects in zspages that are not full."""
    return (st.ctl[S_ZOBJ_BYTES] + WHOLE - U1) >> PAGE_SHIFT


@inner
def object_take(st, pr, g, size):  # type: ignore[no-untyped-def]
    """``zs_malloc``, and what a write does around it: a compression stream, the copy into the object."""
    ctl = st.ctl
    common(pr, st, table.ZRAM_STORE, g + U1)
    if object_new(ctl, size):
        common(pr, st, table.ZSPAGE_NEW, g + U1)
    ctl[S_ZE_LIVE] += U1
    ctl[S_ZE_PEAK] = max(ctl[S_ZE_PEAK], ctl[S_ZE_LIVE])
    allocated(pr, A_ZOBJ)


@inner
def object_drop(st, pr, g, size):  # type: ignore[no-untyped-def]
    """``zs_free``."""
    common(pr, st, table.ZRAM_FREE, g + U1)
    object_free(st.ctl, size)
    st.ctl[S_ZE_LIVE] -= U1
    freed(pr, A_ZOBJ)


@inner
def may_store(st, pr):  # type: ignore[no-untyped-def]
    """``zram_can_store_page``, when the object is there already; notes the most pages ever used."""
    pages, limit = pages_used(st), st.ctl[C_LIMIT_PAGES]
    touch(pr, R_ZRAM_DEVICE, N_MAX)
    if pages > st.ctl[S_USED_MAX]:
        atomic_xchg(pr, R_ZRAM_DEVICE, N_MAX, st.ctl, S_USED_MAX, pages)
    return limit == U0 or pages <= limit


@called
def block_free(st, pr, block):  # type: ignore[no-untyped-def]
    """``zram_release_bdev_block``."""
    atomic_and(pr, R_BITMAP, block >> u(6), st.bdmap, block >> u(6), ~(U1 << (block & U63)))
    atomic_sub(pr, R_ZRAM_DEVICE, N_BLOCKS, st.ctl, S_BLOCKS, U1)


@called
def block_take(st, pr):  # type: ignore[no-untyped-def]
    """``zram_reserve_bdev_block``: the first free block, searched from 0 on each time; its number + 1, or 0."""
    for i in range((st.ctl[C_BLOCKS] + U63) >> u(6)):
        w = u(i)
        touch(pr, R_BITMAP, w)
        block = (w << u(6)) + ctz(~st.bdmap[w])
        if st.bdmap[w] != ONES and block < st.ctl[C_BLOCKS]:
            atomic_or(pr, R_BITMAP, w, st.bdmap, w, U1 << (block & U63))
            atomic_add(pr, R_ZRAM_DEVICE, N_BLOCKS, st.ctl, S_BLOCKS, U1)
            return block + U1
    return U0


@called
def entry_free(st, pr, g):  # type: ignore[no-untyped-def]
    """``slot_free``: drop the object, or give the block back. The entry is locked."""
    flags, ctl = element(st, g), st.ctl
    size = flags & SIZE
    if flags & HUGE != U0 and flags & WB == U0:
        atomic_sub(pr, R_ZRAM_DEVICE, N_HUGE, ctl, S_HUGE, U1)
    if flags & WB != U0:
        block_free(st, pr, u(st.element[at(g, E_HANDLE)]))
    elif size != U0:
        object_drop(st, pr, g, size)
        atomic_sub(pr, R_ZRAM_DEVICE, N_COMPRESSED, ctl, S_COMPRESSED, size)
    if flags & (SIZE | WB) != U0:
        atomic_sub(pr, R_ZRAM_DEVICE, N_STORED, ctl, S_STORED, U1)
    st.element[at(g, E_HANDLE)] = 0
    set_flags(st, pr, g, U0)


@called
def write(st, pr, g, length, token):  # type: ignore[no-untyped-def]
    """``zram_write_page``: store a page that compresses to `length` bytes; 0, or REACTIVATED at the limit, where all stays as it was."""
    ctl, huge = st.ctl, length >= HUGE_SIZE
    size = WHOLE if huge else max(length, U1)
    step(pr, F_WRITE)
    touch(pr, R_ZRAM_DEVICE, POINTERS)
    object_take(st, pr, g, size)
    if not may_store(st, pr):
        object_drop(st, pr, g, size)
        atomic_add(pr, R_ZRAM_DEVICE, N_FAILED, ctl, S_FAILED_WRITES, U1)
        step(pr, F_NONE)
        return codes.REACTIVATED
    lock_first(st, pr, g)
    entry_free(st, pr, g)
    st.element[at(g, E_HANDLE)] = token & LOW32
    set_flags(st, pr, g, size | HUGE if huge else size)
    unlock_entry(st, pr, g)
    atomic_add(pr, R_ZRAM_DEVICE, N_STORED, ctl, S_STORED, U1)
    atomic_add(pr, R_ZRAM_DEVICE, N_COMPRESSED, ctl, S_COMPRESSED, size)
    if huge:
        atomic_add(pr, R_ZRAM_DEVICE, N_HUGE, ctl, S_HUGE, U1)
        atomic_add(pr, R_ZRAM_DEVICE, N_SINCE, ctl, S_HUGE_SINCE, U1)
    accessed(st, pr, g)
    return U0


@inner
def object_read(st, pr, g):  # type: ignore[no-untyped-def]
    """``read_from_zspool``: decompress the object; its content. The entry is locked."""
    chase(pr, R_ZOBJ, (g + U1) << U9)
    common(pr, st, table.ZRAM_LOAD, g + U1)
    return u(st.element[at(g, E_HANDLE)])


@called
def read(st, pr, g):  # type: ignore[no-untyped-def]
    """``zram_read_page``: the object with the entry locked, or the block of the backing device without the lock."""
    step(pr, F_READ)
    lock_first(st, pr, g)
    token = U0
    if element(st, g) & WB == U0:
        token = object_read(st, pr, g)
        unlock_entry(st, pr, g)
    else:
        block = u(st.element[at(g, E_HANDLE)])
        unlock_entry(st, pr, g)
        atomic_add(pr, R_ZRAM_DEVICE, N_READS, st.ctl, S_BD_READS, U1)
        allocated(pr, A_READ)
        if st.ctl[C_TOKENS] != U0:
            token = u(st.backing[block])
        freed(pr, A_READ)
    accessed(st, pr, g)
    return token


@inner
def slot_freed(st, pr, g):  # type: ignore[no-untyped-def]
    """``zram_slot_free_notify``, with the cluster locked. The lock of the entry is only tried; here nobody holds it."""
    if g < st.dev[D_SLOTS]:
        step(pr, F_NOTIFY)
        chase(pr, R_ZRAM_DEVICE, POINTERS)
        atomic_add(pr, R_ZRAM_DEVICE, N_NOTIFIED, st.ctl, S_NOTIFIED, U1)
        chase(pr, R_ELEMENT, g * U2)
        trylock(pr, st.element, at(g, E_LOCK), L_ENTRY)
        wrote(pr, R_ELEMENT, g * U2)
        step(pr, F_SLOT_FREE)
        entry_free(st, pr, g)
        unlock_entry(st, pr, g)
        step(pr, F_NONE)
