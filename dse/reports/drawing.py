"""Charts as inline SVG: text, round ticks, colours by class, so that the page's style sheet decides their look."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dse.reports.model import Cloud, Parallel, Plot, Ranges, Series, short, staircase, ticks

COLOURS = 7
SHAPES = 7
WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 76, 16, 14, 52
ROW = 22  # height of a line of a range chart
LABEL, SAID = 200, 140  # width of its labels, and of the text behind each
_PATHS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", "M-3.6 -3.6H3.6V3.6H-3.6Z", "M0 -5L4.6 3.4H-4.6Z", "M0 -5.2L5.2 0L0 5.2L-5.2 0Z",
    "M0 5L4.6 -3.4H-4.6Z", "M-1.7 -5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z",
    "M-5 -2.4L-2.4 -5L0 -2.6L2.4 -5L5 -2.4L2.6 0L5 2.4L2.4 5L0 2.6L-2.4 5L-5 2.4L-2.6 0Z",
)  # fmt: skip


def shape(group: int) -> str:
    """Outline of a group's marker: groups of one colour differ in it."""
    return _PATHS[(group + group // COLOURS) % SHAPES]


def colour(group: int) -> str:
    """CSS class of a group's colour."""
    return f"c{group % COLOURS}"


def marker(group: int, x: float, y: float, label: str = "", *, strong: bool = True, extra: str = "") -> str:
    """Draw one marker, with its label as a tooltip."""
    size = "" if strong else " scale(.62)"
    title = f"<title>{escape(label)}</title>" if label else ""
    classes = f"m {colour(group)}{'' if strong else ' weak'}"
    return f'<path class="{classes}" d="{shape(group)}" transform="translate({x:.1f} {y:.1f}){size}"{extra}>{title}</path>'


def swatch(group: int) -> str:
    """Draw a swatch of a marker for legends."""
    return f'<svg class="swatch" viewBox="-7 -7 14 14" width="14" height="14" aria-hidden="true">{marker(group, 0, 0)}</svg>'


class Scale:
    """Scale from figures to places along an axis, which begins and ends at a tick."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, zero: bool = False) -> None:
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        self.ticks = ticks(min(low, 0.0) if zero else low, high)
        self._low, self._span = self.ticks[0], self.ticks[-1] - self.ticks[0]
        self._start, self._length = start, end - start

    def __call__(self, value: float) -> float:
        return self._start + (value - self._low) / self._span * self._length


def from_zero(values: Sequence[float]) -> bool:
    """Return True if the axis begins at zero: the figures spread over more than half of the largest."""
    return not values or min(values) <= max(values) / 2


def _axes(x: Scale, y: Scale, name_x: str, name_y: str) -> list[str]:
    """Draw grid, numbers and names."""
    out = ['<g class="axes">']
    for tick in x.ticks:
        at = x(tick)
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{short(tick)}</text>')
    for tick in y.ticks:
        at = y(tick)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{short(tick)}</text>')
    out.append(f'<text class="name" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(name_x)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text class="name" transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(name_y)}</text>')
    return [*out, "</g>"]


def _svg(inside: Sequence[str], title: str, height: float = HEIGHT, more: str = "") -> str:
    """Drawing with its title for those who cannot see it."""
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title, quote=True)}"{more}>{"".join(inside)}</svg>'


def _one(series: Series, x: Scale, y: Scale) -> list[str]:
    """Draw a series as a line and markers."""
    places = [(x(a), y(b)) for a, b in zip(series.xs, series.ys, strict=True)]
    out = [f'<g data-series="{escape(series.name, quote=True)}">']
    if series.line:
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
        out.append(f'<path class="l {colour(series.group)} d{series.group // COLOURS % 3}" d="{path}"/>')
    if series.marked:
        labels = series.labels or [""] * len(places)
        strong = series.strong or [True] * len(places)
        out += [marker(series.group, a, b, text, strong=s) for (a, b), text, s in zip(places, labels, strong, strict=True)]
    return [*out, "</g>"]


def plot(chart: Plot) -> str:
    """Draw points and lines."""
    x = Scale([v for s in chart.series for v in s.xs], LEFT, WIDTH - RIGHT)
    heights = [v for s in chart.series for v in s.ys]
    y = Scale(heights, HEIGHT - BOTTOM, TOP, zero=from_zero(heights))
    drawn = [line for series in chart.series for line in _one(series, x, y)]
    return _svg([*_axes(x, y, chart.x, chart.y), *drawn], chart.title)


def cloud(chart: Cloud) -> str:
    """Draw two objectives of the configurations; the page's script redraws it when others are picked.

    The weak points come first, so that the front lies on top. A line joins those that are on the front of these two objectives.
    """
    first, second = chart.first
    known = [(i, p) for i, p in enumerate(chart.points) if p["values"][first] is not None and p["values"][second] is not None]
    x = Scale([p["values"][first] for _, p in known], LEFT, WIDTH - RIGHT)
    y = Scale([p["values"][second] for _, p in known], HEIGHT - BOTTOM, TOP)
    corners = staircase([(p["values"][first], p["values"][second]) for _, p in known if p["front"]])
    path = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in corners)
    drawn = [f'<path class="front" d="{"M" * bool(path)}{path}"/><g class="points">']
    for i, point in sorted(known, key=lambda item: bool(item[1]["front"])):
        at = x(point["values"][first]), y(point["values"][second])
        drawn.append(marker(point["group"], *at, point["label"], strong=bool(point["front"]), extra=f' data-i="{i}"'))
    drawn.append("</g>")
    return _svg([*_axes(x, y, chart.objectives[first], chart.objectives[second]), *drawn], chart.title, more=' tabindex="0" class="cloud"')


def parallel(chart: Parallel) -> str:
    """Draw configurations as lines across parallel axes; names of neighbouring axes stand at two heights."""
    top, bottom, left = 56, HEIGHT - 30, 76
    step = (WIDTH - 2 * left) / max(1, len(chart.axes) - 1)

    def at(i: int, height: float) -> str:
        return f"{left + i * step:.1f} {bottom - height * (bottom - top):.1f}"

    out = ['<g class="axes">']
    for i in range(len(chart.axes)):
        x = left + i * step
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
    out.append("</g>")
    for line, places in chart.routes():
        path = "M" + "L".join(at(i, height) for i, height in places)
        weak = "" if line["front"] else " weak"
        named = f'data-series="{escape(line["name"], quote=True)}"'
        dashes = f"d{line['group'] // COLOURS % 3}"
        out.append(
            f'<path class="l p {colour(line["group"])} {dashes}{weak}" {named} d="{path}"><title>{escape(line["label"])}</title></path>'
        )
    out.append('<g class="labels">')
    for i, (name, values) in enumerate(chart.axes):
        x = left + i * step
        out.append(f'<text class="name" x="{x:.1f}" y="{14 + 16 * (i % 2)}" text-anchor="middle">{escape(name)}</text>')
        for height, text in chart.marks(i):
            y = bottom - height * (bottom - top) + (4 if values else 14 if height == 0.0 else -6)
            out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>')
    return _svg([*out, "</g>"], chart.title)


def ranges(chart: Ranges) -> str:
    """Draw figures with their intervals, one below the other."""
    rows = [row for _, block in chart.blocks for row in block]
    values = [v for row in rows for v in (row.value, row.lo, row.hi) if v is not None]
    x = Scale([*values, *([] if chart.line is None else [chart.line])], LABEL, WIDTH - SAID, zero=chart.line is None)
    out, at = ['<g class="axes">'], TOP
    height = TOP + ROW * (len(rows) + len(chart.blocks)) + 44
    for tick in x.ticks:
        out.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{height - 40}"/>')
        out.append(f'<text x="{x(tick):.1f}" y="{height - 24}" text-anchor="middle">{short(tick)}</text>')
    if chart.line is not None:
        out.append(f'<line class="one" x1="{x(chart.line):.1f}" x2="{x(chart.line):.1f}" y1="{TOP}" y2="{height - 40}"/>')
    out.append(f'<text class="name" x="{(LABEL + WIDTH - SAID) / 2}" y="{height - 6}" text-anchor="middle">{escape(chart.unit)}</text></g>')
    for title, block in chart.blocks:
        at += ROW
        out.append(f'<text class="block" x="4" y="{at - 6}">{escape(title)}</text>')
        for row in block:
            at += ROW
            middle = at - ROW / 2
            if row.lo is not None and row.hi is not None:
                ends = f'x1="{x(row.lo):.1f}" x2="{x(row.hi):.1f}" y1="{middle}" y2="{middle}"'
                out.append(f'<line class="range {colour(row.group)}" {ends}/>')
            out.append(f'<text x="{LABEL - 12}" y="{middle + 4}" text-anchor="end">{escape(row.label)}</text>')
            out.append(marker(row.group, x(row.value), middle, f"{title} {row.label}: {row.said or short(row.value)}"))
            out.append(f'<text x="{WIDTH - SAID + 10}" y="{middle + 4}">{escape(row.said or short(row.value))}</text>')
    return _svg(out, chart.title, height)
