"""``dse.predict``: throughput of page faults over CPUs, and the lock that stops each design."""

from __future__ import annotations

import concurrent.futures
import functools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dse import naming, scenario
from dse.common import machine, output
from dse.errors import BadInput
from dse.measuring import warming
from dse.measuring.provenance import origin
from dse.modelling import latency, tables
from dse.modelling.latency import Level
from dse.predicting import assembling, costs, running, sampling
from dse.predicting.running import FELT, Contended, Run
from dse.scenario import setting
from dse.workloads import stream as streams

CPUS = (1, 2, 8, 32, 128)
MOST_CPUS = 256
MOST_DEMANDS = 1 << 25
"""Most demands of a stream, which is kept in memory."""
HELD = 0.9
"""Share of the time that the busiest lock of a class is held, from which on it is full."""
CHAIN = 3
"""Classes that are taken away, one after the other, at the largest number of CPUs."""
PROBES = ("off", "trace")
LEVELS: tuple[Level, Level] = ("low", "high")
Rows = Mapping[str, latency.Parameter]
OTHERS = frozenset(
    {"lruvec", "page_counter", "memcg id", "zs_pool lock", "zsmalloc class", "zswap LRU", "zswap tree xa_lock", "zswap_stored_pages",
     "zswap_lruvec_state"}
)  # fmt: skip
"""Classes that are not of the swap layer: of the LRU, the memory cgroup, zsmalloc and zswap."""


@dataclass(frozen=True)
class Point:
    """A design on so many CPUs."""

    cpus: int
    run: Run

    @property
    def figures(self) -> dict[str, float]:
        """Figures that a question may ask: thousand faults a second, shares of the CPUs' time [%], nanoseconds of a fault."""
        own = sum(one.waiting for one in self.run.classes if one.name not in OTHERS)
        return {
            "throughput": self.run.rate / 1000, "waiting": 100 * self.run.waiting, "waiting_swap": 100 * own, "fault_ns": self.run.mean,
        }  # fmt: skip

    @property
    def stop(self) -> Contended | None:
        """The class that most time is lost to (:attr:`Run.stop`)."""
        return self.run.stop


@dataclass(frozen=True)
class Curve:
    """A design over CPUs.

    Attributes
    ----------
    design : str
    points : tuple of Point
        By number of CPUs.
    behind : tuple of (str, float)
        At the largest number: classes in the order in which they stop it as each is taken away, and the faults a second without it.
    low, high : Run
        The largest number with the low and the high costs.
    """

    design: str
    points: tuple[Point, ...]
    behind: tuple[tuple[str, float], ...]
    low: Run
    high: Run

    @property
    def full_at(self) -> int | None:
        """Least number of CPUs at which the class that stops it is full; None where it never is."""
        stop = self.points[-1].stop
        if stop is None:
            return None
        full = (point.cpus for point in self.points for one in point.run.classes if one[:2] == stop[:2] and one.busy >= HELD)
        return next(full, None)

    @property
    def sure(self) -> bool:
        """True if the same class stops it with the low and with the high costs."""
        stops = {run.stop.name if run.stop else "" for run in (self.low, self.points[-1].run, self.high)}
        return len(stops) == 1


