"""The timed half of ``dse compare``: passes over the stream, in which chunks are timed on all designs, one design after the other.

A pass builds new states up by replay (probe ``off``, all cores) and times chunks that are spread over the stream. Passes follow until
:mod:`dse.measuring.pacing` says that the intervals are narrow or the budget is used up. Each pass draws anew where states lie in
memory, and times other places of the stream.

The order of the designs must not matter. The demands before a timed chunk are replayed in the same order. Just before its turn each
state replays a lead-in, untimed, so that the last-level cache holds its own lines and not those of others. Every drawn order is
followed by its reverse. A second state of the baseline replays everything as well (A/A).
"""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.common import machine, output
from dse.measuring import clock, cold, places, stats
from dse.measuring.pacing import Goal, Pace, Turn
from dse.measuring.places import AGED, FRESH, Span, cut, densest, spans
from dse.measuring.run import CHUNK, Outcome, rows_of
from kernels import demand
from kernels.observing import probe

HEADLINE = ("swap_out", "swap_in", "zap", "move")
"""Operations whose aged ratios are measured until they are narrow."""
BOTH = ("footprint", "cold")
"""States in which the headline is measured. A real fault lies between the two."""
TWIN = "A/A"
TIMED_DEMANDS = CHUNK // 4
"""Demands that are timed in a timed chunk. The rest of the chunk is replayed without the clock."""
COLD_DEMANDS = 16
"""Demands that are timed in a chunk from cold caches where these are emptied before each (see :mod:`dse.measuring.cold`)."""
LEAST = 30
"""Occurrences in a chunk, on both sides, for the chunk to give a ratio. From cold caches fewer do, as each takes long."""
LEAST_COLD = 4
DISTURBED = np.uint64(100)
"""Rarity of an interruption: an operation exceeds the histogram in fewer than one case of so many."""
FRESH_SHARE = 0.25
"""Most of a budget that may have gone when a chunk of the fresh window is timed: the headline is aged."""
RESAMPLES = 400
"""Bootstrap samples of an interval that only decides what is measured next."""


@dataclass(frozen=True)
class When:
    """Conditions of a time: the age of the structures, and the state of the caches."""

    age: str
    state: str

    @property
    def least(self) -> int:
        """Occurrences that a chunk must have."""
        return least(self.state)


def least(state: str) -> int:
    """Occurrences that a chunk must have with the caches in `state`."""
    return LEAST_COLD if state == "cold" else LEAST


@dataclass(eq=False)
class Timer:
    """Times of one design over all passes, and its live state in the pass that is running."""

    name: str
    named: naming.Named
    state: Any = None
    off: Any = field(default_factory=lambda: probe.make("off"))
    flush: Any = field(default_factory=lambda: probe.make("flush"))
    probes: dict[When, Any] = field(default_factory=dict)
    chunks: dict[When, list[NDArray[np.float64]]] = field(default_factory=dict)
    """``float64[ops, 2]`` for each timed chunk: occurrences, and ticks in all; zeros where the design sat out."""

    def replay(self, pr: Any, block: NDArray[np.uint64]) -> None:
        """Replay a block."""
        self.named.design.replay(self.state, pr, block, np.empty(len(block), np.uint8))

    def of(self, when: When, op: str) -> NDArray[np.float64]:
        """Occurrences of an operation and their ticks, by timed chunk: ``float64[chunks, 2]``."""
        return np.array([chunk[demand.OPS.index(op)] for chunk in self.chunks.get(when, [])], np.float64).reshape(-1, 2)

    def time(self, when: When, block: NDArray[np.uint64]) -> None:
        """Replay a chunk with the clock and file its sums by operation."""
        with self._filing(when) as pr:
            self.replay(pr, block)

    def time_cold(self, when: When, block: NDArray[np.uint64], chosen: Sequence[int], foot: NDArray[np.uint64]) -> None:
        """Replay a chunk up to the last chosen demand, time the chosen ones from cold caches, and file their sums by operation."""
        with self._filing(when) as pr:
            cold.replay(self, pr, self.flush, block, chosen, foot)

    @contextlib.contextmanager
    def _filing(self, when: When) -> Iterator[Any]:
        """File what the probe of `when` sees meanwhile as a chunk."""
        pr = self.probes[when]
        before, bins = rows_of(pr)[: len(demand.OPS)].copy(), pr.ticks.copy()
        yield pr
        after = rows_of(pr)[: len(demand.OPS)] - before
        self.chunks[when].append(undisturbed(after[:, 0], after[:, int(probe.TICKS)], (pr.ticks - bins).reshape(len(demand.OPS), -1)))

    def sit_out(self, when: When) -> None:
        """File a chunk in which the design was not timed."""
        self.chunks[when].append(np.zeros((len(demand.OPS), 2)))


