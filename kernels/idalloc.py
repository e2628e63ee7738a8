"""ID allocation in an xarray (``xa_alloc``): the first free index is found by walking the free marks down the tree."""

from __future__ import annotations

from kernels.atomic import ctz
from kernels.jit import called
from kernels.probe import chase, touch
from kernels.words import BYTE, ONES, U0, U1, U2, U6, U63
from kernels.xarray import H_ENTRY, H_FREE, HEAD_WORDS, MARKS, NOT_FOUND, SLOTS, clear_free_mark, is_node, store


@called
def find_free(head, h, pool, pr, rh, rn, low):  # type: ignore[no-untyped-def]
    """``xas_find_marked(XA_FREE_MARK)``: the first free index from `low` on, found by walking the marks down the tree."""
    base = h * HEAD_WORDS
    entry = head[base + H_ENTRY]
    chase(pr, rh, base)
    if not is_node(entry):
        return low if entry == U0 or low > U0 else U1
    node, index = entry >> U2, low
    top = (pool[node] & BYTE) + U6
    if index >> top != U0:
        return index
    while True:
        chase(pr, rn, node)
        shift = pool[node] & BYTE
        touch(pr, rn, node + MARKS)
        marks = pool[node + MARKS] & (ONES << ((index >> shift) & U63))
        while marks == U0:
            index = ((index >> (shift + U6)) + U1) << (shift + U6)
            if index >> top != U0:
                return index
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
            return index
        node = pool[slot] >> U2


@called
def insert_at(head, h, pool, pr, rh, rn, index, new):  # type: ignore[no-untyped-def]
    """Store `new` at the free `index` of an allocating tree and clear its free mark."""
    store(head, h, pool, pr, rh, rn, index, new)
    entry = head[h * HEAD_WORDS + H_ENTRY]
    if not is_node(entry):
        head[h * HEAD_WORDS + H_FREE] &= ~U2
        return
    node = entry >> U2
    while pool[node] & BYTE != U0:
        node = pool[node + SLOTS + ((index >> (pool[node] & BYTE)) & U63)] >> U2
    clear_free_mark(head, h, pool, pr, rh, rn, node, index & U63)


@called
def alloc(head, h, pool, pr, rh, rn, low, high, new):  # type: ignore[no-untyped-def]
    """``xa_alloc``: store `new` at the lowest free index in `low` .. `high` inclusive; NOT_FOUND if there is none."""
    index = find_free(head, h, pool, pr, rh, rn, low)
    if index > high:
        return NOT_FOUND
    insert_at(head, h, pool, pr, rh, rn, index, new)
    return index
