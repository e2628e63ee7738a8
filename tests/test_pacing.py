"""The controller of timed measuring: when to stop, and what to measure next. Clock and samples are made up, so every step is exact."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dse import naming
from dse.measuring import pacing, places, stats, times, timing
from dse.measuring.pacing import Budget, Goal, Pace
from dse.measuring.run import CHUNK, UNIT
from dse.measuring.stats import Difference, Interval, Verdict
from dse.reports.precision import precision
from dse.scenario import load
from kernels import demand
from kernels.life.registry import Config
from kernels.observing import probe

OUT, IN = Goal("footprint", "swap_out", "b", "a"), Goal("footprint", "swap_in", "b", "a")
OTHER = Goal("footprint", "swap_in", "c", "a")
COLD = Goal("cold", "swap_in", "b", "a")


class Machine:
    """A clock that a turn moves on by the cost of its state, and intervals whose width falls with the root of the pairs."""

    def __init__(self, widths: dict[Goal, float], costs: dict[str, float]) -> None:
        self.now, self.widths, self.costs = 100.0, widths, costs
        self.pairs = dict.fromkeys(widths, 0)
        self.log: list[pacing.Turn] = []

    def interval(self, goal: Goal) -> Interval | None:
        """An interval of the width that the goal has after one pair, over the root of its pairs."""
        n, width = self.pairs[goal], self.widths[goal]
        return Interval(1.0, 1.0 - width / math.sqrt(n) / 2, 1.0 + width / math.sqrt(n) / 2, n) if n > 1 else None

    def run(self, pace: Pace, most: int = 10_000) -> None:
        """Take turns until the pace says stop."""
        pace.budget.start()
        for _ in range(most):
            turn = pace.choose(lambda goal: True)
            if turn is None:
                break
            self.log.append(turn)
            self.now += self.costs[turn.state]
            for goal in self.pairs:
                self.pairs[goal] += goal.state == turn.state and goal.op == turn.ops[0] and goal.design in turn.designs
            pace.paid(turn, self.costs[turn.state])
            if pace.due(turn.state):
                pace.learn({goal: self.interval(goal) for goal in self.pairs if goal.state == turn.state})
        pace.learn({goal: self.interval(goal) for goal in self.pairs})
        pace.budget.stop()


def paced(machine: Machine, seconds: float, target: float = 0.1) -> Pace:
    pace = Pace(list(machine.widths), Budget(seconds, lambda: machine.now), target)
    machine.run(pace)
    return pace


def test_it_stops_when_every_interval_is_narrow() -> None:
    """Widths of 0.4 and 0.8 after one pair fall to 0.1 after 16 and 64 pairs."""
    machine = Machine({OUT: 0.4, IN: 0.8}, {"footprint": 0.5})
    pace = paced(machine, 1000.0)
    assert not pace.open()
    assert 16 <= machine.pairs[OUT] <= 24  # intervals are computed after every eighth part more
    assert 64 <= machine.pairs[IN] <= 72
    assert pace.budget.spent == pytest.approx(0.5 * sum(machine.pairs.values()))
    told = pacing.told(pace)
    assert (told["met"], told["headline"], told["open"], told["needed_s"]) == (2, 2, [], None)
    assert told["ended"] == "every interval that can be had was narrow"


def test_it_stops_when_the_budget_is_used_up() -> None:
    machine = Machine({OUT: 0.4, IN: 0.8}, {"footprint": 0.5})
    pace = paced(machine, 20.0)
    assert pace.budget.spent == 20.0
    assert pace.budget.left == 0.0
    assert pacing.told(pace)["ended"] == "the budget was used up"
    assert pace.next_pass(100, 0.0) == 0


def test_the_widest_interval_gets_the_next_turn() -> None:
    machine = Machine({OUT: 0.4, IN: 0.8}, {"footprint": 1.0})
    pace = Pace([OUT, IN], Budget(1e6, lambda: machine.now), 0.01)
    machine.run(pace, 200)
    assert machine.pairs[IN] / machine.pairs[OUT] == pytest.approx(4.0, rel=0.2)  # equal widths: twice the noise, four times the pairs
    pace.learn({OUT: Interval(1.0, 0.9, 1.1, 50), IN: Interval(1.0, 0.95, 1.05, 50)})
    turn = pace.choose(lambda goal: True)
    assert turn is not None
    assert turn.ops == ("swap_out", "swap_in")
    assert pace.choose(lambda goal: goal.op == "swap_in").ops == ("swap_in",)  # a chunk without swap-outs
    assert pace.choose(lambda goal: False) is None


def test_designs_with_narrow_intervals_sit_out() -> None:
    machine = Machine({IN: 0.2, OTHER: 2.0}, {"footprint": 1.0})
    pace = paced(machine, 1000.0)
    assert machine.pairs[IN] < 20 < machine.pairs[OTHER]
    assert machine.log[0].designs == {"a", "b", "c"}
    assert machine.log[-1].designs == {"a", "c"}
    assert not pace.open()


def test_states_get_equal_time_while_both_are_open() -> None:
    machine = Machine({IN: 5.0, COLD: 5.0}, {"footprint": 0.1, "cold": 2.0})
    pace = paced(machine, 100.0)
    assert abs(pace.seconds["cold"] - pace.seconds["footprint"]) <= 2.0
    assert pace.turns["footprint"] > 15 * pace.turns["cold"]
    calm = Machine({IN: 0.1, COLD: 5.0}, {"footprint": 0.1, "cold": 2.0})
    pace = paced(calm, 100.0)
    assert pace.seconds["cold"] > 20 * pace.seconds["footprint"]  # narrow in one state: the other has all that is left


def test_few_pairs_are_no_narrow_interval() -> None:
    machine = Machine({IN: 1e-6}, {"footprint": 1.0})
    paced(machine, 1000.0)
    assert machine.pairs[IN] == pacing.LEAST_PAIRS


def test_the_side_of_1_decides_nothing() -> None:
    """Pace is the same for a ratio of 1 and one of 3: to stop where a difference shows would make differences show."""
    logs = []
    for ratio in (1.0, 3.0):
        machine = Machine({IN: 0.8, COLD: 0.5}, {"footprint": 0.1, "cold": 1.0})
        plain = machine.interval
        machine.interval = lambda goal, plain=plain, ratio=ratio: (  # type: ignore[method-assign]
            None if (found := plain(goal)) is None else Interval(ratio, ratio * found.lo, ratio * found.hi, found.n)
        )
        paced(machine, 500.0)
        logs.append(machine.log)
    assert logs[0] == logs[1]


def test_a_rare_operation_is_given_up() -> None:
    machine = Machine({IN: 0.3, Goal("footprint", "zap", "b", "a"): 0.3}, {"footprint": 1.0})
    zap = list(machine.widths)[1]
    plain = machine.interval
    machine.interval = lambda goal: None if goal == zap else plain(goal)  # type: ignore[method-assign]
    pace = paced(machine, 1000.0)
    assert pace.budget.spent < 30.0
    told = pacing.told(pace, [Goal("cold", "zap", "b", "a")])
    assert [at["why"] for at in told["open"]] == ["zap is too rare in a chunk", "no two chunks of the stream have enough of zap"]
    assert told["needed_s"] is None


def test_what_budget_would_do_is_about_right() -> None:
    """The estimate from a budget that was too small, given as the next budget, makes every interval narrow, with little left."""
    widths, costs = {OUT: 0.6, IN: 0.8, COLD: 0.5}, {"footprint": 0.2, "cold": 2.0}
    small = Machine(widths, costs)
    pace = paced(small, 40.0)
    needed = pacing.told(pace)["needed_s"]
    assert needed is not None
    assert needed > 40.0
    enough = paced(Machine(widths, costs), 1.5 * needed)
    assert not enough.open()
    assert 0.5 * needed < enough.budget.spent < 1.5 * needed


def test_pairs_needed_by_hand() -> None:
    """Half the width takes four times the pairs."""
    assert pacing.pairs_needed(20, 0.2, 0.1) == 80
    pace = Pace([IN], Budget(10.0, lambda: 0.0), 0.1)
    turn = pace.choose(lambda goal: True)
    assert turn is not None
    for _ in range(20):
        pace.paid(turn, 0.25)
    pace.learn({IN: Interval(1.0, 0.9, 1.1, 20)})
    assert pace.missing() == {"footprint": 60}
    pace.budget.used = 6.0  # 5 s of turns, 1 s between: 0.05 s a turn
    assert pace.needed() == pytest.approx(6.0 + 60 * (0.25 + 0.05))


def test_a_pass_has_as_many_turns_as_are_missing_and_affordable() -> None:
    pace = Pace([IN], Budget(100.0, lambda: 0.0), 0.1)
    assert pace.next_pass(1000, 0.0) == pacing.FIRST_PASS
    turn = pace.choose(lambda goal: True)
    assert turn is not None
    for _ in range(20):
        pace.paid(turn, 0.25)
    pace.learn({IN: Interval(1.0, 0.9, 1.1, 20)})
    assert pace.next_pass(1000, 5.0) == 60
    assert pace.next_pass(30, 5.0) == 30
    pace.budget.used = 90.0
    assert pace.next_pass(1000, 5.0) == 20  # (10 s left - 5 s to build) / 0.25 s
    pace.budget.used, passes = 94.5, pace.passes
    assert pace.next_pass(1000, 5.0) == 0
    assert pace.passes == passes
    assert pacing.ended(pace) == "the rest of the budget was too little for another pass"


def test_a_dear_operation_leaves_no_budget_unused() -> None:
    """Two zaps from cold caches took 8 s each. Swap-outs were not timed cold yet: 30 s are enough for them, and they come first."""
    zap, out = Goal("cold", "zap", "b", "a"), Goal("cold", "swap_out", "b", "a")
    pace = Pace([zap, out], Budget(60.0, lambda: 0.0), 0.1)
    assert pace.next_pass(1000, 0.0) == pacing.FIRST_PASS
    for _ in range(2):
        pace.paid(pacing.Turn("cold", ("zap",), frozenset("ab")), 8.0)
    pace.learn({zap: None, out: None})
    pace.budget.used = 30.0
    assert pace.next_pass(1000, 5.0) > 0
    turn = pace.choose(lambda goal: True)
    assert turn is not None
    assert turn.ops == ("swap_out", "zap")
    pace.paid(pacing.Turn("cold", ("swap_out",), frozenset("ab")), 9.0)
    assert pace.next_pass(1000, 5.0) == 0  # 25 s left for turns of 8 s and more: fewer than four


def test_a_budget_is_shared_among_variants() -> None:
    now = [0.0]
    whole = Budget(60.0, lambda: now[0])
    first = whole.share(2)
    assert first.seconds == 30.0
    first.start()
    now[0] += 12.0
    first.stop()
    now[0] += 500.0  # not measuring
    whole.used += first.spent
    assert (first.spent, whole.share(1).seconds) == (12.0, 48.0)


@pytest.mark.parametrize(("room", "wanted"), [(100, 7), (64, 32), (5, 5), (9, 2)])
def test_turns_are_spread_over_the_stream(room: int, wanted: int) -> None:
    seen = []
    for number in range(4):
        found = pacing.spread(room, wanted, number)
        seen.append(tuple(found))
        assert found == sorted(set(found))
        assert len(found) == wanted
        assert all(0 <= at < room for at in found)
        assert max(np.diff([*found, found[0] + room])) <= room / wanted + 1
    assert len(set(seen)) == (1 if room == wanted else min(4, room // wanted))


def block_of(kinds: list[int]) -> np.ndarray:
    return np.stack([np.array(kinds, np.uint64), np.zeros(len(kinds), np.uint64)], 1)


def test_the_place_in_a_chunk_by_hand() -> None:
    kinds = [demand.FAULT] * 8 + [demand.RECLAIM] * 8 + [demand.FAULT, demand.RECLAIM] * 4
    block = block_of(kinds)
    assert places.densest(block, ("swap_out",), 2, 4, 10) == 8
    assert places.densest(block, ("swap_in",), 2, 4, 10) == 2
    assert places.densest(block, ("swap_in", "swap_out"), 2, 4, 2) == 6  # two of each
    assert places.densest(block, ("move",), 2, 4, 10) == 2
    assert places.densest(block[:5], ("swap_in",), 4, 8, 10) == 4


def test_the_stream_is_cut_at_the_chosen_spans() -> None:
    stream = block_of(list(range(15)) * 400)
    none = np.zeros(len(demand.KINDS), np.uint32)
    chosen = [places.Span("fresh", 100, 200, none), places.Span("aged", 900, 1000, none), places.Span("aged", 1000, 1050, none)]
    pieces = list(places.cut(iter([stream[:150], stream[150:950], stream[950:]]), chosen))
    assert [(span and (span.first, span.last), len(block)) for span, block in pieces] == [
        (None, 100), ((100, 200), 50), ((100, 200), 50), (None, 700), ((900, 1000), 50), ((900, 1000), 50), ((1000, 1050), 50),
    ]  # fmt: skip
    assert np.array_equal(np.concatenate([block for _, block in pieces]), stream[:1050])
    assert CHUNK % UNIT == 0


@pytest.mark.parametrize("state", ["footprint", "cold"])
def test_memory_between_two_operations_is_written(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages of memory that was only read are one page of zeros, so that reading it displaces next to nothing."""
    monkeypatch.setattr("dse.common.machine.last_level_cache", lambda: 1 << 19)
    foot = timing.footprint(load("writeback"), state)
    assert foot is not None
    assert foot.nbytes == {"footprint": 64 << 10, "cold": 1 << 20}[state]
    assert foot[:: 4096 // 8].all()
    assert timing.footprint(load("writeback"), "hot") is None
    design, pr = naming.registry()["direct"], probe.make("timed", foot)
    design.replay(design.build(Config(pages=8, slots={"ssd": 8})), pr, np.zeros((1, 2), np.uint64), np.zeros(1, np.uint8))
    assert int(pr.tally[int(probe.FOOT_SUM)]) == foot.nbytes // 64  # a word of every line is read


def test_a_finding_needs_both_states() -> None:
    slower, faster = Verdict("slower", "1.63 [1.60, 1.66]"), Verdict("faster", "0.90 [0.85, 0.95]")
    same, open_ = Verdict("same", "1.01 [0.99, 1.03]"), Verdict("inconclusive", "the interval holds 1: 1.17 [0.95, 1.40]")
    for one, other in ((slower, faster), (slower, same), (slower, open_), (open_, faster)):
        found = stats.agreed({"footprint": one, "cold": other})
        assert found.finding == "inconclusive"
        assert f"footprint {one.finding}, {one.reason}" in found.reason
        assert f"cold {other.finding}, {other.reason}" in found.reason
    assert stats.agreed({"footprint": slower, "cold": Verdict("slower", "1.17 [1.10, 1.25]")}).finding == "slower"
    assert stats.agreed({"footprint": slower}) is slower


def test_a_tax_needs_both_states() -> None:
    noise = {"footprint": Difference(0.0, -10.0, 10.0, 30), "cold": Difference(0.0, -100.0, 100.0, 30)}
    taxed = {"footprint": Difference(50.0, 40.0, 60.0, 30), "cold": Difference(300.0, 200.0, 400.0, 30)}
    assert times.tax_status(taxed, noise) == "ok"
    lost = {**taxed, "cold": Difference(90.0, 80.0, 110.0, 30)}
    assert times.tax_status(lost, noise) == "no more than the noise: the same design against itself -100.0..+100.0 ns (cold)"
    opposed = {**taxed, "cold": Difference(-300.0, -400.0, -200.0, 30)}
    assert times.tax_status(opposed, noise) == "inconclusive: +50.0 ns (footprint), -300.0 ns (cold)"


def test_what_is_said_of_the_precision() -> None:
    at = {
        "budget_s": 30.0, "spent_s": 29.6, "target_width": 0.05, "passes": 3, "pairs": {"footprint": 80, "cold": 14}, "headline": 4,
        "met": 2, "ended": "the budget was used up", "needed_s": 118.4,
        "open": [
            {"state": "cold", "op": "swap_in", "design": d, "baseline": "a", "pairs": 14, "width": 0.1, "why": "10 % wide after 14 pairs"}
            for d in ("b", "c")
        ],
    }  # fmt: skip
    assert precision({"measuring": at}) == (
        "Measured for 30 of 30 s, 80 footprint and 14 cold timed chunks in 3 passes, until the budget was used up: 2 of 4 intervals of "
        "aged headline ratios are at most 5 % wide. Still wide: swap_in (cold) b against a: 10 % wide after 14 pairs, and 1 more. A budget "
        "of some 118 s for this variant would do (estimate)."
    )
    assert precision({}) == precision({"measuring": {}}) == ""
