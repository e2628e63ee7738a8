"""``dse compare``: compare the cost of designs per operation and per page, on a real program's trace."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from dse.common import options, output
from dse.scenario.keys import STATES

if TYPE_CHECKING:
    import argparse

COLUMNS = [
    "scenario",
    "design",
    "op",
    "metric",
    "stat",
    "state",
    "age",
    "timing",
    "kind",
    "unit",
    "value",
    "lo",
    "hi",
    "n",
    "baseline",
    "status",
]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("scenario", nargs="?", default="writeback", metavar="SCENARIO", help="name or TOML file (default: %(default)s)")
    parser.add_argument(
        "--trace", type=options.trace, metavar="F", help="trace file or shipped trace to run the scenario on: once, one copy, unfiltered"
    )
    options.add_set(parser)
    parser.add_argument("--designs", default=None, metavar="A,B", help="designs, the baseline first: NAME[param=value,...], all, layers")
    parser.add_argument(
        "--state", choices=STATES, help="the only state of the caches before a timed operation (default: footprint and cold)"
    )
    options.add_budget(parser)
    parser.add_argument("--full", action="store_true", help="all tables after the answer: operations, allocations, pages")
    options.add_counted_only(parser)
    parser.add_argument(
        "--cpus", metavar="N,N", help="predict page faults of so many CPUs instead, each number from 1 to 256, such as 1,2,8,32,128"
    )
    parser.add_argument("--chart", type=options.file, metavar="FILE", help="with --cpus: draw them: FILE.png, FILE.svg, - for text")
    options.add_parameters(parser)
    options.add_seed(parser)
    options.add_format(parser)
    options.add_results(parser)


def _counted(found: dict[str, Any]) -> None:
    """Show on stderr what is counted: stdout holds the whole answer alone."""
    from dse.reports import answer

    output.say("".join(f"{line}\n" for line in answer.screen(found).counted()))


def _predict(args: argparse.Namespace) -> int:
    """Predict many CPUs, and print what stops each design. A prediction is not stored: the same command gives it again."""
    from dse import naming
    from dse.predicting import predict
    from dse.reports import scaling

    options.refuse(args, "trace state budget width full counted_only results", "--cpus predicts, and neither measures nor stores")
    if args.chart is not None:
        named = naming.default_designs() if args.designs is None else naming.parse_many(args.designs)
        scaling.check(args.chart, len(named), args.format)
    found = predict(args.scenario, args.designs, args.cpus, seed=args.seed, settings=args.set, parameters=args.parameters)
    if args.format == "table":
        output.write("\n".join(scaling.lines(found)))
    else:
        document = {"rows": found.rows, "provenance": found.provenance} if args.format == "json" else None
        output.emit(found.rows, args.format, columns=scaling.COLUMNS, document=document)
    if args.chart is not None:
        said = scaling.chart(found, None if args.chart == "-" else args.chart)
        output.write(said) if args.chart == "-" else output.note(f"wrote {said}")
    return 0


def run(args: argparse.Namespace) -> int:
    """Compare, store, print; or predict."""
    if args.cpus is not None:
        return _predict(args)
    options.refuse(args, "chart", "the picture is of --cpus")
    if args.counted_only:
        options.refuse(args, "state budget width", "--counted-only times nothing")
    if args.format != "table":
        options.refuse(args, "full", f"--format {args.format} has all rows")
    from dse.reports import answer, tabling
    from dse.reports.results import compare

    found = compare(
        args.scenario, args.designs, counted_only=args.counted_only, seed=args.seed, state=args.state, budget=args.budget,
        width=args.width, results=args.results, command=args.command_line, trace=args.trace, settings=args.set,
        counted=_counted if args.format == "table" else None,
        parameters=args.parameters,
    )  # fmt: skip
    if args.format == "table":
        output.write("\n".join(answer.screen(found).lines(chart=sys.stdout.isatty())))
        if args.full:
            output.write("")
            tabling.show(found)
    else:
        output.emit(found["rows"], args.format, columns=COLUMNS, document=found.document() if args.format == "json" else None)
    for stored in found["provenance"]["runs"]:
        output.note(f"stored as {stored['run']} under {args.results}/runs ({stored['label']})")
    output.note(f"took {found['provenance']['seconds']:.0f} s")
    return 0
