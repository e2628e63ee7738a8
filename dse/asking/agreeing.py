"""The rule of findings from times: one holds only where it holds in every state of the caches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dse.asking.points import Point
from dse.asking.studies import MORE, RATIO, STATE, TAX, Study, middle, relative_to_base
from dse.common import output

OPEN = "inconclusive"


def state_of(study: Study, point: Point) -> str:
    """State of the caches that a point was timed in, empty where it was counted or where there is one only."""
    return str(point.at) if study.axis == STATE else point.state


def grouped(study: Study, points: Sequence[Point]) -> dict[tuple[Any, str], list[Point]]:
    """Points of a design at a value of the axis, in every state of the caches; the one that is told comes first.

    It is the first one that was timed, or the last value of the axis where the states are the axis.
    """
    found: dict[tuple[Any, str], list[Point]] = {}
    for point in reversed(points) if study.axis == STATE else points:
        found.setdefault((None if study.axis == STATE else point.at, point.design), []).append(point)
    return found


def told(study: Study, points: Sequence[Point]) -> list[Point]:
    """Points in the state of the caches that is told; all of them where the states are the axis."""
    return list(points) if study.axis == STATE else [group[0] for group in grouped(study, points).values()]


def agreed(study: Study, points: Sequence[Point]) -> tuple[Point, ...]:
    """Call figures inconclusive whose states of the caches do not agree.

    Parameters
    ----------
    study : Study
    points : sequence of Point
        Of a comparison.

    Returns
    -------
    tuple of Point
        In the same order. A figure that is open in one state is open in all. So is a comparison with the baseline whose sign is not the
        same in all, unless its status is of all states already.
    """
    joint: dict[tuple[Any, str], str] = {}
    for key, group in grouped(study, points).items():
        if key[1] != study.designs[0] and len(group) > 1:
            joint[key] = _doubt(study, group)
    out = []
    for point in points:
        why = joint.get((None if study.axis == STATE else point.at, point.design), "")
        out.append(replace(point, status=OPEN, why=why) if why and point.value is not None else point)
    return tuple(out)


def _doubt(study: Study, group: Sequence[Point]) -> str:
    """Reason why figures of one design in several states do not agree; empty where they do, or where they say it alike themselves."""
    doubted = [point for point in group if point.status != "ok"]
    if len({(point.status, point.why) for point in doubted}) == 1 and len(doubted) == len(group):
        return ""
    if doubted:
        return "; ".join(f"not settled in {state_of(study, point)}" + (f": {point.why}" if point.why else "") for point in doubted)
    joint = len(study.measure) == 1 and (study.measure[0].metric in (RATIO, MORE) or study.measure[0].metric.startswith(TAX))
    if not relative_to_base(study) or (joint and study.axis != STATE):
        return ""
    if len({sign(point, middle(study)) for point in group}) == 1:
        return ""
    return ", ".join(f"{_signed(point, study)} ({state_of(study, point)})" for point in group)


def sign(point: Point, at: float) -> int:
    """Side of `at` that a figure lies on with its whole interval: 1 above, -1 below, 0 neither."""
    lo, hi = (point.value if x is None else x for x in (point.lo, point.hi))
    if lo is None or hi is None:
        return 0
    return 1 if lo > at else -1 if hi < at else 0


def _signed(point: Point, study: Study) -> str:
    """Write a figure with its sign, if it is a difference."""
    value = float(point.value or 0.0)
    return ("+" if value > 0.0 and middle(study) == 0.0 else "") + output.number(value) + f" {study.unit}".rstrip()
