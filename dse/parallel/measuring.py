"""``dse.threads``: throughput of a design on real threads, and how long they wait for which lock."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import naming, scenario
from dse.common import machine, output
from dse.errors import BadInput
from dse.measuring.provenance import origin
from dse.measuring.stats import histogram_quantiles, paired_ratio
from dse.parallel import dealing, refusing, running, teams
from dse.scenario import setting
from dse.workloads import stream as streams
from kernels import demand
from kernels.observing import probe
from kernels.observing import shared as sh
from kernels.own import RANKS, Lock

ROUNDS, MOST_ROUNDS = 5, 1000
QUANTILES = {"p50": 0.5, "p99": 0.99}
TIMED = ("swap_in", "cache_hit", "swap_out", "clean_drop", "first_touch")
"""Operations whose times are told."""
FELT = 0.001
"""Least share of the time that a class of locks is waited for, to be told."""
Check = Callable[[str, Any], list[str]]


@dataclass(frozen=True)
class Point:
    """A design on so many threads: times of all rounds, the CPU time of a thread in each [s], and what the last one's probes have seen."""

    design: str
    threads: int
    walls: tuple[float, ...]
    means: tuple[float, ...]
    demands: int
    waits: dict[str, float]
    instances: dict[str, tuple[int, float]]
    quantiles: dict[tuple[str, str], float]
    nodes: str

    @property
    def waiting(self) -> float:
        """Share of the threads' time that they wait for locks."""
        return sum(self.waits.values())


def numbers(given: str) -> tuple[int, ...]:
    """Read numbers of threads.

    Raises
    ------
    BadInput
        None, one twice, or more than there are CPUs.
    """
    words, most = [word.strip() for word in given.split(",")], len(running.cpus())
    if not all(re.fullmatch("[0-9]{1,4}", word) and 1 <= int(word) <= most for word in words):
        raise BadInput(f"threads are whole numbers from 1 to {most}, the CPUs of this machine, such as 1,{most}; got {given[:40]!r}")
    found = tuple(sorted({int(word) for word in words}))
    if len(found) < len(words):
        raise BadInput(f"a number of threads is named twice: {given[:40]}")
    return found


def chosen(designs: str | None) -> tuple[list[naming.Named], list[str]]:
    """Designs to run, and lines about those of the default ones that do not."""
    if designs is not None:
        named = naming.parse_many(designs)
        for one in named:
            refusing.refuse(one)
        return named, []
    every = naming.default_designs()
    left = [f"{one.text} is left out: {refusing.reason(one)}" for one in every if refusing.reason(one)]
    return [one for one in every if not refusing.reason(one)], left


def nodes_of(array: NDArray[Any], maps: str = "/proc/self/numa_maps") -> str:
    """NUMA nodes that the pages of an array lie on, such as ``N0``; empty where the system does not say."""
    try:
        lines = Path(maps).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    at, best = array.ctypes.data, ""
    for line in lines:
        start = line.split(" ", 1)[0]
        if re.fullmatch("[0-9a-f]+", start) and int(start, 16) <= at:
            best = line
    return ",".join(re.findall(r"\b(N\d+)=\d+", best))


