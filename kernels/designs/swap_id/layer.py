"""Layer of the mail: a swap ID in the PTE, one xarray to the swap entry (``swap_id``; D3).

An ID is allocated when a folio is unmapped for swap-out, before the first PTE is
written, once per folio. Its slot holds the 8-byte swap entry as a value. Bit 57 of it,
above every offset, is this model's note that the entry has moved since (no byte, no
access).

Life (``id_life``): *count* frees the ID when the swap count of the entry falls to 0, as in the mail; *count+cache* keeps it as long
as the swap cache holds the slot, the folio carrying it. Upkeep: *ride* erases it in the free path under the cluster lock, *apart*
has an allocator lock of its own and erases after the cluster lock is dropped.
"""

from __future__ import annotations

from kernels import control
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, hot, inner, u
from kernels.designs.swap_id import own
from kernels.designs.swap_id.hooks import link, unlink
from kernels.designs.swap_id.own import F_ID_ALLOC, F_ID_ERASE, F_ID_FIND, F_ID_LOAD, L_ID, L_ID_ALLOC, R_ID, R_ID_NODE, R_ID_RANGE
from kernels.life.steps import count_is_zero
from kernels.memory import F_VALUE, f_word
from kernels.observing.lock import lock, unlock
from kernels.observing.probe import F_NONE, step, touch, wrote
from kernels.observing.shared import together
from kernels.structures import idalloc, leaves
from kernels.structures import xarray as xa
from kernels.structures.cluster import CPU_OWN, CPU_WORDS, slot_of
from kernels.structures.slots import slot_fetch

MOVED_BIT = u(1 << 57)
LIFE_COUNT, LIFE_CACHE = U0, U1  # C_ID_LIFE
RIDE, APART = U0, U1  # C_UPKEEP
LOWEST, PER_CPU, CYCLIC, REUSE = (u(i) for i in range(4))  # C_ID_POLICY
RANGE, RANGE_USED = CPU_OWN, CPU_OWN + U1  # words of a CPU: its range, and how many IDs of that are given out
TRIES = 64  # ranges looked at before the lowest free ID is taken


@inner
@hot
def resolve(st, pr, value):  # type: ignore[no-untyped-def]
    """Swap entry behind ID `value` (``xa_load``), 0 if there is none."""
    step(pr, F_ID_LOAD)
    found = xa.load(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, value)
    step(pr, F_NONE)
    return (found >> U1) & ~MOVED_BIT


