"""``dse explain``: trace one operation step by step, designs side by side.

Its steps are touches, locks and allocations. ``--linux 7.2`` sets the functions of a recorded kernel beside the model's instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dse.common import options, output
from dse.errors import BadInput

if TYPE_CHECKING:
    import argparse

MOST = 400


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("op", metavar="OP", help="swap_out, swap_in, cache_hit, fork, zap, move, ...")
    parser.add_argument(
        "--designs", default=None, metavar="A,B", help="designs side by side (default: direct,swap_id; the record's with --linux)"
    )
    parser.add_argument("--fill", type=options.share, default=None, metavar="F", help="share of the slots in use, 0 to 1 (default: 0.5)")
    parser.add_argument("--slots", type=options.slots, default=None, metavar="N", help="slots of a device (default: 65,536)")
    parser.add_argument("--backend", default=None, metavar="B", help="backend of the data (default: zswap; ssd for clean_drop, swapoff)")
    parser.add_argument("--target", default=None, metavar="B", help="target backend of a move (default: ssd from zswap, else hdd)")
    parser.add_argument("--linux", default=None, metavar="R", help="set a record of a kernel beside it: 7.2, or one of dse linux list")
    options.add_results(parser)
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Print the steps, or the functions beside those of a kernel."""
    from dse.describing.explaining import explain

    if args.linux is not None:
        return _beside(args)
    options.refuse(args, "results", "a record of a kernel is looked for there, and --linux names none")
    if args.op != "move":
        options.refuse(args, "target", f"{args.op} moves nothing, it is of move")
    fill = 0.5 if args.fill is None else args.fill
    found = explain(args.op, args.designs or "direct,swap_id", fill, args.slots, args.backend, args.target)
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


def _beside(args: argparse.Namespace) -> int:
    """Print a row for each function, of each design."""
    from dse.grounding import beside

    for name in ("fill", "slots", "target"):
        if getattr(args, name) is not None:
            raise BadInput(f"--{name} does not go with --linux: the model does what the record's guest did")
    found = beside.explain_beside(args.op, args.designs, args.linux, args.backend, args.results)
    if args.format != "table":
        output.emit(_flat(found), args.format, document=found)
        return 0
    for entry in found["designs"]:
        output.note(
            f"{found['op']} on {found['backend']}, {entry['design']} beside {found['release']} (record {found['record']}): means of "
            f"{found['operations']} operations with {found['background']:,} other pages in swap, in the model too, so trees are as high; "
            "counted"
        )
        output.note("a cell is model / kernel (difference); lines: distinct, of 64 B; first: that no function touched before, they add up")
        output.emit(beside.printed(entry), "table", columns=["group", "function", *beside.FIGURES])
        output.note(f"{entry['share']:.1%} of the kernel's lines are modelled".replace("%", " %"))
    return 0


def _flat(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows with a column for each figure of model and kernel."""
    rows = []
    for entry in found["designs"]:
        for row in [*entry["rows"], *({"function": "*", "functions": [], **group} for group in entry["groups"])]:
            flat = {"design": entry["design"], "group": row["group"], "function": row["function"], "joined": " ".join(row["functions"])}
            for side in ("model", "real"):
                flat |= {f"{side}_{figure}": value for figure, value in (row[side] or {}).items()}
            rows.append(flat)
    return rows
