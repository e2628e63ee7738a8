"""Times of a comparison as rows of the store: measured, and modelled from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypedDict

import numpy as np

from dse.measuring import clock, fullness, stats
from dse.measuring.figures import LIFETIME
from dse.measuring.pacing import LEAST_PAIRS
from dse.measuring.rows import OPS, avoided_share, pairs_of
from dse.measuring.run import Outcome, rows_of
from dse.measuring.timing import LEAST, Timer, Timings, When, paired, ratio
from dse.modelling import latency
from dse.modelling.tables import SHIPPED, Table
from dse.storing import Figure, figure
from kernels import demand
from kernels.observing import probe

AVOIDED_MOST = 0.01
READS = ("zswap", "ssd")
WITHOUT = ("first_touch",)
"""Operations that touch nothing of swap. Their code is the same in every design, and their times are the system's own page faults."""
RUNS = ("fork", "zap", "swapoff")
"""Operations on many pages at once, which have no share of one fault or read."""
NOISE = "no more than the noise"


def make(outcome: Outcome, timings: Timings, table: Table = SHIPPED) -> tuple[list[Figure], stats.Interval | None]:
    """Make the rows of all times, modelled with `table` too, and the A/A noise of the session (None where there is none)."""
    rows: list[Figure] = []
    noise: list[stats.Interval] = []
    timers = {side.name: side for side in timings.sides}
    pairs = [(timers[side.name], timers[base.name]) for side, base in pairs_of(outcome.sides)]
    for whens in by_age(timings):
        aa: dict[When, dict[str, stats.Interval | None]] = {}
        for when in whens:
            found = {op: ratio(timings.twin, timings.sides[0], when, op, timings.tick) for op in OPS}
            known = [interval for op, interval in found.items() if interval is not None and op not in WITHOUT]
            noise += known
            aa[when] = pooled(found, known)
            for side in timings.sides:
                rows += measured(side, when, timings.tick, table)
        own = {when: tax(timings.twin, timings.sides[0], when, timings.tick) for when in whens}
        for side, base in pairs:
            unlike = unlike_of(outcome, side.name, base.name, whens[0].age)
            rows += ratios(side, base, timings.tick, aa, unlike) + tax_measured(side, base, own, timings.tick, unlike)
    return rows, stats.aa_noise(noise) if noise else None


def by_age(timings: Timings) -> list[list[When]]:
    """Conditions of each age together: their findings have to agree."""
    ages = dict.fromkeys(when.age for when in timings.whens)
    return [[when for when in timings.whens if when.age == age] for age in ages]


def unlike_of(outcome: Outcome, name: str, base: str, age: str) -> Mapping[str, str]:
    """Reasons why nothing is concluded of two designs: ``all`` of their operations, and ``swap``, of those on swapped pages."""
    side, other = (next(s for s in outcome.sides if s.name == one) for one in (name, base))
    avoided = max(avoided_share(side), avoided_share(other))
    refused = f"{avoided:.1%} of the faults were avoided, residency differs (open loop)" if avoided > AVOIDED_MOST else ""
    return {"all": refused, "swap": fullness.between(side, other, age)}


def pooled(aa: dict[str, stats.Interval | None], known: list[stats.Interval]) -> dict[str, stats.Interval | None]:
    """Widen each A/A interval of a window to those of all operations that are about as frequent, as one twin is one draw only."""
    often = [interval for interval in known if 2 * interval.n >= max(k.n for k in known)]
    if not often:
        return aa
    low, high = min(k.lo for k in often), max(k.hi for k in often)
    return {
        op: None if interval is None else replace(interval, lo=min(interval.lo, low), hi=max(interval.hi, high))
        for op, interval in aa.items()
    }


def mean_ns(side: Timer, when: When, op: str, tick: clock.Clock) -> float | None:
    """Median over chunks of the mean time of an operation [ns], the plain mean where no chunk has enough of them; None for a few."""
    found = side.of(when, op)
    enough = found[found[:, 0] >= when.least]
    if len(enough):
        return tick.ns(float(np.median(enough[:, 1] / enough[:, 0])))
    n, ticks = found.sum(0) if len(found) else (0.0, 0.0)
    return tick.ns(float(ticks / n)) if n >= LEAST else None


def halves(side: Timer, base: Timer, when: When, op: str, tick: clock.Clock) -> tuple[float, float]:
    """The ratio in the first and in the second half of the chunks."""
    enough, times = paired(side, base, when, op, tick)
    ratios = times[0, enough] / times[1, enough]
    middle = len(ratios) // 2
    return float(np.median(ratios[:middle])), float(np.median(ratios[middle:]))


class Taken(TypedDict):
    """Columns on how a time was taken."""

    state: str
    age: str
    timing: str


def _fenced(when: When) -> Taken:
    """Return the columns that say how a time was taken."""
    return {"state": when.state, "age": when.age, "timing": "fenced"}


