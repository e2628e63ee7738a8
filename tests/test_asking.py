"""dse ask: questions as files, what they claim, answers that are kept, the contract of the JSON, screens."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import dse
from dse import asking, cli, published
from dse.asking import answering, casing, measuring, screens, vocabulary
from dse.asking.studies import LEDGER, PLACES, RULES, Study, Term

COMPUTED = {
    "Q2": {"5", "21.25"},  # 40 and 170 MiB over 8,388,608 slots
    "Q9": {"0.5"},  # 56.22 s less 49.57 s, over 12,239,329 pages
}
"""Numbers of claims that are computed from published ones."""
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
    assert answered >= {1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 15, 16, 20, 21, 22, 23, 24, 26, 27, 28, 29, 30, 31, 34}
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
    assert silent == ["Q5", "Q21", "Q24", "Q25", "Q27", "Q28", "Q34"]


def test_every_scenario_of_a_question_is_sound() -> None:
    """A key or a value that no scenario takes is found without a run."""
    for name in asking.names():
        study = asking.load(name).study
        if study is not None and study.source == "compare":
            assert casing.cases(study)


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

    def told(answers: list[dict[str, Any]], kept: bool) -> list[dict[str, Any]]:
        assert [one["kept"] for one in answers] == [kept]
        return [{key: value for key, value in one.items() if key not in ("made", "kept")} for one in answers]

    first = told(dse.ask("Q4", results=tmp_path), kept=False)
    assert told(dse.ask("Q4", results=tmp_path), kept=True) == first
    assert len(made) == 1
    (kept,) = (tmp_path / "answers").iterdir()
    kept.write_text(kept.read_text().replace('"number"', '"yes"'))
    assert told(dse.ask("Q4", results=tmp_path), kept=False) == first
    assert len(made) == 2
    kept.write_text("[" * 100_000)
    assert told(dse.ask("Q4", results=tmp_path), kept=False) == first
    assert told(dse.ask("Q4", results=tmp_path, again=True), kept=False) == first
    assert len(made) == 4
    monkeypatch.setattr(answering, "code_digest", lambda: "another code")
    assert told(dse.ask("Q4", results=tmp_path), kept=False) == first
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
    assert cli.main(["ask", "Q32"]) == 0
    assert "it waits for devices with priorities and tier masks" in capsys.readouterr().out


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
        (("slots = 65_536", 'rivals = { b = "swap_table_p4" }'), "rivals and by belong to a comparison with the verdict 'pays off'"),
        (("slots = 65_536", "rivals = 3"), "rivals is a table"),
        (("limit = 8.0\n", ""), "own.toml:14: 'at least' needs a limit"),
        (("limit = 8.0", "limit = nan"), "own.toml:15: limit nan is not a number"),
        (("limit = 8.0", "limit = 8.0\ndigits = 12"), "own.toml:16: digits are from 0 to 9"),
        (("{all}", "{al}"), "own.toml:17: unknown placeholder of a sentence 'al', did you mean 'all'?"),
        (("{all}", "{all:.2f}"), "own.toml:17: placeholder {all} takes no format"),
        (("{all}", "{all"), "own.toml:17: a brace of the sentence is not closed"),
        (("{all}", "{last}"), "own.toml:17: placeholder {last} needs a study with an axis"),
        (('"swap_desc"', '"swap_dsec"'), "own.toml:6: unknown design 'swap_dsec'"),
        (("slots = 65_536", "set = 3"), "own.toml:10: set is a table"),
        (("slots = 65_536", "seconds = 0"), "own.toml:10: seconds 0 is not above 0"),
        (('metric = "pages"', 'metric = "pages", weight = inf'), "own.toml:8: a weight of divide is no number"),
        (("slots = 65_536", "fill = 1.5"), "own.toml:10: fill is from 0 to 1, got 1.5"),
        (("slots = 65_536", "slots = 0"), "own.toml:10: slots are a whole number from 1 to 2^28, got 0"),
        (("slots = 65_536", 'axis = "fill"\nvalues = [0.5, 2]'), "own.toml:11: fill is from 0 to 1, got 2"),
        (("slots = 65_536", 'axis = "fill"\nvalues = ["half"]'), "own.toml:11: fill 'half' is no number"),
        (('backend = "ssd"', 'backend = "sdd"'), "own.toml:11: unknown backend 'sdd', did you mean 'ssd'"),
        (('metric = "pages"', 'metric = "page"'), "own.toml:8: unknown metric of a ledger 'page'"),
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
        (('op = "move"', 'op = "moves"'), "own.toml:10: unknown operation of a measure 'moves', did you mean 'move'"),
        (('metric = "tax_*"', 'metric = "tax_*", stat = "p99"'), "own.toml:9: unknown statistic of tax_lines 'p99', valid: mean"),
        (('by = ["lines"]', 'by = ["ns"]'), "own.toml:9: tax_ns is a time, and no times are taken: timed = true"),
        (("pages = 512", "pgaes = 512"), "own.toml:11: scenario study: unknown key 'workload.pgaes'"),
        (("rate = 0.5", "rate = -1"), "own.toml:11: "),
        (('metric = "*" }]', 'metric = "*" }]\nset = { "memory.limt" = 0.5 }'), "own.toml:11: "),
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
    assert row["cheaper"].partition(" ")[0] == ("from" if saved > 0 else "never")
    if saved > 0:
        assert float(row["cheaper"].split()[1]) == pytest.approx(layer["value"] / saved, rel=0.05)
    assert said["answer"].startswith("By lines, it (direct) is beaten by ")
    assert f"{said['delivered']:.2f} events were delivered in the runs" in said["answer"]


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


def test_what_a_measure_may_name_stands_in_the_page(small: Path, quick: dict[str, float]) -> None:
    """The page is made of the words, and the words are what a comparison with times has, and questions use."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "questions.md").read_text(encoding="utf-8")
    assert vocabulary.reference() in page, "run python -m dse.documenting"
    for rule in RULES:
        assert f"`{rule}`" in page
    for place in PLACES:
        assert f"`{{{place}}}`" in page
    objects = tuple(vocabulary.OBJECTS | vocabulary.OBJECTS_OF_PAGE)
    seen: dict[str, set[str]] = {}
    for row in dse.compare(str(small), ["direct", "swap_id"], **quick)["rows"]:
        assert row["op"] in vocabulary.OPERATIONS
        if not row["metric"].startswith(objects):
            assert (row["stat"] or "") in vocabulary.of(row["op"])[row["metric"]].stats, row
            seen.setdefault(row["op"], set()).add(row["metric"])
    known = set(vocabulary.OF_OPERATION | vocabulary.OF_LIFE | vocabulary.OF_PAGE) - {"more_ns"}
    assert set().union(*seen.values()) >= known
    ledger = dse.ledger("direct")
    assert set(LEDGER) <= set(ledger)


