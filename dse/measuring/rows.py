"""Observations of a comparison as rows of the store: counted, measured, modelled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.measuring import allocating, clock, fullness, stats
from dse.measuring.run import LEAST, LEAST_COLD, Outcome, Side, rows_of
from dse.modelling import latency
from dse.modelling import ledger as ledgers
from dse.storing import Figure, More, Structure, figure
from kernels import control, demand
from kernels.observing import probe
from kernels.own import Word
from kernels.structures import cluster

OPS = demand.OUTCOMES
COUNTED = (("lines", "lines"), ("lines_common", "lines"), ("chain", "objects"), ("locked_sections", "sections"), ("atomics", "atomics"),
           ("allocations", "objects"), ("frees", "objects"), ("structures_written", "structures"), ("ptes", "PTEs"), ("retries", "retries"),
           ("lock_order_violations", "violations"))  # fmt: skip
LIFETIME = ("swap_out", "writeback_end", "swap_in")
"""A page's swapped lifetime. An ID costs something in each, whether or not the page moves."""
AVOIDED_MOST = 0.01
READS = ("zswap", "ssd")
FEW, FEWEST = "fewer than 1 % of the pages at the peak are still swapped out", 100
WITHOUT = ("first_touch",)
"""Operations that touch nothing of swap. Their code is the same in every design, and their times are the system's own page faults."""
RUNS = ("fork", "zap", "swapoff")
"""Operations on many pages at once, which have no share of one fault or read."""


def make(outcome: Outcome, timed: bool) -> tuple[list[Figure], stats.Interval | None]:
    """Make all rows of a comparison, and the A/A noise of the session (None when nothing was timed)."""
    rows: list[Figure] = []
    for side in outcome.sides:
        rows += counted(side) + fullness.rows(side) + allocating.rows(side, modelled=timed) + occupancy(side, outcome)
    bases = naming.references([side.name for side in outcome.sides])
    pairs = [(side, base) for base in outcome.sides if base.name in bases for side in outcome.sides if side is not base]
    for side, base in pairs:
        rows += tax_counted(outcome, side, base)
    if not timed or outcome.twin is None:
        return rows, None
    tick = clock.calibrate()
    noise: list[stats.Interval] = []
    for age in ("fresh", "aged"):
        aa = {op: ratio(outcome.twin, outcome.sides[0], age, op, tick) for op in OPS}
        known = [interval for op, interval in aa.items() if interval is not None and op not in WITHOUT]
        noise += known
        aa = pooled(aa, known)
        own = tax(outcome.twin, outcome.sides[0], age, tick)
        for side in outcome.sides:
            rows += measured(side, age, tick)
        for side, base in pairs:
            rows += ratios(side, base, age, tick, aa) + tax_measured(side, base, own, age, tick)
    return rows, stats.aa_noise(noise) if noise else None


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


def counted(side: Side) -> list[Figure]:
    """Rows of the replies over the whole stream, and of the counters of operations in the counted chunks."""
    rows = []
    for code, n in enumerate(side.totals().tolist()):
        if n:
            known = demand.OPS[code] if code < demand.REASON_BASE else demand.REASONS[code - demand.REASON_BASE]
            rows.append(figure(side.name, known, "demands", "counted", "demands", n, stat="total", n=n))
    for age, pr in side.count.items():
        tally = rows_of(pr)
        for op in OPS:
            code = demand.OPS.index(op)
            n = int(tally[code, 0])
            if not n:
                continue
            rows.append(figure(side.name, op, "demands", "counted", "demands", n, stat="total", age=age, n=n))
            for metric, unit in COUNTED:
                total = int(tally[code, probe.METRICS.index(metric)])
                rows.append(figure(side.name, op, metric, "counted", unit, total, stat="total", age=age, n=n))
                rows.append(figure(side.name, op, metric, "counted", unit, total / n, stat="mean", age=age, n=n, count=None))
            rows.append(_line_quantile(side.name, op, age, pr, code, n))
    return rows


