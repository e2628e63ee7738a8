"""Many CPUs: the simulated machine against theory and cases worked out by hand, and what is said of designs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import dse
from dse import cli
from dse.asking import declaring
from dse.errors import BadInput, CheckFailed
from dse.predicting import assembling, costs, logs, predicting, running, sampling
from dse.reports import scaling
from kernels import demand as d
from kernels.compiling.jit import INTERPRETED
from kernels.queueing import machine as q
from tests import repairmen

pytestmark = pytest.mark.interpreted
WHOLE = pytest.mark.skipif(INTERPRETED, reason="whole predictions are compiled")
FREE = {"line": 0.0, "line.again": 0.0, "atomic": 0.0, "transfer.socket": 0.0, "transfer.far": 0.0, "handover": 1.0}
PRICED = {"line": 10.0, "line.again": 1.0, "atomic": 2.0, "transfer.socket": 50.0, "transfer.far": 100.0, "handover": 1.0}
FAULT, OUT = assembling.KINDS.index("swap_in"), assembling.KINDS.index("swap_out")


def word(kind: int, argument: int = 0, again: int = 0) -> int:
    """An event; work in nanoseconds."""
    return kind << 60 | again << 59 | (argument * 1000 if kind == q.WORK else argument)


def programs(parts: Sequence[Sequence[int]], at: dict[str, float], locks: int = 1, lines: int = 1) -> assembling.Programs:
    """Programs of CPUs, an operation each."""
    code = np.array([one for part in parts for one in part], np.uint64)
    first = np.cumsum([0, *(len(part) for part in parts)]).astype(np.uint64)
    return assembling.Programs(code, first, ("lock",) * locks, ("line",) * lines, at)


def ran(parts: Sequence[Sequence[int]], operations: int, at: dict[str, float], **sizes: int) -> q.Machine:
    """The machine after so many operations."""
    made = programs(parts, at, **sizes).machine()
    running._until(made, operations)
    return made


def times(made: q.Machine) -> list[int]:
    """Time of each CPU [ns]."""
    return [int(one) // 1000 for one in made.cpus[int(q.T_TIME) :: 8]]


@pytest.mark.parametrize("cpus", [1, 2, 8, 32])
def test_one_queue_is_that_of_the_machine_repairman(cpus: int) -> None:
    """Exponential times: the simulation is within 1 % of exact mean-value analysis."""
    random, think, service = np.random.default_rng(7), 9_000.0, 1_000.0
    each = 200 if INTERPRETED else 40_000
    parts = []
    for _ in range(cpus):
        part = np.empty((each, 5), np.uint64)
        for column, mean in ((0, think), (2, service)):
            drawn = random.exponential(1.0, each)
            part[:, column] = np.rint(drawn / drawn.mean() * mean * 1000)
        part[:, 1], part[:, 3], part[:, 4] = word(q.LOCK), word(q.UNLOCK), word(q.END, FAULT)
        parts.append(part.ravel().tolist())
    found = running.run(programs(parts, FREE), 2_000 if INTERPRETED else 1_000_000)
    assert found.rate * 1e-9 == pytest.approx(repairmen.throughput(cpus, think, service), rel=0.1 if INTERPRETED else 0.01)
    assert found.classes[0].busy == pytest.approx(found.rate * 1e-9 * service, rel=0.1 if INTERPRETED else 0.01)


def test_a_lock_goes_to_who_asked_first_and_the_news_takes_a_transfer() -> None:
    """Both ask at 10: CPU 0 holds from 10 to 32 (an atomic, 20 of work), CPU 1 from 32 + 50."""
    part = [word(q.WORK, 10), word(q.LOCK), word(q.WORK, 20), word(q.UNLOCK), word(q.END, FAULT)]
    made = ran([part, part], 2, PRICED)
    lock = made.locks[:16].tolist()
    assert lock[int(q.L_TAKEN)] >= 2
    assert times(made)[1] == 82 + 20
    assert lock[int(q.L_WAITED)] // 1000 >= 72


def test_a_trylock_does_not_wait() -> None:
    """CPU 1 tries at 15 what CPU 0 holds from 0 to 102, goes on at 17, and releases nothing."""
    holder = [word(q.LOCK), word(q.WORK, 100), word(q.UNLOCK), word(q.END, FAULT)]
    tries = [word(q.WORK, 15), word(q.TRYLOCK), word(q.WORK, 5), word(q.UNLOCK), word(q.END, OUT), word(q.WORK, 1000), word(q.END, OUT)]
    made = ran([holder, tries], 2, PRICED)
    assert int(made.ended[OUT]) == 1
    assert int(made.spent[OUT]) // 1000 == 15 + 2 + 5
    assert int(made.spent[FAULT]) // 1000 == 102


def test_locks_taken_in_opposite_orders_are_reported() -> None:
    def part(a: int, b: int) -> list[int]:
        return [word(q.LOCK, a), word(q.WORK, 10), word(q.LOCK, b), word(q.UNLOCK, b), word(q.UNLOCK, a), word(q.END, FAULT)]

    with pytest.raises(CheckFailed, match="waits for another one"):
        ran([part(0, 1), part(1, 0)], 10, PRICED, locks=2)


@pytest.mark.parametrize(("cpus", "cost"), [(2, 50), (65, 100)], ids=["one socket", "two sockets"])
def test_a_line_that_another_cpu_wrote_costs_its_way(cpus: int, cost: int) -> None:
    """The last CPU stores at 1,000 what CPU 0 stored at 0."""
    idle = [word(q.WORK, 10_000), word(q.END, OUT)]
    parts = [[word(q.WRITE), word(q.WORK, 10_000), word(q.END, OUT)]] + [idle] * (cpus - 2)
    made = ran([*parts, [word(q.WORK, 1000), word(q.WRITE), word(q.END, FAULT), word(q.WORK, 10_000), word(q.END, OUT)]], 1, PRICED)
    assert int(made.spent[FAULT]) // 1000 == 1000 + cost


def test_a_load_leaves_the_other_copy_and_a_store_takes_it_away() -> None:
    """CPU 1 loads (from CPU 0: 50), stores (takes the copy away: 50), stores again (alone: 1 as the operation had it)."""
    reads = [word(q.WORK, 1000), word(q.READ), word(q.WRITE, again=1), word(q.WRITE, again=1), word(q.END, FAULT)]
    made = ran([[word(q.WRITE), word(q.WORK, 10_000), word(q.END, OUT)], reads], 1, PRICED)
    assert int(made.spent[FAULT]) // 1000 == 1000 + 50 + 50 + 1
    assert made.lines[int(q.N_MOVED)] == 2


def test_atomics_on_one_line_come_one_after_the_other() -> None:
    """Eight CPUs do nothing else: each atomic takes a transfer of 50 ns, so that 20 million a second are the limit."""
    part = [word(q.ATOMIC), word(q.END, FAULT)]
    found = running.run(programs([part] * 8, PRICED), 4_000)
    assert found.rate == pytest.approx(20e6, rel=0.01)
    assert found.classes[0].busy == pytest.approx(1, rel=0.01)
    alone = running.run(programs([part] * 8, PRICED), 4_000, ["line"])
    assert alone.rate == pytest.approx(8 / 2e-9, rel=0.01)  # each CPU its own: two nanoseconds


@pytest.mark.parametrize("ps", [0, 1, 15, 16, 17, 31, 32, 1000, 123_456, 1 << 40])
def test_bins_hold_a_sixteenth(ps: int) -> None:
    made = programs([[q.WORK << 60 | ps, word(q.END, FAULT)]], FREE).machine()
    running._until(made, 1)
    hist = made.hist.reshape(q.KINDS, q.BINS)[FAULT]
    edge = running._at(hist, 0.5) * 1000
    assert ps < edge <= ps * 17 / 16 + 1


def test_demands_go_to_the_cpu_of_their_page_and_reclaim_to_who_owes_most() -> None:
    """Four CPUs share 8 pages, two each: a batch goes to the first CPU, which alone had a fault; an unmap to that of its page."""
    kinds = [(d.FAULT, 0), (d.RECLAIM, 7), (d.RECLAIM, 0), (d.FAULT, 5), (d.FAULT, 6), (d.UNMAP, 1)]
    demands = np.array([d.pack(kind, page, count=1) for kind, page in kinds], np.uint64)
    dealt = sampling.dealt(demands, 4, 8, 3)
    assert (dealt[:, 0] >> np.uint64(24) & np.uint64(0xFF)).tolist() == [0, 0, 0, 2, 3, 0]
    spaces = sampling.dealt(demands, 2, 8, 1)
    assert (spaces[:, 0] >> np.uint64(24) & np.uint64(0xFF)).tolist() == [0, 0, 0, 0, 1, 0]
    many = np.array(
        [d.pack(d.FAULT, 0), *[d.pack(d.RECLAIM, 1)] * 2, d.pack(d.FAULT, 4), d.pack(d.FAULT, 1), d.pack(d.RECLAIM, 1)], np.uint64
    )
    assert (sampling.dealt(many, 4, 8, 3)[:, 0] >> np.uint64(24) & np.uint64(0xFF)).tolist() == [0, 0, 0, 2, 0, 2]


def test_common_locks_are_taken_as_the_kernel_takes_them() -> None:
    """7.2: the lock of the lruvec once for 32 isolated pages, the pool's lock as a reader, one lock for each class of zsmalloc."""
    isolate = logs.parts("isolate", "folio_lruvec_lock_irq", 4, 2, 2)
    assert [part.name for part in isolate if part.kind == q.LOCK] == ["lruvec"]
    assert sum(part.first for part in isolate) == 2 + 32 * 2  # lru_gen_del_folio: two lines of each page
    assert not logs.parts("isolate", "lru_gen_del_folio", 2, 2, 2)
    assert [part.kind for part in logs.parts("zswap_load", "zs_obj_read_sg_begin", 5, 5, 2)][:2] == [q.ATOMIC, q.ATOMIC]
    assert [part.by_class for part in logs.parts("zswap_store", "zs_malloc", 5, 5, 2) if part.kind == q.LOCK] == [True]
    hook = logs.table.HOOK_NAMES.index("isolate")
    skipped = logs._skipped(np.full(70, hook), np.repeat([1, 0], [33, 37]), np.ones(70, bool))
    assert np.flatnonzero(~skipped).tolist() == [0, 32, 33, 65]


