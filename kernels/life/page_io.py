"""Reads and writes of a slot's data (mm/page_io.c of 6.12..6.17): the zero bit, zswap in front of the device, the device."""

from __future__ import annotations

from kernels import codes, control
from kernels.compiling.constants import LOW32, U0, U1, U2, U14
from kernels.compiling.jit import called, hot, inner, u
from kernels.memory import BYPASS, DIRTY, F_ENTRY, F_TOKEN, f_is, f_set, f_word
from kernels.observing.atomics import atomic_add
from kernels.observing.probe import F_ENTRY_FREE, F_INVALIDATE, F_NONE, R_DEV, R_ZE, R_ZRAM, R_ZTREE, chase, step, touch, wrote
from kernels.observing.regions import R_ZLRUVEC
from kernels.structures import xarray as xa
from kernels.structures import zswap
from kernels.structures.cluster import DEV_WORDS, GHOST, OFFSET_MASK, device_of, slot_of
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.slots import driver_read, folio_swapped, invalidate_erases, load_erases, zero_mark, zero_of


@inner
@hot
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """``swap_writepage``: the zero bit, or zswap, or the slot's sector. ``folio_free_swap`` sees first that PTEs hold the slot.

    A zero page reaches neither zswap nor the device. What zswap has of the slot from before stays until the slot is freed or written
    again; the zero bit is looked at first. A page that is sent to a disk is one that zswap refuses: a ghost cannot write it either.
    """
    g = slot_of(st, st.folio[f_word(f, F_ENTRY)])
    folio_swapped(st, pr, g)
    zero_mark(st, pr, g, zero)
    return put_data(st, pr, f, g, backend, size, zero)


@inner
@hot
def put_data(st, pr, f, g, backend, size, zero):  # type: ignore[no-untyped-def]
    """Store the content of folio `f`, whose slot is `g`, where it goes: nowhere for zeros, zswap, or the slot's sector."""
    entry, token = st.folio[f_word(f, F_ENTRY)], st.folio[f_word(f, F_TOKEN)]
    if zero:
        keep_content(st, g, token)
        return U0
    ghost = st.ctl[control.C_NATIVE] == GHOST
    taken = backend == codes.ZSWAP or not ghost
    if st.ctl[control.C_ZSLOTS] != U0:
        backend = device_of(entry)  # entries of its own: the page is written where its entry is
    if backend == codes.ZSWAP:
        z = zswap.entry_new(st, pr, entry, size, token) if taken else U0
        if z != U0:
            z = zswap.tree_store(st, pr, g, entry & OFFSET_MASK, z)
            if z != U0:
                zswap.entry_free(st, pr, z)
            return U0
        erase_old(st, pr, entry, g)
        if device_of(entry) == codes.ZSWAP:
            return codes.REACTIVATED
    elif st.ctl[control.C_ZSLOTS] == U0 or ghost:
        erase_old(st, pr, entry, g)
    store_data(st, pr, entry, g, token)
    return U0


@called
def write_page(st, pr, f, g, backend, size, zero):  # type: ignore[no-untyped-def]
    """:func:`put_data` for a page of a large folio.

    One that goes to a disk has a fresh slot, of which zswap has nothing. Up to 6.12 ``zswap_store`` lets a large folio pass at once; from
    6.13 on it looks for an old entry of each page all the same.
    """
    if invalidate_erases(st) and backend != codes.ZSWAP and not zero and st.ctl[control.C_NATIVE] != GHOST:
        store_data(st, pr, st.folio[f_word(f, F_ENTRY)], g, st.folio[f_word(f, F_TOKEN)])
        return U0
    return put_data(st, pr, f, g, backend, size, zero)


@inner
def erase_old(st, pr, entry, g):  # type: ignore[no-untyped-def]
    """``zswap_store`` of a page that zswap does not take: drop its older entry of slot `g`.

    It takes the tree's lock without a look first, also with an empty tree and where zswap is off (``check_old`` in mm/zswap.c; the
    records of 6.12, 6.18, 7.2 and 7.3).
    """
    z = zswap.tree_erase(st, pr, g, entry & OFFSET_MASK)
    if z != U0:
        zswap.entry_free(st, pr, z)


@inner
def drop_zswap(st, pr, entry, g):  # type: ignore[no-untyped-def]
    """``zswap_invalidate``: drop the zswap entry of slot `g`."""
    invalidate(st, pr, g >> U14, entry & OFFSET_MASK)


