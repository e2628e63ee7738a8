"""Records: ``results/linux/<record>/<table>.csv`` and ``provenance.json``, and those that ship with the package."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dse.common import digests, names, output, reading, writing
from dse.errors import BadInput, unknown
from dse.linux import counting, fetching, histograms, tracing
from dse.secrets import safe

SHIPPED = Path(__file__).with_name("records")
TABLES = {
    "fill": counting.FILL, "sites": histograms.SITES, "trace": tracing.TRACE, "operation": counting.OPERATION,
    **dict.fromkeys(("fork", "zap", "swapoff", "writeback", "folio"), counting.COUNTED), "folios": counting.FOLIOS,
}  # fmt: skip
TEXTS = ("backend", "stage", "kind", "structure", "operation", "function", "group", "site", "trace", "lists")


WHOLE = ("pages", "operations", "background", "many", "repeats", "memory", "slots")
"""Whole numbers of provenance, where it has them."""
PLAIN = ("created", "swapdse", "release", "version", "qemu", "compressor", "command", "machine", "options")
"""Texts of it."""
CHECKED = "digests"
"""Key of provenance: the file beside it that lists digests. Records of earlier versions may lack both."""


class Record(NamedTuple):
    """Counts of one kernel.

    Attributes
    ----------
    name : str
        Name of the record.
    provenance : dict
        Its origin.
    tables : dict
        Rows by experiment.
    """

    name: str
    provenance: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]]


def store(results: Path, release: str, tables: Mapping[str, Sequence[Mapping[str, Any]]], provenance: Mapping[str, Any]) -> str:
    """Store a record in one rename; return its name.

    Raises
    ------
    BadInput
        The folder cannot be written or the disk is full, or the release cannot be a part of a name; nothing half-written stays.
    """
    root = results / "linux"
    name = names.checked(f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{release}", "record")
    hidden = root / f".writing-{name}-{os.getpid()}"
    made = [folder for folder in (root, results) if not folder.exists()]
    with writing.stored_under(results):
        try:
            hidden.mkdir(parents=True)
            texts = {f"{table}.csv": output.render_csv(rows, TABLES[table]) for table, rows in tables.items()}
            origin = {key: safe(value) if isinstance(value, str) else value for key, value in provenance.items()}
            texts["provenance.json"] = output.render_json({**origin, CHECKED: digests.SUMS})
            contents = {file: f"{text}\n".encode() for file, text in texts.items()}
            contents[digests.SUMS] = digests.sums(contents)
            writing.write_together({hidden / file: content for file, content in contents.items()})
            hidden.rename(root / name)
            writing.sync_folder(root)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()  # empty folders only
    return name


def _rows(path: Path, table: str) -> list[dict[str, Any]]:
    """Rows of a table, figures as whole numbers.

    Raises
    ------
    ValueError
        It lacks a column, or a row is longer or shorter than its head.
    """
    lines = csv.DictReader(io.StringIO(reading.content(path).decode("utf-8"), newline=""))
    lacks = next((column for column in TABLES[table] if column not in (lines.fieldnames or ())), "")
    if lacks:
        raise ValueError(f"{path.name} has no column {lacks}")
    found = []
    for row in lines:
        if None in row or None in row.values():
            raise ValueError(f"line {lines.line_num} of {path.name} is longer or shorter than its head")
        found.append({key: value if key in TEXTS else int(value) for key, value in row.items()})
    return found


def _origin(text: bytes) -> dict[str, Any]:
    """Provenance of a record.

    Raises
    ------
    ValueError
        It is no object, or a part of it is of another kind than what is stored.
    """
    found = reading.parsed_json(text)
    if not isinstance(found, dict):
        raise ValueError("its provenance is no object")
    listed = found.get("experiments", [])
    wrong = [key for key in WHOLE if key in found and (type(found[key]) is not int or found[key] < 0)]
    wrong += [key for key in PLAIN if not isinstance(found.get(key, ""), str)]
    wrong += [key for key in ("traces", "package", "guests") if not isinstance(found.get(key, {}), dict)]
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        wrong.append("experiments")
    if not isinstance(found.get("seconds", 0), (int, float)) or not math.isfinite(found.get("seconds", 0)):
        wrong.append("seconds")
    if wrong:
        raise ValueError(f"{wrong[0]} of its provenance is {reading.short(found[wrong[0]])}")
    return found


def _read(name: str, provenance: Path, tables: Mapping[str, Path]) -> Record:
    """Read a record from its files.

    Raises
    ------
    BadInput
        One of them is not what :func:`store` writes.
    """
    for path in (provenance, *tables.values()):
        why = digests.why_not(path) if path.exists() or path.name in (digests.listed(path.parent) or {}) else ""
        if why:
            raise BadInput(f"{path}: {why}")
    try:
        origin = _origin(reading.content(provenance))
        return Record(name, origin, {table: _rows(path, table) for table, path in tables.items() if path.exists()})
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise BadInput(f"{provenance.parent} holds no record that can be read: {reading.reason(error)}") from None


def _checked(folder: Path, record: Record) -> Record:
    """A stored record. One line says so where nothing tells that it is what was stored.

    Raises
    ------
    BadInput
        The list of its digests is gone.
    """
    told = {key: value for key, value in record.provenance.items() if key != CHECKED}
    if digests.listed(folder) is None:
        if CHECKED in record.provenance:
            raise BadInput(f"{folder}: no {digests.SUMS} beside its tables: the record is not whole")
        output.note(f"unchecked: {folder} has no {digests.SUMS}, so that nothing tells whether its figures are those that were recorded")
    return record._replace(provenance=told)


def stored(results: Path) -> list[str]:
    """Names of the stored records, the newest last."""
    return sorted(path.parent.name for path in (results / "linux").glob("[!.]*/provenance.json"))


def shipped() -> list[str]:
    """Releases with a shipped record, the oldest first."""
    return sorted((path.stem for path in SHIPPED.glob("*.json")), key=lambda release: [int(part) for part in re.findall(r"\d+", release)])


def load(name: str, results: Path | None = None) -> Record:
    """Load a stored record by name, or a shipped one by release (``7.2``).

    Raises
    ------
    BadInput
        There is none of that name.
    """
    if results is not None and name in stored(results):
        folder = results / "linux" / name
        return _checked(folder, _read(name, folder / "provenance.json", {table: folder / f"{table}.csv" for table in TABLES}))
    if name in shipped():
        return _read(name, SHIPPED / f"{name}.json", {table: SHIPPED / f"{name}-{table}.csv" for table in TABLES})
    raise BadInput(unknown("record", name, [*shipped(), *(stored(results) if results is not None else [])]))


def overview(results: Path, folder: Path) -> list[dict[str, Any]]:
    """Fetched kernels, stored and shipped records, as rows of kind, release, name, version and place; what is damaged is skipped."""
    rows = fetching.fetched(folder)
    for kind, known in (("record", stored(results)), ("shipped", shipped())):
        for name in known:
            try:
                origin = load(name, results if kind == "record" else None).provenance
            except BadInput as error:
                output.note(f"skipped {name}: {error}")
                continue
            made = ", ".join(str(one) for one in origin.get("experiments") or [])
            rows.append({"kind": kind, "release": origin.get("release"), "name": name, "version": made, "place": origin.get("qemu", "")})
    return rows