def uses(rows: Sequence[tuple[int, int, int]], cpu_of: Sequence[int]) -> tuple[logs.Events, assembling.Uses]:
    """Uses of events (operation, kind, line), all of one structure."""
    operation, kind, key = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    passed = np.zeros((len(cpu_of), len(logs.table.HOOK_NAMES)), bool)
    events = logs.Events(operation, kind, key, np.zeros((len(rows), 3)), ("node",), passed)
    return events, assembling.Uses.of(events, np.array(cpu_of))


def test_what_nobody_else_feels_is_work() -> None:
    """Line 1 goes from CPU to CPU. Line 2 is of the same structure and written by one: another CPU had it last. Line 3 is read only."""
    rows = [(0, q.WRITE, 1), (0, q.READ, 2), (0, q.WRITE, 2), (0, q.READ, 3), (1, q.READ, 1), (1, q.READ, 3)]
    events, found = uses(rows, [0, 1])
    assert found.felt.tolist() == [True, False, False, False, True, False]
    assert found.alone(events, 34.0, PRICED)[1:4].tolist() == [34.0, 34.0, 10.0]
    events, found = uses(rows[1:4], [0])
    assert found.alone(events, 34.0, PRICED).tolist() == [10.0, 1.0, 10.0]


@pytest.mark.parametrize("given", ["", "0", "257", "1,1", "x", "1,", "-1", "1.5", "9" * 5000, "¹", "000000001999"])
def test_bad_numbers_of_cpus_are_refused(given: str) -> None:
    with pytest.raises(BadInput):
        predicting.numbers(given)


