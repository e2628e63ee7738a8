"""Points of an axis that a rule gives: ranges, and mixes whose shares add up to one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from dse.errors import BadInput

POINTS_MAX = 10_000


def points_of_range(given: Any, at: str) -> list[float]:
    """Points of a range."""
    try:
        low, high, count, log = float(given["low"]), float(given["high"]), int(given["count"]), given.get("log", False)
        if not isinstance(log, bool) or count != given["count"]:
            raise ValueError
    except (TypeError, KeyError, ValueError, OverflowError):
        raise BadInput(f"{at}range is {{ low = 0.0, high = 1.0, count = 5, log = false }}") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high and 2 <= count <= POINTS_MAX and (low > 0 or not log)):
        raise BadInput(f"{at}range needs low < high, count from 2 to {POINTS_MAX:,}, and low above 0 where log is true")
    steps = [i / (count - 1) for i in range(count)]
    return [float(f"{(low * (high / low) ** s if log else low + (high - low) * s):.6g}") for s in steps]


def mixes(given: Any, at: str) -> list[dict[str, float]]:
    """Every mix of backends in equal steps whose shares add up to one."""
    try:
        names, steps = [str(name) for name in given["of"]], int(given["steps"])
    except (TypeError, KeyError, ValueError):
        raise BadInput(f'{at}simplex is {{ of = ["zswap", "ssd"], steps = 4 }}') from None
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
