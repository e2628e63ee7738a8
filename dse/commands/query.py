"""``dse query``: query stored runs, sweeps and benchmarks with SQL, or a preset."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dse.common import options, output
from dse.common.writing import check_target, form_of, save
from dse.errors import BadInput, unknown

if TYPE_CHECKING:
    import argparse

FORMATS = (*options.FORMATS, "parquet")
ENDINGS = {"json": ".json", "csv": ".csv", "parquet": ".parquet"}
TEXT = ".txt"
"""Ending of a table."""
PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".br", ".zip", ".7z", ".tar", ".tgz")
"""Endings of files that hold others."""
PRESETS = ("pareto", "break-even", "ledger", "winners", "regressions")


MOST_ROWS = {"table": 100_000, "json": 1_000_000}
"""Rows that a form is laid out for: each row becomes an object of Python."""
LEAST_MEMORY = 64 << 20
"""Bytes in which the query engine starts."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("sql", nargs="?", metavar="SQL", help="one SELECT over runs, ops, ledger, provenance, trials, winners, asv ...")
    parser.add_argument("--preset", choices=PRESETS, help="built-in query")
    parser.add_argument("--tables", action="store_true", help="list the tables and their columns")
    parser.add_argument("--format", choices=FORMATS, help="output format (default: by the ending of --output, else table)")
    parser.add_argument("--output", type=options.file, metavar="FILE", help="output file (default: stdout)")
    parser.add_argument(
        "--timeout", type=options.seconds, default=60.0, metavar="SECONDS", help="most time of a query (default: %(default)g)"
    )
    parser.add_argument("--memory", type=options.positive, default=4 << 30, metavar="BYTES", help="most memory of a query (default: 4G)")
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Run the query and print its rows."""
    from dse.storing import limited, querying, widths

    options.check_results(args)
    if args.tables:
        options.refuse(args, "sql preset output", "--tables lists tables and their columns")
        if args.format == "parquet":
            raise BadInput("--tables is not written as Parquet: say table, json or csv")
        schemas = {name: widths.shown(frame.collect_schema()) for name, frame in sorted(querying.scan(args.results).items())}
        rows = [{"table": t, "column": c, "type": kind} for t, schema in schemas.items() for c, kind in schema.items()]
        output.emit(rows, args.format or "table")
        return 0
    if args.memory < LEAST_MEMORY:
        raise BadInput(f"--memory {args.memory:,} is below {LEAST_MEMORY:,}, the least that the query engine starts in")
    if args.output:
        check_target(args.output, args.results)
        args.format = _form(args.output, args.format)
    args.format = args.format or "table"
    frame = limited.query(args.sql, args.preset, args.results, args.timeout, min(args.memory, 1 << 60))
    if args.format in MOST_ROWS and len(frame) > MOST_ROWS[args.format]:
        raise BadInput(f"{len(frame):,} rows are too many for {args.format}, {MOST_ROWS[args.format]:,} at most: "
                       "say --format csv or parquet, or LIMIT")  # fmt: skip
    if args.format == "parquet" or args.output:
        _save(frame, args.format, args.output)
        return 0
    if args.format == "csv":
        output.write(widths.csv(frame).removesuffix("\n"))
        return 0
    rows = frame.to_dicts()
    output.emit(rows, args.format, columns=frame.columns)
    if args.format == "table":
        output.note(f"{len(rows):,} rows" + ("" if Path(args.results).is_dir() else f"; there is no folder {args.results}"))
    return 0


def _form(path: str, asked: str | None) -> str | None:
    """Form of a file: what was asked for, else what its ending says; a text or a file without an ending is a table.

    Raises
    ------
    BadInput
        The ending is that of another form, or of none.
    """
    found = form_of(path, ENDINGS, asked) or asked
    suffix = Path(path).suffix
    if suffix.lower() in PACKED:
        raise BadInput(f"{path}: nothing is written compressed or packed: leave {suffix} out")
    if found is None and suffix and suffix.lower() != TEXT:
        raise BadInput(f"{path}: {unknown('kind of answer', suffix, [*ENDINGS.values(), TEXT])} (or say --format)")
    return found


def _save(frame: object, form: str, path: str | None) -> None:
    """Write a frame as bytes."""
    import polars as pl

    from dse.storing import widths

    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - for the type checker
    if form == "parquet":
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        content = buffer.getvalue()
    elif form == "json":
        content = (output.render_json(frame.to_dicts()) + "\n").encode()
    elif form == "csv":
        content = widths.csv(frame).encode()
    else:
        content = (output.render_table(frame.to_dicts(), frame.columns) + "\n").encode()
    if path is not None:
        save(path, content)
    elif sys.stdout.isatty():
        raise BadInput("Parquet is not for a terminal: give --output FILE")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
