"""Memory cgroups as swap sees them: the page counters of memory.swap, the private id with its references, the look-up by id.

All lies in one array, ``memcgs``: the head of the xarray of ids (mm/memcontrol.c: ``mem_cgroup_ids``), its nodes, then a block for each
memory cgroup, ancestors first. A block has four lines:

===== =============================================================================================
words content
===== =============================================================================================
0     usage [pages] (include/linux/page_counter.h: alone on its line)
8     watermark [pages]
16    max [pages]; 17: first word of the parent's block, 0 for the root
24    references of the id (``struct mem_cgroup_id``)
===== =============================================================================================

C_MEMCGS is the first word of the block of memory cgroup 0, whose number stands for none. The first of C_ANCESTORS blocks in front of it
is the root's; each ancestor is the parent of the next, and the last one of every memory cgroup.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.compiling.constants import U0, U2
from kernels.compiling.flat import aligned_zeros
from kernels.compiling.jit import called, hot, inner, u
from kernels.control import C_MEMCGS
from kernels.observing.atomics import atomic_add, atomic_sub
from kernels.observing.probe import F_NONE, step, touch, wrote
from kernels.observing.regions import (
    F_CHARGE,
    F_FROM_ID,
    F_ID_GET,
    F_ID_PUT,
    F_UNCHARGE,
    R_COUNTER,
    R_MEMCG_ID,
    R_MEMCG_IDS,
)
from kernels.structures import xarray as xa

WORDS = u(32)
P_USAGE, P_WATERMARK, P_MAX, P_PARENT, P_ID = U0, u(8), u(16), u(17), u(24)
NODE, FANOUT_SHIFT = 72, 6
NO_MAX = (1 << 63) // 4096
"""PAGE_COUNTER_MAX of include/linux/page_counter.h [pages]."""


def new(memcgs: int, depth: int, most: int) -> tuple[NDArray[np.uint64], int]:
    """Blocks of `memcgs` memory cgroups, numbered from 1 on, below `depth` - 1 ancestors.

    Parameters
    ----------
    memcgs : int
        The highest number of a memory cgroup.
    depth : int
        Page counters from a memory cgroup to the root, both included.
    most : int
        Limit of each memory cgroup [pages], 0 for none.

    Returns
    -------
    numpy.ndarray
        ``uint64[words]``.
    int
        First word of block 0.
    """
    size = int(WORDS)
    levels = max(1, -(-memcgs.bit_length() // FANOUT_SHIFT))
    counts = [(memcgs >> FANOUT_SHIFT * (level + 1)) + 1 for level in range(levels)]
    ancestors = -(-(8 + sum(counts) * NODE) // size) * size
    first = ancestors + (depth - 1) * size
    words = aligned_zeros(first + (memcgs + 1) * size, np.uint64)
    blocks = words[ancestors:].reshape(-1, size)
    blocks[:, int(P_MAX)] = NO_MAX
    blocks[1:, int(P_PARENT)] = ancestors + np.minimum(np.arange(len(blocks) - 1), depth - 2) * size
    if depth == 1:
        blocks[:, int(P_PARENT)] = 0
    blocks[:, int(P_ID)] = 1
    if most:
        blocks[depth - 1 :, int(P_MAX)] = most
    _index(words, counts, [first + m * size for m in range(memcgs + 1)])
    return words, first


def _index(words: NDArray[np.uint64], counts: list[int], blocks: list[int]) -> None:
    """Enter `blocks` into the xarray of ids; `counts` has its nodes by level, leaves first."""
    at, below = 8, [block << 2 for block in blocks]
    below[0] = 0
    for level, count in enumerate(counts):
        for n in range(count):
            node, under = at + n * NODE, below[n << FANOUT_SHIFT : n + 1 << FANOUT_SHIFT]
            words[node] = level * FANOUT_SHIFT | (n & 63) << 8 | sum(entry != 0 for entry in under) << 16
            words[node + int(xa.SLOTS) : node + int(xa.SLOTS) + len(under)] = under
            for entry in under if level else ():
                words[(entry >> 2) + 1] = node
        at, below = at + count * NODE, [(at + n * NODE) << 2 | 2 for n in range(count)]
    words[int(xa.H_ENTRY)] = below[0]


@inner
def block_of(st, memcg):  # type: ignore[no-untyped-def]
    """First word of the block of memory cgroup `memcg`."""
    return st.ctl[C_MEMCGS] + memcg * WORDS


@called
@hot
def from_id(st, pr, memcg):  # type: ignore[no-untyped-def]
    """``mem_cgroup_from_id``: look the memory cgroup up; the first word of its block, 0 if there is none."""
    step(pr, F_FROM_ID)
    found = xa.load(st.memcgs, U0, st.memcgs, pr, R_MEMCG_IDS, R_MEMCG_IDS, memcg) >> U2
    step(pr, F_NONE)
    return found


@inner
def id_get(st, pr, block, n):  # type: ignore[no-untyped-def]
    """``mem_cgroup_id_get_online``: `n` references more to the id, in one atomic."""
    step(pr, F_ID_GET)
    atomic_add(pr, R_MEMCG_ID, block + P_ID, st.memcgs, block + P_ID, n)
    step(pr, F_NONE)


@inner
def id_put(st, pr, block, n):  # type: ignore[no-untyped-def]
    """``mem_cgroup_id_put_many``: `n` references less, in one atomic."""
    step(pr, F_ID_PUT)
    atomic_sub(pr, R_MEMCG_ID, block + P_ID, st.memcgs, block + P_ID, n)
    step(pr, F_NONE)


@inner
def add(st, pr, at, n):  # type: ignore[no-untyped-def]
    """Charge `n` pages to the counter at word `at`, without a look at its limit; return the first word of the parent's, 0 at the root."""
    usage = atomic_add(pr, R_COUNTER, at + P_USAGE, st.memcgs, at + P_USAGE, n) + n
    touch(pr, R_COUNTER, at + P_MAX)
    if usage > st.memcgs[at + P_WATERMARK]:
        st.memcgs[at + P_WATERMARK] = usage
        wrote(pr, R_COUNTER, at + P_WATERMARK)
    else:
        touch(pr, R_COUNTER, at + P_WATERMARK)
    return st.memcgs[at + P_PARENT]


