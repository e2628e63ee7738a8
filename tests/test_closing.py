"""The closed loop: a case worked out by hand, the same demands as an open loop of a smaller memory, refusals, and dse compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dse
from dse import cli, naming
from dse import scenario as scenarios
from dse.asking import vocabulary
from dse.errors import BadInput
from dse.measuring import closing, comparing, run
from dse.modelling import ledger
from dse.modelling.sizes import PAGE
from dse.reports import answer, tabling
from dse.scenario import setting
from dse.sweeps import space
from dse.workloads import stream as streams
from dse.workloads.workload import Workload, memcgs
from kernels import demand
from kernels.reclaim import stage
from kernels.reclaim import state as words

PAIR = ["direct", "swap_id"]
PAGES = 64
ACCESSES = [0, 1, 2, 3, 4, 3, 2, 1, 4, 0, 3]
F, R = "fault", "reclaim"
BY_HAND = [(F, 0), (F, 1), (F, 2), (F, 3), (R, 0), (F, 4), (R, 1), (R, 4), (F, 1), (R, 3), (F, 4), (R, 2), (F, 0), (R, 1), (F, 3)]
TINY = {"memory": {"limit": 4.0, "batch": 1}, "backend": {"mix": {"ssd": 1.0}}}
"""Four pages of memory, LRU, one page reclaimed at a time."""
SMALL_OBJECTS = {"mix": {"zswap": 1.0}, "compression_ratio": 100.0}
"""Objects of 21 to 61 B: a page of zsmalloc holds all of a small case."""


def given(accesses: Any) -> Workload:
    """Workload of given accesses to 64 pages, in one space."""
    whole = np.asarray(accesses, np.uint32)

    def start() -> Any:
        left = whole

        def filler(out: Any, records: Any, places: Any) -> tuple[int, int]:
            nonlocal left
            out[:], left = left[: len(out)], left[len(out) :]
            return len(out), 0

        return filler

    return Workload("given", PAGES, 6, 1, memcgs(1, 1), 1, len(whole), {}, start)


def stream_of(values: dict[str, Any], accesses: Any = ACCESSES, loop: str = "closed") -> streams.Stream:
    """Build the stream of given accesses."""
    base = {"workload": {"generator": "zipf", "accesses": len(accesses)}, "replay": {"block": 64, "cpus": 1}}
    case = scenarios.from_values("t", {**base, **values, "memory": {**values["memory"], "loop": loop}})
    return streams.Stream(case, given(accesses), case.limit_pages(PAGES), forks=False)


def closed_of(values: dict[str, Any], accesses: Any = ACCESSES, design: str = "oracle") -> closing.Closed:
    return closing.of_design(stream_of(values, accesses), naming.parse(design))


def demands_of(stream: streams.Stream) -> list[tuple[str, int]]:
    """Kind and page of every demand."""
    rows = [row for block in stream.blocks() for row in demand.records(block)]
    return [(demand.KINDS[row["kind"]], int(row["page"])) for row in rows]


def fixed_bytes(monkeypatch: pytest.MonkeyPatch, pages: Any) -> None:
    """Let a design have allocated so many pages since swapon; `pages` is called with its state."""
    looks = iter(range(1 << 30))
    monkeypatch.setattr(closing, "allocated_of", lambda side: PAGE * pages(side.state) if next(looks) else 0)


def swapped(state: Any) -> int:
    return int(np.count_nonzero((state.pte != 0) & (state.pte & np.uint64(1) == 0)))


@pytest.mark.interpreted
@pytest.mark.parametrize("backend", ["ssd", "zswap"])
def test_by_hand(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory of 4 pages. The first page that goes out (0, for 4) makes the design allocate one page, or zsmalloc: 3 are left.

    On the SSD it is a slab of the oracle's page words, 512 to a page. In zswap the design allocates nothing here, zsmalloc a page.

    ======= ===================== ============================================
    access  resident after        because
    ======= ===================== ============================================
    0 1 2 3 0 1 2 3               first touches, 4 pages fit
    4       1 2 3 4               0 goes out; from here on 3 pages fit
    3       2 4 3                 1 goes out at once, for the lower limit
    2       4 3 2
    1       3 2 1                 swap-in, 4 goes out (open: 1 is there)
    4       2 1 4                 swap-in, 3 goes out (open: 4 is there)
    0       1 4 0                 swap-in, 2 goes out
    3       4 0 3                 swap-in, 1 goes out
    ======= ===================== ============================================

    An open loop faults for 0 and 3 alone. 5 accesses had 4 pages, 6 had 3.
    """
    values = TINY
    if backend == "zswap":
        values = {**TINY, "backend": SMALL_OBJECTS}
        fixed_bytes(monkeypatch, lambda state: 0)
    made = closed_of(values)
    assert demands_of(made) == BY_HAND
    assert made.counters["swap_ins"] == 4
    assert made.residence.mean == pytest.approx((5 * 4 + 6 * 3) / 11)
    parts = {"resident": 3, "zsmalloc": int(backend == "zswap"), "metadata": int(backend == "ssd"), "kept": 0}
    assert made.residence.room.parts() == parts
    opened = stream_of(values, loop="open")
    assert sum(1 for kind, _ in demands_of(opened) if kind == F) == 5 + 2


