"""The xarray model and the cluster allocator against C and against a bare array, in groups of runs in random order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.limits import bars, build, drivers, twin_c
from dse.measuring.stats import Interval, paired_ratio
from kernels.compiling.jit import u
from kernels.life import arrays
from kernels.observing import probe
from kernels.structures import xarray

Side = Callable[[int], int]
PAIRS = 64  # issue 2: the interval is over 64 pairs
OVER_PLAIN = (2.4, 3.3)  # issue 2; the kernel's own lib/xarray.c in user space: load 461 and overwrite 477 ns, bare array 161 ns
OVER_C = (0.95, 1.05)  # issue 2
SMALLEST_BARRED = 20  # entries, as a power of two, from which on the bars of issue 5 hold
BAR_BITS = 24  # the bars hold at 16M entries: DRAM, where the shared last level cache does not blur them
FENCED, OVERLAPPED, DEPENDENT = "fenced", "overlapped", "dependent"
RUN = {FENCED: 1 << 16, OVERLAPPED: 1 << 18, DEPENDENT: 1 << 18}  # operations between two readings of the clock: 10 ms and more in DRAM
TRACKED = {"load": False, "overwrite": False, "erase": False, "alloc": True, "churn": True}
BARRED = ("load", "overwrite")
CLUSTER, PLAIN = "cluster", "plain"  # free a slot of a device that is 7/8 full and take another; the dependent load itself
NAMES = (*TRACKED, CLUSTER, PLAIN)
MOST_OVER_C, MEDIAN_OVER_C = 1.30, 1.10  # issue 5: of every operation; the median of all
Tree = drivers.Bench | drivers.Held


@dataclass(frozen=True)
class Case:
    """An operation, its loop mode, and the number of entries as a power of two."""

    op: str
    mode: str
    bits: int

    @property
    def barred(self) -> bool:
        """Return True if issue 2 sets bars of its own for it."""
        return self.op in BARRED and self.mode == FENCED and self.bits == BAR_BITS


@contextmanager
def pinned() -> Iterator[int]:
    """Keep this process on one core, the last it may use; yield its number (-1 where the system cannot pin)."""
    if not hasattr(os, "sched_setaffinity"):
        yield -1
        return
    before = os.sched_getaffinity(0)
    core = max(before)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)


def new_tree(bits: int, *, tracked: bool) -> drivers.Bench:
    """Build a full tree of 2**bits values and its bare array with the kernels."""
    entries = 1 << bits
    tree = drivers.Bench(
        head=xarray.new_heads(1, track_free=True),
        pool=xarray.new_pool(arrays.dense_nodes(entries) + 1),
        plain=xarray.aligned_zeros(entries, np.uint64),
    )
    drivers.fill(tree, probe.make("off"), u(entries))
    drivers.fill_plain(tree, u(bits))
    if not tracked:
        tree.head[2] = 0
    return tree


def new_clusters(bits: int) -> drivers.Held:
    """Slots of 2**bits holders, 7/8 of the device, after enough exchanges to scatter the free ones."""
    entries = 1 << bits
    given = twin_c.config(1, {"ssd": entries + entries // 7}, 1)
    made = arrays.common(given)
    held, plain = (xarray.aligned_zeros(entries, np.uint64) for _ in range(2))
    out = drivers.Held(**made, **arrays.swapfile_arrays(given, made["ctl"]), held=held, plain=plain)
    drivers.hold(out, probe.make("off"), u(bits))
    drivers.cluster_overlapped(out, probe.make("off"), u(0), u(entries), u(bits))
    drivers.fill_plain(out, u(bits))
    return out


def ours(case: Case, tree: Tree, n: int) -> Side:
    """Our side of `case` as a function of the first index."""
    if case.op == PLAIN:
        return plain(tree, n, case.bits)
    run, off = getattr(drivers, f"{case.op}_{case.mode}"), probe.make("off")
    return lambda first: int(run(tree, off, u(first), u(n), u(case.bits)))


def in_c(case: Case, tree: Tree, n: int, entry: build.Entries) -> Side:
    """C side, on the same buffers."""
    run = entry(f"{case.op}_{case.mode}")
    arrays = tree.arrays()
    if case.op == CLUSTER:
        table = twin_c.addresses(tree, probe.make("off"))
        return lambda first: int(run(table, arrays["held"].ctypes.data, first, n, case.bits))
    one, two = ("plain", "plain") if case.op == PLAIN else ("head", "pool")
    return lambda first: int(run(arrays[one].ctypes.data, arrays[two].ctypes.data, first, n, case.bits))


def plain(tree: Tree, n: int, bits: int) -> Side:
    """Dependent loads of the bare array."""
    return lambda first: int(drivers.plain_dependent(tree, u(first), u(n), u(bits)))


def around(case: Case, tree: Tree, n: int) -> tuple[Callable[[int], Any], Callable[[int], Any]]:
    """Work before and after a run, untimed, that makes the tree full again."""
    off = probe.make("off")

    def nothing(first: int) -> None:
        return None

    def restore(first: int) -> None:
        drivers.overwrite_overlapped(tree, off, u(first), u(n), u(case.bits))

    def punch(first: int) -> None:
        drivers.erase_overlapped(tree, off, u(first), u(n), u(case.bits))

    return (punch if case.op == "alloc" else nothing), (restore if case.op == "erase" else nothing)


def groups(case: Case, tree: Tree, sides: dict[str, Side], n: int, pairs: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Nanoseconds per operation of each side in each group, the order inside a group drawn at random."""
    rng = np.random.default_rng(seed)
    before, after = around(case, tree, n)
    names, first = list(sides), 0
    taken = {name: np.zeros(pairs) for name in names}
    for name in names:
        before(first)
        sides[name](first)
        after(first)
    for pair in range(pairs):
        for name in (names[i] for i in rng.permutation(len(names))):
            first += n
            before(first)
            began = time.perf_counter_ns()
            sides[name](first)
            taken[name][pair] = (time.perf_counter_ns() - began) / n
            after(first)
    return taken


