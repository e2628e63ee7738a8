"""Prefetch of a leaf of an xarray, ahead of the demand that will walk to it (:mod:`kernels.life.prefetch`)."""

from __future__ import annotations

from kernels.compiling.atomic import prefetch
from kernels.compiling.constants import BYTE, U2, U6, U63
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
