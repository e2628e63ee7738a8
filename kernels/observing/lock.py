"""Locks by name. The type of the probe makes of each nothing, a count, or a real uncontended atomic.

A kernel says ``lock(pr, words, index, CLASS)``; the lock word lies where the kernel keeps it (in the cluster header, in the head
of the tree). The classes are ranked: a lock may only be taken while no lock of the same or a higher rank is held. The counting
variant checks the rank on every operation.
"""

from __future__ import annotations

from kernels.compiling.atomic import drop, take
from kernels.compiling.constants import U1
from kernels.compiling.jit import inner, operation
from kernels.observing.probe import E_LOCK, E_TRY, E_UNLOCK, HELD, LOCK_ORDER, LOCKS, SCRATCH, Count, Off, Timed, Trace, record
from kernels.own import COMMON

# Outermost first, as mm/swapfile.c nests them: the cluster lock outside the device lock and the tree locks.
L_CLUSTER = COMMON.lock("cluster")
L_CLUSTER2 = COMMON.lock("second cluster")
L_DEVICE = COMMON.lock("device")
L_CACHE = COMMON.lock("swap cache xa_lock")
L_ZTREE = COMMON.lock("zswap tree xa_lock")
L_ZLRU = COMMON.lock("zswap LRU")
L_CONT = COMMON.lock("continuation")
L_SHADOWS = COMMON.lock("shadow node LRU")
# Locks of the common steps (kernels.structures.common): taken and released within one function, inside of all others.
L_SLOTS_CACHE = COMMON.lock("swap_slots_cache")
L_SWAP_CGROUP = COMMON.lock("swap_cgroup_ctrl")
L_LRUVEC = COMMON.lock("lruvec")
L_ZS_POOL = COMMON.lock("zsmalloc pool")
L_ZSPAGE = COMMON.lock("zspage")
L_ZS_CLASS = COMMON.lock("zsmalloc class")
L_AVAIL = COMMON.lock("swap_avail_lock")


@operation
def lock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    """Take the lock in ``words[index]`` of class `cls`."""


@operation
def trylock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    """Take a lock against the order of the classes, as ``spin_trylock`` may: it fails instead of waiting. False: it failed.

    It fails only where threads share the state (:mod:`kernels.observing.shared`).
    """


@operation
def unlock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    """Release the lock in ``words[index]`` of class `cls`."""


@inner
def _none(pr, words, index, cls):  # type: ignore[no-untyped-def]
    return None


@inner
def _had(pr, words, index, cls):  # type: ignore[no-untyped-def]
    return True


@inner
def _count_lock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    pr.tally[SCRATCH + LOCKS] += U1
    if pr.tally[HELD] >> cls:
        pr.tally[SCRATCH + LOCK_ORDER] += U1
    pr.tally[HELD] |= U1 << cls


@inner
def _count_trylock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    pr.tally[SCRATCH + LOCKS] += U1
    pr.tally[HELD] |= U1 << cls
    return True


@inner
def _count_unlock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    pr.tally[HELD] &= ~(U1 << cls)


@inner
def _trace_lock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    record(pr, E_LOCK, cls, index)
    _count_lock(pr, words, index, cls)


@inner
def _trace_trylock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    record(pr, E_TRY, cls, index)
    record(pr, E_LOCK, cls, index)
    return _count_trylock(pr, words, index, cls)


@inner
def _trace_unlock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    record(pr, E_UNLOCK, cls, index)
    _count_unlock(pr, words, index, cls)


@inner
def _take(pr, words, index, cls):  # type: ignore[no-untyped-def]
    take(words, index)


@inner
def _take_at_once(pr, words, index, cls):  # type: ignore[no-untyped-def]
    take(words, index)
    return True


@inner
def _drop(pr, words, index, cls):  # type: ignore[no-untyped-def]
    drop(words, index)


lock.register(Off, _none)
trylock.register(Off, _had)
trylock.register(Count, _count_trylock)
trylock.register(Trace, _trace_trylock)
trylock.register(Timed, _take_at_once)
unlock.register(Off, _none)
lock.register(Count, _count_lock)
unlock.register(Count, _count_unlock)
lock.register(Trace, _trace_lock)
unlock.register(Trace, _trace_unlock)
lock.register(Timed, _take)
unlock.register(Timed, _drop)
