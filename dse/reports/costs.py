"""Costs of designs against the baseline, as rows in order, and in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dse.common.texts import Shorter
from dse.measuring.figures import LIFETIME, Figures
from dse.naming import shortened
from dse.storing import Figure

LIFE = "swap-out and return"
EVEN = 0.05
"""Bytes a page below which two designs take the same."""


@dataclass(frozen=True)
class At:
    """Times of a design with the caches in one state.

    Attributes
    ----------
    state : str
        ``footprint``, ``cold`` or ``hot``.
    lo, hi : float or None
        95 % interval of what a swap-out and return takes more [ns].
    times_lo, times_hi : float or None
        95 % interval of the time of one swap-in over the baseline's.
    own, extra_own : float or None
        Mean of one swap-in, and of a swap-out and return [ns].
    decided, swap_in_decided : bool
        False where the difference is within the noise of this state, or has too few pairs.
    """

    state: str
    lo: float | None = None
    hi: float | None = None
    times_lo: float | None = None
    times_hi: float | None = None
    own: float | None = None
    extra_own: float | None = None
    decided: bool = True
    swap_in_decided: bool = True

    def lifetime(self, asked: bool) -> str:
        """Cell of a swap-out and return: the interval, or the baseline's own time."""
        if not asked:
            return "-" if self.extra_own is None else f"={self.extra_own:,.0f}"
        return "-" if self.lo is None or self.hi is None else f"{self.lo:+,.0f}..{self.hi:+,.0f}" + "?" * (not self.decided)

    def swap_in(self, asked: bool) -> str:
        """Cell of one swap-in: the interval, or the baseline's own time."""
        if not asked:
            return "-" if self.own is None else f"={self.own:,.0f} ns"
        if self.times_lo is None or self.times_hi is None:
            return "-"
        return f"{self.times_lo:.2f}..{self.times_hi:.2f}" + "?" * (not self.swap_in_decided)


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
    states : tuple of At
        The times by state of the caches, where there are several. The other times are those of the first.
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
    states: tuple[At, ...] = ()

    @property
    def undecided(self) -> tuple[int, int]:
        """Measured figures of the row that decide nothing, and all of them."""
        if not self.states:
            return [self.finding, self.swap_in_finding].count("inconclusive"), 2
        figures = [at.decided for at in self.states if at.lo is not None]
        figures += [at.swap_in_decided for at in self.states if at.times_lo is not None]
        return figures.count(False), len(figures)

    @property
    def open(self) -> bool:
        """True if the difference or the swap-in is inconclusive, in a state of the caches if there are several."""
        return self.undecided[0] > 0

    def cells(self) -> tuple[str, ...]:
        """Cells of the table: bytes, swap-out and return, one swap-in; the times in each state of the caches."""
        if not self.states:
            return self._bytes(), self._lifetime(), self._swap_in()
        memory = "-" if self.nbytes is None else f"{self.more_bytes or 0.0:+.1f}" if self.asked else f"={self.nbytes:.1f}"
        return memory, *(at.lifetime(self.asked) for at in self.states), *(at.swap_in(self.asked) for at in self.states)

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


def heads(rows: Sequence[Cost]) -> list[tuple[str, ...]]:
    """Two lines of column heads with units."""
    timed = any(row.timed for row in rows)
    states = next((row.states for row in rows if row.states), ())
    if states:
        rest = [at.state for at in states[1:]]
        first = ("design", "memory", returned(rows), *rest, "swap-in", *rest)
        return [first, ("", "B a page", *["ns more"] * len(states), *[f"x {brief(rows)}"] * len(states))]
    unit = "ns" if timed else "lines"
    return [("design", "memory", "swap-out and return", "one swap-in"), ("", "B a page", f"{unit} more", f"{unit}, or times that")]


def returned(rows: Sequence[Cost]) -> str:
    """Head of what a page costs that goes out and, if any did, comes back."""
    return "out+return" if any(row.own is not None for row in rows) else "swap-out"


def brief(rows: Sequence[Cost]) -> str:
    """Name of the baseline in a head."""
    return "p4" if any(row.design == "swap_table_p4" and not row.asked for row in rows) else "base"


def _finding(row: Figure | None) -> str:
    """``ok``, ``noise`` or ``inconclusive`` of a difference."""
    if row is None or row["status"] == "ok":
        return "ok"
    return "inconclusive" if str(row["status"]).startswith("incon") else "noise"


