"""``dse.compare``: the designs of the mail on one stream of demands, figures as rows, stored."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse import naming, scenario, storing
from dse.common import machine
from dse.errors import BadInput
from dse.measuring import pacing, warming
from dse.measuring.provenance import code_digest, origin
from dse.modelling import tables
from dse.modelling.tables import SHIPPED, Table
from dse.workloads import choosing

PROBES = ("off", "count", "timed")
NOT_MODELLED = "readahead (page_cluster=0), large folios, shmem and KSM, contention between CPUs, the TLB flush, queueing at the backend"
LOOP = "open"


def variants(chosen: scenario.Scenario, seed: int | None, state: str | None = None) -> list[scenario.Scenario]:
    """The scenario and, where it moves pages, the same one without moves."""
    if seed is not None:
        chosen = chosen.but(replay__seed=seed)
    if state is not None:
        chosen = chosen.but(replay__state=state)
    return [chosen, chosen.but(moves__rate=0.0)] if chosen.moves.rate else [chosen]


def states_of(chosen: scenario.Scenario, state: str | None = None) -> tuple[str, ...]:
    """States of the caches that times are taken in: the one that was asked for, else two that a real fault lies between."""
    from dse.measuring.timing import BOTH

    return (chosen.replay.state,) if state is not None or chosen.replay.state != BOTH[0] else BOTH


def run_scenario(
    stream: Any, designs: Sequence[naming.Named], *, budget: pacing.Budget | None, width: float = pacing.WIDTH, state: str | None = None,
    table: Table = SHIPPED,
) -> dict[str, Any]:  # fmt: skip
    """Run one variant on the demands of `stream`.

    Parameters
    ----------
    stream : Stream
        The demands.
    designs : sequence of Named
        The first one is the baseline.
    budget : Budget or None
        Time for measuring; None: nothing is timed.
    width : float
        Width over the ratio that is asked of the intervals of headline ratios.
    state : str, optional
        The only state of the caches.
    table : Table
        Latencies of modelled figures.

    Returns
    -------
    dict
        ``rows``, ``ledger`` (rows of the store), ``provenance``.
    """
    from dse.measuring import rows, run

    chosen = stream.scenario
    verified = run.verify(chosen, designs)
    outcome = run.execute(stream, designs, timed=budget is not None)
    made, ledger = rows.make(outcome, table if budget is not None else None), rows.ledger(outcome)
    outcome.release()
    noise: Any = None
    about: dict[str, Any] = {}
    states = states_of(chosen, state)
    if budget is not None:
        taken, noise, about = _timed(outcome, designs, states, budget, width, table)
        made += taken
    provenance = {
        **origin(), "scenario": chosen.name, "scenario_digest": chosen.digest, "scenario_json": chosen.canonical,
        "trace": stream.trace_name, "trace_digest": stream.trace_digest, "designs": ",".join(named.text for named in designs),
        "seed": chosen.replay.seed, "loop": LOOP, "page_cluster": 0, "not_modelled": NOT_MODELLED,
        "counters_hash": storing.counters_hash(made), "aa_ratio": noise and noise.ratio,
        "aa_lo": noise and noise.lo, "aa_hi": noise and noise.hi,
        "label": chosen.label, "stream_digest": stream.digest, "stream": dict(stream.counters), "demands": outcome.demands,
        "verified_demands": verified, "timed": budget is not None, "state": chosen.replay.state, "states": list(states),
        "footprint_kib": chosen.replay.footprint_kib, "turnover": outcome.turnover, "warm_turnover": chosen.replay.warm_turnover,
        "windows": {w.age: [w.first, w.last] for w in outcome.windows}, "measuring": about,
        "parameters": table.about(),
    }  # fmt: skip
    return {"rows": made, "ledger": ledger, "provenance": provenance}


def _timed(
    outcome: Any, designs: Sequence[naming.Named], states: Sequence[str], budget: pacing.Budget, width: float, table: Table
) -> tuple[list[storing.Figure], Any, dict[str, Any]]:
    """Rows of the times, the noise of the session, and the record of the measuring."""
    from dse.measuring import places, times, timing

    goals, rare = timing.goals_of([named.text for named in designs], states, places.spans(outcome)[1])
    pace = pacing.Pace(goals, budget, width)
    taken = timing.measure(outcome, designs, states, pace, outcome.stream.scenario.replay.seed)
    rows, noise = times.make(outcome, taken, table)
    return rows, noise, pacing.told(pace, rare)


def compare(
    scenario_name: str | scenario.Scenario = "writeback",
    designs: str | Sequence[str] | None = None,
    *,
    counted_only: bool = False,
    seed: int | None = None,
    state: str | None = None,
    budget: float = pacing.BUDGET_S,
    width: float = pacing.WIDTH,
    results: str | Path | None = None,
    trace: str | None = None,
    settings: Sequence[str] = (),
    parameters: str | Path | None = None,
    command: str = "dse.compare",
) -> dict[str, Any]:
    """Compare designs on a scenario, and on the same scenario without moves.

    Parameters
    ----------
    scenario_name : str or Scenario
        Built-in name or TOML file.
    designs : str or sequence of str, optional
        ``NAME[param=value,...]``, the first is the baseline; ``all``, or ``layers`` (every layer on every base, and the bases). Default:
        direct, swap_desc, swap_id, swap_id_off, swap_table_p4.
    counted_only : bool
        Exact figures only. They equal those of a timed run.
    seed : int, optional
        Instead of the scenario's.
    state : str, optional
        The only state of the caches: ``hot`` (nothing lies between two timed operations), ``footprint`` (some memory is read), ``cold``
        (all that the caches hold is replaced; few operations are timed). Default: footprint and cold, and a finding needs both; where
        the scenario names another state, that one.
    budget : float
        Seconds for measuring, over all variants and states. Compilation, the making of streams, the counted replay and the first
        building up of the timed states are apart. Less is used where all intervals are narrow earlier.
    width : float
        Width of the 95 % interval over the ratio, at which a headline ratio has been measured enough.
    results : path, optional
        Folder to store the runs in; nothing is stored without it.
    trace : str, optional
        Trace file or shipped trace that the scenario runs on instead of its own workload: once, one copy, unfiltered.
    settings : sequence of str
        ``section.key=value`` of any scenario key, such as ``memory.limit=0.3``.
    parameters : path, optional
        Table of latencies for modelled figures, such as `dse calibrate` writes, in place of rows of the shipped one.
    command : str
        The call that provenance records.

    Returns
    -------
    dict
        ``rows`` (design, op, metric, kind, unit, value, ..., scenario) and ``provenance``: command, counters_hash over all variants, and
        ``runs`` with the provenance of each variant and the name under which it is stored.

    Raises
    ------
    BadInput
        Unknown names, a budget or width that is no positive number, a folder that cannot be written, not enough memory.
    CheckFailed
        A page read content that is not its own.
    """
    for name, value in (("budget", budget), ("width", width)):
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name} {value} is not above 0; the default is {pacing.BUDGET_S if name == 'budget' else pacing.WIDTH:g}")
    if counted_only and parameters is not None:
        raise BadInput(f"{parameters} has no effect with counted figures only: nothing is modelled")
    table = SHIPPED if parameters is None else tables.read(parameters)
    chosen = naming.parse_many(designs) if designs is not None else naming.default_designs()
    cases = variants(choosing.choose(scenario_name, trace, settings), seed, state)
    if results is not None:
        storing.check_writable(results)
    began = time.monotonic()
    streams = [checked_stream(case, chosen, counted_only) for case in cases]
    compiled = warming.warm([(n.text, kind) for kind in PROBES if not (counted_only and kind == "timed") for n in chosen])
    rows: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    whole = pacing.Budget(float(budget))
    for left, (case, stream) in zip(range(len(cases), 0, -1), zip(cases, streams, strict=True), strict=True):
        part = None if counted_only else whole.share(left)
        found = run_scenario(stream, chosen, budget=part, width=width, state=state, table=table)
        whole.used += part.spent if part is not None else 0.0
        provenance = found["provenance"] | {"command": command}
        if results is not None:
            provenance["run"] = storing.write_run(results, found["rows"], found["ledger"], provenance)
        rows += [{**row, "scenario": case.label} for row in found["rows"]]
        runs.append(provenance)
    hashes = [run["counters_hash"] for run in runs]
    joint = hashes[0] if len(hashes) == 1 else storing.combined_hash(hashes)
    provenance = {
        "command": command, "counters_hash": joint, "designs": [n.text for n in chosen], "compiled": compiled,
        "seconds": round(time.monotonic() - began, 1), "runs": runs,
    }  # fmt: skip
    return {"rows": rows, "provenance": provenance}


def checked_stream(case: scenario.Scenario, designs: Sequence[naming.Named], counted_only: bool) -> Any:
    """Demands of a variant. Too many for the memory are refused before anything is compiled."""
    from dse.measuring import run
    from dse.workloads import stream as streams

    stream = streams.build(case)
    sides = len(designs) + (not counted_only)
    machine.require_memory(run.memory_needed(stream, sides), f"comparing {len(designs)} designs on {stream.trace_name}")
    return stream


def rerun(name: str, results: str | Path) -> dict[str, Any]:
    """Repeat the counted part of a stored run.

    Parameters
    ----------
    name : str
        The run, a part of its name, or ``last``.
    results : path
        Folder of stored runs.

    Returns
    -------
    dict
        ``run``, ``equal``, ``stored`` and ``again`` (hashes of the counters), ``same_code``.

    Raises
    ------
    BadInput
        No such run, or one that is not a comparison.
    """
    stored = storing.load_run(results, name)
    given = stored.provenance
    try:
        values = json.loads(given["scenario_json"])
        designs = naming.parse_many(given["designs"])
    except (TypeError, ValueError, KeyError):
        raise BadInput(f"run {stored.name} does not say what scenario it came from") from None
    case = scenario.from_values(given["scenario"] or "scenario", values)
    warming.warm([(n.text, kind) for kind in ("off", "count") for n in designs])
    found = run_scenario(checked_stream(case, designs, True), designs, budget=None)
    again = storing.counters_hash(found["rows"])
    kept = storing.counters_hash(stored.ops)
    return {
        "run": stored.name, "equal": again == kept, "stored": kept, "again": again,
        "same_code": given.get("code_digest") == code_digest(), "scenario": case.label, "designs": [n.text for n in designs],
    }  # fmt: skip
