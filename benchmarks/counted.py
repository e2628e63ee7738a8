"""Counted figures of every registered design: exact, the same on every machine, compared for equality by ``dse bench``.

All designs are counted once a commit, on all cores, in ``setup_cache``; a benchmark only looks its figure up. A design that
fails to count fails its own benchmarks alone.
"""

from __future__ import annotations

import concurrent.futures
import math
from typing import Any

import numpy as np

from benchmarks import fixtures
from dse.common import machine
from dse.measuring import warming
from kernels import control
from kernels import demand as d
from kernels.observing import probe

version = fixtures.version(__file__)
timeout = 300
OPS = ["swap_in", "cache_hit", "swap_out", "clean_drop", "writeback_end", "fork", "zap", "cow", "move", "swapoff"]
AT_SCALE = ["swap_in", "swap_out"]
PARTS = {"zswap": "zswap", "ssd": "ssd", "mix": ",".join(f"{name}={share:g}" for name, share in fixtures.SHARES)}
DESIGNS = fixtures.designs()
SIDES = [fixtures.SMALL, fixtures.MIDDLE]
RUN = 64
"""PTEs of a FORK or UNMAP: those that one leaf of an xarray covers."""

Counts = dict[str, dict[Any, Any]]


def lifecycle(world: fixtures.World) -> None:
    """Demands of every kind on a world whose pages are all swapped out."""
    n = world.pages
    pages = fixtures.scattered(n)
    quarter, eighth, some = n >> 2, n >> 3, n >> 6
    child = np.uint64(n)
    zswap, ssd = fixtures.on_backend(pages, "zswap")[:eighth], fixtures.on_backend(pages, "ssd")[:eighth]
    runs = np.arange(0, n, RUN, dtype=np.uint64)
    for block in (
        fixtures.faults(pages[:quarter]),
        fixtures.reclaims(pages[:quarter], dirty=False),
        fixtures.demands(d.MOVE, zswap, backend=d.ZSWAP, payload=d.SSD),
        fixtures.demands(d.MOVE, ssd, backend=d.SSD, payload=d.HDD),
        fixtures.faults(pages[:some], write=True),
        fixtures.demands(d.FORK, runs, count=RUN, payload=1),
        fixtures.faults(pages[quarter : 2 * quarter] + child),
        fixtures.faults(pages[quarter : 2 * quarter]),
        fixtures.demands(d.COW, pages[:some] + child),
        fixtures.demands(d.UNMAP, runs + child, count=RUN),
        fixtures.demands(d.SWAPOFF, np.zeros(1, np.uint64), backend=d.HDD, payload=d.MEMORY),
    ):
        world.replay(block)
    written = pages[quarter : quarter + some]
    for first in range(0, len(written), 16):  # few at a time: the table of phases in flight is small
        few = written[first : first + 16]
        world.replay(fixtures.demands(d.RECLAIM_BEGIN, few, backend=d.SSD, payload=700, flags=d.DIRTY))
        world.replay(fixtures.demands(d.RECLAIM_END, few))


def tally(world: fixtures.World, ops: list[str]) -> dict[str, dict[str, float]]:
    """Means per operation of the counts of the probe, by operation."""
    rows = np.asarray(world.probe.tally[: probe.CODES * probe.COLUMNS]).reshape(probe.CODES, probe.COLUMNS)
    found = {}
    for op in ops:
        row = rows[d.OPS.index(op)]
        n = int(row[int(probe.N)])
        if n:
            names = ("lines", "chain", "locked_sections", "atomics", "allocations", "frees", "structures_written")
            found[op] = {"n": n, **{name: int(row[probe.METRICS.index(name)]) / n for name in names}}
    lost, order = int(world.state.ctl[int(control.S_LOST)]), int(rows[:, int(probe.LOCK_ORDER)].sum())
    if lost or order:
        raise RuntimeError(f"{world.named.text}: {lost} pages lost, {order} locks out of order")
    return found


def nodes(world: fixtures.World) -> int:
    """Nodes of all trees of a live state."""
    from dse.modelling.ledger import live

    ledger = live(world.named.design, world.named.values, world.state)
    return sum(row.objects for row in ledger.rows if "tree" in row.structure or "cache" in row.structure)


