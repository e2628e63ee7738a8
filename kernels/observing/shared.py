"""Probe of a thread that replays beside others on one state: locks that exclude, atomics that are atomic, counters of the thread's own.

Each thread has a state of its own that shares every array with the others but two: the control words and the pages of the folio under way
(``parts``). So counters, free lists of folios and of zswap entries are those of a CPU, as the kernel's per-CPU counters and lists are. A
control word that threads share, a lock or what atomics change, is that of ``joint``: :func:`home` finds it by the name of the field.

A lock is a queued spin lock, as ``queued_spin_lock`` is: the lock word names the last waiter, and each waits on a line of its own. A thread
holds at most one lock of a class, so that a node of the queue is one of (thread, class). Where QUEUED is 0 it is a plain one: whoever sees
it free takes it. On a busy machine a queue stands still while the next in it has no CPU. Waiting is measured by the cycle counter, by class
and by instance.

``epochs`` has a word for each thread that it changes before every demand: what is freed under RCU is given out again when all have changed
(:mod:`kernels.structures.nodes`).
"""

from __future__ import annotations

from typing import Any

from kernels.compiling.atomic import (
    compare_exchange,
    cpu_relax,
    drop,
    exchange,
    fetch_add,
    fetch_and,
    fetch_or,
    fetch_sub,
    load_acquire,
    machine,
    ticks,
)
from kernels.compiling.constants import ONES, U0, U1, U2, U3
from kernels.compiling.flat import FieldType, U64Array
from kernels.compiling.jit import called, inner, operation, u
from kernels.observing import atomics, lock, probe
from kernels.own import RANKS

THREAD, THREADS, FOLIO_FIRST, FOLIO_END, CLOCK, QUEUED, LATE = (u(i) for i in range(7))  # words of `own`
OWN_WORDS = 8
MOST_LATE = u(4096)
"""Objects that a thread may have freed without a grace period since: it waits for one then, between two demands."""
LINE = U3  # log2 of the words of a line
TAKEN, WAITED, WAITED_TICKS, WAIT_WORDS = U0, U1, U2, u(4)  # of a class in `waits`
SPOTS, SPOT_WORDS = 1024, u(4)  # locks that were waited for, in `waits` behind the classes: class and word + 1, times, ticks
SPOT_FIRST = u(RANKS) * WAIT_WORDS
SPOT_CLASS = u(56)
NEXT, AHEAD = U0, U1  # words of a node of the queue: who waits behind, and 1 while somebody is in front
OFFLINE = ONES
"""Epoch of a thread that replays nothing."""


class Shared(probe.Off):
    """Observes a thread: replies and ticks of each operation, and how long it has waited for locks."""

    ticks: U64Array
    waits: U64Array
    own: U64Array
    joint: U64Array
    queue: U64Array
    epochs: U64Array


@operation
def shared(pr):  # type: ignore[no-untyped-def]
    """Tell if other threads run on the same state."""


@operation
def mine(pr, f):  # type: ignore[no-untyped-def]
    """Tell if folio `f` is of this thread: one of another counts as locked (``folio_trylock`` fails)."""


@operation
def together(pr, ctl):  # type: ignore[no-untyped-def]
    """Control words that all threads share and change under a lock: `ctl` itself where there is one thread."""


@inner
def _no(pr):  # type: ignore[no-untyped-def]
    return False


@inner
def _yes(pr):  # type: ignore[no-untyped-def]
    return True


@inner
def _all_mine(pr, f):  # type: ignore[no-untyped-def]
    return True


@inner
def _in_range(pr, f):  # type: ignore[no-untyped-def]
    return f >= pr.own[FOLIO_FIRST] and f < pr.own[FOLIO_END]


@inner
def _alone(pr, ctl):  # type: ignore[no-untyped-def]
    return ctl


@inner
def _joint(pr, ctl):  # type: ignore[no-untyped-def]
    return pr.joint


ALONE = (probe.Off, probe.Count, probe.Timed, probe.Trace)
"""Probes of a thread that has the state for itself."""
for _cls in ALONE:
    shared.register(_cls, _no)
    mine.register(_cls, _all_mine)
    together.register(_cls, _alone)
shared.register(Shared, _yes)
mine.register(Shared, _in_range)
together.register(Shared, _joint)


@operation
def modify(pr, words, index, keep, by):  # type: ignore[no-untyped-def]
    """Keep the bits of `keep` in ``words[index]``, whose other bits atomics change, and add `by`."""


@inner
def _modify(pr, words, index, keep, by):  # type: ignore[no-untyped-def]
    words[index] = (words[index] & keep) + by


@inner
def _modify_shared(pr, words, index, keep, by):  # type: ignore[no-untyped-def]
    old = load_acquire(words, index)
    while True:
        now = compare_exchange(words, index, old, (old & keep) + by)
        if now == old:
            break
        old = now


for _cls in ALONE:
    modify.register(_cls, _modify)
modify.register(Shared, _modify_shared)


def home(pr: Any, words: Any) -> Any:
    """Array that has what threads share of `words`."""
    return words


@machine(home)
def _home(pr: Any, words: Any) -> Any:
    if isinstance(words, FieldType) and words.field == "ctl":
        return lambda pr, words: pr.joint  # noqa: ARG005 - the arguments of what it stands for
    return lambda pr, words: words  # noqa: ARG005


@inner
def node_of(pr, cls):  # type: ignore[no-untyped-def]
    """Number of this thread's node for locks of class `cls`, from 1 on."""
    return pr.own[THREAD] * u(RANKS) + cls + U1


