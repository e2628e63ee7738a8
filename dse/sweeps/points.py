"""Points of an axis that a rule gives: ranges, and mixes whose shares add up to one."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dse.common import reading
from dse.errors import BadInput, unknown

POINTS_MAX = 10_000


def points_of_range(given: Any, at: str) -> list[float]:
    """Points of a range."""
    form = "{ low = 0.0, high = 1.0, count = 5, log = false }"
    told = _table(given, "range", ("low", "high", "count", "log"), form, at)
    numbers: list[Any] = [told.get(name) for name in ("low", "high", "count")]
    log = told.get("log", False)
    if not all(map(_is_number, numbers)) or not isinstance(log, bool) or numbers[2] % 1:
        raise BadInput(f"{at}range is {form}")
    low, high, count = float(numbers[0]), float(numbers[1]), int(numbers[2])
    if not (low < high and 2 <= count <= POINTS_MAX and (low > 0 or not log)):
        raise BadInput(f"{at}range needs low < high, count from 2 to {POINTS_MAX:,}, and low above 0 where log is true")
    wide = high / low if log else high - low
    if not math.isfinite(wide):
        raise BadInput(f"{at}the range from {low:g} to {high:g} is wider than the largest number, {sys.float_info.max:.3g}")
    steps = [i / (count - 1) for i in range(count)]
    return [float(f"{(low * wide**s if log else low + wide * s):.6g}") for s in steps]


def _table(given: Any, name: str, keys: Sequence[str], form: str, at: str) -> Mapping[str, Any]:
    """Refuse what is no table of some keys."""
    if not isinstance(given, Mapping):
        raise BadInput(f"{at}{name} is {form}")
    for key in given:
        if key not in keys:
            raise BadInput(at + unknown(f"key of {name}", key, keys))
    return given


def _is_number(value: Any) -> bool:
    """Return True for a number that is finite and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def mixes(given: Any, at: str) -> list[dict[str, float]]:
    """Every mix of backends in equal steps whose shares add up to one."""
    form = '{ of = ["zswap", "ssd"], steps = 4 }'
    told = _table(given, "simplex", ("of", "steps"), form, at)
    names, steps = told.get("of"), told.get("steps")
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise BadInput(f"{at}of is a list of backends, got {reading.short(names)}: simplex is {form}")
    if type(steps) is not int:
        raise BadInput(f"{at}steps is a whole number, got {reading.short(steps)}: simplex is {form}")
    if not 1 <= steps <= 100 or len(set(names)) < max(2, len(names)):
        raise BadInput(f"{at}simplex needs at least two names, each once, and 1 to 100 steps")
    number = math.comb(steps + len(names) - 1, len(names) - 1)
    if number > POINTS_MAX:
        raise BadInput(f"{at}the simplex of {len(names)} names in {steps} steps has {number:,} points, {POINTS_MAX:,} at most")
    return [
        {name: part / steps for name, part in zip(names, parts, strict=True) if part} for parts in _parts(steps, len(names))
    ]  # fmt: skip


def _parts(steps: int, n: int) -> Iterator[tuple[int, ...]]:
    """Every way to write `steps` as a sum of `n` numbers, the first one falling first."""
    if n == 1:
        yield (steps,)
        return
    for first in range(steps, -1, -1):
        for rest in _parts(steps - first, n - 1):
            yield (first, *rest)
