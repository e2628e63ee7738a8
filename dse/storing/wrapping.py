"""Whole numbers of queries that could pass 128 bits: the query engine wraps them without a word, so such a query is asked twice.

Where the sizes of columns, literals and tables leave room for a number beyond 2^127, the query is computed with fractions as well. Answers
that agree are sound, others are refused.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from dse.errors import BadInput
from dse.storing import widths
from dse.storing.guarding import tokens

ROOM = 126
"""Bits of a whole number that no rounding of this estimate brings to the sign of 128."""
SUMMING = frozenset(("sum", "dot"))
NEAR = 1e-6
"""Part by which a sum of fractions may differ from one of whole numbers; one that wrapped differs by its whole size."""
REFUSAL = "whole numbers of this query may pass 2^127: compute with numbers that are not whole, such as CAST(a AS DOUBLE) * b"


def check(sql: str, tables: Mapping[str, pl.LazyFrame], found: pl.DataFrame) -> None:
    """Refuse the answer of a query whose whole numbers wrapped on the way.

    Parameters
    ----------
    sql : str
        The query, let through by :func:`dse.storing.guarding.guard`.
    tables : mapping of str to LazyFrame
        The tables that it may ask.
    found : polars.DataFrame
        Its answer, as the engine gave it.

    Raises
    ------
    BadInput
        It differs from the same query in fractions.
    """
    if bits(sql, tables) <= ROOM:
        return
    fractions = {name: frame.with_columns(pl.selectors.integer().cast(pl.Float64)) for name, frame in tables.items()}
    try:
        with pl.SQLContext(fractions, eager=False) as context:
            other = context.execute(widths.widened(sql, "DOUBLE")).collect(engine="streaming")
    except pl.exceptions.PolarsError:
        raise BadInput(REFUSAL) from None
    if not _agree(found, other):
        raise BadInput(REFUSAL)


def bits(sql: str, tables: Mapping[str, pl.LazyFrame]) -> int:
    """Bits that the largest whole number within a query may have, an upper limit.

    Each product adds the bits of its factors, within one SELECT; a product of a subquery may be multiplied again. A sum adds the bits of
    the number of its rows.
    """
    parts = tokens(sql)
    words = [text.strip('"`[]').lower() for _, text in parts]
    products = sum(_multiplies(parts, words, i) for i in range(len(parts)))
    sums = SUMMING.intersection(words)
    if not products and not sums:
        return 0
    named = [tables[word] for word in words if word in tables]
    rows = sum(int(frame.select(pl.len()).collect().item()).bit_length() for frame in named)
    counted = rows if widths.COUNTING.intersection(words) else 0
    literals = [int(text).bit_length() for kind, text in parts if kind == "number" and text.isdigit()]
    factor = max([*literals, counted, *(_largest(frame, words) for frame in named)], default=0) + (rows if sums else 0)
    exponent = products + 1 if words.count("select") == 1 else 1 << min(products, 8)
    return factor * exponent + (rows if sums else 0)


def _multiplies(parts: list[tuple[str, str]], words: list[str], at: int) -> bool:
    """Return True for a star between two factors: not one of ``SELECT *``, ``t.*`` and ``count(*)``."""
    if parts[at] != ("other", "*") or not at or at + 1 == len(parts):
        return False
    kind, text = parts[at - 1]
    return kind in ("number", "quoted") or text == ")" or (kind == "word" and words[at - 1] not in ("select", "distinct", "all"))


def _largest(frame: pl.LazyFrame, words: list[str]) -> int:
    """Bits of the largest whole number in the columns of a table that a query names."""
    whole = [name for name, kind in frame.collect_schema().items() if kind.is_integer() and name.lower() in words]
    if not whole:
        return 0
    ends = frame.select(*(pl.col(name).min().name.suffix(" min") for name in whole), *(pl.col(name).max() for name in whole)).collect()
    return max((abs(int(value)).bit_length() for value in ends.row(0) if value is not None), default=0)


def _agree(found: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Return True if two answers are one, numbers but for the rounding of fractions."""
    if found.shape != other.shape or found.columns != other.columns:
        return False
    for one, two in zip(found, other, strict=True):
        if one.dtype.is_numeric() != two.dtype.is_numeric():
            return False
        if not one.dtype.is_numeric():
            if not one.equals(two, null_equal=True):
                return False
            continue
        a, b = one.cast(pl.Float64), two.cast(pl.Float64)
        far = ((a - b).abs() > NEAR * pl.select(pl.max_horizontal(a.abs(), b.abs())).to_series()) & (a != b)
        if a.is_null().ne(b.is_null()).any() or far.fill_null(False).any():
            return False
    return True
