"""The first screen of a prediction for many CPUs, and its picture: which lock stops each design, and at how many CPUs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from dse.common import output
from dse.errors import BadInput
from dse.naming import shortened
from dse.predicting import Curve, Prediction
from dse.predicting.costs import COSTS
from dse.predicting.predicting import HELD
from dse.reports import charts

WIDTH = 80
NEAR = 0.05
"""Difference of two throughputs below which nothing is said of their order: seeds and the number of traced operations move as much."""
MISSING = (
    "page-table locks and mmap_lock, kswapd, interrupts of TLB flushes, queues of a disk, bandwidth of memory, preemption, and caches that "
    "are too small: a line stays where it was used until another CPU writes it"
)
COLUMNS = ["scenario", "design", "op", "cpus", "metric", "stat", "kind", "unit", "value", "stop"]


def lines(found: Prediction, width: int = WIDTH) -> list[str]:
    """The first screen.

    Parameters
    ----------
    found : Prediction
    width : int
        Columns.
    """
    most = found.cpus[-1]
    head = f"{found.scenario.name}: page faults of {_said(found.cpus)} CPUs, in thousands a second (modelled)"
    table = output.render_table(
        [
            {
                "design": shortened(curve.design),
                **{str(point.cpus): f"{point.run.rate / 1000:,.0f}" for point in curve.points},
                f"{most} do as": f"{curve.points[-1].run.worth:.1f}",
                "stopped by": stop_of(curve),
            }
            for curve in found.curves
        ]
    ).splitlines()
    said = [*(sentence for curve in found.curves for sentence in (_behind(curve),) if sentence), *_doubts(found)]
    note = (
        f"Faults: first touches as well as swap-ins. '{most} do as': so many CPUs that share nothing do as much as {most}. In brackets: "
        f"the share of the CPUs' time that is spent waiting for it. 'full': the busiest one is held {100 * HELD:.0f} % of the time."
    )
    idle = most - min(curve.points[-1].run.cpus for curve in found.curves)
    note += f" {idle} of {most} CPUs have nothing to do." * (idle > 0)
    out = [*output.wrapped([head], width, 3), "", *table, ""]
    for text in (note, *said, f"Not in it: {MISSING}."):
        out += output.wrapped([text], width, 6)
    return out


def _said(cpus: Sequence[int]) -> str:
    """Write numbers of CPUs."""
    return f"{cpus[0]}" if len(cpus) == 1 else f"{', '.join(map(str, cpus[:-1]))} and {cpus[-1]}"


def stop_of(curve: Curve) -> str:
    """Say what stops a design at the largest number of CPUs, what share of their time it takes, and from when on it is full."""
    stop = curve.points[-1].stop
    if stop is None:
        return "nothing"
    full = f", full at {curve.full_at}" if curve.full_at is not None else ""
    return f"{stop.name} ({stop.waiting:.0%}{full})"


def _behind(curve: Curve) -> str:
    """Say what stops a design once the first one is gone."""
    if not curve.behind:
        return ""
    last = curve.points[-1]
    gone = ("", "it and ", "both and ")
    steps = [f"without {more}{name} {rate / last.run.rate:.2f} times" for more, (name, rate) in zip(gone, curve.behind, strict=False)]
    return f"{shortened(curve.design)}, throughput of {last.cpus} CPUs: {', '.join(steps)}."


def _doubts(found: Prediction) -> Iterator[str]:
    """Say what the answer depends on."""
    near = COSTS["transfer.socket"]
    ends = {curve.design: (curve.high.worth, curve.low.worth) for curve in found.curves}
    most = found.cpus[-1]
    unsure = [shortened(curve.design) for curve in found.curves if not curve.sure]
    span = ", ".join(f"{shortened(name)} {low:.0f} and {high:.0f}" for name, (low, high) in ends.items())
    yield f"With all costs high (a line of another core {near.high:g} ns), and low ({near.low:g} ns), {most} CPUs do as: {span}."
    if len(found.curves) > 1:
        yield _order(found.curves, most)
    if unsure:
        yield f"Another lock, or none, stops {', '.join(unsure)} at one of them."
    elif all(curve.points[-1].stop is None for curve in found.curves):
        yield "No lock stops a design at either end."
    else:
        yield "What stops each design is the same at both ends."


def _order(curves: Sequence[Curve], most: int) -> str:
    """Say if designs that differ by more than :data:`NEAR` do so at both ends of the costs."""
    clear = turned = 0
    for one, other in itertools.permutations(curves, 2):
        if one.points[-1].run.rate > (1 + NEAR) * other.points[-1].run.rate:
            clear += 1
            turned += one.low.rate <= other.low.rate or one.high.rate <= other.high.rate
    near = len(curves) * (len(curves) - 1) // 2 - clear
    said = f"{near} of {near + clear} pairs of designs are within {100 * NEAR:.0f} % at {most} CPUs: no order. " if near else ""
    if not clear:
        return said.strip()
    return f"{said}{'All' if not turned else clear - turned} of the {clear} other pairs keep their order at both ends."


def chart(found: Prediction, path: str | Path | None) -> str:
    """Draw throughput over CPUs: a PNG or an SVG by its suffix, text without a path; return the text, or the path.

    Raises
    ------
    BadInput
        Another suffix, or more designs than a chart tells apart.
    """
    _fits(len(found.curves))
    return _text(found) if path is None else _picture(found, Path(path))


def check(path: str, designs: int, form: str) -> None:
    """Refuse a picture that could not be drawn or written, before anything is computed.

    Parameters
    ----------
    path : str
        File, or ``-`` for text.
    designs : int
        How many it shows.
    form : str
        Output format of the command, which text may not follow where a program reads it.
    """
    _fits(designs)
    if path == "-" and form != "table":
        raise BadInput(f"--chart - has no effect with --format {form}: text and {form} do not go into one output")
    if path != "-":
        charts.target(path)


def _fits(designs: int) -> None:
    """Refuse more designs than a chart tells apart."""
    if designs > charts.MOST:
        raise BadInput(f"a chart shows at most {charts.MOST} designs, got {designs}")


def _picture(found: Prediction, path: Path) -> str:
    """Write a picture: both axes logarithmic, the ideal of the first design dotted."""
    charts.target(path)
    charts.matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), dpi=150, layout="constrained")
    axes = figure.subplots()
    cpus = found.cpus
    for i, curve in enumerate(found.curves):
        rates = [point.run.rate / 1e6 for point in curve.points]
        ends = [curve.high.rate / 1e6, curve.low.rate / 1e6]
        axes.plot(cpus, rates, "-", color=charts.COLOURS[i], marker=charts.SHAPES[i], markersize=5, linewidth=1.6, label=_label(curve))
        axes.plot([cpus[-1]] * 2, ends, "-", color=charts.COLOURS[i], linewidth=0.8)
    axes.plot(cpus, [point.run.apart / 1e6 for point in found.curves[0].points], ":", color="#555555", label="if nothing were shared")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(cpus, [str(n) for n in cpus])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="CPUs", ylabel="page faults a second [million], modelled")
    axes.set_title(f"{found.scenario.name}: what stops each design; bars: cheapest and dearest lines")
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False, fontsize=8)
    return charts.saved(figure, path)


def _label(curve: Curve) -> str:
    """Name a curve by its design and what stops it."""
    stop = curve.points[-1].stop
    return f"{shortened(curve.design)}: {stop.name if stop else 'nothing stops it'}"


def _text(found: Prediction) -> str:
    """A bar for each design at the largest number of CPUs, by how many it is worth."""
    most = found.cpus[-1]
    width = max(len(shortened(curve.design)) for curve in found.curves)
    scale = (WIDTH - width - 12) / most
    rows = [f"CPUs that share nothing which {most} CPUs are worth (modelled)"]
    for curve in found.curves:
        bar = "#" * max(1, round(min(curve.points[-1].run.worth, most) * scale))
        rows.append(f"{shortened(curve.design).ljust(width)} {curve.points[-1].run.worth:7.1f} {bar}")
    return "\n".join(rows)
