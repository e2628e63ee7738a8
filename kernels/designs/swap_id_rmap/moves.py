"""Moves that come from a slot: a backend that moves a page, and a swapoff, find the ID in the reverse tree."""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called
from kernels.designs.swap_id import moves as idmove
from kernels.designs.swap_id_rmap import reverse
from kernels.life import moves
from kernels.structures import cluster as cl
from kernels.structures import xarray as xa


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run the next step of the move in record `t`. Before the first one the ID of the slot is looked up: the mover knows its slots only.

    That goes for zswap's writeback as well, whose folio carries the ID.
    """
    if st.txn[t + w.T_STEP] == U0:
        st.txn[t + w.T_VALUE] = reverse.id_of(st, pr, st.txn[t + w.T_ENTRY])
    return idmove.move_step(st, pr, t, cpu)


@called
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """Visit the slots of device `d` that have an ID, and move their pages; neither page tables nor other IDs are read.

    As in *swap_id* there is no entry that means "in memory": the target MEMORY needs the scan of page tables.
    """
    if target == codes.MEMORY or target == d:
        return moves.swapoff(st, pr, d, target, cpu)
    if not cl.turn_off(st, d):
        return codes.DEVICE_OFF
    offset, value = reverse.next_on(st, pr, d, U0)
    while offset != xa.NOT_FOUND:
        st.ctl[control.S_SCANNED] += U1
        idmove.move_off(st, pr, value, cl.make_entry(d, offset), target, cpu)
        offset, value = reverse.next_on(st, pr, d, offset + U1)
    return moves.sweep(st, pr, d)
