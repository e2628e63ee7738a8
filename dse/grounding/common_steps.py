"""The page of the common steps: their table, and the share of the kernel's lines that is modelled with them."""

from __future__ import annotations

from typing import Any

from dse.common import output
from dse.grounding import beside
from dse.linux import records

PAIRS = (("direct", "6.12"), ("swap_table_p1", "6.18"), ("swap_table_p4", "7.2"), ("swap_table_p4", "7.3"))
"""Designs and the records that they are held against."""
BAR = 0.9
LEAST = 0.5
"""Lines an operation below which a function or a group is no gap."""
REASONS = {
    **dict.fromkeys(
        ("xas_start", "xas_load", "xas_create", "xas_store"),
        "slots of upper nodes that lie apart from the header at the offsets of the record",
    ),
    "xas_clear_mark": "marks of the nodes",
    "workingset_update_node": "list of the shadow nodes",
    "list_lru_add": "list of the shadow nodes",
    "list_lru_del_obj": "list of the shadow nodes",
    "list_lru_add_obj": "list of the shadow nodes",
    "swap_writeout": "first and last words of the page, read in search of zeros",
    "swap_writepage": "first and last words of the page, read in search of zeros",
    "free_zspage": "one in eleven frees empties a zspage",
    "__free_zspage": "one in eleven frees empties a zspage",
    "trylock_zspage": "one in eleven frees empties a zspage",
    "mem_cgroup_from_slab_obj": "nodes are charged to a memory cgroup",
    "mem_cgroup_handle_over_high": "on the way back to user space",
    "mod_zone_page_state": "counter of written pages of the zone",
    "mod_memcg_state": "lines of two more counters in 7.3",
    "folio_batch_move_lru": "the folios of a batch, once in 31 folios",
    "folio_lruvec_lock_irqsave": "lruvec of a folio whose write has ended: touched before in the model",
    "folio_end_writeback": "flags of a folio whose write has ended: touched before in the model",
}
"""Functions that keep lines which the model has not, and why."""
HEAD = """# Common steps

<!-- made by python -m dse.documenting docs -->

Whatever the design, an operation of the kernel also touches the folio, the memory
cgroup and its counters, the LRU, zsmalloc, and statistics. `dse explain` lists these
steps behind those of the design, a row for each kernel function. The metric
`lines_common` counts their distinct lines; `lines` has those of the design alone.
`chain_common` counts the structures among them that are reached through a loaded
address, `written_common` the lines that are written. `locked_sections_common` counts
the locks of these steps; `locked_sections` has those of the design alone. Timed runs
load and store all lines and take all locks. A replay that observes nothing leaves them
out.

A step belongs to one of three kernels: 6.12 (`direct` and layers on it), 6.18
(`swap_table_p1`, `vswap_*`), 7.2 (the later swap tables and layers on them).

How many lines a function touches, and which locks it takes, was set from the records of
6.12, 6.18 and 7.2. It depends on the layout that the compiler gave to structures. So the
table describes what was recorded, and agreement with these three records proves
nothing. A record does not name the structure of a line: the names were given from
memory of what the functions do, not read off their source one by one. The record of 7.3
set nothing, so it is the check. No record has zram. The lines of its three hooks are
those that zsmalloc and a write to a disk have in 7.2, changed as zram's source says.

Each lock is taken and released at once. Its class is innermost, so that it may be taken
whatever is held:

| class | structure | taken by |
|---|---|---|
| swap_slots_cache | `free_lock` of a CPU's cache of slots | `free_swap_slot`, 6.12 |
| swap_cgroup_ctrl | `lock` of the cgroup array | `swap_cgroup_record`, 6.12 |
| lruvec | `lru_lock` | isolation, end of a write to a disk, drain before a write fault |
| zsmalloc pool | `lock` | map, read, write, free |
| zspage | `zsl` (up to 6.13 a rwlock) | map, read, write |
| zsmalloc class | `lock` | `zs_malloc`, `zs_free` |

A folio of a batch (`folio_batch_move_lru`) takes the lruvec's lock once in 31 folios;
that is not counted.
"""
SHARES = """## Share of the kernel's lines

Distinct lines of an operation in the group `core` (swap, zswap, zsmalloc, xarray,
memcg, lru; [linux.md](linux.md)), page content left out. A group of the model never
counts for more than the record has. The bar is 90 %.
"""
STEPS = """## Table

Functions by the place where they are called. A structure is named with its lines, `!`
marks a written one, `^` a lock in it.
"""


def page() -> str:
    """Render the page as Markdown."""
    shares = [row for design, release in PAIRS for row in _shares(design, release)]
    reasons = [{"function": name, "reason": reason} for name, reason in REASONS.items() if any(name in row["lacks"] for row in shares)]
    parts = [HEAD, SHARES, "```", output.render_table(shares), "```", "", "Functions that keep lines which the model has not:", ""]
    parts += ["```", output.render_table(reasons), "```", "", STEPS, "```", output.render_table(_steps()), "```", ""]
    return "\n".join(parts)


def _shares(design: str, release: str) -> list[dict[str, str]]:
    """Operations of one record: lines, share, and what the model lacks."""
    record, found = records.load(release), []
    for operation, backend in beside.recorded(record):
        sums = beside.sums(design, record, operation, backend)
        found.append({
            "design": design, "kernel": release, "backend": backend, "operation": operation,
            "real": f"{sums.real['core']['first']:.1f}", "model": f"{sums.model['core']['first']:.1f}", "share": f"{sums.share:.1%}",
            "bar": "met" if sums.share >= BAR else "missed", "lacks": _lacks(sums, beside.rows(design, record, operation, backend)),
        })  # fmt: skip
    return found


def _lacks(sums: beside.Sums, rows: list[beside.Row]) -> str:
    """Write the groups with fewer lines than in the record, and the functions behind it."""
    out = []
    for group in beside.CORE:
        n = sums.real[group]["first"] - sums.model[group]["first"] if group in sums.real else 0.0
        if n >= LEAST:
            short = [row for row in rows if row["group"] == group and row["real"] and _first(row, "real") - _first(row, "model") >= LEAST]
            names = [name for row in short for name in row["functions"] if name in REASONS]
            out.append(f"{group} {n:.1f}{f' ({chr(44).join(names)})' if names else ''}")
    return ", ".join(out)


def _first(row: beside.Row, side: str) -> float:
    """Lines that a row is the first to touch, 0 where a side has no such row."""
    return float(row[side]["first"]) if row[side] else 0.0


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
        cells = found.setdefault(touch.structure, [])
        if touch.lock:
            cells[-1] += "^"
        else:
            cells.append(f"{touch.line}{'!' * touch.written}")
    return [f"{structure} {' '.join(lines)}" for structure, lines in found.items()]
