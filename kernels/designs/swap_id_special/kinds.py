"""Two kinds of values in PTEs: IDs of pages that went out to a special device, swap entries of all others.

A swap entry has its device, counted from 1, in bits 58 to 62, and an ID lies below: the value tells. So each step that gets a value
begins with a test of a register, and no memory is read for it.

A page keeps its kind as long as a PTE holds it. A page with an ID that moved to another device keeps the ID. A page of a special device
whose ID space is used up gets an entry (``S_PINNED``): until its last PTE is gone no mapping can be changed for it, and it moves as
pages without a layer do, by a fault and another swap-out, or not at all (parameter `move`).
"""

from __future__ import annotations

from kernels import codes
from kernels import memory as w
from kernels.compiling.constants import U0, U1, U58
from kernels.compiling.jit import called, hot, inner, u
from kernels.designs.swap_id import layer as idlayer
from kernels.designs.swap_id import moves as idmove
from kernels.designs.swap_id import own as ids
from kernels.designs.swap_id import runs as idruns
from kernels.designs.swap_id_special import own
from kernels.life import moves, runs, swapfile
from kernels.life.steps import count_is_zero
from kernels.memory import F_VALUE, f_word
from kernels.structures import cluster as cl
from kernels.structures.cluster import device_of

BY_ID = u(1 << 62)  # T_AUX: the move changes the mapping of an ID


@inner
def is_id(value):  # type: ignore[no-untyped-def]
    """True if `value` names no device."""
    return value >> U58 == U0


@inner
def resolve(st, pr, value):  # type: ignore[no-untyped-def]
    """Entry behind an ID, or the entry itself."""
    return idlayer.resolve(st, pr, value) if is_id(value) else value


@inner
def same(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """An ID is walked again; an entry leads nowhere else."""
    return not is_id(value) or idlayer.same(st, pr, value, entry)


@inner
def read_same(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """As :func:`same`, where the folio carries the ID."""
    return not is_id(value) or idlayer.read_same(st, pr, value, entry)


@inner
def still(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """As :func:`same`, where the ID dies with the count."""
    return not is_id(value) or idlayer.still(st, pr, value, entry)


@inner
def fetch_near(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch the leaf of an ID, or the data of the slot."""
    if is_id(value):
        idlayer.fetch_near(st, pr, value)
    else:
        swapfile.fetch_near(st, pr, value)


@inner
def fetch_entry(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch the data of the slot that an ID leads to."""
    if is_id(value):
        idlayer.fetch_entry(st, pr, value)


@inner
def has_id(st, value, entry):  # type: ignore[no-untyped-def]
    """Does a cached folio have a live ID? One that dies with the count is gone when no PTE holds it."""
    return value != U0 and is_id(value) and (st.ctl[ids.C_ID_LIFE] != idlayer.LIFE_COUNT or not count_is_zero(st, entry))


@inner
@hot
def publish(st, pr, f, entry, cpu):  # type: ignore[no-untyped-def]
    """An ID for a page of a special device, and the one in force for a page that moved away from there; else the entry."""
    value, special = st.folio[f_word(f, F_VALUE)], (st.ctl[own.C_SPECIAL] >> device_of(entry)) & U1 != U0
    if special or has_id(st, value, entry):
        value = idlayer.publish(st, pr, f, entry, cpu)
        if value != U0:
            return value
        st.ctl[own.S_PINNED] += U1
    st.folio[f_word(f, F_VALUE)] = entry
    return entry


@inner
def retire(st, pr, value, entry, moment):  # type: ignore[no-untyped-def]
    """Erase an ID at its moment; an entry goes with its slot."""
    if value != U0 and is_id(value):
        idlayer.retire(st, pr, value, entry, moment)


@inner
def run_limit(st, value):  # type: ignore[no-untyped-def]
    """IDs of a leaf, or entries of a cluster."""
    return idruns.run_limit(st, value) if is_id(value) else runs.run_limit(st, value)


@called
def put_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """Put `n` IDs, or `n` entries."""
    if is_id(value):
        idruns.put_run(st, pr, value, n)
    else:
        runs.put_run(st, pr, value, n)


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run the next step of the move in record `t`: one of an ID, or one without a layer."""
    if st.txn[t + w.T_STEP] == U0 and is_id(st.txn[t + w.T_VALUE]):
        st.txn[t + w.T_AUX] |= BY_ID
    if st.txn[t + w.T_AUX] & BY_ID != U0:
        return idmove.move_step(st, pr, t, cpu)
    return moves.move_step(st, pr, t, cpu)


@called
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """Move the pages of device `d` that have an ID; if slots are in use then, scan page tables for entries and fault them in."""
    if target == codes.MEMORY or target == d:
        return moves.swapoff(st, pr, d, target, cpu)
    if not cl.turn_off(st, d):
        return codes.DEVICE_OFF
    idmove.move_ids(st, pr, d, target, cpu)
    if st.dev[d * cl.DEV_WORDS + cl.D_USED] != U0:
        moves.fault_in(st, pr, d)
    return moves.sweep(st, pr, d)


LAYER = {
    "resolve": resolve,
    "same": same,
    "read_same": read_same,
    "still": still,
    "run_limit": run_limit,
    "put_run": put_run,
    "fetch_near": fetch_near,
    "fetch_entry": fetch_entry,
    "fetch_behind": idlayer.fetch_behind,
    "publish": publish,
    "retire": retire,
    "move_step": move_step,
    "swapoff": swapoff,
}
