"""Neighbouring entries of an xarray erased under one hold of its lock, with one walk a leaf (``xas_for_each`` and ``xas_store``)."""

from __future__ import annotations

from kernels.compiling.constants import BYTE, U0, U1, U16, U63
from kernels.compiling.jit import called
from kernels.observing.probe import touch
from kernels.structures import xarray as xa


@called
def erase(head, h, pool, pr, rh, rn, index, n):  # type: ignore[no-untyped-def]
    """Erase the entries at `index` .. `index` + `n` - 1 of tree `h`, as far as there are any. The caller holds the tree's lock."""
    end = index + n
    while index < end:
        slot = xa.find_slot(head, h, pool, pr, rh, rn, index)
        if slot == U0:  # an entry in the head itself, or none
            xa.erase(head, h, pool, pr, rh, rn, index)
            index += U1
            continue
        node, stop = xa.node_of(slot, index), min(end, (index | U63) + U1)
        while index < stop and pool[node] >> U16 & BYTE != U0:  # a node without entries was freed
            touch(pr, rn, slot)
            xa.erase_slot(head, h, pool, pr, rh, rn, slot, index)
            slot, index = slot + U1, index + U1