def _line_quantile(name: str, op: str, age: str, pr: Any, code: int, n: int) -> Figure:
    """99th percentile of the lines of an operation: the smallest number that 99 % of them do not exceed."""
    bins = pr.hist[code * probe.LINE_BINS : (code + 1) * probe.LINE_BINS]
    at = int(np.searchsorted(np.cumsum(bins), 0.99 * n))
    return figure(name, op, "lines", "counted", "lines", at, stat="p99", age=age, n=n)


def occupancy(side: Side, outcome: Outcome) -> list[Figure]:
    """Bytes a swapped page, slots tied up, IDs that never moved, structures that must agree: at the end of the stream."""
    book = outcome.books[side.name]
    ctl, dev = side.state.ctl, side.state.dev.reshape(-1, int(cluster.DEV_WORDS))
    pages = max(1, outcome.swapped[side.name])
    most = max(pages, outcome.swapped_peak)
    slots = int(dev[demand.SSD :, int(cluster.D_USED)].sum())

    few = pages * FEWEST < most

    def one(metric: str, unit: str, value: float | None, **more: Unpack[More]) -> Figure:
        return figure(side.name, "page", metric, "counted", unit, value, **more)

    def per_page(name: str, nbytes: int) -> Figure:
        value, status = (None, FEW) if few else (nbytes / pages, "ok")
        return one(f"bytes_per_page_{name}", "B", value, stat="mean", n=pages, status=status)

    kept = ((row.structure, ledgers.condition(row.per, side.named.values)) for row in side.named.design.layout)
    layout = {
        structure for structure, per in kept if per not in ("", "cluster", "extend", "block")
    }  # structures with something for each page
    rows = [
        one("swapped_pages", "pages", pages),
        per_page("static", book.static_bytes),
        per_page("dynamic", book.dynamic_bytes),
        per_page("allocated", book.allocated_bytes),
        one("bytes_per_page_peak", "B", book.peak_bytes / most, stat="max", n=most),
        one("slots_tied_up", "slots", slots),
        one("structures_per_page", "structures", len(layout)),
        one("lost_tokens", "pages", int(ctl[int(control.S_LOST)])),
    ]
    words = side.named.design.own.all(Word)
    freed = int(ctl[words["S_ID_FREED"].number]) if "S_ID_FREED" in words else 0
    if freed:
        never = int(ctl[words["S_ID_NEVER_MOVED"].number])
        rows.append(one("ids_freed", "IDs", freed))
        rows.append(one("ids_never_moved", "IDs", never))
        rows.append(one("ids_never_moved_share", "share", never / freed, n=freed, count=None))
    return rows


def ledger(outcome: Outcome) -> list[Structure]:
    """Rows of the store's ledger table: every structure of every live state at the end of the stream."""
    rows = []
    for side in outcome.sides:
        slots = int(side.state.dev.reshape(-1, int(cluster.DEV_WORDS))[:, 1].sum())
        for row in outcome.books[side.name].rows:
            found: Structure = {
                "design": side.name, "backend": "live", "slots": slots, "fill": None, "structure": row.structure,
                "static_bytes": row.static_bytes, "dynamic_bytes": row.dynamic_bytes, "header_bytes": row.header_bytes,
                "allocated_bytes": row.allocated_bytes, "peak_bytes": row.peak_bytes, "in_total": row.in_total, "status": "ok",
            }  # fmt: skip
            rows.append(found)
    return rows


def _mean(side: Side, op: str, metric: str) -> float:
    """Mean of a counted metric in the aged window, 0 where the operation did not happen."""
    row = rows_of(side.count["aged"])[demand.OPS.index(op)]
    return float(row[probe.METRICS.index(metric)]) / float(row[0]) if row[0] else 0.0


