"""Operations, metrics and statistics that a question may name."""

from __future__ import annotations

from typing import NamedTuple

from dse.asking.studies import CPUS, LEDGER, MORE, PREDICTED, RATIO, Term
from dse.errors import BadInput, unknown
from dse.measuring.figures import CLOSED
from kernels import demand

LIFE, PAGE = "lifetime", "page"
OPERATIONS = (*demand.OUTCOMES, *demand.REASONS, LIFE, PAGE, CLOSED)
BEGIN, END = "<!-- words: made by python -m dse.documenting -->", "<!-- end of words -->"


class Metric(NamedTuple):
    """A metric.

    Attributes
    ----------
    unit : str
    stats : tuple of str
        Its statistics; an empty one needs no name.
    words : str
        What it is.
    timed : bool
        True if it needs ``timed = true``.
    """

    unit: str
    stats: tuple[str, ...]
    words: str
    timed: bool = False


BOTH = ("mean", "total")
OF_OPERATION = {
    "demands": Metric("demands", ("total",), "how often it happened"),
    "lines": Metric("lines", ("mean", "p99", "total"), "cache lines of swap structures that it touches"),
    "lines_common": Metric("lines", BOTH, "those of steps that all designs share"),
    "chain": Metric("objects", BOTH, "objects that are reached one through another"),
    "locked_sections": Metric("sections", BOTH, "sections under a lock"),
    "locked_sections_common": Metric("sections", BOTH, "those of steps that all designs share"),
    "atomics": Metric("atomics", BOTH, "atomic instructions"),
    "allocations": Metric("objects", BOTH, "objects allocated"),
    "frees": Metric("objects", BOTH, "objects freed"),
    "structures_written": Metric("structures", BOTH, "structures that are written"),
    "ptes": Metric("PTEs", BOTH, "page-table entries that are visited"),
    "retries": Metric("retries", BOTH, "tries again"),
    "lock_order_violations": Metric("violations", BOTH, "locks taken in another order than declared"),
    "ns": Metric("ns", ("mean", "p50", "p99"), "its time", timed=True),
    RATIO: Metric("times", ("mean",), "its time over the baseline's", timed=True),
    MORE: Metric("ns", ("mean",), "its time beyond the baseline's, by the ratio", timed=True),
    "share_of_fault": Metric("share", ("",), "its time over that of a whole page fault", timed=True),
    "share_of_zswap_read": Metric("share", ("",), "its time over a read from zswap", timed=True),
    "share_of_ssd_read": Metric("share", ("",), "its time over a read from an SSD", timed=True),
}
OF_SWAP_IN = {
    "swap_ins_seeing_swap_full": Metric("share", ("mean",), "of `swap_in`: share that saw the device over half full"),
    "swap_ins_seeing_memcg_swap_full": Metric("share", ("mean",), "of `swap_in`: share that saw the cgroup's swap over half full"),
}
OF_LIFE = {
    "tax_lines": Metric("lines", ("mean",), "lines of a swap-out and return beyond the baseline's"),
    "tax_locked_sections": Metric("sections", ("mean",), "sections under a lock beyond the baseline's"),
    "tax_atomics": Metric("atomics", ("mean",), "atomic instructions beyond the baseline's"),
    "tax_bytes": Metric("B", ("mean",), "bytes a page beyond the baseline's"),
    "tax_ns": Metric("ns", ("mean",), "time beyond the baseline's", timed=True),
}
OF_PAGE = {
    "bytes_per_page_static": Metric("B", ("mean",), "bytes that are there whether a slot is used or not"),
    "bytes_per_page_dynamic": Metric("B", ("mean",), "bytes that come with what is swapped"),
    "bytes_per_page_allocated": Metric("B", ("mean",), "all bytes, headers and slab rounding included"),
    "bytes_per_page_peak": Metric("B", ("max",), "all bytes at their peak"),
    "swapped_pages": Metric("pages", ("",), "pages in swap at the end"),
    "slots_tied_up": Metric("slots", ("",), "slots of disks in use"),
    "structures_per_page": Metric("structures", ("",), "structures with an entry for a page"),
    "lost_tokens": Metric("pages", ("",), "pages whose content was lost"),
    "ids_freed": Metric("IDs", ("",), "IDs freed, of designs with IDs"),
    "ids_never_moved": Metric("IDs", ("",), "those among them whose page never moved"),
    "ids_never_moved_share": Metric("share", ("",), "their share"),
}
OF_CLOSED = {
    "resident_pages": Metric("pages", ("mean", "end"), "resident pages that fit: mean over the accesses, or at the end"),
    "zsmalloc_pages": Metric("pages", ("end",), "pages of zsmalloc at the end"),
    "metadata_pages": Metric("pages", ("end",), "pages that the design allocated since swapon, at the end"),
    "kept_pages": Metric("pages", ("end",), "pages that it refused to swap out, at the end"),
    "major_faults": Metric("faults", ("total",), "swap-ins from a backend"),
    "more_major_faults": Metric("faults", ("total",), "those beyond the baseline's"),
}
OBJECTS = {
    "allocated_": Metric("objects", ("total",), "objects of a kind allocated by an operation"),
    "freed_": Metric("objects", ("total",), "objects of a kind freed by an operation"),
}
OBJECTS_OF_PAGE = {
    "object_bytes_": Metric("B", ("",), "bytes of an object of a kind"),
    "rcu_waiting_bytes_": Metric("B", ("mean",), "modelled bytes of a kind that wait for a grace period", timed=True),
}
"""Metrics that end in the name of an object, such as ``xa_node``."""
Table = dict[str, Metric]
LISTS: tuple[tuple[str, tuple[Table, ...]], ...] = (
    ("of an operation", (OF_OPERATION, OF_SWAP_IN, OBJECTS)), (f"of `{LIFE}`", (OF_LIFE,)), (f"of `{PAGE}`", (OF_PAGE, OBJECTS_OF_PAGE)),
    (f"of `{CLOSED}`", (OF_CLOSED,)),
)  # fmt: skip


