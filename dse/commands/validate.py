"""``dse validate``: hold the models against published figures and recorded kernels.

Exit 1 if a published figure falls short, if a kernel's is outside and no cause is declared, or if a declared cause explains nothing.
"""

from __future__ import annotations

import argparse

from dse.common import options, output

COLUMNS = ["id", "kind", "published", "ours", "tolerance", "verdict", "reason", "source"]
WIDEST = 44  # characters of a cell of the table; JSON and CSV have it whole


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="rows, such as Y05 (published) or K31 (kernels), or Y, K (default: all)")
    options.add_counted_only(parser)
    options.add_format(parser)


def _short(text: object) -> str:
    """Cell cut to the width of the table."""
    said = str(text or "-")
    return said if len(said) <= WIDEST else said[: WIDEST - 3] + "..."


def run(args: argparse.Namespace) -> int:
    """Print one row for each yardstick and return 1 if one falls short."""
    from dse.grounding.judging import FAILING
    from dse.grounding.validating import validate

    found = validate(args.ids or None, counted_only=args.counted_only)
    rows = found["rows"]
    if args.format == "table":
        shown = [{name: row[name] if name in ("id", "kind", "verdict") else _short(row[name]) for name in COLUMNS} for row in rows]
        output.emit(shown, "table", columns=COLUMNS)
    else:
        output.emit(rows, args.format, columns=COLUMNS, document=found)
    verdicts = [row["verdict"] for row in rows]
    output.note(", ".join(f"{verdicts.count(name)} {name}" for name in dict.fromkeys(verdicts)))
    kernel = found["kernel"]
    if kernel["rows"]:
        within = f"{kernel['rows_within']} of {kernel['rows']} rows, {kernel['figures_within']} of {kernel['figures']} figures"
        output.note(f"kernels: {within} within their tolerance, {kernel['unrecorded']} rows not recorded")
    return 1 if set(FAILING) & set(verdicts) else 0
