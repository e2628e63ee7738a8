"""Figures of a run as tables, and as a section of docs/performance.md."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.limits import bars

HERE = Path(__file__).resolve().parent
STORED = HERE / "stored.json"
PAGE = HERE.parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- limits: begin (made by python -m benchmarks.limits --store) -->", "<!-- limits: end -->"


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Write a row as one line of a table: median (min..max), ratio [95 % interval]."""
    line: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and "ratio" in value:
            line[name] = f"{value['ratio']:.3f} [{value['lo']:.3f}, {value['hi']:.3f}]"
        elif isinstance(value, dict):
            line[name] = f"{value['median']:.1f} ({value['min']:.1f}..{value['max']:.1f})"
        else:
            line[name] = value
    return line


def tables(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Group the lines by equal columns, in the order in which the groups begin."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(flat(row))
    return list(groups.values())


def markdown(lines: Sequence[dict[str, Any]]) -> str:
    """Write lines as a table of Markdown."""
    names = list(lines[0])
    body = [[f"{x:.4g}" if isinstance(x, float) else f"{x:,}" if isinstance(x, int) else str(x) for x in line.values()] for line in lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [names, ["---"] * len(names), *body])


def naming(rows: Sequence[dict[str, Any]], mark: str) -> str:
    """Name the measurement of each of `rows`, with the text of its last column behind `mark`."""
    named = ("op", "mode", "entries", "what", "design", "workload", "pages", "memory")
    return "; ".join(f"{' '.join(str(row[x]) for x in named if x in row)} ({row['bar'].split(mark)[1]})" for row in rows)


def standing(rows: Sequence[dict[str, Any]]) -> str:
    """Count the bars that hold, and name the missed ones and those that C misses as well."""
    barred = [row for row in rows if row["bar"] != bars.NONE]
    missed = [row for row in barred if row["bar"].startswith(bars.MISSED)]
    beyond = [row for row in barred if bars.BEYOND in row["bar"]]
    held = len(barred) - len(missed) - len(beyond)
    said = "all hold" if held == len(barred) else f"{held} {'holds' if held == 1 else 'hold'}"
    parts = [f"Of {len(barred)} rows with bars {said}"]
    parts += [f"missed: {naming(missed, bars.MISSED)}"] * bool(missed)
    parts += [f"out of reach on this machine, of C as well: {naming(beyond, bars.BEYOND)}"] * bool(beyond)
    return "; ".join(parts) + "."


def section(document: dict[str, Any]) -> str:
    """Section of docs/performance.md for the figures in `document`."""
    of = document["provenance"]
    head = (
        f"Measured on {of['date']}: {of['cpu']}, {of['cores']} core(s) used, Linux {of['kernel']}, Python {of['python']}, numba "
        f"{of['packages']['numba']}, {of['compiler'] or 'no C compiler'} {of['flags']}; command `make limits ARGS=--store`.\n\n"
        "Both sides run alternately on the same buffers, pinned to one core, in random order inside a group of runs. Nanoseconds per "
        "operation or event: median (min..max). Ratios: median of the paired ratios [95 % bootstrap interval]; `aa` is our side against "
        "itself, the noise of the run. `over_plain` divides by a dependent load from a bare array of as many words; `over_c` by the same "
        "algorithm in C (of a replay: with the same prefetches for coming demands); `rate_over_peer` is events a second over requests a "
        "second of libCacheSim, `c_over_peer` the same for C; `over_read` divides by a plain read of the parsed file. All arrays of "
        "a replay end bit-identical on every side."
    )
    seconds = document.get("seconds", {})
    took = f"The run took {sum(seconds.values()) / 60:.0f} minutes ({', '.join(f'{k} {v:.0f} s' for k, v in seconds.items())})."
    opening = [head, standing(document["rows"]), *([took] if seconds else [])]
    return "\n\n".join(["## Limits", *opening, *(markdown(lines) for lines in tables(document["rows"]))])


def page(document: dict[str, Any], before: str) -> str:
    """Text of the page with its section renewed, or appended where there is none."""
    block = f"{BEGIN}\n{section(document)}\n{END}\n"
    if BEGIN not in before:
        return f"{before.rstrip()}\n\n{block}" if before.strip() else f"# Performance\n\n{block}"
    return before[: before.index(BEGIN)] + block + before[before.index(END) + len(END) + 1 :]


def write(path: Path, text: str) -> None:
    """Replace a file in one step."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def store(document: dict[str, Any]) -> None:
    """Keep `document` and renew the page."""
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    write(STORED, json.dumps(document, indent=1) + "\n")
    write(PAGE, page(document, before))
