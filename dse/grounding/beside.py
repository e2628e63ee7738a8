"""One operation of the model beside the same one of a kernel: a row for each function, sums for each group."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dse import linux, naming
from dse.common import machine
from dse.errors import BadInput, unknown
from dse.grounding import declared, joins
from dse.grounding.operations import OPERATIONS, Counted, Sizes, Tally, count
from dse.linux.functions import GROUPS

NAMES = {"swap_in": "swap_in_read", "clean_drop": "swap_out_again"} | {name: name for name in OPERATIONS}
"""Operation of the record by the operation that is asked for."""
BACKENDS = {"ssd": "disk", "disk": "disk", "zswap": "zswap", "zero": "zero"}
CORE = tuple(group for group in GROUPS if group not in ("other", "data", "core"))
FIGURES = ("calls", "lines", "first", "locks", "allocations")
CONTENT = {
    ("zero", "swap_out", "swap_writeout"): 64, ("zero", "swap_out", "swap_writepage"): 64,
    ("zswap", "swap_in_read", "zs_map_object"): 19, ("zswap", "swap_in_write", "zs_map_object"): 19,
    ("zswap", "swap_out", "zs_unmap_object"): 8, ("zswap", "swap_out_again", "zs_unmap_object"): 8,
}  # fmt: skip
"""Lines of page content, which stand apart: the look for zeros at a whole page, and up to 6.14 the copy of an object that lies in two
pages (zs_map_object writes 11.5 lines in an operation, 2 of them no content, and reads as many; zs_unmap_object copies back)."""
Row = dict[str, Any]
Means = dict[str, float]
"""Means of an operation by figure."""


class Sums(NamedTuple):
    """Groups of one operation: the model's and the kernel's means, and the share of the kernel's lines that is modelled."""

    model: dict[str, Means]
    real: dict[str, Means]
    share: float


def sizes_of(record: linux.Record) -> Sizes:
    """Sizes of a record's experiment."""
    made = record.provenance
    return Sizes(int(made["background"]), int(made["operations"]), int(made["slots"]))


def release_of(record: linux.Record) -> str:
    """Release whose joins a record takes: the last one declared that is not younger than its kernel.

    Raises
    ------
    BadInput
        The kernel is older than all of them.
    """
    found = re.match(r"(\d+)\.(\d+)", str(record.provenance.get("release", "")))
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    known = {release: tuple(int(part) for part in release.split(".")) for release in declared.releases()}
    older = [release for release, number in known.items() if number <= version]
    if not older:
        raise BadInput(f"record {record.name} is of kernel {record.provenance.get('release')}: functions are joined from {min(known)} on")
    return max(older, key=known.__getitem__)


def real_rows(record: linux.Record, operation: str, backend: str) -> list[dict[str, Any]]:
    """Rows of an operation in a record.

    Raises
    ------
    BadInput
        The record has no such operation.
    """
    found = [row for row in record.tables.get("operation", []) if (row["operation"], row["backend"]) == (operation, backend)]
    if not found or not found[0]["operations"]:
        raise BadInput(f"record {record.name} has no operation {operation} on {backend}: record it with --experiments operation")
    return found


@functools.lru_cache(maxsize=64)
def counted(design: str, backend: str, sizes: Sizes, release: str) -> dict[str, Counted]:
    """Counts of the model by kind of operation, with the rows of a release."""
    return count(
        naming.parse(design), backend, sizes,
        lambda events, kind: joins.rows_of_steps(events, kind, release), lambda row: joins.group_of(row, release),
    )  # fmt: skip


def content_of(row: Mapping[str, Any], figure: str) -> float:
    """Lines of page content that a function of a record touches, which are data (:data:`CONTENT`)."""
    most = CONTENT.get((row["backend"], row["operation"], joins.base_of(row["function"])), 0)
    return float(min(most, row[figure] / row["operations"]))


