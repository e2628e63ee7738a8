"""The swap cache of 4.12..6.17: one xarray (``address_space``) for each 64 MiB of a swap device.

A virtual layer has one for all its slots: functions that end in ``in`` take a tree and an index. A leaf holds the folio, or after its
eviction a shadow, which stays until the slot is freed. A leaf with nothing but shadows is on a list
(:mod:`kernels.structures.shadow_nodes`).
"""

from __future__ import annotations

from kernels.compiling.constants import BYTE, U0, U1, U2, U3, U14, U16, U24, U63
from kernels.compiling.jit import called, inner, u
from kernels.observing.lock import L_CACHE, lock, unlock
from kernels.observing.probe import F_ADD, F_NONE, R_CACHE, R_CACHE_NODE, step
from kernels.structures import leaves, runs, shadow_nodes, swap_map
from kernels.structures import xarray as xa

SPACE_MASK = (U1 << U14) - U1  # SWAP_ADDRESS_SPACE_SHIFT = 14: 2^14 slots of 4 KiB
SHADOW = u(3)  # a workingset shadow: a value entry (its content does not matter here)


@inner
def find_in(st, pr, h, index):  # type: ignore[no-untyped-def]
    """Folio at `index` of tree `h`, 0 if none (empty, or a shadow)."""
    entry = xa.load(st.space, h, st.cpool, pr, R_CACHE, R_CACHE_NODE, index)
    return entry >> U2 if entry & U3 == U0 else U0


@inner
def store(st, pr, h, index, entry):  # type: ignore[no-untyped-def]
    """Store `entry` at `index` of tree `h`, and update the leaf. The lock of the tree is held."""
    alone = st.space[h * xa.HEAD_WORDS + xa.H_ENTRY] & U1 != U0  # a shadow of slot 0, which has no leaf so far
    node = xa.store_at(st.space, h, st.cpool, pr, R_CACHE, R_CACHE_NODE, index, entry)[1]
    if node != U0:
        shadow_nodes.updated(st.cpool, pr, R_CACHE_NODE, node)
        if alone and index > U63:
            shadow_nodes.updated(st.cpool, pr, R_CACHE_NODE, first_leaf(st, h))


@called
def first_leaf(st, h):  # type: ignore[no-untyped-def]
    """Leaf of index 0 of tree `h`, which has one (``xas_expand`` has made it: the walk is over, so nothing is counted)."""
    node = st.space[h * xa.HEAD_WORDS + xa.H_ENTRY] >> U2
    while st.cpool[node] & BYTE != U0:
        node = st.cpool[node + xa.SLOTS] >> U2
    return node


@inner
def erase(st, pr, h, index):  # type: ignore[no-untyped-def]
    """Erase the entry at `index` of tree `h`; the leaf is updated first, as it may go. The lock of the tree is held."""
    pool = st.cpool
    slot = xa.find_slot(st.space, h, pool, pr, R_CACHE, R_CACHE_NODE, index)
    if slot == U0:
        xa.erase_head(st.space, h, pr, R_CACHE, index)
    elif pool[slot] != U0:
        node, gone = xa.node_of(slot, index), pool[slot]
        count, values = pool[node] >> U16 & BYTE, pool[node] >> U24 & BYTE
        shadow_nodes.update(pool, pr, R_CACHE_NODE, node, count - U1, values - (gone & U1))
        xa.erase_slot(st.space, h, pool, pr, R_CACHE, R_CACHE_NODE, slot, index)


@inner
def insert_in(st, pr, h, index, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` at `index` of tree `h`; it replaces a shadow."""
    step(pr, F_ADD)
    lock(pr, st.space, h * xa.HEAD_WORDS, L_CACHE)
    store(st, pr, h, index, f << U2)
    unlock(pr, st.space, h * xa.HEAD_WORDS, L_CACHE)
    step(pr, F_NONE)


@inner
def remove_in(st, pr, h, index, shadow):  # type: ignore[no-untyped-def]
    """Replace the folio at `index` of tree `h` by a `shadow`, or by nothing."""
    lock(pr, st.space, h * xa.HEAD_WORDS, L_CACHE)
    if shadow:
        store(st, pr, h, index, SHADOW)
    else:
        erase(st, pr, h, index)
    unlock(pr, st.space, h * xa.HEAD_WORDS, L_CACHE)


@inner
def find(st, pr, g):  # type: ignore[no-untyped-def]
    """Folio cached for slot `g`, 0 if none (empty, or a shadow)."""
    return find_in(st, pr, g >> U14, g & SPACE_MASK)


@inner
def insert(st, pr, g, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` as the cache of slot `g`; it replaces a shadow."""
    insert_in(st, pr, g >> U14, g & SPACE_MASK, f)


@inner
def remove(st, pr, g, shadow):  # type: ignore[no-untyped-def]
    """Replace the folio of slot `g` by a `shadow` while the slot lives on (end of writeback, clean drop), or by nothing."""
    remove_in(st, pr, g >> U14, g & SPACE_MASK, shadow)


@inner
def clear(st, pr, g):  # type: ignore[no-untyped-def]
    """Remove folio or shadow of slot `g` (the slot is being freed)."""
    remove(st, pr, g, False)


@inner
def clear_run(st, pr, g, n):  # type: ignore[no-untyped-def]
    """``clear_shadow_from_swap_cache``: clear `n` slots of one cluster from `g` on under one lock of their tree.

    All of them are shadows, so that a leaf that was on the list stays until its last entry goes.
    """
    lock(pr, st.space, (g >> U14) * xa.HEAD_WORDS, L_CACHE)
    runs.erase(st.space, g >> U14, st.cpool, pr, R_CACHE, R_CACHE_NODE, g & SPACE_MASK, n)
    unlock(pr, st.space, (g >> U14) * xa.HEAD_WORDS, L_CACHE)


@called
def insert_run_in(st, pr, h, index, n):  # type: ignore[no-untyped-def]
    """``add_to_swap_cache`` of a large folio: the `n` folios of ``parts`` from `index` of tree `h` on, under one lock."""
    step(pr, F_ADD)
    lock(pr, st.space, h * xa.HEAD_WORDS, L_CACHE)
    for i in range(n):
        store(st, pr, h, index + u(i), st.parts[u(i) * U2] << U2)
    unlock(pr, st.space, h * xa.HEAD_WORDS, L_CACHE)
    step(pr, F_NONE)


@inner
def insert_run(st, pr, g, n):  # type: ignore[no-untyped-def]
    """Enter the `n` folios of ``parts`` as the cache of the slots from `g` on."""
    insert_run_in(st, pr, g >> U14, g & SPACE_MASK, n)


@called
def remove_run_in(st, pr, h, index, n):  # type: ignore[no-untyped-def]
    """``__remove_mapping`` of a large folio: shadows in its place, `n` from `index` of tree `h` on, under one lock."""
    lock(pr, st.space, h * xa.HEAD_WORDS, L_CACHE)
    for i in range(n):
        store(st, pr, h, index + u(i), SHADOW)
    unlock(pr, st.space, h * xa.HEAD_WORDS, L_CACHE)


@inner
def remove_run(st, pr, g, n):  # type: ignore[no-untyped-def]
    """Shadows in place of the folios of the `n` slots from `g` on."""
    remove_run_in(st, pr, g >> U14, g & SPACE_MASK, n)


@inner
def slot_fetch(st, pr, g):  # type: ignore[no-untyped-def]
    """Prefetch the elements of the static arrays and the leaf of the swap cache."""
    swap_map.fetch(st, g)
    leaves.leaf(st.space, g >> U14, st.cpool, g & SPACE_MASK)
