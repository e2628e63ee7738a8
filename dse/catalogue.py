"""``dse.designs``: what each design is, read off its own file: layout, parameters, locks, life cycle, sources."""

from __future__ import annotations

import inspect
import itertools
import sys
from typing import TYPE_CHECKING, Any

from dse import naming
from dse.errors import BadInput

if TYPE_CHECKING:
    from kernels.state import Design

SLOTS = 1 << 14
FILL = 0.4
LIFE = (
    ("swap_out", "zswap"), ("swap_out", "ssd"), ("writeback_end", "zswap"), ("swap_in", "zswap"), ("swap_in", "ssd"),
    ("cache_hit", "zswap"), ("clean_drop", "ssd"), ("fork", "ssd"), ("zap", "zswap"), ("zap", "ssd"), ("move", "zswap"), ("move", "ssd"),
)  # fmt: skip
"""Operations of the life cycle, with where the page's data goes or is."""
PER = {
    "slot": "slot, at swapon", "zswap slot": "slot of zswap",
    "cluster": "cluster, at swapon", "page": "swapped page", "live": "swapped page", "zswap": "page in zswap",
    "disk": "page on a disk", "zero": "zero page",
}  # fmt: skip


def operations() -> list[str]:
    """What a demand may turn out to be, by the names of the records."""
    from kernels.demand import OPS

    return [name for name in OPS if name not in ("nothing", "begun", "stepped")]


def _parameters(design: Design) -> list[dict[str, Any]]:
    """Parameters of a design as rows."""
    return [
        {"name": name, "default": p.default, "values": list(p.values), "help": p.help} for name, p in design.parameters.items()
    ]  # fmt: skip


def designs(name: str | None = None) -> list[dict[str, Any]]:
    """Describe the designs.

    Parameters
    ----------
    name : str, optional
        One design only.

    Returns
    -------
    list of dict
        For each design name, title, parameters (name, default, values, help), operations, locks (in the order in which they may be
        nested), layout (structure, field, bytes, per, source), lost_when_off, notes and sources.

    Raises
    ------
    BadInput
        Unknown design, with the nearest one.
    """
    chosen = [naming.parse(name).design] if name is not None else list(naming.registry().values())
    layout = ("structure", "name", "nbytes", "per", "source")
    return [
        {
            "name": d.name, "title": d.title, "parameters": _parameters(d), "operations": operations(), "sources": list(d.sources),
            "locks": list(d.locks), "layout": [{key: getattr(row, key) for key in layout} for row in d.layout],
            "lost_when_off": list(d.lost_when_off), "notes": d.notes,
        }
        for d in chosen
    ]  # fmt: skip


def life_cycle(text: str) -> list[dict[str, Any]]:
    """Trace every operation of a design's life cycle on a state of 16,384 slots that is 40 % full.

    Parameters
    ----------
    text : str
        ``NAME[param=value,...]``.

    Returns
    -------
    list of dict
        One row for each kernel function of each operation: op, backend, function, does (touches, locks and allocations in order).
    """
    from dse import explaining
    from dse.measuring import warming

    named = naming.parse(text)
    warming.warm([(named.text, "trace")])
    out = []
    for op, backend in LIFE:
        target = ("ssd" if backend == "zswap" else "hdd") if op == "move" else backend
        where = f"{backend} to {target}" if op == "move" else backend
        try:
            traced = explaining.trace(named, op, FILL, SLOTS, backend, target)
        except BadInput as error:
            out.append({"op": op, "backend": where, "function": "-", "does": str(error).partition(": ")[2]})
            continue
        for function, group in itertools.groupby(traced.events, key=lambda event: event.function):
            out.append({"op": op, "backend": where, "function": function, "does": _does([event.label for event in group])})
    return out


def _does(labels: list[str]) -> str:
    """Write events in one line; a descent of a tree, node by node, as one walk."""
    parts: list[str] = []
    at = 0
    while at < len(labels):
        label, _, what = labels[at].partition(" ")
        pair = ["chase " + what, "read " + what]
        nodes = 0
        while label == "chase" and labels[at : at + 2] == pair:
            nodes, at = nodes + 1, at + 2
        if nodes:
            parts.append(f"walk {nodes} {what}{'s' if nodes > 1 else ''}")
            continue
        parts.append(labels[at])
        at += 1
    return ", ".join(parts)


def words(design: Design) -> str:
    """The words at the top of the design's file."""
    return inspect.cleandoc(sys.modules[design.build.__module__].__doc__ or "")


def page(name: str) -> str:
    """Write the Markdown page of a design."""
    design = naming.parse(name).design
    about = designs(name)[0]
    out = [f"# {design.name}", "", f"Made by `make docs` from kernels/designs/{design.name}.py.", "", words(design), "", design.notes, ""]
    out += ["## Layout", "", "| structure | field | bytes | per | source |", "|---|---|---|---|---|"]
    out += [f"| {r.structure} | {r.name} | {r.nbytes:g} | {_per(r.per)} | {r.source} |" for r in design.layout]
    out += ["", "## Parameters", "", "| parameter | default | valid | meaning |", "|---|---|---|---|"]
    out += [f"| {p['name']} | {p['default']} | {', '.join(p['values'])} | {p['help']} |" for p in about["parameters"]]
    out += ["", "## Locks, in the order in which they may be nested", ""]
    out += [f"{n}. {lock}" for n, lock in enumerate(design.locks, 1)]
    out += ["", "## Life cycle", "", f"Traced on {SLOTS:,} slots, {FILL:.0%} full; kernel functions as in Linux 6.12 to 6.17.", ""]
    for key, rows in itertools.groupby(life_cycle(name), key=lambda row: (row["op"], row["backend"])):
        out += [f"### {key[0]} ({key[1]})", "", "| function | does |", "|---|---|"]
        out += [f"| {row['function']} | {row['does']} |" for row in rows]
        out.append("")
    if design.lost_when_off:
        out += ["## What is lost when the layer is off", "", *[f"- {item}" for item in design.lost_when_off], ""]
    out += ["## Sources", "", *[f"- {source}" for source in design.sources]]
    return "\n".join(out).rstrip() + "\n"


def _per(per: str) -> str:
    """Write what a field is counted per in words."""
    what, _, test = per.partition(" if ")
    said = " or ".join(PER.get(part, part) for part in what.split("+"))
    return said + (f", if {test}" if test else "")