@called
@hot
def charge(st, pr, at, n):  # type: ignore[no-untyped-def]
    """``page_counter_charge``: charge `n` pages to the counter at word `at` and to all above it, whatever the limit."""
    step(pr, F_CHARGE)
    while at != U0:
        at = add(st, pr, at, n)
    step(pr, F_NONE)


@called
@hot
def try_charge(st, pr, at, n):  # type: ignore[no-untyped-def]
    """``page_counter_try_charge`` of `n` pages; false, and nothing charged, beyond the limit, which only the lowest counter has."""
    if st.memcgs[at + P_USAGE] + n > st.memcgs[at + P_MAX]:
        step(pr, F_CHARGE)
        atomic_add(pr, R_COUNTER, at + P_USAGE, st.memcgs, at + P_USAGE, n)
        touch(pr, R_COUNTER, at + P_MAX)
        atomic_sub(pr, R_COUNTER, at + P_USAGE, st.memcgs, at + P_USAGE, n)
        step(pr, F_NONE)
        return False
    charge(st, pr, at, n)
    return True


@called
def uncharge(st, pr, at, n):  # type: ignore[no-untyped-def]
    """``page_counter_uncharge``: `n` pages less on the counter at word `at` and on all above it, in one atomic each."""
    step(pr, F_UNCHARGE)
    while at != U0:
        atomic_sub(pr, R_COUNTER, at + P_USAGE, st.memcgs, at + P_USAGE, n)
        touch(pr, R_COUNTER, at + P_PARENT)
        at = st.memcgs[at + P_PARENT]
    step(pr, F_NONE)


@inner
def half_full(st, pr, at):  # type: ignore[no-untyped-def]
    """``mem_cgroup_swap_full``, second half: at least half of the limit of the counter at word `at`, or of one above it, is used.

    The root's counter has no limit and is not looked at.
    """
    full = False
    while not full and st.memcgs[at + P_PARENT] != U0:
        touch(pr, R_COUNTER, at + P_USAGE)
        touch(pr, R_COUNTER, at + P_MAX)
        full = st.memcgs[at + P_USAGE] * U2 >= st.memcgs[at + P_MAX]
        at = st.memcgs[at + P_PARENT]
    return full
