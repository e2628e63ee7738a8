"""Pacing of timed measuring: until the intervals are narrow, or a budget is used up. What is measured next is decided here.

A goal is the interval of one headline ratio: an operation of a design against a base, with the caches in one state. A turn is one
timed chunk in one state. The state that had less time so far gets it. In it the operations with open goals, the widest interval
first, decide where in the chunk the demands are timed, and designs without an open goal sit out.

Width alone decides when a goal is met, never the side of 1 on which the ratio lies. To stop where a difference shows would make
differences show.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dse.measuring.stats import Interval

BUDGET_S, WIDTH = 60.0, 0.05
"""Seconds of measuring in a whole comparison, and the width of an interval over its ratio that is asked for, unless told."""
LEAST_PAIRS = 12
"""Pairs below which an interval counts as infinitely wide: a bootstrap of a few values is narrow by luck."""
ROUGH = 4
"""Pairs from which an interval serves an estimate of what is missing."""
TRIES = 4
"""Turns for a goal after which it is given up as too rare, if they brought fewer than two pairs."""
SELDOM = 8
"""Turns of a state after which its intervals are computed less often than after each."""
FIRST_PASS = 32
"""Turns of a first pass, in which nothing is known of what a turn takes."""
FEWEST_TURNS = 4
"""Turns below which another pass is not worth building states up again."""
STEP = (math.sqrt(5.0) - 1.0) / 2.0
"""Shift of the places from pass to pass, in distances between two: multiples of the golden ratio never come close to each other."""


@dataclass(frozen=True)
class Goal:
    """One headline ratio in one state of the caches."""

    state: str
    op: str
    design: str
    base: str


@dataclass(frozen=True)
class Turn:
    """The next timed chunk: state of the caches, operations that the timed demands should hold, first the widest, and the designs."""

    state: str
    ops: tuple[str, ...]
    designs: frozenset[str]


@dataclass
class Budget:
    """Seconds that may be used, on a clock.

    Attributes
    ----------
    seconds : float
        All of them.
    clock : callable
        The time in seconds.
    used : float
        Seconds used before the clock was started the last time.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    used: float = 0.0
    since: float | None = None

    def start(self) -> None:
        """Start the clock."""
        self.since = self.clock()

    def stop(self) -> None:
        """Stop the clock."""
        self.used, self.since = self.spent, None

    @property
    def spent(self) -> float:
        """Seconds used."""
        return self.used + (0.0 if self.since is None else self.clock() - self.since)

    @property
    def left(self) -> float:
        """Seconds left, 0 where it is used up."""
        return max(0.0, self.seconds - self.spent)

    def share(self, parts: int) -> Budget:
        """An equal part of what is left, on the same clock."""
        return Budget(self.left / parts, self.clock)


@dataclass
class Reached:
    """State of a goal.

    Attributes
    ----------
    pairs, turns, unread : int
        Its pairs, the turns for it, and those since its interval was computed.
    width : float
        Width of the interval over the ratio, infinite for few pairs.
    rough : float
        The same for any number of pairs: what an estimate goes by.
    """

    pairs: int = 0
    turns: int = 0
    unread: int = 0
    width: float = math.inf
    rough: float = math.inf

    @property
    def hopeless(self) -> bool:
        """True if turns for it bring hardly a pair."""
        return self.turns >= TRIES and self.pairs < 2


def width_of(interval: Interval | None, least: int = LEAST_PAIRS) -> float:
    """Width of an interval over its ratio; infinite for fewer pairs than `least`.

    Examples
    --------
    >>> width_of(Interval(2.0, 1.9, 2.2, 40)), width_of(Interval(2.0, 1.9, 2.2, 5))
    (0.15000000000000013, inf)
    """
    return (interval.hi - interval.lo) / interval.ratio if interval is not None and interval.n >= least else math.inf


def pairs_needed(pairs: int, width: float, target: float) -> int:
    """Pairs that bring a width of `width` to `target`: it falls with the root of their number.

    Examples
    --------
    >>> pairs_needed(20, 0.2, 0.1), pairs_needed(20, 0.05, 0.1), pairs_needed(3, math.inf, 0.1)
    (80, 20, 12)
    """
    if math.isinf(width):
        return LEAST_PAIRS
    return max(pairs, LEAST_PAIRS, math.ceil(pairs * (width / target) ** 2 - 1e-9))