def of(op: str) -> Table:
    """Metrics of an operation, by name."""
    alone = {LIFE: OF_LIFE, PAGE: OF_PAGE, CLOSED: OF_CLOSED}
    return alone.get(op) or OF_OPERATION | (OF_SWAP_IN if op == "swap_in" else {})


def check(term: Term, unit: str, timed: bool) -> None:
    """Refuse a term that no comparison has.

    Parameters
    ----------
    term : Term
    unit : str
        What stands for ``*`` in its metric.
    timed : bool
        True if the study takes times.

    Raises
    ------
    BadInput
        With the nearest name.
    """
    if term.op not in OPERATIONS:
        raise BadInput(unknown("operation of a measure", term.op, OPERATIONS))
    name, known = term.metric.replace("*", unit), of(term.op)
    objects = OBJECTS_OF_PAGE if term.op == PAGE else OBJECTS if term.op not in (LIFE, CLOSED) else {}
    found = known.get(name) or next((metric for begin, metric in objects.items() if name.startswith(begin) and name != begin), None)
    if found is None:
        raise BadInput(unknown("metric of a measure", name, known))
    if term.stat not in found.stats and "" not in found.stats:
        raise BadInput(unknown(f"statistic of {name}", term.stat, found.stats))
    if found.timed and not timed:
        raise BadInput(f"{name} is a time, and no times are taken: timed = true")


def _row(name: str, metric: Metric) -> str:
    stats = ", ".join(f"`{stat}`" for stat in metric.stats if stat) or "-"
    return f"| `{name}` | {metric.unit} | {stats} | {'yes' if metric.timed else '-'} | {metric.words} |"


def reference() -> str:
    """Return the section of docs/questions.md that lists what a measure may name."""
    out = [BEGIN, "", "## What a measure may name", "", "| `op` | |", "|---|---|"]
    for words, names in (
        ("a demand that did its work", demand.OUTCOMES), ("a demand of which nothing came", demand.REASONS),
        ("a swap-out, the end of its writeback, and a swap-in together", (LIFE,)), ("a swapped page at the end of the stream", (PAGE,)),
        ("memory and faults of a closed loop (`memory.loop`)", (CLOSED,)),
    ):  # fmt: skip
        out.append(f"| {', '.join(f'`{name}`' for name in names)} | {words} |")
    for words, tables in LISTS:
        out += ["", f"| metric {words} | unit | `stat` | `timed` | meaning |", "|---|---|---|---|---|"]
        for table in tables:
            ends = "X" if table in (OBJECTS, OBJECTS_OF_PAGE) else ""
            out += [_row(name + ends, metric) for name, metric in table.items()]
    out += ["", "`X` is an object such as `xa_node`: `dse compare --format json` has all of a design.", ""]
    ledger = ", ".join(f"`{name}`" for name in LEDGER)
    out += [f"A ledger has no `op` and no `stat`. Its metrics are {ledger} and `pages`.", ""]
    out += [
        f"A prediction has no `op` either. Its axis is `{CPUS}`, and its metrics are modelled:",
        "",
        "| metric | meaning |",
        "|---|---|",
    ]
    return "\n".join([*out, *(f"| `{name}` | {words} |" for name, words in PREDICTED.items()), "", END])