@inner
def fetch_near(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch the leaf of the ID tree."""
    leaves.leaf(st.idhead, U0, st.idpool, value)


@inner
def fetch_entry(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch the data of the slot that the ID leads to."""
    entry = resolve(st, pr, value)
    if entry != U0:
        fetch_behind(st, pr, entry)


@inner
def fetch_behind(st, pr, entry):  # type: ignore[no-untyped-def]
    """Prefetch the data of the slot."""
    slot_fetch(st, pr, slot_of(st, entry))


@inner
def same(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Walk again with folio and PTE locked: the mapping may have changed since `entry` was loaded."""
    return resolve(st, pr, value) == entry


@inner
def read_same(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Walk again before the read if the folio will carry the ID, which must be the right one. Else :func:`still` is early enough."""
    return st.ctl[own.C_ID_LIFE] == LIFE_COUNT or resolve(st, pr, value) == entry


@inner
def still(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Walk again after the read if the ID dies with the count: it may have moved, or been given to another page, since it was loaded.

    One walk under the page-table lock says both. A folio that was read for nothing stays in the swap cache of its own slot. An ID that
    the folio carries has been asked for before the read, and cannot change while the folio is locked.
    """
    return st.ctl[own.C_ID_LIFE] == LIFE_CACHE or resolve(st, pr, value) == entry


@called
def from_range(st, pr, new, cpu):  # type: ignore[no-untyped-def]
    """Allocate from the CPU's own range of 2^C_ID_RANGE IDs; the next range of the space replaces a used-up one."""
    ctl, at = st.ctl, cpu * CPU_WORDS + RANGE
    size = U1 << ctl[own.C_ID_RANGE]
    ranges = max(U1, (ctl[own.C_ID_LIMIT] + U1) // size)
    for _ in range(TRIES):
        touch(pr, R_ID_RANGE, at >> U1)
        first = st.percpu[at] * size
        low = max(U1, first + st.percpu[at + U1])
        if low < first + size:
            found = idalloc.alloc(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, low, first + size - U1, new)
            if found != xa.NOT_FOUND:
                st.percpu[at + U1] = found - first + U1
                wrote(pr, R_ID_RANGE, at >> U1)
                return found
        st.percpu[at] = together(pr, ctl)[own.S_ID_NEXT] % ranges
        st.percpu[at + U1] = U0
        together(pr, ctl)[own.S_ID_NEXT] += U1
    return idalloc.alloc(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, U1, ctl[own.C_ID_LIMIT], new)


@called
@hot
def from_start(st, pr, new, low):  # type: ignore[no-untyped-def]
    """First free ID from `low` on, else from 1 on (``xa_alloc_cyclic``)."""
    found = idalloc.alloc(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, max(U1, low), st.ctl[own.C_ID_LIMIT], new)
    if found == xa.NOT_FOUND and low > U1:
        found = idalloc.alloc(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, U1, st.ctl[own.C_ID_LIMIT], new)
    return found


@called
def from_slot(st, pr, new, entry):  # type: ignore[no-untyped-def]
    """Index of the slot itself; if a page that has moved away still has it, an ID above all slots (a collision)."""
    want = slot_of(st, entry) + U1
    if xa.load(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, want) == U0:
        xa.store(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, want, new)
        return want
    st.ctl[own.S_ID_COLLISIONS] += U1
    return from_start(st, pr, new, st.ctl[control.C_ALL_SLOTS] + U1)


@inner
def lock_ids(st, pr, function):  # type: ignore[no-untyped-def]
    """Take the lock of the ID tree for the kernel's `function`, behind that of an allocator of its own where there is one."""
    if st.ctl[own.C_UPKEEP] == APART:
        lock(pr, st.ctl, own.S_ID_LOCK, L_ID_ALLOC)
    step(pr, function)
    lock(pr, st.idhead, xa.H_LOCK, L_ID)


@inner
def unlock_ids(st, pr):  # type: ignore[no-untyped-def]
    """Release what :func:`lock_ids` took."""
    unlock(pr, st.idhead, xa.H_LOCK, L_ID)
    step(pr, F_NONE)
    if st.ctl[own.C_UPKEEP] == APART:
        unlock(pr, st.ctl, own.S_ID_LOCK, L_ID_ALLOC)


@called
def id_alloc(st, pr, entry, cpu):  # type: ignore[no-untyped-def]
    """Allocate an ID that maps to `entry`; 0 if the space is used up."""
    ctl, new, policy = st.ctl, xa.mk_value(entry), st.ctl[own.C_ID_POLICY]
    lock_ids(st, pr, F_ID_ALLOC)
    if policy == PER_CPU:
        found = from_range(st, pr, new, cpu)
    elif policy == CYCLIC:
        found = from_start(st, pr, new, together(pr, ctl)[own.S_ID_NEXT])
        together(pr, ctl)[own.S_ID_NEXT] = found + U1
    elif policy == REUSE:
        found = from_slot(st, pr, new, entry)
    else:
        found = from_start(st, pr, new, U1)
    unlock_ids(st, pr)
    if found == xa.NOT_FOUND:
        return U0
    ctl[own.S_ID_LIVE] += U1
    ctl[own.S_ID_PEAK] = max(ctl[own.S_ID_PEAK], ctl[own.S_ID_LIVE])
    return found


@called
def id_free(st, pr, value):  # type: ignore[no-untyped-def]
    """Erase ID `value`."""
    ctl = st.ctl
    lock_ids(st, pr, F_ID_ERASE)
    old = xa.erase(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, value)
    unlock_ids(st, pr)
    ctl[own.S_ID_LIVE] -= U1
    ctl[own.S_ID_FREED] += U1
    ctl[own.S_ID_NEVER_MOVED] += U1 if (old >> U1) & MOVED_BIT == U0 else U0


@inner
@hot
def publish(st, pr, f, entry, cpu):  # type: ignore[no-untyped-def]
    """ID that PTEs will hold for `entry`: the one in force, or a new one."""
    value = st.folio[f_word(f, F_VALUE)]
    if value == U0 or (st.ctl[own.C_ID_LIFE] == LIFE_COUNT and count_is_zero(st, entry)):
        value = id_alloc(st, pr, entry, cpu)
        st.folio[f_word(f, F_VALUE)] = value
        if value != U0:
            link(st, pr, value, entry)
    return value


@inner
def retire(st, pr, value, entry, moment):  # type: ignore[no-untyped-def]
    """Erase the ID at the moment that its life and upkeep set; what leads to it from the slot goes before, while the slot is locked."""
    if moment == st.ctl[own.C_ID_LIFE] << U1:
        unlink(st, pr, entry, U1)
    if moment == st.ctl[own.C_ID_LIFE] << U1 | st.ctl[own.C_UPKEEP]:
        id_free(st, pr, value)


@inner
def next_id(st, pr, index):  # type: ignore[no-untyped-def]
    """Lowest ID in use from `index` on; NOT_FOUND if there is none."""
    step(pr, F_ID_FIND)
    found = idalloc.next_index(st.idhead, st.idpool, pr, R_ID, R_ID_NODE, index)
    step(pr, F_NONE)
    return found