SMALL = ("workload.pages=16384", "workload.accesses=120000")


@pytest.fixture(scope="module")
def found() -> predicting.Prediction:
    """Two designs on few and many CPUs, on a small scenario."""
    return dse.predict("threads", ["swap_table_p4", "swap_id[base=swap_table_p4]"], [1, 64], settings=SMALL, operations=40_000)


@WHOLE
def test_one_lock_for_all_ids_stops_swap_id_and_none_of_a_table_stops_swap_tables(found: predicting.Prediction) -> None:
    table, layer = found.curves
    assert layer.points[-1].stop is not None
    assert layer.points[-1].stop.name == "ID xa_lock"
    assert layer.full_at == 64
    assert layer.points[0].stop is None
    assert table.points[-1].run.worth > layer.points[-1].run.worth
    assert table.points[-1].stop is None or table.points[-1].stop.name not in ("cluster", "ID xa_lock")
    assert layer.behind[0][0] == "ID xa_lock"
    assert layer.behind[0][1] > layer.points[-1].run.rate


@WHOLE
def test_the_same_prediction_is_equal_bit_by_bit(found: predicting.Prediction) -> None:
    again = dse.predict("threads", ["swap_id[base=swap_table_p4]"], [64], settings=SMALL, operations=40_000)
    assert again.rows == [row for row in found.rows if row["design"] != "swap_table_p4" and row["cpus"] == 64]


