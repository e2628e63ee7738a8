"""Timed confirmation: designs of the front against the baseline, in the interleaved pairs of ``dse compare``, on this host.

What is measured here is stored beside the study and steers nothing: it comes after the last trial. Figures say which host measured them,
and are comparable within a host only.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dse import naming, output, scenario, storing
from dse.sweeps.analysing import Trial
from dse.sweeps.space import Space

PROBES = ("off", "count", "timed")
Row = dict[str, Any]


def candidates(front: Iterable[Trial], winner: str, baseline: str, count: int) -> list[Trial]:
    """The trial of each design that is timed: the designs that are cheapest by `winner`, the baseline and equal ones left out.

    Parameters
    ----------
    front : iterable of Trial
        The Pareto front.
    winner : str
        Objective that ranks them; a trial without it comes last.
    baseline : str
        Left out: it is what the others are timed against.
    count : int
        Most designs.

    Returns
    -------
    list of Trial
        One for each design, where it does best.
    """

    def rank(trial: Trial) -> tuple[bool, float, int]:
        figure = trial.values.get(winner)
        return figure is None, figure or 0.0, trial.number

    best: dict[str, Trial] = {}
    for trial in sorted(front, key=rank):
        if trial.configuration.design != baseline:
            best.setdefault(trial.configuration.design, trial)
    return list(best.values())[:count]


def _row(trial: Trial, baseline: str, **figures: Any) -> Row:
    """One row of the table of confirmations."""
    return {
        "design": trial.configuration.design, "baseline": baseline, "environment": trial.configuration.environment, "kind": "measured",
        "unit": "x", "host": platform.node(), **figures,
    }  # fmt: skip


def _timed(trials: Sequence[Trial], baseline: naming.Named, results: str | Path, command: str) -> list[Row]:
    """Time the designs of one environment together; the run is stored like one of ``dse compare``."""
    from dse.comparing import run_scenario
    from dse.workloads import stream as streams

    case = scenario.from_values("sweep", json.loads(trials[0].configuration.scenario_json))
    designs = [baseline, *(naming.parse(trial.configuration.design) for trial in trials)]
    found = run_scenario(streams.build(case), designs, timed=True)
    provenance = found["provenance"] | {"command": command}
    run = storing.write_run(results, found["rows"], found["ledger"], provenance)
    rows = []
    for trial in trials:
        ratios = [
            r for r in found["rows"] if r["metric"] == "ratio" and r["design"] == trial.configuration.design and r["age"] == "aged"
        ]
        rows += [
            _row(trial, baseline.text, op=r["op"], run=run, **{name: r[name] for name in ("value", "lo", "hi", "n", "status")})
            for r in ratios
        ]
        if not ratios:
            rows.append(_row(trial, baseline.text, op="any", run=run, status="inconclusive: no operation was frequent enough to be timed"))
    return rows


def confirmed(space: Space, front: Sequence[Trial], count: int, results: str | Path, command: str) -> list[Row]:
    """Time designs of the front against the baseline in interleaved pairs.

    Parameters
    ----------
    space : Space
        Says the baseline, and by what the front's designs are ranked.
    front : sequence of Trial
        The Pareto front.
    count : int
        Most designs that are timed.
    results : path
        Folder that the runs are stored in.
    command : str
        What their provenance says was called.

    Returns
    -------
    list of dict
        Rows of the table ``confirmed``: a ratio to the baseline's time with its interval for each operation, the finding, the host, and
        the run that has everything else. A configuration that cannot be timed has a row that says why.
    """
    from dse.measuring import warming

    baseline = naming.parse(space.baseline)
    chosen = candidates(front, space.winner, baseline.text, count)
    rows = [
        _row(t, baseline.text, op="any", status="not timed: dse compare has no axis config.cluster_shift")
        for t in chosen if t.configuration.config
    ]  # fmt: skip
    places: dict[str, list[Trial]] = {}
    for trial in chosen:
        if not trial.configuration.config:
            places.setdefault(trial.configuration.scenario_json, []).append(trial)
    warming.warm([(text, kind) for kind in PROBES for text in dict.fromkeys(
        [baseline.text, *(t.configuration.design for trials in places.values() for t in trials)])])  # fmt: skip
    with output.Progress("timed confirmation", len(places)) as progress:
        for trials in places.values():
            rows += _timed(trials, baseline, results, command)
            progress.step()
    return rows
