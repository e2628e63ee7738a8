"""``python -m benchmarks.sweeping``: how well and how fast sweeps search, and how fast stored results are asked. Exit 1 if a bar is missed.

The bars are those of docs/sweeps.md. Counted figures are the same on every machine; measured ones need an idle one.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl
from numpy.typing import NDArray

from dse import output, storing
from dse.errors import BadInput, unknown
from dse.storing.writer import METADATA_TABLE, METADATA_VERSION, schema_of
from dse.sweeps import analysing, samplers, sweeping
from dse.sweeps import space as spaces
from dse.sweeps.recording import Recorder
from dse.sweeps.searching import Search
from dse.sweeps.space import Configuration, Space
from dse.sweeps.workers import Evaluator

QUALITY_SPACE, SPEED_SPACE = "wide", "wide"
SHARE, SEEDS, CORES = 0.05, 10, 2
SEARCHED = ("tpe", "nsga2", "nsga3")
TRIALS, ROUNDS = 256, 3
ROWS, MANY_ROWS, RUNS = 1_000_000, 10_000_000, 4
PRESET_SQL = "SELECT design, op, COUNT(*) AS n, AVG(value) AS mean FROM ops WHERE kind = 'counted' AND metric = 'lines' GROUP BY design, op"
MEASURED = """
import resource, sys
from dse import cli
status = cli.main(sys.argv[1:])
sys.stderr.write(f"MAXRSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}")
sys.exit(status)
"""
BARS: dict[str, tuple[str, float]] = {
    "configurations of the built-in default": (">=", 200), "seconds of the built-in default": ("<=", 180),
    "configurations of the quality space": (">=", 5000), "median hypervolume, best sampler": (">=", 0.97),
    "share of random search's gap closed": (">=", 0.5), "exhaustive counted, configurations/s": (">=", 100),
    "overhead a trial beyond ask + tell [ms]": ("<=", 1.0), "replay look-ups/s": (">=", 1e5),
    "replay study rate over bare Optuna's": (">=", 0.9), "filter and group-by of 1 M rows, warm [ms]": ("<=", 200),
    "most memory of dse query over 10 M rows [GiB]": ("<=", 2.0),
}  # fmt: skip
Row = dict[str, Any]


def row(figure: str, kind: str, value: float, detail: str = "") -> Row:
    """One figure with its bar, where it has one."""
    sign, bar = BARS.get(figure, ("", None))
    met = None if bar is None else value >= bar if sign == ">=" else value <= bar
    return {"figure": figure, "kind": kind, "value": value, "bar": "" if bar is None else f"{sign} {bar:g}", "met": met, "detail": detail}


def default_space(folder: Path) -> list[Row]:
    """The built-in default, from an empty cache, kernels compiled before."""
    space = spaces.load()
    sweeping.warm(space)
    began = time.perf_counter()
    found = sweeping.sweep(space, workers=CORES, results=folder / "default")
    seconds = time.perf_counter() - began
    detail = f"front of {len(found['front'])}, {len(found['winners'])} environments"
    return [
        row("configurations of the built-in default", "counted", found["trials"], detail),
        row("seconds of the built-in default", "measured", seconds, f"{CORES} workers"),
    ]


def exhausted(name: str, results: Path) -> tuple[Space, list[analysing.Trial], float, int]:
    """Every configuration of a space; seconds it took, and how many were not in the cache."""
    space = spaces.load(name)
    sweeping.warm(space)
    with Evaluator(results, CORES) as evaluator:
        began = time.perf_counter()
        made = Search(space, "exhaustive", 0, None, evaluator).run()
        return space, made, time.perf_counter() - began, evaluator.evaluated


class Scaled:
    """Hypervolume of trials: objectives scaled by their exhaustive range, reference at the nadir of the exhaustive front.

    Parameters
    ----------
    made : sequence of Trial
        All trials of the space.
    objectives : sequence of str
        Names.

    Raises
    ------
    BadInput
        The exhaustive front has no volume.
    """

    def __init__(self, made: Sequence[analysing.Trial], objectives: Sequence[str]) -> None:
        self._objectives = objectives
        known = self._values([t for t in made if t.feasible and all(t.values.get(o) is not None for o in objectives)])
        self._low, self._range = known.min(0), np.maximum(known.max(0) - known.min(0), 1e-300)
        front = self._scaled(analysing.front(made, objectives))
        self.reference = front.max(0)
        self.all = analysing.hypervolume(front, self.reference)
        if self.all <= 0:
            raise BadInput(
                f"the exhaustive front of {', '.join(objectives)} has {len(front)} points, none better than its nadir in every objective: "
                "its hypervolume is 0 and scores nothing; choose objectives that conflict"
            )

    def _values(self, trials: Sequence[analysing.Trial]) -> NDArray[np.float64]:
        found = np.array([[t.values[o] for o in self._objectives] for t in trials], np.float64)
        return found.reshape(-1, len(self._objectives))

    def _scaled(self, trials: Sequence[analysing.Trial]) -> NDArray[np.float64]:
        scaled: NDArray[np.float64] = (self._values(trials) - self._low) / self._range
        return scaled

    def __call__(self, trials: Sequence[analysing.Trial]) -> float:
        """Share of the exhaustive hypervolume."""
        return analysing.hypervolume(self._scaled(analysing.front(trials, self._objectives)), self.reference) / self.all


def quality(results: Path, seeds: int) -> list[Row]:
    """What each sampler finds with a twentieth of the evaluations."""
    space, made, seconds, fresh = exhausted(QUALITY_SPACE, results)
    failed = sum(not t.ok for t in made)
    front = len(analysing.front(made, space.objectives))
    rows = [row("configurations of the quality space", "counted", len(made), f"{failed} infeasible or failed, front of {front}")]
    if fresh == len({t.key for t in made}):
        detail = f"{fresh:,} in {seconds:.0f} s, {CORES} workers"
        rows.append(row("exhaustive counted, configurations/s", "measured", fresh / seconds, detail))
    scaled, budget = Scaled(made, space.objectives), int(len(made) * SHARE)
    medians = {}
    with Evaluator(results) as evaluator:
        for name in ("random", *SEARCHED):
            found = [scaled(Search(space, name, seed, budget, evaluator, quiet=True).run()) for seed in range(1, seeds + 1)]
            medians[name] = statistics.median(found)
            detail = f"{budget} trials, {seeds} seeds, lowest {min(found):.4f}, highest {max(found):.4f}"
            rows.append(row(f"median hypervolume, {name}", "counted", medians[name], detail))
            output.note(f"sweeping: {name} {medians[name]:.4f}")
    best = max(SEARCHED, key=lambda name: medians[name])
    gap = 1.0 - medians["random"]
    rows.append(row("median hypervolume, best sampler", "counted", medians[best], best))
    rows.append(row("share of random search's gap closed", "counted", (medians[best] - medians["random"]) / gap if gap else 1.0, best))
    return rows


def _best(work: Callable[[], int]) -> float:
    """Seconds a unit of the fastest of some rounds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        n = work()
        times.append((time.perf_counter() - began) / n)
    return min(times)


