"""``dse.designs``: a description of each design, read off its own file: layout, parameters, locks, life cycle, sources."""

from __future__ import annotations

import inspect
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse import naming
from dse.errors import BadInput

if TYPE_CHECKING:
    from kernels.life.registry import Design

SLOTS = 1 << 14
FILL = 0.4
LIFE = (
    ("swap_out", "zswap"), ("swap_out", "ssd"), ("writeback_end", "zswap"), ("swap_in", "zswap"), ("swap_in", "ssd"),
    ("cache_hit", "zswap"), ("clean_drop", "ssd"), ("fork", "ssd"), ("zap", "zswap"), ("zap", "ssd"), ("move", "zswap"), ("move", "ssd"),
)  # fmt: skip
"""Operations of the life cycle, each with the backend of the page's data."""
PER = {
    "slot": "slot, at swapon", "zswap slot": "slot of zswap",
    "cluster": "cluster, at swapon", "page": "swapped page", "live": "swapped page", "zswap": "page in zswap",
    "disk": "page on a disk", "zero": "zero page", "block": "cluster in use", "extend": "cluster that needs one",
    "fallback": "page that took another way than its backend's",
}  # fmt: skip
CLUSTER = 512


def operations() -> list[str]:
    """Outcomes of a demand, by the names of the records."""
    from kernels.demand import OUTCOMES

    return list(OUTCOMES)


def _parameters(design: Design) -> list[dict[str, Any]]:
    """Parameters of a design as rows."""
    return [
        {"name": name, "default": p.default, "values": list(p.values), "help": p.help} for name, p in design.parameters.items()
    ]  # fmt: skip


