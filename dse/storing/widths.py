"""Widths of whole numbers in queries: none wraps at 32 or 64 bits, and a figure that is too large is refused.

Tables hold counts without a sign, which wrap below zero, and the engine gives some functions and numbers 8 or 32 bits. A query computes
with signed numbers of 128 bits; what it answers fits 64.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping

import polars as pl

from dse.errors import BadInput
from dse.storing.guarding import split

WIDE = "HUGEINT"
"""Name of a signed number of 128 bits in SQL."""
COUNTING = frozenset((
    "count", "length", "len", "char_length", "character_length", "octet_length", "bit_length", "bit_count", "strpos", "array_length",
    "row_number", "rank", "dense_rank", "sign", "position", "ntile", "grouping", "div", "array_lower", "array_upper", "year", "quarter",
    "month", "week", "day", "dayofmonth", "dayofweek", "dayofyear", "hour", "minute", "second",
))  # fmt: skip
"""Functions whose results the engine (Polars 2.1) gives fewer than 128 bits, some without a sign."""
VALUED = frozenset((
    "sum", "min", "max", "avg", "first", "last", "if", "ifnull", "nullif", "coalesce", "greatest", "least", "abs", "mod", "div", "cast",
    "try_cast",
))  # fmt: skip
"""Functions whose arguments are values, and no places or digits that have to stand as numbers."""
GROUPING = frozenset((
    "select", "distinct", "all", "as", "from", "join", "exists", "union", "where", "having", "on", "and", "or", "not", "is", "between",
    "when", "then", "else", "case", "filter", "like", "=",
))  # fmt: skip
"""Words before a bracket that calls no function."""
COMPARING = frozenset(
    ("=", "<", ">", "!", "is", "in", "not", "and", "or", "like", "ilike", "between", "exists", "rlike", "regexp", "true", "false")
)
PARTS = frozenset(("extract", "date_part"))
"""Functions of parts of a date: 8 to 32 bits, or a fraction."""
FRACTIONS = ("milli", "micro", "nano", "epoch", "time")
"""Beginnings of the parts of a date that are no whole numbers."""
POWERS = frozenset(("pow", "power"))
WHOLE = frozenset((
    "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "int1", "int2", "int4", "int8", "int16", "int32", "int64", "uint1",
    "uint2", "uint4", "uint8", "uint16", "uint32", "uint64", "utinyint", "usmallint", "uint", "uinteger", "ubigint", "signed", "unsigned",
    "hugeint", "int128", "uhugeint", "uint128",
))  # fmt: skip
"""Types of whole numbers that SQL names."""
DECIMALS = frozenset(("decimal", "dec", "numeric", "bigdecimal", "bignumeric"))
"""Types of numbers of a fixed scale: the engine cuts their quotients at few places, 1.0 * 7 / 1000000000 to 0."""
EXPONENT = re.compile(r"\d[\d.]*e")
"""A number whose exponent has its sign, and digits, behind it."""
FEW_DIGITS = 4
"""Digits of a number that no sum over stored rows brings above 32 bits, if it stands in no CASE and is no column of its own."""
Part = tuple[str, str]


class _Written:
    """SQL that is being rewritten: what stands before, after and in place of its parts, blanks and comments among them."""

    def __init__(self, sql: str) -> None:
        self.parts = split(sql)
        self.seen = [i for i, (kind, _) in enumerate(self.parts) if kind != "space"]
        self.words = [self.parts[i][1].lower() for i in self.seen]
        self.kinds = [self.parts[i][0] for i in self.seen]
        self.before, self.after = dict.fromkeys(range(len(self.parts)), ""), dict.fromkeys(range(len(self.parts)), "")
        self.replaced: dict[int, str] = {}

    def around(self, start: int, end: int, before: str, after: str) -> None:
        """Put a text before and after a span of words, around what is there."""
        self.before[self.seen[start]] = before + self.before[self.seen[start]]
        self.after[self.seen[end]] += after

    def close(self, at: int, before: str, after: str) -> None:
        """Put a text before and after a word, within what is there."""
        self.before[self.seen[at]] += before
        self.after[self.seen[at]] = after + self.after[self.seen[at]]

    def text(self) -> str:
        """Return the SQL."""
        return "".join(self.before[i] + self.replaced.get(i, text) + self.after[i] for i, (_, text) in enumerate(self.parts))


def widened(sql: str, wide: str = WIDE, truths: Collection[str] = ()) -> str:
    """Rewrite SQL that is let through (:func:`dse.storing.guarding.guard`), so that whole numbers have 128 bits, or are `wide`.

    Parameters
    ----------
    sql : str
        The query.
    wide : str
        The type of whole numbers.
    truths : collection of str
        Columns that hold yes or no: the engine counts these with 32 bits without a sign.

    Examples
    --------
    >>> widened("SELECT count(*) - 9 AS n FROM ops")
    'SELECT CAST(count(*) AS HUGEINT) - CAST(9 AS HUGEINT) AS n FROM ops'
    >>> widened("SELECT SUM(front) FROM trials")
    'SELECT SUM((front) * CAST(1 AS HUGEINT)) FROM trials'
    """
    written = _Written(sql)
    words, openers, plain = written.words, _openers(written.words), _plain_places(written.words)
    for at, part in enumerate(written.seen):
        if _is_type(words, at, openers, WHOLE):
            written.replaced[part] = "" if words[at - 1] in WHOLE else WIDE
            if wide != WIDE and words[at - 1] not in WHOLE:
                _cast_again(written, at, wide)
        elif _is_type(words, at, openers, DECIMALS):
            _cast_again(written, at, "DOUBLE")
        elif _is_fraction(written.parts, part):
            written.close(at, "", "e0")
        elif at > 1 and words[at - 1] in "+-" and EXPONENT.fullmatch(words[at - 2]):
            continue
        elif _is_large(words, at, openers, written.kinds[at]) or (plain[at] and _is_value(written, at, openers)):
            written.close(at, "CAST(", f" AS {wide})")
    for start, end, kind in _casts(words, wide):
        written.around(start, end, "CAST(", f" AS {kind})")
    if wide == WIDE:
        _widen_truths(written, truths)
    return written.text()


def _widen_truths(written: _Written, truths: Collection[str]) -> None:
    """Multiply by a one of 128 bits what the engine would count with 32: what is summed, and yes or no where it is added."""
    words, one = written.words, f" * CAST(1 AS {WIDE})"
    names = _with_aliases(words, {name.lower() for name in truths} | {"true", "false"})
    for at, word in enumerate(words):
        owner = at - 2 if words[at - 1 : at] == ["."] else at
        if written.kinds[at] in ("word", "quoted") and word.strip('"`') in names and words[at + 1 : at + 2] != ["."]:
            if not {*words[at + 1 : at + 2], *words[max(owner - 1, 0) : max(owner, 0)]}.isdisjoint("+-"):
                written.close(at, "", one)
        elif word == "(" and not _is_call(words, at):
            end = _closing(words, at)
            beside = {*words[end + 1 : end + 2], *words[max(at - 1, 0) : at]}
            if not beside.isdisjoint("+-") and not COMPARING.isdisjoint(words[at:end]):
                written.around(at, end, "", one)
    for at, word in enumerate(words[:-1]):
        if word == "array_sum" and words[at + 1] == "(":
            written.around(at, _closing(words, at + 1), "(", f"{one})")
    for at, word in enumerate(words[:-1]):
        start, end = at + 2, _closing(words, at + 1) - 1
        start += words[start : start + 1] in (["distinct"], ["all"])
        if word == "sum" and words[at + 1] == "(" and start <= end and "order" not in words[start:end]:
            written.around(start, end, "(", f"){one}")


def _with_aliases(words: list[str], names: set[str]) -> set[str]:
    """Names that may hold yes or no, with those that the query itself gives (``a > 1 AS b`` within brackets): a one changes no number."""
    found = set(names)
    for at, word in enumerate(words[:-1]):
        if word != "as" or not re.fullmatch(r'\w+|"[^"]*"|`[^`]*`', words[at + 1]):
            continue
        start, depth = at - 1, 0
        while start >= 0 and depth >= 0 and not (depth == 0 and words[start] in (",", "select")):
            depth += (words[start] == ")") - (words[start] == "(")
            start -= 1
        inside = {part.strip('"`') for part in words[start + 1 : at]}
        if not inside.isdisjoint(COMPARING | found):
            found.add(words[at + 1].strip('"`'))
    return found


def _is_call(words: list[str], at: int) -> bool:
    """Return True for a bracket behind the name of a function."""
    return at > 0 and bool(re.fullmatch(r"\w+", words[at - 1])) and words[at - 1] not in GROUPING


def _plain_places(words: list[str]) -> list[bool]:
    """Say for each place if a number there is a value: within no brackets but such as group, and those of :data:`VALUED`."""
    found, stack, row = [], [True], -1
    for at, word in enumerate(words):
        if word in (")", "]") and len(stack) > 1:
            stack.pop()
        found.append(stack[-1])
        if word == "(":
            given = words[at - 1 : at] == ["values"] or (words[at - 1 : at] == [","] and at - 2 == row)  # VALUES takes numbers only
            row = _closing(words, at) if given else row
            stack.append(stack[-1] and not given and (not _is_call(words, at) or words[at - 1] in VALUED))
        elif word == "[":
            stack.append(False)
    return found


def _is_value(written: _Written, at: int, openers: list[str]) -> bool:
    """Return True for a whole number that is added, taken modulo, alone in brackets, or an argument: the engine gives it 32 bits."""
    words = written.words
    if not words[at].isdigit() or written.kinds[at] != "number" or words[at - 1 : at] in (["."], ["limit"], ["offset"]):
        return False
    before, behind = words[max(at - 1, 0) : at], words[at + 1 : at + 2]
    if not {*before, *behind}.isdisjoint("+-%"):
        return True
    alone = before == ["("] and behind == [")"]
    return alone or (openers[at] in VALUED and before in (["("], [","]) and behind in ([")"], [","]))


def _closing(words: list[str], at: int) -> int:
    """Place of the bracket that closes the one at a place; the last place where none does."""
    depth = 0
    for i in range(at, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if not depth:
            return i
    return len(words) - 1


def _openers(words: list[str]) -> list[str]:
    """Word before the innermost open bracket, for each place."""
    found, stack = [], [""]
    for i, word in enumerate(words):
        if word == ")" and len(stack) > 1:
            stack.pop()
        found.append(stack[-1])
        if word == "(":
            stack.append(words[i - 1] if i else "")
    return found


def _casts(words: list[str], wide: str) -> Iterator[tuple[int, int, str]]:
    """Spans of words that get another type, first and last place: results of functions, and bases of powers."""
    for i, word in enumerate(words[:-1]):
        if words[i + 1] != "(":
            continue
        if word in POWERS:
            yield i + 2, _comma(words, i + 1) - 1, "DOUBLE"
        elif word in COUNTING or (word in PARTS and not any(w.strip("'").startswith(FRACTIONS) for w in words[i + 2 : i + 3])):
            end = _closing(words, i + 1)
            if words[end + 1 : end + 3] == ["filter", "("]:
                end = _closing(words, end + 2)
            if words[end + 1 : end + 2] == ["over"] and end + 2 < len(words):
                end = _closing(words, end + 2) if words[end + 2] == "(" else end + 2
            yield i, end, wide


def _comma(words: list[str], at: int) -> int:
    """Place of the first comma within the bracket at a place, or of its end."""
    depth = 0
    for i in range(at, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if not depth or (depth == 1 and words[i] == ","):
            return i
    return len(words)


def _is_type(words: list[str], at: int, openers: list[str], types: frozenset[str]) -> bool:
    """Return True for the type in CAST(x AS type) and x::type, if it is one of `types`."""
    if words[at] not in types or not at:
        return False
    if words[at - 1] in types:
        return _is_type(words, at - 1, openers, types)
    return words[at - 2 : at] == [":", ":"] or (words[at - 1] == "as" and openers[at] in ("cast", "try_cast"))


def _cast_again(written: _Written, at: int, kind: str) -> None:
    """Give what is cast to the type at a place another type behind that: behind the bracket of CAST, or the type itself."""
    words, end = written.words, at
    while words[end + 1 : end + 2] and words[end + 1] in WHOLE:
        end += 1
    if words[end + 1 : end + 2] == ["("]:
        end = _closing(words, end + 1)
    if words[at - 1] == "as":
        end += 1
    if end < len(words):
        written.close(end, "", f"::{kind}")


def _is_fraction(parts: list[Part], at: int) -> bool:
    """Return True for a number with a point and without an exponent, which is no decimal number here but a fraction."""
    kind, text = parts[at]
    leading = at > 0 and parts[at - 1] == ("other", ".") and (at < 2 or parts[at - 2][0] not in ("word", "quoted"))
    return kind == "number" and (text.count(".") == 1 or leading) and text.replace(".", "").isdigit()


def _is_large(words: list[str], at: int, openers: list[str], kind: str) -> bool:
    """Return True for a number that may grow: one of five digits and more, of a CASE, a product, or with a name of its own."""
    if kind != "number" or not words[at].isdigit() or openers[at] == "in" or words[at - 1] in ("limit", "offset", "."):
        return False
    named = words[at + 1 : at + 2] == ["as"] and openers[at] not in ("cast", "try_cast")
    factor = words[at - 1] == "*" or words[at + 1 : at + 2] == ["*"]
    return len(words[at]) > FEW_DIGITS or words[at - 1] in ("then", "else") or named or factor


def signed(frame: pl.LazyFrame) -> pl.LazyFrame:
    """A table whose whole numbers have a sign and 128 bits."""
    whole = [name for name, kind in frame.collect_schema().items() if kind.is_integer()]
    return frame.with_columns(pl.col(name).cast(pl.Int128) for name in whole)


def shown(kinds: Mapping[str, pl.DataType]) -> dict[str, str]:
    """Types of columns as queries answer them: whole numbers have a sign."""
    return {name: "Int64" if kind.is_integer() else str(kind) for name, kind in kinds.items()}


def answered(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of an answer types that every form has: whole numbers of 64 bits, numbers, texts, yes or no, and lists of these.

    Decimal numbers become numbers; dates, times and spans become text of ISO 8601.

    Raises
    ------
    BadInput
        A whole number that has more than 64 bits, or bytes that are no text.
    """
    return frame.with_columns(_plain(frame[name]) for name in frame.columns)


