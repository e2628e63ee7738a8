"""Reports: what they say, in text and pictures, and the command."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import dse
from dse import cli
from dse.errors import BadInput
from dse.reports import charts, model, page, pictures, reporting, runs, studies, textual
from dse.sweeps import wording
from tests import reportdata
from tests.markup import checked


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reportdata.store_both(tmp_path_factory.mktemp("results"))


def test_alone_nobody_wins() -> None:
    rows = [
        {"design": "direct", "layer": False, "margin": 0.1, "runner_up": "swap_id", "certain": None, "kind": None},
        {"design": "swap_id", "layer": True, "margin": None, "runner_up": None, "certain": None, "kind": None},
    ]
    assert wording.winning(rows, "lifetime")[0].startswith(
        "By lifetime (counted), the cheapest in 1 environment: direct 1. A layer of indirection wins in 0 of 1 "
        "(1 more with one design each is left out)"
    )
    assert wording.winning(rows[1:], "lifetime") == ["In none of 1 environment was more than one design evaluated, so that none wins."]


def test_the_answer_of_a_study(results: Path) -> None:
    said = " ".join(reporting.load("study", "made-up-s1", results).answer)
    assert "18 configurations of 3 designs; 6 are on the Pareto fronts of lifetime, bytes_per_page, move in 6 environments" in said
    assert "direct 5, swap_id 1. A layer of indirection wins in 1 of 6" in said
    assert "pays from 0.5 moves a page that goes out on in 1, never pays in 1" in said
    assert "least regret is swap_id: 5.0% above the best of each environment on average, 15.0% at worst (moves.rate 0)" in said


def test_the_answer_of_a_run(results: Path) -> None:
    said = " ".join(reporting.load("run", reportdata.run_name(results), results).answer)
    assert "swap_id: +2.0 lines a lifetime against direct; a swap-in takes 1.50 [1.15, 1.65] times as long (slower)" in said
    assert "A/A" in said


def test_the_winners_map_shows_each_environment(results: Path) -> None:
    document = reporting.load("study", "made-up-s1", results)
    (found,) = [part for section in document.sections for part in section.parts if isinstance(part, model.Map)]
    assert found.columns == ["0", "0.5", "1"]
    assert [name for name, _ in found.rows] == ["ssd=0.5,zswap=0.5", "zswap=1"]
    texts = [[cell.text for cell in cells if cell] for _, cells in found.rows]
    assert texts == [["direct", "direct", "swap_id"], ["direct"] * 3]
    assert found.rows[0][1][1].detail == "even with swap_id"  # type: ignore[union-attr]


def test_figures_of_another_host_are_apart(results: Path) -> None:
    rows = [
        {"design": "swap_id", "op": "swap_in", "unit": "x", "value": v, "lo": v, "hi": v, "status": "ok", "host": host, "environment": {}}
        for host, v in (("a", 1.0), ("b", 2.0), ("c", None))
    ]  # fmt: skip
    name = reportdata.store_study(results, "two-hosts", confirmed=rows)
    parts = [p for s in reporting.load("study", name, results).sections for p in s.parts if p.title.startswith("Timed")]
    shutil.rmtree(results / "studies" / name)
    assert [p.title for p in parts] == ["Timed on a", "Timed on b", "Timed without a figure"]


def test_a_study_of_failures_only(results: Path) -> None:
    trials = [{"number": 0, "design": "direct", "environment": {}, "params": {}, "status": "lost token", "feasible": False, "front": False,
               "objective": "lifetime", "kind": "counted", "unit": "u", "value": None, "key": "k"}]  # fmt: skip
    empty: dict[str, list[object]] = {table: [] for table in ("winners", "breakeven", "sensitivity", "regret", "confirmed")}
    name = reportdata.store_study(results, "failures", trials=trials, **empty)
    document = reporting.load("study", name, results)
    shutil.rmtree(results / "studies" / name)
    assert "1 of them infeasible or failed" in document.answer[0]
    checked(page.render(document))
    assert textual.render(document)


def test_counted_only_run(tmp_path: Path) -> None:
    name = reportdata.store_run(tmp_path, timed=False)
    document = reporting.load("run", name, tmp_path)
    assert document.provenance["A/A noise of the session"] == "nothing was timed"
    assert not any(part.kind == "measured" for section in document.sections for part in section.parts)
    checked(page.render(document))


def test_a_design_that_is_gone_is_left_out_of_the_curves() -> None:
    found = runs.fill_curves(["gone", "direct"], {"zswap": 1.0})
    assert found
    assert [s.name for s in found.series] == ["direct"]
    assert runs.fill_curves(["gone"], {"zswap": 1.0}) is None


def test_fill_curves_are_the_ledger() -> None:
    found = runs.fill_curves(["direct"], {"ssd": 1.0})
    assert found
    book = dse.ledger("direct", runs.SLOTS, 1.0, "ssd")
    assert found.series[0].ys[-1] * runs.MIB == book["allocated_bytes"]


@pytest.mark.parametrize("name", ["made-up", "last"])
def test_text_fits_into_a_mail(results: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", name, "--format", "text", "--results", str(results)]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= textual.WIDTH
    assert "counted" in out


def test_wide_tables_lose_columns_at_the_right() -> None:
    rows = [{"design": "x" * 40, "a": 1, "b": "y" * 50}]
    assert textual.fitted(rows).splitlines()[0].split() == ["design", "a"]


@pytest.mark.parametrize(("form", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_pictures(results: Path, form: str, magic: bytes, tmp_path: Path) -> None:
    paths = [Path(dse.report("made-up", form, tmp_path / f"{i}.{form}", results=results)) for i in range(2)]
    assert paths[0].read_bytes().startswith(magic)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_names_of_clip_paths_follow_from_the_picture() -> None:
    """Matplotlib makes them of where objects lie, so that two pictures in a process may differ."""
    from matplotlib.figure import Figure

    figure = Figure()
    for axes in figure.subplots(1, 2):
        axes.plot([1, 2])
    drawn = charts.content(figure, "svg").decode()
    used = re.findall(r"url\(#(\w+)\)", drawn)
    assert list(dict.fromkeys(used)) == ["clip1", "clip2"]
    assert sorted(re.findall(r'<clipPath id="(\w+)"', drawn)) == ["clip1", "clip2"]


@pytest.mark.parametrize(("form", "code"), [("svg", 0), ("html", 0), ("png", cli.BAD)])
def test_to_stdout(results: Path, form: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "made-up", "--format", form, "--output", "-", "--results", str(results)]) == code
    captured = capsys.readouterr()
    assert captured.out.rstrip().endswith({"svg": "</svg>", "html": "</html>", "png": ""}[form])


def test_one_figure(results: Path) -> None:
    document = reporting.load("study", "made-up-s1", results)
    assert [part.title for part in pictures.chosen(document, "pareto")] == [
        f"Configurations and the Pareto front: backend.mix {mix}, moves.rate {rate}"
        for mix, rate in (("zswap=1", "0"), ("zswap=1", "0.5"), ("zswap=1", "1"), ("ssd=0.5,zswap=0.5", "0"))
    ]
    assert len(pictures.chosen(document, None)) == pictures.MOST
    with pytest.raises(BadInput, match="no figure has 'paretto' in its title"):
        pictures.chosen(document, "paretto")


def test_the_picture_of_a_study(results: Path) -> None:
    """Environments are small multiples in one place; legend, front and conditions are in the picture."""
    document = reporting.load("study", "made-up-s1", results)
    places = pictures.slots(document, None)
    assert [len(slot) for slot in places] == [6, 1, 1, 1]
    assert [len(slot) for slot in pictures.slots(document, "moves.rate 0.5")] == [2]
    drawn = pictures.render(document, "svg", "pareto").decode()
    for text in ("an environment each", "direct", "swap_desc", "front in these two objectives", "dse sweep made-up", "code c0de"):
        assert text in drawn
    assert drawn == pictures.render(document, "svg", "pareto").decode()


def test_the_front_in_a_plane_by_hand() -> None:
    assert pictures.staircase([]) == []
    assert pictures.staircase([(2.0, 2.0), (1.0, 3.0), (3.0, 2.5)]) == [(1.0, 3.0), (2.0, 3.0), (2.0, 2.0)]


def test_last_is_what_was_stored_last(tmp_path: Path) -> None:
    run = reportdata.store_run(tmp_path)
    assert reporting.resolve("last", tmp_path) == ("run", run)
    study = reportdata.store_study(tmp_path)
    later = (tmp_path / "runs" / run).stat().st_mtime_ns + 10**9
    __import__("os").utime(tmp_path / "studies" / study, ns=(later, later))
    assert reporting.resolve("last", tmp_path) == ("study", study)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["made-upp"], "unknown run or study 'made-upp'"),
        (["made-up", "--format", "htm"], "did you mean 'html'"),
        (["", "--format", "text"], "unknown run or study ''"),
        (["made-up", "--output", "."], "is a folder"),
    ],
)
def test_bad_input_is_one_line(results: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", *argv, "--results", str(results)]) == cli.BAD
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_nothing_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "--results", str(tmp_path / "none")]) == cli.BAD
    assert "no runs or studies stored" in capsys.readouterr().err


def test_a_damaged_study_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = reportdata.store_study(tmp_path)
    path = tmp_path / "studies" / name / "winners.parquet"
    path.write_bytes(path.read_bytes()[:100])
    assert cli.main(["report", name, "--results", str(tmp_path)]) == cli.BAD
    assert "winners.parquet: not what was stored" in capsys.readouterr().err


def test_axes_without_a_rate() -> None:
    assert studies._columns([{"a": 1}, {"a": 2, "b": 1}]) == "a"
    assert studies._columns([]) == ""
    assert studies.parsed("[1]") == studies.parsed("{") == studies.parsed(None) == {}
    assert studies.parsed_list("{}") == studies.parsed_list("[") == []
