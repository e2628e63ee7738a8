"""Guard of the stored tables: SQL is one SELECT over them, of a size that the query engine takes."""

from __future__ import annotations

import itertools
import re

from dse.errors import BadInput

STATEMENTS = frozenset(("create", "insert", "update", "delete", "drop", "truncate", "alter", "copy", "attach", "explain", "show", "set",
                        "execute", "describe", "use", "call"))  # fmt: skip
FILE_FUNCTION = re.compile(r"(read|scan)_\w+")
TOKEN = re.compile(
    r"(?P<space>\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)|(?P<text>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[A-Za-z_][^\]]*\])"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>\d[\w.]*)|(?P<other>.)",
    re.DOTALL,
)
LONGEST, DEEPEST, OPERATORS_MOST, TABLES_MOST = 100_000, 40, 500, 50
"""Most characters, brackets within one another, operators, and tables of a query.

Measured with Polars 2 on 218 rows: 1,000 additions take 2 s, 3,000 more than a minute, 10,000 overflow the stack; 300 unions take 9 s, and
1,000 overflow it.
"""
CHAINING = frozenset(("and", "or", "not", "when", "is", "like", "ilike", "rlike", "regexp", "between", "in", "div", "xor", "collate"))
JOINING = frozenset(("join", "union", "intersect", "except", "from"))
PARTING = frozenset(("extract", "trim", "substring", "overlay"))
"""Functions with a FROM between their arguments."""
NUMBER = re.compile(r"\d+(\.\d*)?(e\d*)?", re.IGNORECASE)
"""A number, whose exponent may have its sign behind it."""
CHOOSING = frozenset(("case", "nullif", "if", "ifnull", "coalesce"))
"""Expressions that have one value for all rows in some queries and not in others."""
CONSTANT = frozenset(
    ("null", "true", "false", "as", "double", "float", "real", "int", "integer", "bigint", "hugeint", "varchar", "text", "date")
)
"""Words of an expression without columns."""
BEGINNING = frozenset(
    ("select", "distinct", "when", "then", "else", "case", "and", "or", "not", "where", "having", "on", "by", "between", "in")
)
"""Words behind which an expression begins."""


def split(sql: str) -> list[tuple[str, str]]:
    """Split SQL into (kind, text), blanks and comments with it: the texts together are the SQL."""
    return [(str(match.lastgroup), match[0]) for match in TOKEN.finditer(sql)]


def tokens(sql: str) -> list[tuple[str, str]]:
    """Split SQL into (kind, text), without blanks and comments."""
    return [(kind, text) for kind, text in split(sql) if kind != "space"]


def guard(sql: str) -> str:
    """Let one SELECT over tables through, and nothing else.

    Polars' SQL has table functions that read any file or address, so none is let through: not by its name, wherever it stands, and
    not by its place (a name with arguments behind FROM, JOIN or a comma there). Quotes and comments that do not end are refused.

    Raises
    ------
    BadInput
        What is not allowed.
    """
    if len(sql) > LONGEST:
        raise BadInput(f"a query has {LONGEST:,} characters at most, this one {len(sql):,}")
    parts = tokens(sql)
    while parts and parts[-1] == ("other", ";"):
        parts.pop()
    if not parts:
        raise BadInput("the query is empty; such as: SELECT design, op, value FROM ops LIMIT 10")
    words = [text.lower() if kind == "word" else "" for kind, text in parts]
    if words[0] not in ("select", "with"):
        raise BadInput(f"only SELECT is allowed, not {parts[0][1][:40]!r}")
    for kind, text in parts:
        if (kind, text) == ("other", ";"):
            raise BadInput("only one statement is allowed")
        if kind == "other" and text in "'\"`$\\\0":
            raise BadInput(f"the query holds a {text!r} that starts or ends nothing")
    _selects_only(parts, words)
    _small_enough(parts, words)
    found = FILE_FUNCTION.search(sql.lower())
    if found:
        raise BadInput(f"{found[0]} is not allowed: a query sees the stored tables only")
    if any(pair == (("other", "/"), ("other", "*")) for pair in itertools.pairwise(split(sql))):
        raise BadInput("a comment does not end")
    _tables_only(parts, words)
    _numbers_as_such(parts)
    _columns_first(parts, words)
    return sql


