"""dse ask: rules on points worked out by hand, questions as files, answers that are kept, the contract of the JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import dse
from dse import asking, cli, published
from dse.asking import answering, declaring, measuring, paying, screens, verdicts
from dse.asking.declaring import Rule, Study, Term
from dse.asking.measuring import Measured, Point

COMPUTED = {
    "Q2": {"5", "21.25"},  # 40 and 170 MiB over 8,388,608 slots
    "Q9": {"0.5"},  # 56.22 s less 49.57 s, over 12,239,329 pages
}
"""Numbers of claims that are computed from published ones."""
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
    assert found.answer == "c never, a from 0.25 [0.20, 0.30] moves, b always"
    assert [row["cheaper"] for row in found.table] == ["from 0.25 [0.20, 0.30]", "always", "never"]


@pytest.mark.parametrize(
    ("extra", "saved", "said"),
    [
        ((-5.0, -5.0, -5.0), (-1.0, -1.0, -1.0), "below 5.00 moves"),  # 5 less a lifetime, 1 more a move: even at 5 moves
        ((-5.0, -9.0, -1.0), (-1.0, -2.0, -0.5), "below 5.00 [0.50, 18.00] moves"),  # 1 / 2 at the least, 9 / 0.5 at the most
        ((5.0, 4.0, 6.0), (-1.0, -1.0, -1.0), "never"),
        ((5.0, 4.0, 6.0), (0.0, 0.0, 0.0), "never"),
        ((-5.0, -6.0, -4.0), (0.0, 0.0, 0.0), "always"),
        ((-5.0, -6.0, -4.0), (1.0, 1.0, 1.0), "always"),
        ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "always"),  # even without a move, cheaper with any
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), "the same"),
        ((0.0, 0.0, 0.0), (-1.0, -1.0, -1.0), "never"),
        ((6.0, 4.0, 8.0), (2.0, 1.0, 4.0), "from 3.00 [1.00, 8.00] moves"),
        ((6.0, 4.0, 8.0), (2.0, -1.0, 4.0), "undecided"),  # a move may cost more
        ((-6.0, -8.0, -4.0), (0.0, -1.0, 1.0), "undecided"),
        ((-1.0, -3.0, 2.0), (4.0, 2.0, 5.0), "from at most 1.00 moves"),  # 2 more at the most, 2 saved at the least
        ((-1.0, -3.0, 2.0), (-4.0, -5.0, -2.0), "undecided"),
        ((6.0, 4.0, 8.0), (2.0, 0.0, 4.0), "from 3.00 [1.00, never] moves"),
    ],
)
def test_rates_at_which_a_design_is_cheaper(extra: tuple[float, ...], saved: tuple[float, ...], said: str) -> None:
    """Costs of a lifetime less the rate times what a move saves: where that is below zero."""
    assert paying.pays(paying.Span(*extra), paying.Span(*saved)).said(Rule("pays off", digits=2), " moves") == said


def test_a_study_with_rivals_has_an_outcome_for_each_and_each_unit() -> None:
    """Lines: 6 more, 2 saved a move against r, 6 against s: 3 moves, 1 move. ns: 5 less, 1 more a move against r: below 5; against s, 6
    less a move: always."""
    study = replace(STUDY, designs=("r", "s", "a"), saving=(Term("*", "move"),), rivals={"first": "r", "second": "s"}, by=("lines", "ns"))
    points = [
        Point("first, lines", "r", 0.0, saving=12.0), Point("first, lines", "a", 6.0, saving=10.0),
        Point("first, ns", "r", 0.0, saving=3.0), Point("first, ns", "a", -5.0, saving=4.0),
        Point("second, lines", "s", 0.0, saving=16.0), Point("second, lines", "a", 6.0, saving=10.0),
        Point("second, ns", "s", 0.0, saving=10.0), Point("second, ns", "a", -5.0, saving=4.0),
    ]  # fmt: skip
    found = judged(points, Rule("pays off", "moves", sentence="Cheaper {all}."), study)
    assert found.answer == (
        "Cheaper against first by lines: a from 3.0; against first by ns: a below 5.0; against second by lines: a from 1.0; against second by ns: "
        "a always moves."
    )
    assert [(row["against"], row["design"], row["cheaper"]) for row in found.table] == [
        ("first, lines", "a", "from 3.0"), ("first, ns", "a", "below 5.0"),
        ("second, lines", "a", "from 1.0"), ("second, ns", "a", "always"),
    ]  # fmt: skip
    assert found.table[0] == {"against": "first, lines", "design": "a", "costs more": "+6.0", "saves": "+2.0", "cheaper": "from 3.0"}


def test_a_figure_that_is_not_there_is_unknown() -> None:
    study = replace(STUDY, designs=("base", "a"), saving=(Term("ns", "move"),))
    found = judged([Point(None, "base", 0.0, saving=1.0), Point(None, "a", None, status="no such figure")], Rule("pays off"), study)
    assert (found.status, found.answer) == ("inconclusive", "a unknown (no such figure)")


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
    twice = [Point(x, "a", y) for x, y in ((0.0, 8.0), (1.0, 12.0), (2.0, 8.0))]
    level = [Point(x, "b", 10.0 + y) for x, y in ((0.0, 0.0), (1.0, 0.0), (2.0, 1.0))]
    found = judged(base + twice + level, Rule("crossing", "fill"), study)
    assert found.answer == "b nowhere (dearer throughout), a 0.5 and 1.5 fill (cheaper below the first)"
    assert judged(base + [replace(p, design="a") for p in base], Rule("crossing"), replace(study, designs=("base", "a"))).answer == (
        "a nowhere (equal throughout)"
    )


def test_a_curve_says_both_ends() -> None:
    study = replace(STUDY, axis="x", values=(1, 2))
    points = [
        Point(x, d, v) for x, d, v in ((1, "base", 1.0), (2, "base", 2.0), (1, "a", 3.0), (2, "a", 9.0), (1, "b", 4.0), (2, "b", 5.0))
    ]
    assert (
        judged(points, Rule("curve", "B", sentence="from {first} to {last}: {all}"), study).answer
        == "from 1 to 2: a 3.0 to 9.0, b 4.0 to 5.0 B"
    )


def test_a_curve_says_its_peak_and_its_dip() -> None:
    """Both ends of a are 3, and it is 9 between them; b falls to 1.04, which is written as its end is."""
    study = replace(STUDY, axis="x", values=(1, 2, 3))
    curves = {"base": (1.0, 1.0, 1.0), "a": (3.0, 9.0, 3.0), "b": (4.0, 1.04, 1.0)}
    points = [Point(x, design, value) for design, values in curves.items() for x, value in enumerate(values, 1)]
    assert judged(points, Rule("curve"), study).answer == "a 3.0 to 3.0 (up to 9.0 at 2), b 4.0 to 1.0"
    points[7] = Point(2, "b", 0.5)
    assert judged(points, Rule("curve"), study).answer.endswith("b 4.0 to 1.0 (down to 0.5 at 2)")


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


SCALES = (1.0, 1e-3, 1e-6)


def known_numbers(source: str) -> set[float]:
    """Numbers of the package's published data that are from a source."""
    found: set[float] = set()
    for table in ("figures", "ab_effects", "yardsticks"):
        for row in published.rows(table):
            if source in row["source"]:
                found |= published.numbers(" ".join(value or "" for key, value in row.items() if key != "source"))
    return found


