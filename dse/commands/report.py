"""``dse report``: a stored run or study as one HTML page, a picture, text for a mail, or a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dse.common import options, output

if TYPE_CHECKING:
    import argparse

FORMS = ("html", "png", "svg", "text")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    which = "its name, a part of it, or last (default: %(default)s)"
    parser.add_argument("name", nargs="?", default="last", metavar="RUN|STUDY", help=which)
    parser.add_argument("--format", choices=FORMS, default="html", help="kind of report (default: %(default)s)")
    parser.add_argument("--output", metavar="FILE", help="where to write it, - for stdout (default: DIR/reports; text: stdout)")
    parser.add_argument("--figure", metavar="TITLE", help="a part of the title of the figure that a picture shows")
    parser.add_argument("--bundle", action="store_true", help="write a bundle that dse rerun checks elsewhere")
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report; print where it is, or the text."""
    from dse.reports import report

    output.write(report(args.name, args.format, args.output, figure=args.figure, bundle=args.bundle, results=args.results))
    return 0
