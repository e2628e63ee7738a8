"""``dse diff``: compare two stored runs.

Counted figures must be equal; measured ones are shown as a ratio. The exit status is 0 if all counters are equal, else 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dse.common import options, output
from dse.errors import CheckFailed

if TYPE_CHECKING:
    import argparse

COLUMNS = ["design", "op", "metric", "stat", "state", "age", "timing", "kind", "unit", "a", "b", "ratio", "status"]
SAME_TEXT = {
    "scenario_digest": "scenario",
    "trace_digest": "trace",
    "seed": "seed",
    "code_digest": "code",
    "cpu": "CPU",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("a", metavar="RUN", help="a run's name, a part of it that only one has, or last")
    parser.add_argument("b", metavar="RUN", help="run to compare with")
    parser.add_argument("--all", action="store_true", help="show equal counted figures as well")
    options.add_format(parser)
    options.add_results(parser)


def _ratio(a: float | None, b: float | None) -> float | None:
    """B over A, where both are numbers and A is not 0."""
    return None if a is None or b is None or a == 0 else b / a


def compare_rows(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pair the figures of two runs.

    Parameters
    ----------
    first, second : sequences of mappings
        Rows of ops.

    Returns
    -------
    list of dict
        One row per figure, `status` one of same, differs, ratio, only in a, only in b. Counted figures that are in one
        run alone, more than once included, count as differing.
    """
    from dse.storing import identity

    sides: tuple[dict[Any, Mapping[str, Any]], ...] = ({}, {})
    for side, rows in zip(sides, (first, second), strict=True):
        seen: dict[tuple[str, ...], int] = {}
        for row in rows:
            name = identity(row)
            seen[name] = seen.get(name, 0) + 1
            side[(*name, seen[name])] = row
    left, right = sides
    return [_paired(left.get(name), right.get(name)) for name in dict.fromkeys([*left, *right])]


def _paired(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> dict[str, Any]:
    """Make one row of the comparison."""
    from dse.storing import exact

    either = a if a is not None else b
    assert either is not None  # noqa: S101 - a name comes from one of the two
    row = {name: either.get(name) for name in COLUMNS}
    row["a"], row["b"] = (None if side is None else side.get("value") for side in (a, b))
    row["ratio"] = _ratio(row["a"], row["b"])
    if a is None or b is None:
        row["status"] = "only in b" if a is None else "only in a"
    elif either["kind"] != "counted":
        row["status"] = "ratio"
    else:
        equal = exact(a) == exact(b) and (a.get("status") or "ok") == (b.get("status") or "ok")
        row["status"] = "same" if equal else "differs"
        row["a"], row["b"] = (_shown(side) for side in (a, b))
    return row


def _shown(row: Mapping[str, Any]) -> Any:
    """Return the figure, a counted one as a whole number."""
    return row["count"] if row.get("count") is not None else row.get("value")


def run(args: argparse.Namespace) -> int:
    """Print the differences."""
    from dse.storing import load_run

    a, b = load_run(args.results, args.a), load_run(args.results, args.b)
    for column, word in SAME_TEXT.items():
        if a.provenance.get(column) != b.provenance.get(column):
            output.note(f"the runs differ in {word}")
    rows = compare_rows(a.ops, b.ops)
    counted = [row for row in rows if row["kind"] == "counted"]
    compared = sum(row["status"] in ("same", "differs") for row in counted)
    differ = sum(row["status"] != "same" for row in counted)
    shown = [row for row in rows if args.all or row["status"] != "same"]
    equal = compared > 0 and differ == 0
    document = {"a": a.name, "b": b.name, "equal": equal, "compared": compared, "differ": differ, "rows": shown}
    if args.format != "table" or shown:
        output.emit(shown, args.format, columns=COLUMNS, document=document)
    if compared == 0:
        raise CheckFailed(f"{a.name} and {b.name} have no counted figure in common")
    output.note(f"{compared} counted figures compared, {differ} differ: counters {'equal' if equal else 'NOT equal'}")
    return 0 if equal else 1
