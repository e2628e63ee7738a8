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
    parser.add_argument("--schedules", type=options.positive, default=None, metavar="N",
                        help="most schedules of a design, 4 to 15 ms each (default: 400); alone it means --only schedules")  # fmt: skip
    parser.add_argument("--preemptions", type=options.whole, default=None, metavar="N",
                        help="most preemptions where all schedules are run (default: 2); a quarter of --schedules is random")  # fmt: skip
    parser.add_argument("--schedule", default=None, metavar="NUMBER", help="run one schedule again and print it, a column for each CPU")
    options.add_format(parser)


def _line(row: dict[str, Any]) -> str:
    """Finding with the demands that show it."""
    demands = row["demands"]
    if not demands:
        return str(row["finding"])
    more = f", {len(demands) - SHOWN} more" if len(demands) > SHOWN else ""
    return f"{row['finding']}; shown by {', '.join(demands[:SHOWN])}{more}"


def _again(args: argparse.Namespace) -> int:
    """Print one schedule; 1 if something is wrong with it."""
    from dse.errors import BadInput
    from dse.testing import subjects
    from dse.testing.schedules import asking, showing

    for given in ("only", "demands", "schedules", "preemptions"):
        if getattr(args, given) is not None:
            raise BadInput(f"--{given} has no effect: --schedule runs one schedule again")
    if args.format != "table":
        raise BadInput(f"--format {args.format} has no effect: --schedule prints columns")
    chosen = subjects.chosen(args.designs)
    if len(chosen) != 1:
        raise BadInput(f"--schedule takes one design, not {len(chosen)}")
    text = asking.again(chosen[0].settings[0].text, args.schedule)
    last = text.rpartition("\n")[2]
    if last.startswith(showing.MISSED):
        raise BadInput(f"schedule {args.schedule!r}: {last}")
    output.write(text)
    return 0 if text.endswith(showing.RIGHT) else 1


def run(args: argparse.Namespace) -> int:
    """Print one line for each check and return 1 if one failed."""
    if args.schedule is not None:
        return _again(args)
    from dse.testing import machine
    from dse.testing.checking import PREEMPTIONS, SCHEDULES, check

    alone = args.only is None and args.demands is None and (args.schedules is not None or args.preemptions is not None)
    found = check(
        args.designs,
        seed=args.seed,
        demands=args.demands,
        only="schedules" if alone else args.only,
        schedules=SCHEDULES if args.schedules is None else args.schedules,
        preemptions=PREEMPTIONS if args.preemptions is None else args.preemptions,
    )
    rows = found["rows"]
    output.emit([{**row, "finding": _line(row)} for row in rows], args.format, columns=COLUMNS, document=found)
    for design in dict.fromkeys(row["design"] for row in rows):
        mine = [row for row in rows if row["design"] == design]
        failed = sum(row["verdict"] == "failed" for row in mine)
        output.note(f"{design} against {mine[0]['against']}: {len(mine) - failed} checks passed, {failed} failed")
    if not machine.has_hypothesis():
        output.note("the state machine was a random walk: pip install 'swapdse[testing]' for Hypothesis, which finds more")
    return 1 if any(row["verdict"] == "failed" for row in rows) else 0
