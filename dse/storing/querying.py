"""``dse.query`` and ``dse.scan``: stored results as tables, asked in SQL. One SELECT, nothing but our tables."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from dse import storing
from dse.common import reading
from dse.errors import NAME_MOST, BadInput, nearest, unknown
from dse.storing import files, widening, widths, wrapping
from dse.storing.guarding import guard, tokens
from dse.storing.writer import TYPES

QUOTES = "; texts stand in single quotes"
"""Hint behind a column that is not there: in SQL double quotes name a column."""
ASV = {
    "commit": "str", "machine": "str", "date": "u64", "benchmark": "str", "param": "str", "kind": "str", "unit": "str", "value": "f64",
    "lo": "f64", "hi": "f64", "file": "str",
}  # fmt: skip
RUNS = ("run", "created", "command", "scenario", "scenario_digest", "trace", "designs", "seed", "loop", "counters_hash", "commit", "cpu")
"""Columns of provenance that the table of runs has."""
Tables = dict[str, pl.LazyFrame]


def _studies(results: str | os.PathLike[str]) -> Iterator[tuple[str, pl.LazyFrame]]:
    """Tables of every study that ended; one with a foreign or truncated file is named and left out whole."""
    from dse.storing import studies

    for study in studies.names(results):
        folder = studies.folder(results, study)
        paths = {table: folder / f"{table}.parquet" for table in studies.TABLES}
        if not paths["trials"].exists():
            continue
        troubles = [(path, why) for table, path in paths.items() if (why := studies.why_not(path, table))]
        for path, why in troubles:
            files.skip(path, why)
        if not troubles:
            for table, path in paths.items():
                if path.exists():
                    yield table, studies.scan(path, table)


def asv_rows(results: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Rows of ``results/asv``, one for each benchmark and parameter. Files that are not asv's are named and skipped."""
    root = Path(results) / "asv"
    units: dict[str, tuple[str, str]] = {}
    try:
        known = reading.kept_json(root / "benchmarks.json")
        units = {name: (str(b.get("unit", "")), str(b.get("type", ""))) for name, b in known.items() if isinstance(b, dict)}
    except (OSError, ValueError, AttributeError):
        pass
    rows: list[dict[str, Any]] = []
    for path in sorted(root.glob("*/*.json")):
        if path.name == "machine.json":
            continue
        try:
            rows += _asv_file(path, units)
        except reading.FAILURES:
            files.skip(path, "not an asv result file (truncated?)")
    return rows


