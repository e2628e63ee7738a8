"""Nodes of a pool of :mod:`kernels.structures.xarray`: given out, and given back.

One thread has a free list in the header of the pool, and gives out again at once what was freed. Threads that share a pool have a free
list each, as the slab allocator's CPUs have, in a row behind the nodes, and take fresh nodes in chunks, as it takes slabs. A reader without
a lock may be in a node that one of them frees. So its content stays, and it is given out again after a grace period (``xa_node_free``).
"""

from __future__ import annotations

from kernels.compiling.atomic import drain, fetch_add, load_acquire
from kernels.compiling.constants import U0, U1, U2, U3, U4, U5, U6, U7, U16, U73
from kernels.compiling.jit import called, inner, operation, u
from kernels.observing.shared import ALONE, LATE, LINE, OFFLINE, THREAD, THREADS, Shared

P_FREE, P_HIGH, P_USED, P_PEAK, P_END = U0, U1, U2, U3, U4
"""Words of the pool header: head of the free list, first node never used, nodes in use, most ever in use, end of the nodes."""
SLOTS, MARKS = U5, u(69)  # words of a node
T_FREE, T_HIGH, T_END, T_USED, T_LATE, T_COUNT, T_WAITING, T_SHORT = U0, U1, U2, U3, U4, U5, U6, U7
"""Words of a thread's row: free list; its chunk; nodes in use; freed ones, and how many; those that wait for the others; times that no
node was left. The epochs of all threads when the wait began are behind T_EPOCHS."""
T_EPOCHS = U16
CHUNK = u(16)  # nodes
BATCH = u(32)  # freed nodes that wait together


def row_words(threads: int) -> int:
    """Words of a thread's row."""
    return int(T_EPOCHS) + -(-threads // 8) * 8


@operation
def node_take(pr, pool):  # type: ignore[no-untyped-def]
    """Take a node out of the pool: its slots and its marks but the first are 0."""


@operation
def node_give(pr, pool, node):  # type: ignore[no-untyped-def]
    """Give `node` back. Its slots are empty but for slot 0 of a shrunk root."""


@inner
def _take(pr, pool):  # type: ignore[no-untyped-def]
    node = pool[P_FREE]
    if node != U0:
        pool[P_FREE] = pool[node + U1]
    else:
        node = pool[P_HIGH]
        pool[P_HIGH] = node + U73
    pool[P_USED] += U1
    pool[P_PEAK] = max(pool[P_PEAK], pool[P_USED])
    return node


@inner
def _give(pr, pool, node):  # type: ignore[no-untyped-def]
    pool[node + SLOTS] = U0
    pool[node + MARKS] = U0
    pool[node + MARKS + U1] = U0
    pool[node + MARKS + U2] = U0
    pool[node] = U0
    pool[node + U1] = pool[P_FREE]
    pool[P_FREE] = node
    pool[P_USED] -= U1


@inner
def row_of(pr, pool):  # type: ignore[no-untyped-def]
    """First word of this thread's row."""
    return pool[P_END] + pr.own[THREAD] * (T_EPOCHS + (pr.own[THREADS] + U7 >> LINE << LINE))


@called
def grace_over(pr, pool, row):  # type: ignore[no-untyped-def]
    """Tell if every thread has begun another demand since the nodes that wait were freed, or replays nothing."""
    for t in range(pr.own[THREADS]):
        then = pool[row + T_EPOCHS + u(t)]
        if then != OFFLINE and load_acquire(pr.epochs, u(t) << LINE) == then:
            return False
    return True


@called
def turn(pr, pool, row):  # type: ignore[no-untyped-def]
    """Give out what has waited long enough, and let the next batch wait. Nodes of it have left their trees."""
    if pool[row + T_WAITING] != U0 and grace_over(pr, pool, row):
        last, n = pool[row + T_WAITING], U1
        while pool[last + U1] != U0:
            last = pool[last + U1]
            n += U1
        pr.own[LATE] -= min(n, pr.own[LATE])
        pool[last + U1] = pool[row + T_FREE]
        pool[row + T_FREE] = pool[row + T_WAITING]
        pool[row + T_WAITING] = U0
    if pool[row + T_WAITING] == U0 and pool[row + T_COUNT] >= BATCH:
        drain()  # what was unlinked is seen to be so before anybody's epoch is read
        for t in range(pr.own[THREADS]):
            pool[row + T_EPOCHS + u(t)] = load_acquire(pr.epochs, u(t) << LINE)
        pool[row + T_WAITING] = pool[row + T_LATE]
        pool[row + T_LATE] = pool[row + T_COUNT] = U0


@called
def fresh(pr, pool, row):  # type: ignore[no-untyped-def]
    """Take a node of the thread's chunk, which another one replaces when it is used up."""
    if pool[row + T_HIGH] == pool[row + T_END]:
        at = fetch_add(pool, P_HIGH, CHUNK * U73)
        pool[row + T_HIGH], pool[row + T_END] = at, at + CHUNK * U73
    node = pool[row + T_HIGH]
    pool[row + T_HIGH] = node + U73
    if node + U73 > pool[P_END]:  # the state is too small: the first node, so that no memory of others is written, and a finding
        pool[row + T_SHORT] += U1
        return U73
    return node


@called
def _shared_take(pr, pool):  # type: ignore[no-untyped-def]
    row = row_of(pr, pool)
    if pool[row + T_FREE] == U0 and pool[row + T_WAITING] != U0:
        turn(pr, pool, row)
    node = pool[row + T_FREE]
    if node != U0:
        pool[row + T_FREE] = pool[node + U1]
        pool[node + SLOTS] = U0
        pool[node + MARKS + U1] = U0
        pool[node + MARKS + U2] = U0
    else:
        node = fresh(pr, pool, row)
    pool[row + T_USED] += U1
    return node


@called
def _shared_give(pr, pool, node):  # type: ignore[no-untyped-def]
    row = row_of(pr, pool)
    if pool[row + T_COUNT] >= BATCH:
        turn(pr, pool, row)
    pool[node + U1] = pool[row + T_LATE]
    pool[row + T_LATE] = node
    pool[row + T_COUNT] += U1
    pr.own[LATE] += U1
    pool[row + T_USED] -= U1


for _cls in ALONE:
    node_take.register(_cls, _take)
    node_give.register(_cls, _give)
node_take.register(Shared, _shared_take)
node_give.register(Shared, _shared_give)