@dataclass
class Timings:
    """Times of a comparison: those of the designs and of the second state of the baseline, and the clock."""

    sides: list[Timer]
    twin: Timer
    tick: clock.Clock

    @property
    def whens(self) -> list[When]:
        """Conditions under which something was timed."""
        return list(self.twin.chunks)


def undisturbed(n: NDArray[np.uint64], ticks: NDArray[np.uint64], bins: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Leave out operations that the system interrupted: those in the last bin, where they are rare.

    Parameters
    ----------
    n, ticks : uint64[ops]
        Occurrences of each operation, and ticks in all.
    bins : uint64[ops, bins]
        Histogram of ticks; the last bin holds everything above (some 27 us).

    Returns
    -------
    float64[ops, 2]
        Occurrences, and ticks in all. Operations that are long by nature (1 % or more in the last bin) are kept as they are.
    """
    last = bins[:, -1]
    rare = (last * DISTURBED < n) | ((last == 1) & (n >= LEAST))
    middle = (np.arange(bins.shape[1]) + 0.5) * (1 << int(probe.TICK_SHIFT))
    inside = bins[:, :-1].astype(np.float64) @ middle[:-1]
    return np.stack([np.where(rare, n - last, n), np.where(rare, inside, ticks)], 1).astype(np.float64)


def paired(side: Timer, base: Timer, when: When, op: str, tick: clock.Clock) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Chunks with enough of an operation on both sides, and its mean ticks a chunk on either side."""
    found = np.stack([side.of(when, op), base.of(when, op)])
    enough = np.asarray((found[:, :, 0] >= when.least).all(0), np.bool_)
    return enough, np.maximum(found[:, :, 1] / np.maximum(found[:, :, 0], 1.0) - tick.own_ticks, 1.0)


def ratio(side: Timer, base: Timer, when: When, op: str, tick: clock.Clock, resamples: int = stats.RESAMPLES) -> stats.Interval | None:
    """Paired ratio of an operation's mean time, chunk by chunk; None where fewer than two chunks have enough of them."""
    enough, times = paired(side, base, when, op, tick)
    n = int(enough.sum())
    return None if n < 2 else stats.paired_ratio(times[0, enough], times[1, enough], serial=True, resamples=resamples)


def footprint(scenario: Any, state: str) -> NDArray[np.uint64] | None:
    """Memory that is read before each timed operation: none in the state hot, twice the last-level cache in the state cold.

    It is written once. Of memory that was only read all pages are one page of zeros, and reading it displaces next to nothing.
    """
    from kernels.compiling.flat import aligned_zeros

    nbytes = {"hot": 0, "footprint": scenario.replay.footprint_kib << 10, "cold": 2 * machine.last_level_cache()}[state]
    foot = aligned_zeros(nbytes // 8, np.uint64) if nbytes else None
    if foot is not None:
        foot[:] = 1
    return foot


def orders(sides: Sequence[Timer], rng: np.random.Generator) -> Iterator[list[Timer]]:
    """Orders of sides without end, each followed by its reverse: no side comes early more often than another."""
    while True:
        order = [sides[i] for i in rng.permutation(len(sides))]
        yield order
        yield order[::-1]


def goals_of(designs: Sequence[str], states: Sequence[str], aged: Sequence[Span]) -> tuple[list[Goal], list[Goal]]:
    """Headline ratios that the stream can give, and those of operations too rare in it. A design alone is set against itself."""
    bases, others = naming.references(list(designs)), designs if len(designs) > 1 else [TWIN]
    found: list[Goal] = []
    rare: list[Goal] = []
    for op in HEADLINE:
        if not any(span.holds(op) for span in aged):
            continue
        for state in states:
            enough = sum(span.holds(op) >= least(state) for span in aged) >= 2
            pairs = [Goal(state, op, design, base) for design in others for base in bases if design not in (base, bases[0])]
            (found if enough else rare).extend(pairs)
    return found, rare


class Passes:
    """Passes over the stream of one variant."""

    def __init__(self, stream: Any, designs: Sequence[naming.Named], outcome: Outcome, states: Sequence[str], pace: Pace) -> None:
        self.stream, self.outcome, self.pace, self.states = stream, outcome, pace, states
        self.fresh, self.aged = spans(outcome)
        self.feet = {state: footprint(stream.scenario, state) for state in states}
        self.flushes = cold.flushes()
        self.tick = clock.calibrate()
        self.sides = [Timer(named.text, named) for named in designs]
        self.twin = Timer(TWIN, designs[0])
        self.by_name = {side.name: side for side in (*self.sides, self.twin)}
        for side in (*self.sides, self.twin):
            for when in (When(FRESH, states[0]), *(When(AGED, state) for state in states)):
                flushed = when.state == cold.STATE and self.flushes
                side.probes[when], side.chunks[when] = probe.make("timed", None if flushed else self.feet[when.state]), []

    def run(self, seed: int) -> None:
        """Run passes until the pace says that it is enough."""
        rng, build = np.random.default_rng(seed), 0.0
        while True:
            wanted = self.pace.next_pass(len(self.aged), build)
            if not wanted:
                break
            asked = list(dict.fromkeys(goal.op for goal in self.pace.open()))
            chosen = places.chosen(self.aged, wanted, self.pace.passes - 1, asked)
            first = self.fresh[1::2][: self.stream.scenario.replay.pairs] if self.pace.passes == 1 else []
            build = self.one([*first, *chosen], rng)
            for state in self.states:
                self.pace.learn(self.intervals(state))
        for side in (*self.sides, self.twin):
            side.state = None

    def in_play(self) -> list[Timer]:
        """Sides that a pass needs: those of open goals, all in the first pass; the baseline and its second state always."""
        names = {name for goal in self.pace.open() for name in (goal.design, goal.base)} if self.pace.passes > 1 else set(self.by_name)
        return [side for side in self.sides if side.name in names or side is self.sides[0]] + [self.twin]

    def one(self, chosen: Sequence[Span], rng: np.random.Generator) -> float:
        """Replay one pass; return the seconds that were not turns."""
        every = self.in_play()
        now = self.pace.budget.clock
        began, paid = now(), sum(self.pace.seconds.values())
        for side in every:
            side.state = side.named.design.build(self.stream.config(side.named.control))
        turns = orders(every, rng)
        order = next(turns)
        kept = self.outcome.survey.blocks
        title = f"{self.stream.scenario.label}: timing, pass {self.pace.passes}"
        bar = output.Progress(title, self.outcome.demands, watched=False)
        with bar as progress, concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
            for span, block in cut(iter(kept) if kept is not None else self.stream.blocks(), chosen):
                turn = self.turn(span)
                if self.pace.over:
                    break
                if turn is None or span is None:
                    self.build_up(order, block, pool)
                else:
                    self.timed(span, turn, order, block, pool)
                    order = next(turns)
                progress.step(len(block), f"{max(self.pace.budget.left, 0.0):.0f} s of the budget left")
        return now() - began - (sum(self.pace.seconds.values()) - paid)

    def build_up(self, order: Sequence[Timer], block: NDArray[np.uint64], pool: concurrent.futures.Executor) -> None:
        """Replay what lies between timed chunks. In the first pass the budget does not pay for it: some times there must be."""
        if self.pace.passes == 1:
            self.pace.budget.stop()
        _untimed(order, block, pool)
        if self.pace.passes == 1:
            self.pace.budget.start()

    def turn(self, span: Span | None) -> Turn | None:
        """The turn of a span, None where it is not timed."""
        if span is None or self.pace.budget.left <= 0.0:
            return None
        if span.age == FRESH:
            if self.pace.budget.spent > FRESH_SHARE * self.pace.budget.seconds:
                return None
            return Turn(self.states[0], ("swap_out",), frozenset(self.by_name))
        return self.pace.choose(lambda goal: span.holds(goal.op) >= least(goal.state))

    def timed(self, span: Span, turn: Turn, order: Sequence[Timer], block: NDArray[np.uint64], pool: concurrent.futures.Executor) -> None:
        """Time a part of a chunk on the sides of the turn, and replay the rest."""
        began, when = self.pace.budget.spent, When(span.age, turn.state)
        timed = [side for side in order if side.name in turn.designs or side in (self.sides[0], self.twin)]
        lead = len(block) // 4
        foot = self.feet[turn.state]
        if turn.state == cold.STATE and self.flushes and foot is not None:
            chosen = cold.picks(block, turn.ops, lead)
            at, stop = lead, chosen[-1] + 1 if chosen else lead
            for side in timed:
                side.replay(side.off, block[:lead])
                side.time_cold(when, block[lead:stop], [i - lead for i in chosen], foot)
        else:
            most = COLD_DEMANDS if turn.state == cold.STATE else TIMED_DEMANDS
            at = densest(block, turn.ops, lead, min(most, len(block) - lead), 2 * when.least)
            stop = at + most
            _untimed(order, block[: at - lead], pool)
            for side in timed:
                side.replay(side.off, block[at - lead : at])
                side.time(when, block[at:stop])
        idle = [side for side in order if side not in timed]
        _untimed(idle, block[at - lead : stop], pool)
        for side in (*self.sides, self.twin):
            if side not in timed:
                side.sit_out(when)
        _untimed(order[::-1], block[stop:], pool)
        if span.age == AGED:
            self.pace.paid(turn, self.pace.budget.spent - began)
            if self.pace.due(turn.state):
                self.pace.learn(self.intervals(turn.state))

    def intervals(self, state: str) -> Mapping[Goal, stats.Interval | None]:
        """Intervals of all goals in `state` so far."""
        when = When(AGED, state)
        return {
            goal: ratio(self.by_name[goal.design], self.by_name[goal.base], when, goal.op, self.tick, RESAMPLES)
            for goal in self.pace.goals if goal.state == state
        }  # fmt: skip


def _untimed(sides: Sequence[Timer], block: NDArray[np.uint64], pool: concurrent.futures.Executor) -> None:
    """Replay a block on `sides` with nothing observed."""
    list(pool.map(lambda side: side.replay(side.off, block), sides))


def measure(outcome: Outcome, designs: Sequence[naming.Named], states: Sequence[str], pace: Pace, seed: int) -> Timings:
    """Time the designs of a comparison.

    Parameters
    ----------
    outcome : Outcome
        The counted half. Its live states are not needed any more.
    designs : sequence of Named
        The first one is the baseline.
    states : sequence of str
        States of the caches. The first is that of the fresh window as well.
    pace : Pace
        Goals, budget and target.
    seed : int
        Order of the designs in timed chunks.
    """
    pace.budget.start()
    passes = Passes(outcome.stream, designs, outcome, states, pace)
    passes.run(seed)
    pace.budget.stop()
    return Timings(passes.sides, passes.twin, passes.tick)
