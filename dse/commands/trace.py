"""``dse trace``: record the page accesses of a program, import or describe a trace."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.common import options, output

if TYPE_CHECKING:
    from collections.abc import Callable

    from dse.workloads.trace import Trace

RECORDERS = ("lackey", "qemu", "fault")
FORMATS = ("lackey", "perf", "oracleGeneral", "csv")
SHORT = ("name", "recorder", "command", "events", "pages", "writes", "filter_pages", "mappings", "digest")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verbs = parser.add_subparsers(dest="trace_verb", required=True, metavar="record|import|info")
    record = verbs.add_parser("record", help="run a program under a recorder: dse trace record -- CMD ARG...")
    record.add_argument("--recorder", choices=RECORDERS, default="lackey", help="default %(default)s (valgrind)")
    record.add_argument("--show", action="store_true", help="let the program write to stderr (else it is silent)")
    record.add_argument("program", nargs=argparse.REMAINDER, metavar="-- CMD", help="the program and its arguments")
    bring = verbs.add_parser("import", help="convert a trace of another tool")
    bring.add_argument("file", help="the file to convert")
    bring.add_argument("--format", choices=FORMATS, required=True, dest="source", help="format of the file")
    for verb in (record, bring):
        verb.add_argument("-o", "--out", help="trace file to write (default: named after the program or the file)")
        verb.add_argument(
            "--filter-pages", type=options.whole, default=0, metavar="K",
            help="drop accesses that hit in an LRU list of K pages; at most 1/8 of the smallest memory simulated",
        )  # fmt: skip
    bring.add_argument("--page-column", type=options.positive, metavar="N", help="csv: column of the page, from 1 (default: page,write)")
    bring.add_argument("--write-column", type=options.whole, metavar="N", help="csv: column of 0 or 1 for a write; 0: reads only")
    info = verbs.add_parser("info", help="print a trace's header: events, pages, origin")
    info.add_argument("trace", nargs="?", help="trace file or shipped trace (default: list the shipped ones)")
    options.add_format(info)


def run(args: argparse.Namespace) -> int:
    """Run the verb."""
    return {"record": _record, "import": _import, "info": _info}[args.trace_verb](args)


def _showing(progress: output.Progress) -> Callable[[int, int], None]:
    """Adapt the progress line to a recorder's report of (bytes read, page runs)."""

    def show(done: int, runs: int) -> None:
        progress.step(runs - progress.done, f"{done / 1e6:,.0f} MB read")

    return show


def _record(args: argparse.Namespace) -> int:
    from dse.workloads import record
    from dse.workloads.trace import writable

    command = args.program[1:] if args.program[:1] == ["--"] else args.program
    target = writable(args.out or f"{Path(command[0]).name if command else 'trace'}.npz")
    with output.Progress("page runs") as progress:
        trace = record.record(command, args.recorder, filter_pages=args.filter_pages, show=args.show, progress=_showing(progress))
    if trace.meta.get("exit_status"):
        output.note(f"{command[0]} ended with status {trace.meta['exit_status']}; the trace is kept")
    return _keep(trace, target)


def _import(args: argparse.Namespace) -> int:
    from dse.workloads import imports
    from dse.workloads.trace import writable

    target = writable(args.out or f"{Path(args.file).stem}.npz")
    trace = imports.load(
        args.file, args.source, filter_pages=args.filter_pages, page_column=args.page_column, write_column=args.write_column
    )
    return _keep(trace, target)


def _keep(trace: Trace, path: Path) -> int:
    """Save the trace and print its description."""
    from dse.workloads import info, save

    written = save(trace, path)
    output.note(f"wrote {written} ({written.stat().st_size:,} bytes)")
    _one(info(trace), "table")
    return 0


def _info(args: argparse.Namespace) -> int:
    from dse.workloads import info, load, shipped

    if args.trace is not None:
        _one(info(load(args.trace)), args.format)
    else:
        rows = [{"name": name} | info(load(name)) for name in shipped()]
        output.emit(rows, args.format, columns=SHORT if args.format == "table" else None)
    return 0


def _one(row: dict[str, Any], form: str) -> None:
    """Print one trace. A table has a line for each fact."""
    if form == "table":
        output.emit([{"field": key, "value": output.cell(value)} for key, value in row.items()], form)
    else:
        output.emit([row], form, document=row)
