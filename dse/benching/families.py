"""Kinds of benchmarks, which of them the gate runs, and what counts as worse."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses of ``dse bench``, as docs/benchmarks.md lists them."""

    OK = 0
    REGRESSION = 1
    BAD_INPUT = 2
    NO_COMPARISON = 3
    NO_ENVIRONMENT = 4
    BROKEN = 5
    REMOVED = 6


@dataclass(frozen=True)
class Family:
    """A kind of benchmark.

    Attributes
    ----------
    name : str
        For tables.
    factor : float
        Head over base above which a figure is worse; 1 means that figures must be equal.
    floor : float
        Figures below it (both sides) are not judged [the benchmark's unit].
    noisy : bool
        A difference counts only if it is significant, and again in a second run.
    """

    name: str
    factor: float = 1.0
    floor: float = 0.0
    noisy: bool = False


EXACT = Family("exact")
INSTRUCTIONS = Family("instructions", factor=1.001)  # callgrind repeats to 1 part in 100,000; start-up differs a little more
TIME = Family("time", factor=1.15, floor=0.005, noisy=True)  # A/A ratios of 10 samples lie within 0.87 .. 1.15 on two shared cores
PEAKMEM = Family("peakmem", factor=1.05, floor=float(1 << 20), noisy=True)
COUNTED = "counted"
"""Machine name of exact figures: they are the same everywhere."""
SIGNIFICANT = 0.002  # of the Mann-Whitney test, as asv's own; it takes 6 samples a side to reach it
SAMPLES = 10
"""Fewest samples a side, rounds times repeats, for a timing to be judged."""

EXACT_PATTERN = r"(^|\.)track_(?!instructions_)\w+"
INSTRUCTIONS_PATTERN = r"(^|\.)track_instructions_\w+"
TIMED_PATTERN = (
    r"^(designs\.(RoundTrip|Footprint)|xarray|clusters|counts|reclaim|generators|parsing)\.(\w+\.)?(time|peakmem)_\w+"
    r"\((?!.*\b(65536|16777216)\b)"
)
"""The small gated set: one size, one benchmark of every area (asv matches a pattern with a parenthesis against name and parameters)."""


def family_of(benchmark: str) -> Family:
    """Family of a benchmark by its name.

    Examples
    --------
    >>> family_of("counted.Operations.track_lines").name, family_of("xarray.Load.time_load").name
    ('exact', 'time')
    """
    last = benchmark.rpartition(".")[2]
    if last.startswith("track_"):
        return INSTRUCTIONS if re.match(r"track_instructions_", last) else EXACT
    return PEAKMEM if last.startswith("peakmem_") else TIME
