"""Model of the kernel's xarray on flat arrays: packed 576-byte nodes, three mark bitmaps, value count, ID allocation.

A *pool* is one ``uint64`` array of 73-word nodes; node 0 is the pool's own header. Many trees may share a pool. The *heads* of trees
are 8-word groups of another array. The layout of a node is that of ``struct xa_node`` (include/linux/xarray.h):

====== ======================================================================
word   content
====== ======================================================================
0      shift u8, offset in the parent u8, count u8, nr_values u8
1      parent (word index of the node, 0 none); free list link while free
2..4   array pointer (not used by the model), ``private_list`` (kernels.structures.shadow_nodes) or RCU head
5..68  64 slots
69..71 three mark bitmaps; mark 0 is the free mark of allocating trees
72     the slab's link of free nodes, behind them as they have a constructor (mm/slub.c); unused here
====== ======================================================================

Entries: 0 nothing; low bit 1 a value (``xa_mk_value``); low bits 10 a node (word index << 2 | 2); else a pointer. As in the kernel, a walk
computes the slot from the shift that it *loaded* from the node. With a shift in a register the model would be a third faster.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.compiling.constants import BYTE, ONES, U0, U1, U2, U3, U6, U8, U16, U24, U63
from kernels.compiling.flat import aligned_zeros
from kernels.compiling.jit import called, hot, inner
from kernels.observing.allocations import A_NODE
from kernels.observing.probe import allocated, chase, freed, touch, wrote
from kernels.structures import nodes as pools
from kernels.structures import shadow_nodes
from kernels.structures.nodes import node_give, node_take

# words of a tree head
HEAD_WORDS, H_LOCK, H_ENTRY, H_FREE = U8, U0, U1, U2  # H_FREE: bit 0 tracks free entries, bit 1 the free mark of the tree
P_USED, SLOTS, MARKS = pools.P_USED, pools.SLOTS, pools.MARKS
NODE_WORDS, NODE_BYTES = 73, 576  # 584 B from node to node (xas_alloc in the records: 14 in 8 KiB); sizeof(struct xa_node) with 64 slots
NOT_FOUND = ONES
ZERO_ENTRY = U1  # entry at index 0 of a tree whose indices start at 1, as XA_ZERO_ENTRY


def new_pool(nodes: int) -> NDArray[np.uint64]:
    """Reserve a pool of `nodes` nodes (zeroed lazily by the operating system).

    Parameters
    ----------
    nodes : int
        Most nodes in use at once.

    Returns
    -------
    numpy.ndarray
        ``uint64[(nodes + 1) * 73]``, aligned to 2 MiB.
    """
    pool = aligned_zeros((nodes + 1) * NODE_WORDS, np.uint64)
    pool[1], pool[4] = NODE_WORDS, (nodes + 1) * NODE_WORDS
    pool[int(shadow_nodes.HEAD) :][:2] = int(shadow_nodes.HEAD)
    return pool


def new_heads(trees: int, *, track_free: bool = False, zero_busy: bool = False) -> NDArray[np.uint64]:
    """Heads of `trees` empty trees: ``uint64[trees * 8]``; `track_free`: XA_FLAGS_ALLOC; `zero_busy`: ALLOC1, index 0 taken for good."""
    heads = aligned_zeros(trees * 8, np.uint64)
    heads[int(H_FREE) :: 8] = 1 if zero_busy else 3 if track_free else 0
    heads[int(H_ENTRY) :: 8] = int(ZERO_ENTRY) if zero_busy else 0
    return heads


@inner
def is_node(entry):  # type: ignore[no-untyped-def]
    """True if `entry` points to a node."""
    return entry & U3 == U2


@inner
def mk_value(x):  # type: ignore[no-untyped-def]
    """``xa_mk_value``: an integer of up to 63 bits as an entry."""
    return x << U1 | U1


@inner
def load(head, h, pool, pr, rh, rn, index):  # type: ignore[no-untyped-def]
    """``xa_load``: return the entry at `index` of tree `h`, 0 if there is none. Lockless (RCU)."""
    chase(pr, rh, h * HEAD_WORDS)
    entry = head[h * HEAD_WORDS + H_ENTRY]
    if not is_node(entry):
        return entry if index == U0 else U0
    node = entry >> U2
    offset = index >> (pool[node] & BYTE)
    if offset > U63:
        return U0
    while True:
        chase(pr, rn, node)
        slot = node + SLOTS + offset
        touch(pr, rn, slot)
        entry = pool[slot]
        if not is_node(entry):
            return entry
        node = entry >> U2
        offset = (index >> (pool[node] & BYTE)) & U63


@inner
def find_slot(head, h, pool, pr, rh, rn, index):  # type: ignore[no-untyped-def]
    """Word index of the leaf slot of `index`, 0 if no leaf covers it (an entry in the head itself also gives 0)."""
    chase(pr, rh, h * HEAD_WORDS)
    entry = head[h * HEAD_WORDS + H_ENTRY]
    if not is_node(entry) or index >> (pool[entry >> U2] & BYTE) > U63:
        return U0
    while True:
        node = entry >> U2
        chase(pr, rn, node)
        shift = pool[node] & BYTE
        slot = node + SLOTS + ((index >> shift) & U63)
        touch(pr, rn, slot)
        entry = pool[slot]
        if shift == U0:
            return slot
        if not is_node(entry):
            return U0


@inner
def node_of(slot, index):  # type: ignore[no-untyped-def]
    """Node that holds the leaf `slot` of `index`."""
    return slot - SLOTS - (index & U63)


@called
def node_alloc(pool, pr, rn, shift, parent, offset, free_marks):  # type: ignore[no-untyped-def]
    """Take a node from the pool; the parent, if any, gains one entry."""
    node = node_take(pr, pool)
    pool[node] = shift | offset << U8
    pool[node + U1] = parent
    marks = ONES if free_marks else U0
    pool[node + MARKS] = marks
    if parent != U0:
        pool[parent] += U1 << U16
        wrote(pr, rn, parent)
    wrote(pr, rn, node)
    if free_marks:
        wrote(pr, rn, node + MARKS)
    allocated(pr, A_NODE)
    return node


@called
def node_free(pool, pr, rn, node):  # type: ignore[no-untyped-def]
    """Give a node back: its slots are empty but for slot 0 of a shrunk root. It leaves the list of nodes of shadows."""
    if pool[node + shadow_nodes.LINKS] != U0:
        shadow_nodes.leave(pool, pr, rn, node)
    node_give(pr, pool, node)
    wrote(pr, rn, node)
    freed(pr, A_NODE)


@called
def expand(head, h, pool, pr, rh, rn, index):  # type: ignore[no-untyped-def]
    """``xas_expand``: add levels above the root until the tree covers `index`. Returns the root node."""
    base = h * HEAD_WORDS
    track = head[base + H_FREE] & U1 != U0
    entry = head[base + H_ENTRY]
    if entry == U0:
        shift = U0
        while index >> shift > U63:
            shift += U6
        node = node_alloc(pool, pr, rn, shift, U0, U0, track)
        head[base + H_ENTRY] = node << U2 | U2
        wrote(pr, rh, base)
        return node
    shift = U0
    if is_node(entry):
        shift = (pool[entry >> U2] & BYTE) + U6
    while not is_node(entry) or index >> (shift - U6) > U63:
        node = node_alloc(pool, pr, rn, shift, U0, U0, track)
        pool[node] += U1 << U16 | (entry & U1) << U24
        pool[node + SLOTS] = entry
        if track and head[base + H_FREE] & U2 == U0:
            pool[node + MARKS] &= ~U1
            head[base + H_FREE] |= U2
        if is_node(entry):
            below = entry >> U2
            pool[below + U1] = node
            wrote(pr, rn, below)
        entry = node << U2 | U2
        head[base + H_ENTRY] = entry
        wrote(pr, rh, base)
        shift += U6
    return entry >> U2


@inner
def store(head, h, pool, pr, rh, rn, index, new):  # type: ignore[no-untyped-def]
    """``xa_store`` of a non-null entry; return the previous entry. The caller holds the tree's lock."""
    return store_at(head, h, pool, pr, rh, rn, index, new)[0]


