"""Whole numbers of queries that pass 128 bits: the query engine wraps them without a word, and decimal numbers it does not.

A query that multiplies, casts to whole numbers or holds long ones is computed a second time with decimal numbers of 38 digits. Where these
are too few the engine says so, and the query is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import polars as pl

from dse.common import output
from dse.errors import BadInput
from dse.storing import widths
from dse.storing.guarding import split, tokens

DECIMAL = "DECIMAL(38, 0)"
OVERFLOW = ("overflow in decimal multiplication", "overflow in decimal addition", "overflow in decimal subtraction")
"""Messages of the engine (Polars 2.1) about a decimal number that is too long; that of a sum is one of these."""
NO_DECIMAL = re.compile(r"conversion from `i128` to `decimal\[38,0\]` failed")
"""The same about a number that is cast, and has 39 digits."""
FREE, ROWS = 62, 28
"""Bits that a number of 64 can grow by, and those that a sum over rows adds at most."""
LONG = 18
"""Digits of a number of which 2^60 make no 38."""


def check(sql: str, tables: Mapping[str, pl.LazyFrame]) -> None:
    """Refuse a query whose whole numbers have more than 38 digits on the way.

    Parameters
    ----------
    sql : str
        The query, let through by :func:`dse.storing.guarding.guard` and answered.
    tables : mapping of str to LazyFrame
        The tables that it may ask.

    Raises
    ------
    BadInput
        A number is too long.
    """
    if not may_wrap(sql):
        return
    decimals = {name: frame.with_columns(pl.selectors.integer().cast(pl.Decimal(38, 0))) for name, frame in tables.items()}
    try:
        with pl.SQLContext(decimals, eager=False) as context:
            context.execute(widths.widened(_divided(sql), DECIMAL)).collect(engine="streaming")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if any(words in str(error) for words in OVERFLOW) or NO_DECIMAL.search(str(error)):
            how = "compute with numbers that are not whole, such as CAST(a AS DOUBLE) * b"
            raise BadInput(f"whole numbers of this query have more than 38 digits on the way: {how}") from None
        output.note("the query has parts that decimal numbers do not know: nothing checked that no whole number passed 2^127")


def may_wrap(sql: str) -> bool:
    """Return True for a query in which a number could pass 2^127: one of products, casts to whole numbers, or long ones.

    Sums and differences alone cannot bring numbers of 64 bits there, unless they are nested: see :func:`_bits`.

    Examples
    --------
    >>> may_wrap("SELECT COUNT(*), t.*, SUM(n) - 1 FROM t"), may_wrap("SELECT (a) * b FROM t"), may_wrap("SELECT a[1]*2 FROM t")
    (False, True, True)
    """
    parts = tokens(sql)
    words = [text.lower() for _, text in parts]
    long = any(kind in ("number", "text") and sum(map(str.isdigit, text)) > LONG for kind, text in parts)
    grows = _bits(parts, words) >= FREE
    return long or grows or not widths.WHOLE.isdisjoint(words) or any(_multiplies(parts, words, i) for i in range(1, len(parts)))


def _bits(parts: list[tuple[str, str]], words: list[str]) -> float:
    """Most bits by which sums lengthen a number: each SELECT within another one has its part of the additions, and one sum over rows."""
    levels = max(words.count("select"), 1)
    added = sum(part in (("other", "+"), ("other", "-")) for part in parts)
    return levels * math.log2(1 + added / levels) + ROWS * min(sum(word.startswith("sum") for word in words), levels)


def _divided(sql: str) -> str:
    """SQL whose quotients are fractions, as whole numbers have them: those of decimal numbers are cut, and too long sooner.

    Examples
    --------
    >>> _divided("SELECT a / 2, a // 2, 'a/b' -- a/b")
    "SELECT a /1e0/ 2, a // 2, 'a/b' -- a/b"
    """
    parts = split(sql)
    slash = [part == ("other", "/") for part in parts]
    alone = [here and not (before or after) for before, here, after in zip([False, *slash], slash, [*slash[1:], False], strict=False)]
    return "".join("/1e0/" if single else text for single, (_, text) in zip(alone, parts, strict=True))


def _multiplies(parts: list[tuple[str, str]], words: list[str], at: int) -> bool:
    """Return True for a star between two factors: not one of ``SELECT *``, ``t.*`` and ``count(*)``."""
    if parts[at] != ("other", "*"):
        return False
    kind, text = parts[at - 1]
    return (
        kind in ("number", "quoted", "text")
        or text in (")", "]")
        or (kind == "word" and words[at - 1] not in ("select", "distinct", "all"))
    )
