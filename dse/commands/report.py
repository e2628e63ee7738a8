"""``dse report``: write a report of a stored run or study: HTML page, picture, text for a mail, bundle."""

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
    parser.add_argument("--format", choices=FORMS, help="kind of report (default: by the ending of --output, else html)")
    parser.add_argument(
        "--output", type=options.file, metavar="FILE", help="output file, - for stdout (default: DIR/reports; text: stdout)"
    )
    parser.add_argument("--figure", metavar="TITLE", help="draw the figure with this text in its title")
    parser.add_argument("--full", action="store_true", help="all tables as text (default: a mail of 15 lines)")
    parser.add_argument("--bundle", action="store_true", help="write a bundle that dse rerun checks elsewhere")
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report and print its path, or its text."""
    from dse.errors import BadInput
    from dse.reports import report
    from dse.reports.reporting import form_of

    if args.bundle:
        args.format = None if args.format == "html" else args.format  # what it is without the option is no matter
        options.refuse(args, "format figure full", "--bundle writes what was stored, and no report")
    form = form_of(args.format, args.output, args.bundle)
    if form not in ("png", "svg"):
        options.refuse(args, "figure", f"it is for png and svg; {form} has all figures")
    if args.figure is not None and not args.figure.strip():
        raise BadInput("--figure is empty: give a text in the title of the figure")
    if args.full and form != "text":
        raise BadInput("--full needs --format text; the other formats have all tables")
    output.write(report(args.name, form, args.output, figure=args.figure, full=args.full, bundle=args.bundle, results=args.results))
    return 0
