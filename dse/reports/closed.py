"""The answer of a closed loop: what the bytes of each design cost in resident pages, and these in faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dse.measuring.figures import CLOSED, Figures
from dse.naming import bound, shortened

HEADS = ("design", "resident", "at end", "metadata", "swap-ins", "swap-outs", "more swap-ins")
Cells = tuple[tuple[str, ...], ...]


def named(run: Mapping[str, Any]) -> str:
    """Name the loop of a run, as a sentence begins with it."""
    return "Closed loop" if run.get("loop") == "closed" else "Open loop"


def question(design: str) -> str:
    """Ask what is compared, against the baseline named so."""
    return f"How many faults do a design's bytes cost? Against {design}:"


def _faults(figures: Figures, design: str) -> float:
    return figures.value(design, CLOSED, "major_faults", stat="total") or 0.0


def _more(figures: Figures, designs: Sequence[str]) -> list[tuple[float, str]]:
    """Major faults that each design has more than the baseline, the most first."""
    least = _faults(figures, designs[0])
    return sorted(((_faults(figures, design) - least, design) for design in designs[1:]), key=lambda pair: -pair[0])


def words(figures: Figures, designs: Sequence[str], run: Mapping[str, Any]) -> tuple[str, ...]:
    """Say which designs have more major faults than the baseline, and which fewer."""
    least, accesses = _faults(figures, designs[0]), int(run["stream"]["accesses"])
    judged = [(n, design) for n, design in _more(figures, designs) if not bound(design)]
    more = [_said(n, design, least) for n, design in judged if n > 0]
    fewer = [_said(n, design, least) for n, design in judged[::-1] if n < 0]
    same = [shortened(design) for n, design in judged if n == 0]
    named_ = (("more", more), ("fewer", fewer), ("as many", same))
    said = "; ".join(f"{word}: {', '.join(some)}" for word, some in named_ if some)
    base = f"{shortened(designs[0])} has {least:,.0f} major faults of {accesses:,} accesses"
    return (
        f"Counted, in a closed loop: {'; '.join(filter(None, (base, said)))}.",
        "Memory holds resident pages, zsmalloc's and what the design allocated since swapon (metadata): more bytes, fewer resident pages.",
    )


def _said(n: float, design: str, least: float) -> str:
    share = f" ({n / least:+.2%})".replace("%", " %") if least else ""
    return f"{shortened(design)} {abs(n):,.0f}{share}"


def cells(figures: Figures, designs: Sequence[str]) -> Cells:
    """Heads and lines of the table, a line a design, the one with most faults first."""

    def pages(design: str, metric: str, stat: str) -> str:
        value = figures.value(design, CLOSED, metric, stat=stat)
        return "-" if value is None else f"{value:,.0f}"

    lines = []
    for n, design in [*_more(figures, designs), (0.0, designs[0])]:
        out = figures.value(design, "swap_out", "demands", stat="total") or 0.0
        lines.append((
            shortened(design) + " (bound)" * bound(design), pages(design, "resident_pages", "mean"), pages(design, "resident_pages", "end"),
            pages(design, "metadata_pages", "end"), f"{_faults(figures, design):,.0f}", f"{out:,.0f}",
            f"{n:+,.0f}" if design != designs[0] else "-",
        ))  # fmt: skip
    return (HEADS, *lines)


def table(figures: Figures, designs: Sequence[str]) -> list[dict[str, str]]:
    """The table with the pages of zsmalloc, and those that a design refused to take, for ``--full`` and reports."""
    heads, *lines = cells(figures, designs)
    names = {shortened(design) + " (bound)" * bound(design): design for design in designs}
    out = []
    for line in lines:
        more = {what: figures.value(names[line[0]], CLOSED, f"{what}_pages", stat="end") or 0.0 for what in ("zsmalloc", "kept")}
        out.append(dict(zip(heads, line, strict=True)) | {what: f"{n:,.0f}" for what, n in more.items()})
    return out


def laid(given: Cells, width: int) -> list[str]:
    """Lay cells out in columns, numbers to the right."""
    widths = [max(len(line[i]) for line in given) for i in range(len(given[0]))]
    gap = " " if sum(widths) + 2 * len(widths) > width else "  "
    rows = (
        gap.join((text.ljust if i == 0 else text.rjust)(w) for i, (text, w) in enumerate(zip(line, widths, strict=True))) for line in given
    )
    return [row.rstrip()[:width] for row in rows]