def _real(rows: Sequence[Mapping[str, Any]], release: str) -> dict[str, Row]:
    """Means of a kernel's functions by row; of functions in one row, lines and the like add up, and calls are those of the most called."""
    found: dict[str, Row] = {}
    for row in rows:
        if row["function"] == "*":
            continue
        name, done = joins.row_of_kernel(row["function"], release), row["operations"]
        into = found.setdefault(name, {"group": row["group"], "functions": [], **dict.fromkeys(FIGURES, 0.0)})
        into["functions"].append(joins.base_of(row["function"]))
        for figure in FIGURES:
            mean = row[figure] / done - (content_of(row, figure) if figure in ("lines", "first") else 0.0)
            into[figure] = max(into[figure], mean) if figure == "calls" else into[figure] + mean
    return found


def _model(tally: Tally, operations: int) -> Means:
    """Means of a function of the model."""
    return {figure: getattr(tally, figure) / operations for figure in FIGURES}


def rows(design: str, record: linux.Record, operation: str, backend: str) -> list[Row]:
    """Functions of the model and of the kernel, a row each, by group; most lines first.

    A function outside of the core groups has a row only where the model has it.

    Returns
    -------
    list of dict
        ``group``, ``function``, ``functions`` (of the kernel, joined), and ``model`` and ``real``: means by figure, None where the
        function is not there.
    """
    release = release_of(record)
    mine = counted(design, backend, sizes_of(record), release)[operation]
    theirs = _real(real_rows(record, operation, backend), release)
    found = []
    for name in dict.fromkeys([*theirs, *mine.rows]):
        real, model = theirs.get(name), mine.rows.get(name)
        group = str(real["group"]) if real else joins.group_of(name, release)
        if group in CORE or model is not None:
            found.append({
                "group": group, "function": name, "functions": real["functions"] if real else [],
                "model": _model(model, mine.operations) if model else None,
                "real": {figure: real[figure] for figure in FIGURES} if real else None,
            })  # fmt: skip
    order = {group: i for i, group in enumerate((*CORE, "data", "other"))}
    return sorted(found, key=lambda row: (order[row["group"]], -max((row[s] or {}).get("first", 0.0) for s in ("real", "model"))))


def sums(design: str, record: linux.Record, operation: str, backend: str) -> Sums:
    """Sums of the groups of one operation, and the modelled share."""
    release = release_of(record)
    mine = counted(design, backend, sizes_of(record), release)[operation]
    real: dict[str, Means] = {}
    for row in real_rows(record, operation, backend):
        if row["function"] == "*":
            real[row["group"]] = {figure: row[figure] / row["operations"] for figure in FIGURES}
    for row in real_rows(record, operation, backend):
        for into in (row["group"], "core"):
            for figure in ("lines", "first"):
                real[into][figure] -= content_of(row, figure) if row["function"] != "*" else 0.0
    model: dict[str, Means] = {group: dict.fromkeys(FIGURES, 0.0) for group in (*CORE, "core")}
    for name, tally in mine.rows.items():
        group = joins.group_of(name, release)
        for into in (group, "core") if group in CORE else ():
            for figure, value in _model(tally, mine.operations).items():
                model[into][figure] += value
    for group, means in model.items():
        means["lines"] = mine.groups.get(group, 0) / mine.operations
    return Sums(model, real, share(model, real))


def share(model: Mapping[str, Means], real: Mapping[str, Means]) -> float:
    """Share of the lines of the core groups of a kernel that is modelled.

    A line belongs to the group that touches it first. A group of the model counts for no more lines than the kernel has there, so that one
    group does not make up for another.

    Examples
    --------
    >>> real = {"swap": {"first": 10.0}, "memcg": {"first": 30.0}}
    >>> share({"swap": {"first": 16.0}, "memcg": {"first": 10.0}}, real)  # 10 and 10 of 40
    0.5
    """
    pairs = [(model.get(group, {}).get("first", 0.0), real[group]["first"]) for group in CORE if group in real]
    return sum(min(has, asked) for has, asked in pairs) / sum(asked for _, asked in pairs)


