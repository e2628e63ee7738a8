"""``dse.compare``: the designs of the mail on one stream of demands, figures as rows, stored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dse import naming, scenario, storing
from dse.common import hints, machine, output, reading
from dse.errors import BadInput
from dse.measuring import cold, pacing, recalling, warming
from dse.measuring.provenance import code_digest, not_modelled, origin
from dse.modelling import tables
from dse.modelling.tables import SHIPPED, Table
from dse.scenario import setting
from dse.workloads import choosing

PROBES = ("off", "count")
"""Probes of the counted half."""
OF_OPTIONS = {"replay.seed": "seed", "replay.state": "state"}
"""Keys of a scenario that an option gives, too."""
TIMED = ("replay.state", "replay.footprint_kib")
"""Keys of a scenario that change times alone."""


def _check_numbers(budget: float, width: float) -> None:
    """Refuse a budget or width that is no positive number."""
    for name, value in (("budget", budget), ("width", width)):
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name} {value} is not above 0; the default is {pacing.BUDGET_S if name == 'budget' else pacing.WIDTH:g}")


def _check_settings(settings: Sequence[str], given: Mapping[str, Any], counted_only: bool) -> None:
    """Refuse settings that an option gives as well, and those of times where nothing is timed; `given` are the options."""
    for name in setting.read(settings):
        if given.get(OF_OPTIONS.get(name, "")) is not None:
            raise BadInput(f"{name} is set twice: by --{OF_OPTIONS[name]} and by --set")
        if counted_only and name in TIMED:
            raise BadInput(f"{name} has no effect: with counted figures only nothing is timed")
        if name == TIMED[1] and given.get("state") not in (None, "footprint"):
            raise BadInput(f"{name} has no effect: it is of the state footprint, and --state is {given['state']}")


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


@dataclass(frozen=True)
class Counted:
    """The counted half of a variant: all that is exact. Times can be taken from it later.

    Attributes
    ----------
    stream : Stream
    designs : tuple of Named
        The first one is the baseline.
    outcome : Outcome
        Its live states are let go.
    rows, ledger : list
        Counted figures, and rows of the store.
    verified : int
        Demands replayed with content tokens, per design.
    table : Table
        Latencies of modelled figures.
    """

    stream: Any
    designs: tuple[naming.Named, ...]
    outcome: Any
    rows: list[storing.Figure]
    ledger: list[storing.Structure]
    verified: int
    table: Table = SHIPPED

    def whole(self, *, budget: pacing.Budget | None, width: float = pacing.WIDTH, state: str | None = None) -> dict[str, Any]:
        """Take the times, and put all together.

        Parameters
        ----------
        budget : Budget or None
            Time for measuring; None: nothing is timed.
        width : float
            Width over the ratio that is asked of the intervals of headline ratios.
        state : str, optional
            The only state of the caches.

        Returns
        -------
        dict
            ``rows``, ``ledger`` (rows of the store), ``provenance``.
        """
        outcome, chosen, made = self.outcome, self.stream.scenario, list(self.rows)
        noise: Any = None
        about: dict[str, Any] = {}
        states = states_of(chosen, state)
        if budget is not None:
            taken, noise, about = _timed(outcome, self.designs, states, budget, width, self.table)
            made += taken
        provenance = {
            **origin(), "scenario": chosen.name, "scenario_digest": chosen.digest, "scenario_json": chosen.canonical,
            "trace": self.stream.trace_name, "trace_digest": self.stream.trace_digest,
            "designs": ",".join(named.text for named in self.designs), "seed": chosen.replay.seed, "loop": chosen.memory.loop,
            "page_cluster": chosen.readahead.page_cluster, "not_modelled": not_modelled(chosen),
            "counters_hash": storing.counters_hash(made),
            "aa_ratio": noise and noise.ratio, "aa_lo": noise and noise.lo, "aa_hi": noise and noise.hi,
            "label": chosen.label, "stream_digest": self.stream.digest, "stream": dict(self.stream.counters),
            "demands": outcome.demands, "verified_demands": self.verified, "timed": budget is not None, "state": chosen.replay.state,
            "states": list(states), "footprint_kib": chosen.replay.footprint_kib, "turnover": outcome.turnover,
            "warm_turnover": chosen.replay.warm_turnover, "windows": {w.age: [w.first, w.last] for w in outcome.windows},
            "measuring": about, "parameters": self.table.about(),
        }  # fmt: skip
        return {"rows": made, "ledger": self.ledger, "provenance": provenance}


def count(stream: Any, designs: Sequence[naming.Named], *, timed: bool, table: Table = SHIPPED) -> Counted:
    """Run the counted half of one variant.

    Parameters
    ----------
    stream : Stream
        The demands.
    designs : sequence of Named
        The first one is the baseline.
    timed : bool
        Times are to be taken afterwards: the memory for that must be there, and the rows hold modelled times as well.
    table : Table
        Latencies of modelled figures.

    Returns
    -------
    Counted
    """
    from dse.measuring import closing, rows, run

    verified = run.verify(stream.scenario, designs)
    outcome = closing.execute(stream, designs) if stream.scenario.closed else run.execute(stream, designs, timed=timed)
    made, ledger = rows.make(outcome, table if timed else None), rows.ledger(outcome)
    outcome.release()
    return Counted(stream, tuple(designs), outcome, made, ledger, verified, table)


def run_scenario(
    stream: Any, designs: Sequence[naming.Named], *, budget: pacing.Budget | None, width: float = pacing.WIDTH, state: str | None = None
) -> dict[str, Any]:
    """Run one variant on the demands of `stream`: :func:`count`, then :meth:`Counted.whole`."""
    return count(stream, designs, timed=budget is not None).whole(budget=budget, width=width, state=state)


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
    counted: Callable[[dict[str, Any]], None] | None = None,
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
        (none of the design's data is in a cache). Default: footprint and cold, and a finding needs both; where
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
    counted : callable, optional
        Called with what is counted in the variant that the first screen is about (the one without moves, where there are two), in the
        form of the result, as soon as it is there: before anything is compiled for times or timed. Not called with `counted_only`.

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
    if counted is not None and not callable(counted):
        raise BadInput("counted is a function that is given the counted half; counted_only=True leaves times out")
    _check_numbers(budget, width)
    if counted_only and parameters is not None:
        raise BadInput(f"{parameters} has no effect with counted figures only: nothing is modelled")
    _check_settings(settings, {"seed": seed, "state": state}, counted_only)
    table = SHIPPED if parameters is None else tables.read(parameters)
    chosen = naming.parse_many(designs) if designs is not None else naming.default_designs()
    cases = variants(choosing.told(choosing.choose(scenario_name, trace, settings)), seed, state)
    if results is not None:
        storing.check_writable(results)
    began = time.monotonic()
    streams = [checked_stream(case, chosen, counted_only, len(cases) - 1) for case in cases]
    kept = recalling.Kept(results, [n.text for n in chosen], state, None if counted_only else table)
    known = [kept.get(stream) for stream in streams]
    first = known[-1]
    if first is not None:
        output.note(f"counted before, by the same code on the same demands: {results}/cache")
    if counted is not None and not counted_only and first is not None:
        counted(_joined([first], chosen, command, 0, began))
    compiled = 0 if counted_only and all(known) else warming.warm([(n.text, kind) for kind in PROBES for n in chosen])
    parts: list[dict[str, Any]] = []
    halves: list[Counted] = []
    for stream, before in zip(reversed(streams), reversed(known), strict=True):
        if counted_only and before is not None:
            parts.insert(0, before)
            continue
        half = count(stream, chosen, timed=not counted_only, table=table)
        found = half.whole(budget=None, state=state)
        kept.put(stream, found)
        if counted is not None and not counted_only and first is None and not halves:
            counted(_joined([found], chosen, command, compiled, began))
        parts.insert(0, found)
        halves.insert(0, half)
    if not counted_only:
        states = {one for case in cases for one in states_of(case, state)}
        compiled += warming.warm([(n.text, kind) for kind in cold.probes(sorted(states)) for n in chosen])
        parts = list(_times(halves, pacing.Budget(float(budget)), width, state))
    _name(parts, command)
    for found in parts:
        if results is not None:
            found["provenance"]["run"] = storing.write_run(results, found["rows"], found["ledger"], found["provenance"])
    return _joined(parts, chosen, command, compiled, began)


def _name(parts: Sequence[dict[str, Any]], command: str) -> None:
    """Note in each part the command, and the hashes of all parts where there are several."""
    together = [part["provenance"]["counters_hash"] for part in parts]
    for part in parts:
        part["provenance"] |= {"command": command} | ({"together": together} if len(parts) > 1 else {})


def _times(halves: Sequence[Counted], whole: pacing.Budget, width: float, state: str | None) -> Iterator[dict[str, Any]]:
    """Take the times of counted halves, each within its share of the budget."""
    for left, half in zip(range(len(halves), 0, -1), halves, strict=True):
        part = whole.share(left)
        yield half.whole(budget=part, width=width, state=state)
        whole.used += part.spent


def _joined(parts: Sequence[dict[str, Any]], designs: Sequence[naming.Named], command: str, compiled: int, began: float) -> dict[str, Any]:
    """Put the variants together: rows that name their scenario, and a provenance over all."""
    runs = [part["provenance"] for part in parts]
    hashes = [run["counters_hash"] for run in runs]
    joint = hashes[0] if len(hashes) == 1 else storing.combined_hash(hashes)
    provenance = {
        "command": command, "counters_hash": joint, "designs": [n.text for n in designs], "compiled": compiled,
        "seconds": round(time.monotonic() - began, 1), "runs": runs,
    }  # fmt: skip
    return {"rows": [{**row, "scenario": part["provenance"]["label"]} for part in parts for row in part["rows"]], "provenance": provenance}


def checked_stream(case: scenario.Scenario, designs: Sequence[naming.Named], counted_only: bool, others: int = 0) -> Any:
    """Demands of a variant. Too many for the memory, beside those of `others`, are refused before anything is compiled."""
    if case.closed and not counted_only:
        raise BadInput(f"scenario {case.name}: demands differ in a closed loop, so that times do not compare: --counted-only")
    from dse.measuring import run
    from dse.workloads import stream as streams

    stream = streams.build(case)
    sides = len(designs) + (not counted_only)
    needed = run.memory_needed(stream, sides) + others * run.KEEP * 16
    machine.require_memory(needed, f"comparing {len(designs)} designs on {stream.trace_name}")
    return stream


def _refuse_study(name: str, results: str | Path) -> None:
    """Refuse the name of a study, which no run has, and say how a study is run again."""
    from dse.storing import studies

    runs = storing.run_names(results)
    if any(name in run for run in runs) or (name == "last" and runs):
        return
    try:
        study = studies.find(results, name)
    except BadInput:
        return
    bundled = hints.command("dse", "report", study, "--bundle", results=results)
    bundle = Path(results) / "reports" / f"{study}.bundle.zip"
    raise BadInput(f"{study} is a study, not a run: {bundled}, then dse rerun {bundle}")


def _together(given: Mapping[str, Any]) -> list[str]:
    """Hashes of the counters of all runs of an answer, of which this is one; none where it is the only one."""
    try:
        found = reading.parsed_json(given.get("extra") or "{}").get("together", [])
    except (ValueError, AttributeError):
        return []
    return [str(one) for one in found] if isinstance(found, list) else []


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
        ``run``, ``equal``, ``stored`` and ``again`` (hashes of the counters), ``same_code``; of a run that answered together with others
        ``answer`` (the hash over all of them, the stored ones and this one again).

    Raises
    ------
    BadInput
        No such run, or one that is not a comparison.
    """
    _refuse_study(name, results)
    stored = storing.load_run(results, name)
    given = stored.provenance
    try:
        values = reading.parsed_json(given["scenario_json"])
        designs = naming.parse_many(given["designs"])
    except (TypeError, ValueError, KeyError):
        raise BadInput(f"run {stored.name} does not say what scenario it came from") from None
    case = scenario.from_values(given["scenario"] or "scenario", values)
    warming.warm([(n.text, kind) for kind in PROBES for n in designs])
    stream = checked_stream(case, designs, True)
    if given.get("trace_digest") not in (None, stream.trace_digest):
        raise BadInput(f"{stream.trace_name} is not the trace of run {stored.name}, which has digest {str(given['trace_digest'])[:16]}")
    found = run_scenario(stream, designs, budget=None)
    again = storing.counters_hash(found["rows"])
    kept = storing.counters_hash(stored.ops)
    together = _together(given)
    whole = {"answer": storing.combined_hash(again if one == kept else one for one in together)} if kept in together else {}
    return {
        **whole, "run": stored.name, "equal": again == kept, "stored": kept, "again": again,
        "same_code": given.get("code_digest") == code_digest(), "scenario": case.label, "designs": [n.text for n in designs],
    }  # fmt: skip