WRONG = {
    "without metadata": lambda room: room.limit - room.zsmalloc - room.kept,
    "metadata twice": lambda room: room.limit - room.zsmalloc - 2 * room.metadata - room.kept,
    "without zsmalloc": lambda room: room.limit - room.metadata - room.kept,
    "a page too few": lambda room: room.limit - room.zsmalloc - room.metadata - room.kept - 1,
}


@pytest.mark.parametrize("wrong", [*WRONG, "reclaim waits for a fault", "the limit is looked at every fourth access"])
def test_mistakes_fail_the_case_by_hand(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = TINY
    if wrong == "without zsmalloc":
        values = {**TINY, "backend": SMALL_OBJECTS}
        fixed_bytes(monkeypatch, lambda state: 0)
    if wrong in WRONG:
        monkeypatch.setattr(closing.Room, "resident", property(WRONG[wrong]))
    elif wrong == "reclaim waits for a fault":
        monkeypatch.setattr(stage, "lower", lambda _: None)
    else:
        monkeypatch.setattr(closing, "LAG", 1)
    assert demands_of(closed_of(values)) != BY_HAND


@pytest.mark.interpreted
@pytest.mark.parametrize("policy", words.POLICIES)
def test_a_fixed_overhead_is_a_smaller_memory(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same pages taken from the first access on, the demands are those of an open loop whose memory is smaller by them."""
    accesses = np.random.default_rng(3).integers(0, 40, 600, dtype=np.uint32)
    values = {"memory": {"limit": 20.0, "batch": 2, "policy": policy}, "backend": {"mix": {"ssd": 1.0}}}
    fixed_bytes(monkeypatch, lambda state: 5)
    less = {**values, "memory": {**values["memory"], "limit": 15.0}}
    assert demands_of(closed_of(values, accesses)) == demands_of(stream_of(less, accesses, "open"))


def test_nothing_taken_is_an_open_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    accesses = np.random.default_rng(4).integers(0, 40, 600, dtype=np.uint32)
    fixed_bytes(monkeypatch, lambda state: 0)
    values = {"memory": {"limit": 20.0, "batch": 8}, "backend": {"mix": {"ssd": 1.0}}}
    made, opened = closed_of(values, accesses), stream_of(values, accesses, "open")
    assert [block.tolist() for block in made.blocks()] == [block.tolist() for block in opened.blocks()]
    assert made.counters == opened.counters
    assert made.residence.mean == 20.0


def test_more_bytes_never_hold_more_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page for each 8, 4, 2 or 1 swapped pages: the more bytes a design has, the fewer pages it holds and the more it faults."""
    accesses = (40 * np.random.default_rng(5).random(800) ** 2).astype(np.uint32)
    held, faults = [], []
    for pages_each in (8, 4, 2, 1.5):
        fixed_bytes(monkeypatch, lambda state, n=pages_each: int(np.ceil(swapped(state) / n)))
        made = closed_of({"memory": {"limit": 32.0, "batch": 1}, "backend": {"mix": {"ssd": 1.0}}}, accesses)
        demands_of(made)
        held.append(made.residence.mean)
        faults.append(made.counters["swap_ins"])
    assert held == sorted(held, reverse=True)
    assert faults == sorted(faults)
    assert held[0] > held[-1]
    assert faults[0] < faults[-1]


@pytest.mark.interpreted
def test_memory_that_comes_back_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pages of four taken at the second look and given back at the fifth: reclaim goes down at once and up with the faults."""
    taken = iter([0, 0, 2, 2, 2, 0, 0, 0, 0])
    monkeypatch.setattr(closing, "allocated_of", lambda side: PAGE * next(taken))
    made = closed_of({**TINY, "backend": {"mix": {"ssd": 1.0}}}, [0, 1, 2, 3, 0, 1, 2])
    assert demands_of(made) == [(F, 0), (F, 1), (R, 0), (F, 2), (R, 1), (F, 3), (F, 0), (F, 1)]
    assert (made.residence.total, made.residence.accesses) == (4 + 2 + 2 + 2 + 4 + 4 + 4, 7)


def test_a_lower_limit_takes_as_many_rounds_as_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """More pages go at once than a block of demands holds."""
    pages, looks = 40, iter(range(1 << 30))
    monkeypatch.setattr(closing, "allocated_of", lambda side: PAGE * 38 if next(looks) > pages else 0)
    monkeypatch.setattr(closing, "LAG", 1 << 20)
    values = {"memory": {"limit": 40.0, "batch": 1}, "backend": {"mix": {"ssd": 1.0}}, "replay": {"block": 64}}
    made = closed_of(values, [*range(pages), 39, 39])
    assert demands_of(made) == [(F, page) for page in range(pages)] + [(R, page) for page in range(pages - 2)]


def test_same_demands_at_every_iteration_and_block() -> None:
    accesses = np.random.default_rng(6).integers(0, 40, 500, dtype=np.uint32)
    values = {"memory": {"limit": 24.0, "batch": 2}, "backend": {"mix": {"zswap": 0.5, "ssd": 0.5}}}
    made = closed_of(values, accesses)
    first = demands_of(made)
    counters, held = dict(made.counters), made.residence
    assert demands_of(made) == first
    assert (made.counters, made.residence) == (counters, held)
    assert all(len(block) == 64 for block in list(made.blocks())[:-1])
    assert [block.tolist() for block in closing.recut([np.zeros((n, 2)) for n in (3, 0, 9, 1)], 4)] == [[[0, 0]] * n for n in (4, 4, 4, 1)]


@pytest.mark.parametrize("design", PAIR)
def test_allocated_bytes_need_no_look_at_every_node(design: str) -> None:
    accesses = np.random.default_rng(7).integers(0, 60, 500, dtype=np.uint32)
    made = stream_of({"memory": {"limit": 24.0, "batch": 2}, "backend": {"mix": {"zswap": 0.5, "ssd": 0.5}}}, accesses, "open")
    side = run.build_side(made, naming.parse(design))
    before = closing.allocated_of(side)
    for block in made.blocks():
        side.replay(side.off, block)
    whole = ledger.live(side.named.design, side.named.values, side.state)
    assert closing.allocated_of(side) == whole.allocated_bytes > before
    assert whole.dynamic_bytes > 0


def test_digests_are_of_the_design() -> None:
    """A stream that depends on the design has no name that another design or an open loop has."""
    opened, closed = stream_of(TINY, loop="open"), stream_of(TINY)
    digests = [opened.digest, closed.digest, *(closing.of_design(closed, naming.parse(d)).digest for d in PAIR)]
    limited = closed_of({**TINY, "memory": {**TINY["memory"], "swap_max": 0.5}}, design="direct")
    assert len({*digests, limited.digest}) == 5
    assert "loop" not in opened.scenario.canonical
    assert scenarios.from_values("t", {**closed.scenario.values}).digest == closed.scenario.digest != opened.scenario.digest
    with pytest.raises(BadInput, match="makes demands for each design"):
        next(closed.blocks())


def test_a_design_that_cannot_keep_up_is_told() -> None:
    """Incompressible pages in zswap free no memory."""
    values = {"memory": {"limit": 20.0, "batch": 4}, "backend": {"mix": {"zswap": 1.0}, "compression_ratio": 1.0}}
    with pytest.raises(
        BadInput, match=r"oracle cannot keep up: after \d+ of 300 accesses of 20 pages of memory zsmalloc takes \d+, metadata 1, which"
    ):
        demands_of(closed_of(values, np.random.default_rng(1).integers(0, 40, 300, dtype=np.uint32)))


def test_pages_that_a_design_refuses_to_take_stay_in_memory() -> None:
    """Fewer slots than pages that have to go: those that stay count, until nothing is left."""
    accesses = np.random.default_rng(2).integers(0, 40, 400, dtype=np.uint32)
    values = {"memory": {"limit": 20.0, "batch": 2}, "backend": {"mix": {"ssd": 1.0}, "slots": 0.25}}
    assert closed_of(values, accesses).slots == {"ssd": 16}
    with pytest.raises(BadInput, match=r"pages that it refused to swap out \d+, which leaves \d+ where reclaim needs 2 "):
        demands_of(closed_of(values, accesses, "direct"))


@pytest.fixture(scope="module")
def compared(small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    results = tmp_path_factory.mktemp("closed")
    return dse.compare(str(small), PAIR, counted_only=True, settings=["memory.loop=closed"], results=results), results


def test_compare_says_what_memory_buys(compared: tuple[dict[str, Any], Path]) -> None:
    found, _ = compared
    for about in found["provenance"]["runs"]:
        mine = [row for row in found["rows"] if row["scenario"] == about["label"] and row["op"] == "closed_loop"]
        figures = {(row["design"], row["metric"], row["stat"]): row for row in mine}
        assert {row["kind"] for row in mine} == {"counted"}
        for design in PAIR:
            limit = sum(figures[design, f"{what}_pages", "end"]["value"] for what in closing.Room(0).parts())
            swap_ins = next(r for r in found["rows"] if (r["scenario"], r["design"], r["op"], r["age"], r["metric"]) == (
                about["label"], design, "swap_in", None, "demands"))  # fmt: skip
            assert figures[design, "major_faults", "total"]["value"] == swap_ins["value"]
            assert limit == int(0.4 * 16384)
        more = figures["swap_id", "more_major_faults", "total"]
        assert more["value"] == figures["swap_id", "major_faults", "total"]["value"] - figures["direct", "major_faults", "total"]["value"]
        assert more["baseline"] == "direct"
        assert more["status"].startswith("more: " if more["value"] > 0 else "fewer: " if more["value"] < 0 else "equal: ")
        assert about["loop"] == "closed"


def test_rerun_and_the_order_of_designs_agree(compared: tuple[dict[str, Any], Path], small: Path) -> None:
    found, results = compared
    assert comparing.rerun("last", results)["equal"]
    again = dse.compare(str(small), PAIR[::-1], counted_only=True, settings=["memory.loop=closed"])

    def own(rows: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
        return {(r["scenario"], r["design"], r["op"], r["metric"], r["stat"], r["age"], r["value"]) for r in rows if not r["baseline"]}

    assert own(found["rows"]) == own(again["rows"])


def test_times_are_refused(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", str(small), "--set", "memory.loop=closed", "--designs", ",".join(PAIR)]) == 2
    assert "--counted-only" in capsys.readouterr().err


def test_spaces_refuse_it() -> None:
    head, axis = '[scenario]\nworkload = { generator = "zipf" }\n', '[axes.design]\nvalues = ["direct"]\n'
    sources = (f'{head}memory = {{ loop = "closed" }}\n{axis}', f'{head}{axis}[axes."memory.loop"]\nvalues = ["open", "closed"]\n')
    for source in sources:
        with pytest.raises(BadInput, match=r"a sweep has one stream for all designs \(memory\.loop=open\)"):
            space.parse(source, "a.toml", "a")


def test_keys_of_an_open_loop_are_refused() -> None:
    with pytest.raises(BadInput, match="zsmalloc's pages always count"):
        setting.changed(scenarios.load("writeback"), {"memory.loop": "closed", "memory.charge_zswap": False})
    with pytest.raises(BadInput, match="loop"):
        scenarios.load("writeback").but(memory__loop="shut")


def test_the_screen_and_the_tables(compared: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = compared
    lines = answer.screen(found).lines()
    assert len(lines) <= answer.LINES
    assert all(len(line) <= answer.WIDTH for line in lines)
    text = " ".join(" ".join(lines).split())
    for word in ("closed loop", "major faults", "resident", "Counted"):
        assert word in text
    tabling.show(found)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Closed loop" in shown
    assert "Open loop" not in shown


def test_nothing_swapped_out_is_told(small: Path) -> None:
    with pytest.raises(BadInput, match="nothing is swapped out"):
        dse.compare(str(small), PAIR, counted_only=True, settings=["memory.loop=closed", "memory.limit=1.0", "moves.rate=0"])


def test_a_question_may_name_every_figure(compared: tuple[dict[str, Any], Path]) -> None:
    rows = [row for row in compared[0]["rows"] if row["op"] == "closed_loop"]
    assert {(row["metric"], row["stat"]) for row in rows} == {
        (name, stat) for name, metric in vocabulary.of("closed_loop").items() for stat in metric.stats
    }