def modelled(design: str) -> list[tuple[str, float]]:
    """Shipped releases that a design models, with the modelled share of lines, the mean over all recorded operations."""
    found = []
    for release, name in declared.kernels().items():
        if name == naming.parse(design).text and release in linux.shipped():
            record = linux.load(release)
            shares = [sums(name, record, operation, backend).share for operation, backend in recorded(record)]
            found.append((release, sum(shares) / len(shares)))
    return found


def recorded(record: linux.Record) -> list[tuple[str, str]]:
    """Operations and backends that a record has."""
    return list(dict.fromkeys((row["operation"], row["backend"]) for row in record.tables.get("operation", []) if row["operations"]))


def explain_beside(
    op: str = "swap_in", designs: str | Sequence[str] | None = None, release: str = "7.2", backend: str | None = None,
    results: str | Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Set an operation of the model beside that of a recorded kernel.

    Parameters
    ----------
    op : str
        swap_out (with the end of its writeback), swap_in or swap_in_read, clean_drop or swap_out_again, swap_in_write, zap.
    designs : str or sequence of str, optional
        ``NAME[param=value,...]``. Default: the design that models the record's kernel.
    release : str
        A shipped record (``7.2``), or one of ``results``.
    backend : str, optional
        zswap, zero (pages of zeros) or ssd. Default: zswap, or ssd for clean_drop.
    results : path, optional
        Folder of stored results.

    Returns
    -------
    dict
        ``op``, ``backend``, ``record``, ``release``, ``background``, ``operations``, ``slots``, ``kind`` (counted), and ``designs``:
        design, rows (:func:`rows`), groups (group, model, real), share.

    Raises
    ------
    BadInput
        Unknown names, or a record without this operation.
    """
    if op not in NAMES:
        raise BadInput(unknown("operation of a record", op, NAMES))
    backend = backend or ("ssd" if op == "clean_drop" else "zswap")
    if backend not in BACKENDS:
        raise BadInput(unknown("backend of a record", backend, BACKENDS))
    record = linux.load(release, Path(results) if results is not None else None)
    kernel, sizes = release_of(record), sizes_of(record)
    chosen = naming.parse_many(designs if designs is not None else declared.design_of(kernel))
    machine.require_memory(sizes.slots * 800, f"a state of {sizes.slots:,} slots")
    found = []
    for named in chosen:
        whole = sums(named.text, record, NAMES[op], BACKENDS[backend])
        groups = [{"group": group, "model": whole.model[group], "real": whole.real[group]} for group in (*CORE, "core")]
        found.append({
            "design": named.text, "share": whole.share, "groups": groups,
            "rows": rows(named.text, record, NAMES[op], BACKENDS[backend]),
        })  # fmt: skip
    return {
        "op": NAMES[op], "backend": BACKENDS[backend], "record": record.name, "release": record.provenance["release"],
        **sizes._asdict(), "kind": "counted", "designs": found,
    }  # fmt: skip


def printed(entry: Mapping[str, Any]) -> list[Row]:
    """Rows of one design for the screen: model, real and difference of each figure; groups and core in all at the end."""
    lines = [
        {"group": row["group"], "function": row["function"], **_cells(row["model"], row["real"])} for row in entry["rows"]
        if any(abs((row[side] or {}).get(figure, 0.0)) >= 0.005 for side in ("model", "real") for figure in FIGURES[1:])
    ]  # fmt: skip
    return lines + [{"group": row["group"], "function": "in all", **_cells(row["model"], row["real"])} for row in entry["groups"]]


def _cells(model: Mapping[str, float] | None, real: Mapping[str, float] | None) -> dict[str, str]:
    """Cells of a row: ``model real difference`` by figure; ``-`` where one is not there."""
    cells = {}
    for figure in FIGURES:
        a, b = (None if side is None else side[figure] for side in (model, real))
        said = ["-" if value is None else f"{value:.2f}".rstrip("0").rstrip(".") for value in (a, b)]
        cells[figure] = f"{said[0]} / {said[1]} ({(a or 0.0) - (b or 0.0):+.2f})"
    return cells
