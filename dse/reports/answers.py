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
    part = sum(one["status"] != "inconclusive" and doubtful(one) > 0 for one in found)
    some = f", {part} with inconclusive figures" if part else ""
    answered = f"{len(found) - waiting} answered ({unsure} inconclusive{some})"
    return f"{len(found)} questions: {answered}, {waiting} wait for a capability."


def doubtful(one: dict[str, Any]) -> int:
    """Number of figures of an answer that decide nothing."""
    designs = {(p["design"], str(p["at"])) for p in one["points"] if p["status"] != "ok"}
    return int(one.get("open") or len(designs))


def listed(found: Found) -> list[tuple[str, str, str]]:
    """Identifier, verdict word and answer in one line of every question."""
    out = []
    for one in found:
        line = f"waits for {one['needs']}" if one["needs"] else one.get("line") or one["answer"].partition(". ")[0]
        line = line.removesuffix(".")
        word = one["status"] + (f", {doubtful(one)} inconclusive" if doubtful(one) else "") if not one["needs"] else "needs"
        out.append((one["id"], word, line[:1].upper() + line[1:] + "."))
    return out


def measured_on(found: Found) -> str:
    """Machine, time and code of the times; empty where no answer says it."""
    made = [one["made"] for one in found if one.get("made") and screens.timed(one)]
    if not made:
        return ""
    times = sorted({one["at"] for one in made})
    when = times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}"
    hosts, codes = (list(dict.fromkeys(map(say, made))) for say in (screens.machine, screens.code))
    return f"Times were taken on {' and on '.join(hosts)}, {when}, {', '.join(codes)}."


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
        text = [
            _said(one),
            one["certainty"],
            screens.origin(one | {"kept": False}),
            screens.published(one),
            f"Repeat: {one['command']} (counters {one['counters_hash'][:16]})",
        ]
        kind = "measured" if screens.timed(one) else "counted"
        table = Table("Figures", kind, screens.rows(one), f"{screens.caption(one)}." if screens.caption(one) else "")
        sections.append(Section(f"{one['id']}: {one['question']}", "\n".join(filter(None, text)), [table], one["id"]))
    facts = {"command": "dse ask --all", "questions": len(found)}
    opening = [one for name in FIRST for one in found if one["id"] == name and one["answer"]]
    first = [f"{one['question']} {one.get('line') or one['answer']} ({one['id']})" for one in opening]
    return Document("answers", TITLE, [" ".join(filter(None, (summary(found), measured_on(found)))), *first], [], sections, facts)


def markdown(found: Found) -> str:
    """Write the answers as Markdown, in lines of at most :data:`LINE` columns."""
    lines = [f"# {TITLE}", "", *_prose(f"Made by `dse ask --all`. {summary(found)} To ask one of them, run `dse ask Q9`."), ""]
    lines += [*_prose(measured_on(found)), ""] if measured_on(found) else []
    lines += ["| question | verdict | in one line |", "|---|---|---|"]
    lines += [f"| [{name}](#{name.lower()}) | {word} | {_cell(line)} |" for name, word, line in listed(found)] + [""]
    for one in found:
        lines += [f"## {one['id']}", "", *_prose(f"*{one['question']}*"), "", *_prose(f"**{_said(one)}**"), ""]
        if one["needs"]:
            continue
        lines += ["```", *screens.table(one), "```", "", *_prose(one["certainty"]), ""]
        lines += [*_prose(screens.published(one)), ""] if one["claim"] else []
        lines += [*_prose(screens.origin(one | {"kept": False})), ""] if one.get("made") else []
        lines += [*_prose(f"Repeat: `{one['command']}`, counters {one['counters_hash'][:16]}."), ""]
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    """Text as a cell of a Markdown table."""
    return text.replace("|", "\\|")


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