def _selects_only(parts: list[tuple[str, str]], words: list[str]) -> None:
    """Refuse another statement where one begins: after a bracket, and behind the tables of WITH. Elsewhere such a word is a name."""
    depth, waits = 0, words[0] == "with"
    for i, (kind, text) in enumerate(parts):
        before = parts[i - 1] if i else ("", "")
        if (kind, text) in (("other", "("), ("other", ")")):
            depth += 1 if text == "(" else -1
        elif words[i] in STATEMENTS and (before == ("other", "(") or (waits and depth == 0 and before == ("other", ")"))):
            raise BadInput(f"only SELECT is allowed, not {words[i].upper()}")
        elif words[i] == "into" and before != ("word", "as") and before[1].lower() != "as":
            raise BadInput("only SELECT is allowed, not INTO")
        elif words[i] == "select" and depth == 0:
            waits = False


def _small_enough(parts: list[tuple[str, str]], words: list[str]) -> None:
    """Refuse what the engine takes long for, or falls over: it goes down a tree as deep as a chain of operators is long."""
    depth = deepest = 0
    for part in parts:
        depth += (part == ("other", "(")) - (part == ("other", ")"))
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise BadInput(f"a query has {DEEPEST} brackets within one another at most, this one {deepest}")
    found = sum(word in CHAINING for word in words) + sum(kind == "other" and text in "+-*/%|=<>:~!" for kind, text in parts)
    if found > OPERATORS_MOST:
        raise BadInput(f"a query has {OPERATORS_MOST} operators at most (IN (...) lists values), this one {found:,}")
    tables = sum(word in JOINING for word in words)
    if tables > TABLES_MOST:
        raise BadInput(f"a query has {TABLES_MOST} joins, unions and subqueries at most, this one {tables:,}")


def _tables_only(parts: list[tuple[str, str]], words: list[str]) -> None:
    """Refuse functions and texts where a table stands."""
    depth = 0
    places: list[int] = []  # depths of brackets in which a list of tables is open
    parting: list[int] = []  # and of those in which no SELECT has begun since EXTRACT and the like
    for i, (kind, text) in enumerate(parts):
        following = parts[i + 1] if i + 1 < len(parts) else ("", "")
        if (kind, text) == ("other", "("):
            depth += 1
            parting += [depth] if words[i - 1] in PARTING and words[i + 1 : i + 2] != ["select"] else []
        elif (kind, text) == ("other", ")"):
            depth -= 1
            places = [place for place in places if place <= depth]
            parting = [place for place in parting if place <= depth]
        elif words[i] == "from" and (depth in parting or words[i - 2 : i] in (["is", "distinct"], ["not", "distinct"])):
            continue
        elif words[i] in ("from", "join") or (text == "," and depth in places):
            if words[i] == "from":
                places.append(depth)
            name_end = i + 2
            while name_end + 1 < len(parts) and parts[name_end] == ("other", "."):
                name_end += 2
            if following[0] == "text":
                raise BadInput(f"{following[1][:60]} is no table: a query sees the stored tables only")
            is_name = following[0] in ("word", "quoted") and following[1].lower() != "lateral"
            if is_name and name_end < len(parts) and parts[name_end] == ("other", "("):
                raise BadInput(f"{following[1]} with arguments is not allowed behind {text.upper()}: a query sees the stored tables only")
        elif words[i] in ("where", "group", "order", "having", "limit", "union", "intersect", "except", "window", "qualify", "select"):
            places = [place for place in places if place != depth]


