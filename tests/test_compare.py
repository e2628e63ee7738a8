"""dse compare and dse rerun: counted figures exact and repeatable, rows and provenance for scripts, bad input."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

import dse
from dse import cli, naming, scenario, storing
from dse.errors import BadInput, CheckFailed
from dse.measuring import comparing, run, timing
from dse.measuring import times as times_of_runs
from dse.measuring.pacing import LEAST_PAIRS
from dse.measuring.stats import Interval
from dse.modelling import ledger
from dse.reports import tabling
from dse.workloads import stream as streams
from kernels import control

PAIR = ["direct", "swap_id"]
README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.fixture(scope="module")
def stored(small: Path, quick: dict[str, float], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], Path]:
    results = tmp_path_factory.mktemp("results")
    return dse.compare(str(small), PAIR, results=results, **quick), results


def rows(found: dict[str, object], **want: object) -> list[dict[str, object]]:
    return [row for row in found["rows"] if all(row[key] == value for key, value in want.items())]


def test_every_row_says_what_it_is(stored: tuple[dict[str, object], Path]) -> None:
    found, _ = stored
    assert {row["kind"] for row in found["rows"]} == {"counted", "measured", "modelled"}
    assert all({"design", "op", "metric", "kind", "unit", "value"} <= row.keys() for row in found["rows"])
    assert {row["design"] for row in found["rows"]} == set(PAIR)
    assert {row["scenario"] for row in found["rows"]} == {"small, moves.rate=0.3", "small, moves.rate=0"}
    names = [(row["scenario"], *storing.identity(row)) for row in found["rows"]]
    assert len(names) == len(set(names))


def test_operations_add_up(stored: tuple[dict[str, object], Path]) -> None:
    found, _ = stored
    for provenance in found["provenance"]["runs"]:
        for design in PAIR:
            whole = rows(found, scenario=provenance["label"], design=design, metric="demands", age=None)
            assert sum(row["count"] for row in whole) == provenance["demands"]
    assert all(row["count"] == 0 for row in rows(found, metric="lost_tokens"))
    assert all(row["count"] == 0 for row in rows(found, metric="lock_order_violations", stat="total"))


def test_the_book_of_a_side_is_read_once(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live, read = ledger.live, []
    monkeypatch.setattr(ledger, "live", lambda *given: read.append(given) or live(*given))
    found = dse.compare(str(small), PAIR, counted_only=True)
    assert len(read) == len(found["provenance"]["runs"]) * len(PAIR)


def test_counted_only_has_the_same_counters(stored: tuple[dict[str, object], Path], small: Path) -> None:
    found, _ = stored
    again = dse.compare(str(small), PAIR, counted_only=True)
    assert again["provenance"]["counters_hash"] == found["provenance"]["counters_hash"]
    assert {row["kind"] for row in again["rows"]} == {"counted"}
    assert "run" not in again["provenance"]["runs"][0]


def test_states_differ_in_times_alone(stored: tuple[dict[str, object], Path], small: Path, quick: dict[str, float]) -> None:
    """Cold: a large read (here 1 MiB, to be quick) before each of a few operations. Without a state both are taken."""
    found, _ = stored
    assert {(row["age"], row["state"]) for row in found["rows"] if row["timing"] == "fenced"} == {
        ("fresh", "footprint"), ("aged", "footprint"), ("aged", "cold"),
    }  # fmt: skip
    times = {state: dse.compare(str(small), PAIR, state=state, **quick) for state in ("hot", "cold")}
    for state, taken in times.items():
        assert {row["state"] for row in taken["rows"] if row["timing"] == "fenced"} == {state}
        assert taken["provenance"]["counters_hash"] == found["provenance"]["counters_hash"]
        assert {one["state"] for one in taken["provenance"]["runs"]} == {state}
        assert {tuple(one["states"]) for one in taken["provenance"]["runs"]} == {(state,)}


def test_a_ratio_has_one_finding_in_both_states(stored: tuple[dict[str, object], Path]) -> None:
    found = rows(stored[0], metric="ratio", age="aged", op="swap_in", design="swap_id")
    for label in {row["scenario"] for row in found}:
        mine = [row for row in found if row["scenario"] == label]
        assert {row["state"] for row in mine} == {"footprint", "cold"}
        assert len({row["status"] for row in mine}) == 1
        assert all(word in mine[0]["status"] for word in ("footprint", "cold"))


def test_the_record_of_the_measuring(stored: tuple[dict[str, object], Path]) -> None:
    found, results = stored
    runs = found["provenance"]["runs"]
    assert runs[0]["measuring"]["budget_s"] == pytest.approx(60.0)
    for run_, name in zip(runs, storing.run_names(results), strict=True):
        at = run_["measuring"]
        assert at["passes"] >= 1
        assert set(at["pairs"]) == {"footprint", "cold"}
        assert at["target_width"] == 1.0
        assert at["met"] + len([gap for gap in at["open"] if gap["why"].find("of the stream") < 0]) == at["headline"]
        assert json.loads(storing.load_run(results, name).provenance["extra"])["measuring"]["budget_s"] > 0


def test_a_budget_too_small_for_one_turn_says_so(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = dse.compare(str(small), PAIR, budget=1e-6)
    assert not rows(found, metric="ratio")
    at = found["provenance"]["runs"][0]["measuring"]
    assert (at["met"], at["ended"]) == (0, "the budget was used up")
    assert at["open"]
    tabling.show(found)
    assert "0 of 6 intervals of aged headline ratios" in " ".join(capsys.readouterr().out.split())


def test_more_pairs_are_more_chunks() -> None:
    total = 100_000_000
    for pairs in (2, 16, 64):
        fresh, aged = run.windows_of([total], 1_000_000, pairs)
        assert (fresh.chunks, aged.chunks) == (2 * pairs, 4 * pairs)
        assert fresh.last - fresh.first == 2 * pairs * run.CHUNK


def test_young_structures_are_called_so(stored: tuple[dict[str, object], Path]) -> None:
    found, _ = stored
    one = found["provenance"]["runs"][0]
    assert one["turnover"] > 0
    for asked, words in ((one["turnover"] + 1, "fewer than"), (one["turnover"] / 2, "turnovers of the swapped pages;")):
        assert words in tabling.paragraph(rows(found, scenario=one["label"]), one | {"warm_turnover": asked}, "dse compare")


def test_another_seed_has_other_counters(stored: tuple[dict[str, object], Path], small: Path) -> None:
    other = dse.compare(str(small), PAIR[:1], counted_only=True, seed=7)
    mine = storing.counters_hash(rows(stored[0], scenario="small, moves.rate=0.3", design=PAIR[0]))
    assert mine != storing.counters_hash(rows(other, scenario="small, moves.rate=0.3", design=PAIR[0]))


def test_rerun_says_yes(stored: tuple[dict[str, object], Path], capsys: pytest.CaptureFixture[str]) -> None:
    _, results = stored
    for name in storing.run_names(results):
        assert cli.main(["rerun", name, "--results", str(results)]) == 0
        assert capsys.readouterr().out == "yes\n"


def test_rerun_says_no(stored: tuple[dict[str, object], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, results = stored
    kept = storing.load_run(results, "last")
    ops = [{**row, "count": row["count"] + 1} if row["metric"] == "demands" else row for row in kept.ops]
    storing.write_run(tmp_path, ops, kept.ledger, kept.provenance)
    assert cli.main(["rerun", "last", "--results", str(tmp_path), "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["equal"] is False


def test_stored_runs_can_be_scanned_and_compared(stored: tuple[dict[str, object], Path]) -> None:
    found, results = stored
    tables = dse.scan(results)
    assert tables["ops"].collect().height == len(found["rows"])
    assert tables["ledger"].collect().height > 0
    names = storing.run_names(results)
    assert cli.main(["diff", names[0], names[0], "--results", str(results)]) == 0
    assert cli.main(["diff", *names, "--results", str(results)]) == 1


def test_the_table(stored: tuple[dict[str, object], Path], capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = stored
    tabling.show(found)
    out = capsys.readouterr().out
    for words in ("swap_in", "slots tied up", "IDs never moved", "Open loop", "Not modelled", "A/A", "page_cluster=0", "Counters"):
        assert words in out
    assert found["provenance"]["runs"][0]["counters_hash"][:16] in out


@pytest.fixture(scope="module")
def layered(small: Path, quick: dict[str, float]) -> dict[str, object]:
    return dse.compare(str(small), ["direct", "swap_id", "swap_table_p4"], **quick)


def test_every_layer_against_both_bases(layered: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    """Each design is set against direct and against swap_table_p4, itself left out; taxes are differences of the same means."""
    case = "small, moves.rate=0.3"
    pairs = {(r["design"], r["baseline"]) for r in rows(layered, scenario=case, op="swap_in", metric="ratio", age="aged")}
    both = {("swap_id", "direct"), ("swap_id", "swap_table_p4"), ("swap_table_p4", "direct"), ("direct", "swap_table_p4")}
    assert pairs == both
    taxes = {
        (r["design"], r["baseline"]): r["value"] for r in rows(layered, scenario=case, op="lifetime", metric="tax_lines")
    }  # fmt: skip
    assert set(taxes) == both
    assert taxes["swap_id", "swap_table_p4"] == pytest.approx(taxes["swap_id", "direct"] - taxes["swap_table_p4", "direct"])
    found = [row for row in layered["rows"] if row["scenario"] == case]
    head = tabling.headline(found, ["direct", "swap_id", "swap_table_p4"])
    assert [(row["layer"], row["against"], row["caches"]) for row in head] == [
        ("swap_id", base, caches) for base in ("direct", "swap_table_p4") for caches in ("footprint", "cold")
    ]
    assert all("[" in row["swap_in"] for row in head)
    assert ["-" in row["tax B"] for row in head] == [False, True, False, True]
    line = next(r for r in tabling.operations(found, ["direct", "swap_id", "swap_table_p4"], "aged") if r["operation"] == "swap_in")
    assert line["ratio"] == "1 (baseline)"
    assert "[" in line["x swap_table_p4"]
    tabling.show(layered)
    assert capsys.readouterr().out.count("Layers against what they may stand on") == 2


def test_the_command_for_scripts(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", str(small), "--designs", "direct", "--counted-only", "--results", str(tmp_path), "--format", "json"]
    assert cli.main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"rows", "provenance"}
    assert found["provenance"]["command"].startswith("dse compare")
    assert len(storing.run_names(tmp_path)) == 2


def test_configured_out_counts_what_direct_counts(small: Path) -> None:
    found = dse.compare(str(small), ["direct", "swap_id_off"], counted_only=True)
    base, off = (
        [{**row, "design": "", "baseline": None} for row in rows(found, design=d) if row["op"] != "lifetime"]
        for d in ("direct", "swap_id_off")
    )
    assert base == off


def test_the_readme_shows_what_the_code_counts() -> None:
    """The excerpt is made by a command and may not hold counters of an older model."""
    words = re.search(r"^Repeat: dse compare \(counters ([0-9a-f]{16})\)", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert words
    designs = naming.default_designs()
    cases = comparing.variants(scenario.load("writeback"), None)
    hashes = [comparing.run_scenario(streams.build(case), designs, budget=None)["provenance"]["counters_hash"] for case in cases]
    told = "dse compare --format json > FILE, then python -m dse.documenting readme FILE"
    assert storing.combined_hash(hashes).startswith(words[1]), f"the model has changed: {told}"


def test_no_side_comes_early_more_often() -> None:
    sides = list("abcde")
    turns = timing.orders(sides, np.random.default_rng(3))
    taken = [next(turns) for _ in range(10)]
    assert all(sorted(order) == sides for order in taken)
    assert len({tuple(order) for order in taken}) == 10
    assert {sum(order.index(side) for order in taken) for side in sides} == {20}


def test_the_noise_of_a_window_is_that_of_its_operations(small: Path, quick: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every finding of a window is held against the widest A/A interval of the operations that are about as frequent."""
    aa = {"swap_in": Interval(1.0, 0.98, 1.01, 30), "move": Interval(1.03, 1.0, 1.06, 16), "fork": Interval(1.2, 0.8, 1.5, 4), "cow": None}
    widened = times_of_runs.pooled(aa, [x for x in aa.values() if x is not None])
    assert {op: x and (x.lo, x.hi) for op, x in widened.items()} == {
        "swap_in": (0.98, 1.06), "move": (0.98, 1.06), "fork": (0.8, 1.5), "cow": None,
    }  # fmt: skip
    monkeypatch.setattr(times_of_runs, "pooled", lambda aa, known: {op: x and Interval(x.ratio, 0.5, 2.0, x.n) for op, x in aa.items()})
    found = [row for row in rows(dse.compare(str(small), PAIR, state="hot", **quick), metric="ratio") if row["n"] >= LEAST_PAIRS]
    assert len({(row["age"], row["op"]) for row in found}) > 2
    assert all("inconclusive: the same design against itself ranges over 0.500..2.000" in row["status"] for row in found)