@dataclass
class Pace:
    """The controller of one variant.

    Attributes
    ----------
    goals : sequence of Goal
        Headline ratios.
    budget : Budget
        Seconds for this variant.
    target : float
        Width over the ratio that is asked for.
    """

    goals: Sequence[Goal]
    budget: Budget
    target: float = WIDTH
    reached: dict[Goal, Reached] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    passes: int = 0
    costs: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reached = {goal: Reached() for goal in self.goals}
        states = dict.fromkeys(goal.state for goal in self.goals)
        self.seconds, self.turns = dict.fromkeys(states, 0.0), dict.fromkeys(states, 0)

    def open(self, state: str | None = None) -> list[Goal]:
        """Goals that are not met and not given up, of one state or of all."""
        return [
            goal for goal, at in self.reached.items()
            if (state is None or goal.state == state) and at.width > self.target and not at.hopeless
        ]  # fmt: skip

    @property
    def over(self) -> bool:
        """True if nothing is left to measure, or no time."""
        return not self.open() or self.budget.left <= 0.0

    def choose(self, there: Callable[[Goal], bool]) -> Turn | None:
        """Choose the turn of a chunk: the state that had less time, in it the widest interval that `there` says the chunk can serve."""
        if self.over:
            return None
        for state in sorted(self.seconds, key=lambda name: self.seconds[name]):
            asked = self.open(state)
            served = [goal for goal in asked if there(goal)]
            if served:
                served.sort(key=lambda goal: (-self.reached[goal].width, self.reached[goal].pairs, self.costs.get((state, goal.op), 0.0)))
                ops = tuple(dict.fromkeys(goal.op for goal in served))
                return Turn(state, ops, frozenset(name for goal in asked for name in (goal.design, goal.base)))
        return None

    def paid(self, turn: Turn, seconds: float) -> None:
        """File a turn and the seconds that it took."""
        self.seconds[turn.state] += seconds
        self.turns[turn.state] += 1
        self.costs[turn.state, turn.ops[0]] = seconds
        for goal in self.goals:
            if (goal.state, goal.op) == (turn.state, turn.ops[0]) and goal.design in turn.designs:
                self.reached[goal].unread += 1

    def due(self, state: str) -> bool:
        """Tell if intervals in `state` should be computed again: after every turn at first, then after ever more."""
        n = self.turns[state]
        return n % max(1, n // SELDOM) == 0

    def learn(self, found: Mapping[Goal, Interval | None]) -> None:
        """File intervals of all turns so far."""
        for goal, interval in found.items():
            at = self.reached[goal]
            at.turns, at.unread = at.turns + at.unread, 0
            at.pairs, at.width, at.rough = 0 if interval is None else interval.n, width_of(interval), width_of(interval, ROUGH)

    def each(self, state: str) -> float:
        """Mean seconds of a turn in `state`; before the first, of any turn."""
        n = self.turns[state]
        return self.seconds[state] / n if n else sum(self.seconds.values()) / max(1, sum(self.turns.values()))

    def least(self, state: str) -> float:
        """Seconds of the cheapest turn that an open goal in `state` asks for: those of its operation the last time, 0 before the first.

        Turns of a state may differ by an order of magnitude: from cold caches, 512 PTEs are zapped in a demand.
        """
        return min((self.costs.get((state, goal.op), 0.0) for goal in self.open(state)), default=0.0)

    def missing(self) -> dict[str, int]:
        """Turns that every open goal is estimated to need yet, by state: the most of its goals.

        A goal takes more turns than pairs where turns for other operations brought it none: as many for each as up to now, and no more
        than one for each open operation.
        """
        out = dict.fromkeys(self.seconds, 0)
        for state in out:
            asked = self.open(state)
            ops = len({goal.op for goal in asked})
            for goal in asked:
                at = self.reached[goal]
                yet = pairs_needed(at.pairs, at.rough, self.target) - at.pairs
                turns = min(max(self.turns[state] / max(at.pairs, 1), 1.0), ops)
                out[state] = max(out[state], math.ceil(yet * turns), 1)
        return out

    def needed(self) -> float | None:
        """Estimate the budget that would do [s]: what is spent and the turns that are missing; None where nothing is."""
        missing = self.missing()
        if not any(missing.values()):
            return None
        turns = sum(self.turns.values())
        idle = max(0.0, self.budget.spent - sum(self.seconds.values())) / max(1, turns)
        return self.budget.spent + sum(n * (self.each(state) + idle) for state, n in missing.items())

    def next_pass(self, places: int, build: float) -> int:
        """Turns of the next pass over a stream that has `places` for them; 0: stop.

        Parameters
        ----------
        places : int
            Chunks that may be timed.
        build : float
            Seconds of the last pass that were not turns.
        """
        if self.over or places <= 0:
            return 0
        self.passes += 1
        if self.passes == 1:
            return min(FIRST_PASS, places)
        missing = self.missing()
        wanted = sum(missing.values())
        each = sum(n * min(self.each(state), self.least(state)) for state, n in missing.items()) / wanted
        affordable = int((self.budget.left - build) / each) if each > 0.0 else wanted
        if min(wanted, affordable) < min(FEWEST_TURNS, wanted):
            self.passes -= 1
            return 0
        return min(wanted, affordable, places)


def spread(places: int, wanted: int, number: int) -> list[int]:
    """Spread `wanted` turns of pass `number` evenly over `places` chunks, elsewhere in each pass.

    Examples
    --------
    >>> spread(100, 4, 0), spread(100, 4, 1), spread(3, 3, 5)
    ([0, 25, 50, 75], [15, 40, 65, 90], [0, 1, 2])
    """
    apart = places / wanted
    shift = number * STEP % 1.0 * apart
    return sorted({int(shift + i * apart) % places for i in range(wanted)})


def why(goal: Goal, at: Reached) -> str:
    """Say why an interval is not narrow."""
    if at.hopeless:
        return f"{goal.op} is too rare in a chunk"
    if math.isinf(at.width):
        return f"{at.pairs} pairs where {LEAST_PAIRS} are the least"
    return f"{100 * at.width:.0f} % wide after {at.pairs} pairs"


def ended(pace: Pace) -> str:
    """Say why the measuring stopped."""
    if not pace.open():
        return "every interval that can be had was narrow"
    return "the budget was used up" if pace.budget.left <= 0.0 else "the rest of the budget was too little for another pass"


def told(pace: Pace, rare: Iterable[Goal] = ()) -> dict[str, Any]:
    """Make the record of the provenance: what was asked, what was used, what was reached, and what stayed wide and why.

    Parameters
    ----------
    pace : Pace
        After the last pass.
    rare : iterable of Goal
        Headline ratios that were no goals, as the stream has too few of the operation.
    """
    wide = [(goal, at.pairs, at.width, why(goal, at)) for goal, at in pace.reached.items() if at.width > pace.target]
    missed = len(wide)
    wide += [(goal, 0, math.inf, f"no two chunks of the stream have enough of {goal.op}") for goal in rare]
    known = [at.width for at in pace.reached.values() if not math.isinf(at.width)]
    needed = pace.needed()
    return {
        "budget_s": round(pace.budget.seconds, 3), "spent_s": round(pace.budget.spent, 3), "target_width": pace.target,
        "passes": pace.passes, "pairs": dict(pace.turns), "seconds": {name: round(taken, 3) for name, taken in pace.seconds.items()},
        "headline": len(pace.reached), "met": len(pace.reached) - missed, "reached_width": round(max(known), 4) if known else None,
        "open": [
            {"state": goal.state, "op": goal.op, "design": goal.design, "baseline": goal.base, "pairs": pairs,
             "width": None if math.isinf(width) else round(width, 4), "why": reason}
            for goal, pairs, width, reason in wide
        ],
        "ended": ended(pace), "needed_s": None if needed is None else round(needed, 1),
    }  # fmt: skip