def _lifetime(figures: Figures, design: str, metric: str, state: str = "") -> float | None:
    """Mean of a metric over a swap-out and return; None where no part of it was seen."""
    means = [figures.value(design, op, metric, stat="mean", age="aged", state=state) for op in LIFETIME]
    return sum(m or 0.0 for m in means) if any(m is not None for m in means) else None


def cost(figures: Figures, design: str, base: str, timed: bool) -> Cost:
    """Cost of one design against `base`."""
    page = ("page", "bytes_per_page_allocated")
    nbytes, under = (figures.value(d, *page, stat="mean") for d in (design, base))
    metric = "ns" if timed else "lines"
    own = figures.value(design, "swap_in", metric, stat="mean", age="aged")
    out = Cost(
        design, nbytes, None if nbytes is None or under is None else nbytes - under, own=own, asked=design != base, timed=timed,
        extra_own=_lifetime(figures, design, metric),
        lines=figures.value(design, "lifetime", "tax_lines", stat="mean", age="aged", against=base),
        locks=figures.value(design, "lifetime", "tax_locked_sections", stat="mean", age="aged", against=base),
    )  # fmt: skip
    if timed:
        out = replace(out, states=_states(figures, design, base))
    if not out.asked:
        return out
    if not timed:
        first = figures.value(base, "swap_in", metric, stat="mean", age="aged")
        return replace(out, extra=out.lines, times=own / first if own is not None and first else None)
    tax = figures.row(design, "lifetime", "tax_ns", stat="mean", age="aged", against=base)
    ratio = figures.row(design, "swap_in", "ratio", stat="mean", age="aged", against=base)
    first_state = out.states[0].state if out.states else ""
    if tax is not None:
        finding = ("ok" if out.states[0].decided else "noise") if out.states else _finding(tax)
        out = replace(out, extra=tax["value"], lo=tax["lo"], hi=tax["hi"], finding=finding)
    if ratio is not None:
        found = found_in(ratio, first_state)
        out = replace(out, times=ratio["value"], times_lo=ratio["lo"], times_hi=ratio["hi"], swap_in_finding=found)
    return out


def _states(figures: Figures, design: str, base: str) -> tuple[At, ...]:
    """Times of a design in each state of the caches; nothing where there is one state only."""
    known = [str(row["state"]) for row in figures.rows if row["metric"] == "ns" and row["age"] == "aged" and row.get("state")]
    states = list(dict.fromkeys(known))
    return tuple(_at(figures, design, base, state) for state in states) if len(states) > 1 else ()


def _at(figures: Figures, design: str, base: str, state: str) -> At:
    """Times of a design in one state of the caches."""
    tax = figures.row(design, "lifetime", "tax_ns", stat="mean", age="aged", against=base, state=state)
    ratio = figures.row(design, "swap_in", "ratio", stat="mean", age="aged", against=base, state=state)
    decided = (settled(tax, state), found_in(ratio, state) not in ("", "inconclusive"))
    return At(
        state, *((None, None) if tax is None else (tax["lo"], tax["hi"])), *((None, None) if ratio is None else (ratio["lo"], ratio["hi"])),
        figures.value(design, "swap_in", "ns", stat="mean", age="aged", state=state),
        _lifetime(figures, design, "ns", state), *decided,
    )  # fmt: skip


def settled(tax: Figure | None, state: str) -> bool:
    """True if a difference is beyond the noise of `state`. Its status names the first state in which it is not."""
    if tax is None or tax["lo"] is None or tax["hi"] is None or tax["lo"] <= 0.0 <= tax["hi"]:
        return False
    status = str(tax["status"])
    if status.startswith("no more than the noise"):
        return state == "footprint" and status.endswith("(cold)")
    return "too few pairs" not in status or f"({state})" not in status


