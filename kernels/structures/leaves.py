"""Looks into an xarray that count nothing: prefetch of a leaf ahead of a demand (:mod:`kernels.life.prefetch`), and the model's own."""

from __future__ import annotations

from kernels.compiling.atomic import prefetch
from kernels.compiling.constants import BYTE, U0, U2, U6, U63
from kernels.compiling.jit import called, hot
from kernels.structures import xarray as xa


@called
@hot
def leaf(head, h, pool, index):  # type: ignore[no-untyped-def]
    """Prefetch the leaf of `index` in tree `h`: header, slot and marks; the levels above are few and hot."""
    entry = head[h * xa.HEAD_WORDS + xa.H_ENTRY]
    if not xa.is_node(entry) or index >> (pool[entry >> U2] & BYTE) > U63:
        return
    node = entry >> U2
    shift = pool[node] & BYTE
    while shift > U6:
        entry = pool[node + xa.SLOTS + ((index >> shift) & U63)]
        if not xa.is_node(entry):
            return
        node = entry >> U2
        shift -= U6
    if shift == U6:
        entry = pool[node + xa.SLOTS + ((index >> U6) & U63)]
        if not xa.is_node(entry):
            return
        node = entry >> U2
    prefetch(pool, node)
    prefetch(pool, node + xa.SLOTS + (index & U63))
    prefetch(pool, node + xa.MARKS)


@called
def peek(head, h, pool, index):  # type: ignore[no-untyped-def]
    """Return what ``xa_load`` does. This is the model's own look, which counts nothing."""
    entry = head[h * xa.HEAD_WORDS + xa.H_ENTRY]
    if index >> (pool[entry >> U2] & BYTE) > U63 if xa.is_node(entry) else index != U0:
        return U0
    while xa.is_node(entry):
        node = entry >> U2
        entry = pool[node + xa.SLOTS + (index >> (pool[node] & BYTE) & U63)]
    return entry
