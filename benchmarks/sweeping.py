"""Quality and speed of sweeps, and speed of queries: ``python -m benchmarks.sweeping``. Exit 1 if a bar is missed.

Each figure comes with its bar and whether it holds. Counted figures are the same on every machine; measured ones need an idle one.
``--store`` renews their section of docs/sweeps.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl

from benchmarks.limits.report import markdown, write
from dse import storing
from dse.common import machine, output
from dse.errors import BadInput, unknown
from dse.storing.writer import METADATA_TABLE, METADATA_VERSION, schema_of
from dse.sweeps import analysing, samplers, sweeping
from dse.sweeps import space as spaces
from dse.sweeps.recording import Recorder
from dse.sweeps.replaying import Recorded, figure
from dse.sweeps.searching import Search
from dse.sweeps.space import Space
from dse.sweeps.workers import Evaluator

SPACE = "wide"
SHARE, SEEDS, CORES = 0.05, 10, 2
SEARCHED = ("tpe", "nsga2", "nsga3")
GIVEN, GAIN_SEEDS = "memory.policy", 5  # the axis that is given to us where gains over random are measured; seeds of that
DEFAULT = "tpe"
"""Sampler that :func:`dse.sweeps.samplers.auto` takes where fewer trials are wanted than there are configurations."""
HELD: list[Recorded] = []
TRIALS, ROUNDS, ROUNDS_MOST, PATIENCE = 256, 3, 15, 8.0
"""Trials of a study; rounds at least and at most, and seconds after which no further round begins."""
ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "stored" / "wide.parquet"
PAGE = ROOT / "docs" / "sweeps.md"
BEGIN, END = "<!-- sweeping: begin (made by python -m benchmarks.sweeping --store) -->", "<!-- sweeping: end -->"
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
    "configurations of the quality space": (">=", 5000), "median hypervolume, default sampler": (">=", 0.97),
    "share of random search's gap closed": (">=", 0.5), "gain over random, least environment": (">=", 0.1),
    "exhaustive counted, configurations/s": (">=", 100),
    "overhead a trial beyond ask + tell [ms]": ("<=", 1.0), "storage writes a generation": ("<=", 1.0), "replay look-ups/s": (">=", 1e5),
    "replay study rate over bare Optuna's": (">=", 0.9), "filter and group-by of 1 M rows, warm [ms]": ("<=", 200),
    "most memory of dse query over 10 M rows [GiB]": ("<=", 2.0),
}  # fmt: skip
Row = dict[str, Any]


def row(name: str, kind: str, value: float, detail: str = "") -> Row:
    """One figure with its bar, where it has one, and its verdict."""
    sign, bar = BARS.get(name, ("", None))
    held = "" if bar is None else "holds" if (value >= bar if sign == ">=" else value <= bar) else "missed"
    said = "" if bar is None else f"{sign} {bar:g}"
    return {"figure": name, "kind": kind, "value": value, "bar": said, "verdict": held, "detail": detail}


def default_space(folder: Path) -> list[Row]:
    """Evaluate the built-in default space from an empty cache, kernels compiled before."""
    space = spaces.load()
    sweeping.warm(space)
    began = time.perf_counter()
    found = sweeping.sweep(space, workers=CORES, results=folder / "default")
    seconds = time.perf_counter() - began
    detail = f"fronts of {len(found['front'])}, {len(found['winners'])} environments"
    return [
        row("configurations of the built-in default", "counted", found["trials"], detail),
        row("seconds of the built-in default", "measured", seconds, f"{CORES} workers"),
    ]


def exhausted(results: Path) -> tuple[Recorded, list[analysing.Trial], float, int]:
    """Evaluate every configuration of the space; return the seconds, and the number of configurations that were not in the cache."""
    space = spaces.load(SPACE)
    sweeping.warm(space)
    with Evaluator(results, CORES) as evaluator:
        began = time.perf_counter()
        made = Search(space, "exhaustive", 0, None, evaluator).run()
        seconds = time.perf_counter() - began
        values = np.array([[np.nan if t.values[o] is None else t.values[o] for o in space.objectives] for t in made], np.float64)
        return Recorded.of(space, values), made, seconds, evaluator.evaluated


def hold(recorded: Recorded) -> None:
    """Keep the table that :func:`search` looks up, in a process of its own."""
    HELD[:] = [recorded]


def search(task: tuple[str, int, int]) -> float:
    """Search with a sampler: name, trials, seed. For the processes of :func:`quality`."""
    return HELD[0].quality(HELD[0].search(*task))


def quality(results: Path, seeds: int) -> list[Row]:
    """Quality of each sampler with a twentieth of the evaluations."""
    recorded, made, seconds, fresh = exhausted(results)
    failed, scored = sum(not t.ok for t in made), recorded.scored
    detail = f"{failed} infeasible or failed, front of {sum(one.front for one in scored.values())}, {', '.join(recorded.space.objectives)}"
    rows = [row("configurations of the quality space", "counted", len(made), detail)]
    if fresh == len(made):
        detail = f"{fresh:,} in {seconds:.0f} s, {CORES} workers"
        rows.append(row("exhaustive counted, configurations/s", "measured", fresh / seconds, detail))
    budget, medians = int(len(made) * SHARE), {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(CORES, spawn, hold, (recorded,)) as pool:
        for name in ("random", *SEARCHED):
            found = list(pool.map(search, [(name, budget, seed) for seed in range(1, seeds + 1)]))
            medians[name] = statistics.median(found)
            detail = f"{budget} trials, {seeds} seeds, lowest {min(found):.4f}, highest {max(found):.4f}"
            rows.append(row(f"median hypervolume, {name}", "counted", medians[name], detail))
            output.note(f"sweeping: {name} {medians[name]:.4f}")
    return rows + judged(medians) + gained(recorded, budget, seeds)


def gained(recorded: Recorded, budget: int, seeds: int) -> list[Row]:
    """Gain over random search in each environment, one axis being given to us: medians of the share of its own hypervolume."""
    found = recorded.given(GIVEN).gains(DEFAULT, budget, range(1, min(seeds, GAIN_SEEDS) + 1))
    detail = f"{budget} trials over {len(found)} environments, at most {GAIN_SEEDS} seeds, {DEFAULT}"
    rows = [row(f"gain over random, {json.loads(place)[GIVEN]}", "counted", gain, detail) for place, gain in found.items()]
    return [*rows, row("gain over random, least environment", "counted", min(found.values()), DEFAULT)]


def judged(medians: dict[str, float]) -> list[Row]:
    """Judge the two bars of search quality, on the default sampler of a sweep."""
    gap = 1.0 - medians["random"]
    return [
        row("median hypervolume, default sampler", "counted", medians[DEFAULT], DEFAULT),
        row("share of random search's gap closed", "counted", (medians[DEFAULT] - medians["random"]) / gap if gap else 1.0, DEFAULT),
    ]


def table(results: Path) -> list[Row]:
    """Store the objectives of every configuration, for the test of search quality (tests/test_sweep_bars.py)."""
    recorded, made, _, _ = exhausted(results)
    values = {name: [t.values[name] for t in made] for name in recorded.space.objectives}
    frame = pl.DataFrame(values, schema=dict.fromkeys(values, pl.Float64))
    frame.write_parquet(TABLE, compression="zstd", metadata={"axes": axes_digest(recorded.space)})
    return [row("configurations stored", "counted", len(made), TABLE.relative_to(ROOT).as_posix())]


def axes_digest(space: Space) -> str:
    """Identity of a stored table: the space's axes and objectives."""
    return hashlib.sha256(json.dumps([space.document["axes"], space.document["objectives"]]).encode()).hexdigest()