def measure(case: Case, tree: Tree, entry: build.Entries | None, pairs: int, seed: int = 1) -> dict[str, Any]:
    """Measure one row: times and ratios of `case`.

    Parameters
    ----------
    case : Case
        Operation, loop mode and size to measure.
    tree : drivers.Bench or drivers.Held
        A full tree of ``2**case.bits`` entries, or as many holders of slots.
    entry : callable or None
        Access to the C side, None where there is no compiler.
    pairs : int
        Groups of runs.
    seed : int
        Seed of the order and of the bootstrap.

    Returns
    -------
    dict
        Nanoseconds (min, median, max) of each side, ratios with their 95 % intervals, verdict on the bars.
    """
    n = min(RUN[case.mode], 1 << case.bits)
    sides = {"ours": ours(case, tree, n), "again": ours(case, tree, n), "plain": plain(tree, n, case.bits)}
    if entry is not None:
        sides["c"] = in_c(case, tree, n, entry)
    taken = groups(case, tree, sides, n, pairs, seed)
    row: dict[str, Any] = {"op": case.op, "mode": case.mode, "entries": 1 << case.bits, "pairs": pairs}
    for name in ("ours", "c", "plain"):
        if name in taken:
            row[f"{name}_ns"] = spread(taken[name])
    ratios = {
        "aa": paired_ratio(taken["again"], taken["ours"], seed=seed),
        "over_plain": paired_ratio(taken["ours"], taken["plain"], seed=seed),
    }
    if entry is not None:
        ratios["over_c"] = paired_ratio(taken["ours"], taken["c"], seed=seed)
        ratios["c_over_plain"] = paired_ratio(taken["c"], taken["plain"], seed=seed)
    row |= {name: {"ratio": r.ratio, "lo": r.lo, "hi": r.hi} for name, r in ratios.items()}
    row["bar"] = verdict(case, ratios)
    return row


def spread(times: NDArray[np.float64]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {"min": float(times.min()), "median": float(np.median(times)), "max": float(times.max())}


def verdict(case: Case, ratios: dict[str, Interval]) -> str:
    """Verdict on the bars of `case`; a dash where there is none."""
    checks = []
    if case.barred:
        of_c = ratios["c_over_plain"].ratio if "c_over_plain" in ratios and ratios["over_c"].within(*OVER_C) else None
        checks.append(bars.inside(ratios["over_plain"].ratio, *OVER_PLAIN, "times the bare array", of_c))
    if case.barred and "over_c" in ratios:
        text, found = f"inside {OVER_C[0]}..{OVER_C[1]} of C", ratios["over_c"]
        checks.append(bars.Bar(found.within(*OVER_C), text, f"{found.lo:.3f}..{found.hi:.3f}"))
    if case.bits >= SMALLEST_BARRED and "over_c" in ratios:
        checks.append(bars.at_most(ratios["over_c"].ratio, MOST_OVER_C, "of C"))
    return bars.verdict(*checks)


def median_row(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Median over all operations of time over that of C; None where C was not measured."""
    ratios = [row["over_c"]["ratio"] for row in rows if "over_c" in row and row["op"] != PLAIN and row["entries"] >= 1 << SMALLEST_BARRED]
    if not ratios:
        return None
    middle = float(np.median(ratios))
    bar = bars.verdict(bars.at_most(middle, MEDIAN_OVER_C, "of C"))
    return {"op": "median", "operations": len(ratios), "median_over_c": middle, "most_over_c": max(ratios), "bar": bar}


def same_results(bits: int, entry: build.Entries) -> None:
    """Run every operation on two trees, ours and C's, and compare sums and memory word by word.

    Raises
    ------
    ValueError
        They differ, so the two sides are not the same algorithm.
    """
    n = 1 << (bits - 2)
    for op in NAMES:
        for mode in modes(op):
            case = Case(op, mode, bits)
            mine, theirs = new(op, bits), new(op, bits)
            for tree in (mine, theirs):
                around(case, tree, n)[0](5)
            sums = ours(case, mine, n)(5), in_c(case, theirs, n, entry)(5)
            if sums[0] != sums[1] or twin_c.differences(mine, theirs):
                raise ValueError(f"{op} {mode}: our side and C leave different trees")


def modes(op: str) -> tuple[str, ...]:
    """Loop modes of an operation."""
    return (DEPENDENT,) if op == PLAIN else (FENCED, OVERLAPPED)


def new(op: str, bits: int) -> Tree:
    """Buffers for `op`."""
    return new_clusters(bits) if op == CLUSTER else new_tree(bits, tracked=TRACKED.get(op, False))