def _asv_file(path: Path, units: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Rows of one file of asv's.

    Raises
    ------
    Exception
        One of :data:`dse.common.reading.FAILURES`: the file is another.
    """
    import itertools

    given = reading.kept_json(path)
    columns, commit, date = given["result_columns"], given["commit_hash"], int(given["date"])
    if not isinstance(columns, list) or not {"result", "params"} <= {*columns} or not isinstance(commit, str) or not 0 <= date < 1 << 63:
        raise ValueError("no columns, commit or date of asv's")
    rows = []
    for name, packed in given["results"].items():
        if not isinstance(packed, list):
            raise ValueError(f"{name} has no columns")
        result = dict(zip(columns, packed, strict=False))
        values, params = result.get("result"), result.get("params") or []
        if values is None:
            continue
        if len(values) != math.prod(map(len, params)):
            raise ValueError(f"{len(values)} figures for {math.prod(map(len, params))} combinations")
        combinations = [", ".join(c) for c in itertools.product(*params)]
        low, high = result.get("stats_ci_99_a") or [], result.get("stats_ci_99_b") or []
        unit, kind = units.get(name, ("", ""))
        for i, (param, value) in enumerate(zip(combinations, values, strict=True)):
            rows.append({
                "commit": commit, "machine": path.parent.name, "date": date, "benchmark": name, "param": param,
                "kind": "counted" if kind == "track" else "measured", "unit": unit, "value": _number(value),
                "lo": _number(low[i]) if i < len(low) else None, "hi": _number(high[i]) if i < len(high) else None, "file": path.name,
            })  # fmt: skip
    return rows


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value == value else None


def _schema(columns: dict[str, str]) -> pl.Schema:
    return pl.Schema({name: TYPES[kind] for name, kind in columns.items()})


def scan(results: str | os.PathLike[str] = "results") -> Tables:
    """Open everything that is stored, lazily.

    Parameters
    ----------
    results : path
        Folder of stored results.

    Returns
    -------
    dict of str to polars.LazyFrame
        runs, ops, ledger, provenance (of runs); trials, params, winners, patched, missing, orders, breakeven, moves, sensitivity, regret,
        confirmed, studies (of sweeps);
        trials_wide (a row a trial, a column an objective); asv. Tables of sweeps have a column for each axis of the environment and each
        parameter (``moves_rate``, ``base``), runs one for each scenario key (``memory_limit``). Whole numbers have a sign, so that
        differences of counts do not wrap. A run or study with a foreign or truncated
        file is named on stderr and left out whole.

    Examples
    --------
    >>> import polars as pl
    >>> tables = scan("/nowhere")
    >>> tables["trials"].filter(pl.col("objective") == "swap_in").group_by("design").agg(pl.col("value").min()).collect().shape
    (0, 2)
    """
    from dse.storing import studies

    tables = dict(storing.scan(results))
    tables["runs"] = widening.with_keys(tables["provenance"], RUNS)
    found: dict[str, list[pl.LazyFrame]] = {table: [] for table in studies.TABLES}
    names: list[str] = []
    for table, frame in _studies(results):
        found[table].append(frame)
        names += widening.objectives_of(frame) if table == "trials" else []
    for table, columns in studies.TABLES.items():
        name = "studies" if table == "provenance" else table
        tables[name] = pl.concat(found[table], how="diagonal") if found[table] else pl.LazyFrame(schema=_schema(columns))
    axes = widening.axes_of(tables["studies"].select("document").collect().to_series().to_list())
    tables["trials_wide"] = widening.wide(tables["trials"], dict.fromkeys(names), axes)
    for name in ("trials", "winners", "breakeven", "moves", "regret", "confirmed"):
        tables[name] = widening.with_axes(tables[name], axes)
    tables["asv"] = pl.LazyFrame(asv_rows(results), schema=_schema(ASV))
    return {name: frame.with_columns(pl.selectors.unsigned_integer().cast(pl.Int64)) for name, frame in tables.items()}


def _pareto(tables: Tables) -> pl.LazyFrame:
    return tables["trials"].filter("front").select("study", "number", "design", "environment", "objective", "kind", "unit", "value")


def _winners(tables: Tables) -> pl.LazyFrame:
    return tables["winners"].select(
        "study", "environment", "design", "params", "objective", "value", "margin", "runner_up", "kind", "certain", "bytes", "tried", "of"
    )


def _breakeven(tables: Tables) -> pl.LazyFrame:
    return tables["breakeven"].select("study", "design", "against", "environment", "rate", "status", "objective", "axis")


def _ledger(tables: Tables) -> pl.LazyFrame:
    """Bytes by design and structure, mean over runs."""
    sums = [pl.col(c).mean() for c in ("static_bytes", "dynamic_bytes", "header_bytes", "allocated_bytes", "peak_bytes")]
    return tables["ledger"].group_by("design", "backend", "structure").agg(pl.len().alias("rows"), *sums).sort(
        "design", "backend", "structure"
    )  # fmt: skip


def _last_two(column: str, *by: str) -> tuple[pl.Expr, pl.Expr]:
    """The last value of a column within a group, and the one before it."""
    ordered = pl.col(column).sort_by(*by)
    return ordered.last(), ordered.slice(-2, 1).first().alias(f"{column}_before")


def _regressions(tables: Tables) -> pl.LazyFrame:
    """Counted figures that differ between the last two runs of the same scenario, and asv's between its last two commits."""
    ratio = (pl.col("value") / pl.col("value_before")).alias("ratio")
    known = tables["provenance"].select("run", "scenario_digest", "seed", "trace_digest", "created")
    same = ["scenario_digest", "seed", "trace_digest", "design", "op", "metric", "stat", "age", "unit"]
    counted = tables["ops"].filter(pl.col("kind") == "counted").join(known, on="run").with_columns(second=pl.col("run").str.head(16))
    order = ("second", "created", "run")  # the second in the name of a run never goes back, as its clock may
    last = counted.group_by(same).agg(*_last_two("value", *order), *_last_two("run", *order), pl.len().alias("n"))
    ours = last.filter((pl.col("n") > 1) & (pl.col("value") != pl.col("value_before"))).select(
        pl.lit("run").alias("source"), "design", pl.concat_str("op", pl.lit("."), "metric").alias("what"),
        pl.concat_str(pl.col("stat").fill_null(""), pl.lit(" "), pl.col("age").fill_null("")).str.strip_chars().alias("detail"),
        pl.lit("counted").alias("kind"), "unit", pl.col("value_before").alias("before"), "value", ratio,
        pl.col("run_before").alias("from"), pl.col("run").alias("to"),
    )  # fmt: skip
    commits = tables["asv"].group_by("machine", "benchmark", "param", "kind", "unit").agg(
        *_last_two("value", "date", "commit"), *_last_two("commit", "date", "commit"), pl.len().alias("n")
    )  # fmt: skip
    theirs = commits.filter((pl.col("n") > 1) & (pl.col("value") > pl.col("value_before"))).select(
        pl.lit("asv").alias("source"), pl.lit("").alias("design"), pl.col("benchmark").alias("what"), pl.col("param").alias("detail"),
        "kind", "unit", pl.col("value_before").alias("before"), "value", ratio, pl.col("commit_before").alias("from"),
        pl.col("commit").alias("to"),
    )  # fmt: skip
    return pl.concat([ours, theirs]).sort("source", "design", "what", "detail")


PRESETS: dict[str, tuple[Callable[[Tables], pl.LazyFrame], str]] = {
    "pareto": (_pareto, "trials on the Pareto front of their environment, of all studies"),
    "break-even": (_breakeven, "from which migration rate on a layer pays"),
    "ledger": (_ledger, "bytes by design and structure over all runs"),
    "winners": (_winners, "who wins each environment, and by how much"),
    "regressions": (_regressions, "counted figures that changed since the run before; asv figures that rose"),
}


def query(sql: str | None = None, *, preset: str | None = None, results: str | os.PathLike[str] = "results") -> pl.DataFrame:
    """Ask the stored results.

    Parameters
    ----------
    sql : str, optional
        One SELECT over the tables of :func:`scan`.
    preset : str, optional
        Instead of SQL: pareto, break-even, ledger, winners, regressions.
    results : path
        Folder of stored results.

    Returns
    -------
    polars.DataFrame

    Raises
    ------
    BadInput
        Anything but one SELECT, a table function, an unknown table or column, an error in the SQL.

    Examples
    --------
    >>> query("SELECT design, COUNT(*) AS n FROM ops GROUP BY design", results="/nowhere").shape
    (0, 2)
    """
    if (sql is None) == (preset is None):
        raise BadInput("give a query or a --preset" + ("" if sql is None else ", not both"))
    if preset is not None and preset not in PRESETS:
        raise BadInput(unknown("preset", preset, PRESETS))
    if sql is not None:
        guard(sql)
    tables = scan(results)
    if preset is None:
        return asked(str(sql), tables)
    with _refused(tables):
        return widths.answered(PRESETS[preset][0](tables).collect(engine="streaming"))


def asked(sql: str, tables: Tables) -> pl.DataFrame:
    """Run one SELECT over tables.

    Raises
    ------
    BadInput
        As :func:`query`.
    """
    guard(sql)
    wide = {name: widths.signed(frame) for name, frame in tables.items()}
    truths = {name for frame in tables.values() for name, kind in frame.collect_schema().items() if kind == pl.Boolean}
    with _refused(tables, sql), pl.SQLContext(wide, eager=False) as context:
        try:
            plan = context.execute(widths.widened(sql, truths=truths))
        except pl.exceptions.PolarsError:
            context.execute(sql)  # names the column of a mistake as the user wrote it
            raise
        found = plan.collect(engine="streaming")
        wrapping.check(sql, wide)
        return widths.answered(found)


@contextlib.contextmanager
def _refused(tables: Tables, sql: str = "") -> Iterator[None]:
    """Say in one line what the query engine refuses."""
    try:
        yield
    except pl.exceptions.ColumnNotFoundError as error:
        raise BadInput(_no_column(str(error), tables)) from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, *reading.FAILURES) as error:
        raise BadInput(_sql_error(str(error), tables, sql)) from None


