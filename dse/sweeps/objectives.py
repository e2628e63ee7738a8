"""Objectives and constraints: figures computed from the measures of an evaluation, all minimised."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from dse.errors import BadInput, unknown

Measures = Mapping[str, Any]

PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "swap_in": (("swap_in", "cache_hit"), ("swap_in", "cache_hit")),
    "swap_out": (("swap_out", "writeback_end", "clean_drop"), ("swap_out", "clean_drop")),
    "move": (("move",), ("swap_out", "clean_drop")),
    "lifetime": (("swap_out", "writeback_end", "clean_drop", "swap_in", "cache_hit", "read_ahead", "move"), ("swap_out", "clean_drop")),
}
"""Operations whose figures are summed, and those whose number they are divided by."""
EPILOGUE = ("free", "swapoff")
METRICS = {
    "lines": ("lines", "counted"), "chain": ("objects", "counted"), "locked_sections": ("sections", "counted"),
    "atomics": ("atomics", "counted"),
    "ptes": ("PTEs", "counted"), "allocations": ("objects", "counted"), "loads": ("loads", "counted"), "ns": ("ns", "modelled"),
}  # fmt: skip
BYTES = {"bytes_per_page": "allocated", "bytes_per_page_peak": "peak", "bytes_per_page_counted": "counted"}
NAMES = (*PARTS, *EPILOGUE, *BYTES)
DEFAULT = ("swap_in", "swap_out", "free", "bytes_per_page", "move")
LOAD_NS = 162.4
"""Nanoseconds of a dependent load from a bare array of 16 Mi words, fenced (docs/performance.md, plain_ns)."""
ATOMIC_NS = 2.2
"""Nanoseconds of an uncontended atomic (docs/method.md): one to take a lock, one to release it."""
CORNERS = tuple((load, atomic) for load in (12.0, 208.2) for atomic in (2.2, 162.4))
"""Nanoseconds of a dependent load and of an atomic at the ends of what they may cost: modelled times are ordered for certain only where
all four agree.

