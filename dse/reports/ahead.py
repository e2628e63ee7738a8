"""Readahead: how many pages were read ahead and hit, and what such a page costs a design beside a fault that reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dse.common.texts import Shorter
from dse.measuring.figures import Figures
from dse.naming import bound, shortened
from dse.storing import Figure

COUNTED = (("lines", "lines"), ("lines common", "lines_common"), ("locks", "locked_sections"), ("locks common", "locked_sections_common"),
           ("atomics", "atomics"), ("allocations", "allocations"))  # fmt: skip
OPERATIONS = (("read_ahead", "read ahead"), ("cache_hit", "hit by a fault"), ("swap_in", "read by a fault"))
AHEAD, HIT, READ = (op for op, _ in OPERATIONS)


@dataclass(frozen=True)
class Ahead:
    """Pages that one design read ahead.

    Attributes
    ----------
    design : str
    lines, locks : dict of str to float
        Lines and locked sections of the design, aged, by operation; those that happened.
    """

    design: str
    lines: dict[str, float]
    locks: dict[str, float]


def read(rows: Sequence[Figure], designs: Sequence[str]) -> list[Ahead]:
    """Pages read ahead of each design; none where the stream has no readahead."""
    figures, found = Figures(rows), []
    for design in designs:
        if not figures.value(design, AHEAD, "demands", stat="total"):
            continue
        by_metric = []
        for metric in ("lines", "locked_sections"):
            means = {op: figures.value(design, op, metric, stat="mean", age="aged") for op, _ in OPERATIONS}
            by_metric.append({op: mean for op, mean in means.items() if mean is not None})
        found.append(Ahead(design, *by_metric))
    return found


def table(rows: Sequence[Figure], designs: Sequence[str]) -> list[dict[str, str]]:
    """The table of readahead: a row for each way of a page into memory."""
    figures, lines = Figures(rows), []
    for mine in read(rows, designs):
        for op, said in OPERATIONS:
            n = figures.value(mine.design, op, "demands", stat="total")
            if not n or op not in mine.lines:
                continue
            line = {"design": mine.design, "a page that is": said, "pages": f"{int(n):,}"}
            for name, metric in COUNTED:
                value = figures.value(mine.design, op, metric, stat="mean", age="aged")
                line[name] = "-" if value is None else f"{value:.2f}"
            lines.append(line)
    return lines


def words(rows: Sequence[Figure], designs: Sequence[str], about: Mapping[str, Any]) -> tuple[Shorter, ...]:
    """Say how much was read ahead and hit, and what a page costs that comes that way; nothing without readahead."""
    found = [mine for mine in read(rows, designs) if not bound(mine.design) and {AHEAD, HIT, READ} <= mine.lines.keys()]
    counted = about.get("stream") or {}
    if not found or not counted.get("swap_ra"):
        return ()
    share = counted["swap_ra_hit"] / counted["swap_ra"]
    known = sorted(found, key=lambda mine: mine.lines[AHEAD])
    each = ", ".join(f"{shortened(m.design)} {m.lines[AHEAD]:.1f} + {m.lines[HIT]:.1f} lines, {m.locks[AHEAD] + m.locks[HIT]:.1f} locks "
                     f"(a fault that reads {m.lines[READ]:.1f}, {m.locks[READ]:.1f})" for m in known)  # fmt: skip
    brief = ", ".join(f"{shortened(m.design)} {m.lines[AHEAD]:.1f} + {m.lines[HIT]:.1f} ({m.lines[READ]:.1f})" for m in known)
    return (
        Shorter(
            f"Readahead: {counted['swap_ra']:,} pages, {share:.0%} hit. Read ahead and hit, a page costs: {each}.",
            f"Readahead: {share:.0%} hit; lines of a page read ahead + hit (read by a fault): {brief}.",
        ),
    )
