"""Rows of a record: what the guest's report and the plugin's file say, as tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from dse.linux.experiments import Mark
from dse.linux.functions import GROUPS

PAGE = 4096
FILL = ("backend", "stage", "kind", "structure", "objects", "bytes")
FIGURES = ("calls", "instructions", "lines", "written", "first", "locks", "allocations", "frees")
COUNTED = ("backend", "operation", "pages", "function", "group", "operations", "dropped", *FIGURES)
OPERATION = ("backend", "operation", "function", "group", "operations", "dropped", *FIGURES)
STAGES = {"static": ("before", "empty"), "filled": ("touched", "out"), "left": ("touched", "unmapped")}
"""Stages of a fill: each is the difference between two snapshots."""
FILLED = ("zswap", "disk")
"""Backends of a fill."""
FOLIOS = ("backend", "pages", "folios", "swpout", "swpout_fallback", "zswpout", "swpin")
NAMED = ("radix_tree_node", "zswap_entry", "zspage", "zs_handle", "swap_table")
FEWEST, FEWEST_OTHER = 1.0, 20.0
"""Instructions an operation below which a function has no row of its own, and those of the group other."""
SELDOM = 0.02
"""Locks, allocations or frees an operation from which on it has one all the same."""
SMALL = 0.01
"""Share of the instructions of core below which a function of an operation on many pages has none."""
Snapshots = dict[str, dict[str, dict[tuple[str, str], tuple[int, int]]]]


def _slab(line: str) -> tuple[str, int, int] | None:
    """(cache, active objects, bytes) of a line of /proc/slabinfo."""
    found = re.match(r"(\S+)\s+(\d+)\s+\d+\s+\d+\s+\d+\s+(\d+) : .*: slabdata\s+\d+\s+(\d+)", line)
    return (found[1], int(found[2]), int(found[3]) * int(found[4]) * PAGE) if found else None


def _readings(path: str, line: str) -> Iterator[tuple[str, str, int, int]]:
    """(kind, structure, objects, bytes) of a line of a file."""
    if path == "/proc/slabinfo":
        slab = _slab(line)
        if slab:
            yield "slab", *slab
    elif path == "/proc/vmallocinfo":
        found = re.match(r"\S+\s+(\d+) (\w+)\+\S+.*pages=(\d+)", line)
        if found:
            yield "vmalloc", found[2], 1, int(found[3]) * PAGE
    elif path == "/proc/vmstat":
        name, value = line.split()
        yield "counter", name, int(value), 0
    elif path == "/proc/meminfo":
        found = re.match(r"(\w+):\s+(\d+) kB", line)
        if found and found[1] in ("Percpu", "Zswap", "Zswapped"):
            yield "meminfo", found[1], 0, int(found[2]) << 10
    elif path.endswith("pool_total_size"):
        yield "pool", "zsmalloc", 0, int(line)
    elif path.endswith("stored_pages"):
        yield "pool", "stored_pages", int(line), 0


def snapshots(report: Iterable[str]) -> Snapshots:
    """Readings by backend, stage and (kind, structure)."""
    found: Snapshots = {}
    backend = ""
    for line in report:
        if line.startswith("step "):
            backend = line.removeprefix("step fill-") if line.startswith("step fill-") else ""
        elif line.startswith("snapshot ") and backend:
            _, stage, path, rest = line.split(" ", 3)
            readings = found.setdefault(backend, {}).setdefault(stage, {})
            for kind, structure, objects, size in _readings(path, rest):
                before = readings.get((kind, structure), (0, 0))
                readings[kind, structure] = (before[0] + objects, before[1] + size)
    return found


def fill_rows(report: Iterable[str], pages: int) -> list[dict[str, Any]]:
    """Rows of the experiment fill.

    Parameters
    ----------
    report : iterable of str
        Lines of the guest.
    pages : int
        Pages that were swapped out; a slab cache that changed by less than a thousandth of them is noise, unless it is of swap.
    """
    rows = []
    for backend, stages in snapshots(report).items():
        for stage, (first, last) in STAGES.items():
            before, after = stages.get(first, {}), stages.get(last, {})
            for kind, structure in sorted(before.keys() | after.keys()):
                (a, b), (c, d) = before.get((kind, structure), (0, 0)), after.get((kind, structure), (0, 0))
                quiet = kind == "slab" and structure not in NAMED and abs(c - a) < pages / 1024
                if not quiet and (c - a or d - b):
                    rows.append(dict(zip(FILL, (backend, stage, kind, structure, c - a, d - b), strict=True)))
    return rows


class _Counts(NamedTuple):
    """Totals of an operation, as the plugin wrote them: of all, by group, and by function (name, group, figures)."""

    operations: int
    dropped: int
    everything: list[int]
    groups: list[list[int]]
    functions: list[tuple[str, int, list[int]]]


def _parsed(counts: Iterable[str]) -> dict[int, _Counts]:
    """Counts by mark; figures in the order of the columns behind ``dropped``."""
    found: dict[int, _Counts] = {}
    for line in counts:
        kind, first, *rest = line.split()
        mark = int(first)
        if kind == "operation":
            operations, dropped, lines, written, _ = map(int, rest)
            groups = [[0] * len(FIGURES) for _ in GROUPS]
            found[mark] = _Counts(operations, dropped, [0, 0, lines, written, 0, 0, 0, 0], groups, [])
        elif kind == "group":
            found[mark].groups[int(rest[0])][2:4] = map(int, rest[1:])
        else:
            found[mark].functions.append((rest[0], int(rest[1]), [int(figure) for figure in rest[2:]]))
    return found


def _summed(counts: _Counts) -> None:
    """Add the figures of functions to those of their groups, except lines: those are distinct within a group."""
    for _, group, values in counts.functions:
        into = [counts.everything, counts.groups[group]]
        if GROUPS[group] not in ("other", "data"):
            into.append(counts.groups[GROUPS.index("core")])
        for sums in into:
            for i, figure in enumerate(FIGURES):
                if figure not in ("lines", "written"):
                    sums[i] += values[i]


def _rare(counts: _Counts, group: int, values: list[int]) -> bool:
    """Is a function too seldom for a row of its own among single operations?"""
    fewest = FEWEST if group else FEWEST_OTHER
    return values[1] < fewest * counts.operations and max(values[5:]) < SELDOM * counts.operations


def _small(counts: _Counts, group: int, values: list[int], pages: int) -> bool:
    """Is a function too small for a row of its own among operations on many pages: none of swap, or a small share of it?"""
    core = counts.groups[GROUPS.index("core")][1]
    return GROUPS[group] in ("other", "data") or (values[1] < SMALL * core and max(values[5:]) < SELDOM * counts.operations * max(1, pages))


def _lines(counts: _Counts, mark: Mark, pages: int) -> list[tuple[str, str, list[int]]]:
    """(function, group, figures) of the rows of one mark: everything, groups, functions."""
    _summed(counts)
    lines = [("*", "all", counts.everything), *(("*", *pair) for pair in zip(GROUPS, counts.groups, strict=True))]
    for name, group, values in sorted(counts.functions, key=lambda f: (f[1], f[0])):
        single = mark.experiment == "operation"
        if not (_rare(counts, group, values) if single else _small(counts, group, values, pages)):
            lines.append((name, GROUPS[group], values))
    return lines


def counted_rows(counts: Iterable[str], marks: Mapping[int, Mark], said: Iterable[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Rows of what the plugin counted, by experiment: totals over all operations.

    Function ``*`` is a group as a whole, group ``all`` everything.

    Parameters
    ----------
    counts : iterable of str
        Lines of the plugin.
    marks : mapping
        What lies behind each mark.
    said : iterable of str
        Lines of the guest: ``wrote MARK PAGES`` gives the pages of an operation that does not know them before;
        one that wrote none has no rows.
    """
    wrote = {int(line.split()[1]): int(line.split()[2]) for line in said if line.startswith("wrote ")}
    tables: dict[str, list[dict[str, Any]]] = {}
    for number, found in _parsed(counts).items():
        mark = marks[number]
        pages = wrote.get(number, 0) if mark.pages < 0 else mark.pages
        if mark.pages < 0 and not pages:
            continue
        head = {"backend": mark.backend, "operation": mark.operation, "pages": pages}
        done = {"operations": found.operations, "dropped": found.dropped}
        columns = OPERATION if mark.experiment == "operation" else COUNTED
        for function, group, values in _lines(found, mark, pages):
            row = {**head, "function": function, "group": group, **done, **dict(zip(FIGURES, values, strict=True))}
            tables.setdefault(mark.experiment, []).append({column: row[column] for column in columns})
    return tables


def folio_rows(said: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of what the kernel's own counters say of each order of folios: allocated, swapped out whole or split, swapped in whole."""
    backend, before = "", dict[tuple[int, str], int]()
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for line in said:
        word, *rest = line.replace("-", " ").split()
        if word == "step":
            backend = rest[1] if rest[0] == "folio" else ""
        elif word == "folio" and backend:
            stage, order, name, value = rest[0], int(rest[1]), rest[2], int(rest[3])
            if stage == "before":
                before[order, name] = value
            else:
                row = rows.setdefault((backend, order), dict.fromkeys(FOLIOS, 0) | {"backend": backend, "pages": 1 << order})
                row["folios" if name == "anon_fault_alloc" else name] = value - before[order, name]
    return list(rows.values())