A load costs from 12.0 (bare array of 1 Mi words, which caches hold) to 208.2 (16 Mi words, the slowest of 64 runs; docs/performance.md,
row plain, dependent). An atomic costs from :data:`ATOMIC_NS`, uncontended, to a load from memory, :data:`LOAD_NS`: the lock's line is
elsewhere (ours).
"""
TIME = "ns"
LINES, LOCKS, LOADS, ATOMICS = "lines", "locked_sections", "loads", "atomics"
PAGE = "bytes_per_page"
PER = {"swap_in": "fault", "free": "page", "swapoff": "page"}


def check(text: str) -> str:
    """Check the name of an objective.

    Raises
    ------
    BadInput
        Unknown objective or metric, with the nearest.
    """
    name, dot, metric = text.partition(".")
    if name not in NAMES:
        raise BadInput(unknown("objective", name, NAMES))
    if dot and (name in BYTES or metric not in METRICS):
        raise BadInput(unknown(f"metric of {name}", metric, () if name in BYTES else METRICS))
    return text


def metric_of(text: str) -> str:
    """Metric of an objective; empty for bytes."""
    name, _, metric = text.partition(".")
    return "" if name in BYTES else metric or LINES


def yardstick(text: str, metric: str) -> str:
    """Objective on the same operations by another metric, in its shortest form.

    Examples
    --------
    >>> yardstick("lifetime.ns", "lines"), yardstick("lifetime.ns", "chain"), yardstick("bytes_per_page", "lines")
    ('lifetime', 'lifetime.chain', 'bytes_per_page')
    """
    name = text.partition(".")[0]
    return name if name in BYTES or metric == LINES else f"{name}.{metric}"


def beside(text: str) -> list[str]:
    """Objectives that are shown beside the deciding one, or tell how certain it is: lines, locks, loads, atomics, bytes."""
    return list(dict.fromkeys([*(yardstick(text, metric) for metric in (LINES, LOCKS, LOADS, ATOMICS)), PAGE]))


def kind(text: str) -> str:
    """Kind of an objective, counted or modelled."""
    return "counted" if text.partition(".")[0] in BYTES else METRICS[text.partition(".")[2] or "lines"][1]


def unit(text: str) -> str:
    """Unit of an objective, with the count that divides it."""
    name, _, metric = text.partition(".")
    return "B/page" if name in BYTES else f"{METRICS[metric or 'lines'][0]}/{PER.get(name, 'lifetime')}"


def _total(row: Mapping[str, float], metric: str) -> float:
    """Metric of one operation, summed over its occurrences.

    ``loads`` are dependent loads that may miss the caches: no more than the objects of the chain, and no more than the distinct lines, as a
    line that the operation touched before is in the first cache.
    """
    if metric == LOADS:
        return min(row.get("chain", 0), row.get("lines", 0))
    if metric == TIME:
        return _total(row, LOADS) * LOAD_NS + (row.get("locked_sections", 0) * 2 + row.get("atomics", 0)) * ATOMIC_NS
    return row.get(metric, 0)


def value(text: str, measures: Measures) -> float | None:
    """Compute an objective.

    Parameters
    ----------
    text : str
        ``NAME`` or ``NAME.metric``.
    measures : mapping
        What :func:`dse.sweeps.counting.count` returned.

    Returns
    -------
    float or None
        None where the evaluation did not succeed, or the divisor is 0.
    """
    if measures["status"] != "ok":
        return None
    name, _, metric = text.partition(".")
    metric = metric or "lines"
    if name in BYTES:
        pages = measures["peak_pages" if name == "bytes_per_page_peak" else "pages"]
        return measures["bytes"][BYTES[name]] / pages if pages else None
    if name in EPILOGUE:
        row = measures[name]
        return _total(row, metric) / row["pages"] if row["pages"] else None
    ops = measures["ops"]
    summed, divided = PARTS[name]
    n = sum(ops[op]["n"] for op in divided if op in ops)
    return sum(_total(ops[op], metric) for op in summed if op in ops) / n if n else None


def delivered(measures: Measures) -> tuple[float | None, float | None]:
    """Moves for each page that goes out, and the part of them that is zswap's own writeback; None where they are not known.

    The writeback is told apart by its share of the moves of the whole stream.
    """
    found = measures.get("delivered")
    if not found or not found["out"]:
        return None, None
    rate = found["moves"] / found["out"]
    moves, writebacks = measures.get("moves", 0), measures.get("writebacks", 0)
    return rate, rate * writebacks / (moves + writebacks) if moves + writebacks else 0.0


def constraint(text: str) -> tuple[str, float, bool]:
    """Read ``bytes_per_page <= 20`` or ``free <= 1.5 * baseline``.

    Returns
    -------
    tuple
        Objective, limit, and whether the limit is a factor of the baseline's figure in the same environment.

    Raises
    ------
    BadInput
        When it is of another form.
    """
    found = re.fullmatch(r"\s*([\w.]+)\s*<=\s*([0-9.eE+-]+)\s*(\*\s*baseline)?\s*", text)
    try:
        if not found:
            raise ValueError
        limit = float(found[2])
        if not math.isfinite(limit):
            raise ValueError
    except ValueError:
        raise BadInput(f"constraint {text!r} is not of the form OBJECTIVE <= NUMBER or OBJECTIVE <= NUMBER * baseline") from None
    return check(found[1]), limit, found[3] is not None


def violation(text: str, measures: Measures, baseline: Measures | None, figure_of: Callable[[str, Any], float | None] = value) -> float:
    """Violation of a constraint, as a share of its limit; 0 or less where it holds.

    A missing figure violates nothing unless the evaluation failed as a whole.
    """
    name, limit, relative = constraint(text)
    figure = figure_of(name, measures)
    if relative:
        base = figure_of(name, baseline) if baseline is not None else None
        limit = limit * base if base is not None else float("inf")
    if figure is None or limit == float("inf"):
        return 0.0 if measures["status"] == "ok" else 1.0
    return (figure - limit) / max(abs(limit), 1e-12)
