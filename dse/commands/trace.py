"""``dse trace``: record the page accesses of a program, import or describe a trace."""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.common import options, output, reading
from dse.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from dse.workloads.trace import Trace

RECORDERS = ("lackey", "qemu", "fault")
FORMATS = ("lackey", "perf", "oracleGeneral", "csv")
TOLD = ("events", "pages", "writes", "command", "recorder", "mappings", "mapping_events")
"""Facts that the head of a description says."""
SHORT = ("name", "recorder", "command", "events", "pages", "writes", "filter_pages", "mappings", "digest")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verbs = parser.add_subparsers(dest="trace_verb", required=True, metavar="record|import|info")
    record = verbs.add_parser("record", help="run a program under a recorder: dse trace record -- CMD ARG...")
    record.add_argument("--recorder", choices=RECORDERS, default="lackey", help="default %(default)s (valgrind)")
    record.add_argument("--show", action="store_true", help="let the program write to stderr (else it is silent)")
    record.add_argument("--eta", action="store_true", help="run the program once unrecorded first, to tell how long the recording takes")
    record.add_argument("program", nargs=argparse.REMAINDER, metavar="-- CMD", help="the program and its arguments")
    bring = verbs.add_parser("import", help="convert a trace of another tool")
    bring.add_argument("file", help="the file to convert")
    bring.add_argument("--format", choices=FORMATS, required=True, dest="source", help="format of the file")
    for verb, of in ((record, ""), (bring, "lackey: ")):
        verb.add_argument("-o", "--out", type=options.file, help="trace file to write (default: named after the program or the file)")
        verb.add_argument(
            "--filter-pages", type=options.pages, default=0, metavar="K",
            help=f"{of}drop accesses that hit in an LRU list of K pages; at most 1/8 of the smallest memory simulated",
        )  # fmt: skip
    bring.add_argument("--page-column", type=options.of_pages, metavar="N", help="csv: column of the page, from 1 (default: page,write)")
    bring.add_argument("--write-column", type=options.column, metavar="N", help="csv: column of 0 or 1 for a write; 0: reads only")
    bring.add_argument(
        "--writes", type=options.words, metavar="W,2a", help="csv: texts of the write column that mean a write; every other one is a read"
    )
    bring.add_argument(
        "--unit", metavar="U",
        help="csv, oracleGeneral: what a number counts: page, sector (512 B), byte, bytes as a power of two, or object (each one page)",
    )  # fmt: skip
    bring.add_argument("--size-column", type=options.column, metavar="N", help="csv: column of the bytes of a request; 0: each is one unit")
    bring.add_argument("--size-unit", type=options.positive, metavar="B", help="csv: bytes that a size counts (default: 1)")
    info = verbs.add_parser("info", help="describe a trace: origin, miss ratio over memory, working set, is it worth a run?")
    info.add_argument("trace", nargs="?", help="trace file or shipped trace (default: list the shipped ones)")
    info.add_argument("--chart", type=options.file, metavar="FILE", help="draw the same: FILE.png, FILE.svg")
    options.add_format(info)


def run(args: argparse.Namespace) -> int:
    """Run the verb."""
    return {"record": _record, "import": _import, "info": _info}[args.trace_verb](args)


def _showing(progress: output.Progress, ends: tuple[float, float] | None = None) -> Callable[[int, int], None]:
    """Adapt the progress line to a recorder's report of (bytes read, page runs); `ends` is when it may be over, by the monotonic clock."""

    def show(done: int, runs: int) -> None:
        left = "" if ends is None else f", {until(*(max(end - time.monotonic(), 0.0) for end in ends))} left"
        progress.step(runs - progress.done, f"{done / 1e6:,.0f} MB read{left}")

    return show


def until(least: float, most: float) -> str:
    """Say a span of seconds.

    Examples
    --------
    >>> until(3.2, 5.9), until(150, 7300), until(0, 0)
    ('3 to 6 s', '2 min to 2 h', 'little')
    """
    if most < 1:
        return "little"
    (a, unit), (b, other) = _span(least), _span(most)
    return f"{a} to {b} {unit}" if unit == other else f"{a} {unit} to {b} {other}"


