"""Columns that queries need and files hold as JSON: axes of a space, keys of a scenario; and trials with a row each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from dse.common import reading
from dse.scenario.keys import keys

MOST = 1024
"""Most objectives of a trial."""
NUMBERS = {"int": pl.Int64, "float": pl.Float64}
"""Types of the columns of keys that are numbers."""
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


Axes = Mapping[str, "pl.DataType | type[pl.DataType]"]
"""Names of axes, and the types of their columns."""


def axes_of(documents: Iterable[str | None]) -> dict[str, pl.DataType | type[pl.DataType]]:
    """Names of the axes of some studies, and the type of each: whole numbers, numbers, or text where not all values are numbers.

    Parameters
    ----------
    documents : iterable of str
        Documents of their spaces (the column ``document`` of the table ``studies``). What cannot be read is left out.
    """
    found: dict[str, list[Any]] = {}
    for text in documents:
        try:
            axes = reading.parsed_json(text or "{}").get("axes", [])
            given = {str(axis["name"]): list(axis["values"]) for axis in axes}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        for name, values in given.items():
            found.setdefault(name, []).extend(values)
    return {name: _type(values) for name, values in found.items()}


def _type(values: list[Any]) -> pl.DataType | type[pl.DataType]:
    """Type of a column of these values. Whole numbers above 2^53 would be one another's equal as fractions."""
    kinds = {type(value) for value in values}
    return pl.Int64 if kinds == {int} else pl.Float64 if kinds and kinds <= {int, float} else pl.String


def _value(source: str, name: str, kind: pl.DataType | type[pl.DataType]) -> pl.Expr:
    """Expression of a key of a column of JSON. A query that does not use it does not pay for it."""
    found = pl.col(source).str.json_path_match(f"$[{json.dumps(name)}]")
    return found if kind == pl.String else found.cast(kind, strict=False)


def with_axes(frame: pl.LazyFrame, axes: Axes) -> pl.LazyFrame:
    """Add a column for each axis of the environment and each parameter to a table with ``environment`` or ``params``.

    A column that the table has already keeps its own; the axis is then ``axis_NAME``.
    """
    there = frame.collect_schema().names()
    made: dict[str, pl.Expr] = {}
    for name, kind in axes.items():
        sources = [source for source in ("environment", "params") if source in there]
        if name != "design" and sources:
            new = column(name) if column(name) not in there else f"axis_{column(name)}"
            if new in made:
                continue
            made[new] = pl.coalesce([_value(source, name, kind) for source in sources])
    return frame.with_columns(**made)


def wide(trials: pl.LazyFrame, objectives: Iterable[str], axes: Axes) -> pl.LazyFrame:
    """Lay trials out with a row each and a column for each objective.

    Parameters
    ----------
    trials : polars.LazyFrame
        The table ``trials``, a row for each trial and objective.
    objectives : iterable of str
        Their names.
    axes : mapping of str to DataType
        Axes of the studies, see :func:`axes_of`.
    """
    names = {column(name): name for name in objectives if column(name) not in TRIAL}
    figures = [pl.col("value").filter(pl.col("objective") == name).first().alias(new) for new, name in names.items()]
    same = [pl.col(name).first() for name in TRIAL[2:]]
    return with_axes(trials.group_by(TRIAL[:2], maintain_order=True).agg(*same, *figures), axes)


def objectives_of(trials: pl.LazyFrame) -> list[str]:
    """Names of the objectives of a study: those of its first trial, whose rows come first."""
    first = trials.select("number", "objective").head(MOST).collect()
    return first.filter(pl.col("number") == first["number"].min())["objective"].drop_nulls().to_list()


def with_keys(provenance: pl.LazyFrame, columns: Iterable[str]) -> pl.LazyFrame:
    """Table of runs: some columns of their provenance, and a column for each key of the scenario, such as ``memory_limit``."""
    known: list[Any] = list(columns)
    source = pl.col("scenario_json")
    for info in keys():
        found = source.str.json_path_match(f"$.{info.section}.{info.name}")
        known.append((found.cast(NUMBERS[info.kind], strict=False) if info.kind in NUMBERS else found).alias(f"{info.section}_{info.name}"))
    return provenance.select(known)