def stored() -> Recorded:
    """Return the stored table.

    Raises
    ------
    BadInput
        The space changed since.
    """
    space = spaces.load(SPACE)
    if pl.read_parquet_metadata(TABLE).get("axes") != axes_digest(space):
        raise BadInput(f"{TABLE.name} is of other axes than space {SPACE} has now: make it anew, python -m benchmarks.sweeping table")
    return Recorded.of(space, pl.read_parquet(TABLE).to_numpy())


def _interleaved(*works: Callable[[], int], clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Seconds a unit of the fastest round of each, rounds in turn, by a clock (processor time where nothing is waited for)."""
    times: list[list[float]] = [[] for _ in works]
    end = time.perf_counter() + PATIENCE
    while len(times[0]) < ROUNDS or (len(times[0]) < ROUNDS_MOST and time.perf_counter() < end):
        for known, work in zip(times, works, strict=True):
            began = clock()
            n = work()
            known.append((clock() - began) / n)
    return [min(known) for known in times]


def _best(work: Callable[[], int]) -> float:
    """Seconds a unit of the fastest of some rounds."""
    return _interleaved(work)[0]


def repeated(space: Space, name: str, asked: Sequence[optuna.trial.FrozenTrial], storage: Any = None) -> int:
    """Repeat the asks and tells of a search of ours on Optuna alone, generation by generation, on any storage."""
    distributions = {axis.name: samplers.distribution(axis) for axis in space.axes}
    study = optuna.create_study(directions=["minimize"] * len(space.objectives), sampler=samplers.make(name, 1), storage=storage)
    pending: list[tuple[optuna.Trial, list[float]]] = []
    for known in asked:
        if "fixed_params" in known.system_attrs:
            study.enqueue_trial(known.system_attrs["fixed_params"])
        trial = study.ask(distributions)
        if known.state == optuna.trial.TrialState.FAIL:
            study.tell(trial, state=known.state)
            continue
        pending.append((trial, known.values))
        if len(pending) == samplers.GENERATION[name]:
            for told in pending:
                study.tell(*told)
            pending = []
    for told in pending:
        study.tell(*told)
    return TRIALS


def speed(results: Path) -> list[Row]:
    """Overhead a trial, and replay: everything is in the cache."""
    recorded, made, _, _ = exhausted(results)
    space, rows = recorded.space, []
    batch = [t.configuration for t in made[: 1 << 12]]
    rows.append(row("replay look-ups/s", "measured", 1.0 / _best(lambda: len(recorded.evaluate(batch))), f"batches of {len(batch):,}"))
    worst, ratios = 0.0, {}
    with Evaluator(results) as evaluator:
        evaluator(batch)
        for name in ("random", "nsga2", "tpe"):
            ours = Search(space, name, 1, TRIALS, recorded.evaluate, quiet=True, figure=figure)
            ours.run()
            asked = ours.proposer.searches[0].study.get_trials() if ours.proposer else []
            replay_s, bare_s, ours_s = _interleaved(
                lambda name=name: len(recorded.search(name, TRIALS)),  # type: ignore[misc]
                lambda name=name, asked=asked: repeated(space, name, asked),  # type: ignore[misc]
                lambda name=name: len(Search(space, name, 1, TRIALS, evaluator, quiet=True).run()),  # type: ignore[misc]
                clock=time.process_time,
            )
            stored_s, bare_stored = _interleaved(
                lambda name=name: _recorded(space, name, evaluator),  # type: ignore[misc]
                lambda name=name, asked=asked: _bare_stored(space, name, asked),  # type: ignore[misc]
            )
            ratios[name] = bare_s / replay_s
            detail = f"Optuna's own ask and tell {1.0 / bare_s:,.0f}/s; {len(asked)} asks for {TRIALS} trials"
            rows.append(row(f"study on replay, {name}, trials/s", "measured", 1.0 / replay_s, detail))
            over = 1e3 * max(ours_s - bare_s, stored_s - bare_stored)
            worst = max(worst, over)
            spent = [f"{1e3 * s:.2f}" for s in (ours_s, bare_s, stored_s, bare_stored)]
            detail = f"memory {spent[0]} ms, Optuna's {spent[1]}; journal {spent[2]}, Optuna's {spent[3]}"
            rows.append(row(f"overhead, {name} [ms]", "measured", over, detail))
    rows.append(row("overhead a trial beyond ask + tell [ms]", "measured", worst, "the most of the samplers, memory and journal"))
    rows.append(writes(space, recorded))
    least = min(ratios, key=lambda name: ratios[name])
    rows.append(row("replay study rate over bare Optuna's", "measured", ratios[least], f"the least of the samplers: {least}"))
    return rows


def writes(space: Space, recorded: Recorded) -> Row:
    """Number of journal writes a generation while a study runs."""
    done = 0
    real = os.fsync

    def counted(handle: int) -> None:
        nonlocal done
        done += os.readlink(f"/proc/self/fd/{handle}").endswith("journal.log")
        real(handle)

    with tempfile.TemporaryDirectory() as folder, Recorder(Path(folder) / "journal.log", "bench", space) as recorder:
        os.fsync = counted
        try:
            Search(space, "nsga2", 1, TRIALS, recorded.evaluate, recorder.record, quiet=True, figure=figure).run()
        finally:
            os.fsync = real
    generations = -(-TRIALS // samplers.GENERATION["nsga2"])
    return row("storage writes a generation", "counted", done / generations, f"{done} for {generations} generations of nsga2, journal file")


def _recorded(space: Space, name: str, evaluator: Evaluator) -> int:
    """Search whose generations go into a journal file."""
    with tempfile.TemporaryDirectory() as folder, Recorder(Path(folder) / "journal.log", "bench", space) as recorder:
        return len(Search(space, name, 1, TRIALS, evaluator, recorder.record, quiet=True).run())


def _bare_stored(space: Space, name: str, asked: Sequence[optuna.trial.FrozenTrial]) -> int:
    """Run Optuna alone on a journal file."""
    with tempfile.TemporaryDirectory() as folder:
        journal = optuna.storages.journal.JournalFileBackend(f"{folder}/bare.log")
        return repeated(space, name, asked, optuna.storages.JournalStorage(journal))


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
    command = [sys.executable, "-P", "-c", MEASURED, "query", PRESET_SQL, "--results", str(results / "many"), "--format", "csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kib = int(done.stderr.rpartition("MAXRSS ")[2])
    rows.append(row("most memory of dse query over 10 M rows [GiB]", "measured", kib / (1 << 20), f"{MANY_ROWS:,} rows in {RUNS} runs"))
    return rows


PARTS: dict[str, Callable[[Path, int], list[Row]]] = {
    "default": lambda results, _: default_space(results),
    "quality": quality,
    "speed": lambda results, _: speed(results),
    "query": lambda results, _: asking(results / "query"),
}  # fmt: skip
EXTRA: dict[str, Callable[[Path, int], list[Row]]] = {"table": lambda results, _: table(results)}


def section(rows: Sequence[Row], seconds: float) -> str:
    """Section of docs/sweeps.md for the measured rows."""
    packages = machine.packages()
    head = (
        f"Made on {time.strftime('%Y-%m-%d', time.gmtime())} by `python -m benchmarks.sweeping --store` in {seconds:.0f} s: "
        f"{machine.cpu_model()}, {CORES} cores, numba {packages['numba']}, optuna {packages['optuna']}, polars {packages['polars']}. "
        "Hypervolume: objectives scaled by their exhaustive range, reference at the nadir of the exhaustive front, as a share of the "
        "exhaustive one. Optuna's own asks and tells are the same ones, repeated without us; rounds in turn, the fastest of each, "
        "in memory by processor time."
    )
    lines = [{**r, "value": f"{r['value']:,.4g}" if r["value"] < 1e4 else f"{r['value']:,.0f}"} for r in rows]
    return f"{BEGIN}\n{head}\n\n{markdown(lines)}\n{END}"


def store(text: str) -> None:
    """Renew the section of docs/sweeps.md."""
    before = PAGE.read_text(encoding="utf-8")
    write(PAGE, before[: before.index(BEGIN)] + text + before[before.index(END) + len(END) :])


def main(argv: Sequence[str] | None = None) -> int:
    """Print the measured rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeping", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all), or table: the test's table anew")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--results", type=Path, help="keep the cache there (default: a temporary folder)")
    parser.add_argument("--store", action="store_true", help="renew the section of docs/sweeps.md")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    args = parser.parse_args(argv)
    rows: list[Row] = []
    began = time.perf_counter()
    try:
        for name in args.parts:
            if name not in PARTS | EXTRA:
                raise BadInput(unknown("part", name, [*PARTS, *EXTRA]))
        if args.store and args.parts:
            raise BadInput("--store wants all parts")
        with tempfile.TemporaryDirectory(prefix="swapdse-sweeping-") as scratch:
            for name in args.parts or PARTS:
                output.note(f"sweeping: {name}")
                rows += (PARTS | EXTRA)[name](args.results or Path(scratch), args.seeds)
    except BadInput as error:
        sys.stderr.write(f"sweeping: {error}\n")
        return 2
    if args.store:
        store(section(rows, time.perf_counter() - began))
    output.emit(rows, args.format)
    missed = [r["figure"] for r in rows if r["verdict"] == "missed"]
    if missed:
        output.note(f"missed: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
