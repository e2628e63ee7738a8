"""Verdicts from figures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dse.errors import CheckFailed
from dse.published import Expected

HOLDS, SHORT, NOT_REPRODUCIBLE, MISSING = VERDICTS = ("holds", "falls short", "not reproducible", "design missing")
Ours = Mapping[str, Mapping[str, float]]
"""Figures by quantity, then by the place where they were read (a design)."""


@dataclass(frozen=True)
class Judged:
    """Verdict and its reasons.

    Attributes
    ----------
    verdict : str
        One of :data:`VERDICTS`.
    reason : str
        Reason, in words.
    figures : list of dict
        Every figure: quantity, published, ours, unit, tolerance, where, holds (None where nothing is asked).
    """

    verdict: str
    reason: str
    figures: list[dict[str, object]] = field(default_factory=list)


def last_digit(printed: str) -> float:
    """Half of the last digit of a printed figure.

    Examples
    --------
    >>> last_digit("163"), last_digit("9.14")
    (0.5, 0.005)
    """
    return 0.5 * 10.0 ** -len(printed.partition(".")[2])


def _factor(ours: float, value: float, factor: float) -> bool:
    return ours > 0 and value / factor <= ours <= value * factor


RULES: dict[str, Callable[[float, Expected], bool]] = {
    ">=": lambda ours, e: ours >= e.value,
    "<=": lambda ours, e: ours <= e.value,
    "sign": lambda ours, e: (ours > 0) == (e.value > 0) and ours != 0,
    "exact": lambda ours, e: ours == e.value,
    "magnitude": lambda ours, e: _factor(ours, e.value, 10.0),
}


def meets(ours: float, expected: Expected) -> bool | None:
    """Hold one figure against its tolerance (dse/published/README.md); None where nothing is asked of it alone.

    Raises
    ------
    CheckFailed
        An unknown tolerance: a figure that is not compared would always hold.
    """
    asked = expected.tolerance
    if asked in ("report", "order"):
        return None
    if asked in RULES:
        return RULES[asked](ours, expected)
    words = asked.split()
    try:
        if asked.startswith("x"):
            return _factor(ours, expected.value, float(asked[1:]))
        if words[-1] == "%":
            room = abs(expected.value) * float(words[-2]) / 100.0 + (last_digit(expected.printed) if words[0] == "about" else 0.0)
        else:
            room = float(asked)
    except (ValueError, IndexError):
        raise CheckFailed(f"{expected.id}, {expected.quantity}: tolerance {asked!r} is not understood") from None
    return abs(ours - expected.value) <= room + 1e-12 * abs(expected.value)


def ordered(expected: Sequence[Expected], ours: Ours) -> dict[tuple[str, str], bool]:
    """Return, by quantity and measure, True if the figure is in its place, strictly, beside its neighbours with the same inputs."""
    found: dict[tuple[str, str], bool] = {}
    asked = sorted((e for e in expected if e.tolerance == "order" and e.quantity in ours), key=lambda e: (e.inputs, e.value))
    for low, high in itertools.pairwise(asked):
        if low.inputs != high.inputs:
            continue
        for where in ours[low.quantity].keys() & ours[high.quantity].keys():
            right = ours[low.quantity][where] < ours[high.quantity][where]
            found[low.quantity, where] = found.get((low.quantity, where), True) and right
            found[high.quantity, where] = right
    return found


def judge(expected: Sequence[Expected], ours: Ours, missing: Sequence[str], skipped: Sequence[str] = ()) -> Judged:
    """Give the verdict of a yardstick.

    Parameters
    ----------
    expected : sequence of Expected
        Published figures.
    ours : mapping
        Figures read here.
    missing : sequence of str
        Designs and operations that are not built.
    skipped : sequence of str
        Quantities left out on purpose (timed ones).

    Returns
    -------
    Judged
        ``falls short`` if any figure does; else ``design missing`` if something is not built; else ``holds``.
    """
    places = ordered(expected, ours)
    figures: list[dict[str, object]] = []
    short, absent, compared = [], [], 0
    for e in expected:
        if e.quantity not in ours:
            if e.tolerance != "report" and e.quantity not in skipped:
                absent.append(e.quantity)
            continue
        for where, value in ours[e.quantity].items():
            good = places.get((e.quantity, where)) if e.tolerance == "order" else meets(value, e)
            compared += good is not None
            asked = {"quantity": e.quantity, "where": where, "published": e.value, "ours": value, "unit": e.unit}
            figures.append({**asked, "tolerance": e.tolerance, "holds": good})
            if good is False:
                short.append(f"{e.quantity}{f' ({where})' if where else ''}: {value:.6g} {e.unit}, published {e.printed}")
    if short:
        return Judged(SHORT, "; ".join(short), figures)
    if missing:
        return Judged(MISSING, f"not built: {', '.join(missing)}", figures)
    if absent or not compared:
        raise CheckFailed(f"{expected[0].id}: nothing was read for {', '.join(absent) or 'it'}")
    return Judged(HOLDS, f"left out: {', '.join(skipped)}" if skipped else "", figures)
