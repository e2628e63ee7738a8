"""Answers as text: question, verdict, table, certainty, command."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from dse.common import output
from dse.naming import shortened

WIDTH = 80
MOST = 24
"""Rows of the table of an answer."""


def _fill(text: str, first: str = "", then: str = "  ") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False) if text else []


def listed(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lay the list of questions out, with the last answer of each."""
    out = []
    for row in rows:
        out += _fill(f"{row['id']:<4}{row['question']}", then="    ")
        said = f"needs {row['needs']}" if row["needs"] else f"{row['status']}: {row['answer']}" if row["answer"] else row["status"]
        out += _fill(f"-> {said}", "    ", "       ")
    answered = sum(1 for row in rows if row["answer"])
    waiting = sum(1 for row in rows if row["needs"])
    return [
        *out,
        "",
        *_fill(f"{len(rows)} questions: {answered} answered, {waiting} wait for a capability. Ask: dse ask Q9, dse ask --all."),
    ]


def _figure(point: dict[str, Any]) -> str:
    """Write a figure of a point."""
    if point["value"] is None:
        return "-"
    text = output.number(float(point["value"]))
    if point["lo"] is not None and point["lo"] != point["hi"]:
        text += f" [{output.number(float(point['lo']))}, {output.number(float(point['hi']))}]"
    return text if point["status"] == "ok" else f"{text} ?"


def place(found: dict[str, Any], point: dict[str, Any]) -> str:
    """Place of a point in the table: its value of the axis, and the state of the caches."""
    parts = [str(point["at"])] if found["axis"] or point["at"] is not None else []
    return ", ".join([*parts, *filter(None, [point.get("state", "")])])


def rows(found: dict[str, Any], turned: bool = False) -> list[dict[str, str]]:
    """Rows of the table of an answer, or else of its points.

    Of points: one a value of the axis, a column a design; `turned`, or without an axis, a row a design.
    """
    if found["table"]:
        return list(found["table"])
    points = found["points"]
    along = list(dict.fromkeys(place(found, p) for p in points))
    designs = list(dict.fromkeys(p["design"] for p in points))
    unit = f" [{found['unit']}]" if found["unit"] else ""
    axis = found["axis"].replace("_", " ") or "caches"
    figures = {(place(found, p), p["design"]): _figure(p) for p in points}
    if len(along) == 1:
        return [{"design": d, f"figure{unit}": figures[along[0], d]} for d in designs]
    if turned:
        return [{axis: d} | {at: figures.get((at, d), "-") for at in along} for d in designs]
    return [{axis: at} | {d: figures.get((at, d), "-") for d in designs} for at in along]


def caption(found: dict[str, Any]) -> str:
    """Units of a table whose columns do not say them; empty where they do, or where there are none."""
    if found["table"]:
        return str(found.get("caption", ""))
    several = len({place(found, p) for p in found["points"]}) > 1
    return f"In {found['unit']}" if found["unit"] and several else ""


def table(found: dict[str, Any]) -> list[str]:
    """Lay the points of an answer out in 80 columns: designs across, else down, else with short names, else without intervals."""
    for make in (rows, _turned, _short, _bare):
        lines = output.render_table(make(found)[:MOST]).splitlines()
        if max(map(len, lines)) <= WIDTH:
            break
    return [*(_fill(f"{caption(found)}:") if caption(found) else []), *(line[:WIDTH] for line in lines)]


def _turned(found: dict[str, Any]) -> list[dict[str, str]]:
    return rows(found, turned=True)


def _short(found: dict[str, Any]) -> list[dict[str, str]]:
    """Rows with a row a design, short names."""
    return [{name: shortened(text) if n == 0 else text for n, (name, text) in enumerate(row.items())} for row in _turned(found)]


def _bare(found: dict[str, Any]) -> list[dict[str, str]]:
    """Rows with short names and no intervals."""
    return [{name: re.sub(r" \[[^][]*, [^][]*\]", "", text) for name, text in row.items()} for row in _short(found)]


def screen(found: dict[str, Any]) -> list[str]:
    """Lay an answer out in at most 80 columns."""
    out = _fill(f"{found['id']}: {found['question']}")
    if found["needs"]:
        return [*out, *_fill(f"Not yet: it waits for {found['needs']}."), *_claim(found)]
    out += _fill(f"{found['status'].upper()}. {found['answer']}")
    out += ["", *table(found), ""]
    out += _claim(found) + _fill(found["certainty"]) + _fill(origin(found))
    return [*out, *_fill(f"Repeat: {found['command']} (counters {found['counters_hash'][:16]})")]


def timed(found: dict[str, Any]) -> bool:
    """True if an answer rests on times."""
    return kind(found) == "measured"


def kind(found: dict[str, Any]) -> str:
    """Say if the figures of an answer are counted, measured or modelled: the first word of its certainty."""
    return next((word for word in ("measured", "modelled") if str(found["certainty"]).lower().startswith(word)), "counted")


def machine(made: dict[str, Any]) -> str:
    """Host of an answer."""
    return f"{made['cpu']}, {made['cores']} CPU{'s' * (made['cores'] != 1)}, Linux {made['kernel']}"


def code(made: dict[str, Any]) -> str:
    """Code of an answer: its commit, or the version where there is none."""
    commit, dash, dirty = str(made["commit"]).partition("-")
    return f"commit {commit[:12]}{dash}{dirty}" if commit else f"version {made['version']}"


def origin(found: dict[str, Any]) -> str:
    """When and on which machine an answer was made, and if it was kept; empty where nothing says it."""
    made = found.get("made") or {}
    if not made:
        return ""
    begin = f"{kind(found).capitalize()} {made['at']}" + (f" on {machine(made)}" if timed(found) else "")
    text = f"{begin}, {code(made)}."
    return f"Kept from before: {text[0].lower()}{text[1:]} --again asks anew." if found.get("kept") else text


def _claim(found: dict[str, Any]) -> list[str]:
    """The published claim beside ours."""
    return _fill(published(found)) if found["claim"] else []


def published(found: dict[str, Any]) -> str:
    """The claim and where it was published, as a sentence; empty where none is known of."""
    return f"Published: {found['claim']}" + (f" ({found['source']})." if found["source"] else ".") if found["claim"] else ""