def test_a_claim_is_what_its_source_says() -> None:
    """Every source is one of the package's, a page or a mail; a number of a claim stands in the data of its sources, rounded as it is
    written, or follows from two numbers that do (a page of 32 GiB)."""
    listed = {row["source"] for row in published.rows("sources")}
    for name in asking.names():
        question = asking.load(name)
        if question.study is None:
            continue
        assert bool(question.claim) == bool(question.source), name
        sources = [one for one in question.source.split("; ") if one]
        assert all(one in listed or "/" in one or one.endswith("@google.com") for one in sources), name
        if not all(one in listed for one in sources):
            continue
        known = set().union(*map(known_numbers, sources))
        words = set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", re.sub(r"(Linux |v)[\d.]+", "", question.claim)))
        for word in words - COMPUTED.get(name, set()):
            digits = len(word.partition(".")[2])
            near = any(f"{abs(x) * scale:.{digits}f}" == word for x in known for scale in SCALES)
            assert near, f"{name}: {word} is not in the data of {sources}"


def test_what_has_no_claim_says_so() -> None:
    silent = [name for name in asking.names() if (q := asking.load(name)).study is not None and not q.claim]
    assert silent == ["Q5", "Q21", "Q24", "Q34"]


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
        (("[study]", "[study"), "own.toml: "),
        (('"Is a swap', '"" # '), "question is missing"),
        (("slots = 65_536", 'axis = "fill"'), "axis and values belong together"),
        (("slots = 65_536", 'rivals = { b = "swap_table_p4" }'), "rivals and by belong to a comparison with the verdict 'pays off'"),
        (("slots = 65_536", "rivals = 3"), "rivals is a table"),
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


