"""``dse check``: hold designs against their twins, invariants and content tokens; exit 1 if a check fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dse.common import options, output

if TYPE_CHECKING:
    import argparse

COLUMNS = ["design", "check", "verdict", "cases", "finding"]
SHOWN = 12  # demands in a line of the table; JSON has all


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("designs", metavar="DESIGN[,DESIGN]", help="designs, or files such as my_design.py that register them")
    parser.add_argument("--only", default=None, metavar="CHECK", help="checks by name, such as 'ledger,leaks' (default: all)")
    parser.add_argument("--seed", type=options.seed, default=0, metavar="N", help="first seed of random demands (default: 0)")
    parser.add_argument("--demands", type=options.positive, default=None, metavar="N", help="demands of each stream (default: 4000)")
    options.add_format(parser)


def _line(row: dict[str, Any]) -> str:
    """Finding with the demands that show it."""
    demands = row["demands"]
    if not demands:
        return str(row["finding"])
    more = f", {len(demands) - SHOWN} more" if len(demands) > SHOWN else ""
    return f"{row['finding']}; shown by {', '.join(demands[:SHOWN])}{more}"


def run(args: argparse.Namespace) -> int:
    """Print one line for each check and return 1 if one failed."""
    from dse.testing import machine
    from dse.testing.checking import check

    found = check(args.designs, seed=args.seed, demands=args.demands, only=args.only)
    rows = found["rows"]
    output.emit([{**row, "finding": _line(row)} for row in rows], args.format, columns=COLUMNS, document=found)
    for design in dict.fromkeys(row["design"] for row in rows):
        mine = [row for row in rows if row["design"] == design]
        failed = sum(row["verdict"] == "failed" for row in mine)
        output.note(f"{design} against {mine[0]['against']}: {len(mine) - failed} checks passed, {failed} failed")
    if not machine.has_hypothesis():
        output.note("the state machine was a random walk: pip install 'swapdse[testing]' for Hypothesis, which finds more")
    return 1 if any(row["verdict"] == "failed" for row in rows) else 0
