"""Timed confirmation: designs of the front against the baseline, in interleaved pairs on this host. It steers nothing."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse import scenario
from dse.sweeps.analysing import Trial
from dse.sweeps.space import Space

TOGETHER = 3
"""Most candidates that are timed next to one baseline: all of them hold live state."""
Row = dict[str, Any]


def candidates(space: Space, front: Sequence[Trial], most: int) -> dict[str, list[Trial]]:
    """At most `most` trials of the front by scenario: each design once, where it is cheapest by the deciding objective."""
    best: dict[str, Trial] = {}
    for trial in front:
        design, figure = trial.configuration.design, trial.values.get(space.winner)
        if figure is None or design == space.baseline_of(trial.configuration).design or trial.configuration.config:
            continue
        if design not in best or figure < (best[design].values[space.winner] or 0.0):
            best[design] = trial
    chosen = sorted(best.values(), key=lambda t: (t.values[space.winner] or 0.0, t.number))[:most]
    groups: dict[str, list[Trial]] = {}
    for trial in chosen:
        groups.setdefault(trial.configuration.scenario_json, []).append(trial)
    return groups


def confirmed(space: Space, front: Sequence[Trial], most: int, results: str | Path, command: str) -> list[Row]:
    """Time candidates against the baseline in their environments.

    Parameters
    ----------
    space : Space
    front : sequence of Trial
        Trials to choose candidates from.
    most : int
        Number of candidates at most.
    results : path
        Folder of the stored runs, each with the host that measured it.
    command : str
        Command for their provenance.

    Returns
    -------
    list of dict
        Rows of the study's table ``confirmed``: ratio to the baseline (measured, 95 % interval) by operation, or a reason. The ratio is
        that of the first state of the caches; its finding is that of all.
    """
    from dse.measuring.comparing import compare

    rows: list[Row] = []
    for scenario_json, trials in candidates(space, front, most).items():
        case = scenario.from_values(space.name, json.loads(scenario_json))
        for first in range(0, len(trials), TOGETHER):
            some = trials[first : first + TOGETHER]
            baseline = space.baseline_of(some[0].configuration).design
            found = compare(case, [baseline, *(t.configuration.design for t in some)], results=results, command=command)
            run = next(r for r in found["provenance"]["runs"] if r["label"] == case.label)
            place = {t.configuration.design: t.configuration.environment for t in some}
            rows += [
                {
                    "design": row["design"], "baseline": baseline, "environment": place[row["design"]],
                    "op": row["op"], "kind": row["kind"],
                    "unit": row["unit"], "value": row["value"], "lo": row["lo"], "hi": row["hi"], "n": row["n"], "status": row["status"],
                    "host": platform.node(), "run": run["run"],
                }
                for row in found["rows"]
                if (row["metric"], row["age"], row["scenario"], row["state"]) == ("ratio", "aged", case.label, run["states"][0])
            ]  # fmt: skip
    return rows