PAYS = """
question = "From which rate of moves does a layer pay?"

[study]
source = "compare"
designs = ["direct", "swap_id"]
rivals = { it = "direct" }
by = ["lines"]
measure = [{ op = "lifetime", metric = "tax_*" }]
saving = [{ op = "move", metric = "*" }]
scenario = { workload = { generator = "zipf", pages = 512, accesses = 4096 }, memory = { limit = 0.5 }, moves = { rate = 0.5 } }

[verdict]
kind = "pays off"
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('it = "direct"', 'it = "swap_table_p4"'), "own.toml:7: unknown rival (the first design, or a base of layers) 'swap_table_p4'"),
        (('by = ["lines"]', ""), 'by = ["ns", "lines"] needs rivals, and a metric with * for the unit'),
        (("tax_*", "lines"), "'pays off' needs what a design costs more"),
        (('"lifetime"', '"lifetme"'), "unknown operation of a measure 'lifetme', did you mean 'lifetime'"),
        (('by = ["lines"]', 'by = ["linse"]'), "unknown metric of a measure 'tax_linse', did you mean 'tax_lines'"),
        (('op = "move"', 'op = "moves"'), "unknown operation of a measure 'moves', did you mean 'move'"),
    ],
)
def test_a_mistake_in_what_is_measured_is_no_zero(
    change: tuple[str, str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.toml").write_text(PAYS.replace(*change))
    assert cli.main(["ask", str(tmp_path / "own.toml"), "--results", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_rates_of_a_layer_follow_from_its_counts(tmp_path: Path) -> None:
    """The rate is what the lifetime costs more over what a move saves, or never where it saves nothing."""
    (tmp_path / "own.toml").write_text(PAYS)
    (said,) = dse.ask(str(tmp_path / "own.toml"), results=tmp_path)
    base, layer = said["points"]
    assert (base["value"], base["at"], layer["at"]) == (0.0, "it, lines", "it, lines")
    assert layer["value"] > 0.0
    saved = base["saving"] - layer["saving"]
    (row,) = said["table"]
    assert row["cheaper"] == (f"from {layer['value'] / saved:,.1f}" if saved > 0 else "never")
    assert "moves a page that went out were delivered." in said["certainty"]


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
             "axis": "x", "table": [],
             "claim": "c " * 50, "source": "s", "command": "dse ask Q0", "counters_hash": "0" * 64, "points": points}  # fmt: skip
    assert max(map(len, screens.screen(found))) <= screens.WIDTH


def test_a_table_keeps_its_figures_whole() -> None:
    """Two states with intervals do not fit beside long names; with three more only the figures do."""
    designs = ("swap_table_p4", "swap_id[base=swap_table_p4]", "swap_desc[base=swap_table_p4]")

    def lines(states: int) -> list[str]:
        points = [{"at": f"state {at}", "design": design, "value": -432.5, "lo": -941.2, "hi": 412.4, "status": "open"}
                  for at in range(states) for design in designs]  # fmt: skip
        return screens.table({"points": points, "table": [], "unit": "us", "axis": "replay.state"})

    two, five = lines(2), lines(5)
    assert max(map(len, two + five)) <= screens.WIDTH
    assert [line.count("-432.5 [-941.2, 412.4]") for line in two[3:]] == [2, 2, 2]
    assert "swap_id on p4" in "".join(two)
    assert [line.count("-432.5") for line in five[3:]] == [5, 5, 5]
    assert "[" not in "".join(five[3:])


def test_all_answers_as_a_page_and_as_markdown(tmp_path: Path) -> None:
    from dse.reports import answers

    found = dse.ask(["Q4", "Q25"])
    page, text, figures = answers.write(found, tmp_path)
    assert json.loads(figures.read_text()) == found
    html, said = page.read_text(), text.read_text()
    for part in ("How much metadata is duplicated", "it waits for large folios", "2 questions: 1 answered (0 inconclusive), 1 wait"):
        assert part in html
        assert part in " ".join(said.split())
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
