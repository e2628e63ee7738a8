"""The figures of a study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NOISE = "noise"
"""Status of a difference that is no larger than that of a design against itself."""


@dataclass(frozen=True)
class Point:
    """A figure of a study.

    Attributes
    ----------
    at : object
        Value of the axis, None without one.
    design : str
    value : float or None
        The measure, None where the design has no such figure.
    lo, hi : float or None
        95 % interval, None where it is exact.
    saving, saving_lo, saving_hi : float or None
        What one event costs, with its 95 % interval where it is measured.
    status, why : str
        ``ok``, :data:`NOISE`, or a word for a figure that decides nothing, with its reason.
    state : str
        State of the caches that it was timed in, where there are several and they are no axis.
    """

    at: Any
    design: str
    value: float | None
    lo: float | None = None
    hi: float | None = None
    saving: float | None = None
    status: str = "ok"
    saving_lo: float | None = None
    saving_hi: float | None = None
    why: str = ""
    state: str = ""


@dataclass(frozen=True)
class Measured:
    """All points of a study.

    Attributes
    ----------
    points : tuple of Point
    counters_hash : str
        SHA-256 of the counted figures behind them.
    noise : tuple of float or None
        A/A interval of the timed runs, the widest.
    delivered : float or None
        Moves for each page that went out, as they happened; of one run, None where nothing moved.
    """

    points: tuple[Point, ...]
    counters_hash: str
    noise: tuple[float, float] | None = None
    delivered: float | None = None
