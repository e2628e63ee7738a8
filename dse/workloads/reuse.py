"""Reuse of a trace's pages: exact miss-ratio curve of LRU, stack distances, working set over time, reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.workloads.trace import Trace
from kernels import demand
from kernels.traces import distances

WINDOWS = 60
"""Windows of equal length over which the working set is told."""
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Memory limits of the table, shares of the pages (memory.limit)."""
TURNOVERS = 3.0
"""Turnovers of the swapped pages after which figures count as aged: the default of the scenario key replay.warm_turnover."""
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Reuse:
    """Reuse of the pages of a trace.

    Attributes
    ----------
    accesses, pages, peak : int
        Accesses, distinct pages, and the most of them that are mapped and touched at a time.
    distances : uint64[pages + 1]
        Accesses by stack distance: the distinct pages accessed since the last access to the page, itself among them. 0: the page was new,
        or had been unmapped.
    windows : uint64[w, 3]
        Of each window: distinct pages, distinct written pages, writes.
    length : int
        Accesses of a window, but for the last one.
    """

    accesses: int
    pages: int
    peak: int
    distances: NDArray[np.uint64]
    windows: NDArray[np.uint64]
    length: int

    @property
    def cold(self) -> int:
        """Accesses to pages that are new."""
        return int(self.distances[0])

    def swap_ins(self, memory: int) -> int:
        """Accesses to pages that an LRU list of `memory` pages has pushed out."""
        return int(self.distances[max(memory, 0) + 1 :].sum())

    def misses(self, memory: int) -> int:
        """Accesses that miss in an LRU list of `memory` pages: new pages and those that were pushed out."""
        return self.cold + self.swap_ins(memory)

    def turnover(self, memory: int) -> float:
        """Swap-ins for each page that does not fit."""
        return self.swap_ins(memory) / (self.peak - memory) if memory < self.peak else 0.0

    def curve(self) -> list[dict[str, float]]:
        """Rows of the miss-ratio curve at :data:`SHARES`, a list of at least a page each."""
        rows = []
        for share in SHARES:
            memory = max(int(share * self.pages), 1)
            rows.append({
                "limit": share, "pages": memory, "mib": memory / 256, "misses": self.misses(memory),
                "miss_ratio": self.misses(memory) / self.accesses, "swap_ins": self.swap_ins(memory), "turnover": self.turnover(memory),
            })  # fmt: skip
        return rows

    def worth(self) -> list[float]:
        """Limits of :data:`SHARES` at which the swapped pages turn over :data:`TURNOVERS` times or more."""
        return [row["limit"] for row in self.curve() if row["turnover"] >= TURNOVERS]

    def quantiles(self) -> dict[float, int | None]:
        """Stack distance within which a share of the accesses to known pages lies, by share; None where every page is new."""
        known = np.cumsum(self.distances[1:])
        total = int(known[-1]) if len(known) else 0
        return {q: int(np.searchsorted(known, q * total)) + 1 if total else None for q in QUANTILES}

    def document(self) -> dict[str, Any]:
        """The same as values of JSON."""
        names = ("pages", "written_pages", "writes")
        return {
            "peak_pages": self.peak, "cold": self.cold, "curve": self.curve(), "worth_at": self.worth(),
            "reuse_distance": {f"p{100 * q:g}": found for q, found in self.quantiles().items()},
            "window_accesses": self.length,
            "working_set": [dict(zip(names, map(int, row), strict=True)) for row in self.windows],
        }  # fmt: skip


def analyse(trace: Trace) -> Reuse:
    """Measure the reuse of a trace's pages.

    An unmapped page leaves the LRU list, and its next access is that of a new page. Pages of different address spaces are different pages,
    also those that a fork shares.

    Parameters
    ----------
    trace : Trace
        With at least one access.
    """
    total = max(trace.spaces << trace.space_shift, 1)
    size = 2 * trace.pages + 2
    times = np.zeros(total, np.uint32)
    owners, tree = np.zeros(size, np.uint32), np.zeros(size, np.uint32)
    found, carry = np.zeros(trace.pages + 2, np.uint64), np.zeros(4, np.uint64)
    rows = demand.records(trace.events)
    at = 0
    for position, row in zip(trace.positions.tolist(), rows, strict=True):
        if row["kind"] != demand.UNMAP:
            continue
        distances.measure(trace.accesses, np.uint64(at), np.uint64(position), times, owners, tree, found, carry)
        distances.forget(np.uint64(row["page"]), np.uint64(row["count"]), times, owners, tree, carry)
        at = position
    n = len(trace.accesses)
    distances.measure(trace.accesses, np.uint64(at), np.uint64(n), times, owners, tree, found, carry)
    length = max(-(-n // WINDOWS), 1)
    over = np.zeros((max(-(-n // length), 1), 3), np.uint64)
    distances.windows(trace.accesses, np.uint64(length), np.zeros((total, 2), np.uint32), over)
    return Reuse(n, trace.pages, int(carry[distances.MOST_LIVE]), found[: trace.pages + 1], over, length)