@inner
def store_at(head, h, pool, pr, rh, rn, index, new):  # type: ignore[no-untyped-def]
    """:func:`store`; return the previous entry and the leaf, 0 if the head itself has the entry."""
    base = h * HEAD_WORDS
    chase(pr, rh, base)
    entry = head[base + H_ENTRY]
    if index == U0 and not is_node(entry):
        head[base + H_ENTRY] = new
        head[base + H_FREE] &= ~U2
        wrote(pr, rh, base)
        return entry, U0
    if not is_node(entry) or index >> (pool[entry >> U2] & BYTE) > U63:
        node = expand(head, h, pool, pr, rh, rn, index)
    else:
        node = entry >> U2
    chase(pr, rn, node)
    return store_below(head, h, pool, pr, rh, rn, node, index, new)


@inner
@hot
def store_below(head, h, pool, pr, rh, rn, node, index, new):  # type: ignore[no-untyped-def]
    """Store from `node`, which covers `index`, downwards: ``xas_create`` of missing nodes, then ``xas_store``. As :func:`store_at`."""
    track = head[h * HEAD_WORDS + H_FREE] & U1 != U0
    while True:
        shift = pool[node] & BYTE
        offset = (index >> shift) & U63
        slot = node + SLOTS + offset
        touch(pr, rn, slot)
        old = pool[slot]
        if shift == U0:
            break
        if old == U0:
            child = node_alloc(pool, pr, rn, shift - U6, node, offset, track)
            pool[slot] = child << U2 | U2
            wrote(pr, rn, slot)
            node = child
        else:
            node = old >> U2
            chase(pr, rn, node)
    if old != new:
        pool[slot] = new
        wrote(pr, rn, slot)
        recount(pool, pr, rn, node, (U1 << U16 if old == U0 else U0) + (((new & U1) - (old & U1)) << U24))
    if track:
        clear_free_mark(head, h, pool, pr, rh, rn, node, offset)
    return old, node


