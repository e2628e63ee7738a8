"""Heads of reports: question, finding, a table of costs, doubts, how to repeat. They open pages, mails and sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dse.common.output import wrapped
from dse.common.texts import short
from dse.naming import shortened
from dse.reports.answer import Answer
from dse.reports.costs import heads
from dse.reports.model import Bar, Head

MAIL, MAIL_LINES = 72, 15
"""Columns and lines of a mail."""
NARROW = 18
"""Columns of a name where the whole one has no room."""
FEWEST = 3
"""Rows of the table that stay, whatever else is to be said."""
MANY = 3
"""Texts of a finding above which it has more lines."""
MORE_LINES = 4
"""Most lines of the last part: next commands, and how to repeat."""


def of_answer(found: Answer) -> Head:
    """Head of a comparison, from its first screen.

    Parameters
    ----------
    found : Answer
        What :func:`dse.reports.answer.screen` makes.
    """
    if found.cells:
        return _of_cells(found)
    titles, units = heads(found.rows)
    timed = any(row.timed for row in found.rows)
    bars = tuple(
        None if row.extra is None or not row.asked or row.finding != "ok" else Bar(row.extra, row.lo, row.hi) for row in found.rows
    )
    unit = "ns, measured, with the 95 % interval" if timed else "lines, counted"
    where = tuple(text for text in found.answer if text.startswith("On "))
    return Head(
        found.question, tuple(text for text in found.answer if text not in where),
        tuple(zip(titles, units, strict=True)), tuple((row.design, *row.cells()) for row in found.rows),
        bars, 2, f"Bars: what a swap-out and return takes more than on the baseline ({unit}).",
        where, found.buys, found.doubts, found.missing, found.again,
    )  # fmt: skip


def _of_cells(found: Answer) -> Head:
    """Head of a comparison with a table of its own."""
    where = tuple(text for text in found.answer if text.startswith("On "))
    return Head(
        found.question, tuple(text for text in found.answer if text not in where), tuple((name, "counted") for name in found.cells[0]),
        found.cells[1:], tuple(None for _ in found.cells[1:]), conditions=where, buys=found.buys, doubts=found.doubts,
        missing=found.missing, again=found.again,
    )  # fmt: skip


def _last(texts: Sequence[str], width: int, most: int) -> list[str]:
    """Break the last part, whose last text is whole; what comes before it has the room that is left."""
    if not texts:
        return []
    end = wrapped(texts[-1:], width, most)
    return wrapped(texts[:-1], width, most - len(end)) + end


def table(head: Head, width: int, most: int) -> list[str]:
    """Lay the table out.

    Parameters
    ----------
    head : Head
    width : int
        Columns. Where a row has no room, intervals at the right go first, then the ends of names, then columns at the right.
    most : int
        Lines with the two of the heads. Rows at the end that have no room are counted in a line.
    """
    room = max(most - 2, 1)
    rows = list(head.rows if len(head.rows) <= room else head.rows[: room - 1])
    cells = [(shortened(row[0]), *row[1:]) for row in rows]
    names, units = zip(*head.columns, strict=True)
    shown = [i for i in range(len(names)) if i == 0 or any(row[i] != "-" for row in rows)]
    lines = [tuple(line[i] for i in shown) for line in (names, units, *cells)]
    for column in range(len(names) - 1, 0, -1):
        if _width(lines) <= width:
            break
        lines = [tuple(c.partition(" [")[0] if i == column else c for i, c in enumerate(line)) for line in lines]
    over = _width(lines) - width
    if over > 0:
        keep = max(NARROW, max(len(line[0]) for line in lines) - over)
        lines = [(line[0] if len(line[0]) <= keep else line[0][: keep - 2] + "..", *line[1:]) for line in lines]
    while _width(lines) > width and len(lines[0]) > 2:
        lines = [line[:-1] for line in lines]
    widths = _widths(lines)
    out = ["  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()[:width] for line in lines]
    left = len(head.rows) - len(rows)
    return out + ([f"... and {left} more"] if left else [])


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]


def _width(lines: Sequence[Sequence[str]]) -> int:
    return sum(_widths(lines)) + 2 * (len(lines[0]) - 1)


ORDER = ("question", "finding", "table", "doubts", "missing", "buys", "conditions")
"""Parts in the order in which they get the lines that are left over."""
BY_TABLE = ("question", "table", *(name for name in ORDER if name not in ("question", "table")))


def text(head: Head, width: int, most: int, order: Sequence[str] = ORDER) -> list[str]:
    """Lay a head out as text.

    Parameters
    ----------
    head : Head
    width, most : int
        Columns, and lines.
    order : sequence of str
        Parts, as :data:`ORDER`.

    Returns
    -------
    list of str
        At most `most` lines. Each part has its least; what is left over goes to the parts in `order`. The last line ends the command
        that repeats it.
    """
    again = _last(head.again, width, MORE_LINES)
    parts = {
        "question": ((head.question,), 1), "finding": (head.finding, len(head.finding)), "conditions": (head.conditions, 0),
        "buys": (head.buys, 0), "doubts": (head.doubts, 1),
        "missing": (head.missing, 1),
    }  # fmt: skip
    full = {name: len(wrapped(texts, width, most)) for name, (texts, _) in parts.items()} | {"table": len(head.rows) + 2}
    several = most // 6 if len(head.finding) > MANY else 0
    full["finding"] = min(full["finding"], max(most // 4, len(head.finding) + several))
    given = {name: min(full[name], least) for name, (_, least) in parts.items()}
    given["table"] = min(full["table"], FEWEST + 2)
    left = most - len(again) - sum(given.values())
    for name in order:
        more = max(0, min(full[name] - given[name], left))
        given[name] += more
        left -= more
    out = {name: wrapped(texts, width, given[name]) for name, (texts, _) in parts.items()}
    out["table"] = table(head, width, given["table"])
    blocks = [out["question"] + out["finding"] + out["conditions"], out["table"], out["buys"] + out["doubts"] + out["missing"] + again]
    gaps = [""] if left >= 2 else []
    return [line for n, block in enumerate(blocks) for line in (gaps if n else []) + block]


def mail(head: Head) -> list[str]:
    """The head as a mail of at most 15 lines of 72 columns, which ends in the command that repeats it."""
    brief: dict[str, Any] = {
        name: tuple(map(short, getattr(head, name))) for name in ("finding", "conditions", "buys", "doubts", "missing")
    }
    return text(replace(head, question=short(head.question), again=head.again[-1:], **brief), MAIL, MAIL_LINES, BY_TABLE)