@WHOLE
def test_a_partition_of_the_global_lock_recovers_throughput() -> None:
    """Y22: one lock for all virtual slots against shards."""
    one, shards = dse.predict(
        "threads", ["vswap_rfc1[shards=1]", "vswap_rfc1[shards=16]"], [64], settings=SMALL, operations=40_000
    ).curves  # fmt: skip
    assert shards.points[-1].run.rate > 1.1 * one.points[-1].run.rate


@WHOLE
def test_the_first_screen_says_what_stops_each_design(found: predicting.Prediction) -> None:
    said = scaling.lines(found)
    text = " ".join(" ".join(said).split())
    assert all(len(line) <= scaling.WIDTH for line in said)
    assert "ID xa_lock" in text
    assert "full at 64" in text
    assert "(modelled)" in text
    assert "Not in it: page-table locks" in text
    assert len(scaling.chart(found, None).splitlines()) == 3


def run_of(rate: float, waiting: float = 0.0, busy: float = 0.5, name: str = "lock", cpus: int = 16) -> running.Run:
    """A run of so many faults a second."""
    return running.Run(cpus, 1.0, round(rate), 1.0, 1.0, 1.0, (running.Contended(name, True, 1, 1, 0.5, waiting, busy),), 0.0, 1600.0)


def test_what_is_said_of_a_curve_follows_from_its_runs() -> None:
    """800 faults a second on 16 CPUs, 1,600 if they shared nothing: worth 8. Busy 95 %: full at 16. Another lock with dear lines."""
    points = (predicting.Point(1, run_of(100)), predicting.Point(16, run_of(800, 0.3, 0.95)))
    curve = predicting.Curve("swap_id", points, (("lock", 1200.0),), run_of(3200, 0.2), run_of(200, 0.4, 1, "other"))
    assert curve.points[-1].run.worth == 8
    assert curve.full_at == 16
    assert not curve.sure
    assert scaling.stop_of(curve) == "lock (30%, full at 16)"
    assert scaling._behind(curve) == "swap_id, throughput of 16 CPUs: without lock 1.50 times."
    other = predicting.Point(8, run_of(500, 0.5, 0.99, "other"))
    assert predicting.Curve("swap_id", (points[0], other, points[1]), (), curve.low, curve.high).full_at == 16
    free = predicting.Curve("direct", (points[0],), (), run_of(1), run_of(1))
    assert scaling.stop_of(free) == "nothing"
    assert free.full_at is None


@pytest.mark.parametrize(
    ("waiting", "rates", "said"),
    [
        ((0.0, 0.0), (100, 100, 100), ["All of the 1 other pairs keep their order", "No lock stops a design at either end."]),
        ((0.3, 0.3), (100, 900, 100), ["0 of the 1 other pairs keep their order at both ends.", "What stops each"]),
        (
            (0.3, 0.0),
            (500, 510, 500),
            ["1 of 1 pairs of designs are within 5 % at 16 CPUs: no order.", "Another lock, or none, stops a, b"],
        ),
    ],
)
def test_doubts_are_what_the_ends_say(waiting: tuple[float, float], rates: tuple[int, int, int], said: list[str]) -> None:
    """Two designs; `b` takes 500 faults a second at every level, `a` the given ones with low, typical and high costs."""

    def curve(name: str, low: float, typical: float, high: float) -> predicting.Curve:
        ends = [run_of(rate, lost) for rate, lost in ((low, waiting[1]), (high, waiting[0]))]
        return predicting.Curve(name, (predicting.Point(16, run_of(typical, waiting[0])),), (), ends[0], ends[1])

    found = predicting.Prediction(dse.scenario.load("threads"), (curve("a", *rates), curve("b", 500, 500, 500)), {})
    assert [text[: len(part)] for text, part in zip([*scaling._doubts(found)][1:], said, strict=True)] == said


