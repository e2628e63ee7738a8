"""Report as one HTML file that needs nothing else: style, script and drawings inside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from dse.common import output
from dse.naming import status_of
from dse.reports import drawing
from dse.reports.model import Bar, Cloud, Document, Head, Map, Parallel, Part, Plot, Ranges, Section, short

HERE = Path(__file__).parent
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""Policy that tells the browser to fetch nothing."""
OPEN_ROWS = 14
DENSE, CROWDED = 7, 18
"""Most rows of an answer that have a second line each, and most that have room between them."""
CARDS = 4
"""Most columns of an answer that a narrow screen shows beside each other; more become cards."""
SHORT, LINED = 15, 6
"""Most characters of a cell, and most columns, of a table whose rows are a line of names and a line of figures on a narrow screen."""


NARROW = 3
"""Most columns of a table that a narrow screen shows beside each other; the cells of wider ones flow."""


def anchor(title: str) -> str:
    """Name of a section in links.

    Examples
    --------
    >>> anchor("Where a layer pays")
    'where-a-layer-pays'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def table(rows: Sequence[Mapping[str, Any]], title: str, cards: bool = False) -> str:
    """Write rows as a table that scrolls by itself on narrow screens, or becomes cards there."""
    if not rows:
        return '<p class="soft">None.</p>'
    names = output.columns_of(rows)
    kind = "cards" if cards else "flow" if len(names) > NARROW else ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = []
    for row in rows:
        cells = []
        for i, name in enumerate(names):
            value = row.get(name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            text = escape(output.cell(value))
            name_of = f' data-name="{escape(name, quote=True)}"' if kind else ""
            cells.append(
                f'<th scope="row">{text}</th>' if i == 0 and not number else f"<td{' class=n' if number else ''}{name_of}>{text}</td>"
            )
        body.append(f"<tr>{''.join(cells)}</tr>")
    label = escape(title, quote=True)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{label}"><table class="{kind}">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _folded(rows: Sequence[Mapping[str, Any]], title: str, summary: str) -> str:
    """Write a table that opens on demand."""
    return f"<details><summary>{escape(summary)}</summary>{table(rows, title)}</details>"


def _legend(names: Mapping[str, int]) -> str:
    """Write the designs with their markers; each can be switched off."""
    items = (
        f'<li><button type="button" aria-pressed="true" data-name="{escape(name, quote=True)}">{drawing.swatch(group)} '
        f"{escape(name)}</button></li>"
        for name, group in names.items()
    )
    return f'<ul class="legend" aria-label="designs shown">{"".join(items)}</ul>'


def _cloud(chart: Cloud) -> str:
    """Draw the interactive front."""
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
    """Draw lines and points, and write their figures as a table."""
    rows = [
        {"series": s.name, chart.x: x, chart.y: y} for s in chart.series for x, y in zip(s.xs, s.ys, strict=True)
    ]  # fmt: skip
    legend = _legend({s.name: s.group for s in chart.series})
    return f'<figure class="plot">{legend}<div class="wide">{drawing.plot(chart)}</div></figure>' + _folded(rows, chart.title, "as a table")


def _parallel(chart: Parallel) -> str:
    """Draw parallel coordinates, and write the configurations of the front as a table."""
    names = [name for name, _ in chart.axes]
    front = [{"design": line["label"], **dict(zip(names, line["values"], strict=True))} for line in chart.lines if line["front"]]
    legend = _legend({line["name"]: line["group"] for line in chart.lines})
    drawn = f'<figure class="plot">{legend}<div class="wide">{drawing.parallel(chart)}</div></figure>'
    return drawn + _folded(front, chart.title, f"the front as a table ({len(front)})")


def _ranges(chart: Ranges) -> str:
    """Draw figures with intervals, and write them as a table."""
    rows = [
        {"of": title, "design": row.label, chart.unit: row.value, "low": row.lo, "high": row.hi, "remark": row.said or None}
        for title, block in chart.blocks for row in block
    ]  # fmt: skip
    return f'<figure><div class="wide">{drawing.ranges(chart)}</div></figure>' + _folded(rows, chart.title, "as a table")


def _map(chart: Map) -> str:
    """Write the map of winners as a table; cells are coloured and name the winner."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in chart.columns)
    body = []
    for name, cells in chart.rows:
        tds = [
            f'<td data-name="{escape(text, quote=True)}">-</td>' if cell is None else
            f'<td class="b{cell.group % drawing.COLOURS}" data-name="{escape(text, quote=True)}">{drawing.swatch(cell.group)} '
            f"{escape(cell.text)}<small>{escape(cell.detail)}</small></td>"
            for text, cell in zip(chart.columns, cells, strict=True)
        ]  # fmt: skip
        body.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(tds)}</tr>')
    corner = f"{escape(chart.row_name)} \\ {escape(chart.column_name)}"
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(chart.title, quote=True)}"><table class="map flow"><thead><tr>'
        f'<th scope="col">{corner}</th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    )


