"""Charts as SVG text: they follow the page's colours, carry their kind, and tell series apart by shape as well as by colour."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

COLOURS = 8
"""Colours of the palette (Okabe and Ito, Color Universal Design): CSS variables --c0 to --c7."""
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring", "bar", "plus")
WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 66, 16, 16, 48


def escape(text: object) -> str:
    """Escape text for SVG and HTML."""
    return html.escape(str(text), quote=True)


def number(value: float) -> str:
    """Write a figure in four digits at most.

    Examples
    --------
    >>> number(1234.5), number(0.5), number(12.345), number(0)
    ('1,234', '0.5', '12.35', '0')
    """
    if value == 0:
        return "0"
    digits = max(0, min(6, 3 - math.floor(math.log10(abs(value)))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class Scale:
    """A linear scale from figures to pixels, ending at round figures."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a figure lies."""
        return self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round figures along the scale."""
        step = nice((self.high - self.low) / most)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if step <= 0 or not math.isfinite(step):
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= step * (1 - 1e-9))


def scale(values: Sequence[float], start: float, end: float, zero: bool = False) -> Scale:
    """A scale that holds all values, with a little room."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    low = min(low, 0.0) if zero else low
    if high == low:
        low, high = (0.0, high or 1.0) if high >= 0 else (low, 0.0)
    room = (high - low) * 0.04
    return Scale(low if zero and low == 0 else low - room, high + room, start, end)


def marker(shape: str, x: float, y: float, size: float = 5.0) -> str:
    """A mark of a series."""
    s = size
    paths = {
        "triangle": f"M{x:.1f} {y - s * 1.2:.1f}l{s * 1.1:.1f} {s * 2:.1f}h{-s * 2.2:.1f}z",
        "square": f"M{x - s * 0.9:.1f} {y - s * 0.9:.1f}h{s * 1.8:.1f}v{s * 1.8:.1f}h{-s * 1.8:.1f}z",
        "diamond": f"M{x:.1f} {y - s * 1.3:.1f}l{s * 1.1:.1f} {s * 1.3:.1f}l{-s * 1.1:.1f} {s * 1.3:.1f}l{-s * 1.1:.1f} {-s * 1.3:.1f}z",
        "cross": f"M{x - s:.1f} {y - s:.1f}l{2 * s:.1f} {2 * s:.1f}m0 {-2 * s:.1f}l{-2 * s:.1f} {2 * s:.1f}",
        "plus": f"M{x - s * 1.2:.1f} {y:.1f}h{2.4 * s:.1f}M{x:.1f} {y - s * 1.2:.1f}v{2.4 * s:.1f}",
        "bar": f"M{x - s * 0.4:.1f} {y - s * 1.2:.1f}h{s * 0.8:.1f}v{s * 2.4:.1f}h{-s * 0.8:.1f}z",
    }
    if shape in paths:
        return f'<path class="m {shape}" d="{paths[shape]}"/>'
    return f'<circle class="m {shape}" cx="{x:.1f}" cy="{y:.1f}" r="{s:.1f}"/>'