def test_first_parts_of_an_operation_have_no_rest_of_their_own() -> None:
    kinds = np.array([assembling.KINDS.index(name) for name in ("begun", "move", "swap_out", "swap_in")])
    events, found = uses([(0, q.READ, 1)], [0, 0, 0, 0])
    at = costs.at() | {"disk.read": 0.0}
    rest = assembling.Traced(events, found, np.zeros(4, np.int64), kinds, 1).around(at)
    assert rest.tolist() == [0.0, 0.0, at["reclaim.page"], at["fault.frame"]]
    assert len(assembling.KINDS) <= q.KINDS
    folios = {"folio_out", "folio_split", "read_ahead"}  # no prediction has large folios or readahead
    assert set(assembling.KINDS) == set(d.OPS) - folios - {"nothing"}


QUESTION = """
id = "M1"
question = "How long?"
[study]
source = "predict"
designs = ["swap_table_p4", "swap_id[base=swap_table_p4]"]
scenario = "threads"
axis = "cpus"
values = [1, 16]
measure = [{ metric = "fault_ns" }]
[verdict]
kind = "curve"
sentence = "{all}"
changes = "Other costs."
"""


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ('axis = "cpus"', 'axis = "memory.limit"', "unknown axis of a prediction"),
        ('"fault_ns"', '"lines"', "unknown metric of a prediction"),
        ('"fault_ns"', '"fault_ns", op = "swap_in"', "has no op"),
        ('"fault_ns"', '"fault_ns", stat = "p99"', "has no stat"),
        ("[1, 16]", "[16, 1]", "ascending"),
        ("[1, 16]", "[1.5, 2]", "whole numbers"),
    ],
)
def test_what_a_question_may_not_ask_of_a_prediction(good: str, bad: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(QUESTION)
    assert declaring.load(str(file)).study.source == "predict"
    file.write_text(QUESTION.replace(good, bad))
    with pytest.raises(BadInput, match=said):
        declaring.load(str(file))


def test_costs_have_a_source_or_say_that_they_have_none() -> None:
    for row in costs.COSTS.values():
        assert row.low <= row.typical <= row.high
        assert row.source
    assert costs.of_machine(costs.at("low")) < costs.of_machine(costs.at("high"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--cpus", "0"], "1 to 256"),
        (["--cpus", "1", "--full"], "--full has no effect"),
        (["--cpus", "1", "--counted-only"], "--counted-only has no effect"),
        (["--chart", "x.svg"], "--chart has no effect"),
        (["--cpus", "1", "--chart", "x.gif"], "unknown kind of picture"),
        (["--cpus", "1", "--chart", "x.svg", "--designs", "all"], "a chart shows at most"),
        (["--cpus", "1", "--chart", "-", "--format", "json"], "do not go into one output"),
        (["--cpus", "1", "--set", "memory.limit=1.0"], "swaps nothing in"),
        (["--cpus", "1", "--set", "workload.accesses=1000000000"], "at most"),
    ],
)
def test_what_a_prediction_does_not_take_is_refused(given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "threads", *given]) == 2
    assert said in capsys.readouterr().err


@WHOLE
def test_the_command_prints_rows_and_draws(tmp_path: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    words = ["compare", "threads", "--cpus", "2,1", "--designs", "swap_table_p4", "--chart", "a.svg", "--format", "json"]
    assert cli.main([*words, *(part for one in SMALL for part in ("--set", one))]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["cpus"] for row in rows} == {1, 2}
    assert {row["kind"] for row in rows} == {"modelled"}