def tax_counted(outcome: Outcome, side: Side, base: Side) -> list[Figure]:
    """Rows of the tax: additional touches of a lifetime (out, end of writeback, in) and additional bytes a page, against the baseline."""
    rows = []
    for metric, unit in (("lines", "lines"), ("locked_sections", "sections"), ("atomics", "atomics")):
        extra = sum(_mean(side, op, metric) - _mean(base, op, metric) for op in LIFETIME)
        rows.append(
            figure(side.name, "lifetime", f"tax_{metric}", "counted", unit, extra, stat="mean", age="aged", baseline=base.name, count=None)
        )
    pages = [outcome.swapped[s.name] for s in (side, base)]
    if min(pages) * FEWEST >= outcome.swapped_peak:
        over, under = (outcome.books[s.name].allocated_bytes / max(1, n) for s, n in zip((side, base), pages, strict=True))
        extra = over - under
        rows.append(
            figure(side.name, "lifetime", "tax_bytes", "counted", "B", extra, stat="mean", age="aged", baseline=base.name, count=None)
        )
    return rows


def _chunks(side: Side, age: str, op: str) -> NDArray[np.float64]:
    """Occurrences of an operation and their ticks, by timed chunk."""
    taken = [chunk[demand.OPS.index(op)] for chunk in side.chunks[age]]
    return np.array(taken, np.float64).reshape(-1, 2)


def least(side: Side) -> int:
    """Occurrences that a chunk must have."""
    return LEAST_COLD if side.between == "cold" else LEAST


def mean_ns(side: Side, age: str, op: str, tick: clock.Clock) -> float | None:
    """Median over chunks of the mean time of an operation [ns], the plain mean where no chunk has enough of them; None for a few."""
    found = _chunks(side, age, op)
    enough = found[found[:, 0] >= least(side)]
    if len(enough):
        return tick.ns(float(np.median(enough[:, 1] / enough[:, 0])))
    n, ticks = found.sum(0) if len(found) else (0.0, 0.0)
    return tick.ns(float(ticks / n)) if n >= LEAST else None


def _both(side: Side, base: Side, age: str, op: str, tick: clock.Clock) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Chunks with enough of an operation on both sides, and its mean ticks a chunk on either side."""
    found = np.stack([_chunks(side, age, op), _chunks(base, age, op)])
    enough = np.asarray((found[:, :, 0] >= least(side)).all(0), np.bool_)
    return enough, np.maximum(found[:, :, 1] / np.maximum(found[:, :, 0], 1.0) - tick.own_ticks, 1.0)


def ratio(side: Side, base: Side, age: str, op: str, tick: clock.Clock) -> stats.Interval | None:
    """Paired ratio of an operation's mean time, chunk by chunk; None where fewer than two chunks have enough of them."""
    enough, times = _both(side, base, age, op, tick)
    n = int(enough.sum())
    return None if n < 2 else stats.paired_ratio(times[0, enough], times[1, enough], serial=True)


def halves(side: Side, base: Side, age: str, op: str, tick: clock.Clock) -> tuple[float, float]:
    """The ratio in the first and in the second half of the window."""
    enough, times = _both(side, base, age, op, tick)
    ratios = times[0, enough] / times[1, enough]
    middle = len(ratios) // 2
    return float(np.median(ratios[:middle])), float(np.median(ratios[middle:]))


class Taken(TypedDict):
    """Columns on how a time was taken."""

    state: str
    age: str
    timing: str


def _fenced(side: Side, age: str) -> Taken:
    """Return the columns that say how a time was taken."""
    return {"state": side.between, "age": age, "timing": "fenced"}


def measured(side: Side, age: str, tick: clock.Clock) -> list[Figure]:
    """Times of operations, and their shares of a fault and of a backend's latency."""
    rows: list[Figure] = []
    pr, more = side.timed[age], _fenced(side, age)
    for op in OPS:
        code = demand.OPS.index(op)
        n = int(rows_of(pr)[code, 0])
        mean = mean_ns(side, age, op, tick)
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
        low, high = latency.share(mean, latency.frame())[1:]
        rows.append(figure(side.name, op, "share_of_fault", "modelled", "share", mean / latency.frame().typical, lo=low, hi=high, **more))
        for backend in READS:
            of = latency.backend_read(backend)
            typical, low, high = latency.share(mean, of)
            rows.append(figure(side.name, op, f"share_of_{backend}_read", "modelled", "share", typical, lo=low, hi=high, **more))
    return rows


