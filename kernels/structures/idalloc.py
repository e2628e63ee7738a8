"""ID allocation in an xarray (``xa_alloc``): a walk down the free marks finds the first free index.

The walk ends at the node that gets the entry. The store goes on from there, as ``xas_find_marked`` and
``xas_store`` share one ``xa_state``: the tree is walked once.
"""

from __future__ import annotations

from kernels.compiling.atomic import ctz
from kernels.compiling.constants import BYTE, ONES, U0, U1, U2, U6, U63
from kernels.compiling.jit import called, hot, inner
from kernels.observing.probe import chase, touch
from kernels.structures.xarray import H_ENTRY, HEAD_WORDS, MARKS, NOT_FOUND, SLOTS, is_node, store, store_below


@called
@hot
def find_free(head, h, pool, pr, rh, rn, low):  # type: ignore[no-untyped-def]
    """``xas_find_marked(XA_FREE_MARK)``: the first free index from `low` on, and the lowest node on its path (0: none covers it)."""
    base = h * HEAD_WORDS
    entry = head[base + H_ENTRY]
    chase(pr, rh, base)
    if not is_node(entry):
        return (low if entry == U0 or low > U0 else U1), U0
    node, index = entry >> U2, low
    top = (pool[node] & BYTE) + U6
    if index >> top != U0:
        return index, U0
    chase(pr, rn, node)
    while True:
        shift = pool[node] & BYTE
        touch(pr, rn, node + MARKS)
        marks = pool[node + MARKS] & (ONES << ((index >> shift) & U63))
        while marks == U0:
            index = ((index >> (shift + U6)) + U1) << (shift + U6)
            if index >> top != U0:
                return index, U0
            node = pool[node + U1]
            chase(pr, rn, node)
            shift = pool[node] & BYTE
            at = (index >> shift) & U63
            marks = U0
            if at != U0:
                touch(pr, rn, node + MARKS)
                marks = pool[node + MARKS] & (ONES << at)
        bit = ctz(marks)
        if bit != (index >> shift) & U63:
            index = ((index >> (shift + U6)) << U6 | bit) << shift
        slot = node + SLOTS + bit
        touch(pr, rn, slot)
        if shift == U0 or pool[slot] == U0:
            return index, node
        node = pool[slot] >> U2
        chase(pr, rn, node)


@called
def insert_at(head, h, pool, pr, rh, rn, index, new):  # type: ignore[no-untyped-def]
    """``xa_insert`` at an `index` that the caller knows to be free; the store clears its free mark."""
    store(head, h, pool, pr, rh, rn, index, new)


@called
def alloc(head, h, pool, pr, rh, rn, low, high, new):  # type: ignore[no-untyped-def]
    """``xa_alloc``: store `new` at the lowest free index in `low` .. `high` inclusive; NOT_FOUND if there is none."""
    index, node = find_free(head, h, pool, pr, rh, rn, low)
    if index > high:
        return NOT_FOUND
    put(head, h, pool, pr, rh, rn, node, index, new)
    return index


@inner
def put(head, h, pool, pr, rh, rn, node, index, new):  # type: ignore[no-untyped-def]
    """Store `new` at the free `index` that :func:`find_free` has found with `node`."""
    if node == U0:
        store(head, h, pool, pr, rh, rn, index, new)
    else:
        store_below(head, h, pool, pr, rh, rn, node, index, new)


@called
def alloc_cyclic(head, h, pool, pr, rh, rn, after, low, high, new):  # type: ignore[no-untyped-def]
    """``xa_alloc_cyclic``: the first free index from `after` to `high`, else from `low` on; the caller passes the last index + 1."""
    index = alloc(head, h, pool, pr, rh, rn, max(low, after), high, new)
    if index == NOT_FOUND and after > low:
        index = alloc(head, h, pool, pr, rh, rn, low, high, new)
    return index


@called
def next_entry(head, h, pool, pr, rh, rn, index):  # type: ignore[no-untyped-def]
    """``xa_find``: the lowest index in use of tree `h` from `index` on, and its entry; NOT_FOUND and 0 if there is none."""
    root = head[h * HEAD_WORDS + H_ENTRY]
    chase(pr, rh, h * HEAD_WORDS)
    if not is_node(root):
        return (index, root) if root != U0 and index == U0 else (NOT_FOUND, U0)
    node = root >> U2
    while index >> ((pool[root >> U2] & BYTE) + U6) == U0:
        shift = pool[node] & BYTE
        slot = node + SLOTS + ((index >> shift) & U63)
        touch(pr, rn, slot)
        entry = pool[slot]
        if entry != U0 and shift == U0:
            return index, entry
        if entry != U0:
            node = entry >> U2
            continue
        index = ((index >> shift) + U1) << shift
        if (index >> shift) & U63 == U0:
            node = root >> U2
    return NOT_FOUND, U0


@inner
def next_index(head, pool, pr, rh, rn, index):  # type: ignore[no-untyped-def]
    """:func:`next_entry` of the first tree: the index alone."""
    return next_entry(head, U0, pool, pr, rh, rn, index)[0]
