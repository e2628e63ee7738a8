"""``dse bench``: check a commit for regressions against another.

Exact figures must be equal; timings that look worse are taken a second time. docs/benchmarks.md says more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dse.common import options, output

if TYPE_CHECKING:
    import argparse

    from dse.benching.gate import Report

COLUMNS = ["status", "benchmark", "base", "head", "ratio", "unit", "note"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("--against", metavar="REV", default=None, help="commit to compare with (default: where HEAD left main, or HEAD^)")
    parser.add_argument("--head", metavar="REV", default="HEAD", help="commit to judge (default: %(default)s)")
    parser.add_argument("--exact", action="store_true", help="compare counted figures only, which are the same on every machine")
    parser.add_argument("--quick", action="store_true", help="only prove that every benchmark runs; nothing is compared or kept")
    parser.add_argument("--bench", metavar="REGEX", default="", help="only benchmarks whose name with parameters matches")
    parser.add_argument("--python", metavar="X.Y", default=None, help="Python of asv's environment (default: this one's version)")
    parser.add_argument(
        "--results", type=options.folder, metavar="DIR", default=None, help="folder of asv's results (default: results/asv)"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help="output format (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Print the changes and return the gate's exit status."""
    if args.quick:
        options.refuse(args, "against exact", "--quick compares nothing")
    from dse.benching import gate

    report = gate.run(
        args.against, head=args.head, bench=args.bench, timed=not args.exact, quick_only=args.quick,
        results=args.results, python=args.python,
    )  # fmt: skip
    document = report.document
    if args.format == "json":
        output.emit(document["rows"], "json", document=document)
    elif document["rows"]:
        output.emit(document["rows"], "table", columns=COLUMNS)
    output.note(summary(report))
    return int(report.status)


def summary(report: Report) -> str:
    """Print one line on stderr: the number of comparisons and the meaning of the status."""
    from dse.benching import judging
    from dse.benching.families import Exit

    took = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in report.seconds.items())
    against = f"{report.head[:8]} against {report.base[:8]}" if report.base else report.head[:8]
    said = f"{against}: {judging.compared(report.findings)} figures compared" if report.base else f"{against}: every benchmark run once"
    verdict = "passed" if report.status == Exit.OK else f"{report.status.name.lower().replace('_', ' ')} (exit {int(report.status)})"
    return f"{said}, {verdict}" + (f": {report.why}" if report.why else "") + (f"; {took}" if took else "")