@inner
def recount(pool, pr, rn, node, change):  # type: ignore[no-untyped-def]
    """``update_node``: write the header only where the number of entries or of values changes."""
    if change != U0:
        pool[node] += change
        wrote(pr, rn, node)


@inner
def replace(pool, pr, rn, slot, index, new):  # type: ignore[no-untyped-def]
    """Overwrite the leaf `slot` (from :func:`find_slot`) of `index` by another non-null entry."""
    old = pool[slot]
    if old != new:
        pool[slot] = new
        wrote(pr, rn, slot)
        recount(pool, pr, rn, node_of(slot, index), ((new & U1) - (old & U1)) << U24)
    return old


@called
def delete_node(head, h, pool, pr, rh, rn, node):  # type: ignore[no-untyped-def]
    """``xas_delete_node``: free `node` and its ancestors as far as they are empty, then try to lower the tree."""
    base = h * HEAD_WORDS
    while pool[node] >> U16 & BYTE == U0:
        parent = pool[node + U1]
        offset = pool[node] >> U8 & BYTE
        node_free(pool, pr, rn, node)
        if parent == U0:
            head[base + H_ENTRY] = U0
            wrote(pr, rh, base)
            return
        pool[parent + SLOTS + offset] = U0
        pool[parent] -= U1 << U16
        wrote(pr, rn, parent + SLOTS + offset)
        node = parent
    if pool[node + U1] == U0:
        shrink(head, h, pool, pr, rh, rn, node)


