"""Counted observations of a comparison as rows of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from dse import naming
from dse.measuring import allocating, fullness
from dse.measuring.figures import LIFETIME
from dse.measuring.run import Outcome, Side, rows_of
from dse.modelling import ledger as ledgers
from dse.modelling.tables import Table
from dse.storing import Figure, More, Structure, figure
from kernels import control, demand
from kernels.life.arrays import device_rows
from kernels.observing import probe
from kernels.own import Word
from kernels.structures import cluster

OPS = demand.OUTCOMES
COUNTED = (("lines", "lines"), ("lines_common", "lines"), ("chain", "objects"), ("locked_sections", "sections"),
           ("locked_sections_common", "sections"), ("atomics", "atomics"),
           ("allocations", "objects"), ("frees", "objects"), ("structures_written", "structures"), ("ptes", "PTEs"), ("retries", "retries"),
           ("lock_order_violations", "violations"))  # fmt: skip
FEW, FEWEST = "fewer than 1 % of the pages at the peak, or than 64, are still swapped out", 100
LEAST = 64
"""Pages below which bytes a page are those of what was allocated, not of a page."""


def make(outcome: Outcome, table: Table | None) -> list[Figure]:
    """Make the counted rows of a comparison, and with `table` those computed from them. They need the live states."""
    rows: list[Figure] = []
    for side, peak in zip(outcome.sides, outcome.peaks(), strict=True):
        rows += counted(side) + fullness.rows(side) + allocating.rows(side, table) + occupancy(side, outcome, peak)
    for side, base in pairs_of(outcome.sides):
        rows += tax_counted(outcome, side, base)
    return rows + outcome.of_memory()


def pairs_of(sides: Sequence[Side]) -> list[tuple[Side, Side]]:
    """Sides with every other side that they are compared with."""
    bases = naming.references([side.name for side in sides])
    return [(side, base) for base in sides if base.name in bases for side in sides if side is not base]


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


def occupancy(side: Side, outcome: Outcome, peak: int) -> list[Figure]:
    """Bytes a swapped page, slots tied up, IDs that never moved, structures that must agree: at the end of the stream.

    `peak` is that of the swapped pages.
    """
    book = outcome.books[side.name]
    ctl, dev = side.state.ctl, device_rows(side.state.dev)
    swapped = outcome.swapped[side.name]
    pages = max(1, swapped)
    most = max(pages, peak)
    slots = int(dev[demand.SSD :, int(cluster.D_USED)].sum())

    few = pages * FEWEST < most or pages < LEAST

    def one(metric: str, unit: str, value: float | None, **more: Unpack[More]) -> Figure:
        return figure(side.name, "page", metric, "counted", unit, value, **more)

    def per_page(name: str, nbytes: int) -> Figure:
        value, status = (None, FEW) if few else (nbytes / pages, "ok")
        return one(f"bytes_per_page_{name}", "B", value, stat="mean", n=pages, status=status)

    kept = ((row.structure, ledgers.condition(row.per, side.named.values)) for row in side.named.design.layout)
    layout = {
        structure for structure, per in kept if per not in ("", "cluster", "extend", "block", "fallback")
    }  # structures with something for each page
    rows = [
        one("swapped_pages", "pages", swapped),
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
        slots = int(device_rows(side.state.dev)[:, 1].sum())
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


def avoided_share(side: Side) -> float:
    """Share of the faults that never happened, as a refused page stayed in memory."""
    totals = side.totals()
    faults = int(totals[[demand.FIRST_TOUCH, demand.SWAP_IN, demand.CACHE_HIT, demand.AVOIDED]].sum())
    return float(totals[demand.AVOIDED]) / max(1, faults)
