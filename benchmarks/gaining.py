"""Gain of the samplers over random search in each environment of a simplex with zero pages: ``python -m benchmarks.gaining``.

Every configuration is evaluated once. Then searches with equal budgets and the same seeds look it up, so that all figures are counted.
``--store`` renews their section of docs/sweeps.md. Exit 1 where the default sampler finds less than random search.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.limits.report import markdown, write
from dse.common import machine, output
from dse.sweeps import space as spaces
from dse.sweeps import sweeping
from dse.sweeps.axes import text_of
from dse.sweeps.replaying import Recorded
from dse.sweeps.searching import Search
from dse.sweeps.workers import Evaluator

SPACE = """
title = "gain of a sampler: every mix in halves of zswap, an SSD and zero pages"
objectives = ["swap_in", "swap_out", "bytes_per_page"]
baseline = "direct"

[scenario]
workload = { generator = "zipf", pages = 4_096, accesses = 24_576, theta = 0.9 }
memory = { limit = 0.5 }

[axes.design]
values = ["direct", "swap_id", "swap_desc", "swap_table_p1", "swap_table_p4", "vswap_v3", "vswap_v6"]
[axes.base]
values = ["direct", "swap_table_p4"]
[axes.zswap]
values = ["native", "stacked"]
[axes.policy]
values = ["lowest", "percpu", "cyclic", "reuse"]
[axes.id_life]
values = ["count", "count+cache"]
[axes.stride]
values = ["32", "24"]
[axes.lookup_cache]
values = ["off", "on"]
[axes.object]
values = ["one", "split"]
[axes.rounds]
values = ["separate", "merged"]
[axes."memory.policy"]
role = "choice"
values = ["lru", "active-inactive", "clock"]
[axes."memory.batch"]
role = "choice"
values = [8, 32, 128]
[axes."backend.mix"]
role = "environment"
simplex = { of = ["zswap", "ssd", "zero"], steps = 2 }
"""
MIX, RANDOM, DEFAULT = "backend.mix", "random", "tpe"
SAMPLERS = (RANDOM, DEFAULT, "nsga2")
SHARE, SEEDS, CORES = 0.1, 10, 2
ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "sweeps.md"
BEGIN, END = "<!-- gaining: begin (made by python -m benchmarks.gaining --store) -->", "<!-- gaining: end -->"
HELD: list[Recorded] = []
Row = dict[str, Any]
Scores = Mapping[str, Sequence[float]]
"""Shares of an environment's hypervolume by sampler, a figure a seed."""


def exhausted(results: Path) -> Recorded:
    """Evaluate every configuration in every environment."""
    space = spaces.parse(SPACE, "benchmarks/gaining.py", "gaining")
    sweeping.warm(space)
    with Evaluator(results, CORES) as evaluator:
        made = Search(space, "exhaustive", 0, None, evaluator).run()
    return Recorded.of(space, np.array([[np.nan if t.values[o] is None else t.values[o] for o in space.objectives] for t in made]))


def hold(recorded: Recorded) -> None:
    """Keep the table that :func:`search` looks up, in a process of its own."""
    HELD[:] = [recorded]


def search(task: tuple[str, int, int]) -> dict[str, float]:
    """Search with a sampler: name, trials, seed. Return its score in each environment."""
    return HELD[0].qualities(HELD[0].search(*task))


def superiority(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Share of the pairs in which the first is larger, an equal pair as half of one.

    Examples
    --------
    >>> superiority([0.9, 0.8], [0.5, 0.8]), superiority([0.1], [0.1])
    (0.875, 0.5)
    """
    return sum((a > b) + (a == b) / 2 for a in ours for b in theirs) / (len(ours) * len(theirs))


def rows(recorded: Recorded, scores: Mapping[str, Scores]) -> list[Row]:
    """Rows of the table, one an environment.

    Parameters
    ----------
    recorded : Recorded
        All configurations.
    scores : mapping
        Scores by environment.
    """
    places: dict[str, int] = {}
    for trial in recorded.trials.values():
        places[trial["place"]] = places.get(trial["place"], 0) + 1
    out = []
    for place, size in places.items():
        mix = text_of(json.loads(place)[MIX])
        if place not in scores:
            out.append({"mix": mix, "configurations": size, "front": 1} | dict.fromkeys((*SAMPLERS, "gain", "better"), "-"))
            continue
        found = scores[place]
        said = {name: f"{statistics.median(found[name]):.3f} [{min(found[name]):.3f}, {max(found[name]):.3f}]" for name in SAMPLERS}
        gain = statistics.median(found[DEFAULT]) - statistics.median(found[RANDOM])
        better = superiority(found[DEFAULT], found[RANDOM])
        front = recorded.scored[place].front
        out.append({"mix": mix, "configurations": size, "front": front, **said, "gain": round(gain, 4), "better": f"{better:.0%}"})
    return out


def measured(recorded: Recorded, seeds: int, budget: int) -> dict[str, Scores]:
    """Scores of every sampler in every environment."""
    tasks = [(name, budget, seed) for name in SAMPLERS for seed in range(1, seeds + 1)]
    with ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn"), hold, (recorded,)) as pool:
        found = list(pool.map(search, tasks))
    scores: dict[str, dict[str, list[float]]] = {}
    for (name, _, _), by_place in zip(tasks, found, strict=True):
        for place, score in by_place.items():
            scores.setdefault(place, {}).setdefault(name, []).append(score)
    return {place: dict(by_name) for place, by_name in scores.items()}


def section(made: Sequence[Row], budget: int, seeds: int, size: int) -> str:
    """Section of docs/sweeps.md."""
    packages = machine.packages()
    head = (
        f"Made on {time.strftime('%Y-%m-%d', time.gmtime())} by `python -m benchmarks.gaining --store`: optuna "
        f"{packages['optuna']}, numba {packages['numba']}. {size:,} configurations in {len(made)} environments, of which each search "
        f"evaluates {budget:,} in all, {budget // len(made)} an environment; {seeds} seeds. Share of the environment's own hypervolume: "
        "median [least, most]. Gain: median of the default sampler less that of random search. Better: share of all pairs of seeds in "
        "which the default sampler finds more. A front of one point has no volume to search for."
    )
    return f"{BEGIN}\n{head}\n\n{markdown(made)}\n{END}"


def store(text: str) -> None:
    """Renew the section."""
    before = PAGE.read_text(encoding="utf-8")
    write(PAGE, before[: before.index(BEGIN)] + text + before[before.index(END) + len(END) :])


def main(argv: Sequence[str] | None = None) -> int:
    """Print the gains."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gaining", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--results", type=Path, help="keep the cache there (default: a temporary folder)")
    parser.add_argument("--store", action="store_true", help="renew the section of docs/sweeps.md")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="swapdse-gaining-") as scratch:
        recorded = exhausted(args.results or Path(scratch))
    budget = int(recorded.space.size * SHARE)
    made = rows(recorded, measured(recorded, args.seeds, budget))
    if args.store:
        store(section(made, budget, args.seeds, recorded.space.size))
    output.emit(made, args.format)
    worse = [row["mix"] for row in made if row["gain"] != "-" and row["gain"] < 0.0]
    if worse:
        output.note(f"the default sampler finds less than random search with {'; '.join(worse)}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
