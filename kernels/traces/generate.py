"""Seeded access streams, filled block by block; the block size does not change the stream.

Random numbers are SplitMix64 (Steele, Lea and Flood 2014). Zipf ranks are drawn by rejection-inversion (Hörmann and
Derflinger 1996: exact, no table, 1.0x draws a rank) and scattered over the pages by a bijection computed on the fly.
"""

from __future__ import annotations

import math

import numpy as np

from kernels.compiling.constants import LOW32, U0, U1, U32
from kernels.compiling.jit import inner, outer
from kernels.demand import FORK as FORK_KIND
from kernels.demand import UNMAP as UNMAP_KIND

GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)
MIX1, MIX2 = np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB)
ODD1, ODD2 = np.uint64(0xD134_2543_DE82_EF95), np.uint64(0xAF25_1AF3_B0F0_25B5)
S11, S27, S30, S31 = (np.uint64(i) for i in (11, 27, 30, 31))
UNIT = 2.0**-53
HALF = 0.5
KIND_MASK = np.uint64(0xFF)
FORK, UNMAP = np.uint64(FORK_KIND), np.uint64(UNMAP_KIND)

# state (uint64[8]): random state, accesses made, forks made or round, turn in the round, accesses left of the turn
RANDOM, MADE, ROUND, TURN, LEFT, COPY = range(6)
# control (uint64[16]) of `fill` and `forks`
KIND, PAGES, PER_SPACE, SHIFT, BITS, KEY, WRITES, PHASE = range(8)
RANKS, CHILDREN, EVERY, CHILD_SHARE, CHILD_WRITES = range(8, 13)
SCAN, UNIFORM, ZIPF = (np.uint64(i) for i in range(3))
# control (uint64[8]) of `interleave`
COPIES, COPY_BITS, COPY_SPACES, COPY_SHIFT, QUANTUM, COPY_KEY = range(6)
# zipf constants, skew of the sharers of `forks` (float64[5])
Q, H_FIRST, H_LAST, SQUEEZE, SHARERS = range(5)
FORK_EVENTS = np.uint64(2)  # most events before one access of `forks`


@inner
def mix(x):  # type: ignore[no-untyped-def]
    """Finaliser of SplitMix64: a bijection of the 64-bit words."""
    x = (x ^ x >> S30) * MIX1
    x = (x ^ x >> S27) * MIX2
    return x ^ x >> S31


@inner
def draw(state):  # type: ignore[no-untyped-def]
    """Next 64 random bits."""
    state[RANDOM] += GOLDEN
    return mix(state[RANDOM])


@inner
def below(state, n):  # type: ignore[no-untyped-def]
    """Random number in 0..n-1, n at most 2**32 (bias under n / 2**32)."""
    return (draw(state) >> U32) * n >> U32


@inner
def chance(state, threshold):  # type: ignore[no-untyped-def]
    """1 with probability ``threshold / 2**32``, else 0."""
    return np.uint64(draw(state) >> U32 < threshold)


@inner
def scatter(rank, n, bits, key):  # type: ignore[no-untyped-def]
    """Image of `rank` under a bijection of 0..n-1 chosen by `key`.

    Odd multiplications, additions and right xor-shifts are bijections of the numbers of `bits` bits (n <= 2**bits, bits
    >= 1). A result outside 0..n-1 is mapped again (cycle walking).
    """
    mask = (U1 << bits) - U1
    half = (bits + U1) >> U1
    x = rank
    while True:
        x = (x + key) * ODD1 & mask
        x ^= x >> half
        x = (x + (key >> U32)) * ODD2 & mask
        x ^= x >> half
        x = (x ^ key >> S11) * MIX1 & mask
        x ^= x >> half
        if x < n:
            return x


@inner
def _area(x, q):  # type: ignore[no-untyped-def]
    """Integral of t**(q - 1) from 1 to x."""
    return math.log(x) if q == 0.0 else (math.exp(q * math.log(x)) - 1.0) / q


@inner
def _area_inverse(a, q):  # type: ignore[no-untyped-def]
    """The x at which :func:`_area` is `a`."""
    return math.exp(a) if q == 0.0 else math.exp(math.log(1.0 + q * a) / q)