def bare(space: Space, name: str, values: Sequence[Sequence[float]], storage: Any = None) -> int:
    """Optuna alone: ask and tell, generation by generation as ours, one sampler for the whole study."""
    distributions = {axis.name: samplers.distribution(axis) for axis in space.axes}
    study = optuna.create_study(directions=["minimize"] * len(space.objectives), sampler=samplers.make(name, 1, 1), storage=storage)
    size = samplers.GENERATION[name]
    for first in range(0, TRIALS, size):
        asked = [study.ask(distributions) for _ in range(min(size, TRIALS - first))]
        for i, trial in enumerate(asked, first):
            study.tell(trial, list(values[i % len(values)]))
    return TRIALS


def speed(results: Path) -> list[Row]:
    """Overhead a trial, and replay: everything is in the cache."""
    space, made, _, _ = exhausted(SPEED_SPACE, results)
    values = [[float(t.values[o] or 0.0) for o in space.objectives] for t in made if t.ok]
    configurations = [t.configuration for t in made]
    rows = []
    with Evaluator(results) as evaluator:
        batch: list[Configuration] = configurations[: 1 << 12]
        evaluator(batch)
        rows.append(row("replay look-ups/s", "measured", 1.0 / _best(lambda: len(evaluator(batch))), f"batches of {len(batch):,}"))
        worst, ratios = 0.0, {}
        for name in ("random", "nsga2", "tpe"):
            bare_s = _best(lambda name=name: bare(space, name, values))  # type: ignore[misc]
            ours_s = _best(lambda name=name: len(Search(space, name, 1, TRIALS, evaluator, quiet=True).run()))  # type: ignore[misc]
            ratios[name] = bare_s / ours_s
            rows.append(row(f"study on replay, {name}, trials/s", "measured", 1.0 / ours_s, f"bare in-memory Optuna {1.0 / bare_s:,.0f}/s"))
            stored_s = _best(lambda name=name: _recorded(space, name, evaluator))  # type: ignore[misc]
            bare_stored = _best(lambda name=name: _bare_stored(space, name, values))  # type: ignore[misc]
            over = 1e3 * (ours_s - bare_s)
            worst = max(worst, over, 1e3 * (stored_s - bare_stored))
            detail = f"journal file: ours {1e3 * stored_s:.2f} ms, Optuna's {1e3 * bare_stored:.2f} ms a trial"
            rows.append(row(f"overhead in memory, {name} [ms]", "measured", over, detail))
        rows.append(row("overhead a trial beyond ask + tell [ms]", "measured", worst, "the most of the samplers, in memory and journal"))
        least = min(ratios, key=lambda name: ratios[name])
        rows.append(row("replay study rate over bare Optuna's", "measured", ratios[least], f"the least of the samplers: {least}"))
    return rows


