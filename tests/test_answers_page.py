"""docs/answers.md: what the generator makes of the stored figures, of today's questions, and each verdict what follows from its points."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dse
from dse import asking, documenting
from dse.asking import verdicts
from dse.asking.points import Measured, Point
from dse.reports import answers

DOCS = Path(__file__).resolve().parent.parent / "docs"
TEXT = (DOCS / answers.TEXT).read_text(encoding="utf-8")
FOUND = json.loads((DOCS / answers.FIGURES).read_text(encoding="utf-8"))
ANSWERED = [one for one in FOUND if not one["needs"]]
ANYTIME = {"made": {}, "kept": False}
"""When and where an answer was made is not part of it."""
ANEW = "run dse ask --all on an idle machine, then python -m dse.documenting answers results/answers/answers.json"


def test_the_page_is_what_the_generator_makes(tmp_path: Path) -> None:
    assert answers.markdown(FOUND) == TEXT, ANEW
    documenting.answers(str(tmp_path), str(DOCS / answers.FIGURES))
    assert (tmp_path / answers.TEXT).read_text(encoding="utf-8") == TEXT
    assert json.loads((tmp_path / answers.FIGURES).read_text(encoding="utf-8")) == FOUND
    changed = [*FOUND[1:], FOUND[0]]
    assert answers.markdown(changed) != TEXT


def test_every_question_of_today_is_in_it() -> None:
    questions = [asking.load(name) for name in asking.names()]
    assert [one["id"] for one in FOUND] == [question.id for question in questions], ANEW
    for one, question in zip(FOUND, questions, strict=True):
        assert (one["question"], one["needs"], one["source"]) == (question.question, question.needs, question.source), ANEW
        assert one["claim"] == (question.claim or "no figure" * (not question.needs))
        assert f"## {one['id']}\n" in TEXT
    assert len(ANSWERED) == 29
    assert TEXT.count("\nPublished: ") == 29
    assert TEXT.count("\nPublished: no figure.") == 7


@pytest.mark.parametrize("one", ANSWERED, ids=[one["id"] for one in ANSWERED])
def test_a_verdict_follows_from_its_points(one: dict[str, object]) -> None:
    """The rule of the question makes of the stored points what is told."""
    question = asking.load(str(one["id"]))
    points = one["points"]
    assert isinstance(points, list)
    assert points
    noise, delivered = one["noise"], one["delivered"]
    assert noise is None or isinstance(noise, list)
    assert delivered is None or isinstance(delivered, float)
    span = None if noise is None else (noise[0], noise[1])
    made = verdicts.judge(question, Measured(tuple(Point(**point) for point in points), str(one["counters_hash"]), span, delivered))
    told = ("status", "answer", "certainty", "table", "line", "caption", "open", "asked")
    assert [getattr(made, name) for name in told] == [tuple(one[name]) if name == "table" else one[name] for name in told], ANEW


@pytest.mark.parametrize("name", ["Q1", "Q2", "Q4", "Q7", "Q8"])
def test_answers_in_closed_form_are_of_today(name: str) -> None:
    (now,) = dse.ask(name)
    (then,) = (one for one in FOUND if one["id"] == name)
    assert json.loads(json.dumps(now)) | ANYTIME == then | ANYTIME, ANEW
