"""``dse report``: one file to look at, to mail, to paste, or to check elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dse import options, output

if TYPE_CHECKING:
    import argparse

NAME = "report"
HELP = "a run or sweep as one HTML file, as text for a mail, as SVG or PNG, or as a bundle"
FORMATS = ("html", "text", "svg", "png")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("name", nargs="?", default="last", metavar="RUN|STUDY", help="name, a part of it, or last (default)")
    parser.add_argument("--format", choices=FORMATS, default="html", help="what to write (default: %(default)s); text goes to stdout")
    parser.add_argument("--output", metavar="FILE", help="where (default: DIR/reports/NAME.FORMAT; - is stdout)")
    parser.add_argument("--bundle", action="store_true", help="scenario, digests, command and counters for dse rerun elsewhere")
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Write it, and print where."""
    if args.bundle:
        from dse.reports.bundling import bundle

        output.write(bundle(args.name, args.results, args.output))
        return 0
    from dse.reports import report

    path = args.output or ("-" if args.format == "text" else None)
    said = report(args.name, results=args.results, form=args.format, path=path)
    output.write(said.rstrip("\n"))
    return 0
