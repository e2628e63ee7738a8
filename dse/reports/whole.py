"""Large folios: how many of them left memory whole, and what a page of one costs beside a single page."""

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
SINGLE, OUT, SPLIT, STAYED = "swap_out", "folio_out", "folio_split", "stayed"


@dataclass(frozen=True)
class Whole:
    """Large folios of one design.

    Attributes
    ----------
    design : str
    out, split, stayed : int
        Folios that left whole, that were split, and of which some or all pages stayed in memory for want of a place, of the whole stream.
    lines, locks : float or None
        Lines and locked sections of a page that leaves in a whole folio: of the design, aged. None: no folio left whole then.
    """

    design: str
    out: int
    split: int
    stayed: int
    lines: float | None
    locks: float | None

    @property
    def share(self) -> float:
        """Share of the folios that left whole."""
        return self.out / (self.out + self.split + self.stayed)

    def said(self, lines: str, locks: str, whole: str, stayed: str) -> str:
        """Say it in a phrase, with these words for the units."""
        cost = "none aged" if self.lines is None else f"{self.lines:.1f}{lines}, {self.locks:.1f}{locks}"
        left = f", {self.stayed / (self.out + self.split + self.stayed):.0%}{stayed}" if self.stayed else ""
        return f"{shortened(self.design)} {cost} ({self.share:.0%}{whole}{left})"


def a_page(figures: Figures, design: str, op: str, metric: str) -> float | None:
    """Figure of an aged operation by the page: by the PTEs that it writes."""
    value = figures.value(design, op, metric, stat="mean", age="aged")
    pages = 1.0 if op == SINGLE else figures.value(design, op, "ptes", stat="mean", age="aged")
    return value / pages if value is not None and pages else None


def pages_out(figures: Figures, design: str, age: str) -> float:
    """Pages that left memory in the operations counted at an age, alone or in a folio."""
    out = figures.value(design, SINGLE, "demands", stat="total", age=age) or 0.0
    return out + sum(figures.value(design, op, "ptes", stat="total", age=age) or 0.0 for op in (OUT, SPLIT))


def read(rows: Sequence[Figure], designs: Sequence[str], asked: int) -> list[Whole]:
    """Large folios of each design; none where the stream has none."""
    figures, found = Figures(rows), []
    for design in designs:
        out, split = (int(figures.value(design, op, "demands", stat="total") or 0) for op in (OUT, SPLIT))
        if out + split or asked:
            cost = (a_page(figures, design, OUT, metric) for metric in ("lines", "locked_sections"))
            found.append(Whole(design, out, split, max(0, asked - out - split), *cost))
    return found


def asked_of(run: Mapping[str, Any]) -> int:
    """Large folios that the stream of a run sends out; 0 where its record does not say."""
    return int((run.get("stream") or {}).get("folio_reclaims", 0))


def table(rows: Sequence[Figure], designs: Sequence[str], asked: int) -> list[dict[str, str]]:
    """The table of large folios: a row for each way out, the figures those of a page."""
    figures, lines = Figures(rows), []
    for mine in read(rows, designs, asked):
        for op, said in ((OUT, "whole folio"), (SPLIT, "split folio"), (STAYED, "folio that stayed"), (SINGLE, "single page")):
            n = {OUT: mine.out, SPLIT: mine.split, STAYED: mine.stayed}.get(op)
            if op != OUT and (n == 0 or (n is None and a_page(figures, mine.design, op, "lines") is None)):
                continue
            line = {"design": mine.design, "a page of a": said, "folios": "-" if n is None else f"{n:,}"}
            line["whole"] = f"{mine.share:.1%}" if op == OUT else "-"
            pages = figures.value(mine.design, op, "ptes", stat="mean", age="aged") if n is not None else None
            line["pages each"] = "-" if pages is None else f"{pages:,.1f}"
            for name, metric in COUNTED:
                value = a_page(figures, mine.design, op, metric)
                line[name] = "-" if value is None else f"{value:.2f}"
            lines.append(line)
    return lines


def words(rows: Sequence[Figure], designs: Sequence[str], asked: int) -> tuple[Shorter, ...]:
    """Say which share of the folios left whole, and what a page of one costs; nothing where there are none."""
    found = [mine for mine in read(rows, designs, asked) if not bound(mine.design)]
    if not found:
        return ()
    known = sorted(found, key=lambda mine: (mine.lines is None, mine.lines or 0.0))
    each = ", ".join(mine.said(" lines", " locks", " whole", " stayed") for mine in known)
    brief = ", ".join(mine.said("", "", "", " stay") for mine in known)
    return (
        Shorter(
            f"Large folios, a page on its way out: {each}. A swap-out below is of a page that leaves alone.",
            f"Large folios, a page's lines and locks out (folios whole): {brief}. Swap-outs below: single pages.",
        ),
    )