@called
def shrink(head, h, pool, pr, rh, rn, node):  # type: ignore[no-untyped-def]
    """``xas_shrink``: drop root levels that hold slot 0 only."""
    base = h * HEAD_WORDS
    while pool[node] >> U16 & BYTE == U1:
        entry = pool[node + SLOTS]
        if entry == U0 or (not is_node(entry) and pool[node] & BYTE != U0):
            return
        head[base + H_ENTRY] = entry
        wrote(pr, rh, base)
        if head[base + H_FREE] & U1 != U0 and pool[node + MARKS] & U1 == U0:
            head[base + H_FREE] &= ~U2
        node_free(pool, pr, rn, node)
        if not is_node(entry):
            return
        node = entry >> U2
        pool[node + U1] = U0


@called
def set_free_mark(head, h, pool, pr, rh, rn, node, offset):  # type: ignore[no-untyped-def]
    """``xas_set_mark(XA_FREE_MARK)`` from `offset` of `node` upwards, until a level has it already."""
    while True:
        word = node + MARKS
        if pool[word] >> offset & U1 != U0:
            return
        pool[word] |= U1 << offset
        wrote(pr, rn, word)
        offset = pool[node] >> U8 & BYTE
        node = pool[node + U1]
        if node == U0:
            head[h * HEAD_WORDS + H_FREE] |= U2
            return


@called
def clear_free_mark(head, h, pool, pr, rh, rn, node, offset):  # type: ignore[no-untyped-def]
    """``xas_clear_mark(XA_FREE_MARK)`` from `offset` of `node` upwards, while the level has no mark left."""
    while True:
        word = node + MARKS
        if pool[word] >> offset & U1 == U0:
            return
        pool[word] &= ~(U1 << offset)
        wrote(pr, rn, word)
        if pool[word] != U0:
            return
        offset = pool[node] >> U8 & BYTE
        node = pool[node + U1]
        if node == U0:
            head[h * HEAD_WORDS + H_FREE] &= ~U2
            return


@inner
def clear_marks(pool, pr, rn, node, offset):  # type: ignore[no-untyped-def]
    """Part of ``xas_init_marks`` that every erase pays: test and clear the three marks of the entry (none is ever set here)."""
    touch(pr, rn, node + MARKS)
    keep = ~(U1 << offset)
    pool[node + MARKS + U1] &= keep
    pool[node + MARKS + U2] &= keep


@inner
def erase(head, h, pool, pr, rh, rn, index):  # type: ignore[no-untyped-def]
    """``xa_erase``: remove the entry at `index`, free empty nodes, lower the tree. Return the previous entry."""
    slot = find_slot(head, h, pool, pr, rh, rn, index)
    return erase_slot(head, h, pool, pr, rh, rn, slot, index) if slot != U0 else erase_head(head, h, pr, rh, index)


@inner
def erase_head(head, h, pr, rh, index):  # type: ignore[no-untyped-def]
    """Erase at `index` of a tree that has no leaf for it: the entry in the head itself, if there is one."""
    base = h * HEAD_WORDS
    old = head[base + H_ENTRY]
    if index != U0 or is_node(old):
        return U0
    head[base + H_ENTRY] = U0
    head[base + H_FREE] |= (head[base + H_FREE] & U1) << U1
    wrote(pr, rh, base)
    return old


@inner
def erase_slot(head, h, pool, pr, rh, rn, slot, index):  # type: ignore[no-untyped-def]
    """Erase what the leaf `slot` (from :func:`find_slot`) of `index` holds; return it."""
    base, old = h * HEAD_WORDS, pool[slot]
    if old == U0:
        return U0
    node = node_of(slot, index)
    clear_marks(pool, pr, rn, node, index & U63)
    if head[base + H_FREE] & U1 != U0:
        set_free_mark(head, h, pool, pr, rh, rn, node, index & U63)
    else:
        pool[node + MARKS] &= ~(U1 << (index & U63))
    pool[slot] = U0
    pool[node] -= U1 << U16 | (old & U1) << U24
    wrote(pr, rn, slot)
    if pool[node] >> U16 & BYTE == U0 or pool[node + U1] == U0:
        delete_node(head, h, pool, pr, rh, rn, node)
    return old
