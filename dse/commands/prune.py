"""``dse prune``: remove old runs, studies and cache entries; list them first.

--kinds adds reports. Nothing is removed unless --yes is given.
"""

from __future__ import annotations

import argparse

from dse.common import options, output


def days(text: str) -> float:
    """Read a number of days of at least 0."""
    value = options.finite(text, "days")
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of days from 0")
    return value


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--kinds", default="runs,studies", metavar="A,B", help="kinds: runs, studies, cache, reports (default: %(default)s)"
    )
    parser.add_argument("--keep", type=options.whole, metavar="N", help="keep the N newest of each kind")
    parser.add_argument("--days", type=days, metavar="D", help="only entries last written at least D days ago")
    parser.add_argument("--yes", action="store_true", help="remove it (default: only list it)")
    options.add_format(parser)
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """List the entries, and remove them with --yes; return 2 if one could not be removed."""
    from dse.storing.pruning import links, others, prune

    options.check_results(args)
    kinds = [k.strip() for k in args.kinds.split(",")]
    rows = prune(args.results, kinds=kinds, keep=args.keep, days=args.days, remove=args.yes)
    output.emit(rows, args.format, columns=["kind", "name", "bytes", "days", "removed"])
    for link in links(args.results, kinds):
        output.note(f"{link} is a link: left alone")
    for path, why in others(args.results, kinds):
        output.note(f"{path} {why}: left alone")
    left = [row for row in rows if row["why"]]
    for row in left:
        output.note(f"{row['kind']}/{row['name']} {'was not' if args.yes else 'would not be'} removed: {row['why']}")
    counted = [row for row in rows if not row["why"]]
    total = sum(row["bytes"] for row in counted)
    output.note(f"{len(counted):,} {'removed' if args.yes else 'would be removed with --yes'}, {total / 2**20:.1f} MiB")
    return 2 if left and args.yes else 0
