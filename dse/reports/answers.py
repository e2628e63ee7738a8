"""The state of the argument: every question with its verdict, as one HTML page and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse.asking import screens
from dse.common import output
from dse.common.writing import stored_under, write_atomically
from dse.reports import page
from dse.reports.model import Document, Section, Table

TITLE = "The state of the argument"
PAGE, TEXT = "state-of-the-argument.html", "answers.md"
Found = Sequence[dict[str, Any]]


def _said(one: dict[str, Any]) -> str:
    """Verdict of a question in words."""
    return f"Not yet: it waits for {one['needs']}." if one["needs"] else f"{one['status'].capitalize()}. {one['answer']}"


def overview(found: Found) -> list[dict[str, Any]]:
    """Rows of the table at the head of the page: a row a question."""
    return [{"": one["id"], "question": one["question"], "verdict": one["status"], "answer": _said(one).partition(". ")[2] or _said(one)}
            for one in found]  # fmt: skip


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
    sections = [Section("All questions", "", [Table("Verdicts", "counted or measured, as each says", overview(found))])]
    for one in found:
        if one["needs"]:
            continue
        claim = f" Published: {one['claim']} ({one['source']})." if one["claim"] else ""
        text = f"{_said(one)} {one['certainty']}{claim} Repeat: {one['command']} (counters {one['counters_hash'][:16]})"
        kind = "measured" if one["certainty"].startswith("Measured") else "counted"
        sections.append(Section(f"{one['id']}: {one['question']}", text, [Table("Figures", kind, screens.rows(one))]))
    facts = {"command": "dse ask --all", "questions": len(found)}
    return Document("answers", TITLE, [summary(found)], [], sections, facts)


def markdown(found: Found) -> str:
    """Write the answers as Markdown."""
    lines = [f"# {TITLE}", "", "Made by `dse ask --all`. " + summary(found), ""]
    for one in found:
        lines += [f"## {one['id']}: {one['question']}", "", f"**{_said(one)}**", ""]
        if one["needs"]:
            continue
        lines += ["```", *screens.table(one), "```", "", one["certainty"], ""]
        if one["claim"]:
            lines += [f"Published: {one['claim']} ({one['source']}).", ""]
        lines += [f"Repeat: `{one['command']}`, counters {one['counters_hash'][:16]}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def write(found: Found, results: str | Path) -> list[Path]:
    """Write page and Markdown under ``results/answers``.

    Returns
    -------
    list of Path
        The files.
    """
    folder = Path(results) / "answers"
    with stored_under(results):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in ((PAGE, page.render(document(found))), (TEXT, markdown(found))):
            write_atomically(folder / name, text.encode())
    for name in (PAGE, TEXT):
        output.note(f"wrote {folder / name}")
    return [folder / PAGE, folder / TEXT]