def counted(design: str) -> dict[Any, Any]:
    """Counted figures of one design, or the error that prevented them."""
    try:
        small = fixtures.World(design, fixtures.SMALL, "count", forks=True, tokens=True)
        filled = nodes(small)
        lifecycle(small)
        middle = fixtures.World(design, fixtures.MIDDLE, "count")
        window = fixtures.scattered(middle.pages)[: 1 << 15]
        middle.probe = probe.make("count")
        middle.replay(fixtures.faults(window))
        middle.replay(fixtures.reclaims(window))
        return {
            fixtures.SMALL: tally(small, OPS), fixtures.MIDDLE: tally(middle, AT_SCALE),
            "nodes": {fixtures.SMALL: filled, fixtures.MIDDLE: nodes(middle)},
            "bytes": {size: sum(a.nbytes for a in side.state.arrays().values()) for size, side in zip(SIDES, (small, middle), strict=True)},
        }  # fmt: skip
    except Exception as error:  # noqa: BLE001 - it is raised again where this design is looked up
        return {"error": f"{type(error).__name__}: {error}"}


def setup_cache() -> Counts:
    """Count every design, compiled and replayed on all cores."""
    names = fixtures.present(DESIGNS)
    warming.warm([(name, "count") for name in names])
    with concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        return dict(zip(names, pool.map(counted, names), strict=True))


setup_cache.timeout = 600  # type: ignore[attr-defined]


def mean(rows: dict[str, dict[str, float]], *names: str) -> float:
    """Sum of some figures of all operations, divided by the number of operations."""
    total = math.fsum(row["n"] * row[name] for row in rows.values() for name in names)
    return total / math.fsum(row["n"] for row in rows.values())


def of(counts: Counts, design: str) -> dict[Any, Any]:
    """Counted figures of a design; skipped where this commit has no such design."""
    if design not in counts:
        raise NotImplementedError
    found = counts[design]
    if "error" in found:
        raise RuntimeError(found["error"])
    return found


class Operations:
    """Means per operation at 2^16 pages: lines, locks and allocations of one operation."""

    params = [DESIGNS, OPS]
    param_names = ["design", "op"]

    def setup(self, counts: Counts, design: str, op: str) -> None:
        """Skip operations that this design never does."""
        found = of(counts, design)[fixtures.SMALL]
        if op not in found:
            raise NotImplementedError
        self.found = found[op]

    def track_lines(self, counts: Counts, design: str, op: str) -> float:
        return float(self.found["lines"])

    def track_chain(self, counts: Counts, design: str, op: str) -> float:
        return float(self.found["chain"])

    def track_locked_sections(self, counts: Counts, design: str, op: str) -> float:
        return float(self.found["locked_sections"])

    track_lines.unit = "lines of 64 B per operation"  # type: ignore[attr-defined]
    track_chain.unit = "dependent objects per operation"  # type: ignore[attr-defined]
    track_locked_sections.unit = "locked sections per operation"  # type: ignore[attr-defined]


class Upkeep:
    """Means over all operations of the life cycle at 2^16 pages: objects allocated and freed, and structures written."""

    params = [DESIGNS]
    param_names = ["design"]

    def track_allocations(self, counts: Counts, design: str) -> float:
        return mean(of(counts, design)[fixtures.SMALL], "allocations", "frees")

    def track_structures_written(self, counts: Counts, design: str) -> float:
        return mean(of(counts, design)[fixtures.SMALL], "structures_written")

    track_allocations.unit = "objects per operation"  # type: ignore[attr-defined]
    track_structures_written.unit = "structures per operation"  # type: ignore[attr-defined]


class Scale:
    """Both operations of a swap round trip with 2^20 pages swapped out, and nodes of trees."""

    params = [DESIGNS, AT_SCALE]
    param_names = ["design", "op"]

    def track_lines_at_scale(self, counts: Counts, design: str, op: str) -> float:
        return float(of(counts, design)[fixtures.MIDDLE][op]["lines"])

    track_lines_at_scale.unit = "lines of 64 B per operation"  # type: ignore[attr-defined]


class Space:
    """Nodes of all trees with every page swapped out, and bytes of the state, a page."""

    params = [DESIGNS, SIDES]
    param_names = ["design", "pages"]

    def track_nodes(self, counts: Counts, design: str, pages: int) -> float:
        return float(of(counts, design)["nodes"][pages] / pages)

    def track_state_bytes(self, counts: Counts, design: str, pages: int) -> float:
        """Arrays of the simulator's own state: tables, trees, folios, tokens. The layout table describes their contents."""
        return float(of(counts, design)["bytes"][pages] / pages)

    track_state_bytes.unit = "bytes per page"  # type: ignore[attr-defined]
    track_nodes.unit = "xa_nodes of 576 B per page"  # type: ignore[attr-defined]