def measured(side: Timer, when: When, tick: clock.Clock, table: Table) -> list[Figure]:
    """Times of operations, and their shares of a fault and of a backend's latency."""
    rows: list[Figure] = []
    pr, more = side.probes[when], _fenced(when)
    for op in OPS:
        code = demand.OPS.index(op)
        n = int(rows_of(pr)[code, 0])
        mean = mean_ns(side, when, op, tick)
        if mean is None:
            continue
        bins = pr.ticks[code * probe.TICK_BINS : (code + 1) * probe.TICK_BINS]
        p50, p99 = (tick.ns(float(x)) for x in stats.histogram_quantiles(bins, clock.edges(), [0.5, 0.99]))
        most = tick.ns(float(clock.edges()[-2]))
        for stat, value in (("p50", p50), ("p99", p99)):
            status = f"above {most:,.0f} ns, the end of the histogram" if value >= most else "ok"
            rows.append(
                figure(side.name, op, "ns", "measured", "ns", None if value >= most else value, stat=stat, n=n, status=status, **more)
            )
        rows.append(figure(side.name, op, "ns", "measured", "ns", mean, stat="mean", n=n, **more))
        if op in RUNS:
            continue
        parts = {"fault": latency.frame(table.rows), **{f"{name}_read": latency.backend_read(name, table.rows) for name in READS}}
        for name, of in parts.items():
            typical, low, high = latency.share(mean, of)
            share = figure(side.name, op, f"share_of_{name}", "modelled", "share", typical, lo=low, hi=high, status=of.status, **more)
            rows.append(share)
    return rows


def verdict_of(side: Timer, base: Timer, when: When, op: str, tick: clock.Clock, noise: stats.Interval | None) -> stats.Verdict:
    """Verdict on an operation in one state of the caches. Few pairs carry none: a bootstrap of a few values is narrow by luck."""
    found, mean, under = ratio(side, base, when, op, tick), mean_ns(side, when, op, tick), mean_ns(base, when, op, tick)
    n = 0 if found is None else found.n
    if found is None or noise is None or mean is None or under is None or n < LEAST_PAIRS:
        return stats.Verdict("inconclusive", f"{n} pairs where {LEAST_PAIRS} are the least")
    return stats.verdict(found, noise, candidate_ns=mean, baseline_ns=under, halves=halves(side, base, when, op, tick))


def ratios(
    side: Timer, base: Timer, tick: clock.Clock, aa: Mapping[When, Mapping[str, stats.Interval | None]], unlike: Mapping[str, str]
) -> list[Figure]:
    """Ratios of the times of operations to those on `base`, by state of the caches, with what may be concluded from them together."""
    rows = []
    for op in OPS:
        verdicts = {when: verdict_of(side, base, when, op, tick, aa[when][op]) for when in aa}
        joint = stats.agreed({when.state: verdict for when, verdict in verdicts.items()})
        why = unlike["all"] or (unlike["swap"] if op not in WITHOUT else "")
        status = f"inconclusive: {why}" if why else f"{joint.finding}: {joint.reason}"
        for when in verdicts:
            found = ratio(side, base, when, op, tick)
            means = [mean_ns(one, when, op, tick) for one in (side, base)]
            if found is None or aa[when][op] is None or None in means:
                continue
            low = all(mean is not None and mean < stats.FLOOR_NS for mean in means)
            value, lo, hi = (None, None, None) if low else (found.ratio, found.lo, found.hi)
            rows.append(
                figure(
                    side.name, op, "ratio", "measured", "x", value, stat="mean", lo=lo, hi=hi, n=found.n, baseline=base.name,
                    status=status, **_fenced(when),
                )
            )  # fmt: skip
    return rows


def tax(side: Timer, base: Timer, when: When, tick: clock.Clock) -> stats.Difference | None:
    """Additional nanoseconds of a lifetime against the baseline: the median over chunks with enough of all its operations."""
    parts = [paired(side, base, when, op, tick) for op in LIFETIME if base.of(when, op)[:, 0].any()]
    if not parts:
        return None
    enough = np.logical_and.reduce([part[0] for part in parts])
    n = int(enough.sum())
    if n < 2:
        return None
    over, under = np.sum([part[1][:, enough] for part in parts], 0) * tick.ns_per_tick
    return stats.paired_difference(over, under, serial=True)


def tax_status(extra: Mapping[str, stats.Difference], noise: Mapping[str, stats.Difference]) -> str:
    """Say if a tax is there: ``ok``, or that it is no larger than the noise in a state, or that the states differ in its sign.

    Parameters
    ----------
    extra, noise : mapping of Difference
        By state: the tax, and what a second state of the baseline takes more.
    """
    sides = set()
    for state, at in extra.items():
        most = max(abs(noise[state].lo), abs(noise[state].hi))
        if not (at.lo > most or at.hi < -most):
            span = f"{noise[state].lo:+.1f}..{noise[state].hi:+.1f} ns"
            return f"{NOISE}: the same design against itself {span} ({state})"
        sides.add(at.value > 0.0)
    if len(sides) > 1:
        return "inconclusive: " + ", ".join(f"{at.value:+.1f} ns ({state})" for state, at in extra.items())
    return "ok"


def tax_measured(
    side: Timer, base: Timer, noise: Mapping[When, stats.Difference | None], tick: clock.Clock, unlike: Mapping[str, str]
) -> list[Figure]:
    """The tax in nanoseconds, by state of the caches.

    It says so where it is no larger than the `noise`, what a second state of a design takes more. It is inconclusive where swap was
    full for one and not for the other.
    """
    known = {when: at for when, at in noise.items() if at is not None}
    found = {when: extra for when in known if (extra := tax(side, base, when, tick)) is not None}
    if not found:
        return []
    status = tax_status({when.state: at for when, at in found.items()}, {when.state: known[when] for when in found})
    if len(found) < len(noise):
        status = f"inconclusive: too few pairs ({', '.join(when.state for when in noise if when not in found)})"
    if unlike["swap"]:
        status = f"inconclusive: {unlike['swap']}"
    return [
        figure(
            side.name, "lifetime", "tax_ns", "measured", "ns", at.value, stat="mean", n=at.n, baseline=base.name, lo=at.lo, hi=at.hi,
            status=status, **_fenced(when),
        )
        for when, at in found.items()
    ]  # fmt: skip