def found_in(ratio: Figure | None, state: str) -> str:
    """Finding of a ratio in one state of the caches: its status is of all, and says each where they differ (:func:`stats.agreed`).

    Examples
    --------
    >>> apart = "inconclusive: footprint and cold do not agree: footprint slower, 1.6; cold same, 1.0"
    >>> found_in({"status": apart}, "footprint"), found_in({"status": apart}, "cold"), found_in({"status": "slower: footprint 1.6"}, "cold")
    ('slower', 'same', 'slower')
    >>> found_in({"status": "inconclusive: not settled in cold: footprint slower, 1.6; cold inconclusive, 3 pairs"}, "footprint")
    'slower'
    """
    if ratio is None:
        return ""
    finding, _, said = str(ratio["status"]).partition(": ")
    apart = "do not agree: " in said or said.startswith("not settled in ")
    each = re.search(rf"(?:: |; ){state} (\w+), ", said) if apart else None
    return each[1] if each else finding


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
    out, life = [], LIFE if returned(rows) == "out+return" else "swap-out"
    if sure and (sure[0].extra or 0.0) > 0:
        worst = sure[0]
        name = shortened(worst.design)
        where = f" ({worst.states[0].state})" if worst.states else ""
        if len(worst.states) > 1 and worst.states[-1].decided and worst.states[-1].lo is not None and worst.states[-1].hi is not None:
            where += f", {worst.states[-1].lo:+,.0f}..{worst.states[-1].hi:+,.0f} ({worst.states[-1].state})"
        span = f"{worst.lo:+,.0f}..{worst.hi:+,.0f}" if worst.lo is not None and worst.hi is not None else f"{worst.extra:+,.0f}"
        most = f"{'' if life == LIFE else f'{life} '}{'time' if unit == 'ns' else unit}"
        out.append(f"Most {most}: {name}, {span} {unit}{f' a {life}' * (life == LIFE)}{where}.")
    large = max(asked, key=lambda row: row.more_bytes or 0.0)
    if (large.more_bytes or 0.0) > EVEN:
        out.append(f"Most memory: {shortened(large.design)}, {large.more_bytes:+.1f} B a page out at the end.")
    head = returned(rows)
    cold = [shortened(row.design) for row in asked if row.states and not row.states[-1].decided]
    if cold:
        whose = f"{head} from cold caches not settled: {', '.join(cold)}."
        out.append(f"From cold caches no {head} is settled." if len(cold) == len(asked) else whose[0].upper() + whose[1:])
    out += _coldest(asked, sure)
    out.append(_better(asked, sure, base, "time" if unit == "ns" else "lines"))
    wrong = contradictions(rows)
    if wrong:
        slower, faster = map(shortened, wrong[0][:2])
        what = " or ".join(name for name in ("lines", "locks") if any(name == of for _, _, of in wrong))
        pairs = len({pair[:2] for pair in wrong})
        much = "1 pair of designs changes" if pairs == 1 else f"{pairs} pairs of designs change"
        such = "" if pairs == 1 else "such as "
        brief = " ".join([*out, f"Ranked by {what}, {much} places."])
        out.append(f"Ranked by {what}, {much} places ({such}{slower} and {faster}); the order here is by time.")
        return [Shorter(" ".join(out), brief)]
    return [" ".join(out)]


def _coldest(asked: Sequence[Cost], sure: Sequence[Cost]) -> list[str]:
    """Name the design that costs most from cold caches where it is another one, beyond the intervals of both."""
    known = [(row.states[-1], row) for row in asked if len(row.states) > 1 and row.states[-1].decided]
    cold = [(at.lo, at.hi, row) for at, row in known if at.lo is not None and at.hi is not None and at.lo > 0.0]
    if not cold or not sure:
        return []
    lo, hi, worst = max(cold, key=lambda one: one[0] + one[1])
    first = next((one for one in cold if one[2] is sure[0]), None)
    if worst is sure[0] or (first is not None and first[1] >= lo):
        return []
    return [f"From cold caches {shortened(worst.design)} does: {lo:+,.0f}..{hi:+,.0f} ns."]


def _better(asked: Sequence[Cost], sure: Sequence[Cost], base: str, what: str) -> str:
    """Say which designs are better than `base` in both yardsticks, or in which one."""
    faster = [
        shortened(row.design) for row in sure if (row.extra or 0.0) < 0 and all(at.decided and (at.hi or 0.0) < 0 for at in row.states)
    ]
    smaller = [shortened(row.design) for row in asked if (row.more_bytes or 0.0) < -EVEN]
    both = [name for name in faster if name in smaller]
    if both:
        return f"Cheaper than {base} in {what} and memory: {', '.join(both)}."
    if all(row.more_bytes is None for row in asked):
        return f"Less {what} than {base}: {', '.join(faster) or 'none'}; no page is out at the end, so no bytes a page."
    parts = [f"less {name}: {', '.join(found)}" for name, found in ((what, faster), ("memory", smaller)) if found]
    return f"None is cheaper than {base} in both {what} and memory" + (f" ({'; '.join(parts)})." if parts else ".")