def _drawn(bar: Bar | None, bars: Sequence[Bar | None]) -> str:
    """Draw a bar from zero with its interval, on the scale of all bars."""
    ends = [x for b in bars if b is not None for x in (0.0, b.value, b.lo, b.hi) if x is not None]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return 1 + 98 * (value - low) / span

    out = f'<line class="zero" x1="{at(0):.1f}" x2="{at(0):.1f}" y1="0" y2="10"/>'
    if bar is not None:
        left, right = sorted((at(0), at(bar.value)))
        out += f'<rect x="{left:.1f}" y="2" width="{right - left:.1f}" height="6"/>'
        if bar.lo is not None and bar.hi is not None:
            out += f'<line class="range" x1="{at(bar.lo):.1f}" x2="{at(bar.hi):.1f}" y1="5" y2="5"/>'
    return f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{out}</svg>'


def _cell(text: str) -> str:
    """Write a cell of the answer; its interval may stand below it."""
    figure, sign, interval = text.partition(" [")
    return escape(figure) + (f' <span class="span">[{escape(interval)}</span>' if sign else "")


def opening(head: Head) -> str:
    """Write what a page opens on: question, finding, table with its bars, doubts, how to repeat."""
    heads = "".join(f'<th scope="col">{escape(name)}<small>{escape(unit)}</small></th>' for name, unit in head.columns)
    body = []
    for n, row in enumerate(head.rows):
        bar = _drawn(head.bars[n], head.bars) if n < len(head.bars) else ""
        cells = "".join(
            f'<td data-name="{escape(head.columns[i][0], quote=True)}"{" class=none" if text == "-" else ""}>{_cell(text)}'
            f"{bar if i == head.drawn else ''}</td>"
            for i, text in enumerate(row[1:], 1)
        )  # fmt: skip
        status = status_of(row[0])
        name = escape(row[0]) + (f"<small>{escape(status)}</small>" if status else "")
        body.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    said = "".join(f"<p>{escape(text)}</p>" for text in head.finding)
    notes = "".join(f"<p>{escape(text)}</p>" for text in (*head.doubts, *head.missing, *head.conditions, *head.buys))
    *following, repeat = ("", *(f'<p class="repeat">{escape(text)}</p>' for text in head.again))
    caption = f"<figcaption>{escape(head.caption)}</figcaption>" if any(head.bars) else ""
    kind = ("many" if len(head.columns) > CARDS else "few") + " dense" * (len(head.rows) > DENSE) + " crowded" * (len(head.rows) > CROWDED)
    short_cells = all(len(text) <= SHORT for row in head.rows for text in row[1:])
    kind += " lined" * (short_cells and CARDS < len(head.columns) <= LINED and len(head.rows) > DENSE)
    return (
        f'<section class="answer" aria-label="the answer"><p class="question">{escape(head.question)}</p>{said}'
        f'<figure><div class="wide"><table class="costs {kind}"><thead><tr>{heads}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
        f'{caption}</figure><div class="notes">{repeat}{notes}{"".join(following)}</div></section>'
    )


def part(one: Part) -> str:
    """Write one figure with its title, its kind and its note."""
    kinds = "".join(f' <span class="kind {escape(kind)}">{escape(kind)}</span>' for kind in one.kind.split(", "))
    out = f"<h3>{escape(one.title)}{kinds}</h3>"
    if isinstance(one, Cloud):
        out += _cloud(one)
    elif isinstance(one, Plot):
        out += _plot(one)
    elif isinstance(one, Parallel):
        out += _parallel(one)
    elif isinstance(one, Ranges):
        out += _ranges(one)
    elif isinstance(one, Map):
        out += _map(one)
    elif len(one.rows) > OPEN_ROWS and not one.cards:
        out += table(one.rows[:OPEN_ROWS], one.title) + _folded(one.rows, one.title, f"all {len(one.rows)} rows")
    else:
        out += table(one.rows, one.title, one.cards)
    return out + (f'<p class="soft">{escape(one.note)}</p>' if one.note else "")


def _section(one: Section) -> Iterator[str]:
    yield f'<section aria-labelledby="{anchor(one.title)}"><h2 id="{anchor(one.title)}">{escape(one.title)}</h2>'
    yield from (f"<p>{escape(text)}</p>" for text in one.text.splitlines())
    small = [item for item in one.parts if isinstance(item, (Plot, Cloud))]
    if len(small) > 1:
        yield f'<div class="pairs">{"".join(f"<div>{part(item)}</div>" for item in small)}</div>'
    yield from (part(item) for item in one.parts if len(small) < 2 or not isinstance(item, (Plot, Cloud)))
    yield "</section>"


def _provenance(document: Document) -> str:
    """Write the origin of the report."""
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
    links = [*((anchor(s.title), s.label or s.title) for s in document.sections), ("provenance", "Provenance")]
    nav = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in links)
    words = "".join(f"<p>{escape(text)}</p>" for text in document.answer)
    answer = f'<section class="answer" aria-label="the answer">{words}</section>'
    if document.head is not None:
        answer = f"{opening(document.head)}<details><summary>In words, and under which conditions</summary>{words}</details>"
    body = "".join(text for section in document.sections for text in _section(section))
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(document.title)}</title><style>{style}</style></head><body><main>"
        f"<header><h1>{escape(document.title)}</h1></header>{answer}"
        f'<p class="soft"><span class="kind counted">counted</span> exact, the same on every machine '
        f'<span class="kind measured">measured</span> nanoseconds of one host '
        f'<span class="kind modelled">modelled</span> from counts and a table of latencies</p>'
        f'<nav aria-label="sections"><ul>{nav}</ul></nav>{body}{_provenance(document)}</main><script>{script}</script></body></html>\n'
    )
