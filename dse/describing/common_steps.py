"""The page of the common steps: their table, and the share of the kernel's lines that is modelled with them."""

from __future__ import annotations

from typing import Any

from dse.common import output
from dse.linux import lines, records

PAIRS = (("direct", "6.12"), ("swap_table_p1", "6.18"), ("swap_table_p4", "7.2"), ("swap_table_p4", "7.3"))
"""Designs and the records that they are held against."""
BAR = 0.9
HEAD = """# Common steps

<!-- made by python -m dse.documenting docs -->

Whatever the design, an operation of the kernel also touches the folio, the memory
cgroup and its counters, the LRU, zsmalloc, and statistics. `dse explain` lists these
steps behind those of the design, a row for each kernel function. The metric
`lines_common` counts their distinct lines; `lines` has those of the design alone.
`chain_common` counts the structures among them that are reached through a loaded
address, `written_common` the lines that are written. Timed runs load and store all of
them. A replay that observes nothing leaves them out, as it leaves out locks.

A step belongs to one of three kernels: 6.12 (`direct` and layers on it), 6.18
(`swap_table_p1`, `vswap_*`), 7.2 (the later swap tables and layers on them). The
structures are those that the source of a function names. How many lines of one it
touches was held against the records of 6.12, 6.18 and 7.2; they depend on the layout that the compiler
gave to the structure. So the table describes what was recorded. The record of 7.3, which
it was not held against, tests it.
No lock of zsmalloc or the LRU is counted.
"""
SHARES = """## Share of the kernel's lines

Distinct lines of an operation in the group `core` (swap, zswap, zsmalloc, xarray,
memcg, lru; [linux.md](linux.md)), page content left out. A group of the model never
counts for more than the record has. The bar is 90 %.
"""
STEPS = """## Table

Functions by the place where they are called. A structure is named with its lines, `!`
marks a written one.
"""


def page() -> str:
    """Render the page as Markdown."""
    shares = [row for design, release in PAIRS for row in _shares(design, release)]
    reasons = [
        {"function": name, "reason": reason} for name, reason in lines.REASONS.items() if any(name in row["lacks"] for row in shares)
    ]
    parts = [HEAD, SHARES, "```", output.render_table(shares), "```", "", "Functions that keep lines which the model has not:", ""]
    parts += ["```", output.render_table(reasons), "```", "", STEPS, "```", output.render_table(_steps()), "```", ""]
    return "\n".join(parts)


def _shares(design: str, release: str) -> list[dict[str, str]]:
    """Operations of one record: lines, share, and what the model lacks."""
    return [
        {
            "design": design, "kernel": release, "backend": found.backend, "operation": found.operation,
            "real": f"{sum(found.real.values()):.1f}", "model": f"{sum(found.model.values()):.1f}", "share": f"{found.share:.1%}",
            "bar": "met" if found.share >= BAR else "missed", "lacks": _lacks(found),
        }
        for found in lines.compared(design, records.load(release))
    ]  # fmt: skip


def _lacks(found: lines.Compared) -> str:
    """Write the groups with fewer lines than in the record, and the functions behind it."""
    from dse.linux.functions import GROUPS, group_of

    out = []
    for group, n in found.missing.items():
        if n >= lines.LEAST:
            names = [name for name in found.rest if GROUPS[group_of(name)] == group]
            out.append(f"{group} {n:.1f}{f' ({chr(44).join(names)})' if names else ''}")
    return ", ".join(out)


def _steps() -> list[dict[str, Any]]:
    """The table: place, function, and the lines of each kernel."""
    from kernels.structures.common.table import ERAS, HOOK_NAMES, TOUCHES

    rows = []
    for hook in HOOK_NAMES:
        for function in dict.fromkeys(touch.function for touches in TOUCHES for touch in touches if touch.hook == hook):
            cells = [
                ", ".join(_named([t for t in touches if (t.hook, t.function) == (hook, function)])) for touches in TOUCHES
            ]  # fmt: skip
            same = len(set(filter(None, cells))) == 1
            kernels = ", ".join(era for era, cell in zip(ERAS, cells, strict=True) if cell)
            if same:
                rows.append({"place": hook, "function": function, "kernels": kernels, "lines": next(filter(None, cells))})
            else:
                rows += [
                    {"place": hook, "function": function, "kernels": era, "lines": cell}
                    for era, cell in zip(ERAS, cells, strict=True)
                    if cell
                ]
    return rows


def _named(touches: list[Any]) -> list[str]:
    """Write touches: each structure with its lines."""
    found: dict[str, list[str]] = {}
    for touch in touches:
        found.setdefault(touch.structure, []).append(f"{touch.line}{'!' * touch.written}")
    return [f"{structure} {' '.join(lines)}" for structure, lines in found.items()]