def _recorded(space: Space, name: str, evaluator: Evaluator) -> int:
    """A search whose generations go into a journal file."""
    with tempfile.TemporaryDirectory() as folder, Recorder(Path(folder) / "journal.log", "bench", space) as recorder:
        return len(Search(space, name, 1, TRIALS, evaluator, recorder.record, quiet=True).run())


def _bare_stored(space: Space, name: str, values: Sequence[Sequence[float]]) -> int:
    """Optuna alone, on a journal file."""
    with tempfile.TemporaryDirectory() as folder:
        journal = optuna.storages.journal.JournalFileBackend(f"{folder}/bare.log")
        return bare(space, name, values, optuna.storages.JournalStorage(journal))


def store_rows(results: Path, rows: int) -> None:
    """Store runs with `rows` figures in all, written as the store does."""
    rng = np.random.default_rng(1)
    for number in range(RUNS):
        n = rows // RUNS
        name = f"2026010{number + 1}T000000Z-0000000{number}"
        folder = results / "runs" / name
        folder.mkdir(parents=True)
        pick = rng.integers(0, 8, (4, n))
        frame = pl.DataFrame({
            "run": pl.Series([name]).new_from_index(0, n), "design": np.array([f"design{i}" for i in range(8)])[pick[0]],
            "op": np.array([f"op{i}" for i in range(8)])[pick[1]],
            "metric": np.array(["lines", "chain", "ns", "ptes", "retries", "frees", "share", "ratio"])[pick[2]],
            "stat": pl.Series(["mean"]).new_from_index(0, n), "kind": np.array(["counted", "measured"])[pick[3] % 2],
            "unit": pl.Series(["lines"]).new_from_index(0, n), "value": rng.random(n),
            "count": rng.integers(0, 1 << 40, n).astype(np.uint64),
            "n": np.full(n, 1000, np.uint64), "status": pl.Series(["ok"]).new_from_index(0, n),
        })  # fmt: skip
        for table in storing.TABLES:
            schema = schema_of(table)
            known = frame if table == "ops" else pl.DataFrame({"run": [name], "design": ["design0"]})
            columns = [known[c].cast(t) if c in known.columns else pl.lit(None, t).alias(c) for c, t in schema.items()]
            made = known.select(columns)
            made.write_parquet(folder / f"{table}.parquet", metadata={METADATA_VERSION: str(storing.VERSION), METADATA_TABLE: table})


def asking(results: Path) -> list[Row]:
    """Time of a filter and group-by, and memory of a large one."""
    import dse

    store_rows(results / "few", ROWS)
    dse.query(PRESET_SQL, results=results / "few")
    seconds = _best(lambda: len(dse.query(PRESET_SQL, results=results / "few")) and 1)
    rows = [row("filter and group-by of 1 M rows, warm [ms]", "measured", 1e3 * seconds, f"{ROWS:,} rows in {RUNS} runs")]
    store_rows(results / "many", MANY_ROWS)
    command = [sys.executable, "-c", MEASURED, "query", PRESET_SQL, "--results", str(results / "many"), "--format", "csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kib = int(done.stderr.rpartition("MAXRSS ")[2])
    rows.append(row("most memory of dse query over 10 M rows [GiB]", "measured", kib / (1 << 20), f"{MANY_ROWS:,} rows in {RUNS} runs"))
    return rows


PARTS = ("default", "quality", "speed", "query")


def measure(only: Sequence[str], results: Path, seeds: int) -> list[Row]:
    """All rows of the parts asked for."""
    rows: list[Row] = []
    for name in only:
        output.note(f"sweeping: {name}")
        rows += {
            "default": lambda: default_space(results), "quality": lambda: quality(results / "wide", seeds),
            "speed": lambda: speed(results / "wide"), "query": lambda: asking(results / "query"),
        }[name]()  # fmt: skip
    return rows


def main() -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeping", description=__doc__)
    parser.add_argument("--only", help=f"comma-separated: {', '.join(PARTS)}")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--results", type=Path, help="keep the cache there (default: a temporary folder)")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    args = parser.parse_args()
    only = args.only.split(",") if args.only else list(PARTS)
    for name in only:
        if name not in PARTS:
            sys.stderr.write(f"sweeping: {unknown('part', name, PARTS)}\n")
            return 2
    try:
        with tempfile.TemporaryDirectory(prefix="swapdse-sweeping-") as scratch:
            rows = measure(only, args.results or Path(scratch), args.seeds)
    except BadInput as error:
        sys.stderr.write(f"sweeping: {error}\n")
        return 2
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if args.format == "json":
        sys.stdout.write(json.dumps({"rows": rows, "peak_kib": peak}, indent=1) + "\n")
    else:
        output.emit(rows, "table")
    missed = [r["figure"] for r in rows if r["met"] is False]
    if missed:
        output.note(f"missed: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
