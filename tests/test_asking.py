"""dse ask: rules on points worked out by hand, questions as files, answers that are kept, the contract of the JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import dse
from dse import asking, cli
from dse.asking import answering, declaring, measuring, screens, verdicts
from dse.asking.declaring import Rule, Study, Term
from dse.asking.measuring import Measured, Point

LINES = (Term("lines", "swap_in"),)
STUDY = Study("compare", ("base", "a", "b"), LINES)
NEEDED = {
    "id", "question", "status", "answer", "certainty", "needs", "command", "counters_hash",
}  # fmt: skip
OWN = """
question = "Is a swap descriptor larger than a swap table word?"

[study]
source = "ledger"
designs = ["swap_table_p4", "swap_desc"]
measure = [{ metric = "total_bytes" }]
divide = [{ metric = "pages" }]
against = "difference"
slots = 65_536
backend = "ssd"

[verdict]
kind = "at least"
limit = 8.0
unit = "B a page"
sentence = "{all} more than {base}."
"""


def judged(points: list[Point], rule: Rule, study: Study = STUDY) -> verdicts.Verdict:
    question = declaring.Question("Q0", "?", (), "", "", "", study, rule, "0")
    return verdicts.judge(question, Measured(tuple(points), "0" * 64))


def test_a_number_names_every_design_worst_first() -> None:
    points = [Point(None, "base", 10.0), Point(None, "a", 12.5), Point(None, "b", 20.0)]
    rule = Rule("number", "lines", sentence="{all}; {base} {base_value}; worst {worst}, best {best}")
    assert judged(points, rule) == verdicts.Verdict(
        "number", "b 20.0, a 12.5 lines; base 10.0 lines; worst b, best a", "Counted: exact, the same on every machine."
    )


@pytest.mark.parametrize(
    ("kind", "limit", "values", "status"),
    [
        ("at most", 10.0, [(9.0, 8.0, 10.0), (5.0, 4.0, 6.0)], "yes"),
        ("at most", 10.0, [(9.0, 8.0, 11.0), (5.0, 4.0, 6.0)], "inconclusive"),
        ("at most", 10.0, [(12.0, 11.0, 13.0), (5.0, 4.0, 6.0)], "no"),
        ("at least", 10.0, [(12.0, 11.0, 13.0), (15.0, 14.0, 16.0)], "yes"),
        ("at least", 10.0, [(9.0, 8.0, 9.5), (15.0, 14.0, 16.0)], "no"),
        ("same", 0.5, [(0.1, -0.4, 0.4), (0.0, 0.0, 0.0)], "yes"),
        ("same", 0.5, [(3.0, 2.0, 4.0), (0.0, 0.0, 0.0)], "no"),
        ("same", 0.5, [(0.3, -0.4, 1.4), (0.0, 0.0, 0.0)], "inconclusive"),
    ],
)
def test_a_limit_is_held_by_the_interval(kind: str, limit: float, values: list[tuple[float, float, float]], status: str) -> None:
    points = [Point(None, "base", 0.0), *(Point(None, d, *v) for d, v in zip("ab", values, strict=True))]
    assert judged(points, Rule(kind, limit=limit), replace(STUDY, against="difference")).status == status


def test_a_figure_that_decides_nothing_is_no_yes() -> None:
    points = [Point(None, "base", 0.0), Point(None, "a", 1.0, 1.0, 1.0), Point(None, "b", 1.0, 1.0, 1.0, status="inconclusive")]
    found = judged(points, Rule("at most", limit=10.0), replace(STUDY, against="difference", timed=True))
    assert found.status == "inconclusive"
    assert "1 of 2 figures inconclusive" in found.certainty


def test_a_layer_pays_from_the_rate_at_which_moves_repay_it() -> None:
    """a costs 100 ns more a lifetime and saves 400 ns a move: 0.25 moves. b costs nothing more: 0. c saves nothing: never."""
    study = replace(STUDY, designs=("base", "a", "b", "c"), saving=(Term("ns", "move"),), timed=True)
    points = [
        Point(None, "base", 0.0, 0.0, 0.0, 1000.0), Point(None, "a", 100.0, 80.0, 120.0, 600.0), Point(None, "b", -5.0, -9.0, -1.0, 900.0),
        Point(None, "c", 50.0, 40.0, 60.0, 1000.0),
    ]  # fmt: skip
    found = judged(points, Rule("pays off", "moves", digits=2), study)
    assert found.answer == "c never, a 0.25 [0.20, 0.30] moves, b 0.00 moves"


def test_a_cost_that_may_be_a_saving_decides_nothing() -> None:
    """0.5 ns less, from 9 less to 4 more, and nothing saved a move: it may pay from 0 on, or never."""
    study = replace(STUDY, designs=("base", "a"), saving=(Term("ns", "move"),), timed=True)
    points = [Point(None, "base", 0.0, 0.0, 0.0, 100.0), Point(None, "a", -0.5, -9.0, 4.0, 100.0)]
    found = judged(points, Rule("pays off", "moves"), study)
    assert (found.status, found.answer) == ("inconclusive", "a undecided")
    assert "1 of 1 figures inconclusive" in found.certainty


def test_curves_cross_between_two_points() -> None:
    study = replace(STUDY, axis="fill", values=(0.0, 1.0, 2.0))
    base = [Point(x, "base", 10.0) for x in (0.0, 1.0, 2.0)]
    a = [Point(x, "a", y) for x, y in ((0.0, 4.0), (1.0, 8.0), (2.0, 12.0))]
    b = [Point(x, "b", 11.0) for x in (0.0, 1.0, 2.0)]
    found = judged(base + a + b, Rule("crossing", "fill"), study)
    assert found.answer == "b nowhere (dearer throughout), a 1.5 fill (cheaper below)"


def test_a_curve_says_both_ends() -> None:
    study = replace(STUDY, axis="x", values=(1, 2))
    points = [
        Point(x, d, v) for x, d, v in ((1, "base", 1.0), (2, "base", 2.0), (1, "a", 3.0), (2, "a", 9.0), (1, "b", 4.0), (2, "b", 5.0))
    ]
    assert (
        judged(points, Rule("curve", "B", sentence="from {first} to {last}: {all}"), study).answer
        == "from 1 to 2: a 3.0 to 9.0, b 4.0 to 5.0 B"
    )


def test_measures_are_set_against_the_baseline() -> None:
    assert measuring.relative("difference", 5.0, 2.0) == 3.0
    assert measuring.relative("ratio", 5.0, 2.0) == 2.5
    assert measuring.relative("ratio", 5.0, 0.0) is None
    assert measuring.relative("", 5.0, None) == 5.0


def test_all_34_questions_are_there() -> None:
    questions = [asking.load(name) for name in asking.names()]
    assert [q.id for q in questions] == [f"Q{n}" for n in range(1, 35)]
    assert all(q.question.endswith("?") and q.asked_by for q in questions)
    answered = {int(q.id[1:]) for q in questions if q.study is not None}
    assert answered >= {1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 15, 16, 20, 21, 22, 23, 24, 26, 29, 30, 31, 34}
    assert all(bool(q.needs) != bool(q.study) for q in questions)


def test_every_scenario_of_a_question_is_sound() -> None:
    """A key or a value that no scenario takes is found without a run."""
    for name in asking.names():
        study = asking.load(name).study
        if study is not None and study.source == "compare":
            assert measuring.cases(study)


def test_a_question_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """64 B less 8 B: swap_desc is 38 B a page dearer than the table (Q4 on an SSD says the same)."""
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    assert cli.main(["ask", str(file), "--format", "json", "--results", str(tmp_path)]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert set(said) == NEEDED
    assert said["status"] == "yes"
    assert said["answer"].startswith("swap_desc +")
    assert len(said["counters_hash"]) == 64


def test_an_answer_is_kept_and_a_damaged_one_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Study] = []
    real = measuring.measure
    monkeypatch.setattr(answering, "measure", lambda study: made.append(study) or real(study))
    first = dse.ask("Q4", results=tmp_path)
    assert dse.ask("Q4", results=tmp_path) == first
    assert len(made) == 1
    (kept,) = (tmp_path / "answers").iterdir()
    kept.write_text(kept.read_text().replace('"number"', '"yes"'))
    assert dse.ask("Q4", results=tmp_path) == first
    assert len(made) == 2
    kept.write_text("[" * 100_000)
    assert dse.ask("Q4", results=tmp_path) == first
    assert dse.ask("Q4", results=tmp_path, again=True) == first
    assert len(made) == 4
    monkeypatch.setattr(answering, "code_digest", lambda: "another code")
    assert dse.ask("Q4", results=tmp_path) == first
    assert len(made) == 5


def test_the_list_shows_the_last_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {row["status"] for row in asking.catalogue(tmp_path)} == {"needs", "not asked"}
    dse.ask("q4", results=tmp_path)
    assert cli.main(["ask", "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= screens.WIDTH
    assert "-> number: A page on an SSD takes more" in " ".join(out.split())
    assert "1 answered" in out


def test_a_question_that_waits_says_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ask", "Q25"]) == 0
    assert "it waits for large folios" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("source = ", "sorce = "), "own.toml:5: unknown key 'sorce', did you mean 'source'"),
        (('"ledger"', '"book"'), "own.toml:5: unknown source 'book'"),
        (('"swap_desc"', '"swap_dsec"'), "did you mean 'swap_desc'"),
        (("total_bytes", "totl_bytes"), "unknown metric of a ledger 'totl_bytes', did you mean 'total_bytes'"),
        (('"at least"', '"atleast"'), "unknown kind of verdict 'atleast', did you mean 'at least'"),
        (("limit = 8.0", 'limit = "8"'), "limit = '8' is not of type float"),
        (('"at least"', '"curve"'), "a curve needs an axis"),
        (("[verdict]", "[verdikt]"), "unknown key 'verdikt', did you mean 'verdict'"),
        (("[study]", "[study"), "own.toml:4: "),
        (('"Is a swap', '"" # '), "question is missing"),
        (("slots = 65_536", 'axis = "fill"'), "axis and values belong together"),
    ],
)
def test_a_mistake_in_a_question_is_one_line(
    change: tuple[str, str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.toml").write_text(OWN.replace(*change))
    assert cli.main(["ask", str(tmp_path / "own.toml")]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_unknown_questions_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ask", "Q99"]) == 2
    assert "unknown question 'Q99'" in capsys.readouterr().err
    assert cli.main(["ask", "--all", "Q1"]) == 2
    assert "--all takes no questions" in capsys.readouterr().err


def test_a_replayed_study_gives_the_same_counters(small: Path, tmp_path: Path) -> None:
    study = Study(
        "compare", ("direct", "swap_id"), (Term("lines", "swap_in"), Term("lines", "swap_out")), against="difference", scenario=str(small)
    )
    once, twice = measuring.measure(study), measuring.measure(study)
    assert once == twice
    assert once.points[0].value == 0.0
    assert once.points[1].value is not None
    assert once.points[1].value > 5.0


def test_the_screen_fits_80_columns() -> None:
    points: list[dict[str, Any]] = [
        {"at": at, "design": f"swap_id[base=swap_table_p4,batch=leaf,n={n}]", "value": 1e6 * n, "lo": None, "hi": None, "saving": None,
         "status": "ok"} for at in (0.1, 0.5, 1.0) for n in range(9)
    ]  # fmt: skip
    found = {"id": "Q0", "question": "why " * 40, "status": "curve", "answer": "so " * 60, "certainty": "x " * 70, "needs": "", "unit": "B",
             "claim": "c " * 50, "source": "s", "command": "dse ask Q0", "counters_hash": "0" * 64, "points": points}  # fmt: skip
    assert max(map(len, screens.screen(found))) <= screens.WIDTH


def test_all_answers_as_a_page_and_as_markdown(tmp_path: Path) -> None:
    from dse.reports import answers

    found = dse.ask(["Q4", "Q25"])
    page, text = answers.write(found, tmp_path)
    html, said = page.read_text(), text.read_text()
    for part in ("Q4: How much metadata is duplicated", "it waits for large folios", "2 questions: 1 answered (0 inconclusive), 1 wait"):
        assert part in html
        assert part in said
    assert f"Repeat: `dse ask Q4`, counters {found[0]['counters_hash'][:16]}." in said


def test_an_exit_unmaps_every_page_once() -> None:
    from dse import scenario
    from dse.workloads import stream as streams
    from kernels import demand

    tables = {"workload": {"generator": "uniform", "pages": 3000, "accesses": 9000}, "memory": {"limit": 0.5}}
    stays = streams.build(scenario.from_values("stays", tables))
    goes = streams.build(scenario.from_values("goes", tables).but(workload__exit=True))
    assert stays.digest != goes.digest
    for stream in (stays, goes):
        blocks = [demand.records(block) for block in stream.blocks()]
        unmaps = [r for block in blocks for r in block[block["kind"] == demand.UNMAP]]
        if stream is stays:
            assert not unmaps
            assert stream.counters["swapped"] > 0
            continue
        gone = [page for r in unmaps for page in range(int(r["page"]), int(r["page"]) + int(r["count"]))]
        assert sorted(gone) == list(range(stream.workload.pages))
        assert max(int(r["count"]) for r in unmaps) == 512
        assert stream.counters["swapped"] == stream.counters["resident"] == 0
