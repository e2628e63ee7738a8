"""Figures of a report as a PNG or an SVG, for mails and papers."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

from dse.errors import BadInput, unknown
from dse.reports.drawing import COLOURS, SHAPES, from_zero
from dse.reports.model import Cloud, Document, Part, Plot, Ranges

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#C0619A", "#A87200", "#5B4FA0", "#6B6B6B")
"""Colours of page.css: after Okabe and Ito, told apart by people with a colour vision deficiency (https://jfly.uni-koeln.de/color/), the
light ones darkened until they stand out from white by 3 to 1."""
MARKERS = "os^Dv" + "PX"
DASHES = ("-", "--", ":")
MOST = 4
DPI = 150
TITLE = 76  # characters of a line above a figure


def drawable(document: Document) -> list[Plot | Cloud | Ranges]:
    """Figures that can be drawn: the first of each section, then the others."""
    found = [[p for p in section.parts if isinstance(p, (Plot, Cloud, Ranges))] for section in document.sections]
    return [parts[0] for parts in found if parts] + [p for parts in found for p in parts[1:]]


def chosen(document: Document, name: str | None) -> list[Plot | Cloud | Ranges]:
    """Requested figures: those whose title holds `name`, by default four.

    Raises
    ------
    BadInput
        No figure has such a title, or there is none.
    """
    known = drawable(document)
    if not known:
        raise BadInput(f"{document.name} has no figure to draw; --format text says what it has")
    if name is None:
        return known[:MOST]
    fits = [part for part in known if name.lower() in part.title.lower()]
    if not fits:
        raise BadInput(unknown("figure", name, [part.title for part in known]))
    return fits[:MOST]


def _style(group: int) -> dict[str, Any]:
    return {"color": PALETTE[group % COLOURS], "marker": MARKERS[(group + group // COLOURS) % SHAPES]}


def _plot(axes: Any, part: Plot) -> None:
    for s in part.series:
        line = DASHES[s.group // COLOURS % 3] if s.line else ""
        axes.plot(s.xs, s.ys, line, label=s.name, markersize=5 if s.marked else 0, linewidth=1.6, **_style(s.group))
    axes.set(xlabel=part.x, ylabel=part.y)
    if from_zero([y for s in part.series for y in s.ys]):
        axes.set_ylim(bottom=0)


def _cloud(axes: Any, part: Cloud) -> None:
    i, j = part.first
    seen: set[str] = set()
    for p in sorted(part.points, key=lambda p: bool(p["front"])):
        x, y = p["values"][i], p["values"][j]
        if x is None or y is None:
            continue
        size, alpha = (42, 1.0) if p["front"] else (12, 0.4)
        axes.scatter([x], [y], s=size, alpha=alpha, linewidths=0.4, edgecolors="white", **_style(p["group"]))
        seen.add(p["name"])
    for name, group in {p["name"]: p["group"] for p in part.points if p["name"] in seen}.items():
        axes.plot([], [], linestyle="", label=name, **_style(group))
    axes.set(xlabel=part.objectives[i], ylabel=part.objectives[j])


def _ranges(axes: Any, part: Ranges) -> None:
    at, places, labels = 0.0, [], []
    for title, block in part.blocks:
        for row in block:
            low, high = (row.value if v is None else v for v in (row.lo, row.hi))
            axes.plot([low, high], [at, at], "-", color=PALETTE[row.group % COLOURS], linewidth=2, alpha=0.6)
            axes.plot([row.value], [at], "", markersize=5, **_style(row.group))
            places.append(at)
            labels.append(f"{title}  {row.label}")
            at -= 1.0
        at -= 0.6
    axes.set_yticks(places, labels, fontsize=7)
    axes.set(xlabel=part.unit)
    if part.line is not None:
        axes.axvline(part.line, color="#333333", linewidth=0.8, linestyle="--")
    else:
        axes.set_xlim(left=0)


def _height(part: Part) -> float:
    """Height of a figure in inches."""
    return 1.4 + 0.17 * sum(len(block) + 0.6 for _, block in part.blocks) if isinstance(part, Ranges) else 4.2


def render(document: Document, form: str, name: str | None = None) -> bytes:
    """Draw figures of a report, one below the other.

    Parameters
    ----------
    document : Document
        The report.
    form : {"png", "svg"}
        Kind of picture.
    name : str, optional
        Part of a figure's title, default the first figure of each section, at most four.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    BadInput
        No such figure.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    parts: Sequence[Plot | Cloud | Ranges] = chosen(document, name)
    heights = [_height(part) for part in parts]
    with mpl.rc_context({"svg.hashsalt": document.name, "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(7.2, sum(heights)), dpi=DPI, layout="constrained")
        grid = figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights)
        for axes, part in zip(grid[:, 0], parts, strict=True):
            if isinstance(part, Plot):
                _plot(axes, part)
            elif isinstance(part, Cloud):
                _cloud(axes, part)
            else:
                _ranges(axes, part)
            axes.set_title(textwrap.fill(f"{part.title} ({part.kind})", TITLE), fontsize=9, loc="left")
            axes.grid(visible=True, color="#dddddd", linewidth=0.6)
            if not isinstance(part, Ranges):
                axes.legend(frameon=False, fontsize=7, ncols=2)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=form, metadata={"Date": None} if form == "svg" else {"Software": None})
    return buffer.getvalue()
