"""Axes of a space: their points and valid values."""

from __future__ import annotations

import collections
import contextlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dse import naming, scenario
from dse.common import reading
from dse.errors import BadInput, unknown
from dse.scenario import parsing
from dse.sweeps.points import POINTS_MAX, mixes, points_of_range

ROLES = ("choice", "environment")
CONFIG = {"config.cluster_shift": (8, 9)}
"""Keys of :class:`kernels.life.registry.Config` that an axis may set (the same for every design), with their valid values."""
Value = Any


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes
    ----------
    name : str
        ``design``, a design's parameter, ``section.key`` of a scenario, or ``config.cluster_shift``.
    role : {"choice", "environment"}
        Ours to make, or given to us.
    values : tuple
        Its points, in order.
    """

    name: str
    role: str
    values: tuple[Value, ...]

    @property
    def texts(self) -> list[str]:
        """Points as text."""
        return [text_of(value) for value in self.values]

    @property
    def ordered(self) -> bool:
        """True if the points are numbers, so that neighbours are alike."""
        return len(self.values) > 2 and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in self.values)


def reason(error: BadInput, name: str) -> str:
    """Reason why a scenario is refused, without its name in front."""
    return str(error).removeprefix(f"scenario {name}: ")


def text_of(value: Value) -> str:
    """Write a point of an axis.

    Examples
    --------
    >>> text_of({"zswap": 0.7, "ssd": 0.3}), text_of(0.5), text_of("direct")
    ('zswap=0.7,ssd=0.3', '0.5', 'direct')
    """
    if isinstance(value, Mapping):
        return ",".join(f"{name}={share:g}" for name, share in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def holding(axes: Sequence[Axis], design: Value) -> list[list[int]]:
    """Points of each axis that tell configurations of `design` apart; one point stands for all if the design lacks the axis."""
    declared = naming.parse(str(design)).design.parameters
    held = []
    for axis in axes:
        if axis.name == "design":
            held.append([i for i, value in enumerate(axis.values) if value == design])
        elif "." in axis.name:
            held.append(list(range(len(axis.values))))
        else:
            valid = declared[axis.name].values if axis.name in declared else {}
            without = next((i for i, value in enumerate(axis.values) if value not in valid), None)
            held.append([i for i, value in enumerate(axis.values) if value in valid or i == without])
    return held


def checked(name: str, given: Any, where: Any) -> Axis:
    """Check one axis by itself."""
    at = where("axes", name)
    if not isinstance(given, Mapping):
        raise BadInput(f"{at}axis {name!r} is a table with role and values")
    for key in given:
        if key not in ("role", "values", "range", "simplex"):
            raise BadInput(at + unknown(f"key of axis {name}", key, ("role", "values", "range", "simplex")))
    role = given.get("role", "environment" if "." in name and name not in CONFIG else "choice")
    if role not in ROLES:
        raise BadInput(at + unknown("role", str(role), ROLES))
    kinds = [key for key in ("values", "range", "simplex") if key in given]
    if len(kinds) != 1:
        raise BadInput(f"{at}axis {name!r} has one of values, range and simplex")
    rules = {"values": lambda said, _: said, "range": points_of_range, "simplex": mixes}
    values = rules[kinds[0]](given[kinds[0]], at)
    if values == "all":
        values = naming.buildable()
    if not isinstance(values, (list, tuple)) or not values:
        raise BadInput(f"{at}values of axis {name!r} is a list with at least one value")
    if len(values) > POINTS_MAX:
        raise BadInput(f"{at}axis {name!r} has {len(values):,} points, {POINTS_MAX:,} at most")
    for value in values:
        if not _is_value(value):
            raise BadInput(f"{at}{reading.short(value)} is no value of axis {name!r}: a number, a word, a list of words or a mix is")
    values = [value + 0.0 if isinstance(value, float) else value for value in values]  # -0.0 is 0.0
    same, count = collections.Counter(map(_point, values)).most_common(1)[0]
    if count > 1:
        raise BadInput(f"{at}axis {name!r} has {text_of(next(value for value in values if _point(value) == same))} twice")
    return Axis(name, str(role), tuple(values))


def _point(value: Value) -> Any:
    """Text of a point; mixes that send pages to the same backends alike are one point, whatever their order and shares of 0."""
    if not isinstance(value, Mapping):
        return text_of(value)
    return frozenset(text_of({name: share}) for name, share in value.items() if share)


CONTROLS = (
    "workload.generator", "workload.trace", "swapoff.device", "backend.mix", "backend.placement", "backend.writeback", "backend.disk",
    "memory.policy", "moves.rate", "moves.tiers", "replay.state",
)  # fmt: skip
"""Keys of a scenario that decide whether others can act."""
WAYS_MOST = 1 << 14
"""Most scenarios in which the effect of keys is looked for; a space with more is not judged."""
UNCOUNTED = ("replay.state", "replay.footprint_kib", "replay.warm_turnover", "replay.pairs", "replay.block")
"""Keys of windows and times, of which a trial of a sweep has none."""


def _kind(value: Value) -> Any:
    """Part of a value that decides whether other keys act: the backends of a mix, whether a number is above 0, or the value."""
    if isinstance(value, Mapping):
        return frozenset(name for name, share in value.items() if share > 0)
    return value > 0 if isinstance(value, (int, float)) else text_of(value)


def ways(base: scenario.Scenario, axes: Sequence[Axis]) -> Iterator[scenario.Scenario]:
    """Scenarios of a space that differ in what decides whether keys can act; none where they are too many."""
    some = [axis for axis in axes if axis.name in CONTROLS]
    kinds = [list({_kind(value): value for value in axis.values}.values()) for axis in some]
    if math.prod(map(len, kinds)) > WAYS_MOST:
        return
    for values in itertools.product(*kinds):
        with contextlib.suppress(BadInput):
            yield base.but(**dict(zip((axis.name for axis in some), values, strict=True)))


def refuse_unused(document: Mapping[str, Any], base: scenario.Scenario, axes: Sequence[Axis], where: Any) -> None:
    """Refuse keys of the scenario of a space, and axes, that act in none of its configurations.

    Raises
    ------
    BadInput
        With the key or axis and the reason.
    """
    parsing.refuse_unused(ways(base, axes), document, lambda path: where("scenario", *path))
    names = [axis.name for axis in axes if "." in axis.name and axis.name not in CONFIG]
    for name in names:
        if name in UNCOUNTED:
            raise BadInput(f"{where('axes', name)}axis {name!r} has no effect: a sweep counts whole streams, and times nothing")
    for name, why in parsing.idle(ways(base, axes), names).items():
        raise BadInput(f"{where('axes', name)}axis {name!r} has no effect: it is {why}")


def _is_value(value: Any) -> bool:
    """Return True for a point that an axis can have."""
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(name, str) and isinstance(share, (int, float)) for name, share in value.items())
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, str) for item in value)
    return isinstance(value, (str, int, float))


def fits(axis: Axis, designs: Sequence[naming.Named], base: scenario.Scenario, at: str) -> None:
    """Check an axis against the declarations of designs and scenarios."""
    if axis.name == "design":
        if axis.role != "choice":
            raise BadInput(f"{at}the design is a choice, not an environment")
        return
    if axis.name in CONFIG:
        for value in axis.values:
            if type(value) is not int or value not in CONFIG[axis.name]:
                raise BadInput(at + unknown(f"value of {axis.name}", str(value), map(str, CONFIG[axis.name])))
        return
    keys = [f"{info.section}.{info.name}" for info in scenario.keys()]  # noqa: SIM118 - a function of the module
    if "." in axis.name:
        if axis.name not in keys:
            raise BadInput(at + unknown("axis", axis.name, [*keys, *CONFIG]))
        section, _, option = axis.name.partition(".")
        for value in axis.values:  # a value that is wrong by itself; combinations are judged one by one
            try:
                scenario.from_values(base.name, {**base.values, section: {option: value}})
            except BadInput as error:
                if any(said in str(error) for said in (f"{option} is ", f"{option}.", "sums to", "unknown")):
                    raise BadInput(f"{at}{reason(error, base.name)}") from None
        return
    declared = {name: p for named in designs for name, p in named.design.parameters.items()}
    if axis.name not in declared:
        near = unknown("axis", axis.name, [*declared, "design", *keys])
        raise BadInput(f"{at}no design of this space declares axis {axis.name!r}: {near}")
    valid = {value for named in designs for name, p in named.design.parameters.items() if name == axis.name for value in p.values}
    for value in axis.values:
        if not isinstance(value, str) or value not in valid:
            raise BadInput(at + unknown(f"value of {axis.name}", text_of(value), sorted(valid)))
