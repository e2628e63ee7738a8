"""Reverse tree: an xarray for each device, from the offset of a slot to the ID that maps to it.

One for each device, although the mail speaks of one. An xarray skips no levels, and a swap_entry has the device in its top bits
(SWP_TYPE_SHIFT): keyed by the entry, a tree is 10 levels high as soon as a slot of a second device is in it. The kernel
keeps all its trees of slots by device for that reason (swap cache, zswap). With one device the two are the same.

======== ==========================================================================================
moment   order
======== ==========================================================================================
swap-out ID tree (the ID is not known before), reverse tree; the folio is locked meanwhile
free     reverse tree, then ID tree: what the reverse tree leads to is no freed ID
move     reverse entry of B (no lock is held: its node may have to wait for memory), the ID's mapping, then A's reverse entry goes
======== ==========================================================================================

In a move both slots lead to the ID for a while, and one of the two is wrong. Its folio is locked. Whoever comes from a slot locks the
folio, then asks the ID tree (:func:`kernels.designs.swap_id.layer.same`).
"""

from __future__ import annotations

from kernels.compiling.constants import U1
from kernels.compiling.jit import called, inner
from kernels.designs.swap_id_rmap.own import (
    F_REVERSE_ERASE,
    F_REVERSE_FIND,
    F_REVERSE_LOAD,
    F_REVERSE_STORE,
    L_REVERSE,
    R_REVERSE,
    R_REVERSE_NODE,
)
from kernels.observing.lock import lock, unlock
from kernels.observing.probe import F_NONE, step
from kernels.structures import idalloc, runs
from kernels.structures import xarray as xa
from kernels.structures.cluster import OFFSET_MASK, device_of


@inner
def lock_tree(st, pr, d, function):  # type: ignore[no-untyped-def]
    """Take the lock of the tree of device `d` for the kernel's `function`."""
    step(pr, function)
    lock(pr, st.rhead, d * xa.HEAD_WORDS + xa.H_LOCK, L_REVERSE)


@inner
def unlock_tree(st, pr, d):  # type: ignore[no-untyped-def]
    """Release what :func:`lock_tree` took."""
    unlock(pr, st.rhead, d * xa.HEAD_WORDS + xa.H_LOCK, L_REVERSE)
    step(pr, F_NONE)


@called
def link(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Enter ID `value` at the slot of `entry` (``xa_store``)."""
    d = device_of(entry)
    lock_tree(st, pr, d, F_REVERSE_STORE)
    xa.store(st.rhead, d, st.rpool, pr, R_REVERSE, R_REVERSE_NODE, entry & OFFSET_MASK, xa.mk_value(value))
    unlock_tree(st, pr, d)


@called
def unlink(st, pr, entry, n):  # type: ignore[no-untyped-def]
    """Erase the IDs of `n` slots of one cluster from that of `entry` on, in one locked section."""
    d, offset = device_of(entry), entry & OFFSET_MASK
    lock_tree(st, pr, d, F_REVERSE_ERASE)
    if n == U1:
        xa.erase(st.rhead, d, st.rpool, pr, R_REVERSE, R_REVERSE_NODE, offset)
    else:
        runs.erase(st.rhead, d, st.rpool, pr, R_REVERSE, R_REVERSE_NODE, offset, n)
    unlock_tree(st, pr, d)


@inner
def id_of(st, pr, entry):  # type: ignore[no-untyped-def]
    """ID at the slot of `entry` (``xa_load``), 0 if there is none."""
    step(pr, F_REVERSE_LOAD)
    found = xa.load(st.rhead, device_of(entry), st.rpool, pr, R_REVERSE, R_REVERSE_NODE, entry & OFFSET_MASK)
    step(pr, F_NONE)
    return found >> U1


@inner
def next_on(st, pr, d, offset):  # type: ignore[no-untyped-def]
    """The first slot of device `d` from `offset` on that has an ID, and the ID (``xa_find``); NOT_FOUND and 0 if there is none."""
    step(pr, F_REVERSE_FIND)
    found, entry = idalloc.next_entry(st.rhead, d, st.rpool, pr, R_REVERSE, R_REVERSE_NODE, offset)
    step(pr, F_NONE)
    return found, entry >> U1


HOOKS = {"link": link, "unlink": unlink}
"""Hooks of the ID layer (:mod:`kernels.designs.swap_id.hooks`)."""