@inner
def _in_turn(pr, me, before):  # type: ignore[no-untyped-def]
    """Wait behind node `before` of the queue until it hands the lock on."""
    exchange(pr.queue, (me << LINE) + AHEAD, U1)
    exchange(pr.queue, (before << LINE) + NEXT, me)
    while load_acquire(pr.queue, (me << LINE) + AHEAD) != U0:
        cpu_relax()


@called
def _waited(pr, words, me, before, index, cls):  # type: ignore[no-untyped-def]
    """Wait for a lock that node `before` has, and note how long."""
    start = ticks()
    if pr.own[QUEUED] != U0:
        _in_turn(pr, me, before)
    else:
        while before != U0:
            while load_acquire(words, index) != U0:
                cpu_relax()
            before = u(compare_exchange(words, index, U0, me))
    spent = ticks() - start
    at = cls * WAIT_WORDS
    pr.waits[at + WAITED] += U1
    pr.waits[at + WAITED_TICKS] += spent
    key = (cls << SPOT_CLASS | index) + U1
    i = key * u(0x9E3779B97F4A7C15) >> u(54)
    for _ in range(SPOTS):
        at = SPOT_FIRST + i * SPOT_WORDS
        if pr.waits[at] == key or pr.waits[at] == U0:
            pr.waits[at] = key
            pr.waits[at + WAITED] += U1
            pr.waits[at + WAITED_TICKS] += spent
            return
        i = (i + U1) & u(SPOTS - 1)


@inner
def _lock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    me = node_of(pr, cls)
    if pr.own[QUEUED] != U0:
        exchange(pr.queue, (me << LINE) + NEXT, U0)
        before = u(exchange(home(pr, words), index, me))
    else:
        before = u(compare_exchange(home(pr, words), index, U0, me))
    pr.waits[cls * WAIT_WORDS + TAKEN] += U1
    if before != U0:
        _waited(pr, home(pr, words), me, before, index, cls)


@inner
def _trylock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    me = node_of(pr, cls)
    exchange(pr.queue, (me << LINE) + NEXT, U0)
    free = u(compare_exchange(home(pr, words), index, U0, me)) == U0
    pr.waits[cls * WAIT_WORDS + TAKEN] += U1 if free else U0
    return free


@called
def _hand_on(pr, words, index, me):  # type: ignore[no-untyped-def]
    """Release a queued lock: nobody waits, or the next one has it."""
    if load_acquire(pr.queue, (me << LINE) + NEXT) == U0:
        if u(compare_exchange(words, index, me, U0)) == me:
            return
        while load_acquire(pr.queue, (me << LINE) + NEXT) == U0:
            cpu_relax()
    drop(pr.queue, (load_acquire(pr.queue, (me << LINE) + NEXT) << LINE) + AHEAD)


@inner
def _unlock(pr, words, index, cls):  # type: ignore[no-untyped-def]
    if pr.own[QUEUED] != U0:
        _hand_on(pr, home(pr, words), index, node_of(pr, cls))
    else:
        drop(home(pr, words), index)


lock.lock.register(Shared, _lock)
lock.trylock.register(Shared, _trylock)
lock.unlock.register(Shared, _unlock)


@inner
def _add(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    return u(fetch_add(home(pr, words), index, by))


@inner
def _sub(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    return u(fetch_sub(home(pr, words), index, by))


@inner
def _or(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    return u(fetch_or(home(pr, words), index, by))


@inner
def _and(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    return u(fetch_and(home(pr, words), index, by))


@inner
def _xchg(pr, region, word, words, index, by):  # type: ignore[no-untyped-def]
    return u(exchange(home(pr, words), index, by))


atomics.atomic_add.register(Shared, _add)
atomics.atomic_sub.register(Shared, _sub)
atomics.atomic_or.register(Shared, _or)
atomics.atomic_and.register(Shared, _and)
atomics.atomic_xchg.register(Shared, _xchg)


@called
def _synchronize(pr):  # type: ignore[no-untyped-def]
    """Wait until each other thread has begun another demand (``synchronize_rcu``). This one is in none, and says so meanwhile."""
    for t in range(pr.own[THREADS]):
        then = load_acquire(pr.epochs, u(t) << LINE)
        while u(t) != pr.own[THREAD] and then != OFFLINE and load_acquire(pr.epochs, u(t) << LINE) == then:
            cpu_relax()
            fetch_add(pr.epochs, pr.own[THREAD] << LINE, U1)
    pr.own[LATE] = U0


@inner
def _begin(pr):  # type: ignore[no-untyped-def]
    fetch_add(pr.epochs, pr.own[THREAD] << LINE, U1)
    if pr.own[LATE] > MOST_LATE:
        _synchronize(pr)
    if pr.own[CLOCK] == U0:
        pr.own[CLOCK] = ticks()


@inner
def _finish(pr, code):  # type: ignore[no-untyped-def]
    now = ticks()
    spent = now - pr.own[CLOCK]
    pr.own[CLOCK] = now
    row = code << probe.ROW_SHIFT
    pr.tally[row] += U1
    pr.tally[row + probe.TICKS] += spent
    pr.tally[row + probe.TICKS_MAX] = max(pr.tally[row + probe.TICKS_MAX], spent)
    if code < u(probe.HIST_OPS):
        pr.ticks[code * u(probe.TICK_BINS) + min(spent >> probe.TICK_SHIFT, u(probe.TICK_BINS - 1))] += U1


probe.begin.register(Shared, _begin)
probe.finish.register(Shared, _finish)