def _no_column(message: str, tables: Tables) -> str:
    """Say which column is not there, with the nearest."""
    name = re.sub(r"^.*?unable to find column ", "", message.split("\n", maxsplit=1)[0]).split(";")[0].strip().strip("\"'`").split('"')[0]
    columns = {table: frame.collect_schema().names() for table, frame in tables.items()}
    homes = [table for table, names in columns.items() if name in names]
    if homes:
        return f"column {reading.short(name)} is in {', '.join(homes)}, not in the tables of this query"
    near = nearest(name[:NAME_MOST], sorted({column for names in columns.values() for column in names}))
    return f"unknown column {reading.short(name)}, " + (f"did you mean {near!r}?" if near else "dse query --tables lists all") + QUOTES


def _sql_error(message: str, tables: Tables, sql: str) -> str:
    """Say what is wrong with the SQL."""
    line = " ".join(message.split("\n", maxsplit=1)[0].split())[:300]
    twice = re.search(r"duplicate (?:output|column) name:? '([^']*)'|column with name '([^']*)' has more than one occurrence", line)
    if twice:
        name = twice[1] or twice[2]
        which = "" if name == "literal" else f", {reading.short(name)}"  # the engine's own name of a value
        return f"two columns of the query have one name{which}: give one of them another with AS"
    found = re.search(r"relation '?\"?([\w.]+)'?\"? was not found", line)
    if found:
        return unknown("table", found[1], sorted(tables))
    dotted = re.search(r"no (?:table or struct )?column named '(\w+)' found", line)
    return _no_dotted(dotted[1], tables, sql) if dotted else f"query: {line}"


def _no_dotted(first: str, tables: Tables, sql: str) -> str:
    """Say which column is not there where a name has a dot: keys and axes, such as moves.rate, are columns with an underscore."""
    parts = [text.strip('"`').lower() for _, text in tokens(sql)]
    names = [f"{first}.{c}" for a, b, c in zip(parts, parts[1:], parts[2:], strict=False) if (a, b) == (first.lower(), ".")]
    name = names[0] if names else first
    columns = sorted({column for frame in tables.values() for column in frame.collect_schema().names()})
    meant = widening.column(name)
    near = next((column for column in columns if column == meant), "") or nearest(meant[:NAME_MOST], columns)
    hint = f"did you mean {near!r}?" if near else "dse query --tables lists all"
    return f"unknown column {reading.short(name)}, {hint}"
