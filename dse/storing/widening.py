"""Columns that queries need and files hold as JSON: axes of a space, keys of a scenario; and trials with a row each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from dse.scenario.keys import keys

MOST = 1024
"""Most objectives of a trial."""
NUMBERS = ("int", "float")
TRIAL = ("study", "number", "design", "environment", "params", "status", "feasible", "front", "delivered", "writeback")
"""Columns that all rows of a trial share."""


def column(name: str) -> str:
    """Name of the column of an axis, a scenario key or an objective: SQL takes it without quotes.

    Examples
    --------
    >>> column("moves.rate"), column("base")
    ('moves_rate', 'base')
    """
    return name.replace(".", "_")


def axes_of(documents: Iterable[str | None]) -> dict[str, bool]:
    """Names of the axes of some studies, and whether all values of each are numbers.

    Parameters
    ----------
    documents : iterable of str
        Documents of their spaces (the column ``document`` of the table ``studies``). What cannot be read is left out.
    """
    found: dict[str, bool] = {}
    for text in documents:
        try:
            axes = json.loads(text or "{}").get("axes", [])
            given = {str(axis["name"]): list(axis["values"]) for axis in axes}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        for name, values in given.items():
            numeric = bool(values) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
            found[name] = found.get(name, True) and numeric
    return found


def _value(source: str, name: str, numeric: bool) -> pl.Expr:
    """Expression of a key of a column of JSON: a number or text. A query that does not use it does not pay for it."""
    found = pl.col(source).str.json_path_match(f"$[{json.dumps(name)}]")
    return found.cast(pl.Float64, strict=False) if numeric else found


def with_axes(frame: pl.LazyFrame, axes: Mapping[str, bool]) -> pl.LazyFrame:
    """Add a column for each axis of the environment and each parameter to a table with ``environment`` or ``params``.

    A column that the table has already keeps its own; the axis is then ``axis_NAME``.
    """
    there = frame.collect_schema().names()
    made = []
    for name, numeric in axes.items():
        sources = [source for source in ("environment", "params") if source in there]
        if name != "design" and sources:
            new = column(name) if column(name) not in there else f"axis_{column(name)}"
            made.append(pl.coalesce([_value(source, name, numeric) for source in sources]).alias(new))
    return frame.with_columns(made)


def wide(trials: pl.LazyFrame, objectives: Iterable[str], axes: Mapping[str, bool]) -> pl.LazyFrame:
    """Lay trials out with a row each and a column for each objective.

    Parameters
    ----------
    trials : polars.LazyFrame
        The table ``trials``, a row for each trial and objective.
    objectives : iterable of str
        Their names.
    axes : mapping of str to bool
        Axes of the studies, see :func:`axes_of`.
    """
    figures = [pl.col("value").filter(pl.col("objective") == name).first().alias(column(name)) for name in objectives]
    same = [pl.col(name).first() for name in TRIAL[2:]]
    return with_axes(trials.group_by(TRIAL[:2], maintain_order=True).agg(*same, *figures), axes)


def objectives_of(trials: pl.LazyFrame) -> list[str]:
    """Names of the objectives of a study: those of its first trial, whose rows come first."""
    first = trials.select("number", "objective").head(MOST).collect()
    return first.filter(pl.col("number") == first["number"].min())["objective"].to_list()


def with_keys(provenance: pl.LazyFrame, columns: Iterable[str]) -> pl.LazyFrame:
    """Table of runs: some columns of their provenance, and a column for each key of the scenario, such as ``memory_limit``."""
    known: list[Any] = list(columns)
    source = pl.col("scenario_json")
    for info in keys():
        found = source.str.json_path_match(f"$.{info.section}.{info.name}")
        known.append((found.cast(pl.Float64, strict=False) if info.kind in NUMBERS else found).alias(f"{info.section}_{info.name}"))
    return provenance.select(known)
