"""``dse ask``: answer the open questions of the argument: a verdict each, how sure, what would change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dse.common import options, output
from dse.errors import BadInput

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("questions", nargs="*", metavar="Q9", help="identifiers, or TOML files of your own; none: list the questions")
    parser.add_argument("--all", action="store_true", help="answer all questions, and write a page and Markdown under RESULTS/answers")
    parser.add_argument("--again", action="store_true", help="make answers again that are kept under the results")
    options.add_format(parser)
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """List the questions, or answer some."""
    from dse import asking
    from dse.asking import screens
    from dse.reports import results

    if args.all and args.questions:
        raise BadInput(f"--all takes no questions, got {' '.join(args.questions)}")
    if not args.all and not args.questions:
        options.refuse(args, "again", "no question is named; --all names all")
        rows = asking.catalogue(args.results)
        if args.format == "table":
            output.write("\n".join(screens.listed(rows)))
        else:
            output.emit(rows, args.format)
        return 0
    found = results.ask(args.questions or None, results=args.results, again=args.again)
    if args.all:
        from dse.reports import answers

        answers.write(found, args.results)
    if args.format == "json":
        output.emit([], "json", document=found.document())
    elif args.format == "csv":
        output.emit(found, "csv", columns=results.ASKED)
    else:
        output.write(found.answer)
    return 0
