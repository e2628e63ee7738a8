"""Reuse of a trace's pages as text and as a picture: is the trace worth a run?"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse.common import output
from dse.common.writing import save
from dse.reports import charts
from dse.reports.charts import COLOURS
from dse.workloads.reuse import SHARES, TURNOVERS, Reuse
from dse.workloads.trace import Trace

WIDTH = 80
BARS = "▁▂▃▄▅▆▇█"
MIB = 256  # pages
USUAL = 0.5
"""The default of the scenario key memory.limit."""


def bars(values: Sequence[float]) -> str:
    """Draw figures from 0 to the largest as characters.

    Examples
    --------
    >>> bars([0, 1, 2, 4])
    '▁▃▅█'
    """
    top = max(values, default=0.0) or 1.0
    return "".join(BARS[min(int(value / top * len(BARS)), len(BARS) - 1)] for value in values)


def verdict(found: Reuse, name: str) -> list[str]:
    """Say whether a trace is worth a run, and the command of the next one.

    Parameters
    ----------
    found : Reuse
        Of the trace.
    name : str
        Trace file or shipped trace.
    """
    worth, rows = found.worth(), found.curve()
    command = f"Next: dse compare --trace {name} --set memory.limit="
    if worth:
        limits = f"{worth[0]:g} to {worth[-1]:g}" if _in_a_row(worth) else ", ".join(f"{limit:g}" for limit in worth)
        nearest = min(worth, key=lambda limit: (abs(limit - USUAL), limit))
        return [f"Worth a run at memory.limit={limits}: swapped pages turn over {TURNOVERS:g} times or more.", f"{command}{nearest:g}"]
    best = max(rows, key=lambda row: (row["turnover"], row["limit"]))
    if not best["turnover"]:
        return ["Not worth a run: no page comes back, whatever the memory."]
    accesses = math.ceil(TURNOVERS / best["turnover"]) * found.accesses
    return [
        (f"Too short for aged figures: swapped pages turn over {best['turnover']:.3g} times at most, at memory.limit={best['limit']:g}, "
         f"and {TURNOVERS:g} are needed."),
        f"{command}{best['limit']:g} --set workload.accesses={accesses}",
    ]  # fmt: skip


def _in_a_row(limits: Sequence[float]) -> bool:
    """Tell whether at least two limits follow one another in the table."""
    first = SHARES.index(limits[0])
    return len(limits) > 1 and tuple(limits) == SHARES[first : first + len(limits)]


def facts(rows: dict[str, Any]) -> list[str]:
    """Lay the further facts of a trace out, a line each where it fits."""
    return [line for key, value in rows.items() for line in _wrapped(f"{key}: {output.cell(value)}")]


def _head(trace: Trace, found: Reuse, name: str) -> list[str]:
    """Say what the trace is."""
    meta = trace.meta
    command = output.printable(str(meta.get("command") or meta.get("made") or name))
    writes, kept = trace.writes / found.accesses, meta.get("filter_pages")
    told = f"{writes:.1%} writes" if meta.get("writes_known", True) else "writes not told"
    sizes = f"{found.pages:,} pages ({found.pages / MIB:.1f} MiB), at most {found.peak:,} at a time"
    filtered = f"an LRU filter of {kept} pages left hits out: small memories look worse" if kept else "unfiltered"
    return [
        textwrap.shorten(f"{Path(name).stem}: {command}", WIDTH, placeholder=" ..."),
        f"{found.accesses:,} accesses, {told}; {sizes}.",
        f"Recorder {meta.get('recorder')}, {filtered}; mappings {meta.get('mappings', 'unknown')}, {len(trace.events):,} events.",
    ]


def text(trace: Trace, found: Reuse, name: str) -> list[str]:
    """Lay the reuse of a trace out in 80 columns.

    Parameters
    ----------
    trace : Trace
        The trace.
    found : Reuse
        Its reuse.
    name : str
        Its name in the next command.
    """
    rows = [
        {"memory.limit": f"{row['limit']:g}", "pages": row["pages"], "MiB": f"{row['mib']:,.1f}", "misses": row["misses"],
         "miss ratio": f"{row['miss_ratio']:.3%}", "swap-ins": row["swap_ins"], "turnover": f"{row['turnover']:.2f}"}
        for row in found.curve()
    ]  # fmt: skip
    sets = [int(row[0]) for row in found.windows]
    writes = [int(row[2]) for row in found.windows]
    quantiles = ", ".join(f"{q:.0%} within {n:,}" for q, n in found.quantiles().items() if n is not None) or "no page comes back"
    said = [
        f"Working set: {min(sets):,} to {max(sets):,} pages in {found.length:,} accesses, over time:",
        f"  {bars(sets)}",
        f"Writes: {min(writes):,} to {max(writes):,} in {found.length:,} accesses, over time:",
        f"  {bars(writes)}",
        f"Reuse distance (pages between two accesses to a page): {quantiles}.",
    ]
    wrapped = [line for one in said for line in (_wrapped(one) if not one.startswith("  ") else [one])]
    head = [line for one in _head(trace, found, name) for line in _wrapped(one)]
    note = _wrapped(
        "Exact for an LRU list (Mattson); misses are new pages and swap-ins; turnover: swap-ins for each page that does not fit."
    )
    ending = [line for one in verdict(found, name) for line in _wrapped(one)]
    return [*head, *ending, "", *output.render_table(rows).splitlines(), *note, "", *wrapped]


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def picture(trace: Trace, found: Reuse, name: str, path: str | Path) -> str:
    """Draw miss-ratio curve, reuse distances, working set and writes.

    Parameters
    ----------
    trace : Trace
        The trace.
    found : Reuse
        Its reuse.
    name : str
        Its name in the title.
    path : path
        PNG or SVG by its suffix.

    Returns
    -------
    str
        The path written.

    Raises
    ------
    BadInput
        Another suffix, or a folder that is not there.
    """
    target = charts.target(path)
    charts.matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    form = target.suffix[1:].lower()
    with rc_context({"svg.hashsalt": "dse", "font.size": 9}):  # the same picture is the same file
        figure = Figure(figsize=(8.0, 6.4), dpi=150, layout="constrained")
        axes = figure.subplots(2, 2)
        _misses(axes[0, 0], found)
        _distances(axes[0, 1], found)
        touched, written, writes = ([int(row[i]) for row in found.windows] for i in range(3))
        shares = [100 * n / _length(found, i) for i, n in enumerate(writes)]
        _over_time(axes[1, 0], touched, "pages touched", found, COLOURS[2], written)
        _over_time(axes[1, 1], shares, "writes [%]", found, COLOURS[3])
        for one in axes.flat:
            one.grid(visible=True, color="#dddddd", linewidth=0.6)
            one.set_ylim(bottom=0)
        figure.suptitle("\n".join(_title(trace, found, name)), fontsize=9, x=0.01, ha="left")
        return save(target, charts.content(figure, form))


def _title(trace: Trace, found: Reuse, name: str) -> list[str]:
    """Lines above the picture: what the trace is, and under which conditions the curves hold."""
    head = [line for one in _head(trace, found, name) for line in textwrap.wrap(one, 110)]
    return [*head, f"Exact LRU stack distances; an unmapped page is new again. Trace {trace.digest[:16]}."]


def _length(found: Reuse, window: int) -> int:
    """Accesses of a window."""
    return min(found.length, found.accesses - window * found.length)


def _misses(axes: Any, found: Reuse) -> None:
    """Draw misses and swap-ins over memory, with the limits of the table."""
    import numpy as np

    known = found.distances[1:]
    swap_ins = np.concatenate([[known.sum()], known.sum() - np.cumsum(known)]) / found.accesses * 100
    pages = np.arange(len(swap_ins))
    axes.step(100 * pages / found.pages, swap_ins + 100 * found.cold / found.accesses, where="post", color=COLOURS[0], label="misses")
    axes.step(100 * pages / found.pages, swap_ins, where="post", color=COLOURS[1], linestyle="--", label="swap-ins")
    axes.set(xlabel="memory [% of the pages]", ylabel="share of the accesses [%]", xlim=(0, 100), title="Miss ratio of an LRU list")
    rows = found.curve()
    axes.plot([100 * r["limit"] for r in rows], [100 * r["miss_ratio"] for r in rows], "o", color=COLOURS[0], markersize=4)
    top = 100 * rows[0]["miss_ratio"]
    axes.set_ylim(0, 1.25 * top or 1.0)  # the left end, where next to nothing fits, would hide the rest
    axes.legend(frameon=False)


def _distances(axes: Any, found: Reuse) -> None:
    """Draw how many accesses come within a distance."""
    import numpy as np

    known = np.cumsum(found.distances[1:])
    total = int(known[-1]) if len(known) else 0
    if total:
        axes.step(np.arange(1, len(known) + 1), 100 * known / total, where="post", color=COLOURS[4])
        axes.set_xscale("log", base=2)
    axes.set(xlabel="reuse distance [pages]", ylabel="accesses to known pages [%]", title="Within which distance a page comes back")


def _over_time(axes: Any, values: Sequence[float], label: str, found: Reuse, colour: str, written: Sequence[float] = ()) -> None:
    """Draw a figure of each window."""
    at = [100 * i * found.length / found.accesses for i in range(len(values))]
    axes.step(at, values, where="post", color=colour, label=label)
    if written:
        axes.step(at, written, where="post", color=COLOURS[3], linestyle="--", label="pages written")
        axes.legend(frameon=False)
    title = "Working set over time" if written else "Writes over time"
    axes.set(xlabel="time [% of the accesses]", ylabel=f"{label}, in {found.length:,} accesses", xlim=(0, 100), title=title)
