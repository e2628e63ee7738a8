"""``dse explain``: trace one operation step by step, designs side by side.

Its steps are touches, locks and allocations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dse.common import options, output

if TYPE_CHECKING:
    import argparse

MOST = 400


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("op", metavar="OP", help="swap_out, swap_in, cache_hit, fork, zap, move, ...")
    parser.add_argument("--designs", default="direct,swap_id", metavar="A,B", help="designs side by side (default: %(default)s)")
    parser.add_argument("--fill", type=options.share, default=0.5, metavar="F", help="share of the slots in use, 0 to 1 (default: 0.5)")
    parser.add_argument("--slots", type=options.slots, default=None, metavar="N", help="slots of a device (default: 65,536)")
    parser.add_argument("--backend", default=None, metavar="B", help="backend of the data (default: zswap; ssd for clean_drop, swapoff)")
    parser.add_argument("--target", default=None, metavar="B", help="target backend of a move (default: ssd from zswap, else hdd)")
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Print the steps."""
    from dse.describing.explaining import explain

    found = explain(args.op, args.designs, args.fill, args.slots, args.backend, args.target)
    names = [design["design"] for design in found["designs"]]
    if args.format != "table":
        output.emit(found["rows"], args.format, columns=["step", "function", *names], document=found)
        return 0
    rows = found["rows"][:MOST] + [{"step": "common", **row} for row in found["common"]]
    for total in found["designs"][0]["totals"]:
        figures = {design["design"]: f"{total.replace('_', ' ')}: {design['totals'][total]:,}" for design in found["designs"]}
        rows.append({"step": None, "function": "in all", **figures})
    rows = [{**row, "step": "" if row["step"] is None else str(row["step"])} for row in rows]
    output.note(f"{args.op} on {found['backend']}, {found['slots']:,} slots, {found['fill']:.0%} used; counted")
    if len(found["rows"]) > MOST:
        output.note(f"{len(found['rows']) - MOST:,} further steps are not shown (--format json has them)")
    output.emit(rows, "table", columns=["step", "function", *names])
    return 0
