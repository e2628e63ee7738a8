"""``dse ledger``: count the bytes of designs' structures at any size and fill.

With options: the fill at which two designs break even, or a chart over all fills.
"""

from __future__ import annotations

import argparse
from typing import Any

from dse.common import options, output
from dse.errors import BadInput
from dse.modelling.bookkeeping import COMPRESSED

COLUMNS = ["structure", "static_bytes", "dynamic_bytes", "header_bytes", "allocated_bytes", "objects", "in_total"]
SUMS = ["static_bytes", "dynamic_bytes", "header_bytes", "total_bytes", "allocated_bytes"]
PAGE, MIB = 4096, 1 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "designs", nargs="*", type=options.design, metavar="DESIGN", help="NAME[param=value,...]; several: their sums side by side"
    )
    parser.add_argument("--design", default=None, metavar="D", help="one design (default: direct)")
    parser.add_argument("--slots", type=options.slots, default=1 << 23, metavar="N", help="slots of 4 KiB (default: 2^23, 32 GiB)")
    parser.add_argument("--fill", type=options.share, default=None, metavar="F", help="share of the slots in use, 0 to 1 (default: 1)")
    parser.add_argument("--backend", default="zswap", metavar="B", help="zswap, ssd, hdd, zram, or zswap=0.7,ssd=0.2,zero=0.1")
    parser.add_argument(
        "--compressed", type=options.positive, default=None, metavar="B", help=f"compressed page [B] (default: {COMPRESSED})"
    )
    parser.add_argument("--break-even", action="store_true", help="fill at which two designs take the same bytes")
    parser.add_argument(
        "--chart", type=options.file, default=None, metavar="FILE", help="draw bytes over fill: FILE.png, FILE.svg, - for text"
    )
    options.add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Print the ledger, the break-even fill or the chart."""
    from dse import naming
    from dse.modelling import fills
    from dse.modelling.bookkeeping import ledger

    given = [*args.designs, *([args.design] if args.design is not None else [])]
    names = [text for item in given for text in naming.split(item)] or ["direct"]
    named = [naming.parse(name).text for name in names]
    if twice := [name for n, name in enumerate(named) if name in named[:n]]:
        raise BadInput(f"design {twice[0]} is named twice")
    for flag, of in (("--chart", args.chart), ("--break-even", args.break_even)):
        for name, value in (("--fill", args.fill), ("--compressed", args.compressed)):
            if of and value is not None:
                raise BadInput(f"{flag} is about every fill and about sums, which hold no compressed pages: leave out {name}")
    if args.chart is not None and not args.break_even:
        options.refuse(args, "format", "a chart is a picture; --chart - draws it as text")
    fill, compressed = 1.0 if args.fill is None else args.fill, COMPRESSED if args.compressed is None else args.compressed
    if args.chart is not None:
        from dse.reports.charts import chart

        said = chart(names, None if args.chart == "-" else args.chart, args.slots, args.backend)
        if args.chart == "-":
            output.write(said)
        else:
            output.note(f"wrote {said}")
    if args.break_even:
        if len(names) != 2:
            raise BadInput(f"--break-even needs two designs, got {len(names)}: {', '.join(names)}")
        _break_even(fills.break_even(names[0], names[1], args.slots, args.backend), args.format)
    if args.chart is not None or args.break_even:
        return 0
    found = [ledger(name, args.slots, fill, args.backend, compressed) for name in names]
    if args.compressed is not None and all(
        ledger(name, args.slots, fill, args.backend, 1) == ledger(name, args.slots, fill, args.backend, PAGE) for name in names
    ):
        raise BadInput(f"--compressed has no effect: no row of {', '.join(names)} on {args.backend} depends on it")
    output.note(
        f"{', '.join(f['design'] for f in found)}, {args.slots:,} slots, {fill:.0%} used, {args.backend}; counted as published tables count"
    )
    if len(found) > 1:
        _side_by_side(found, args)
    elif args.format != "table":
        output.emit(found[0]["rows"], args.format, columns=COLUMNS, document=found[0])
    else:
        output.emit(_table(found[0], args.slots, fill), "table")
    return 0


def _break_even(found: dict[str, Any], form: str) -> None:
    """Print where two designs break even."""
    from dse.modelling import fills

    if form != "table":
        output.emit(found["rows"], form, document=found)
        return
    output.note(f"{found['a']} against {found['b']}, {found['slots']:,} slots, {found['backend']}")
    rows = [
        {
            "bytes": row["measure"], "break-even %": row["percent"], "pages": row["pages"],
            "smaller below": row["smaller_below"], "smaller above": row["smaller_above"], "by": row["method"],
        }
        for row in found["rows"]
    ]  # fmt: skip
    output.emit(rows, "table")
    output.write(fills.sentence(found))


def _side_by_side(found: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Print the sums of several designs."""
    rows = [{"design": f["design"], **{name: f[name] for name in SUMS}} for f in found]
    if args.format != "table":
        output.emit(rows, args.format, document={"ledgers": found})
        return
    shown = [
        {"design": row["design"], **{f"{name.removesuffix('_bytes')} MiB": row[name] / MIB for name in SUMS}} for row in rows
    ]  # fmt: skip
    output.emit(shown, "table")


def _table(found: dict[str, Any], slots: int, fill: float) -> list[dict[str, object]]:
    """Rows of one design's ledger, its sums last."""
    pages = round(fill * slots)

    def line(name: str, counted: int, header: int, allocated: int, mark: bool) -> dict[str, object]:
        return {
            "structure": name, "counted MiB": counted / MIB, "headers MiB": header / MIB,
            "allocated MiB": allocated / MIB, "counted B/slot": counted / slots,
            "allocated B/page": allocated / pages if pages else None, "in sum": "yes" if mark else "no",
        }  # fmt: skip

    rows = [
        line(r["structure"], r["static_bytes"] + r["dynamic_bytes"], r["header_bytes"], r["allocated_bytes"], r["in_total"])
        for r in found["rows"]
    ]
    sums = {"allocated MiB": None, "allocated B/page": None, "in sum": ""}
    rows.append(line("static", found["static_bytes"], 0, 0, True) | sums)
    rows.append(line("dynamic", found["dynamic_bytes"], 0, 0, True) | sums)
    rows.append(line("sum", found["total_bytes"], found["header_bytes"], found["allocated_bytes"], True) | {"in sum": ""})
    return rows
