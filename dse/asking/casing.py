"""The scenarios of a study."""

from __future__ import annotations

from typing import Any

from dse import scenario
from dse.asking.studies import Study
from dse.scenario import parsing, setting


def chosen(study: Study) -> scenario.Scenario:
    """Scenario of a study, before a value of the axis is set."""
    given = study.scenario
    found = scenario.from_values("study", given) if isinstance(given, dict) else scenario.load(str(given))
    return found.but(**study.set) if study.set else found


def cases(study: Study) -> list[tuple[Any, scenario.Scenario]]:
    """Scenarios of a study by value of the axis."""
    found = chosen(study)
    return [(at, _at(found, study.axis, at) if study.axis else found) for at in study.values or (None,)]


def _at(chosen: scenario.Scenario, axis: str, at: Any) -> scenario.Scenario:
    """Scenario at a value of the axis. A mix of nothing would be that of another key."""
    value = setting.unwritten(axis, at)
    parsing.refuse_empty_mix({"backend": {"mix": value if axis == "backend.mix" else None}}, lambda _: "")
    return chosen.but(**{axis: value})