def _numbers_as_such(parts: list[tuple[str, str]]) -> None:
    """Refuse what begins as a number and goes on as a name: SQL would take ``1_000`` for a 1 whose name is _000."""
    for kind, text in parts:
        if kind == "number" and not NUMBER.fullmatch(text):
            raise BadInput(f"{text[:40]!r} is no number of SQL: digits have nothing between them but one point, or an e before an exponent")


def _columns_first(parts: list[tuple[str, str]], words: list[str]) -> None:
    """Refuse a constant that is compared with a CASE or the like behind it: the engine (Polars 2.1) then loses rows, and counts too few.

    It does so where the CASE has the same constant in all rows. The other way round it is right.
    """
    opened = _open_brackets(parts)
    for at in range(1, len(parts)):
        ends, begins = _compares(parts, words, at, words[opened[at] - 1])
        if begins and (start := _constant(parts, words, opened, ends)) >= 0:
            behind = next((words[i] for i in range(begins, len(parts)) if _counts(*parts[i])), "")
            if behind in CHOOSING and (words[at] != "when" or words[start - 1] == "case"):
                what = f"a constant stands before a comparison and {behind.upper()} behind it"
                raise BadInput(f"{what}, and the query engine loses rows there: write it the other way round")


def _compares(parts: list[tuple[str, str]], words: list[str], at: int, function: str) -> tuple[int, int]:
    """Places where the left side of a comparison ends and its right side begins, by a place in a function; (0, 0) where none is."""
    kind, text = parts[at]
    if kind == "other" and text in "=<>" and parts[at + 1 : at + 2] not in ([("other", "=")], [("other", ">")]):
        left = at - 1
        while parts[left] in (("other", "<"), ("other", ">"), ("other", "!")):
            left -= 1
        return left, at + 1
    if words[at] in ("between", "in", "when") and function != "position":
        return at - 1 - (words[at - 1] == "not"), at + 1
    if words[at] == "from" and words[at - 1] == "distinct" and "is" in words[max(at - 3, 0) : at - 1]:
        return at - 2 - words[at - 2 :: -1].index("is") - 1, at + 1
    return (at - 1, at + 1) if text == "," and function == "nullif" else (0, 0)


def _counts(kind: str, text: str) -> bool:
    """Return True for what is more than a sign, a bracket or a number on the way to what a comparison has behind it."""
    return not (kind == "number" or (kind == "other" and text in "=<>!(+-*/%"))


def _open_brackets(parts: list[tuple[str, str]]) -> list[int]:
    """Place of the innermost bracket that is open before each place; 0 where there is none."""
    found, stack = [], [0]
    for at, part in enumerate(parts):
        found.append(stack[-1])
        if part == ("other", "("):
            stack.append(at)
        elif part == ("other", ")") and len(stack) > 1:
            stack.pop()
    return found


def _constant(parts: list[tuple[str, str]], words: list[str], opened: list[int], end: int) -> int:
    """Place where what ends at another one begins, if it is made of constants; else -1."""
    i = end
    while i >= 0:
        start = opened[i] if parts[i] == ("other", ")") else i
        inner = range(start, i + 1)
        if parts[i] == ("other", ")") and parts[start + 1] == ("other", "*"):
            return -1  # COUNT(*)
        if any(parts[k][0] == "quoted" or (words[k] and words[k] not in CONSTANT and parts[k + 1] != ("other", "(")) for k in inner):
            return -1
        if parts[i][0] == "other" and parts[i] != ("other", ")"):
            return -1
        i = start - 1
        if start < end and i >= 0 and parts[start] == ("other", "(") and words[i] and words[i] not in BEGINNING:
            i -= 1
        if i < 0 or parts[i][0] != "other" or parts[i][1] not in "+-*/%|:":
            return i + 1
        while i >= 0 and parts[i][0] == "other" and parts[i][1] in "+-*/%|:":
            i -= 1
        if i < 0 or (parts[i][0] == "word" and words[i] in BEGINNING) or parts[i][1] in "(,":
            return i + 1  # a sign
    return 0
