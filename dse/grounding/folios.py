"""Way out of large folios: the experiment ``folio`` of a record beside the model, which does what the guest's program does.

The program maps a folio of each size four times, swaps it out as a whole, reads its pages and unmaps them (dse/linux/guest/folio.h). The
clusters that it filled are empty then, so that nearly every folio takes a fresh one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from dse import naming
from dse.grounding import beside, declared, joins
from dse.grounding.declared import Asked
from dse.grounding.operations import COMPRESSED, TARGETS, Counted, Guest, Sizes, add
from dse.linux import Record
from dse.measuring import warming
from kernels import demand as d

FOLIOS = 4
"""Folios of each size in the guest's program."""
ORDERS = (2, 4, 9)
"""Orders that are held against the records: 16 KiB, 64 KiB and 2 MiB."""
HEADER = 1 << 12


class Mapper(Guest):
    """State of a design that does what the guest's program does with folios. Nothing else is in swap but a page for the header."""

    def __init__(self, named: naming.Named, backend: str, slots: int) -> None:
        super().__init__(named, backend, Sizes(0, HEADER, slots))

    def counted(self, order: int, release: str) -> Counted:
        """Counts of the way out of all folios of an order."""
        target, flags = TARGETS[self.backend]
        found, pages = Counted(), range(1 << order)
        for _ in range(FOLIOS):
            for page in pages:
                self.one(d.pack(d.FAULT, page, flags=d.WRITE))
            events = self.traced([d.pack(d.RECLAIM, 0, order=order, backend=target, payload=COMPRESSED, flags=flags)])
            add(found, events, joins.rows_of_steps(events, "swap_out", release), lambda row: joins.group_of(row, release))
            for page in pages:
                self.one(d.pack(d.FAULT, page))
            self.one(d.pack(d.UNMAP, 0, count=len(pages)))
        return found


@functools.lru_cache(maxsize=32)
def counted(design: str, backend: str, slots: int, release: str) -> dict[int, Counted]:
    """Counts of the model by order."""
    warming.warm([(naming.parse(design).text, "trace")])
    guest = Mapper(naming.parse(design), backend, slots)
    return {order: guest.counted(order, release) for order in ORDERS}


def real_rows(record: Record, order: int, backend: str) -> list[dict[str, Any]]:
    """Rows of the record of the way out of a folio of an order."""
    asked = (backend, "swap_out", 1 << order)
    return [row for row in record.tables.get("folio", []) if (row["backend"], row["operation"], row["pages"]) == asked]


def went_whole(record: Record, order: int, backend: str) -> bool:
    """Tell whether the kernel put such folios where they were sent to as a whole, by its own counters; of zeros nothing is counted."""
    counter = {"zswap": "zswpout", "disk": "swpout"}.get(backend)
    rows = [row for row in record.tables.get("folios", []) if (row["backend"], row["pages"]) == (backend, 1 << order)]
    return bool(rows) and (counter is None or all(row[counter] == row["folios"] for row in rows))


def means(record: Record, release: str, order: int, backend: str) -> tuple[beside.Sums, list[str]]:
    """Means of one folio's way out: groups of the model and of the kernel, the share of lines; and the groups with other locks."""
    mine = counted(declared.design_of(release), backend, int(record.provenance["slots"]), release)[order]
    real: dict[str, beside.Means] = {}
    for row in real_rows(record, order, backend):
        if row["function"] == "*":
            real[row["group"]] = {figure: row[figure] / row["operations"] for figure in beside.FIGURES}
    if backend == "zero":
        for group in ("swap", "core"):  # the look for zeros reads the pages
            real[group]["first"] -= 64 << order
    model = {group: dict.fromkeys(beside.FIGURES, 0.0) for group in (*beside.CORE, "core")}
    for name, tally in mine.rows.items():
        group = joins.group_of(name, release)
        for into in (group, "core") if group in beside.CORE else ():
            for figure in beside.FIGURES:
                model[into][figure] += getattr(tally, figure) / mine.operations
    apart = [g for g in beside.CORE if abs(model[g]["locks"] - real.get(g, {}).get("locks", 0.0)) > 0.1 * (1 << order)]
    return beside.Sums(model, real, beside.share(model, real)), apart


def recorded(asked: Asked, found: Mapping[str, Record], missing: list[str]) -> Iterator[tuple[str, int, str, beside.Sums, list[str]]]:
    """(release, order, backend, means, groups apart) of every folio that records have and that its kernel swapped out whole."""
    for release, record in found.items():
        if not record.tables.get("folio"):
            missing.append(f"{release} has no experiment folio")
            continue
        for backend in asked.of["backends"]:
            for order in ORDERS:
                if real_rows(record, order, backend) and went_whole(record, order, backend):
                    yield release, order, backend, *means(record, release, order, backend)
