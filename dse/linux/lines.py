"""Lines of the model beside those of a kernel's record: by group of functions, and what is left by function.

The model's lines are those that a design counts itself, by structure, and those of the common steps (:mod:`kernels.structures.common`), by
function. A record attributes a line to the function that touches it first. The model is compared group by group and never counts for more
than the record has, so that one group cannot make up for another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from dse import naming
from dse.linux import counting, records
from dse.linux.functions import GROUPS, group_of
from dse.modelling import commons

FILLED, SINGLE = 4096, 512
"""Pages that are swapped out before, and among how many more the single ones are scattered (the guest's workload)."""
SAMPLE = 64
COMPRESSED = 2000
LEAST = 0.5
"""Lines an operation below which a function or a group is no gap."""
TOUCHING = (0, 1, 2, 7)
"""Events of a trace that touch a line: chase, read, write, atomic."""
CORE = tuple(group for group in GROUPS if group not in ("other", "data", "core"))
STRUCTURES = {
    "PTE": "other", "rmap": "other", "zsmalloc object": "data", "swap device": "swap", "cluster header": "swap", "swap_map": "swap",
    "zeromap": "swap", "per-CPU cluster": "swap", "swap table": "swap", "memcg table": "swap", "extend table": "swap",
    "continuation": "swap", "cgroup": "memcg", "swap cache space": "xarray", "swap cache node": "xarray", "zswap tree": "xarray",
    "zswap node": "xarray", "zswap LRU": "lru", "zswap_entry": "lru",
    "nr_swap_pages": "swap", "zswap_stored_pages": "zswap", "zswap_lruvec_state": "zswap", "page_counter": "memcg", "memcg id": "memcg",
    "memcg ids": "xarray",
}  # fmt: skip
"""Group whose functions touch a structure of the designs that have a kernel. Of zswap_entry one is zswap's, the others are neighbours."""
CONTENT = {
    ("zero", "swap_out", "swap_writeout"): 64, ("zero", "swap_out", "swap_writepage"): 64,
    ("zswap", "swap_in_read", "zs_map_object"): 19, ("zswap", "swap_in_write", "zs_map_object"): 19,
    ("zswap", "swap_out", "zs_unmap_object"): 8, ("zswap", "swap_out_again", "zs_unmap_object"): 8,
}  # fmt: skip
"""Lines of page content, which stand apart: the look for zeros at a whole page, and up to 6.14 the copy of an object that lies in two
pages (zs_map_object writes 11.5 lines in an operation, 2 of them no content, and reads as many; zs_unmap_object copies back)."""
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


class Modelled(NamedTuple):
    """Mean lines of an operation in the model.

    Attributes
    ----------
    common : dict of str to float
        Lines of the common steps, by the function that touches them first.
    design : dict of str to float
        Lines of the design, by structure.
    written : float
        Lines of the common steps that are written.
    """

    common: dict[str, float]
    design: dict[str, float]
    written: float

    def groups(self) -> dict[str, float]:
        """Lines by group of functions."""
        found = dict.fromkeys(GROUPS, 0.0)
        for function, lines in self.common.items():
            found[GROUPS[group_of(function)]] += lines
        for structure, lines in self.design.items():
            found[STRUCTURES[structure]] += lines
        own = min(1.0, self.design.get("zswap_entry", 0.0))
        found["lru"] -= own
        found["zswap"] += own
        return {group: round(found[group], 3) for group in CORE}


class Compared(NamedTuple):
    """An operation beside a record.

    Attributes
    ----------
    backend, operation : str
    real, model : dict of str to float
        Lines by group; page content is left out.
    rest : dict of str to float
        Lines of functions that the model has not (:data:`REASONS`), where their group has fewer lines than in the record.
    """

    backend: str
    operation: str
    real: dict[str, float]
    model: dict[str, float]
    rest: dict[str, float]

    @property
    def share(self) -> float:
        """Part of the record's lines that is modelled, group by group."""
        return sum(min(self.real[group], self.model[group]) for group in CORE) / sum(self.real.values())

    @property
    def missing(self) -> dict[str, float]:
        """Lines that the model lacks, by group."""
        return {group: self.real[group] - self.model[group] for group in CORE if self.real[group] > self.model[group]}


def _demands(operation: str, page: int, backend: str) -> tuple[int, int]:
    """The demand of an operation."""
    from kernels import demand as d

    if operation.startswith("swap_out"):
        home = d.BACKENDS.index("ssd" if backend == "disk" else "zswap")
        return d.pack(d.RECLAIM, page, backend=home, payload=COMPRESSED, flags=d.ZERO * (backend == "zero"))
    if operation == "zap":
        return d.pack(d.UNMAP, page, count=1)
    return d.pack(d.FAULT, page, flags=d.WRITE * (operation == "swap_in_write"))


def modelled(design: str, backend: str) -> dict[str, Modelled]:
    """Lines of each operation of a record in the model, as the guest's workload does them.

    Parameters
    ----------
    design : str
        ``NAME[param=value,...]``.
    backend : str
        ``zswap``, ``zero`` or ``disk``.
    """
    import numpy as np

    from kernels import demand as d
    from kernels.life import registry as state
    from kernels.observing import probe
    from kernels.own import Region

    named = naming.parse(design)
    pr: Any = probe.make("trace")
    config = state.Config(
        pages=1 << 14, slots={"ssd": 1 << 16, "zswap": 1 << 16}, space_shift=13, memcg=np.ones(2, np.uint16), parameters=named.control
    )
    live = named.design.build(config)
    replies = np.zeros(2 * FILLED, np.uint8)
    rows = [row for page in range(FILLED) for row in (d.pack(d.FAULT, page), _demands("swap_out", page, backend))]
    named.design.replay(live, pr, np.array(rows, np.uint64), replies)
    named.design.replay(live, pr, np.array([d.pack(d.FAULT, page) for page in range(FILLED, FILLED + SINGLE)], np.uint64), replies[:SINGLE])
    pages = FILLED + np.random.default_rng(1).permutation(SINGLE)[:SAMPLE]
    names, found = named.design.own.names(Region), {}
    for operation in (*counting.OPERATIONS[:-1], "swap_out_last", "zap"):
        logs = []
        for page in pages:
            named.design.replay(live, pr, np.array([_demands(operation, int(page), backend)], np.uint64), replies[:1])
            logs.append(pr.log[: int(pr.log[0]) + 1].copy())
        found[operation] = _mean(logs, names)
    return {operation: found[operation] for operation in counting.OPERATIONS}


def _mean(logs: list[Any], names: dict[int, str]) -> Modelled:
    """Mean of the logs of single operations."""
    common, design, written = Counter[str](), Counter[str](), 0
    for log in logs:
        pairs = log[1:].astype("int64").reshape(-1, 2).tolist()
        touched = {(names[head >> 8 & 0xFFFFFF], word >> 3) for head, word in pairs if head & 0xFF in TOUCHING}
        design.update(structure for structure, _ in touched)
        for entry in commons.entries(log):
            common[entry.function] += entry.first
            written += entry.written
    n = len(logs)
    return Modelled({name: k / n for name, k in common.items()}, {name: k / n for name, k in design.items()}, written / n)


def real(record: records.Record, backend: str, operation: str) -> dict[str, float]:
    """Lines that each function of the core touches first, in the mean of the operations; page content is left out."""
    rows = [
        row for row in record.tables["operation"]
        if (row["backend"], row["operation"]) == (backend, operation) and row["group"] in CORE and row["function"] != "*"
    ]  # fmt: skip
    found = {row["function"]: row["first"] / row["operations"] for row in rows}
    return {name: max(0.0, lines - CONTENT.get((backend, operation, name), 0)) for name, lines in found.items()}


def totals(record: records.Record, backend: str, operation: str) -> dict[str, float]:
    """Lines of each group of the core; functions too small for a row of their own are in them."""
    found = {
        row["group"]: row["first"] / row["operations"]
        for row in record.tables["operation"]
        if (row["backend"], row["operation"], row["function"]) == (backend, operation, "*") and row["group"] in CORE
    }
    for (where, what, function), lines in CONTENT.items():
        if (where, what) == (backend, operation) and any(r["function"] == function for r in record.tables["operation"]):
            found[GROUPS[group_of(function)]] -= lines
    return found


def compared(design: str, record: records.Record, backends: Iterable[str] = ("zswap", "zero", "disk")) -> list[Compared]:
    """Set the model of `design` beside a record, operation by operation."""
    out = []
    for backend in backends:
        for operation, model in modelled(design, backend).items():
            found = Compared(backend, operation, totals(record, backend, operation), model.groups(), {})
            lacking = {group for group, lines in found.missing.items() if lines >= LEAST}
            functions = {name: lines - model.common.get(name, 0.0) for name, lines in real(record, backend, operation).items()}
            for name, lines in sorted(functions.items(), key=lambda item: -item[1]):
                if name in REASONS and lines >= LEAST and GROUPS[group_of(name)] in lacking:
                    found.rest[name] = round(lines, 2)
            out.append(found)
    return out