def _layout(design: Design) -> list[dict[str, Any]]:
    """Rows of the layout table."""
    from dse.modelling.ledger import condition

    defaults = {name: p.default for name, p in design.parameters.items()}
    keys = ("structure", "name", "nbytes", "per", "block", "source")
    return [
        {**{key: getattr(row, key) for key in keys}, "by_default": bool(condition(row.per, defaults))} for row in design.layout
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
        For each design name, title, status (how far it got, empty where nothing is declared), bases (those that the layer may stand on,
        its default first; none: the PTE holds the swap entry), parameters (name, default, values, help), operations, locks (in the order
        in which they may be nested), layout (structure, name, nbytes, per, block, source, by_default: true if it counts with default
        parameters),
        lost_when_off, notes and sources.

    Raises
    ------
    BadInput
        Unknown design, with the nearest one.
    """
    chosen = [naming.parse(name).design] if name is not None else list(naming.registry().values())
    return [
        {
            "name": d.name, "title": d.title, "status": d.status, "bases": list(d.bases), "parameters": _parameters(d),
            "operations": operations(), "sources": list(d.sources),
            "locks": list(d.locks), "layout": _layout(d),
            "lost_when_off": list(d.lost_when_off), "notes": d.notes,
        }
        for d in chosen
    ]  # fmt: skip


def _shown(file: Path) -> str:
    """Name of a file for readers of the project."""
    from dse.common import machine

    return file.relative_to(machine.ROOT).as_posix() if file.is_relative_to(machine.ROOT) else str(file)


def steps_of(text: str) -> list[dict[str, str]]:
    """List the steps of a design with the place of each implementation.

    Parameters
    ----------
    text : str
        ``NAME[param=value,...]``: parameters may choose another base, with steps of its own.

    Returns
    -------
    list of dict
        For each step its name, `kind` (own, shared or default), `where` (file:line) and `does`, the first line of its description. Steps
        that the design does not reach, as it keeps nothing by slot, are left out.
    """
    from kernels.life import contracts, reach
    from kernels.life.registry import Config

    named = naming.parse(text)
    small = dict.fromkeys(("zswap", "ssd", "hdd", "zram"), 8)
    cls = named.design.class_for(Config(pages=8, slots=small, parameters=named.control))
    home, out = Path(named.design.file).resolve(), []
    for name, (file, line) in reach.implementations(cls, contracts.interface()).items():
        step, path = contracts.interface()[name], Path(file).resolve()
        own = path == home or (home.name == "design.py" and path.parent == home.parent)
        kind = "default" if step.table[cls] is step.default else "own" if own else "shared"
        does = (inspect.getdoc(step) or "").partition("\n")[0]
        out.append({"step": name, "kind": kind, "where": f"{_shown(path)}:{line}", "does": does})
    return out


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
    from dse.describing import explaining
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


def lookup_chain(text: str) -> list[dict[str, Any]]:
    """List the dependent objects of a swap-in, from the PTE to the data: the address of each is loaded from the one before.

    Parameters
    ----------
    text : str
        ``NAME[param=value,...]``.

    Returns
    -------
    list of dict
        For each backend: backend, objects (in order; a descent of a tree node by node), length. Where the data is on a disk the chain
        ends with the submission of the read.
    """
    from dse.describing import explaining

    named = naming.parse(text)
    out = []
    for backend in ("zswap", "ssd"):
        events = explaining.trace(named, "swap_in", FILL, SLOTS, backend, backend).events
        chain = []
        for event in events:
            if event.label == "write PTE":
                break
            if event.event == "chase":
                chain.append(event.what)
            if event.what == "zsmalloc object":
                break
        out.append({"backend": backend, "length": len(chain), "objects": chain})
    return out


def _chain(objects: list[str]) -> str:
    """Write a chain in one line.

    Examples
    --------
    >>> _chain(["swap device", "zswap node", "zswap node"])
    'PTE -> swap device -> zswap node x2'
    """
    groups = [(what, len(list(group))) for what, group in itertools.groupby(objects)]
    return " -> ".join(["PTE", *(f"{what} x{n}" if n > 1 else what for what, n in groups)])


def sizes(name: str) -> list[dict[str, Any]]:
    """Bytes on 32 GiB of slots, idle and full: counted as published tables count, headers, as allocated [MiB]."""
    from dse.modelling.bookkeeping import ledger

    mib = 1 << 20
    return [
        {
            "backend": backend, "fill": fill, "counted": found["total_bytes"] / mib, "headers": found["header_bytes"] / mib,
            "allocated": found["allocated_bytes"] / mib,
        }
        for backend in ("zswap", "ssd") for fill in (0.0, 1.0) for found in [ledger(name, fill=fill, backend=backend)]
    ]  # fmt: skip


def _does(labels: list[str]) -> str:
    """Write events in one line. A descent of a tree becomes one walk, and equal events in a row one event with their number."""
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
    runs = [(part, len(list(group))) for part, group in itertools.groupby(parts)]
    return ", ".join(f"{part} x{n}" if n > 1 else part for part, n in runs)


def words(design: Design) -> str:
    """Docstring of the design's file."""
    return inspect.cleandoc(sys.modules[design.build.__module__].__doc__ or "")


def source_of(design: Design) -> str:
    """The file that registers the design; one in the repository is named from its root."""
    from dse.common import machine

    file = Path(design.file).resolve()
    return _shown(file) if file.is_relative_to(machine.ROOT) else file.name


NO_DESIGN = "No design, no layer and no proposal, but a lower bound, which cannot be built: no verdict names it."


def standing(design: Design) -> str:
    """Say what a design is: a layer and on which designs, or none, or no design at all."""
    if design.bound:
        return NO_DESIGN
    if not design.bases:
        return "The PTE holds the swap entry: no layer."
    return f"A layer on {' or '.join(design.bases)}: the PTE holds something other than the swap entry."


def _bytes_table(design: Design) -> list[str]:
    """Sections on bytes: the layout table and its sums."""
    out = ["## Layout", "", "Rows marked no need other parameters than the defaults.", ""]
    out += ["| structure | field | bytes | per | allocated in | by default | source |", "|---|---|---|---|---|---|---|"]
    for row, shown in zip(design.layout, _layout(design), strict=True):
        whole = f"blocks of {CLUSTER}" if row.block and row.per.partition(" ")[0] != "block" else ""
        default = "yes" if shown["by_default"] else "no"
        out.append(f"| {row.structure} | {row.name} | {row.nbytes:g} | {_per(row.per)} | {whole} | {default} | {row.source} |")
    out += ["", "## Bytes of 32 GiB of slots", ""]
    out += ["| backend | in use | counted [MiB] | headers [MiB] | allocated, headers included [MiB] |", "|---|---|---|---|---|"]
    out += [
        f"| {r['backend']} | {r['fill']:.0%} | {r['counted']:.6g} | {r['headers']:.4g} | {r['allocated']:.6g} |" for r in sizes(design.name)
    ]
    return out


def page(name: str) -> str:
    """Write the Markdown page of a design."""
    design = naming.parse(name).design
    about = designs(name)[0]
    out = [
        f"# {design.name}",
        "",
        f"{design.title}. Made by `make docs` from {source_of(design)}.",
        "",
        standing(design) + (f" Status: {design.status}." if design.status else ""),
        "",
        words(design),
        "",
        design.notes,
        "",
    ]
    out += _bytes_table(design)
    out += ["", "## Parameters", "", "| parameter | default | valid | meaning |", "|---|---|---|---|"]
    out += [f"| {p['name']} | {p['default']} | {', '.join(p['values'])} | {p['help']} |" for p in about["parameters"]]
    out += ["", "## Locks, in the order in which they may be nested", ""]
    out += [f"{n}. {lock}" for n, lock in enumerate(design.locks, 1)]
    life = life_cycle(name)
    out += ["", "## Lookup chain", "", "Objects that a swap-in reaches one behind the other, from the PTE to the data.", ""]
    out += [f"- {row['backend']}: {row['length']}: {_chain(row['objects'])}" for row in lookup_chain(name)]
    said = f"Traced on {SLOTS:,} slots, {FILL:.0%} full; kernel functions as in Linux 6.12 to 6.18, and as the series name them."
    out += ["", "## Life cycle", "", said, ""]
    for key, rows in itertools.groupby(life, key=lambda row: (row["op"], row["backend"])):
        out += [f"### {key[0]} ({key[1]})", "", "| function | does |", "|---|---|"]
        out += [f"| {row['function']} | {row['does']} |" for row in rows]
        out.append("")
    if design.lost_when_off:
        out += ["## What is lost when the layer is off", "", *[f"- {item}" for item in design.lost_when_off], ""]
    out += ["## Sources", "", *[f"- {source}" for source in design.sources]]
    return "\n".join(out).rstrip() + "\n"


def _per(per: str) -> str:
    """Write the unit that a field is counted by in words.

    Examples
    --------
    >>> _per("slot if phase=1|2 and base=direct")
    'slot, at swapon, if phase=1 or 2 and base=direct'
    """
    what, _, test = per.partition(" if ")
    said = " or ".join(PER.get(part, part) for part in what.split("+"))
    return said + (f", if {test.replace('|', ' or ')}" if test else "")
