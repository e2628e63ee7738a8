"""``dse linux``: fetch real kernels, boot them in qemu and record what swap allocates and touches.

``dse linux get 6.12 7.2`` fetches kernels and qemu without installing them. ``dse linux record --release 7.2`` boots one and stores its
counts; ``--image FILE`` takes any bzImage. ``dse linux list`` shows fetched kernels, stored and shipped records, ``dse linux show 7.2`` the
counts of one. docs/linux.md says more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.common import options, output

if TYPE_CHECKING:
    import argparse

    from dse.linux import Record

COLUMNS = ("kind", "release", "name", "version", "place")


def _folder(verb: argparse.ArgumentParser) -> None:
    """Add ``--results``, ``--folder`` and ``--format``."""
    options.add_results(verb)
    verb.add_argument(
        "--folder", type=options.folder, metavar="DIR", help="folder of fetched packages (default: linux/fetched in the folder of results)"
    )
    options.add_format(verb)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verbs = parser.add_subparsers(dest="linux_verb", required=True, metavar="get|list|record|show")
    get = verbs.add_parser("get", help="fetch kernels and qemu from packages, nothing is installed: dse linux get 6.12 7.2")
    get.add_argument("releases", nargs="+", metavar="RELEASE", help="release such as 6.12")
    get.add_argument("--newest", action="store_true", help="take the newest package of the release, not the pinned one")
    record = verbs.add_parser("record", help="boot a kernel in qemu, count, and store the record")
    record.add_argument("--image", type=options.file, metavar="FILE", help="bzImage to boot (default: the fetched kernel of --release)")
    record.add_argument("--modules", type=options.folder, metavar="DIR", help="folder of its modules (default: what lies beside the image)")
    record.add_argument("--release", default="", metavar="R", help="release of a fetched kernel, or name of the record of --image")
    record.add_argument(
        "--experiments", default=None, metavar="LIST", help="of fill, trace, operation, fork, zap, swapoff, writeback, folio (default: all)"
    )
    record.add_argument(
        "--pages", type=options.positive, default=65_536, metavar="N", help="pages that fill swaps out (default: %(default)s)"
    )
    record.add_argument(
        "--operations",
        type=options.positive,
        default=512,
        metavar="N",
        help="operations of each kind, a power of two (default: %(default)s)",
    )
    record.add_argument("--traces", default="", metavar="LIST", help="traces that are replayed (default: all)")
    record.add_argument("--add", default="", metavar="RECORD", help="add the experiments to this record, as a new one")
    record.add_argument("--repeats", type=options.positive, default=5, metavar="N", help="replays of each trace (default: %(default)s)")
    record.add_argument("--memory", type=options.positive, default=1024, metavar="MIB", help="memory of the guest (default: %(default)s)")
    record.add_argument("--compressor", default="lzo", metavar="NAME", help="compressor of zswap (default: %(default)s)")
    record.add_argument("--timeout", type=options.positive, default=600, metavar="S", help="longest time of a boot (default: %(default)s)")
    record.add_argument("--console", type=options.file, metavar="FILE", help="keep what the guest's console said")
    show = verbs.add_parser("show", help="print a stored or shipped record: dse linux show 7.2")
    show.add_argument("record", help="its name in dse linux list")
    show.add_argument("--experiment", metavar="E", help="print this experiment only")
    show.add_argument(
        "--operation", metavar="OP", help="print the functions of an operation of it (default: of operation), as swap_in_read"
    )
    show.add_argument("--pages", type=options.whole, metavar="N", help="pages of the operation (default: the most)")
    show.add_argument(
        "--backend", default="zswap", metavar="B", help="backend of the operation: zswap, zero or disk (default: %(default)s)"
    )
    for verb in (get, record, show, verbs.add_parser("list", help="show fetched kernels, stored and shipped records")):
        _folder(verb)


def run(args: argparse.Namespace) -> int:
    """Run the verb."""
    args.results = Path(args.results)
    args.folder = Path(args.folder) if args.folder else args.results / "linux" / "fetched"
    return {"get": _get, "list": _list, "record": _record, "show": _show}[args.linux_verb](args)


def _get(args: argparse.Namespace) -> int:
    from dse import linux

    output.emit(linux.get(args.releases, args.folder, newest=args.newest, say=output.note), args.format, columns=COLUMNS)
    return 0


def _list(args: argparse.Namespace) -> int:
    from dse import linux

    output.emit(linux.overview(args.results, args.folder), args.format, columns=COLUMNS)
    return 0


def _record(args: argparse.Namespace) -> int:
    from dse import linux

    sizes = linux.Sizes(pages=args.pages, operations=args.operations, repeats=args.repeats, memory=args.memory, timeout=args.timeout)
    wanted = args.experiments.split(",") if args.experiments else linux.EXPERIMENTS
    if "trace" not in wanted:
        options.refuse(args, "traces repeats", f"it is of the experiment trace, not of {','.join(wanted)}")
    made = linux.record(
        args.results, args.folder, image=Path(args.image) if args.image else None, release=args.release,
        modules=Path(args.modules) if args.modules else None, experiments=wanted, sizes=sizes,
        traces=args.traces.split(",") if args.traces else (), add=args.add,
        compressor=args.compressor, console=Path(args.console) if args.console else None, command=args.command_line,
        say=lambda line: output.note(f"guest: {line}"),
    )  # fmt: skip
    output.note(f"record {made.name}, {made.provenance['seconds']:.0f} s")
    _tables(made, list(made.tables), args.format, {"record": made.name, "provenance": made.provenance, **made.tables})
    return 0


def _show(args: argparse.Namespace) -> int:
    from dse import linux
    from dse.linux import summaries

    made = linux.load(args.record, args.results)
    if not args.operation:
        options.refuse(args, "pages backend", "it is one of an --operation, and none is named")
    if args.operation:
        output.emit(summaries.functions(made, args.experiment or "operation", args.operation, args.backend, args.pages), args.format)
    else:
        names = [args.experiment] if args.experiment else list(made.tables)
        _tables(made, names, args.format, {"provenance": made.provenance, **made.tables})
    return 0


def _tables(made: Record, names: list[str], form: str, document: dict[str, Any]) -> None:
    """Print the summaries of experiments: one table after the other, in CSV with the experiment as first column."""
    from dse.linux import summaries

    tables = {name: summaries.of(made, name) for name in names}
    if form != "table":
        output.emit([{"experiment": name, **row} for name, rows in tables.items() for row in rows], form, document=document)
        return
    for i, (name, rows) in enumerate(tables.items()):
        output.write(f"{'' if i == 0 else chr(10)}experiment {name}\n")
        output.emit(rows, form)
