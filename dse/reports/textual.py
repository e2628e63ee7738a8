"""A report as plain text of at most 76 columns, fit to paste into a mail."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dse.common import output
from dse.reports import heads
from dse.reports.model import Cloud, Document, Map, Parallel, Part, Plot, Ranges, Table, short

WIDTH = 76
ROWS = 16
SHOWN = ("run", "study", "command", "seed", "designs", "trace", "counters_hash", "code_digest", "commit", "cpu", "host",
         "A/A noise of the session")  # fmt: skip


def fitted(rows: Sequence[Mapping[str, Any]]) -> str:
    """Fit a table into 76 columns: columns at the right that have no room are left out."""
    names = output.columns_of(rows)
    while names:
        text = output.render_table(rows, names)
        if max(map(len, text.splitlines())) <= WIDTH or len(names) == 1:
            return "\n".join(line[:WIDTH] for line in text.splitlines())
        names = names[:-1]
    return ""


def _rows(part: Part) -> list[dict[str, Any]]:
    """Write rows that stand for a chart."""
    if isinstance(part, Cloud):
        front = sorted((p for p in part.points if p["front"]), key=lambda p: [v if v is not None else 0.0 for v in p["values"]])
        names = [name.partition(" [")[0] for name in part.objectives]
        return [{"design": p.get("design", p["name"]), **dict(zip(names, p["values"], strict=True))} for p in front]
    if isinstance(part, Parallel):
        names = [name.partition(" [")[0] for name, _ in part.axes]
        return [dict(zip(names, line["values"], strict=True)) for line in part.lines if line["front"]]
    if isinstance(part, Map):
        return [
            {part.row_name: name, part.column_name: column, "winner": cell.text,
             "margin": cell.detail.partition(" over")[0]}
            for name, cells in part.rows for column, cell in zip(part.columns, cells, strict=True) if cell is not None
        ]  # fmt: skip
    if isinstance(part, Ranges):
        return [
            {"of": title.partition(" [")[0], "design": row.label, "value": row.value,
             "interval": "-" if row.lo is None or row.hi is None else f"[{short(row.lo)}, {short(row.hi)}]"}
            for title, block in part.blocks for row in block
        ]  # fmt: skip
    return list(part.rows) if isinstance(part, Table) else []


def _curve(part: Plot) -> str:
    """Write the ends of every line of a chart."""
    rows = [{"series": s.name, f"at {short(s.xs[0])}": s.ys[0], f"at {short(s.xs[-1])}": s.ys[-1]} for s in part.series if len(s.xs)]
    return fitted(rows)


def _part(part: Part) -> Iterator[str]:
    yield "\n" + textwrap.fill(f"{part.title} ({part.kind})", WIDTH)
    if isinstance(part, Plot):
        yield _curve(part)
    else:
        rows = _rows(part)
        yield fitted(rows[:ROWS]) if rows else "none"
        if len(rows) > ROWS:
            yield f"... {len(rows) - ROWS} more"
    if part.note:
        yield textwrap.fill(part.note, WIDTH)


def _brief(document: Document) -> list[str]:
    """Title, answer in words and command of a report that has no head."""
    again = f"Stored as {document.name}." + (f" Repeat: {document.provenance['command']}" if document.provenance.get("command") else "")
    last = textwrap.wrap(again, heads.MAIL, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return output.wrapped([document.title, *document.answer], heads.MAIL, max(1, heads.MAIL_LINES - len(last))) + last


def render(document: Document, *, full: bool = False) -> str:
    """Render a report as plain text.

    Parameters
    ----------
    document : Document
        The report.
    full : bool
        All tables. Without, a mail of at most 15 lines of 72 columns, which ends in the command that repeats it; where the report has
        no head, because nothing won or nothing was compared, that is its title and its answer in words.

    Returns
    -------
    str
        Lines of at most 76 columns, ASCII where the data is.
    """
    if not full:
        return "\n".join(_brief(document) if document.head is None else heads.mail(document.head))
    lines = [textwrap.fill(document.title, WIDTH), "=" * min(WIDTH, len(document.title)), ""]
    lines += [textwrap.fill(text, WIDTH, break_long_words=True) + "\n" for text in document.answer]
    for section in document.sections:
        lines.append(f"{section.title}\n{'-' * len(section.title)}")
        for part in section.parts:
            lines += _part(part)
        lines.append("")
    lines += [
        textwrap.fill(f"{name}: {document.provenance[name]}", WIDTH, subsequent_indent="  ")
        for name in SHOWN if document.provenance.get(name) not in (None, "")
    ]  # fmt: skip
    return "\n".join(lines)