def _span(seconds: float) -> tuple[str, str]:
    """A number of seconds, minutes or hours, and its unit."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f}", unit
    return f"{seconds:.0f}", "s"


def _hinted(command: list[str], args: argparse.Namespace) -> tuple[float, float] | None:
    """Say how slow the recorder is and which is faster; with ``--eta`` run the program alone and say when it will be over."""
    from dse.workloads import record

    least, most = record.SLOWDOWN[args.recorder]
    quick = record.faster(args.recorder) if command and shutil.which(command[0]) else ""
    if quick:
        fast = "{:,} to {:,}".format(*record.SLOWDOWN[quick])
        output.note(f"{args.recorder} takes {least:,} to {most:,} times as long as the program alone; --recorder {quick}: {fast} times")
    if not args.eta:
        return None
    alone = record.alone(command, show=args.show)
    output.note(f"the program alone took {alone:.2f} s: the recording takes {until(least * alone, most * alone)}")
    began = time.monotonic()
    return began + least * alone, began + most * alone


def _record(args: argparse.Namespace) -> int:
    from dse.workloads import record
    from dse.workloads.trace import writable

    command = args.program[1:] if args.program[:1] == ["--"] else args.program
    record.check(command)
    program = Path(command[0]).name
    target = writable(args.out or _fresh(f"{program}.npz", f", and {program} would be recorded to it"))
    ends = _hinted(command, args)
    with output.Progress("page runs") as progress:
        trace = record.record(command, args.recorder, filter_pages=args.filter_pages, show=args.show, progress=_showing(progress, ends))
    if trace.meta.get("exit_status"):
        output.note(f"{command[0]} ended with status {trace.meta['exit_status']}; the trace is kept")
    return _keep(trace, target)


def _import(args: argparse.Namespace) -> int:
    from dse.workloads import imports
    from dse.workloads.trace import writable

    if not args.size_column:
        options.refuse(args, "size_unit", "it is of the sizes that --size-column names")
    reading.file(args.file)
    target = writable(args.out or _fresh(f"{Path(args.file).stem}.npz", f", and {args.file} would be imported to it"))
    trace = imports.load(
        args.file, args.source, filter_pages=args.filter_pages, page_column=args.page_column, write_column=args.write_column,
        size_column=args.size_column, writes=args.writes or (), unit=args.unit,
        size_unit=args.size_unit,
    )  # fmt: skip
    if args.source == "csv" and args.unit is None:
        output.note(f"a line counts as one page, that of column {args.page_column or 1}; of a block trace say --unit and --size-column")
    if args.source == "oracleGeneral" and args.unit is None:
        output.note("an object counts as one page; where its number is an address say --unit")
    if not trace.meta.get("writes_known", True):
        every = "a write" if args.source == "perf" else "a read"
        output.note(f"the file does not tell reads from writes: every access counts as {every}")
    return _keep(trace, target)


def _fresh(name: str, why: str) -> str:
    """Name of a file that nobody named, and that therefore replaces none; `why` says where it comes from."""
    if Path(name).exists():
        raise BadInput(f"{name} is there already{why}: -o names another file, or this one to replace it")
    return name


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
        _described(load(args.trace), args)
    elif args.chart:
        raise BadInput(f"--chart needs a trace: {', '.join(shipped())}, or a file")
    else:
        rows = [{"name": name} | info(load(name)) for name in shipped()]
        output.emit(rows, args.format, columns=SHORT if args.format == "table" else None)
    return 0


def _described(trace: Trace, args: argparse.Namespace) -> None:
    """Print what a trace is and how its pages come back, and draw it."""
    from dse.reports import charts
    from dse.reports import reuse as told
    from dse.workloads import info, reuse

    if args.chart:
        charts.target(args.chart)
    found = reuse.analyse(trace) if len(trace.accesses) else None
    if found is not None and args.chart:
        output.note(f"wrote {told.picture(trace, found, args.trace, args.chart)}")
    if args.format == "table" and found is not None:
        output.write("\n".join([*told.text(trace, found, args.trace), ""]))
        output.write("\n".join(told.facts({key: value for key, value in info(trace).items() if key not in TOLD})))
    else:
        _one(info(trace) | (found.document() if found is not None and args.format == "json" else {}), args.format)


def _one(row: dict[str, Any], form: str) -> None:
    """Print one trace. A table has a line for each fact."""
    if form == "table":
        output.emit([{"field": key, "value": output.cell(value)} for key, value in row.items()], form)
    else:
        output.emit([row], form, document=row)
