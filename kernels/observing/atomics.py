"""Atomics by name: read-modify-writes of shared words that take no lock. The probe makes of each a plain one, a count, or a real one.

A kernel says ``atomic_add(pr, REGION, word, words, index, by)``. In timed runs that is one locked instruction on ``words[index]``; the
counting variants count it (metric ``atomics``) and the line of `word` of the region as modified. All return the value before. The
instructions inside a spin lock are not among them: they are locked sections. Neither are per-CPU counters (``percpu_ref`` of
``get_swap_device``, vmstat, ``this_cpu_add``), which are plain instructions on x86.
"""

from __future__ import annotations

from kernels.compiling.atomic import exchange, fetch_add, fetch_and, fetch_or, fetch_sub
from kernels.compiling.constants import U1
from kernels.compiling.jit import inner, operation, u
from kernels.observing.probe import ATOMICS, E_ATOMIC, REGIONS, SCRATCH, Count, Off, Timed, Trace, line_seen, record


@inner
def _note(pr, region, word):  # type: ignore[no-untyped-def]
    """Count an atomic, and the line of `word` of `region` as modified."""
    pr.tally[SCRATCH + ATOMICS] += U1
    pr.tally[SCRATCH + REGIONS] |= U1 << region
    line_seen(pr, region, word)


@operation
def atomic_seen(pr, region, word):  # type: ignore[no-untyped-def]
    """Count an atomic on `word` of `region`, where the probe counts."""


@inner
def _unseen(pr, region, word):  # type: ignore[no-untyped-def]
    return None


@inner
def _traced(pr, region, word):  # type: ignore[no-untyped-def]
    record(pr, E_ATOMIC, region, word)
    _note(pr, region, word)


_cls: type
for _cls in (Off, Timed):
    atomic_seen.register(_cls, _unseen)
atomic_seen.register(Count, _note)
atomic_seen.register(Trace, _traced)


@operation
def atomic_add(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    """Add `by` (modulo 2^64) to ``words[index]``; return the value before."""


@inner
def _add(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    atomic_seen(pr, region, word)
    old = u(words[index])
    words[index] = old + by
    return old


@inner
def _real_add(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    return u(fetch_add(words, index, by))


@operation
def atomic_sub(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    """Subtract `by` (modulo 2^64) from ``words[index]``; return the value before."""


@inner
def _sub(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    atomic_seen(pr, region, word)
    old = u(words[index])
    words[index] = old - by
    return old


@inner
def _real_sub(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    return u(fetch_sub(words, index, by))


@operation
def atomic_or(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    """Set the bits of `by` in ``words[index]`` (``set_bit``); return the value before."""


@inner
def _or(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    atomic_seen(pr, region, word)
    old = u(words[index])
    words[index] = old | by
    return old


@inner
def _real_or(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    return u(fetch_or(words, index, by))


@operation
def atomic_and(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    """Keep only the bits of `by` in ``words[index]`` (``clear_bit``); return the value before."""


@inner
def _and(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    atomic_seen(pr, region, word)
    old = u(words[index])
    words[index] = old & by
    return old


@inner
def _real_and(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    return u(fetch_and(words, index, by))


@operation
def atomic_xchg(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    """Put `by` into ``words[index]``; return the value before."""


@inner
def _xchg(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    atomic_seen(pr, region, word)
    old = u(words[index])
    words[index] = by
    return old


@inner
def _real_xchg(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    return u(exchange(words, index, by))


for _cls in (Off, Count, Trace):
    atomic_add.register(_cls, _add)
    atomic_sub.register(_cls, _sub)
    atomic_or.register(_cls, _or)
    atomic_and.register(_cls, _and)
    atomic_xchg.register(_cls, _xchg)
atomic_add.register(Timed, _real_add)
atomic_sub.register(Timed, _real_sub)
atomic_or.register(Timed, _real_or)
atomic_and.register(Timed, _real_and)
atomic_xchg.register(Timed, _real_xchg)
