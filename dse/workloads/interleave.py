"""Interleaved copies of a trace, each in spaces of its own: a memory cgroup of N like processes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from dse.workloads import trace
from dse.workloads.generators import complete, scramble
from dse.workloads.workload import Filler, Workload, memcgs
from kernels import demand
from kernels.traces import generate, pages

DEFAULTS: dict[str, Any] = {"copies": 1, "pages_at_least": 1, "quantum": 256, "phase": True, "memcgs": 1}


def make(spec: dict[str, Any], seed: int) -> Workload:
    """Workload of a specification with the key ``trace`` (shipped name or path).

    Keys: copies and pages_at_least (the larger number of copies counts), quantum (accesses a turn), phase (start each
    copy at a random place; one copy starts at the beginning), accesses (default: every copy once), memcgs (copies are
    dealt out to so many groups), filter_pages (see :func:`filtered`). A copy exits at the end of the trace and starts again; a
    stream that ends there ends before the exit, so that what is swapped out by then can be looked at.
    """
    source = trace.load(spec["trace"])
    given = {key: value for key, value in spec.items() if key != "trace"}
    full = complete(given, DEFAULTS | {"accesses": 1, "filter_pages": 1}, f"trace {spec['trace']}")
    if not len(source.accesses):
        raise BadInput(f"{spec['trace']}: the trace is empty")
    if "filter_pages" in spec:
        source = filtered(source, full["filter_pages"])
    else:
        del full["filter_pages"]
    copies = max(full["copies"], -(-full["pages_at_least"] // source.pages))
    shift, spaces = source.space_shift, copies * source.spaces
    if spaces << shift > trace.MOST_PAGES:
        raise BadInput(f"trace {spec['trace']}: {copies} copies need {spaces << shift} page numbers, more than 2^28")
    if spaces > trace.MOST_SPACES:
        raise BadInput(f"trace {spec['trace']}: {copies} copies need {spaces} address spaces, more than 2^24")
    full["copies"], full["phase"] = copies, full["phase"] and copies > 1
    full["accesses"] = full["accesses"] if "accesses" in spec else copies * len(source.accesses)

    whole = full["accesses"] % len(source.accesses) == 0

    def start() -> Filler:
        return _copies(source, full, seed)

    name = f"{spec['trace']}x{copies}" if copies > 1 else str(spec["trace"])
    groups = memcgs(spaces, full["memcgs"], source.spaces)
    return Workload(
        name, copies * source.pages, shift, spaces, groups, seed, full["accesses"],
        {"trace": source.digest, **full}, start, source.digest, "before an exit" if whole else "",
    )  # fmt: skip


def filtered(source: trace.Trace, k: int) -> trace.Trace:
    """Trace without the accesses that hit in an LRU list of `k` pages, but for the first write since a page came in.

    Misses of a memory that gives the program at least `k` pages stay as they are, but
    for the order among the pages of the list. Keep `k` at most an eighth of that memory
    (kernels.traces.pages.lru_filter). An unmapped or forked run leaves the list.
    """
    links = np.zeros(((source.spaces << source.space_shift) + 1, 2), np.uint32)
    state, held = np.zeros(len(links), np.uint8), np.uint64(0)
    kept: list[NDArray[np.uint32]] = []
    positions = np.empty_like(source.positions)
    total = start = 0
    rows = demand.records(source.events)
    for i in range(len(rows) + 1):
        stop = int(source.positions[i]) if i < len(rows) else len(source.accesses)
        part = source.accesses[start:stop].copy()
        n, held = pages.lru_filter(part, np.uint64(len(part)), np.uint64(k), links, state, np.uint64(held))
        kept.append(part[: int(n)])
        total, start = total + int(n), stop
        if i < len(rows):
            positions[i] = total
            run = np.arange(rows["page"][i], int(rows["page"][i]) + int(rows["count"][i]), dtype=np.uint32)
            run = run[: max(len(state) - 1 - int(rows["page"][i]), 0)]
            held = pages.lru_drop(run, np.uint64(len(run)), links, state, np.uint64(held))
    meta = {**source.meta, "filter_pages": k}
    return dataclasses.replace(source, accesses=np.concatenate(kept), positions=positions, meta=meta)


def _copies(source: trace.Trace, full: dict[str, Any], seed: int) -> Filler:
    """Start all copies."""
    copies, length = full["copies"], len(source.accesses)
    control = np.zeros(8, np.uint64)
    control[generate.COPIES], control[generate.COPY_BITS] = copies, max((copies - 1).bit_length(), 1)
    control[generate.COPY_SPACES], control[generate.COPY_SHIFT] = source.spaces, source.space_shift
    control[generate.QUANTUM], control[generate.COPY_KEY] = full["quantum"], scramble(seed, 2)
    state = np.zeros(8, np.uint64)
    state[generate.TURN] = copies
    cursors = np.zeros((copies, 2), np.uint64)
    if full["phase"]:
        random = np.random.Generator(np.random.PCG64(int(scramble(seed, 3))))
        cursors[:, 0] = random.integers(0, length, copies)
        cursors[:, 1] = np.searchsorted(source.positions, cursors[:, 0].astype(np.int64), side="left")

    def filler(out: NDArray[np.uint32], events: NDArray[np.uint64], positions: NDArray[np.int64]) -> tuple[int, int]:
        n, m = generate.interleave(source.accesses, source.events, source.positions, control, state, cursors, out, events, positions)
        return int(n), int(m)

    return filler
