"""A report as one HTML file that needs nothing else: style, script and drawings inside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from dse.common import output
from dse.reports import drawing
from dse.reports.model import Cloud, Document, Map, Part, Plot, Ranges, Section, short

HERE = Path(__file__).parent
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""The browser is told to fetch nothing."""
OPEN_ROWS = 14


def anchor(title: str) -> str:
    """Name of a section in links.

    Examples
    --------
    >>> anchor("Where a layer pays")
    'where-a-layer-pays'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def table(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """Rows as a table that scrolls by itself on narrow screens."""
    if not rows:
        return '<p class="soft">None.</p>'
    names = output.columns_of(rows)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = []
    for row in rows:
        cells = []
        for i, name in enumerate(names):
            value = row.get(name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            text = escape(output.cell(value))
            cells.append(f'<th scope="row">{text}</th>' if i == 0 and not number else f"<td{' class=n' if number else ''}>{text}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    label = escape(title, quote=True)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{label}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _folded(rows: Sequence[Mapping[str, Any]], title: str, summary: str) -> str:
    """A table that opens on demand."""
    return f"<details><summary>{escape(summary)}</summary>{table(rows, title)}</details>"


def _legend(names: Mapping[str, int]) -> str:
    """Designs with their markers; each can be switched off."""
    items = (
        f'<li><button type="button" aria-pressed="true" data-name="{escape(name, quote=True)}">{drawing.swatch(group)} '
        f"{escape(name)}</button></li>"
        for name, group in names.items()
    )
    return f'<ul class="legend" aria-label="designs shown">{"".join(items)}</ul>'


def _cloud(chart: Cloud) -> str:
    """The interactive front."""
    picks = []
    for name, chosen in zip(("across", "up"), chart.first, strict=True):
        options = "".join(
            f'<option value="{i}"{" selected" if i == chosen else ""}>{escape(text)}</option>' for i, text in enumerate(chart.objectives)
        )
        picks.append(f"<label>{name} <select>{options}</select></label>")
    data = json.dumps(output.plain({"objectives": chart.objectives, "points": chart.points})).replace("<", "\\u003c")
    front = [
        {"design": p["name"], **dict(zip(chart.objectives, p["values"], strict=True)), "configuration": p["label"]}
        for p in chart.points if p["front"]
    ]  # fmt: skip
    return (
        f'<figure class="cloud"><div class="picks">{"".join(picks)}</div>{_legend({p["name"]: p["group"] for p in chart.points})}'
        f'<div class="wide">{drawing.cloud(chart)}</div>'
        f'<p class="said" aria-live="polite">Point at a configuration, or focus the drawing and use the arrow keys to walk the front.</p>'
        f'<script type="application/json">{data}</script></figure>' + _folded(front, chart.title, f"the front as a table ({len(front)})")
    )


def _plot(chart: Plot) -> str:
    """Lines and points, and their figures as a table."""
    rows = [
        {"series": s.name, chart.x: x, chart.y: y} for s in chart.series for x, y in zip(s.xs, s.ys, strict=True)
    ]  # fmt: skip
    legend = _legend({s.name: s.group for s in chart.series})
    return f'<figure class="plot">{legend}<div class="wide">{drawing.plot(chart)}</div></figure>' + _folded(rows, chart.title, "as a table")


def _ranges(chart: Ranges) -> str:
    """Figures with intervals, and as a table."""
    rows = [
        {"of": title, "design": row.label, chart.unit: row.value, "low": row.lo, "high": row.hi, "remark": row.said or None}
        for title, block in chart.blocks for row in block
    ]  # fmt: skip
    return f'<figure><div class="wide">{drawing.ranges(chart)}</div></figure>' + _folded(rows, chart.title, "as a table")


def _map(chart: Map) -> str:
    """Who wins where, as a table whose cells are coloured and say it in words."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in chart.columns)
    body = []
    for name, cells in chart.rows:
        tds = [
            "<td>-</td>" if cell is None else
            f'<td class="b{cell.group % drawing.COLOURS}">{drawing.swatch(cell.group)} {escape(cell.text)}'
            f"<small>{escape(cell.detail)}</small></td>"
            for cell in cells
        ]  # fmt: skip
        body.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(tds)}</tr>')
    corner = f"{escape(chart.row_name)} \\ {escape(chart.column_name)}"
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(chart.title, quote=True)}"><table class="map"><thead><tr>'
        f'<th scope="col">{corner}</th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    )


def part(one: Part) -> str:
    """One figure with its title, its kind and its note."""
    kinds = "".join(f' <span class="kind {escape(kind)}">{escape(kind)}</span>' for kind in one.kind.split(", "))
    out = f"<h3>{escape(one.title)}{kinds}</h3>"
    if isinstance(one, Cloud):
        out += _cloud(one)
    elif isinstance(one, Plot):
        out += _plot(one)
    elif isinstance(one, Ranges):
        out += _ranges(one)
    elif isinstance(one, Map):
        out += _map(one)
    elif len(one.rows) > OPEN_ROWS:
        out += table(one.rows[:OPEN_ROWS], one.title) + _folded(one.rows, one.title, f"all {len(one.rows)} rows")
    else:
        out += table(one.rows, one.title)
    return out + (f'<p class="soft">{escape(one.note)}</p>' if one.note else "")


def _section(one: Section) -> Iterator[str]:
    yield f'<section aria-labelledby="{anchor(one.title)}"><h2 id="{anchor(one.title)}">{escape(one.title)}</h2>'
    if one.text:
        yield f"<p>{escape(one.text)}</p>"
    plots = [item for item in one.parts if isinstance(item, Plot)]
    if len(plots) > 1:
        yield f'<div class="pairs">{"".join(f"<div>{part(item)}</div>" for item in plots)}</div>'
    yield from (part(item) for item in one.parts if len(plots) < 2 or not isinstance(item, Plot))
    yield "</section>"


def _provenance(document: Document) -> str:
    """Render what the report came from."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(short(v) if isinstance(v, float) else str(v))}</dd>"
        for name, v in document.provenance.items() if v not in (None, "")
    )  # fmt: skip
    return f'<section aria-labelledby="provenance"><h2 id="provenance">Provenance</h2><dl>{rows}</dl></section>'


def render(document: Document) -> str:
    """Render a report as HTML.

    Parameters
    ----------
    document : Document
        The report.

    Returns
    -------
    str
        The whole file.
    """
    links = [*((anchor(s.title), s.title) for s in document.sections), ("provenance", "Provenance")]
    nav = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in links)
    answer = "".join(f"<p>{escape(text)}</p>" for text in document.answer)
    body = "".join(text for section in document.sections for text in _section(section))
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(document.title)}</title><style>{style}</style></head><body><main>"
        f'<header><h1>{escape(document.title)}</h1></header><section class="answer" aria-label="the answer">{answer}</section>'
        f'<p class="soft"><span class="kind counted">counted</span> exact, the same on every machine '
        f'<span class="kind measured">measured</span> nanoseconds of one host '
        f'<span class="kind modelled">modelled</span> from counts and a table of latencies</p>'
        f'<nav aria-label="sections"><ul>{nav}</ul></nav>{body}{_provenance(document)}</main><script>{script}</script></body></html>\n'
    )