def test_an_answer_says_when_it_was_made_and_if_it_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("Counted 20", "Kept from before: counted 20"):
        assert cli.main(["ask", "Q4", "--results", str(tmp_path)]) == 0
        assert words in capsys.readouterr().out
    made = {"at": "2026-11-29 15:10 UTC", "cpu": "A CPU", "cores": 2, "kernel": "6.18", "commit": "90f9c13aaaaabbbb-dirty", "version": "1"}
    assert screens.origin({"certainty": "Measured here", "made": made, "kept": True}) == (
        "Kept from before: measured 2026-11-29 15:10 UTC on A CPU, 2 CPUs, Linux 6.18, commit 90f9c13aaaaa-dirty. --again asks anew."
    )
    assert screens.origin({"certainty": "Counted", "made": made | {"commit": ""}, "kept": False}) == (
        "Counted 2026-11-29 15:10 UTC, version 1."
    )
    assert not screens.origin({"certainty": "Counted"})


def test_the_page_begins_with_a_list_and_counts_inconclusive_figures() -> None:
    """Q4 with one figure of four that decides nothing, measured: the head counts it, the list marks it, the machine is told."""
    from dse.reports import answers

    found = [dict(one) for one in dse.ask(["Q4", "Q2", "Q32"])]
    made = {"at": "2026-11-29 15:10 UTC", "cpu": "A CPU", "cores": 1, "kernel": "6.18", "commit": "90f9c13", "version": "1"}
    found[0] |= {"certainty": "Measured here, 95 % intervals.", "open": 1, "made": made}
    assert answers.summary(found) == "3 questions: 2 answered (0 inconclusive, 1 with inconclusive figures), 1 wait for a capability."
    said = answers.markdown(found)
    lines = said.splitlines()
    assert "Times were taken on A CPU, 1 CPU, Linux 6.18, 2026-11-29 15:10 UTC, commit 90f9c13." in " ".join(lines[:10])
    top = [line for line in lines if line.startswith("| [")]
    assert [line.split(" | ")[:2] for line in top] == [
        ["| [Q4](#q4)", "number, 1 inconclusive"], ["| [Q2](#q2)", "number"], ["| [Q32](#q32)", "needs"],
    ]  # fmt: skip
    assert top[1].endswith("| Against swap_table_p4, half of 32 GiB used: swap_desc on p4 +26.3, ..., direct +5.5 B a page. |")
    assert top[2].endswith("| Waits for devices with priorities and tier masks. |")
    assert lines.index(top[0]) < lines.index("## Q4")
    assert answers.measured_on(found[1:]) == ""


def test_all_answers_as_a_page_and_as_markdown(tmp_path: Path) -> None:
    from dse.reports import answers

    found = dse.ask(["Q4", "Q32"])
    page, text, figures = answers.write(found, tmp_path)
    assert json.loads(figures.read_text()) == found
    html, said = page.read_text(), text.read_text()
    for part in (
        "How much metadata is duplicated",
        "it waits for devices with priorities and tier masks",
        "2 questions: 1 answered (0 inconclusive), 1 wait",
    ):
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