@inner
def invalidate(st, pr, tree, index):  # type: ignore[no-untyped-def]
    """``zswap_invalidate``: drop the zswap entry at `index` of `tree`. From 6.13 on it looks first if the tree is empty."""
    step(pr, F_INVALIDATE)
    common(pr, st, table.INVALIDATE, U0)
    touch(pr, R_ZTREE, tree * xa.HEAD_WORDS)
    if invalidate_erases(st) or st.ztree[tree * xa.HEAD_WORDS + xa.H_ENTRY] != U0:
        z = zswap.erase_in(st, pr, tree, index)
        if z != U0:
            step(pr, F_ENTRY_FREE)
            chase(pr, R_ZE, z * zswap.ZE_WORDS)
            step(pr, F_INVALIDATE)
            zswap.entry_free(st, pr, z)
    step(pr, F_NONE)


@inner
def store_data(st, pr, entry, g, token):  # type: ignore[no-untyped-def]
    """Write slot `g` through the block layer; zram keeps two words a page (handle, size and flags)."""
    if device_of(entry) == codes.ZRAM:
        wrote(pr, R_ZRAM, g * U2)
    keep_content(st, g, token)


@inner
def keep_content(st, g, token):  # type: ignore[no-untyped-def]
    """Note the content of slot `g`, where contents are kept: the model's own, which counts nothing."""
    if st.ctl[control.C_TOKENS] != U0:
        st.token[g] = token


@called
def copy_data(st, pr, f, old, new, read):  # type: ignore[no-untyped-def]
    """Write the content of `old` to `new`. With `read` it is read into folio `f` first; else `f` has it."""
    b = slot_of(st, new)
    zero = zero_of(st, pr, slot_of(st, old)) and (read or not f_is(st, f, DIRTY))
    zero_mark(st, pr, b, zero)
    if read:
        read_data(st, pr, old, f)
    if zero:
        keep_content(st, b, st.folio[f_word(f, F_TOKEN)])
    else:
        store_data(st, pr, new, b, st.folio[f_word(f, F_TOKEN)])


@called
@hot
def read_data(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """``swap_read_folio``: zero bit, zswap (whose entry goes, so the folio is dirty), or the device."""
    g = slot_of(st, entry)
    token = u(st.token[g]) if st.ctl[control.C_TOKENS] != U0 else U0
    if zero_of(st, pr, g):
        read_zero(st, pr, token)
    else:
        common(pr, st, table.TREE, f)
        chase(pr, R_ZTREE, (g >> U14) * xa.HEAD_WORDS)
        z = U0
        keep = f_is(st, f, BYPASS)
        erase = load_erases(st) and not keep
        if erase:
            z = zswap.tree_erase(st, pr, g, entry & OFFSET_MASK)
        elif st.ztree[(g >> U14) * xa.HEAD_WORDS + xa.H_ENTRY] != U0:
            z = zswap.tree_find(st, pr, g, entry & OFFSET_MASK)
        if z != U0 and keep:
            token = zswap.entry_read(st, pr, z) & LOW32
        elif z != U0:
            token = zswap.entry_read(st, pr, z) & LOW32
            if not erase:
                zswap.tree_erase(st, pr, g, entry & OFFSET_MASK)
            zswap.entry_free(st, pr, z)
            f_set(st, f, DIRTY)
        else:
            common(pr, st, table.DISK_IN, f)
            token = read_device(st, pr, entry, token)
    st.folio[f_word(f, F_TOKEN)] = token


@inner
def read_device(st, pr, entry, token):  # type: ignore[no-untyped-def]
    """Read the slot of `entry`, noted to have `token`, from its device, which zswap counts first (``zswap_folio_swapin``)."""
    common(pr, st, table.DISK_IN, U0)
    atomic_add(pr, R_ZLRUVEC, U0, st.ctl, control.S_ZDISK_READS, U1)
    if device_of(entry) == codes.ZRAM:
        chase(pr, R_ZRAM, slot_of(st, entry) * U2)
    return driver_read(st, pr, entry, token)


@inner
def read_zero(st, pr, token):  # type: ignore[no-untyped-def]
    """Fill a folio with zeros (``swap_read_folio_zeromap``): its content token."""
    common(pr, st, table.ZERO_IN, U0)
    return token


@inner
def write_slot(st, pr, entry, token):  # type: ignore[no-untyped-def]
    """Write the slot of `entry` through the block layer, independent of other data that its design keeps of it."""
    store_data(st, pr, entry, slot_of(st, entry), token)


@inner
def read_slot(st, pr, entry):  # type: ignore[no-untyped-def]
    """Read the slot of `entry` through the block layer: its content token."""
    chase(pr, R_DEV, device_of(entry) * DEV_WORDS)
    return read_device(st, pr, entry, u(st.token[slot_of(st, entry)]) if st.ctl[control.C_TOKENS] != U0 else U0)