def test_a_tax_within_the_noise_is_called_so(layered: dict[str, object]) -> None:
    found = rows(layered, op="lifetime", metric="tax_ns", age="aged")
    assert all(row["lo"] <= row["value"] <= row["hi"] for row in found)
    noisy = dict(found[0]) | {"status": "no more than the noise"}
    assert tabling._tax_ns(noisy) == "noise"
    assert tabling._tax_ns(dict(found[0]) | {"status": "ok"}) == f"{found[0]['value']:+.0f} [{found[0]['lo']:+.0f}, {found[0]['hi']:+.0f}]"
    assert tabling._tax_ns(None) == "-"


def test_nothing_is_said_of_times_where_nothing_was_timed(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tabling.show(dse.compare(str(small), "direct", counted_only=True))
    out = capsys.readouterr().out
    assert "nothing was timed" in out
    assert "fenced" not in out


def test_windows_lie_in_the_stream() -> None:
    for total, first in ((10_000_000, 2_000_000), (1000, 0), (1000, 990), (5, 4)):
        fresh, aged = run.windows_of([total], first)
        assert first == fresh.first <= fresh.last <= aged.first <= aged.last == total


@pytest.mark.parametrize("sizes", [[100_000, 100_000, 77], [200_077]])
def test_pieces_are_the_stream(sizes: list[int]) -> None:
    numbers = np.arange(sum(sizes), dtype=np.uint64)
    stream = np.stack([numbers, numbers], 1)
    bounds = np.cumsum([0, *sizes])
    windows = run.windows_of(sizes, 30_000)
    cut = list(run.pieces((stream[a:b] for a, b in itertools.pairwise(bounds)), windows))
    assert np.array_equal(np.concatenate([block for _, _, block in cut]), stream)
    for window in windows:
        inside = [block for age, _, block in cut if age == window.age]
        assert sum(map(len, inside)) == window.last - window.first
        assert int(inside[0][0, 0]) == window.first


def test_a_lost_page_fails_the_run(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    replay = run.Side.replay

    def losing(self: run.Side, pr: object, block: object) -> None:
        replay(self, pr, block)
        self.state.ctl[int(control.S_LOST)] = 3

    monkeypatch.setattr(run.Side, "replay", losing)
    with pytest.raises(CheckFailed, match="3 pages"):
        run.verify(scenario.load(str(small)), naming.parse_many("direct"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["writebac"], "did you mean 'writeback'"),
        (["missing.toml"], "missing.toml"),
        (["--designs", "direct,swap_di"], "unknown design"),
        (["--designs", ""], "--designs is empty"),
        (["--seed", "-1"], "negative"),
        (["--seeds", "1"], "did you mean '--seed'"),
        (["--budget", "0"], "not above 0 seconds"),
        (["--budget", "nan"], "not a number of seconds"),
        (["--width", "0"], "not above 0"),
        (["--width", "1.5"], "not from 0 to 1"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


def test_a_typo_in_a_scenario(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "typo.toml"
    path.write_text(small.read_text(encoding="utf-8").replace("rate", "rte"))
    assert cli.main(["compare", str(path)]) == 2
    assert "typo.toml:14" in capsys.readouterr().err


def test_a_results_folder_that_cannot_be_written(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert cli.main(["compare", str(small), "--designs", "direct", "--results", str(tmp_path / "file")]) == 2
    assert f"{tmp_path}/file is not a folder" in capsys.readouterr().err


def test_more_memory_than_there_is(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dse.common.machine.memory_available", lambda: 1 << 20)
    assert cli.main(["compare", str(small), "--designs", "direct", "--results", str(tmp_path)]) == 2
    assert "GiB of memory" in capsys.readouterr().err


def test_nothing_swapped_out(small: Path) -> None:
    calm = scenario.load(str(small)).but(memory__limit=1.0)
    with pytest.raises(BadInput, match=r"nothing is swapped out, as .* would do$") as refused:
        dse.compare(calm, "direct", counted_only=True)
    settings = re.search(r"--set (memory\.limit=\S+)", str(refused.value))
    assert settings
    assert dse.compare(calm, "direct", counted_only=True, settings=[settings[1]])["rows"]


def test_a_run_that_is_no_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storing.write_run(tmp_path, [storing.figure("direct", "swap_in", "lines", "counted", "lines", 3)])
    assert cli.main(["rerun", "last", "--results", str(tmp_path)]) == 2
    assert "does not say what scenario" in capsys.readouterr().err


def test_interrupted_operations_are_left_out_where_they_are_rare() -> None:
    from kernels.observing import probe

    bins = np.zeros((2, probe.TICK_BINS), np.uint64)
    bins[0, 10], bins[0, -1] = 999, 1
    bins[1, 10], bins[1, -1] = 50, 50
    n, ticks = bins.sum(1), np.array([999 * 168 + 10**6, 50 * 168 + 10**7], np.uint64)
    assert timing.undisturbed(n, ticks, bins).tolist() == [[999.0, 999 * 168.0], [100.0, 50 * 168 + 1e7]]
    bins[0, 10], bins[1, 10], bins[:, -1] = 39, 1, 1  # one of 40 was interrupted; of two, nobody knows
    assert timing.undisturbed(bins.sum(1), ticks, bins)[:, 0].tolist() == [39.0, 2.0]


def test_what_a_switched_off_device_leaves_behind(small: Path) -> None:
    off = scenario.load(str(small)).but(
        **{"backend.placement": "ssd", "moves.rate": 0.0, "swapoff.device": "ssd", "backend.zero_share": 0.0}
    )
    found = dse.compare(off, "direct", counted_only=True)
    assert rows(found, op="swapoff", metric="demands", age="aged", stat="total")
    assert rows(found, metric="bytes_per_page_static")[0]["value"] is None
    assert "1 %" in rows(found, metric="bytes_per_page_static")[0]["status"]
    tabling.show(found)
