"""Figures of a report as a PNG or an SVG, for mails and papers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from dse.errors import NAME_MOST, BadInput, nearest
from dse.reports import charts
from dse.reports.drawing import COLOURS, SHAPES, from_zero
from dse.reports.model import Cloud, Document, Parallel, Plot, Ranges, staircase

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#C0619A", "#A87200", "#5B4FA0", "#6B6B6B")
"""Colours of page.css: after Okabe and Ito, told apart by people with a colour vision deficiency (https://jfly.uni-koeln.de/color/), the
light ones darkened until they stand out from white by 3 to 1."""
MARKERS = "os^Dv" + "PX"
DASHES = ("-", "--", ":")
MOST = 4
TITLES, TITLE_MOST = 4, 40
"""Titles that a refusal names, and most characters of one."""
DPI = 150
TITLE = 76  # characters of a line above a figure
FOOT = 150  # characters of a line of conditions
COLUMNS = 3  # environments beside one another
Drawable = Plot | Cloud | Parallel | Ranges


def drawable(document: Document) -> list[Drawable]:
    """Figures that can be drawn: the first of each section, then the others."""
    found = [[p for p in section.parts if isinstance(p, Drawable)] for section in document.sections]
    return [parts[0] for parts in found if parts] + [p for parts in found for p in parts[1:]]


def chosen(document: Document, name: str | None) -> list[Drawable]:
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
        titles = [textwrap.shorten(part.title, TITLE_MOST, placeholder=" ...") for part in known]
        some = "; ".join(titles[:TITLES]) + f"; and {len(titles) - TITLES:,} more" * (len(titles) > TITLES)
        near = nearest(name[:NAME_MOST], titles)
        raise BadInput(f"no figure has {name[:NAME_MOST]!r} in its title, " + (f"did you mean {near!r}?" if near else f"such as: {some}"))
    return fits[:MOST]


def _style(group: int) -> dict[str, Any]:
    return {"color": PALETTE[group % COLOURS], "marker": MARKERS[(group + group // COLOURS) % SHAPES]}


def _stroke(group: int) -> dict[str, Any]:
    return {"color": PALETTE[group % COLOURS], "linestyle": DASHES[group // COLOURS % 3]}


def _plot(axes: Any, part: Plot) -> None:
    for s in part.series:
        line = DASHES[s.group // COLOURS % 3] if s.line else ""
        axes.plot(s.xs, s.ys, line, label=s.name, markersize=5 if s.marked else 0, linewidth=1.6, **_style(s.group))
    axes.set(xlabel=part.x, ylabel=part.y)
    if from_zero([y for s in part.series for y in s.ys]):
        axes.set_ylim(bottom=0)


def _cloud(axes: Any, part: Cloud) -> None:
    i, j = part.first
    shown = [(p, p["values"][i], p["values"][j]) for p in part.points if p["values"][i] is not None and p["values"][j] is not None]
    for p, x, y in sorted(shown, key=lambda item: bool(item[0]["front"])):
        size, alpha = (42, 1.0) if p["front"] else (12, 0.4)
        axes.scatter([x], [y], s=size, alpha=alpha, linewidths=0.4, edgecolors="white", **_style(p["group"]))
    corners = staircase([(x, y) for p, x, y in shown if p["front"]])
    axes.plot([x for x, _ in corners], [y for _, y in corners], "-", color="#444444", linewidth=0.9, zorder=0.5)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _clouds(figure: Any, parts: Sequence[Cloud]) -> None:
    """Draw environments as small multiples on the same axes, with one legend."""
    from matplotlib.lines import Line2D

    columns = min(len(parts), COLUMNS)
    grid = figure.subplots(-(-len(parts) // columns), columns, squeeze=False, sharex=True, sharey=True)
    first, (i, j) = parts[0], parts[0].first
    for axes, part in zip(grid.flat, parts, strict=False):
        _cloud(axes, part)
        title = part.title.partition(": ")[2] if len(parts) > 1 else f"{part.title} ({part.kind})"
        axes.set_title(textwrap.fill(title or part.title, TITLE // columns), fontsize=8 if len(parts) > 1 else 9, loc="left")
    for axes in grid.flat[len(parts) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(first.objectives[j])
    for n in range(columns):
        grid[(len(parts) - 1 - n) // columns, n].set_xlabel(first.objectives[i])
        grid[(len(parts) - 1 - n) // columns, n].tick_params(labelbottom=True)
    if len(parts) > 1:
        figure.suptitle(f"{first.title.partition(': ')[0]}, an environment each ({first.kind})", fontsize=9, x=0.01, ha="left")
    groups = {p["name"]: p["group"] for part in parts for p in part.points}
    marks = [Line2D([], [], linestyle="", label=name, **_style(group)) for name, group in groups.items()]
    marks.append(Line2D([], [], color="#444444", linewidth=0.9, label="front in these two objectives; large: on the front of all"))
    figure.legend(handles=marks, loc="outside lower left", frameon=False, fontsize=7, ncols=2)


def _parallel(figure: Any, part: Parallel) -> None:
    """Draw lines across parallel axes, with a legend of the designs."""
    from matplotlib.lines import Line2D

    axes = figure.subplots()
    for line, places in part.routes():
        width, alpha = (1.3, 0.95) if line["front"] else (0.6, 0.2)
        axes.plot([i for i, _ in places], [y for _, y in places], linewidth=width, alpha=alpha, **_stroke(line["group"]))
    halo = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
    for i, (_, values) in enumerate(part.axes):
        axes.axvline(i, color="#999999", linewidth=0.8, zorder=0.5)
        for y, text in part.marks(i):
            off = 0.0 if values else -0.05 if y == 0.0 else 0.05
            axes.text(i, y + off, text, fontsize=6, ha="center", va="center", bbox=halo)
    axes.set_xticks(range(len(part.axes)), [name.replace(" [", "\n[") for name, _ in part.axes], fontsize=6)
    axes.set(xlim=(-0.5, len(part.axes) - 0.5), ylim=(-0.12, 1.12), yticks=[])
    axes.set_title(textwrap.fill(f"{part.title} ({part.kind})", TITLE), fontsize=9, loc="left")
    for side in axes.spines.values():
        side.set_visible(False)
    names = {line["name"]: line["group"] for line in part.lines}
    marks = [Line2D([], [], linewidth=1.6, label=name, **_stroke(group)) for name, group in names.items()]
    marks.append(Line2D([], [], color="#444444", linewidth=0.6, alpha=0.5, label="thin: dominated; bottom of an objective: least"))
    figure.legend(handles=marks, loc="outside lower left", frameon=False, fontsize=7, ncols=3)


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


def _height(slot: Sequence[Drawable]) -> float:
    """Height of a figure in inches."""
    part = slot[0]
    if isinstance(part, Ranges):
        return 1.4 + 0.17 * sum(len(block) + 0.6 for _, block in part.blocks)
    if isinstance(part, Parallel):
        return 3.6 + 0.05 * len({line["name"] for line in part.lines})
    names = len({p["name"] for one in slot if isinstance(one, Cloud) for p in one.points})
    return 4.2 if len(slot) == 1 else 0.9 + 2.3 * -(-len(slot) // COLUMNS) + 0.08 * names


def slots(document: Document, name: str | None) -> list[list[Drawable]]:
    """Figures by their place in a picture: the clouds of one section, an environment each, share a place."""
    together = [[p for p in section.parts if isinstance(p, Cloud)] for section in document.sections]
    found: list[list[Drawable]] = []
    for part in chosen(document, name):
        if not isinstance(part, Cloud):
            found.append([part])
            continue
        fellows = next(parts for parts in together if part in parts)
        wanted: list[Drawable] = [p for p in fellows if name is None or name.lower() in p.title.lower()]
        if wanted not in found:
            found.append(wanted)
    return found


def conditions(document: Document) -> str:
    """Line below a picture: where its figures come from."""
    about = document.provenance
    said = [document.name, about.get("command"), *(f"{key} {about[key]}" for key in ("seed", "trace", "host", "cpu") if about.get(key))]
    said += [f"{key.partition('_')[0]} {str(about[key])[:16]}" for key in ("counters_hash", "code_digest") if about.get(key)]
    return textwrap.fill("; ".join(str(one) for one in said if one), FOOT, break_on_hyphens=False)


def _draw(figure: Any, slot: Sequence[Drawable]) -> None:
    """Draw one place of a picture."""
    clouds = [part for part in slot if isinstance(part, Cloud)]
    if clouds:
        _clouds(figure, clouds)
        return
    if isinstance(slot[0], Parallel):
        _parallel(figure, slot[0])
        return
    part, axes = slot[0], figure.subplots()
    if isinstance(part, Plot):
        _plot(axes, part)
        axes.legend(frameon=False, fontsize=7, ncols=2)
    elif isinstance(part, Ranges):
        _ranges(axes, part)
    axes.set_title(textwrap.fill(f"{part.title} ({part.kind})", TITLE), fontsize=9, loc="left")
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)


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
    charts.matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    places = slots(document, name)
    heights = [_height(slot) for slot in places]
    foot = conditions(document)
    with mpl.rc_context({"svg.hashsalt": document.name, "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(7.2, sum(heights) + 0.12 * (1 + foot.count("\n"))), dpi=DPI, layout="constrained")
        figure.supxlabel(foot, fontsize=6, x=0.01, ha="left", color="#555555")
        for part, slot in zip(figure.subfigures(len(places), 1, squeeze=False, height_ratios=heights)[:, 0], places, strict=True):
            _draw(part, slot)
        return charts.content(figure, form)