def ratios(side: Side, base: Side, age: str, tick: clock.Clock, aa: dict[str, stats.Interval | None]) -> list[Figure]:
    """Ratios of the times of operations to those on `base`, with what may be concluded from each."""
    rows, unlike = [], fullness.between(side, base, age)
    for op in OPS:
        found, noise, mean, under = ratio(side, base, age, op, tick), aa[op], mean_ns(side, age, op, tick), mean_ns(base, age, op, tick)
        if found is None or noise is None or mean is None or under is None:
            continue
        apart = halves(side, base, age, op, tick)
        finding = stats.verdict(found, noise, candidate_ns=mean, baseline_ns=under, halves=apart)
        status = f"{finding.finding}: {finding.reason}"
        avoided = max(avoided_share(side), avoided_share(base))
        if avoided > AVOIDED_MOST:
            status = f"inconclusive: {avoided:.1%} of the faults were avoided, residency differs (open loop)"
        elif unlike and op not in WITHOUT:
            status = f"inconclusive: {unlike}"
        low = min(mean, under) < 0 or (mean < stats.FLOOR_NS and under < stats.FLOOR_NS)
        value, lo, hi = (None, None, None) if low else (found.ratio, found.lo, found.hi)
        rows.append(
            figure(
                side.name, op, "ratio", "measured", "x", value, stat="mean", lo=lo, hi=hi, n=found.n, baseline=base.name, status=status,
                **_fenced(side, age),
            )
        )  # fmt: skip
    return rows


def avoided_share(side: Side) -> float:
    """Share of the faults that never happened, as a refused page stayed in memory."""
    totals = side.totals()
    faults = int(totals[[demand.FIRST_TOUCH, demand.SWAP_IN, demand.CACHE_HIT, demand.AVOIDED]].sum())
    return float(totals[demand.AVOIDED]) / max(1, faults)


def tax(side: Side, base: Side, age: str, tick: clock.Clock) -> stats.Difference | None:
    """Additional nanoseconds of a lifetime against the baseline: the median over chunks with enough of all its operations."""
    parts = [_both(side, base, age, op, tick) for op in LIFETIME if _chunks(base, age, op)[:, 0].any()]
    if not parts:
        return None
    enough = np.logical_and.reduce([part[0] for part in parts])
    n = int(enough.sum())
    if n < 2:
        return None
    over, under = np.sum([part[1][:, enough] for part in parts], 0) * tick.ns_per_tick
    return stats.paired_difference(over, under, serial=True)


def tax_measured(side: Side, base: Side, noise: stats.Difference | None, age: str, tick: clock.Clock) -> list[Figure]:
    """The tax in nanoseconds; it says so where it is no larger than the `noise`, what a second state of a design takes more.

    It is inconclusive where swap was full for one and not for the other.
    """
    extra = tax(side, base, age, tick)
    if extra is None or noise is None:
        return []
    most = max(abs(noise.lo), abs(noise.hi))
    beyond = extra.lo > most or extra.hi < -most
    status = "ok" if beyond else f"no more than the noise: the same design against itself {noise.lo:+.1f}..{noise.hi:+.1f} ns"
    unlike = fullness.between(side, base, age)
    if unlike:
        status = f"inconclusive: {unlike}"
    found = figure(
        side.name, "lifetime", "tax_ns", "measured", "ns", extra.value, stat="mean", n=extra.n, baseline=base.name, lo=extra.lo,
        hi=extra.hi, status=status, **_fenced(side, age),
    )  # fmt: skip
    return [found]
