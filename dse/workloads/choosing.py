"""Scenario of a command: a named one, on another trace, with some keys changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dse import scenario
from dse.common import output, reading
from dse.errors import BadInput
from dse.scenario import setting
from dse.workloads import trace as traces

DEFAULT = "writeback"
PLACE = "workload.trace"
FEW = 128
"""Pages of memory below which a limit looks like a share, or a percentage, that was meant."""


def _loaded(name: str | Path) -> scenario.Scenario:
    """Load a scenario; a file that is a space of designs is told apart."""
    try:
        return scenario.load(name)
    except BadInput:
        if _is_space(name):
            raise BadInput(f"{name}: this is a space, not a scenario: dse sweep {name}") from None
        raise


def _is_space(name: str | Path) -> bool:
    """Return True for a TOML file with axes, or with a scenario as one of its tables."""
    if Path(name).suffix != ".toml":
        return False
    try:
        document = reading.toml(reading.file(name).read_text(encoding="utf-8"), str(name))
    except (BadInput, OSError, UnicodeDecodeError):
        return False
    return bool(document.keys() & {"axes", "scenario"})


def few_pages(limit: float) -> str:
    """Say that a memory limit is a number of pages where a share was probably meant; an empty string where that is not probable.

    Examples
    --------
    >>> few_pages(2.0), few_pages(0.5), few_pages(4096.0)
    ('memory.limit=2 is a memory of 2 pages: at most 1 it is a share of the pages of the workload', '', '')
    """
    if not 1.0 < limit < FEW:
        return ""
    return f"memory.limit={limit:g} is a memory of {int(limit):,} pages: at most 1 it is a share of the pages of the workload"


def told(chosen: scenario.Scenario) -> scenario.Scenario:
    """Return the scenario; tell first what in it was probably not meant."""
    if few := few_pages(chosen.memory.limit):
        output.note(few)
    return chosen


def choose(
    name: str | Path | scenario.Scenario | None = None,
    trace: str | None = None,
    settings: Sequence[str] = (),
    ways: setting.Ways | None = None,
) -> scenario.Scenario:
    """Choose a scenario.

    Parameters
    ----------
    name : str, Path or Scenario, optional
        Built-in name or TOML file, default :data:`DEFAULT`.
    trace : str, optional
        Trace file or shipped trace that the scenario runs on instead of its own workload: once from its beginning to its end, one copy,
        unfiltered, unless `settings` say otherwise.
    settings : sequence of str
        ``section.key=value`` of any scenario key.
    ways : callable, optional
        See :func:`dse.scenario.setting.changed`.

    Raises
    ------
    BadInput
        No such scenario or trace, or a setting that does not fit.
    """
    chosen = name if isinstance(name, scenario.Scenario) else _loaded(DEFAULT if name is None else name)
    given = setting.read(settings)
    if trace is None:
        return scenario.changed(chosen, given, ways=ways)
    if PLACE in given or "workload.generator" in given:
        raise BadInput("--trace gives the workload: leave workload.trace and workload.generator out")
    if str(trace).endswith(".toml"):
        raise BadInput(f"{trace} is a scenario, not a trace: dse compare {trace}")
    accesses = len(traces.load(trace).accesses)
    if not accesses:
        raise BadInput(f"{trace}: the trace is empty")
    own = {
        PLACE: trace, "workload.copies": 1, "workload.pages_at_least": 0, "workload.filter_pages": 0, "workload.accesses": accesses,
    }  # fmt: skip
    placed = scenario.changed(chosen.bare_workload(), {key: value for key, value in own.items() if key not in given}, named=False)
    return scenario.changed(placed.renamed(f"{chosen.name} on {Path(trace).stem}"), given, ways=ways)
