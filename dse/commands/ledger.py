"""``dse ledger``: what a design's structures take, counted and allocated, at any size and fill."""

from __future__ import annotations

import argparse

from dse import options, output
from dse.ledgers import COMPRESSED

NAME = "ledger"
HELP = "exact bytes of a design's structures at any size and fill"
COLUMNS = ["structure", "static_bytes", "dynamic_bytes", "header_bytes", "allocated_bytes", "objects", "in_total"]
MIB = 1 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("--design", default="direct", metavar="D", help="NAME[param=value,...] (default: %(default)s)")
    parser.add_argument("--slots", type=options.slots, default=1 << 23, metavar="N", help="slots of 4 KiB (default: 2^23, 32 GiB)")
    parser.add_argument("--fill", type=options.share, default=1.0, metavar="F", help="share of the slots in use, 0 to 1 (default: 1)")
    parser.add_argument("--backend", default="zswap", metavar="B", help="zswap, ssd, hdd, zram, or zswap=0.7,ssd=0.2,zero=0.1")
    parser.add_argument(
        "--compressed", type=options.positive, default=COMPRESSED, metavar="B", help="compressed page [B] (default: %(default)s)"
    )
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Print the ledger."""
    from dse.ledgers import ledger

    found = ledger(args.design, args.slots, args.fill, args.backend, args.compressed)
    if args.format != "table":
        output.emit(found["rows"], args.format, columns=COLUMNS, document=found)
        return 0
    pages = round(args.fill * args.slots)

    def line(name: str, counted: int, header: int, allocated: int, mark: bool) -> dict[str, object]:
        return {
            "structure": name, "counted MiB": round(counted / MIB, 3), "headers MiB": round(header / MIB, 3),
            "allocated MiB": round(allocated / MIB, 3), "counted B/slot": round(counted / args.slots, 3),
            "allocated B/page": round(allocated / pages, 3) if pages else None, "in sum": "yes" if mark else "no",
        }  # fmt: skip

    rows = [
        line(r["structure"], r["static_bytes"] + r["dynamic_bytes"], r["header_bytes"], r["allocated_bytes"], r["in_total"])
        for r in found["rows"]
    ]
    sums = {"allocated MiB": None, "allocated B/page": None, "in sum": ""}
    rows.append(line("static", found["static_bytes"], 0, 0, True) | sums)
    rows.append(line("dynamic", found["dynamic_bytes"], 0, 0, True) | sums)
    rows.append(line("sum", found["total_bytes"], found["header_bytes"], found["allocated_bytes"], True) | {"in sum": ""})
    output.note(f"{found['design']}, {args.slots:,} slots, {args.fill:.0%} used, {args.backend}; counted as published tables count")
    output.emit(rows, "table")
    return 0
