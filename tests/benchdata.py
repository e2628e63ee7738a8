"""Result files and figures in asv's form, written by hand, so that the gate can be tested without running asv."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dse.benching import judging
from dse.benching.results import Case, Figure, Suite, suite_of

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ["result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b", "stats_q_25", "stats_q_75",
           "stats_number", "stats_repeat", "samples", "profile"]  # fmt: skip
LINES, TIME, PEAK = "counted.Operations.track_lines", "xarray.Load.time_load", "designs.Footprint.peakmem_fill"
HEAD, BASE = "a" * 40, "b" * 40
DIRECT: Case = (LINES, ("'direct'",))


def write(folder: Path, machine: str, commit: str, rows: dict[str, tuple[Any, ...]], version: int = 2) -> Path:
    """Write a result file as asv writes it; a row is (result, params[, samples])."""
    results = {}
    for name, (result, params, *samples) in rows.items():
        cells = [result, params, "v1", 0, 0.1]
        results[name] = cells + [None] * 6 + [samples[0]] if samples else cells
    path = folder / machine / f"{commit[:8]}-virtualenv-py3.11.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"commit_hash": commit, "result_columns": COLUMNS, "results": results, "version": version}))
    return path


def listed(*entries: tuple[str, list[list[str]]]) -> Suite:
    return suite_of([{"name": name, "params": params, "version": "v1", "unit": "lines"} for name, params in entries])


def figures(value: float | None, *, name: str = LINES, params: tuple[str, ...] = ("'direct'",), samples: Any = ()) -> dict[Case, Figure]:
    return {(name, params): Figure(value, tuple(samples), "v1")}


ONE = listed((LINES, [["'direct'"]]))


def only(base: dict[Case, Figure], head: dict[Case, Figure], suite: Suite = ONE, before: Suite = ONE) -> judging.Finding:
    (found,) = judging.compare(base, head, suite, before)
    return found
