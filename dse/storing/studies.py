"""Stored studies: ``results/studies/<study>/``, settings first, Parquet at the end, every file by rename."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from dse.common import digests, hints, reading
from dse.common.limits import SEED_MAX
from dse.common.names import checked, is_name
from dse.common.output import plain
from dse.common.writing import locked, write_atomically, write_together
from dse.errors import BadInput
from dse.secrets import safe
from dse.storing import files, leftovers, ordering
from dse.storing.finding import pick
from dse.storing.writer import METADATA_SUMS, METADATA_TABLE, METADATA_VERSION, TYPES

VERSION = 3
"""Version of the tables and settings. Later versions append columns and tables only; :data:`READERS` fills in what an older one lacks.

2: fronts, winners and importance are those of an environment; winners by time; rates of moves as delivered.
3: how much of the space was evaluated, with each winner and in all; environments without a result.
"""
SEALED = 2
"""First version whose settings carry their digest."""
SETTINGS, JOURNAL = "settings.json", "journal.log"
NEEDED = frozenset(("study", "space", "sampler", "seed", "trials", "code_digest"))
"""Keys of the settings."""
WINNERS = {
    "study": "str", "environment": "str", "design": "str", "params": "str", "margin": "f64", "objective": "str", "value": "f64",
    "runner_up": "str", "designs": "u64", "layer": "bool", "kind": "str", "gap": "f64", "lo": "f64", "hi": "f64", "certain": "bool",
    "tied": "str", "bytes": "f64", "by_lines": "str", "by_locks": "str", "by_bytes": "str",
    "tried": "u64", "of": "u64", "whole": "bool", "baseline": "bool",
}  # fmt: skip
"""Columns of the winners: of all designs, and of those that exist as patches or in a kernel (``patched``)."""
TABLES: dict[str, dict[str, str]] = {
    "trials": {
        "study": "str", "number": "u64", "design": "str", "environment": "str", "params": "str", "status": "str", "feasible": "bool",
        "front": "bool", "objective": "str", "kind": "str", "unit": "str", "value": "f64", "key": "str",
        "delivered": "f64", "writeback": "f64",
    },
    "params": {"study": "str", "number": "u64", "axis": "str", "role": "str", "text": "str", "value": "f64"},
    "winners": WINNERS,
    "breakeven": {
        "study": "str", "design": "str", "against": "str", "environment": "str", "rate": "f64", "status": "str", "curve": "str",
        "objective": "str", "asked": "str", "axis": "str",
    },
    "sensitivity": {
        "study": "str", "axis": "str", "role": "str", "objective": "str", "importance": "f64", "groups": "u64", "flips": "u64",
        "environment": "str",
    },
    "regret": {
        "study": "str", "design": "str", "params": "str", "environments": "u64", "of": "u64", "mean": "f64", "worst": "f64",
        "worst_environment": "str", "objective": "str",
    },
    "confirmed": {
        "study": "str", "design": "str", "baseline": "str", "environment": "str", "op": "str", "kind": "str", "unit": "str",
        "value": "f64", "lo": "f64", "hi": "f64", "n": "u64", "status": "str", "host": "str", "run": "str",
    },
    "provenance": {
        "study": "str", "created": "str", "command": "str", "space": "str", "space_digest": "str", "sampler": "str", "seed": "u64",
        "trials": "u64", "wanted": "u64", "evaluated": "u64", "seconds": "f64", "code_digest": "str", "commit": "str", "host": "str",
        "packages": "str", "document": "str", "objectives": "str", "winner": "str", "baseline": "str",
        "over": "str", "environments": "u64", "places": "u64", "size": "u64", "covered": "u64",
    },
    "orders": {
        "study": "str", "design": "str", "other": "str", "by": "str", "objective": "str", "environments": "u64", "of": "u64",
        "environment": "str", "costs": "str", "counts": "str",
    },
    "patched": WINNERS,
    "moves": {"study": "str", "environment": "str", "asked": "f64", "delivered": "f64", "writeback": "f64"},
    "missing": {"study": "str", "environment": "str", "reason": "str", "trials": "u64"},
}  # fmt: skip


def _filled(table: str, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Today's table from one of an earlier version: columns that it lacks are empty."""
    known = frame.collect_schema().names()
    filled = frame.with_columns([pl.lit(None, TYPES[kind]).alias(name) for name, kind in TABLES[table].items() if name not in known])
    return filled.select(list(TABLES[table]))


