"""``dse calibrate``: time page faults on this machine's own kernel, as root, for the table of latencies.

Without --yes it lists what it would change, and changes nothing. Everything is put back at the end. After a crash --restore does it.
docs/calibrate.md says more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dse.common import options, output
from dse.errors import BadInput

COLUMNS = (
    "kind", "direction", "ns", "low", "high", "lo", "hi", "mean", "over_zero", "over_zero_lo", "over_zero_hi", "repeats", "discarded",
    "why",
)  # fmt: skip


def share_of_cpus(text: str) -> float:
    """Read a load average for each CPU, above 0."""
    value = options.finite(text, "running programs a CPU")
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("--output", metavar="FILE", help="TOML file to write; dse compare --parameters FILE reads it")
    parser.add_argument("--swap-folder", metavar="DIR", help="folder of the swap file, on the disk to measure (default: that of --output)")
    parser.add_argument("--kinds", metavar="A,B", help="of first, hit, zero, zswap, zram, disk (default: all that the host can show)")
    parser.add_argument("--pages", type=options.positive, default=4096, metavar="N", help="pages of a repeat (default: %(default)s)")
    parser.add_argument("--repeats", type=options.positive, default=12, metavar="N", help="repeats of each kind (default: %(default)s)")
    parser.add_argument("--load", type=share_of_cpus, default=0.5, metavar="X", help="largest load average a CPU (default: %(default)s)")
    parser.add_argument("--yes", action="store_true", help="do it (default: only list what would change)")
    parser.add_argument("--restore", action="store_true", help="undo what a run that was cut off left behind, by its journal")
    options.add_format(parser)
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """List the changes, measure, or restore."""
    from dse import calibrating
    from dse.calibrating import checking
    from dse.calibrating.system import System

    if args.restore:
        done = calibrating.restore(args.results)
        output.emit([{"restored": text} for text in done], args.format, columns=("restored",))
        output.note(f"{len(done):,} undone; the journal is removed")
        return 0
    if args.output is None:
        raise BadInput("say --output FILE, the table to write (or --restore)")
    kinds = tuple(args.kinds.split(",")) if args.kinds else ()
    folder = Path(args.swap_folder) if args.swap_folder else Path(args.output).parent
    wanted = calibrating.Wanted(
        Path(args.output), Path(args.results) / "calibrate", folder, kinds, args.pages, args.repeats, args.load
    )  # fmt: skip
    checking.check_output(wanted)
    checking.check_size(wanted)
    if not args.yes:
        output.emit(calibrating.plan(wanted), args.format, columns=("change", "now", "meanwhile"))
        try:
            checking.check_host(System(), wanted)
        except BadInput as error:
            output.note(f"it would be refused now: {error}")
        output.note(f"nothing was changed; --yes does it and puts all back (journal: {wanted.state}/journal)")
        return 0
    found = calibrating.calibrated(wanted, args.command_line)
    rows = [{**row, **{key: round(row[key], 1) for key in COLUMNS if isinstance(row.get(key), float)}} for row in found["rows"]]
    output.emit(rows, args.format, columns=COLUMNS, document=found if args.format == "json" else None)
    if found["provenance"]["left_out"]:
        output.note(f"left out: {found['provenance']['left_out']}")
    output.note(f"written to {found['output']}: dse compare --parameters {args.output}")
    return 0