def frame(x: Scale, y: Scale, x_title: str, y_title: str) -> str:
    """Grid, ticks and titles of the axes."""
    out = []
    for value in x.ticks():
        at = x(value)
        out.append(f'<line class="g" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(f'<text class="t" x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{number(value)}</text>')
    for value in y.ticks():
        at = y(value)
        out.append(f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        out.append(f'<text class="t" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text class="a" x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x_title)}</text>')
    out.append(f'<text class="a" transform="translate(14 {middle:.1f}) rotate(-90)" text-anchor="middle">{escape(y_title)}</text>')
    return "".join(out)


def svg(body: str, title: str, width: int = WIDTH, height: int = HEIGHT, name: str = "") -> str:
    """A chart around its body."""
    mark = f' id="{escape(name)}"' if name else ""
    return (
        f'<svg{mark} class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{body}</svg>'
    )


def style_of(i: int) -> str:
    """Class of series `i`."""
    return f"s{i % COLOURS}"


def shape_of(i: int) -> str:
    """Shape of series `i`."""
    return SHAPES[i % len(SHAPES)]


def legend(names: Sequence[str]) -> str:
    """The legend of a chart, as HTML."""
    items = [
        f'<li><svg class="key {style_of(i)}" viewBox="0 0 16 16" aria-hidden="true">{marker(shape_of(i), 8, 8)}</svg>{escape(name)}</li>'
        for i, name in enumerate(names)
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def scatter(series: Mapping[str, Sequence[tuple[float, float, str]]], x_title: str, y_title: str, title: str, name: str = "") -> str:
    """Points of several series, each with its text; reachable by keyboard."""
    every = [p for points in series.values() for p in points]
    x, y = scale([p[0] for p in every], LEFT, WIDTH - RIGHT), scale([p[1] for p in every], HEIGHT - BOTTOM, TOP)
    out = [frame(x, y, x_title, y_title)]
    for i, points in enumerate(series.values()):
        for px, py, text in points:
            inside = f"<title>{escape(text)}</title>{marker(shape_of(i), x(px), y(py))}"
            out.append(f'<g class="p {style_of(i)}" tabindex="0" role="img" aria-label="{escape(text)}">{inside}</g>')
    return svg("".join(out), title, name=name)


def lines(series: Mapping[str, Sequence[tuple[float, float]]], x_title: str, y_title: str, title: str, upright: float | None = None) -> str:
    """Curves of several series, with marks; `upright` draws a line at an x."""
    every = [p for points in series.values() for p in points]
    x, y = scale([p[0] for p in every], LEFT, WIDTH - RIGHT), scale([p[1] for p in every], HEIGHT - BOTTOM, TOP, zero=True)
    out = [frame(x, y, x_title, y_title)]
    if upright is not None:
        out.append(f'<line class="v" x1="{x(upright):.1f}" x2="{x(upright):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(f'<text class="a" x="{x(upright) + 4:.1f}" y="{TOP + 12}">{number(upright)}</text>')
    for i, (name, points) in enumerate(series.items()):
        path = " ".join(f"{'M' if j == 0 else 'L'}{x(px):.1f} {y(py):.1f}" for j, (px, py) in enumerate(points))
        marks = "".join(
            f'<g class="p" tabindex="0" role="img" aria-label="{escape(f"{name}: {number(px)}, {number(py)}")}">'
            f"<title>{escape(f'{name}: {number(px)}, {number(py)}')}</title>{marker(shape_of(i), x(px), y(py), 4)}</g>"
            for px, py in points
        )  # fmt: skip
        out.append(f'<g class="{style_of(i)}"><path class="l" d="{path}"/>{marks}</g>')
    return svg("".join(out), title)


def bars(rows: Sequence[tuple[str, Sequence[tuple[str, float]]]], names: Sequence[str], unit: str, title: str) -> str:
    """Stacked horizontal bars: a row's label and its (series, figure) parts."""
    height = TOP + BOTTOM + 30 * len(rows)
    left = 250
    most = max((sum(v for _, v in parts) for _, parts in rows), default=1.0)
    x = scale([0.0, most], left, WIDTH - RIGHT - 60, zero=True)
    out = []
    for value in x.ticks():
        out.append(f'<line class="g" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        out.append(f'<text class="t" x="{x(value):.1f}" y="{height - BOTTOM + 16}" text-anchor="middle">{number(value)}</text>')
    out.append(f'<text class="a" x="{(left + WIDTH) / 2:.1f}" y="{height - 10}" text-anchor="middle">{escape(unit)}</text>')
    for row, (label, parts) in enumerate(rows):
        y = TOP + 30 * row + 5
        out.append(f'<text class="t" x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(short(label, 36))}</text>')
        at = 0.0
        for part, value in parts:
            text = f"{label}, {part}: {number(value)} {unit}"
            out.append(
                f'<g class="p {style_of(list(names).index(part))}" tabindex="0" role="img" aria-label="{escape(text)}"><title>{escape(text)}'
                f'</title><rect class="b" x="{x(at):.1f}" y="{y}" width="{max(x(at + value) - x(at), 0):.1f}" height="20"/></g>'
            )
            at += value
        out.append(f'<text class="t" x="{x(at) + 6:.1f}" y="{y + 14}">{number(at)}</text>')
    return svg("".join(out), title, height=height)


def intervals(rows: Sequence[tuple[str, float, float, float, int]], unit: str, title: str, one: float | None = None) -> str:
    """Figures with their intervals: (label, low, figure, high, series)."""
    height = TOP + BOTTOM + 26 * len(rows)
    left = 250
    x = scale([v for _, low, _, high, _ in rows for v in (low, high)] + ([one] if one is not None else []), left, WIDTH - RIGHT)
    out = []
    for value in x.ticks():
        out.append(f'<line class="g" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        out.append(f'<text class="t" x="{x(value):.1f}" y="{height - BOTTOM + 16}" text-anchor="middle">{number(value)}</text>')
    if one is not None:
        out.append(f'<line class="v" x1="{x(one):.1f}" x2="{x(one):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
    out.append(f'<text class="a" x="{(left + WIDTH) / 2:.1f}" y="{height - 10}" text-anchor="middle">{escape(unit)}</text>')
    for row, (label, low, value, high, i) in enumerate(rows):
        y = TOP + 26 * row + 13
        text = f"{label}: {number(value)} [{number(low)}, {number(high)}] {unit}"
        out.append(f'<text class="t" x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(short(label, 36))}</text>')
        out.append(
            f'<g class="p {style_of(i)}" tabindex="0" role="img" aria-label="{escape(text)}"><title>{escape(text)}</title>'
            f'<line class="i" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}"/>{marker(shape_of(i), x(value), y)}</g>'
        )
    return svg("".join(out), title, height=height)


def short(text: str, most: int) -> str:
    """Cut a text in the middle where it is too long."""
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[-(most // 2) :]}"


def grid(
    columns: Sequence[str], rows: Sequence[str], cell: Callable[[str, str], tuple[int, str, str] | None], title: str, x_title: str, y_title: str
) -> str:
    """A map: for a column and a row the series, the text inside, and the text for readers."""
    left, size = 230, 34
    width = max(WIDTH, left + 110 * len(columns) + RIGHT)
    wide = (width - left - RIGHT) / max(len(columns), 1)
    height = TOP + size * len(rows) + BOTTOM
    out = []
    for i, column in enumerate(columns):
        middle = left + wide * (i + 0.5)
        out.append(f'<text class="t" x="{middle:.1f}" y="{height - BOTTOM + 16}" text-anchor="middle">{escape(short(column, 18))}</text>')
    for j, row in enumerate(rows):
        y = TOP + size * j
        out.append(f'<text class="t" x="{left - 8}" y="{y + 21}" text-anchor="end">{escape(short(row, 36))}</text>')
        for i, column in enumerate(columns):
            found = cell(column, row)
            if found is None:
                continue
            series, inside, said = found
            x = left + wide * i
            out.append(
                f'<g class="p {style_of(series)}" tabindex="0" role="img" aria-label="{escape(said)}"><title>{escape(said)}</title>'
                f'<rect class="w" x="{x + 1:.1f}" y="{y + 1}" width="{wide - 2:.1f}" height="{size - 2}" rx="3"/>'
                f'{marker(shape_of(series), x + 14, y + size / 2)}'
                f'<text class="n" x="{x + 26:.1f}" y="{y + 21}">{escape(inside)}</text></g>'
            )
    out.append(f'<text class="a" x="{(left + width) / 2:.1f}" y="{height - 10}" text-anchor="middle">{escape(x_title)}</text>')
    out.append(f'<text class="a" x="{left - 8}" y="{height - 10}" text-anchor="end">{escape(y_title)}</text>')
    return svg("".join(out), title, width=width, height=height)
