"""Environments of a space that cannot exist, as their keys do not go together: said before anything is evaluated."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from dse import scenario
from dse.common import output
from dse.errors import BadInput
from dse.sweeps import wording
from dse.sweeps.axes import reason, text_of
from dse.sweeps.space import INFEASIBLE, Space
from dse.workloads import choosing, stream

PLACES_MOST = 1000
"""Most environments that are looked at."""
CHOICES_MOST = 64
"""Most configurations of an environment that are looked at; where none of them goes together, the environment counts as impossible."""


def impossible(space: Space) -> Iterator[dict[str, Any]]:
    """Environments in which no configuration goes together.

    Yields
    ------
    dict
        ``environment``, and the ``reason`` of its first configuration.
    """
    for number in range(min(space.places, PLACES_MOST)):
        place = space.place_at(number)
        some = list(dict.fromkeys(one.scenario_json for one in itertools.islice(space.inside(place).every(), CHOICES_MOST)))
        reasons = [_why_not(text) for text in some]
        if reasons and all(reasons):
            yield {"environment": place, "reason": reasons[0]}


def _why_not(scenario_json: str) -> str:
    """Say why a resolved scenario does not go together; an empty string where it does."""
    if scenario_json.startswith(INFEASIBLE):
        return scenario_json.removeprefix(INFEASIBLE).partition("; {")[0]
    try:
        stream.check(scenario.from_values("sweep", json.loads(scenario_json)))
    except BadInput as error:
        return reason(error, "sweep")
    return ""


def limits(space: Space) -> list[str]:
    """Say of each memory limit of a space that it is a few pages, where a share was probably meant."""
    axis = next((axis for axis in space.axes if axis.name == "memory.limit"), None)
    values = axis.values if axis is not None else [space.base.memory.limit]
    return [said for value in values if isinstance(value, (int, float)) and (said := choosing.few_pages(float(value)))]


def tell(space: Space | None) -> None:
    """Tell on stderr what in a space was probably not meant; nothing of a study that goes on."""
    for said in [] if space is None else [*limits(space), told(space)]:
        if said:
            output.note(said)


def told(space: Space) -> str:
    """Say which environments cannot exist, and why; an empty string where all can."""
    found = list(impossible(space))
    if not found:
        return ""
    first = ", ".join(f"{axis}={text_of(value)}" for axis, value in found[0]["environment"].items()) or "the only one"
    (said,) = wording.without(found, min(space.places, PLACES_MOST))
    return f"{said.replace('no result', 'no result, as they cannot exist').rstrip('.')}; such as {first}"