def _plain(column: pl.Series) -> pl.Series:
    """One column of an answer."""
    kind = column.dtype
    if isinstance(kind, (pl.List, pl.Array)):
        lists = column.to_list()
        inner = _plain(pl.Series(column.name, [item for row in lists if row is not None for item in row], dtype=kind.inner, strict=False))
        items = iter(inner)
        made = [None if row is None else [next(items) for _ in row] for row in lists]
        return pl.Series(column.name, made, dtype=pl.List(inner.dtype))
    if kind == pl.Binary or isinstance(kind, (pl.Object, pl.Struct)):
        raise BadInput(f"column {column.name!r} of the answer holds {str(kind).lower()}, which no form shows: cast it, or leave it out")
    if kind.is_integer() or (isinstance(kind, pl.Decimal) and not kind.scale):
        return _fitting(column)
    if isinstance(kind, pl.Decimal):
        return column.cast(pl.Float64)
    if kind.is_temporal():
        return column.dt.to_string("iso:strict")
    return column.cast(pl.String) if isinstance(kind, (pl.Categorical, pl.Enum, pl.Null)) else column


def _fitting(column: pl.Series) -> pl.Series:
    """Whole numbers of 64 bits."""
    try:
        return column.cast(pl.Int64)
    except pl.exceptions.InvalidOperationError:
        how = "compute with numbers that are not whole, CAST(x AS DOUBLE)"
        raise BadInput(f"column {column.name!r} of the answer is beyond 64 bits, -2^63 to 2^63 - 1: {how}") from None


def csv(frame: pl.DataFrame) -> str:
    """Write an answer as CSV: an empty cell is null, and a list is one of JSON."""
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    texts = [pl.Series(name, [None if row is None else json.dumps(row) for row in frame[name].to_list()], pl.String) for name in lists]
    return frame.with_columns(texts).write_csv()
