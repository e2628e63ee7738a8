"""Timed confirmation: the first of an environment against the baseline, in interleaved pairs on this host. It steers no search.

Environments come first whose winner is least certain. What was timed there decides the winner (:mod:`dse.sweeps.winning`).
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse import naming, scenario
from dse.sweeps.analysing import Trial, by_place
from dse.sweeps.space import Space
from dse.sweeps.winning import Span, winners

TOGETHER = 3
"""Most candidates that are timed next to one baseline: all of them hold live state."""
OP, TAX = "lifetime", "tax_ns"
"""Operation and metric of what a swapped lifetime takes longer than the baseline's."""
Row = dict[str, Any]


def candidates(space: Space, trials: Sequence[Trial], most: int) -> dict[str, list[Trial]]:
    """At most `most` trials by scenario: winner and runner-up of an environment, undecided environments first, then by their gap.

    The baseline is timed beside them and is no candidate.
    """
    places = by_place([t for t in trials if not t.configuration.config], space.winner)
    rows = winners([t for here in places.values() for t in here], space.winner)
    rows = sorted(rows, key=lambda row: (row["certain"] is not False, row["margin"] is None, row["margin"] or 0.0))
    baseline = naming.parse(space.baseline).text
    chosen: list[Trial] = []
    for row in rows:
        here = places[json.dumps(row["environment"], sort_keys=True)]
        wanted = [name for name in (row["design"], row["runner_up"]) if name not in (None, baseline)]
        chosen += [next(t for t in here if t.configuration.design == name) for name in wanted]
    groups: dict[str, list[Trial]] = {}
    for trial in chosen[:most]:
        groups.setdefault(trial.configuration.scenario_json, []).append(trial)
    return groups


def measured(rows: Sequence[Row]) -> dict[str, dict[str, Span]]:
    """Time that lifetimes were measured to take longer than the baseline's, by environment and design; the baseline takes 0 longer.

    The interval of a difference that is no more than the noise, or inconclusive, is widened until it holds 0.
    """
    found: dict[str, dict[str, Span]] = {}
    for row in rows:
        if (row["op"], row["unit"]) == (OP, "ns") and None not in (row["value"], row["lo"], row["hi"]):
            here = found.setdefault(json.dumps(row["environment"], sort_keys=True), {row["baseline"]: Span(0.0, 0.0, 0.0)})
            open_ = row["status"] != "ok"
            low, high = (min(row["lo"], 0.0), max(row["hi"], 0.0)) if open_ else (row["lo"], row["hi"])
            here[row["design"]] = Span(row["value"], low, high)
    return found


def confirmed(
    space: Space, made: Sequence[Trial], most: int, results: str | Path, command: str, parameters: str | Path | None = None
) -> list[Row]:
    """Time candidates against the baseline in their environments.

    Parameters
    ----------
    space : Space
    made : sequence of Trial
        Trials to choose candidates from.
    most : int
        Number of candidates at most.
    results : path
        Folder of the stored runs, each with the host that measured it.
    command : str
        Command for their provenance.
    parameters : path, optional
        Table of latencies for the modelled figures of those runs.

    Returns
    -------
    list of dict
        Rows of the study's table ``confirmed``: ratio to the baseline (measured, 95 % interval) by operation, or a reason, and
        what a lifetime takes longer. They are those of the first state of the caches; a finding is that of all.
    """
    from dse.measuring.comparing import compare

    rows: list[Row] = []
    for scenario_json, trials in candidates(space, made, most).items():
        case = scenario.from_values(space.name, json.loads(scenario_json))
        for first in range(0, len(trials), TOGETHER):
            some = trials[first : first + TOGETHER]
            baseline = space.baseline_of(some[0].configuration).design
            found = compare(case, [baseline, *(t.configuration.design for t in some)], results=results, command=command,
                            parameters=parameters)  # fmt: skip
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
                if (row["age"], row["scenario"], row["state"], row["baseline"]) == ("aged", case.label, run["states"][0], baseline)
                and (row["metric"] == "ratio" or (row["op"], row["metric"]) == (OP, TAX))
            ]  # fmt: skip
    return rows
