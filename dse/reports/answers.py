"""The state of the argument: every question with its verdict, as one HTML page and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse.asking import screens
from dse.common import output
from dse.common.writing import stored_under, write_atomically
from dse.reports import page
from dse.reports.model import Document, Section, Table

TITLE = "The state of the argument"
FIRST = ("Q3", "Q2", "Q21")
"""Questions whose answers the page opens on: time, memory, moves."""
LINE = 88
PAGE, TEXT, FIGURES = "state-of-the-argument.html", "answers.md", "answers.json"
Found = Sequence[dict[str, Any]]


def _said(one: dict[str, Any]) -> str:
    """Verdict of a question in words."""
    return f"Not yet: it waits for {one['needs']}." if one["needs"] else f"{one['status'].capitalize()}. {one['answer']}"


def overview(found: Found) -> list[dict[str, Any]]:
    """Rows of the table at the head of the page: a row a question."""
    return [{"question": f"{one['id']}: {one['question']}", "answer": _said(one), "published": one["claim"] or "-"} for one in found]


def summary(found: Found) -> str:
    """Number of questions with a verdict, in words."""
    waiting = sum(bool(one["needs"]) for one in found)
    unsure = sum(one["status"] == "inconclusive" for one in found)
    return f"{len(found)} questions: {len(found) - waiting} answered ({unsure} inconclusive), {waiting} wait for a capability."


def document(found: Found) -> Document:
    """Lay the answers out as a report.

    Parameters
    ----------
    found : sequence of dict
        What :func:`dse.ask` returns.
    """
    sections = [Section("All questions", "", [Table("Verdicts", "counted, measured", overview(found), cards=True)])]
    for one in found:
        if one["needs"]:
            continue
        text = [_said(one), one["certainty"], screens.published(one), f"Repeat: {one['command']} (counters {one['counters_hash'][:16]})"]
        kind = "measured" if one["certainty"].startswith("Measured") else "counted"
        table = Table("Figures", kind, screens.rows(one), f"In {screens.caption(one)}." if screens.caption(one) else "")
        sections.append(Section(f"{one['id']}: {one['question']}", "\n".join(filter(None, text)), [table], one["id"]))
    facts = {"command": "dse ask --all", "questions": len(found)}
    first = [f"{one['question']} {one['answer']} ({one['id']})" for name in FIRST for one in found if one["id"] == name and one["answer"]]
    return Document("answers", TITLE, [summary(found), *first], [], sections, facts)


def markdown(found: Found) -> str:
    """Write the answers as Markdown, in lines of at most :data:`LINE` columns."""
    lines = [f"# {TITLE}", "", *_prose(f"Made by `dse ask --all`. {summary(found)} To ask one of them, run `dse ask Q9`."), ""]
    for one in found:
        lines += [f"## {one['id']}", "", *_prose(f"*{one['question']}*"), "", *_prose(f"**{_said(one)}**"), ""]
        if one["needs"]:
            continue
        lines += ["```", *screens.table(one), "```", "", *_prose(one["certainty"]), ""]
        lines += [*_prose(screens.published(one)), ""] if one["claim"] else []
        lines += [*_prose(f"Repeat: `{one['command']}`, counters {one['counters_hash'][:16]}."), ""]
    return "\n".join(lines).rstrip() + "\n"


def _prose(text: str) -> list[str]:
    """Break a paragraph into lines."""
    return textwrap.wrap(text, LINE, break_on_hyphens=False, break_long_words=False)


def write(found: Found, results: str | Path) -> list[Path]:
    """Write page, Markdown and the answers with their points as JSON under ``results/answers``.

    Returns
    -------
    list of Path
        The files.
    """
    folder = Path(results) / "answers"
    with stored_under(results):
        folder.mkdir(parents=True, exist_ok=True)
        texts = {PAGE: page.render(document(found)), TEXT: markdown(found), FIGURES: output.render_json(list(found))}
        for name, text in texts.items():
            write_atomically(folder / name, text.encode())
    for name in texts:
        output.note(f"wrote {folder / name}")
    return [folder / name for name in texts]