@inner
def zipf(state, real, n):  # type: ignore[no-untyped-def]
    """Rank 0..n-1 with probability proportional to (rank + 1)**-theta (constants from :func:`zipf_constants`)."""
    q = real[Q]
    while True:
        u = real[H_LAST] + np.float64(draw(state) >> S11) * UNIT * (real[H_FIRST] - real[H_LAST])
        x = _area_inverse(u, q)
        k = min(max(math.floor(x + HALF), 1.0), np.float64(n))
        if k - x <= real[SQUEEZE] or u >= _area(k + HALF, q) - math.exp((q - 1.0) * math.log(k)):
            return np.uint64(k) - U1


def zipf_constants(theta: float, n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Constants of the sampler for n ranks: 1 - theta, the bounds of the area, and room for SHARERS (float64[5])."""
    q = 1.0 - theta

    def area(x: float) -> float:
        return math.log(x) if q == 0.0 else (math.exp(q * math.log(x)) - 1.0) / q

    def inverse(a: float) -> float:
        return math.exp(a) if q == 0.0 else math.exp(math.log(1.0 + q * a) / q)

    squeeze = 2.0 - inverse(area(2.5) - 2.0**-theta)
    return np.array([q, area(1.5) - 1.0, area(n + 0.5), squeeze, 0.0])


@inner
def _page(control, real, state):  # type: ignore[no-untyped-def]
    """Page number of the next access of :func:`fill`."""
    kind, n = control[KIND], control[PAGES]
    if kind == SCAN:
        index = state[MADE] % n
    elif kind == UNIFORM:
        index = below(state, n)
    else:
        key = mix(control[KEY] + state[MADE] // control[PHASE])
        index = scatter(zipf(state, real, control[RANKS]), n, control[BITS], key)
    space = index // control[PER_SPACE]
    return space << control[SHIFT] | index - space * control[PER_SPACE]


@outer
def fill(control, real, state, out):  # type: ignore[no-untyped-def]
    """Fill `out` with accesses of a scan, uniform, zipf or phase-change stream.

    Parameters
    ----------
    control : uint64[16]
        KIND, PAGES touched, PER_SPACE of them, SHIFT of a space, BITS of the bijection, KEY, WRITES (share * 2**32),
        PHASE length [accesses], RANKS of the working set.
    real : float64[5]
        :func:`zipf_constants`.
    state : uint64[8]
        Carried from block to block.
    out : uint32[n]
        Out: accesses.
    """
    for i in range(out.size):
        page = _page(control, real, state)
        out[i] = page | chance(state, control[WRITES]) << S31
        state[MADE] += U1


@inner
def _event(events, positions, m, at, kind, page, count, arg):  # type: ignore[no-untyped-def]
    """Write event `m`; return the next m."""
    events[m, U0] = kind | page << U32
    events[m, U1] = count | arg << U32
    positions[m] = at
    return m + U1


@inner
def shared_run(real, pages, space):  # type: ignore[no-untyped-def]
    """Number of pages that the child in `space` shares. The number of sharers of a page falls as rank**(-1/SHARERS)."""
    if real[SHARERS] == 0.0:
        return pages
    return max(np.uint64(np.float64(pages) * math.exp(-real[SHARERS] * math.log(np.float64(space)))), U1)


@outer
def forks(control, real, state, out, events, positions):  # type: ignore[no-untyped-def]
    """Fill `out` with a parent in space 0 that is forked again and again, its children snapshots in spaces 1...

    Every EVERY accesses the oldest child goes and the parent is forked into its space: the child in space s shares the
    first s**-SHARERS of the pages. A child reads, and writes with its own share, as a zipf stream over its shared pages.

    Parameters
    ----------
    control, real, state, out
        See :func:`fill`; CHILDREN spaces, EVERY, CHILD_SHARE of the accesses and CHILD_WRITES among them (* 2**32).
    events : uint64[m, 2]
    positions : int64[m]
        Index in `out` of the access that follows the event.

    Returns
    -------
    (uint64, uint64)
        Accesses and events made; fewer accesses than `out` holds when the events are full.
    """
    n, m = U0, U0
    pages, shift, children = control[PAGES], control[SHIFT], control[CHILDREN]
    while n < np.uint64(out.size):
        if state[MADE] >= control[EVERY] * (state[ROUND] + U1):
            if m + FORK_EVENTS > np.uint64(positions.size):
                break
            space = state[ROUND] % children + U1
            if state[ROUND] >= children:
                m = _event(events, positions, m, n, UNMAP, space << shift, pages, U0)
            m = _event(events, positions, m, n, FORK, U0, shared_run(real, pages, space), space)
            state[ROUND] += U1
        alive = min(state[ROUND], children)
        space, writes = U0, control[WRITES]
        if alive > U0 and chance(state, control[CHILD_SHARE]) == U1:
            space, writes = below(state, alive) + U1, control[CHILD_WRITES]
        index = scatter(zipf(state, real, pages), pages, control[BITS], control[KEY])
        if space != U0:
            index %= shared_run(real, pages, space)
        page = space << shift | index
        out[n] = page | chance(state, writes) << S31
        n += U1
        state[MADE] += U1
    return n, m


@inner
def _next_turn(control, state):  # type: ignore[no-untyped-def]
    """Give the turn to the next copy: each once a round, in an order of the round's own."""
    if state[TURN] == control[COPIES]:
        state[TURN] = U0
        state[ROUND] += U1
    key = mix(control[COPY_KEY] + state[ROUND] * GOLDEN)
    state[COPY] = scatter(state[TURN], control[COPIES], control[COPY_BITS], key)
    state[TURN] += U1
    state[LEFT] = control[QUANTUM]


@inner
def _due(trace_events, trace_positions, length, spaces, at, e):  # type: ignore[no-untyped-def]
    """True if event `e` of a copy comes before its access `at`. Events past the trace's own are the exit."""
    own = np.uint64(trace_positions.size)
    if e < own:
        return np.uint64(trace_positions[e]) <= at
    return at == length and e < own + spaces


@inner
def _copy_event(control, state, trace_events, e, events, positions, m, at):  # type: ignore[no-untyped-def]
    """Write event `e` of the copy whose turn it is, moved into its spaces; return the next m."""
    shift = control[COPY_SHIFT]
    base = state[COPY] * control[COPY_SPACES]
    own = np.uint64(trace_events.shape[0])
    if e >= own:
        return _event(events, positions, m, at, UNMAP, base + e - own << shift, U1 << shift, U0)
    word0, word1 = trace_events[e, U0], trace_events[e, U1]
    moved = word1 >> U32
    if word0 & KIND_MASK == FORK:
        moved += base
    return _event(events, positions, m, at, word0 & LOW32, (word0 >> U32) + (base << shift), word1 & LOW32, moved)


@outer
def interleave(trace, trace_events, trace_positions, control, state, cursors, out, events, positions):  # type: ignore[no-untyped-def]
    """Fill `out` with copies of a trace that take turns of QUANTUM accesses, each copy in spaces of its own.

    A copy that reaches the end of the trace exits (its spaces are unmapped) and starts again.

    Parameters
    ----------
    trace, trace_events, trace_positions
        uint32[l], l > 0; uint64[k, 2]; int64[k]: see ``dse.workloads.trace``.
    control : uint64[8]
        COPIES, COPY_BITS (2**bits >= copies), COPY_SPACES a copy, COPY_SHIFT, QUANTUM, COPY_KEY.
    state : uint64[8]
        Carried from block to block; TURN starts at COPIES.
    cursors : uint64[c, 2]
        Next access and next event of each copy.
    out, events, positions
        As in :func:`forks`.

    Returns
    -------
    (uint64, uint64)
        Accesses and events made. Events that come before the access after the last one are in the block, unless full.
    """
    n, m, length = U0, U0, np.uint64(trace.size)
    spaces, shift = control[COPY_SPACES], control[COPY_SHIFT]
    own = np.uint64(trace_positions.size)
    while True:
        if state[LEFT] == U0:
            _next_turn(control, state)
        copy = state[COPY]
        at, e = cursors[copy, U0], cursors[copy, U1]
        if _due(trace_events, trace_positions, length, spaces, at, e):
            if m == np.uint64(positions.size):
                return n, m
            m = _copy_event(control, state, trace_events, e, events, positions, m, n)
            cursors[copy, U1] = e + U1
        elif at == length:
            cursors[copy, U0], cursors[copy, U1] = U0, U0
        elif n == np.uint64(out.size):
            return n, m
        else:
            stop = np.uint64(trace_positions[e]) if e < own else length
            run = min(stop - at, state[LEFT], np.uint64(out.size) - n)
            base = copy * spaces << shift
            for i in range(run):
                out[n + i] = trace[at + i] + base
            cursors[copy, U0] = at + run
            state[LEFT] -= run
            n += run
