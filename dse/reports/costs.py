"""Costs of designs against the baseline, as rows in order, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dse.measuring.figures import Figures
from dse.storing import Figure

LIFETIME = ("swap_out", "writeback_end", "swap_in")
"""Operations of a swap-out and return (:data:`dse.measuring.rows.LIFETIME`)."""


@dataclass(frozen=True)
class Cost:
    """Costs of one design.

    Attributes
    ----------
    design : str
    nbytes, more_bytes : float or None
        Allocated bytes a swapped page, counted; and how many more than the baseline.
    extra, lo, hi : float or None
        What a swap-out and return takes more than on the baseline: ns with a 95 % interval if `timed`, else lines. The baseline has its
        own total in `extra_own`.
    times, times_lo, times_hi : float or None
        Time of one swap-in over the baseline's, or its lines over the baseline's lines.
    own, extra_own : float or None
        Mean of one swap-in, and of a swap-out and return, in ns or lines.
    finding, swap_in_finding : str
        ``ok``, ``noise`` or ``inconclusive`` of the difference; faster, slower, same or inconclusive of the swap-in.
    lines, locks : float or None
        What a swap-out and return takes more in lines and locked sections.
    asked : bool
        False for the baseline.
    timed : bool
    """

    design: str
    nbytes: float | None = None
    more_bytes: float | None = None
    extra: float | None = None
    lo: float | None = None
    hi: float | None = None
    times: float | None = None
    times_lo: float | None = None
    times_hi: float | None = None
    own: float | None = None
    extra_own: float | None = None
    finding: str = "ok"
    swap_in_finding: str = ""
    lines: float | None = None
    locks: float | None = None
    asked: bool = True
    timed: bool = True

    @property
    def open(self) -> bool:
        """True if the difference or the swap-in is inconclusive."""
        return "inconclusive" in (self.finding, self.swap_in_finding)

    def cells(self) -> tuple[str, str, str]:
        """Cells of the table: bytes, swap-out and return, one swap-in."""
        return self._bytes(), self._lifetime(), self._swap_in()

    def _bytes(self) -> str:
        if self.nbytes is None:
            return "-"
        return f"{self.nbytes:.1f}" + ("" if self.more_bytes is None or not self.asked else f" ({self.more_bytes:+.1f})")

    def _lifetime(self) -> str:
        if not self.asked:
            return "-" if self.extra_own is None else f"{self.extra_own:,.0f} in all" if self.timed else f"{self.extra_own:.1f} in all"
        if self.extra is None:
            return "-"
        if not self.timed:
            return f"{self.extra:+.1f}, locks {self.locks or 0:+.1f}"
        if self.finding == "ok":
            return f"{self.extra:+,.0f} [{self.lo:+,.0f}, {self.hi:+,.0f}]"
        return {"noise": "within the noise"}.get(self.finding, self.finding)

    def _swap_in(self) -> str:
        if not self.asked:
            return "-" if self.own is None else f"{self.own:,.0f}" if self.timed else f"{self.own:.1f}"
        if self.times is None:
            return "-"
        if not self.timed:
            return f"x {self.times:.2f}"
        if self.swap_in_finding == "inconclusive":
            return "inconclusive"
        return f"x {self.times:.2f} [{self.times_lo:.2f}, {self.times_hi:.2f}]"


def heads(rows: Sequence[Cost]) -> list[tuple[str, str, str, str]]:
    """Two lines of column heads with units."""
    timed = any(row.timed for row in rows)
    unit = "ns" if timed else "lines"
    return [("design", "memory", "swap-out and return", "one swap-in"), ("", "B a page", f"{unit} more", f"{unit}, or times that")]


def _finding(row: Figure | None) -> str:
    """``ok``, ``noise`` or ``inconclusive`` of a difference."""
    if row is None or row["status"] == "ok":
        return "ok"
    return "inconclusive" if str(row["status"]).startswith("incon") else "noise"


def cost(figures: Figures, design: str, base: str, timed: bool) -> Cost:
    """Cost of one design against `base`."""
    page = ("page", "bytes_per_page_allocated")
    nbytes, under = (figures.value(d, *page, stat="mean") for d in (design, base))
    metric = "ns" if timed else "lines"
    means = [figures.value(design, op, metric, stat="mean", age="aged") for op in LIFETIME]
    own = figures.value(design, "swap_in", metric, stat="mean", age="aged")
    out = Cost(
        design, nbytes, None if nbytes is None or under is None else nbytes - under, own=own, asked=design != base, timed=timed,
        extra_own=sum(m or 0.0 for m in means) if any(m is not None for m in means) else None,
        lines=figures.value(design, "lifetime", "tax_lines", stat="mean", age="aged", against=base),
        locks=figures.value(design, "lifetime", "tax_locked_sections", stat="mean", age="aged", against=base),
    )  # fmt: skip
    if not out.asked:
        return out
    if not timed:
        first = figures.value(base, "swap_in", metric, stat="mean", age="aged")
        return _with(out, extra=out.lines, times=own / first if own is not None and first else None)
    tax = figures.row(design, "lifetime", "tax_ns", stat="mean", age="aged", against=base)
    ratio = figures.row(design, "swap_in", "ratio", stat="mean", age="aged", against=base)
    if tax is not None:
        out = _with(out, extra=tax["value"], lo=tax["lo"], hi=tax["hi"], finding=_finding(tax))
    if ratio is not None:
        found = str(ratio["status"]).partition(":")[0]
        out = _with(out, times=ratio["value"], times_lo=ratio["lo"], times_hi=ratio["hi"], swap_in_finding=found)
    return out


def _with(row: Cost, **changes: object) -> Cost:
    from dataclasses import replace

    return replace(row, **changes)  # type: ignore[arg-type]


def ranked(figures: Figures, designs: Sequence[str], timed: bool) -> list[Cost]:
    """All designs, worst first: by what a swap-out and return takes more, then by bytes. The baseline costs 0."""
    rows = [cost(figures, design, designs[0], timed) for design in designs]
    return sorted(rows, key=lambda row: (-(_weight(row)), -(row.nbytes or 0.0)))


def _weight(row: Cost) -> float:
    """Difference for the order of rows: 0 for the baseline and where it is within the noise."""
    return row.extra if row.asked and row.extra is not None and row.finding == "ok" else 0.0


def apart(one: Cost, two: Cost) -> bool:
    """True if the times of two designs differ beyond their intervals."""
    spans = [(0.0, 0.0) if not r.asked else (r.lo, r.hi) for r in (one, two)]
    (a_lo, a_hi), (b_lo, b_hi) = spans
    if any(x is None for x in (a_lo, a_hi, b_lo, b_hi)) or any(r.finding != "ok" for r in (one, two)):
        return False
    return bool(a_lo > b_hi or b_lo > a_hi)  # type: ignore[operator]


def contradictions(rows: Sequence[Cost]) -> list[tuple[str, str, str]]:
    """Pairs that lines or locks order otherwise than time does: (slower, faster, ``lines`` or ``locks``).

    Only pairs whose times differ beyond their intervals count.
    """
    out = []
    for n, slower in enumerate(rows):
        for faster in rows[n + 1 :]:
            if not slower.timed or not apart(slower, faster):
                continue
            for what in ("lines", "locks"):
                a, b = (getattr(r, what) if r.asked else 0.0 for r in (slower, faster))
                if a is not None and b is not None and a < b - 0.05:
                    out.append((slower.design, faster.design, what))
    return out


def words(rows: Sequence[Cost], base: str) -> list[str]:
    """The finding in sentences: what the others cost against `base`, and where yardsticks disagree.

    Parameters
    ----------
    rows : sequence of Cost
        In order, worst first.
    base : str
        The baseline.

    Returns
    -------
    list of str
        One paragraph, or nothing where only the baseline was asked.
    """
    asked = [row for row in rows if row.asked]
    if not asked:
        return []
    unit = "ns" if rows[0].timed else "lines"
    sure = [row for row in asked if row.finding == "ok" and row.extra is not None]
    out = []
    if sure and (sure[0].extra or 0.0) > 0:
        worst = sure[0]
        out.append(f"{worst.design} costs most: {worst.extra:+,.0f} {unit} a swap-out and return, {worst.more_bytes or 0:+.1f} B a page.")
    out.append(_better(asked, sure, base, "time" if unit == "ns" else "lines"))
    wrong = contradictions(rows)
    if wrong:
        slower, faster, what = wrong[0]
        more = f" (and {len(wrong) - 1} pair{'s' * (len(wrong) > 2)} more)" if len(wrong) > 1 else ""
        out.append(f"Time and {what} disagree, time decides: {slower} takes fewer {what} than {faster}, and longer{more}.")
    return [" ".join(out)]


def _better(asked: Sequence[Cost], sure: Sequence[Cost], base: str, what: str) -> str:
    """Say which designs are better than `base` in both yardsticks, or in which one."""
    faster = [row.design for row in sure if (row.extra or 0.0) < 0]
    smaller = [row.design for row in asked if (row.more_bytes or 0.0) < -0.05]
    both = [name for name in faster if name in smaller]
    if both:
        return f"Cheaper than {base} in {what} and memory: {', '.join(both)}."
    parts = [f"less {name}: {', '.join(found)}" for name, found in ((what, faster), ("memory", smaller)) if found]
    return f"None is cheaper than {base} in both {what} and memory" + (f" ({'; '.join(parts)})." if parts else ".")
