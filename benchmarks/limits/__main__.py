"""``python -m benchmarks.limits``: print what was measured; exit 1 if a bar is missed."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import json
import platform
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.limits import build, micro, report, whole
from dse import output
from dse.errors import BadInput
from dse.measuring import machine

QUICK_PAIRS, QUICK_BITS = 8, 14


def selected(only: str | None) -> list[str]:
    """Names of the measurements that `only` asks for.

    Raises
    ------
    BadInput
        There is none of that name.
    """
    names = [*micro.TRACKED, "replay"]
    if only is None:
        return names
    wanted = only.split(",")
    for name in wanted:
        if name not in names:
            raise BadInput(f"--only {name}: not one of {', '.join(names)}")
    return wanted


def structures(names: list[str], entry: Callable[[str], build.Entry] | None, *, quick: bool) -> list[dict[str, Any]]:
    """Rows of the xarray operations."""
    rows = []
    for bits in (QUICK_BITS,) if quick else (20, 24):
        for tracked in (False, True):
            ops = [op for op in names if op in micro.TRACKED and micro.TRACKED[op] == tracked]
            if not ops:
                continue
            tree = micro.new_tree(bits, tracked=tracked)
            for op in ops:
                for mode in (micro.FENCED, micro.OVERLAPPED):
                    output.note(f"limits: {op} {mode} at 2^{bits} entries")
                    rows.append(micro.measure(micro.Case(op, mode, bits), tree, entry, QUICK_PAIRS if quick else micro.PAIRS))
    return rows


def replays(*, quick: bool) -> list[dict[str, Any]]:
    """Rows of the whole replay of direct; none where libCacheSim is not installed."""
    if importlib.util.find_spec("libcachesim") is None:
        output.note("limits: libcachesim is not installed: the whole replay is not compared")
        return []
    if quick:
        return [whole.measure(whole.Case("zipf", QUICK_BITS - 2, 0.125), pairs=QUICK_PAIRS, chunk=1 << 12)]
    rows = []
    for case in whole.CASES:
        output.note(f"limits: replay of direct, {case.generator}, 2^{case.bits} pages, memory {case.memory_share:g} of them")
        rows.append(whole.measure(case))
    return rows


def provenance(core: int, tool: str | None) -> dict[str, Any]:
    """Where and with what the figures were taken."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": "python -m benchmarks.limits",
        "core": core,
        "compiler": build.version(tool) if tool else None,
        "flags": " ".join(build.FLAGS[:2]),
        "processor": platform.processor() or platform.machine(),
        **machine.machine(),
    }


def run(names: list[str], *, quick: bool) -> dict[str, Any]:
    """Measure what is named; the document that ``--format json`` prints."""
    rows: list[dict[str, Any]] = []
    with micro.pinned() as core:
        try:
            tool: str | None = build.compiler()
            with build.library() as entry:
                micro.same_results(12, entry)
                rows += structures(names, entry, quick=quick)
        except build.NoCompilerError as missing:
            output.note(f"limits: {missing}")
            tool = None
            rows += structures(names, None, quick=quick)
        if "replay" in names:
            rows += replays(quick=quick)
        return {"rows": rows, "provenance": provenance(core, tool)}


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="load, overwrite, erase, alloc, churn, replay; several with commas")
    parser.add_argument("--quick", action="store_true", help="small and few: shows that it runs, proves nothing")
    parser.add_argument("--store", action="store_true", help="keep the figures and renew their section of docs/performance.md")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    args = parser.parse_args(argv)
    try:
        document = run(selected(args.only), quick=args.quick)
    except BadInput as bad:
        output.note(str(bad))
        return 2
    if args.store:
        report.store(json.loads(output.render_json(document)))
    groups = report.tables(document["rows"])
    if args.format == "json":
        output.emit([], "json", document=document)
    else:
        output.write("\n\n".join(output.render_table(rows) for rows in groups))
    missed = [row for row in document["rows"] if str(row["bar"]).startswith("missed")]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
