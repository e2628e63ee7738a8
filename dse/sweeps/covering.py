"""Coverage of a sweep: how much of its space was evaluated in each environment, and which environments have no result.

A design that was not tried in an environment may be the cheapest there. A winner is therefore certain only where the whole environment
was evaluated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from dse import naming
from dse.sweeps.analysing import Row, Trial, by_environment, by_place
from dse.sweeps.axes import Value
from dse.sweeps.feasible import least_violated
from dse.sweeps.space import INFEASIBLE, Space

Counts = Callable[[str], bool]


class Cover(NamedTuple):
    """Extent of what was evaluated in an environment.

    Attributes
    ----------
    tried, of : int
        Designs that were evaluated there, and designs of the space, both without parameters.
    whole : bool
        Every configuration of the space in that environment was evaluated.
    baseline : bool or None
        The baseline was evaluated there. None where it is no design of the space.
    """

    tried: int
    of: int
    whole: bool
    baseline: bool | None


def everything(_: str) -> bool:
    """Return True: every design counts."""
    return True


def _bare(design: str) -> str:
    return design.partition("[")[0]


def _size(space: Space, environment: Mapping[str, Value], counts: Counts) -> int:
    """Number of configurations of an environment that count; an upper bound of all of them where there are too many to make them."""
    here = space.inside(environment)
    return sum(counts(c.design) for c in here.every()) if space.countable else here.distinct


def covered(space: Space, made: Sequence[Trial]) -> int:
    """Number of configurations that were evaluated. Where a scenario does not go together, one stands for all of its environment."""
    if len(made) >= space.most:
        return len(made)
    alike = [here for here in by_environment(made).values() if here[0].configuration.scenario_json.startswith(INFEASIBLE)]
    more = sum(max(0, _size(space, here[0].configuration.environment, everything) - len(here)) for here in alike)
    return len(made) + more


def covers(space: Space, made: Sequence[Trial], counts: Counts = everything) -> dict[str, Cover]:
    """Extent of what was evaluated in each environment that was begun.

    Parameters
    ----------
    space : Space
    made : sequence of Trial
        Every trial, also those that failed: they were tried.
    counts : callable
        Return True for the designs that are looked at.

    Returns
    -------
    dict of str to Cover
        By environment (:attr:`dse.sweeps.space.Configuration.place`). A space that judges a choice over all environments has one entry,
        that of the empty environment: a design was tried there if it was tried in all of them.
    """
    designs = {_bare(name) for name in space.designs if counts(name)}
    baseline = _bare(naming.parse(space.baseline).text)
    places = by_environment(t for t in made if counts(t.configuration.design))
    complete = len(made) >= space.most

    def cover(tried: set[str], whole: bool) -> Cover:
        return Cover(len(tried), len(designs), whole, baseline in tried if baseline in designs else None)

    tried = {place: {t.design for t in here} for place, here in places.items()}
    if space.over.robust:
        common = set.intersection(*tried.values()) if len(places) == space.places else set()
        return {"{}": cover(common, complete)}
    return {
        place: cover(tried[place], complete or len(here) >= _size(space, here[0].configuration.environment, counts))
        for place, here in places.items()
    }  # fmt: skip


def without_result(space: Space, made: Sequence[Trial]) -> list[Row]:
    """Environments that were begun and in which no configuration has a result.

    Returns
    -------
    list of dict
        ``environment``, ``reason`` (that of most of its trials) and ``trials`` (how many).
    """
    found = by_place(made, space.winner)
    return [
        {"environment": here[0].configuration.environment, "reason": _reason(space, here), "trials": len(here)}
        for place, here in by_environment(made).items() if place not in found
    ]  # fmt: skip


def _reason(space: Space, here: Sequence[Trial]) -> str:
    """Why nothing in an environment has a result, as its own message says it."""
    ok = [t for t in here if t.ok]
    name = least_violated(ok)
    if name:
        return f"no configuration meets {name}: {space.constraints[name]}"
    if ok:
        return f"no trial has {space.winner}"
    status = Counter(t.status for t in here).most_common(1)[0][0]
    for before in ("infeasible: ", "failed: ", "scenario sweep: "):
        status = status.removeprefix(before)
    return status
