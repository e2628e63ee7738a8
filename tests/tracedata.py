"""A trace as lists of plain values."""

from __future__ import annotations

from dse.workloads.trace import Trace
from kernels import demand

WRITE = 1 << 31


def plain(trace: Trace) -> list[tuple[int, bool]]:
    return [(int(a) & (WRITE - 1), bool(int(a) >> 31)) for a in trace.accesses]


def events(trace: Trace) -> list[tuple[int, str, int, int, int]]:
    rows = demand.records(trace.events)
    return [
        (int(p), demand.KINDS[r["kind"]], int(r["page"]), int(r["count"]), int(r["arg"]))
        for p, r in zip(trace.positions, rows, strict=True)
    ]
