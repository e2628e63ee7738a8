"""Tables of latencies from a file: what a calibration writes, what a reader takes and refuses, what modelled figures say of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import dse
from dse import calibrating, cli, storing
from dse.calibrating import results, session
from dse.errors import BadInput, CheckFailed
from dse.modelling import tables
from dse.modelling.latency import PARAMETERS, parameter
from dse.reports import runs, tabling
from tests.calibdata import NS, Host, build, wanted

OWN = """
[parameters."fault.frame"]
low = 100
typical = 200.5
high = 400
source = "ours"
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table that a calibration of a host in a folder wrote."""
    build(tmp_path / "root")
    wish = wanted(tmp_path, repeats=5)
    calibrating.calibrated(wish, "dse calibrate --output 't\"1.toml'", Host(tmp_path / "root", wish.state))
    return wish.output


def samples(kind: str, times: Sequence[int], own: int = 10, wrong: str = "") -> list[session.Sample]:
    """Repeats whose faults take 0, 0 and 8 ns more than `times`."""
    return [session.Sample(kind, i, [own], [], [own + t, own + t, own + t + 8], wrong) for i, t in enumerate(times)]


def test_a_row_is_the_median_with_its_spread() -> None:
    zero, zswap = samples("zero", [100, 110, 300]), samples("zswap", [250, 260, 450])
    rows = {row["kind"]: row for row in results.figures(zero + zswap)}
    assert (rows["zero"]["ns"], rows["zero"]["direction"], rows["zero"]["repeats"]) == (110, "in", 3)
    assert (rows["zero"]["low"], rows["zero"]["high"]) == (108, 300)  # quartiles of 100 100 108 110 110 118 300 300 308
    assert rows["zero"]["lo"] <= 110 <= rows["zero"]["hi"]
    assert rows["zero"]["mean"] == pytest.approx(1554 / 9)
    assert rows["zero"]["over_zero"] is None
    assert (rows["zswap"]["over_zero"], rows["zswap"]["over_zero_lo"], rows["zswap"]["over_zero_hi"]) == (150, 150, 150)  # paired


def test_repeats_that_others_disturbed_do_not_count() -> None:
    bad = [session.Sample("zero", 9, [10], [], [9999] * 3, "pswpin is 5 and not 0 (swap-in)")]
    row = results.figures(samples("zero", [100, 110, 120]) + bad)[0]
    assert (row["ns"], row["repeats"], row["discarded"]) == (110, 3, 1)
    few = results.figures(samples("zero", [100, 110]) + bad)
    assert (few[0]["ns"], few[0]["why"]) == (None, "pswpin is 5 and not 0 (swap-in)")
    with pytest.raises(CheckFailed, match="no latency was measured: pswpin is 5"):
        results.parameters(few, {"kernel": "x", "cpu": "y", "date": "z"})


def test_disturbed_repeats_are_found_by_the_counters(tmp_path: Path) -> None:
    build(tmp_path / "root")
    wish = wanted(tmp_path, repeats=4)
    host = Host(tmp_path / "root", wish.state, stray=lambda kind, seed: 7 * (kind == "zero" and seed == 2))
    rows = {(row["kind"], row["direction"]): row for row in calibrating.calibrated(wish, "c", host)["rows"]}
    assert (rows["zero", "in"]["repeats"], rows["zero", "in"]["discarded"]) == (3, 1)
    assert rows["zero", "in"]["why"] == "pswpin is 7 and not 0 (swap-in)"
    assert rows["zswap", "in"]["discarded"] == 0


def test_what_is_written_is_read_back(table: Path) -> None:
    found = tables.read(table)
    assert found.replaced == ("fault.frame", "fault.zram", "fault.zswap")
    for name, kind in (("fault.frame", "zero"), ("fault.zswap", "zswap"), ("fault.zram", "zram")):
        row = found.rows[name]
        assert row.typical == NS[kind][1] + 31.5  # the median of five repeats, and of 0..3 ns
        assert row.low <= row.typical <= row.high
        assert row.status == f'ok: calibrated on Linux 6.18-test, A "CPU", table {found.digest[:8]}'
    assert "(lz4)" in found.rows["fault.zswap"].note
    assert "(lz4)" in found.rows["fault.zram"].note
    assert found.rows["ssd.read"] == PARAMETERS["ssd.read"]
    assert found.provenance["command"] == "dse calibrate --output 't\"1.toml'"
    assert found.provenance["repeats"] == 5
    assert found.about()["values"]["fault.frame"][1] == 3031.5
    assert tables.SHIPPED.about() == {}
    assert parameter("fault.frame").status == "ok"


def test_a_changed_table_is_no_calibrated_one(table: Path) -> None:
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("typical = 3031.5", "typical = 3032.5"), encoding="utf-8")
    with pytest.raises(BadInput, match="was changed after dse calibrate wrote it; without its line 'digest'"):
        tables.read(table)
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(line for line in lines if not line.startswith("digest")), encoding="utf-8")
    assert tables.read(table).rows["fault.frame"].status.startswith("ok: table.toml, table ")


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    found = tables.read(path)
    assert found.replaced == ("fault.frame",)
    assert found.rows["fault.frame"].at("typical") == 200.5
    assert found.rows["fault.zswap"] is PARAMETERS["fault.zswap"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fault.frame", "fault.fram", r"own\.toml:2: unknown latency 'fault\.fram', did you mean 'fault\.frame'"),
        ("typical", "typcal", "unknown key of fault.frame 'typcal', did you mean 'typical'"),
        ("low = 100", "low = 0", "low of fault.frame is a number of nanoseconds above 0, got 0"),
        ("low = 100", "low = nan", "above 0, got nan"),
        ("low = 100", 'low = "1"', "above 0, got '1'"),
        ("low = 100", "low = 300", "low, typical, high rise, got 300, 200.5, 400"),
        ("high = 400\n", "", "high of fault.frame is a number of nanoseconds above 0, got None"),
        ('"ours"', "3", "source of fault.frame is text, got 3"),
        ("[parameters", "[paramters", "unknown table 'paramters', did you mean 'parameters'"),
        ("low = 100", "low =", r"own\.toml: "),
        (OWN, "version = 1", "has no parameters"),
        (OWN, f"version = 9\n{OWN}", "of another version"),
        (OWN, '[parameters]\n"fault.frame" = 3', "fault.frame is a table with low, typical and high"),
    ],
)
def test_mistakes_in_a_table(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN.replace(old, new))
    with pytest.raises(BadInput, match=message):
        tables.read(path)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        tables.read(tmp_path / "none.toml")
    with pytest.raises(BadInput, match="unknown parameter table 'mine'"):
        tables.read("mine")


def test_modelled_figures_are_of_the_table_and_say_so(
    table: Path, small: Path, quick: dict[str, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = dse.compare(str(small), "direct", parameters=table, results=tmp_path / "results", settings=["moves.rate=0"], **quick)
    said = f'calibrated on Linux 6.18-test, A "CPU", table {tables.read(table).digest[:8]}'
    means = {(row["op"], row["age"], row["state"]): row["value"] for row in found["rows"] if (row["metric"], row["stat"]) == ("ns", "mean")}
    shares = [row for row in found["rows"] if row["metric"] == "share_of_fault"]
    assert shares
    for row in shares:
        assert row["value"] == pytest.approx(means[row["op"], row["age"], row["state"]] / 3031.5)
        assert row["lo"] <= row["value"] <= row["hi"]
        assert row["status"] == f"ok: {said}"
    status = {row["metric"]: row["status"] for row in found["rows"] if row["kind"] == "modelled"}
    assert status["share_of_zswap_read"] == status["share_of_ssd_read"] == "ok"  # latencies that the table does not have
    assert status["rcu_waiting_bytes_xa_node"] == f"ok: {said}"
    (run,) = found["provenance"]["runs"]
    assert run["parameters"]["values"]["fault.zswap"][1] == tables.read(table).rows["fault.zswap"].typical
    tabling.show(found)
    shown = capsys.readouterr().out
    assert f"shares: modelled, {said})" in shown
    assert f"Modelled figures rest on a table of yours, {said}: fault.frame 3,032 ns (" in shown
    stored = storing.load_run(tmp_path / "results", run["run"])
    assert said in " ".join(runs.answer(stored))
    assert runs.document(stored).provenance["parameter table"] == said


def test_without_a_table_nothing_is_said(small: Path) -> None:
    found = dse.compare(str(small), "direct", counted_only=True, settings=["moves.rate=0"])
    assert found["provenance"]["runs"][0]["parameters"] == {}


def test_a_table_without_effect_is_refused(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    assert cli.main(["compare", str(small), "--counted-only", "--parameters", str(path)]) == 2
    assert "has no effect with counted figures only" in capsys.readouterr().err
    results = ["--results", str(tmp_path)]
    assert cli.main(["sweep", "--parameters", str(path), *results]) == 2
    assert "has no effect: only the runs of --confirm N use latencies of a fault" in capsys.readouterr().err
    assert cli.main(["sweep", "--confirm", "1", "--parameters", str(tmp_path / "none.toml"), *results]) == 2
    assert "no such file" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["own.toml"]


def test_confirmations_of_a_sweep_are_given_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs that are timed get the file, from the call of the sweep on."""
    from dse.sweeps import sweeping

    given: list[object] = []

    def compare(*_: object, **options: object) -> None:
        given.append(options["parameters"])
        raise BadInput("as far as the comparison")

    monkeypatch.setattr("dse.measuring.comparing.compare", compare)
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "space.toml").write_text("""
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192 }
[axes.design]
values = ["direct", "swap_id"]
""")
    with pytest.raises(BadInput, match="as far as the comparison"):
        sweeping.sweep(tmp_path / "space.toml", confirm=2, parameters=tmp_path / "own.toml", results=tmp_path / "results")
    assert given == [tmp_path / "own.toml"]
