"""Loops over the xarray model and over a bare array: the timed part of our side (xarray.c has the same loops)."""

from __future__ import annotations

from kernels import demand
from kernels.compiling.atomic import drop, load_fence, take
from kernels.compiling.constants import ONES, U0, U1, U2, U16, U32
from kernels.compiling.flat import Flat, U64Array
from kernels.compiling.jit import inner, outer, u
from kernels.designs import direct
from kernels.designs.swap_id.own import R_ID, R_ID_NODE
from kernels.life import registry as s
from kernels.structures import cluster, xarray
from kernels.structures.idalloc import alloc

HIGH = ONES >> U1
ODD1, ODD2 = u(0x9E3779B97F4A7C15), u(0xD1342543DE82EF95)  # odd, so multiplication is a bijection (golden ratio; an LCG multiplier)


class Bench(Flat):
    """A tree, and a bare array of as many words as the tree has entries."""

    head: U64Array
    pool: U64Array
    plain: U64Array


class Held(direct.Direct):
    """State of *direct* of which only the slots are used: the slot of each holder, and a bare array as in :class:`Bench`."""

    held: U64Array
    plain: U64Array


s.bind(Held, direct.OPERATIONS)


@inner
def scramble(i, bits):  # type: ignore[no-untyped-def]
    """Bijection of 0 .. 2**bits - 1: neighbours land far apart."""
    mask = (U1 << bits) - U1
    x = i * ODD1 & mask
    x ^= x >> ((bits + U1) >> U1)
    return x * ODD2 & mask


