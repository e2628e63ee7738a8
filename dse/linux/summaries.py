"""Tables for the screen: what a record says, experiment by experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dse.errors import BadInput, unknown
from dse.linux import experiments, tracing
from dse.linux.records import Record

Rows = list[dict[str, Any]]
FIGURES = ("instructions", "lines", "written", "locks", "allocations")
GROUPS = ("all", "core", "data")
SHOWN = (("filled", "slab"), ("filled", "pool"), ("filled", "pages"), ("static", "pages"), ("static", "asked"))
"""Stages and kinds of rows of fill."""


def fill(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Structures that fill left in memory, pages that swapon took, and arrays that it asked for."""
    return [
        {"backend": row["backend"], "stage": row["stage"], "structure": f"{row['structure']} ({row['kind']})", "objects": row["objects"],
         "bytes": row["bytes"]}
        for row in rows if (row["stage"], row["kind"]) in SHOWN
    ]  # fmt: skip


def trace(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Means over the repeats of each replay, with the least and the most swap-ins and swap-outs."""
    made = []
    for row in tracing.spread(rows):
        ends = {key: f"{row[key + '_least']:,}..{row[key + '_most']:,}" for key in ("swap_ins", "swap_outs")}
        stored = row["zswap"] / row["zswapped"] if row["zswapped"] else None
        made.append({
            "trace": row["trace"], "backend": row["backend"], "lists": row["lists"], "repeats": row["repeats"], "swap_ins": row["swap_ins"],
            "swap_ins_spread": ends["swap_ins"], "swap_outs": row["swap_outs"], "swap_outs_spread": ends["swap_outs"],
            "refaults": row["refaults"], "compressed": stored,
        })  # fmt: skip
    return made


def single(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Means of single operations by group."""
    return [
        {"backend": row["backend"], "operation": row["operation"], "group": row["group"],
         **{key: row[key] / max(1, row["operations"]) for key in FIGURES}}
        for row in rows if row["function"] == "*" and row["group"] in GROUPS
    ]  # fmt: skip


def many(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Means of operations on many pages by group, and what each page costs beyond the smallest operation of its kind.

    Examples
    --------
    >>> row = dict.fromkeys(FIGURES, 0) | {"function": "*", "group": "core", "backend": "zero", "operation": "zap", "operations": 2}
    >>> one, sixteen = many([row | {"pages": 1, "locks": 6}, row | {"pages": 16, "locks": 36}])
    >>> one["locks"], sixteen["locks"], sixteen["locks_a_page"]
    (3.0, 18.0, 1.0)
    """
    made: Rows = []
    least: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        if row["function"] != "*" or row["group"] not in GROUPS:
            continue
        means = {key: row[key] / max(1, row["operations"]) for key in FIGURES}
        first = least.setdefault((row["backend"], row["operation"], row["group"]), {"pages": row["pages"], **means})
        more = row["pages"] - first["pages"]
        each = {f"{key}_a_page": (means[key] - first[key]) / more if more else None for key in ("lines", "locks")}
        made.append({key: row[key] for key in ("backend", "operation", "pages", "group")} | means | each)
    return made


def of(made: Record, experiment: str) -> Rows:
    """Summary of one experiment; tables without one are returned as they are.

    Raises
    ------
    BadInput
        The record has no such table.
    """
    if experiment not in made.tables:
        raise BadInput(unknown("experiment", experiment, made.tables))
    rows = made.tables[experiment]
    if experiment in ("fill", "trace", "operation"):
        return {"fill": fill, "trace": trace, "operation": single}[experiment](rows)
    return many(rows) if experiment in experiments.COUNTED else rows


def functions(made: Record, experiment: str, operation: str, backend: str, pages: int | None) -> Rows:
    """Functions of an operation, means of one operation, most instructions first.

    Parameters
    ----------
    made : Record
        The record.
    experiment, operation, backend : str
        Names of its table and of what to show of it.
    pages : int or None
        Pages of the operation; None: the most.

    Raises
    ------
    BadInput
        The record has none of that name.
    """
    if experiment not in experiments.COUNTED or experiment not in made.tables:
        raise BadInput(unknown("experiment", experiment, [name for name in made.tables if name in experiments.COUNTED]))
    rows = made.tables[experiment]
    for what, value in (("operation", operation), ("backend", backend)):
        known = list(dict.fromkeys(row[what] for row in rows))
        if value not in known:
            raise BadInput(unknown(what, value, known))
    found = [row for row in rows if (row["operation"], row["backend"]) == (operation, backend)]
    sizes = sorted({row.get("pages", 1) for row in found})
    if pages is not None and pages not in sizes:
        raise BadInput(f"{operation} was counted with {', '.join(map(str, sizes))} pages, not {pages}")
    found = [row for row in found if row.get("pages", 1) == (sizes[-1] if pages is None else pages)]
    found.sort(key=lambda row: (row["function"] != "*", -row["instructions"]))
    return [
        {"group": row["group"], "function": row["function"], **{f: row[f] / max(1, row["operations"]) for f in ("calls", *FIGURES)}}
        for row in found
    ]