def _seen(team: teams.Team, named: naming.Named, times: running.Times) -> tuple[dict[str, float], dict[str, tuple[int, float]], Any]:
    """Shares of time that were waited for each class; instances of each, and the share of the worst; quantiles of operations [ns]."""
    names = named.design.own.names(Lock)
    rows = slice(int(probe.TICKS), probe.CODES * probe.COLUMNS, probe.COLUMNS)
    spent = sum(float(one.tally[rows].sum()) for one in team.probes) or 1.0
    ns = sum(times.each) * 1e9 / spent
    classes = sum(one.waits[: RANKS * 4].reshape(RANKS, 4)[:, int(sh.WAITED_TICKS)].astype(float) for one in team.probes)
    waits = {names[i]: float(classes[i]) / spent for i in range(RANKS) if i in names and classes[i]}
    spots: dict[int, float] = {}
    for one in team.probes:
        for key, _, waited, _ in one.waits[int(sh.SPOT_FIRST) :].reshape(-1, 4)[one.waits[int(sh.SPOT_FIRST) :: 4] != 0].tolist():
            spots[key] = spots.get(key, 0.0) + waited / spent
    instances: dict[str, tuple[int, float]] = {}
    for key, share in spots.items():
        name = names[(key - 1) >> int(sh.SPOT_CLASS)]
        count, worst = instances.get(name, (0, 0.0))
        instances[name] = (count + 1, max(worst, share))
    hist = sum(one.ticks.reshape(probe.HIST_OPS, probe.TICK_BINS).astype(float) for one in team.probes)
    edges = np.arange(probe.TICK_BINS + 1, dtype=np.float64) * float(1 << int(probe.TICK_SHIFT))
    found = {}
    for op in TIMED:
        bins = hist[demand.OPS.index(op)]
        if bins.sum() >= 1000:
            for stat, at in QUANTILES.items():
                found[op, stat] = float(histogram_quantiles(bins, edges, [at])[0]) * ns
    return waits, instances, found


