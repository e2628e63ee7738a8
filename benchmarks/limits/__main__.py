"""Command ``python -m benchmarks.limits``: measure, print the rows; exit 1 if a bar is missed."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import sys
import time
from typing import Any

from benchmarks.limits import bars, build, micro, rates, report, whole
from dse.common import output
from dse.errors import BadInput
from dse.measuring.provenance import origin

QUICK_PAIRS, QUICK_BITS = 8, 14
REPLAY = "replay"


def selected(only: str | None) -> list[str]:
    """Names of the measurements that `only` asks for.

    Raises
    ------
    BadInput
        No measurement of that name.
    """
    names = [*micro.NAMES, REPLAY, *rates.GROUPS]
    if only is None:
        return names
    wanted = only.split(",")
    for name in wanted:
        if name not in names:
            raise BadInput(f"--only {name}: not one of {', '.join(names)}")
    return wanted


def structures(names: list[str], entry: build.Entries | None, *, quick: bool) -> list[dict[str, Any]]:
    """Rows of the operations on one structure, and their median."""
    rows = []
    for bits in (QUICK_BITS,) if quick else (20, 24):
        for kind in (("load", "overwrite", "erase", micro.PLAIN), ("alloc", "churn"), (micro.CLUSTER,)):  # each runs on one tree
            ops = [op for op in names if op in kind]
            if not ops:
                continue
            tree = micro.new(ops[0], bits)
            for op in ops:
                for mode in micro.modes(op):
                    output.note(f"limits: {op} {mode} at 2^{bits} entries")
                    rows.append(micro.measure(micro.Case(op, mode, bits), tree, entry, QUICK_PAIRS if quick else micro.PAIRS))
    middle = micro.median_row(rows)
    return rows if middle is None else [*rows, middle]


def replays(entry: build.Entries | None, *, quick: bool) -> list[dict[str, Any]]:
    """Rows of the whole replay, and their median over C."""
    if quick:
        cases = [whole.Case("zipf", QUICK_BITS - 2, 0.125, design) for design in ("direct", "swap_id")]
        rows = [whole.measure(case, entry, pairs=QUICK_PAIRS, chunk=1 << 12) for case in cases]
    else:
        rows = []
        for case in whole.CASES:
            output.note(f"limits: replay of {case.design}, {case.generator}, 2^{case.bits} pages, memory {case.memory_share:g} of them")
            rows.append(whole.measure(case, entry))
    middle = whole.median_row(rows)
    return rows if middle is None else [*rows, middle]


def provenance(core: int, tool: str | None) -> dict[str, Any]:
    """Date, machine, versions and flags of the figures."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": "python -m benchmarks.limits",
        "core": core,
        "compiler": build.version(tool) if tool else None,
        "flags": " ".join(build.FLAGS[:2]),
        "processor": platform.processor() or platform.machine(),
        **origin(),
    }


def run(names: list[str], *, quick: bool) -> dict[str, Any]:
    """Measure the named parts; return the document that ``--format json`` prints."""
    began, seconds = time.monotonic(), {}
    with micro.pinned() as core:
        try:
            tool: str | None = build.compiler()
            with build.library() as entry:
                micro.same_results(12, entry)
                rows = compared(names, entry, quick=quick)
        except build.NoCompilerError as missing:
            output.note(f"limits: {missing}")
            tool, rows = None, compared(names, None, quick=quick)
    seconds["against C"] = time.monotonic() - began
    for group in rates.GROUPS:  # not pinned: one of them runs two threads
        if group in names:
            output.note(f"limits: {group}")
            began = time.monotonic()
            rows += rates.GROUPS[group](quick=quick)
            seconds[group] = time.monotonic() - began
    return {"rows": rows, "provenance": provenance(core, tool), "seconds": {part: round(taken, 1) for part, taken in seconds.items()}}


def compared(names: list[str], entry: build.Entries | None, *, quick: bool) -> list[dict[str, Any]]:
    """Rows that have a C side, if there is a compiler."""
    return structures(names, entry, quick=quick) + (replays(entry, quick=quick) if REPLAY in names else [])


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help=f"{', '.join(selected(None))}; several with commas")
    parser.add_argument("--quick", action="store_true", help="small and few: shows that it runs, proves nothing")
    parser.add_argument("--store", action="store_true", help="keep the figures and renew their section of docs/performance.md")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    args = parser.parse_args(argv)
    try:
        if args.store and (args.only or args.quick):
            raise BadInput("--store keeps a whole run: leave out --only and --quick, so that every row is of one run on one machine")
        document = run(selected(args.only), quick=args.quick)
    except BadInput as bad:
        output.note(f"error: {bad}")
        return 2
    if args.store:
        report.store(json.loads(output.render_json(document)))
    groups = report.tables(document["rows"])
    if args.format == "json":
        output.emit([], "json", document=document)
    else:
        output.write("\n\n".join(output.render_table(rows) for rows in groups))
    missed = [row for row in document["rows"] if str(row["bar"]).startswith(bars.MISSED)]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
