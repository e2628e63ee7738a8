"""Changes of a scenario from the command line: ``--set section.key=value``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dse.common import reading
from dse.errors import BadInput
from dse.scenario.keys import keys
from dse.scenario.parsing import Scenario, idle, refuse_empty_mix

EITHER = {
    "workload.trace": "workload.generator", "workload.generator": "workload.trace",
    "backend.mix": "backend.placement", "backend.placement": "backend.mix",
}  # fmt: skip
"""Keys of which a scenario has one: to set one takes the other away."""
Ways = Callable[[Scenario], Iterable[Scenario]]
"""Function from a scenario to those in which its keys may act: the ones that the axes of a space make of it."""
LABEL = "moves.rate"
"""The key that the label of every variant holds already."""


def override(text: str) -> tuple[str, Any]:
    """Read ``section.key=value`` of the command line, the value as TOML (a bare word is a string)."""
    left, sign, right = text.partition("=")
    if not sign or "." not in left:
        raise BadInput(f"{text!r} is not of the form section.key=value")
    name, source = left.strip(), f"v = {right}"
    if not reading.is_toml(source):
        if spelled := _spelled(name, right):
            raise BadInput(f"{name} takes a {_kind(name)}, got {reading.short(right)}: --set {shlex.quote(f'{name}={spelled}')}")
        return name, right.strip()
    found = reading.toml(source, name)
    if len(found) > 1 or not reading.is_toml(f"v = [{right}]"):  # a comment takes the bracket away
        raise BadInput(f"{name} takes one value, got {reading.short(right)}")
    return name, found["v"]


def _kind(name: str) -> str:
    """Type of a key ``section.key``, empty where there is none of that name."""
    return next((info.kind for info in keys() if info.full == name), "")


def _spelled(name: str, text: str) -> str:
    """Spell a value that names a table's or a list's items without its brackets, as TOML; empty where it is neither.

    Examples
    --------
    >>> _spelled("backend.mix", "zswap=0.5,ssd=0.5"), _spelled("moves.tiers", "zswap,ssd"), _spelled("workload.trace", "a,b")
    ('{zswap=0.5,ssd=0.5}', '["zswap","ssd"]', '')
    """
    kind = _kind(name)
    items = [item.strip().strip("'\"") for item in text.strip().strip("[]{}()").split(",")]
    made = "{" + ",".join(items) + "}" if kind == "table" else json.dumps(items, separators=(",", ":"), ensure_ascii=False)
    return made if kind in ("table", "list") and reading.is_toml(f"v = {made}") else ""


def written(value: Any) -> Any:
    """Text of the items of a table or a list; another value as it is.

    Examples
    --------
    >>> written({"zswap": 0.7, "ssd": 0.3}), written(0.5)
    ('zswap=0.7,ssd=0.3', 0.5)
    """
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_shown(item)}" for name, item in value.items())
    return ",".join(map(_shown, value)) if isinstance(value, list) else value


def unwritten(name: str, value: Any) -> Any:
    """Value of the key `name` of which :func:`written` made `value`.

    Examples
    --------
    >>> unwritten("backend.mix", "zswap=0.7,ssd=0.3"), unwritten("memory.limit", 0.5)
    ({'zswap': 0.7, 'ssd': 0.3}, 0.5)
    """
    spelled = _spelled(name, value) if isinstance(value, str) else ""
    return reading.toml(f"v = {spelled}", name)["v"] if spelled else value


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