@outer
def load_fenced(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        index = scramble(first + i, bits)
        load_fence()
        total += xarray.load(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, index)
    return total


@outer
def load_overlapped(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        total += xarray.load(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, scramble(first + i, bits))
    return total


@outer
def overwrite_fenced(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        index = scramble(first + i, bits)
        load_fence()
        take(st.head, U0)
        total += xarray.store(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, index, (first + i) << U1 | U1)
        drop(st.head, U0)
    return total


@outer
def overwrite_overlapped(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        total += xarray.store(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, scramble(first + i, bits), (first + i) << U1 | U1)
    return total


@outer
def erase_fenced(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        index = scramble(first + i, bits)
        load_fence()
        take(st.head, U0)
        total += xarray.erase(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, index)
        drop(st.head, U0)
    return total


@outer
def erase_overlapped(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        total += xarray.erase(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, scramble(first + i, bits))
    return total


@outer
def alloc_fenced(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        index = scramble(first + i, bits)
        load_fence()
        take(st.head, U0)
        total += alloc(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, U0, HIGH, index << U1 | U1)
        drop(st.head, U0)
    return total


@outer
def alloc_overlapped(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        total += alloc(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, U0, HIGH, scramble(first + i, bits) << U1 | U1)
    return total


@inner
def churn(st, pr, index, value):  # type: ignore[no-untyped-def]
    """Erase `index`, then allocate the lowest free index, which is the same."""
    xarray.erase(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, index)
    return alloc(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, U0, HIGH, value)


@outer
def churn_fenced(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        index = scramble(first + i, bits)
        load_fence()
        take(st.head, U0)
        total += churn(st, pr, index, (first + i) << U1 | U1)
        drop(st.head, U0)
    return total


@outer
def churn_overlapped(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        total += churn(st, pr, scramble(first + i, bits), (first + i) << U1 | U1)
    return total


@inner
def exchange(st, pr, at):  # type: ignore[no-untyped-def]
    """Let holder `at` free its slot of the SSD and take another."""
    g = st.held[at]
    ci = cluster.lock_cluster(st, pr, g)
    cluster.slot_release(st, pr, SSD, g)
    cluster.unlock_cluster(st, pr, ci)
    st.held[at] = cluster.slot_alloc(st, pr, SSD, U0) - U1
    return st.held[at]


@outer
def cluster_fenced(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        at = scramble(first + i, bits)
        load_fence()
        total += exchange(st, pr, at)
    return total


@outer
def cluster_overlapped(st, pr, first, n, bits):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(n):
        total += exchange(st, pr, scramble(first + i, bits))
    return total


@outer
def hold(st, pr, bits):  # type: ignore[no-untyped-def]
    """Let each of 2**bits holders take a slot, in order."""
    for i in range(U1 << bits):
        st.held[i] = cluster.slot_alloc(st, pr, SSD, U0) - U1


@outer
def fill(st, pr, n):  # type: ignore[no-untyped-def]
    """Store a value at each index 0 .. n - 1 in order, as an allocating tree does it."""
    for i in range(n):
        alloc(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, U0, HIGH, i << U1 | U1)


@outer
def fill_plain(st, bits):  # type: ignore[no-untyped-def]
    """Fill the bare array with one cycle through all 2**bits words, in scrambled order: each word names the next."""
    n = U1 << bits
    for i in range(n):
        st.plain[scramble(i, bits)] = scramble((i + U1) & (n - U1), bits)


@outer
def plain_dependent(st, first, n, bits):  # type: ignore[no-untyped-def]
    """Load the bare array `n` times, each time at the index that the last load gave."""
    at = scramble(first, bits)
    for _ in range(n):
        at = st.plain[at]
    return at


ACCESS_WRITE, ACCESS_PAGE = u(1 << 31), u((1 << 31) - 1)
FAULT, RECLAIM, SSD = u(demand.FAULT), u(demand.RECLAIM), u(demand.SSD)
F_WRITE, F_DIRTY = u(demand.WRITE) << u(56), u(demand.DIRTY) << u(56)


@inner
def unlink(links, p):  # type: ignore[no-untyped-def]
    """Take `p` out of the list."""
    after, before = u(links[p * U2]), u(links[p * U2 + U1])
    links[before * U2] = after
    links[after * U2 + U1] = before


@inner
def push(links, head, p):  # type: ignore[no-untyped-def]
    """Put `p` at the front of the list."""
    after = u(links[head * U2])
    links[p * U2] = after
    links[p * U2 + U1] = head
    links[head * U2] = p
    links[after * U2 + U1] = p


@outer
def lru_demands(accesses, links, flags, resident, frames, demands):  # type: ignore[no-untyped-def]
    """Write the demands of exact LRU over `frames` frames; return their number.

    `links` (uint32[2 * pages + 2]) is the list, its head the last pair, linked to itself at first; `flags` (uint8[pages]) bit 0
    resident, bit 1 written; `resident` (uint64[1]) the pages in memory; `demands` (uint64[2 * len(accesses), 2]).
    """
    n = U0
    head = u(len(flags))
    for i in range(len(accesses)):
        access = u(accesses[i])
        p = access & ACCESS_PAGE
        if flags[p] != 0:
            unlink(links, p)
        else:
            if resident[0] == frames:
                victim = u(links[head * U2 + U1])
                unlink(links, victim)
                demands[n, 0], demands[n, 1] = RECLAIM | SSD << U16 | victim << U32, F_DIRTY if flags[victim] & U2 != U0 else U0
                flags[victim] = 0
                n += U1
            else:
                resident[0] += U1
            demands[n, 0], demands[n, 1] = FAULT | p << U32, F_WRITE if access & ACCESS_WRITE != U0 else U0
            n += U1
        flags[p] |= U1 | (U2 if access & ACCESS_WRITE != U0 else U0)
        push(links, head, p)
    return n


@outer
def xorshift(n):  # type: ignore[no-untyped-def]
    """Run `n` steps of Marsaglia's xorshift (13, 7, 17): a loop in registers, to show the machine's limit for two threads."""
    x = ODD1
    for _ in range(n):
        x ^= x << u(13)
        x ^= x >> u(7)
        x ^= x << u(17)
    return x
