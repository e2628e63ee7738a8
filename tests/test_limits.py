"""The side-by-side measurements: both sides are the same algorithm, the page shows the stored figures, and these meet the bars."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.limits import __main__ as command
from benchmarks.limits import bars, build, drivers, fences, micro, rates, report, scale, twin_c, whole
from dse.measuring.stats import Interval
from dse.workloads import lackey
from kernels import demand
from kernels.compiling.jit import u
from kernels.life import registry as state
from kernels.observing import probe


@pytest.fixture(scope="module")
def entry() -> Iterator[build.Entries]:
    try:
        build.compiler()
    except build.NoCompilerError as missing:
        pytest.skip(str(missing))
    with build.library() as found:
        yield found


def test_our_side_and_c_leave_the_same_tree(entry: build.Entries) -> None:
    micro.same_results(10, entry)


def plain_demands(pages: int, n: int, seed: int) -> twin_c.Block:
    """Random FAULT, RECLAIM and UNMAP demands on all backends, some pages hot; and a few that have no effect."""
    rng = np.random.default_rng(seed)
    kind = rng.choice([demand.FAULT, demand.RECLAIM, demand.UNMAP, demand.NOP], n, p=[0.5, 0.491, 0.004, 0.005])
    page = np.where(rng.random(n) < 0.3, rng.integers(0, pages // 16, n), rng.integers(0, pages, n))
    backend = rng.choice(4, n, p=[0.5, 0.4, 0.05, 0.05])
    count = np.where(kind == demand.UNMAP, np.minimum(rng.integers(0, 40, n), pages - page), rng.integers(0, 3, n))
    flags, size = rng.choice([0, demand.WRITE, demand.DIRTY, demand.ZERO], n), rng.integers(0, 4097, n)
    out = np.empty((n, 2), np.uint64)
    out[:, 0] = kind | backend << 16 | rng.integers(0, 2, n) << 24 | page << 32
    out[:, 1] = (count | size << 32).astype(np.uint64) | flags.astype(np.uint64) << np.uint64(56)
    return out


ROOMY = (4096, {"zswap": 1200, "ssd": 3000, "hdd": 500, "zram": 300})
TIGHT = (2048, {"zswap": 100, "ssd": 300, "hdd": 40, "zram": 40})
SEEN = {demand.FIRST_TOUCH, demand.SWAP_IN, demand.SWAP_OUT, demand.CLEAN_DROP, demand.ZAPPED, demand.AVOIDED, demand.NOT_RESIDENT}


LIVES: tuple[tuple[str, dict[str, int]], ...] = (
    ("direct", {}),
    ("swap_id", {}),
    ("swap_id", {"C_ID_LIFE": 1}),
    ("swap_id", {"C_ID_LIFE": 1, "C_UPKEEP": 1}),
)


@pytest.mark.parametrize("world", [ROOMY, TIGHT], ids=["roomy", "tight"])
@pytest.mark.parametrize(("design", "life"), LIVES)
def test_c_leaves_the_same_bits(entry: build.Entries, design: str, world: tuple[int, dict[str, int]], life: dict[str, int]) -> None:
    pages, slots = world
    limit = slots["ssd"] // 2 if world is TIGHT else 0
    given = twin_c.config(pages, slots, pages // 2, cluster_shift=4, cpus=2, parameters=life, swap_max=limit, cgroup_depth=3)
    demands, replies = plain_demands(pages, 300_000, seed=5), np.zeros((3, 300_000), np.uint8)
    replays = [state.REGISTRY[design].replay, *(twin_c.replay_of(entry, design, ahead=ahead) for ahead in (False, True))]
    states, probes = [twin_c.new_state(design, given) for _ in range(3)], [probe.make("off") for _ in range(3)]
    for i, run in enumerate(replays):
        run(states[i], probes[i], demands, replies[i])
    assert set(replies[0].tolist()) >= SEEN | ({demand.FULL} if world is TIGHT else set())
    for i in (1, 2):
        assert twin_c.differences(states[0], states[i]) == []
        assert twin_c.differences(probes[0], probes[i]) == []
        assert np.array_equal(replies[0], replies[i])


def test_c_refuses_what_it_does_not_do(entry: build.Entries) -> None:
    run = twin_c.replay_of(entry, "direct")
    st, pr, replies = twin_c.new_state("direct", twin_c.config(64, {"ssd": 64}, 0)), probe.make("off"), np.zeros(1, np.uint8)
    with pytest.raises(ValueError, match="demand 0 is a fork"):
        run(st, pr, np.array([demand.pack(demand.FORK, 0, count=1)], np.uint64), replies)
    with_tokens = state.REGISTRY["direct"].build(state.Config(pages=64, slots={"ssd": 64}))
    with pytest.raises(ValueError, match="does not keep"):
        run(with_tokens, pr, np.array([demand.pack(demand.FAULT, 0)], np.uint64), replies)


@pytest.mark.parametrize("design", twin_c.DESIGNS)
def test_the_replay_is_measured_with_and_without_c(entry: build.Entries, design: str) -> None:
    case = whole.Case("zipf", 10, 0.125, design)
    row = whole.measure(case, entry, pairs=6, chunk=1 << 10)
    assert row["events"] > 0
    assert row["c_ahead_ns"]["min"] > 0
    assert row["over_c"]["ratio"] > 0
    alone = whole.measure(case, None, pairs=6, chunk=1 << 10)
    assert (alone["events"], alone["miss_ratio"]) == (row["events"], row["miss_ratio"])
    assert (alone["c_ns"], alone["over_c"], alone["bar"]) == ("-", "-", "-")


def test_a_side_that_differs_is_found_out(entry: build.Entries) -> None:
    """Negative control: one bit of one array of one side."""
    case = whole.Case("uniform", 8, 0.25)
    sides = whole.sides_of(case, 256, entry)
    blocks = iter(whole.demands_of(case, whole.accesses_of(case, 2048, seed=1), 256))
    whole.warm_up(sides, blocks, 8)
    whole.same_bits(sides)
    sides["c"].state.arrays()["smap"][3] ^= 1
    with pytest.raises(ValueError, match="c and ours leave different smap"):
        whole.same_bits(sides)


def test_verdicts_of_the_replay_follow_the_bars() -> None:
    good = {"rate_over_peer": Interval(1.4, 1.3, 1.5, 64), "over_c": Interval(1.05, 1.0, 1.1, 64)}
    slow = {"rate_over_peer": Interval(1.2, 1.1, 1.3, 64), "over_c": Interval(1.2, 1.1, 1.3, 64)}
    assert whole.verdict(whole.Case("zipf", 20, 0.125), good) == "holds: at least 1.2 of libCacheSim; at most 1.15 of C"
    assert whole.verdict(whole.Case("zipf", 20, 0.125), slow) == "missed: 1.1, not at least 1.2 of libCacheSim; 1.3, not at most 1.15 of C"
    assert whole.verdict(whole.Case("zipf", 22, 0.125), slow) == "missed: 1.3, not at most 1.15 of C"
    assert whole.verdict(whole.Case("zipf", 20, 0.125, "swap_id"), {"rate_over_peer": slow["rate_over_peer"]}) == "-"
    assert whole.verdict(whole.Case("zipf", 12, 0.125), slow) == "-"


@pytest.mark.parametrize(
    ("ours", "c", "over_c", "said"),
    [
        (0.82, 0.85, 1.05, "holds: at least 0.8 of libCacheSim without prefetch"),
        (0.62, 0.65, 1.05, "out of reach: 0.62 and C 0.65, not at least 0.8 of libCacheSim without prefetch"),
        (0.62, 0.81, 1.05, "missed: 0.62, not at least 0.8 of libCacheSim without prefetch"),
        (0.62, 0.75, 1.21, "missed: 0.62, not at least 0.8 of libCacheSim without prefetch"),
    ],
    ids=["holds", "c misses it too", "c reaches it", "slower than c"],
)
def test_a_bar_that_c_misses_too_is_out_of_reach(ours: float, c: float, over_c: float, said: str) -> None:
    at = {"bare_over_peer": ours, "c_plain_over_peer": c, "bare_over_c": over_c}
    ratios = {name: Interval(value, value, value, 64) for name, value in at.items()}
    assert whole.verdict(whole.Case("zipf", 20, 0.5), ratios) == said
    alone = {"bare_over_peer": ratios["bare_over_peer"]}
    assert whole.verdict(whole.Case("zipf", 20, 0.5), alone).startswith("holds" if ours >= 0.8 else "missed")


def test_the_median_over_c_leaves_the_bare_load_out() -> None:
    rows = [
        {"op": op, "entries": 1 << 20, "over_c": {"ratio": r}} for op, r in (("load", 1.0), ("erase", 1.2), ("churn", 1.3), ("plain", 9.0))
    ]
    found = micro.median_row(rows)
    assert found is not None
    assert (found["operations"], found["median_over_c"], found["most_over_c"]) == (3, 1.2, 1.3)
    assert found["bar"] == "missed: 1.2, not at most 1.1 of C"
    assert micro.median_row([{"op": "load", "entries": 1 << 20}]) is None


def test_holders_fill_seven_eighths() -> None:
    tree = micro.new_clusters(10)
    held = tree.arrays()["held"]
    assert len(np.unique(held)) == 1 << 10
    assert np.count_nonzero(tree.arrays()["smap"]) == 1 << 10
    assert int(tree.arrays()["dev"][16 + 1]) * 7 // 8 == pytest.approx(1 << 10, abs=2)


def test_lackey_text_is_what_the_reader_takes() -> None:
    trace = lackey.read(io.BytesIO(rates.lackey_text(2000)), "text")
    assert trace.meta["lines"] == 2000
    assert 0 < trace.writes < 2000


@pytest.mark.parametrize("group", ["parsing", "threads", "generators"])
def test_rates_are_rows_of_one_shape(group: str) -> None:
    rows = rates.GROUPS[group](quick=True)
    assert {tuple(row) for row in rows} == {("op", "what", "rounds", "rate", "unit", "bar")}
    assert all(row["rate"]["median"] > 0 for row in rows)


def test_a_fenced_record_is_held_against_fence_and_clock() -> None:
    (row,) = fences.main(quick=True)
    assert row["record_ns"]["median"] > 0.9 * row["fence_and_clock_ns"]["median"] > 0  # it holds a fence and two clocks, and more
    assert {"aa", "over_fence_and_clock", "bar"} <= set(row)


def test_a_device_is_filled_in_a_process_of_its_own() -> None:
    found = scale.apart("direct", 16, fill=True)
    assert found["swap-outs"] == found["slots at fill"] == 1 << 16
    assert 0 < found["accounted GiB"] < found["peak GiB"]
    row = scale.row_of(found, fill=True)
    assert row["bar"] == bars.NONE
    assert row["swap_out_ns"] > 0


def test_bars_of_the_largest_scale() -> None:
    found = {"design": "direct", "pages": 1 << 28, "built s": 10.0, "total s": 100.0, "fault s": 50.0, "swap_out s": 50.0,
             "peak GiB": 5.3, "accounted GiB": 5.1}  # fmt: skip
    assert scale.row_of(found, fill=True)["bar"] == "holds: at most 180 s; at most 1.1 of what is accounted for"
    assert scale.row_of({**found, "total s": 171.0}, fill=True)["bar"] == "missed: 181, not at most 180 s"
    assert scale.row_of({**found, "peak GiB": 5.7}, fill=True)["bar"] == "missed: 1.12, not at most 1.1 of what is accounted for"
    assert scale.row_of({**found, "full_zap s": 1.0}, fill=False)["bar"] == bars.NONE


def test_a_different_algorithm_is_found_out() -> None:
    """Negative control: a side that does nothing is told from ours."""
    with pytest.raises(ValueError, match="different trees"):
        micro.same_results(10, lambda name, signature=build.LOOP: lambda *args: 0)


def test_no_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(build.NoCompilerError, match="no C compiler"):
        build.compiler()


def test_the_bare_array_is_one_cycle() -> None:
    tree = micro.new_tree(10, tracked=False)
    seen, at = set(), 0
    for _ in range(1 << 10):
        at = int(tree.arrays()["plain"][at])
        seen.add(at)
    assert len(seen) == 1 << 10
    assert at == 0
    assert int(drivers.plain_dependent(tree, u(0), u(1 << 10), u(10))) == 0


def test_verdicts_follow_the_bars() -> None:
    case, one = micro.Case("load", micro.FENCED, micro.BAR_BITS), Interval(1.0, 0.99, 1.01, 64)
    over = Interval(2.9, 2.8, 3.0, 64)
    assert micro.verdict(case, {"over_plain": over, "over_c": one}) == (
        "holds: 2.4..3.3 times the bare array; inside 0.95..1.05 of C; at most 1.3 of C"
    )
    assert micro.verdict(case, {"over_plain": one, "over_c": one}).startswith("missed: 1.00, not 2.4..3.3 times")
    two = Interval(2.04, 2.0, 2.1, 64)
    assert micro.verdict(case, {"over_plain": two, "over_c": one, "c_over_plain": Interval(2.07, 2.0, 2.1, 64)}) == (
        "holds: inside 0.95..1.05 of C; at most 1.3 of C; out of reach: 2.04 and C 2.07, not 2.4..3.3 times the bare array"
    )
    assert micro.verdict(case, {"over_plain": two, "over_c": one, "c_over_plain": over}).startswith("missed: 2.04, not 2.4..3.3 times")
    assert micro.verdict(case, {"over_plain": over, "over_c": Interval(1.0, 0.9, 1.01, 64)}).startswith("missed: 0.900..1.010, not inside")
    assert micro.verdict(micro.Case("erase", micro.FENCED, 24), {"over_plain": over, "over_c": one}) == "holds: at most 1.3 of C"
    assert micro.verdict(micro.Case("erase", micro.FENCED, 24), {"over_plain": over, "over_c": over}) == "missed: 2.9, not at most 1.3 of C"
    assert micro.verdict(micro.Case("erase", micro.FENCED, 14), {"over_plain": over, "over_c": over}) == "-"


def naive_lru(accesses: list[int], frames: int) -> list[tuple[int, int, bool]]:
    """(kind, page, flagged) of each demand, by a dictionary in the order of use."""
    held: dict[int, bool] = {}
    out = []
    for access in accesses:
        page, write = access & 0x7FFF_FFFF, access >> 31 == 1
        if page in held:
            held[page] = held.pop(page) or write
            continue
        if len(held) == frames:
            victim = next(iter(held))
            out.append((demand.RECLAIM, victim, held.pop(victim)))
        held[page] = write
        out.append((demand.FAULT, page, write))
    return out


def test_demands_are_those_of_exact_lru() -> None:
    case = whole.Case("zipf", 8, 0.25)
    accesses = whole.accesses_of(case, 4096, seed=3)
    blocks = whole.demands_of(case, accesses, chunk=512)
    words = np.concatenate(blocks)
    kinds, pages = words[:, 0] & np.uint64(0xFF), words[:, 0] >> np.uint64(32)
    made = [(int(k), int(p), bool(x)) for k, p, x in zip(kinds, pages, words[:, 1], strict=True)]
    assert made == naive_lru([int(a) for a in accesses], case.frames)


@pytest.mark.skipif(not report.STORED.exists(), reason="no figures are stored")
def test_the_page_shows_the_stored_figures() -> None:
    document = json.loads(report.STORED.read_text(encoding="utf-8"))
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(document, text) == text
    largest = [r for r in document["rows"] if r["op"] in micro.BARRED and r["entries"] == 1 << micro.BAR_BITS]
    fenced = {r["op"]: r["bar"] for r in largest if r["mode"] == micro.FENCED}
    assert set(fenced) == set(micro.BARRED)
    assert not [bar for bar in fenced.values() if bar.startswith(bars.MISSED)]


def test_the_page_says_which_bars_hold() -> None:
    rows = [{"op": "load", "mode": "fenced", "bar": "holds: at most 1.3 of C"}, {"op": "parse", "bar": "missed: 9, not at least 10 MB/s"}]
    assert report.standing([*rows, {"op": "generate", "bar": bars.NONE}]) == (
        "Of 2 rows with bars 1 holds; missed: parse (9, not at least 10 MB/s)."
    )
    assert report.standing(rows[:1]) == "Of 1 rows with bars all hold."
    far = {"op": "overwrite", "bar": "holds: at most 1.3 of C; out of reach: 2.1 and C 2.2, not 2.4..3.3 times the bare array"}
    assert report.standing([rows[0], far]) == (
        "Of 2 rows with bars 1 holds; out of reach on this machine, of C as well: "
        "overwrite (2.1 and C 2.2, not 2.4..3.3 times the bare array)."
    )


def test_only_a_whole_run_is_stored(capsys: pytest.CaptureFixture[str]) -> None:
    for part in (["--only", "load"], ["--quick"]):
        assert command.main([*part, "--store"]) == 2
        assert "--store" in capsys.readouterr().err


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "lode"]) == 2
    said = capsys.readouterr()
    assert "not one of load, overwrite" in said.err
    assert said.out == ""
