"""Points of an axis that are said by a rule: ranges, and mixes whose shares add up to one."""

from __future__ import annotations

import itertools
import math
from typing import Any

from dse.errors import BadInput

POINTS_MAX = 10_000


def points_of_range(given: Any, at: str) -> list[float]:
    """Points of a range."""
    try:
        low, high, count, log = float(given["low"]), float(given["high"]), int(given["count"]), bool(given.get("log", False))
    except (TypeError, KeyError, ValueError):
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
    if not 1 <= steps <= 100 or len(names) < 2:
        raise BadInput(f"{at}simplex needs at least two names and 1 to 100 steps")
    return [
        {name: part / steps for name, part in zip(names, parts, strict=True) if part}
        for parts in itertools.product(range(steps, -1, -1), repeat=len(names)) if sum(parts) == steps
    ]  # fmt: skip