def _first(table: str, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Today's table from one of version 1: break-evens are over the rates that were asked for.

    Its front was one over all environments, so that the table says of no trial that it is on the front of its own.
    """
    filled = _filled(table, frame)
    if table == "breakeven":
        filled = filled.with_columns(axis=pl.lit("asked"))
    if table == "trials":
        filled = filled.with_columns(front=pl.lit(None, pl.Boolean))
    return filled


NAMED = ("number", "design", "objective")
"""Columns of trials that are never empty."""
READERS: dict[int, Callable[[str, pl.LazyFrame], pl.LazyFrame]] = {1: _first, 2: _filled}
"""From a version to the function that makes today's table of one of that version."""


def scan(path: Path, table: str) -> pl.LazyFrame:
    """Scan a table that :func:`why_not` found whole, in today's columns."""
    frame, version = pl.scan_parquet(path), files.version_of(path)
    frame = READERS[version](table, frame) if version != VERSION else frame.select(list(TABLES[table]))
    return files.without_secrets(frame) if table == "provenance" else frame


def folder(results: str | os.PathLike[str], study: str) -> Path:
    """Folder of a study.

    Raises
    ------
    BadInput
        The name would lie elsewhere.
    """
    return Path(results) / "studies" / checked(study, "study")


def names(results: str | os.PathLike[str]) -> list[str]:
    """Names of the stored studies, the last one started at the end."""
    root = Path(results) / "studies"
    if not root.is_dir():
        return []
    found = [p for p in root.iterdir() if (p / SETTINGS).is_file() and is_name(p.name)]
    return [p.name for p in sorted(found, key=lambda p: ((p / SETTINGS).stat().st_mtime_ns, p.name))]


def find(results: str | os.PathLike[str], name: str) -> str:
    """Resolve a study's name, a part of it that only one has, or ``last``.

    Raises
    ------
    BadInput
        When none or more than one fits.
    """
    known = names(results)
    if not known:
        raise BadInput(f"no studies stored under {Path(results) / 'studies'}")
    return pick(known, name, "study", "studies", lambda found: copied(results, found))


def write_settings(results: str | os.PathLike[str], study: str, settings: Mapping[str, Any]) -> None:
    """Store the settings of a study, before its first trial."""
    document = digests.sealed(plain(settings), study)
    where = folder(results, study)
    write_atomically(where / SETTINGS, json.dumps(document, indent=1).encode())
    ordering.stamp(results, [where / SETTINGS, where])


def read_settings(results: str | os.PathLike[str], study: str) -> dict[str, Any]:
    """Read the settings of a study.

    Raises
    ------
    BadInput
        The file is damaged, of another study, or holds values of another kind.
    """
    path = folder(results, study) / SETTINGS
    try:
        found: Any = reading.kept_json(path)
    except FileNotFoundError:
        raise BadInput(f"{path}: missing: the study is not whole") from None
    except (OSError, ValueError):
        raise BadInput(f"{path}: damaged or not readable") from None
    version = found.get("version") if isinstance(found, dict) else None
    if not isinstance(version, int) or not are_settings(found):
        raise BadInput(f"{path}: damaged, or not written by swapdse")
    if version > VERSION:
        raise BadInput(f"{path}: version {version}, this one reads up to {VERSION}")
    if found["study"] != study:
        raise BadInput(f"{path}: these are the settings of study {str(found['study'])[:60]!r}")
    if (digests.DIGEST in found or version >= SEALED) and not digests.whole(found, study):
        raise BadInput(f"{path}: {digests.CHANGED}; start the study anew")
    return {key: value for key, value in found.items() if key != digests.DIGEST}


def owner(path: Path) -> str | None:
    """Study whose settings lie in a folder; None where they are damaged, or are of something else."""
    try:
        found: Any = reading.kept_json(path / SETTINGS)
    except (OSError, ValueError):
        return None
    return str(found["study"]) if are_settings(found) else None


def copied(results: str | os.PathLike[str], name: str) -> str:
    """Name under which a study was stored, where its folder has another one; else, and where that is damaged, an empty string."""
    found = owner(folder(results, name))
    return found if found not in (None, name) else ""


def are_settings(found: Any) -> bool:
    """Return True if a value read from a file has what settings of a study have, each of its kind."""
    kinds: dict[str, Any] = {
        "study": str, "space": dict, "sampler": str, "seed": int, "trials": int | None, "code_digest": str, "environments": int | None,
    }  # fmt: skip
    if not isinstance(found, dict) or not found.keys() >= NEEDED:
        return False
    if any(not isinstance(found.get(key), kind) or isinstance(found.get(key), bool) for key, kind in kinds.items()):
        return False
    least = {"seed": 0, "trials": 1, "environments": 1}
    return all(found.get(key) is None or low <= found[key] <= SEED_MAX for key, low in least.items())


@contextlib.contextmanager
def held(results: str | os.PathLike[str], study: str) -> Iterator[None]:
    """Hold a study alone: no other process runs the same one meanwhile (a killed one holds nothing)."""
    path = folder(results, study)
    leftovers.clear(os.fspath(results))
    with locked(path / ".lock", f"study {study} is being run by another process"):
        yield


def frame(table: str, study: str, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of a table; values other than scalars are written as JSON."""
    schema = pl.Schema({name: TYPES[kind] for name, kind in TABLES[table].items()})
    data = {name: [_cell(row.get(name), kind) for row in rows] for name, kind in TABLES[table].items()}
    data["study"] = [study] * len(rows)
    return pl.DataFrame(data, schema=schema, strict=True)


def _cell(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "str" and not isinstance(value, str):
        return json.dumps(plain(value), sort_keys=True)
    return float(value) if kind == "f64" else value


def _without_secrets(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Provenance as it may be stored."""
    return [{name: safe(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows]


def write_tables(results: str | os.PathLike[str], study: str, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Store tables of a study, all of them or none; the list of their digests last."""
    contents: dict[str, bytes] = {}
    for table, rows in tables.items():
        buffer = io.BytesIO()
        metadata = {METADATA_VERSION: str(VERSION), METADATA_TABLE: f"study.{table}", METADATA_SUMS: digests.SUMS}
        frame(table, study, _without_secrets(rows) if table == "provenance" else rows).write_parquet(buffer, metadata=metadata)
        contents[f"{table}.parquet"] = buffer.getvalue()
    where = folder(results, study)
    write_together({where / name: content for name, content in {**contents, digests.SUMS: digests.sums(contents)}.items()})
    ordering.stamp(results, [where])


def why_not(path: Path, table: str) -> str:
    """Say why a file is no table of a study; return an empty string if it is one, or if the study has no such table."""
    known = digests.listed(path.parent)
    if not path.exists() and path.name not in (known or {}):
        odd = [name for name in known or {} if name.removesuffix(".parquet") not in TABLES]
        return f"{digests.SUMS} lists {odd[0]!r}, which is no table: it was changed" if odd else ""
    why = files.why_not(path, f"study.{table}", VERSION)
    if why:
        return why
    version = files.version_of(path)
    if version != VERSION and version not in READERS:
        return f"no reader for schema version {version}"
    why = files.mistyped(path, {name: TYPES[kind] for name, kind in TABLES[table].items()}, whole=version == VERSION)
    return why or (_nameless(path) if table == "trials" else "")


def _nameless(path: Path) -> str:
    """Say which column of a whole table of trials has empty cells where none may have; an empty string if none has."""
    try:
        found = pl.read_parquet(path, columns=list(NAMED)).null_count().row(0)
    except files.UNREADABLE:
        return "columns missing"
    odd = [name for name, empty in zip(NAMED, found, strict=True) if empty]
    return f"column {odd[0]} has empty cells" if odd else ""


def resuming(results: str | os.PathLike[str], study: str) -> str:
    """Command that goes on with a study."""
    return hints.command("dse", "sweep", "--resume", study, results=results)


def read_tables(results: str | os.PathLike[str], study: str) -> dict[str, list[dict[str, Any]]]:
    """Read every table of a study.

    Raises
    ------
    BadInput
        The study has not ended, or a file is damaged.
    """
    out: dict[str, list[dict[str, Any]]] = {}
    for table in TABLES:
        path = folder(results, study) / f"{table}.parquet"
        if not path.exists() and table == "trials" and path.name not in (digests.listed(path.parent) or {}):
            raise BadInput(f"study {study} has not ended; {resuming(results, study)} goes on with it")
        why = why_not(path, table)
        if why:
            raise BadInput(f"{path}: {why}; {resuming(results, study)} makes the tables anew")
        if not path.exists():
            out[table] = []
            continue
        try:
            out[table] = scan(path, table).collect().to_dicts()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            raise BadInput(f"{path}: damaged Parquet file") from None
    return out
