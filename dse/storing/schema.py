"""Tables of a stored run: columns in order, their types, and the row of a figure.

Later versions append columns only; :data:`VERSION` rises with every change, and :data:`READERS` turns an older table
into today's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict, Unpack

VERSION = 1

Kind = Literal["counted", "measured", "modelled"]
COUNTED, MEASURED, MODELLED = KINDS = ("counted", "measured", "modelled")

OPS: dict[str, str] = {
    "run": "str",
    "design": "str",  # NAME[param=value,...], bare when all parameters have their defaults
    "op": "str",
    "metric": "str",
    "stat": "str",  # mean, p50, p99, max, total
    "state": "str",  # hot, footprint, cold
    "age": "str",  # fresh, aged
    "timing": "str",  # fenced, overlapped
    "kind": "str",
    "unit": "str",
    "value": "f64",
    "count": "u64",  # exact, equals value for counted
    "n": "u64",
    "lo": "f64",
    "hi": "f64",
    "baseline": "str",
    "status": "str",  # ok, or the reason why the figure does not hold
}


class Figure(TypedDict):
    """A row of ops: one figure, and what it is of (the columns of :data:`OPS`; None where a column does not apply)."""

    run: str
    design: str
    op: str
    metric: str
    stat: str | None
    state: str | None
    age: str | None
    timing: str | None
    kind: Kind
    unit: str
    value: float | None
    count: int | None
    n: int | None
    lo: float | None
    hi: float | None
    baseline: str | None
    status: str


class More(TypedDict, total=False):
    """Columns of a figure that not every figure has."""

    stat: str
    state: str
    age: str
    timing: str
    count: int | None
    n: int
    lo: float | None
    hi: float | None
    baseline: str
    status: str


LEDGER: dict[str, str] = {
    "run": "str",
    "design": "str",
    "backend": "str",
    "slots": "u64",
    "fill": "f64",
    "structure": "str",
    "static_bytes": "u64",
    "dynamic_bytes": "u64",
    "header_bytes": "u64",
    "allocated_bytes": "u64",
    "peak_bytes": "u64",
    "in_total": "bool",
    "status": "str",
}


class Structure(TypedDict):
    """A row of ledger without its run: the bytes of one structure (the columns of :data:`LEDGER`)."""

    design: str
    backend: str
    slots: int
    fill: float | None
    structure: str
    static_bytes: int
    dynamic_bytes: int
    header_bytes: int
    allocated_bytes: int
    peak_bytes: int
    in_total: bool
    status: str


PROVENANCE: dict[str, str] = {
    "run": "str",
    "created": "str",  # UTC, ISO 8601
    "command": "str",
    "version": "str",
    "scenario": "str",
    "scenario_digest": "str",
    "scenario_json": "str",
    "trace": "str",
    "trace_digest": "str",
    "designs": "str",  # comma-separated design strings
    "seed": "u64",
    "loop": "str",  # open, closed
    "page_cluster": "u64",
    "counters_hash": "str",
    "code_digest": "str",
    "commit": "str",
    "python": "str",
    "packages": "str",  # JSON
    "cpu": "str",
    "cores": "u64",
    "memory_bytes": "u64",
    "kernel": "str",
    "clock_source": "str",
    "aa_ratio": "f64",
    "aa_lo": "f64",
    "aa_hi": "f64",
    "not_modelled": "str",
    "extra": "str",  # JSON: keys without a column of their own
}

TABLES: dict[str, dict[str, str]] = {"ops": OPS, "ledger": LEDGER, "provenance": PROVENANCE}

READERS: dict[int, Callable[[Any], Any]] = {}
"""From a schema version to the function that makes today's table of a LazyFrame of that version (none yet)."""

IDENTITY = ("design", "op", "metric", "stat", "state", "age", "timing", "kind", "unit", "baseline")
"""Columns that identify the figure of a row of ops."""


def figure(design: str, op: str, metric: str, kind: Kind, unit: str, value: float | None, **more: Unpack[More]) -> Figure:
    """Build one row of ops with every column.

    Parameters
    ----------
    design, op, metric, unit
        Names of the figure, from the registry and docs/contracts.md.
    kind : {"counted", "measured", "modelled"}
        Kind of the figure.
    value : float or None
        The figure; None with the reason in `status`.
    **more
        Further columns: stat, state, age, timing, count, n, lo, hi, baseline, status.

    Returns
    -------
    Figure
        The row; ``count`` of a whole counted figure equals its value.

    Examples
    --------
    >>> figure("direct", "swap_in", "lines", "counted", "lines", 12, stat="total")["count"]
    12
    """
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is none of {KINDS}")
    strange = more.keys() - OPS.keys()
    if strange:
        raise ValueError(f"no such columns: {', '.join(sorted(strange))}")
    whole = kind == COUNTED and value is not None and value >= 0 and value == int(value)
    row: Figure = {
        "run": "", "design": design, "op": op, "metric": metric, "stat": None, "state": None, "age": None, "timing": None, "kind": kind,
        "unit": unit, "value": None if value is None else float(value), "count": int(value) if whole and value is not None else None,
        "n": None, "lo": None, "hi": None, "baseline": None, "status": "ok",
    }  # fmt: skip
    return {**row, **more}
