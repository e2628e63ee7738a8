"""Zap: what freeing the swap entries of a process costs, by PTE, by GiB, and for the whole process where one exits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dse.common import reading
from dse.common.texts import Shorter
from dse.measuring.figures import Figures
from dse.naming import shortened, split
from dse.reports.costs import found_in
from dse.storing import Figure

PAGE = 4096
GIB = 1 << 30
PTES_A_GIB = GIB // PAGE
COUNTED = (("lines", "lines"), ("locks", "locked_sections"), ("atomics", "atomics"))


@dataclass(frozen=True)
class Exit:
    """Costs of zapping with one design.

    Attributes
    ----------
    design : str
    ptes : float
        PTEs that a call of zap clears, a mean. A call has at most the 512 of a page table.
    ns : float or None
        Nanoseconds a PTE, measured.
    lines, locks, atomics : float or None
        Counted, a PTE.
    times, lo, hi : float or None
        Ratio of the times to that of the baseline, with its 95 % interval.
    finding : str
        ``faster``, ``slower``, ``same``, ``inconclusive``, in the state of the caches; empty for the baseline.
    """

    design: str
    ptes: float
    ns: float | None = None
    lines: float | None = None
    locks: float | None = None
    atomics: float | None = None
    times: float | None = None
    lo: float | None = None
    hi: float | None = None
    finding: str = ""

    @property
    def open(self) -> bool:
        """True if its ratio decides nothing, or is not there."""
        return self.finding in ("", "inconclusive")

    def seconds(self, gib: float) -> float | None:
        """Seconds to free `gib` GiB of base pages, at so many nanoseconds a PTE."""
        return None if self.ns is None else self.ns * gib * PTES_A_GIB / 1e9


def found(rows: Sequence[Figure], designs: Sequence[str], *, age: str = "aged", state: str = "") -> list[Exit]:
    """Find the costs of zap by PTE.

    Parameters
    ----------
    rows : sequence of Figure
        Figures of one variant.
    designs : sequence of str
        The baseline first.
    age, state : str
        Which window, and which state of the caches; the first one that was measured where `state` is empty.

    Returns
    -------
    list of Exit
        A row for each design that zapped and whose PTEs were counted, in the given order.
    """
    figures, out = Figures(rows), []
    for design in designs:
        ptes = figures.value(design, "zap", "ptes", stat="mean", age=age)
        if not ptes:  # nothing was zapped, or the run is from before PTEs were counted
            continue

        def each(metric: str, *, where: str = "", design: str = design, ptes: float = ptes) -> float | None:
            value = figures.value(design, "zap", metric, stat="mean", age=age, state=where)
            return None if value is None else value / ptes

        ratio = figures.row(design, "zap", "ratio", stat="mean", age=age, against=designs[0], state=state)
        more = {} if ratio is None else {"times": ratio["value"], "lo": ratio["lo"], "hi": ratio["hi"]}
        finding = "" if ratio is None else found_in(ratio, str(ratio.get("state") or ""))
        counts = {name: each(metric) for name, metric in COUNTED}
        out.append(Exit(design, ptes, each("ns", where=state), **counts, **more, finding=finding))
    return out


def leaving(run: Mapping[str, Any]) -> float | None:
    """GiB of the process that exits, None where the scenario has no exit (``workload.exit``).

    Parameters
    ----------
    run : mapping
        Provenance of a variant: ``scenario_json``, and ``stream`` with ``first_touches``, the pages that the process has.
    """
    try:
        exits = reading.parsed_json(run["scenario_json"])["workload"]["exit"]
        pages = (run.get("stream") or {}).get("first_touches") or 0
    except (KeyError, TypeError, ValueError):
        return None
    return pages * PAGE / GIB if exits and pages else None


def words(exits: Sequence[Exit], gib: float, base: str, state: str = "") -> list[str]:
    """Say in sentences what the exit of a process of `gib` GiB costs, the longest first.

    Parameters
    ----------
    exits : sequence of Exit
        From :func:`found`.
    gib : float
        Size of the process, from :func:`leaving`.
    base : str
        The baseline.
    state : str
        State of the caches to be named, empty where one only was measured.

    Returns
    -------
    list of str
        One sentence for the times (for the locks where nothing was timed), and one where locks order the longest and the shortest the
        other way round. Nothing where nothing was zapped.
    """
    timed = [row for row in exits if row.ns is not None]
    if not timed:
        known = sorted((row for row in exits if row.locks is not None), key=lambda row: -(row.locks or 0.0))
        said = ", ".join(f"{shortened(row.design)} {row.locks:.2f}" for row in known)
        return (
            [f"Exit of a process of {gib:.3g} GiB: locked sections a PTE: {said}. No time: too few calls of zap were timed, or none."]
            if known
            else []
        )
    ranked = sorted(timed, key=lambda row: -(row.ns or 0.0))
    said = ", ".join(f"{shortened(row.design)} {row.seconds(gib):.3g} s ({_said(row, base)})" for row in ranked)
    how = f"{f'{state}; ' * bool(state)}times {shortened(base)}'s; locks a PTE"
    brief = ", ".join(f"{shortened(row.design)} {row.seconds(gib):.3g} s" + "?" * (row.finding == "inconclusive") for row in ranked)
    process = f"Exit of a process of {gib:.3g} GiB"
    out: list[str] = [Shorter(f"{process} if all is swapped out ({how}): {said}.", f"{process}{f' ({state})' * bool(state)}: {brief}.")]
    longest, shortest = ranked[0], ranked[-1]
    if apart(longest, shortest, base) and None not in (longest.locks, shortest.locks) and longest.locks < shortest.locks - 0.005:  # type: ignore[operator]
        out.append(
            f"By locks they change places ({longest.design} takes {longest.locks:.2f} locked sections a PTE, {shortest.design} "
            f"{shortest.locks:.2f}); the order here is by time."
        )
    return out


def _said(row: Exit, base: str) -> str:
    """The interval of the time over the baseline's with a mark where it is undecided, or the baseline's own nanoseconds; locks a PTE."""
    locks = "" if row.locks is None else f"; {row.locks:.2f}"
    if row.design == base or row.lo is None or row.hi is None:
        return f"{row.ns:,.0f} ns a PTE{locks}"
    return f"x {row.lo:.2f}..{row.hi:.2f}" + "?" * (row.finding == "inconclusive") + locks


def apart(one: Exit, two: Exit, base: str) -> bool:
    """True if the intervals of two designs' ratios to `base` do not overlap; the baseline's own is 1."""
    spans = [(1.0, 1.0) if row.design == base else (row.lo, row.hi) for row in (one, two)]
    (a_lo, a_hi), (b_lo, b_hi) = spans
    if a_lo is None or a_hi is None or b_lo is None or b_hi is None:
        return False
    return a_lo > b_hi or b_lo > a_hi


def lines(rows: Sequence[Figure], run: Mapping[str, Any]) -> list[str]:
    """Lines in words for the first screen: empty where the scenario has no exit, or nothing was zapped.

    Parameters
    ----------
    rows : sequence of Figure
        Figures of the variant.
    run : mapping
        Its provenance.
    """
    gib, base, by_state = leaving(run), split(str(run["designs"]))[0], _by_state(rows, run)
    if not gib:
        return []
    states = list(by_state)
    said = words(by_state[states[0]], gib, base, states[0])
    for state in states[1:]:
        asked = [row for row in by_state[state] if row.design != base]
        open_ = [shortened(row.design) for row in asked if row.open]
        if open_:
            whose = "it is not settled" if len(open_) == len(asked) else f"not settled: {', '.join(open_)}"
            said.append(f"From {state} caches {whose}.")
    return said


def _by_state(rows: Sequence[Figure], run: Mapping[str, Any]) -> dict[str, list[Exit]]:
    """Costs of zap in each state of the caches in which it was timed; under no name where that is one or none."""
    states = list(dict.fromkeys(str(row["state"]) for row in rows if row["op"] == "zap" and row["metric"] == "ns" and row.get("state")))
    return {state: found(rows, split(str(run["designs"])), state=state) for state in (states if len(states) > 1 else [""])}


def undecided(rows: Sequence[Figure], run: Mapping[str, Any]) -> tuple[int, int]:
    """Count the ratios of zap in all states of the caches: those that are undecided, and all; none where the scenario has no exit."""
    if not leaving(run):
        return 0, 0
    base = split(str(run["designs"]))[0]
    timed = [row for shown in _by_state(rows, run).values() for row in shown if row.design != base and row.ns is not None]
    return sum(row.open for row in timed), len(timed)


def table(rows: Sequence[Figure], designs: Sequence[str], gib: float | None, states: Sequence[str] = ("",)) -> list[dict[str, str]]:
    """The table of zap: a row for each design and state of the caches; seconds of the process that exits, else of 1 GiB."""
    size = gib or 1.0
    out = []
    for state in states:
        for row in found(rows, designs, state=state):
            line = {"design": row.design} | ({"caches": state} if len(states) > 1 else {})
            line |= {"PTEs a call": f"{row.ptes:.1f}", "ns a PTE": "-" if row.ns is None else f"{row.ns:,.1f}"}
            seconds = row.seconds(size)
            line[f"s for {size:.3g} GiB"] = "-" if seconds is None else f"{seconds:.3g}"
            line["ratio"] = "1 (baseline)" if row.design == designs[0] else "-" if row.times is None or row.lo is None else (
                f"{row.times:.2f} [{row.lo:.2f}, {row.hi:.2f}]"
            )  # fmt: skip
            for name, value in (("lines a PTE", row.lines), ("locks a PTE", row.locks), ("atomics a PTE", row.atomics)):
                line[name] = "-" if value is None else f"{value:.2f}"
            out.append(line)
    return out
