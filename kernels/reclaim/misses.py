"""Misses of LRU and CLOCK over dense page numbers, to be held against other cache simulators.

LRU needs no list: the accesses are their own log. A page is in the cache if and only if its last access is not behind the tail, and the
tail passes every access that is not the last one of its page. CLOCK keeps the pages in a ring of frames and one byte a page.
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U3
from kernels.compiling.jit import outer, u

PAGE = u(0x7FFF_FFFF)


@outer
def lru(accesses, capacity, last):  # type: ignore[no-untyped-def]
    """Count the misses of exact LRU.

    Parameters
    ----------
    accesses : uint32[n]
        Page numbers, bit 31 ignored; n below 2**32.
    capacity : uint64
        Pages that fit, at least 1.
    last : uint32[pages]
        Zeros; scratch.

    Returns
    -------
    uint64
    """
    tail, room, misses = U0, capacity, U0
    for i in range(accesses.size):
        page = accesses[u(i)] & PAGE
        if u(last[page]) <= tail:
            misses += U1
            if room != U0:
                room -= U1
            else:
                while True:
                    tail += U1
                    if u(last[accesses[tail - U1] & PAGE]) == tail:
                        break
        last[page] = u(i) + U1
    return misses


@outer
def clock(accesses, capacity, frames, state):  # type: ignore[no-untyped-def]
    """Count the misses of CLOCK with one bit, clear at insertion (FIFO with reinsertion).

    Parameters
    ----------
    accesses, capacity
        As in :func:`lru`.
    frames : uint32[capacity]
        Scratch.
    state : uint8[pages]
        Zeros; scratch: bit 0 in the cache, bit 1 referenced.

    Returns
    -------
    uint64
    """
    hand, used, misses = U0, U0, U0
    for i in range(accesses.size):
        page = accesses[u(i)] & PAGE
        if state[page] != U0:
            state[page] = U3
            continue
        misses += U1
        if used < capacity:
            used += U1
        else:
            while state[frames[hand]] == U3:
                state[frames[hand]] = U1
                hand = hand + U1 if hand + U1 < capacity else U0
            state[frames[hand]] = U0
        frames[hand] = page
        state[page] = U1
        hand = hand + U1 if hand + U1 < capacity else U0
    return misses