@dataclass(frozen=True)
class Prediction:
    """Result of :func:`predict`: curves by design, and where they come from."""

    scenario: scenario.Scenario
    curves: tuple[Curve, ...]
    provenance: dict[str, Any]

    @property
    def cpus(self) -> tuple[int, ...]:
        """Numbers of CPUs."""
        return tuple(point.cpus for point in self.curves[0].points)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each design, number of CPUs and metric, all modelled."""
        return [row for curve in self.curves for point in curve.points for row in _rows(self.scenario.name, curve.design, point)]


def _rows(name: str, design: str, point: Point) -> list[dict[str, Any]]:
    """Rows of one point."""
    run, stop = point.run, point.stop
    values = [
        ("throughput", "mean", "faults/s", run.rate),
        ("throughput if nothing were shared", "mean", "faults/s", run.apart),
        ("cpus with something to do", "total", "CPUs", run.cpus),
        ("ns", "mean", "ns", run.mean),
        ("ns", "p50", "ns", run.p50),
        ("ns", "p99", "ns", run.p99),
        ("waiting", "mean", "share of CPU time", run.waiting),
        ("lines_moved", "mean", "lines a fault", run.moved),
    ]
    values += [(f"waiting: {one.name}", "mean", "share of CPU time", one.waiting) for one in run.classes if one.waiting >= FELT / 10]
    values += [(f"held: {one.name}", "max", "share of time", one.busy) for one in run.classes if one.waiting >= FELT / 10]
    return [
        {
            "scenario": name, "design": design, "op": "fault", "cpus": point.cpus, "metric": metric, "stat": stat, "kind": "modelled",
            "unit": unit, "value": value, "stop": stop.name if stop else "",
        }
        for metric, stat, unit, value in values
    ]  # fmt: skip


def numbers(given: str | Sequence[int]) -> tuple[int, ...]:
    """Read numbers of CPUs.

    Raises
    ------
    BadInput
        None, one twice, or one out of range.

    Examples
    --------
    >>> numbers("1,8"), numbers([2, 4])
    ((1, 8), (2, 4))
    """
    words = [word.strip() for word in given.split(",")] if isinstance(given, str) else [str(n) for n in given]
    found = []
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) < 10) or not 1 <= int(word) <= MOST_CPUS:
            raise BadInput(f"CPUs are whole numbers from 1 to {MOST_CPUS}, such as 1,2,8,32,128, got {word[:40]!r}")
        found.append(int(word))
    if not found or len(set(found)) < len(found):
        raise BadInput(f"a number of CPUs is named twice: {','.join(words)}")
    return tuple(sorted(found))


def predict(
    chosen: str | scenario.Scenario = "threads",
    designs: str | Sequence[str] | None = None,
    cpus: str | Sequence[int] = CPUS,
    *,
    seed: int | None = None,
    settings: Sequence[str] = (),
    parameters: str | None = None,
    operations: int = running.OPERATIONS,
) -> Prediction:
    """Predict the throughput of page faults on many CPUs.

    The demands of a scenario are dealt out to the CPUs, each of which runs a program of its own, and replayed on a design. The last ones
    are traced, and the traced operations run side by side in a simulation with queued locks, atomics and lines that move (docs/scaling.md).

    Parameters
    ----------
    chosen : str or Scenario
        Name, file or scenario.
    designs : str or sequence of str, optional
        ``NAME[param=value,...]``; by default those of ``dse compare``.
    cpus : str or sequence of int
        Numbers of CPUs, each from 1 to 256.
    seed : int, optional
        Instead of the scenario's.
    settings : sequence of str
        ``section.key=value``.
    parameters : str, optional
        File with latencies (``dse calibrate``).
    operations : int
        Operations simulated for each point; of what stands behind a lock, and of low and high costs, 200,000 at most.

    Returns
    -------
    Prediction

    Raises
    ------
    BadInput
        Bad numbers, a scenario that has no faults, or one whose demands do not fit.
    """
    table = tables.read(parameters) if parameters is not None else tables.SHIPPED
    case = setting.changed(scenario.load(chosen) if isinstance(chosen, str) else chosen, setting.read(settings))
    case = case if seed is None else case.but(replay__seed=seed)
    _require_single_pages(case)
    several = numbers(cpus)
    named = naming.default_designs() if designs is None else naming.parse_many(designs)
    stream = streams.build(case)
    demands = _demands(stream)
    warming.warm((one.text, kind) for one in named for kind in PROBES)
    rows = {**table.rows, "disk.read": latency.backend_read(case.backend.disk, table.rows)}
    curves = _curves(named, stream, demands, several, operations, rows)
    about = {
        **origin(), "scenario": case.name, "scenario_digest": case.digest, "stream_digest": stream.digest, "seed": case.replay.seed,
        "cpus": list(several), "operations": operations, "costs": _costs(rows), "cpus_of_a_socket": assembling.SOCKET,
        "parameters": table.about(), "demands": len(demands),
    }  # fmt: skip
    return Prediction(case, curves, about)


def _require_single_pages(case: scenario.Scenario) -> None:
    """Refuse a scenario with large folios or readahead, of which the simulated machine knows nothing."""
    if case.folio.orders:
        raise BadInput(f"scenario {case.name}: a prediction takes single pages, and folio.orders makes large folios")
    if case.readahead.page_cluster:
        raise BadInput(f"scenario {case.name}: a prediction has no readahead, and readahead.page_cluster reads ahead")


def _curves(
    named: Sequence[naming.Named], stream: Any, demands: Any, cpus: Sequence[int], operations: int, rows: Rows
) -> tuple[Curve, ...]:
    """Predict each design on each number of CPUs."""
    at, sizes = _costs(rows), sampling.classes(demands, stream.workload.pages)
    found: dict[str, Curve] = {}
    points: dict[str, list[Point]] = {one.text: [] for one in named}
    telling = threading.Lock()

    def point(n: int, dealt: Any, one: naming.Named) -> None:
        traced = _traced(one, stream, dealt, sizes, n)
        programs = traced.programs(at)
        points[one.text].append(Point(n, running.run(programs, operations)))
        if n == cpus[-1]:
            found[one.text] = _curve(one.text, points[one.text], traced, programs, min(operations, running.OPERATIONS), rows)
        with telling:
            progress.step(1, f"{one.text} on {n} CPUs")

    with output.Progress("predicting", len(named) * len(cpus)) as progress, concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        for n in cpus:
            dealt = sampling.dealt(demands, n, stream.workload.pages, stream.workload.space_shift)
            for _ in pool.map(functools.partial(point, n, dealt), named):
                pass
    return tuple(found[one.text] for one in named)


def _costs(rows: Rows, level: Level = "typical") -> dict[str, float]:
    return costs.at(level, rows)


def _demands(stream: Any) -> Any:
    """All demands of a stream."""
    if 2 * stream.accesses > MOST_DEMANDS:
        most = MOST_DEMANDS // 2
        raise BadInput(
            f"a prediction takes {most:,} accesses at most, this scenario has {stream.accesses:,}: --set workload.accesses={most}"
        )
    machine.require_memory(stream.accesses * 96 + stream.workload.pages * 200, f"predicting on {stream.trace_name}")
    demands = np.concatenate([*stream.blocks()])
    if not stream.counters.get("swap_ins"):
        advice = "set memory.limit lower, or workload.accesses higher"
        raise BadInput(f"scenario {stream.scenario.name} swaps nothing in, so that no lock of swap is taken: {advice}")
    return demands


def _traced(named: naming.Named, stream: Any, dealt: Any, sizes: Any, cpus: int) -> assembling.Traced:
    """Operations of a design on so many CPUs."""
    samples = [*sampling.samples(named, stream, dealt, sizes, cpus)]
    if not samples:
        raise BadInput(f"{named.text}: none of the last demands of scenario {stream.scenario.name} is an operation")
    return assembling.Traced.of(named, samples, cpus)


def _curve(
    design: str, points: Sequence[Point], traced: assembling.Traced, programs: assembling.Programs, operations: int, rows: Rows
) -> Curve:
    """Put the points of a design together, and look behind the class that stops it; `traced` and `programs` are of the last."""
    gone: list[str] = []
    behind = []
    last = points[-1].run
    while last.stop is not None and len(gone) < CHAIN:
        gone.append(last.stop.name)
        last = running.run(programs, operations, gone)
        behind.append((gone[-1], last.rate))
    low, high = (running.run(traced.programs(_costs(rows, level)), operations) for level in LEVELS)
    return Curve(design, tuple(points), tuple(behind), low, high)