def _run(named: naming.Named, stream: Any, parts: Sequence[dealing.Demands], pages: int, *, tokens: bool, queued: bool) -> Any:
    """One run on a fresh state: the team, and its times for the second half of the demands. The first half warms it up."""
    config = replace(stream.config(named.control, tokens=tokens), forks=False)
    share = np.diff(dealing.edges(len(parts), pages)).tolist()
    team = teams.build(named.design, config, share, queued=queued)
    halves = [(part[: len(part) // 2], part[len(part) // 2 :]) for part in parts]
    running.run(named.design, team, [first for first, _ in halves], [np.zeros(len(first), np.uint8) for first, _ in halves])
    team.forget()
    return team, running.run(named.design, team, [last for _, last in halves], [np.zeros(len(last), np.uint8) for _, last in halves])


def measure(
    name: str = "threads",
    designs: str | None = None,
    threads: str | None = None,
    *,
    most: int = dealing.MOST,
    rounds: int = ROUNDS,
    queued: bool = True,
    settings: Sequence[str] = (),
    seed: int | None = None,
    check: Check | None = None,
) -> dict[str, Any]:
    """Replay the demands of a scenario on threads, all numbers of them in turn, round after round.

    Parameters
    ----------
    name : str
        Scenario.
    designs : str, optional
        ``NAME[param=value,...]`` with commas; by default those of ``dse compare`` that threads run.
    threads : str, optional
        Numbers of threads; by default one, and as many as there are CPUs.
    most : int
        Most demands.
    rounds : int
        Runs for each design and number.
    queued : bool
        Queued locks, or plain ones.
    settings : sequence of str
        ``section.key=value``.
    seed : int, optional
        Instead of the scenario's.
    check : callable, optional
        Findings in the state of a design, by its name.

    Returns
    -------
    dict
        points, rows, findings, notes, provenance.

    Raises
    ------
    BadInput
        A design, a number or a demand that threads do not run.
    """
    several = numbers(threads if threads is not None else ",".join(map(str, sorted({1, len(running.cpus())}))))
    named, notes = chosen(designs)
    case = setting.changed(scenario.load(name), setting.read(settings))
    case = case if seed is None else case.but(replay__seed=seed)
    stream = streams.build(case)
    if 2 * stream.accesses > dealing.MOST:
        raise BadInput(f"threads take {dealing.MOST // 2:,} accesses at most: --set workload.accesses={dealing.MOST // 2}")
    machine.require_memory(stream.accesses * 64 + stream.workload.pages * 400 * max(several), f"threads on {stream.trace_name}")
    demands, pages = dealing.of_stream(stream, most), stream.workload.pages
    work = {n: dealing.dealt(demands, n, pages) for n in several}
    points, wrong = [], []
    with output.Progress("threads", len(named) * (rounds + 1) * len(several)) as progress:
        for one in named:
            _run(one, stream, [part[:0] for part in work[several[0]]], pages, tokens=True, queued=queued)  # compiles
            found: dict[int, list[Any]] = {n: [] for n in several}
            for _ in range(rounds):
                for n in several:
                    found[n].append(_run(one, stream, work[n], pages, tokens=False, queued=queued))
                    found[n][:-1] = [(None, times) for _, times in found[n][:-1]]
                    progress.step(1, f"{one.text} on {n} threads")
            points += [_point(one, n, sum(len(part) - len(part) // 2 for part in work[n]), found[n]) for n in several]
            for n in several if check is not None else ():
                team, _ = _run(one, stream, work[n], pages, tokens=True, queued=queued)
                problems = team.settle() + (check(one.design.name, team.st) if check is not None else [])
                wrong += [f"{one.text} on {n} threads: {problem}" for problem in problems]
                progress.step(1, f"{one.text} on {n} threads, its end state")
    about = {
        **origin(), "scenario": case.name, "scenario_digest": case.digest, "stream_digest": stream.digest, "seed": case.replay.seed,
        "threads": list(several), "cpus": running.cpus(), "demands": len(demands), "rounds": rounds,
        "locks": "queued" if queued else "plain",
        "numa_nodes": {f"{p.design} on {p.threads}": p.nodes for p in points},
    }  # fmt: skip
    rows = [row for point in points for row in _rows(case.name, point, points)]
    return {"points": points, "rows": rows, "findings": wrong, "notes": notes, "provenance": about}


def _point(named: naming.Named, threads: int, demands: int, runs: list[Any]) -> Point:
    """Point of the runs on so many threads; the team of the last one is there."""
    team, times = runs[-1]
    waits, instances, quantiles = _seen(team, named, times)
    walls = tuple(one.wall for _, one in runs)
    means = tuple(sum(one.cpu) / threads for _, one in runs)
    return Point(named.text, threads, walls, means, demands, waits, instances, quantiles, nodes_of(team.st.pte))


def _rows(name: str, point: Point, points: Sequence[Point]) -> list[dict[str, Any]]:
    """Rows of one point."""
    base = next(one for one in points if one.design == point.design)
    rates = sorted(point.demands / wall for wall in point.walls)
    values: list[tuple[str, str, str, float, float | None, float | None]] = [
        ("throughput", "median", "demands/s", float(np.median(rates)), rates[0], rates[-1]),
        ("waiting", "mean", "share of time", point.waiting, None, None),
    ]
    if point is not base and len(point.walls) > 1:
        ratio = paired_ratio(base.walls, point.walls)
        values.append((f"speed-up over {base.threads}", "median", "times", ratio.ratio, ratio.lo, ratio.hi))
        ratio = paired_ratio(base.means, point.means)
        values.append((f"by CPU time over {base.threads}", "median", "times", ratio.ratio, ratio.lo, ratio.hi))
    for lock, share in sorted(point.waits.items(), key=lambda item: -item[1]):
        if share >= FELT:
            count, worst = point.instances.get(lock, (0, 0.0))
            values.append((f"waiting: {lock}", "mean", "share of time", share, None, None))
            values.append((f"instances waited for: {lock}", "total", "locks", count, None, None))
            values.append((f"waiting: worst {lock}", "mean", "share of time", worst, None, None))
    values += [(op, stat, "ns", ns, None, None) for (op, stat), ns in point.quantiles.items()]
    return [
        {
            "scenario": name, "design": point.design, "threads": point.threads, "metric": metric, "stat": stat, "kind": "measured",
            "unit": unit, "value": value, "lo": lo, "hi": hi, "n": len(point.walls),
        }
        for metric, stat, unit, value, lo, hi in values
    ]  # fmt: skip
