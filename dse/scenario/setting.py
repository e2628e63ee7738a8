"""Changes of a scenario from the command line: ``--set section.key=value``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dse.errors import BadInput
from dse.scenario.parsing import Scenario, idle, override, refuse_empty_mix

EITHER = {
    "workload.trace": "workload.generator", "workload.generator": "workload.trace",
    "backend.mix": "backend.placement", "backend.placement": "backend.mix",
}  # fmt: skip
"""Keys of which a scenario has one: to set one takes the other away."""
Ways = Callable[[Scenario], Iterable[Scenario]]
"""Function from a scenario to those in which its keys may act: the ones that the axes of a space make of it."""
LABEL = "moves.rate"
"""The key that the label of every variant holds already."""


def read(texts: Sequence[str]) -> dict[str, Any]:
    """Read settings of the form ``section.key=value``.

    Raises
    ------
    BadInput
        Another form, or a key twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, value = override(text)
        if name in found:
            raise BadInput(f"{name} is set twice")
        found[name] = value
    return found


def changed(chosen: Scenario, settings: Mapping[str, Any], *, named: bool = True, ways: Ways | None = None) -> Scenario:
    """Change keys of a scenario.

    Parameters
    ----------
    chosen : Scenario
        The scenario.
    settings : mapping
        Values by ``section.key``.
    named : bool
        Add the settings to the name, which rows and tables show.
    ways : callable, optional
        Scenarios that are made of the changed one: a key has to act in one of them. Default: in the changed one.

    Returns
    -------
    Scenario
        Another one, checked.

    Raises
    ------
    BadInput
        An unknown key, a value out of its range, or a key that cannot act in this scenario.

    Examples
    --------
    >>> from dse.scenario import load
    >>> changed(load("writeback"), {"memory.limit": 0.3}).label
    'writeback, memory.limit=0.3, moves.rate=0.2'
    """
    if not settings:
        return chosen
    refuse_empty_mix({"backend": {"mix": settings.get("backend.mix")}}, lambda _: f"scenario {chosen.name}: ")
    away: dict[str, Any] = {EITHER[name]: {} if EITHER[name] == "backend.mix" else None for name in settings if name in EITHER}
    found = chosen.but(**{name: value for name, value in away.items() if name not in settings}, **settings)
    for name, why in idle([found] if ways is None else ways(found), settings).items():
        raise BadInput(f"{name} has no effect in scenario {chosen.name}: it is {why}")
    if not named:
        return found
    said = [f"{name}={_shown(value)}" for name, value in settings.items() if name not in (LABEL, "workload.trace")]
    return found.renamed(", ".join([chosen.name, *said]))


def _shown(value: Any) -> str:
    """Write a value as it is set."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
