"""Rows of who allocates in a fill: histograms of the kernel's trace events by call site (slabs) and by stack (pages)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from dse.linux.functions import GROUPS, group_of

PAGE = 4096
SITES = ("backend", "stage", "kind", "site", "objects", "bytes")
STAGES = {"static": ("before", "empty"), "filled": ("touched", "out")}
FOLDER = "/sys/kernel/tracing/events/kmem/"
SITE = re.compile(r"\{ call_site: \[\w+\] (\S+) *\} hitcount: *(\d+) +bytes_alloc: *(\d+)")
STACK_ENDS = re.compile(r"[^{]*order: *(\d+) *\} hitcount: *(\d+)")
FRAME = re.compile(r"\s*(?:\[<\w+>\] )?([A-Za-z_][\w.]*)\+0x")
COUNTED_ELSEWHERE = re.compile(r"(allocate_slab|new_slab|___slab_alloc|refill_objects|.*vmalloc.*|zs_.*|_?_?pte_alloc.*)(\..*)?")
"""Pages of slabs and of vmalloc areas have rows of their own, those of the pool as well."""
OF_SWAP = ("swap", "zswap", "zsmalloc", "xarray", "memcg")
Counts = dict[tuple[str, str], tuple[int, int]]


def of_swap(function: str) -> bool:
    """Is a function one of those that the plugin puts into a group of swap?"""
    return GROUPS[group_of(function)] in OF_SWAP


def page_owner(frames: list[str]) -> str | None:
    """Function that pages were allocated for: the first of swap in a stack; None where the pages are counted elsewhere.

    Examples
    --------
    >>> page_owner(["__alloc_pages_noprof", "swap_table_alloc", "folio_alloc_swap"])
    'swap_table_alloc'
    >>> page_owner(["__alloc_pages_noprof", "allocate_slab", "xas_alloc"]) is None
    True
    """
    if any(COUNTED_ELSEWHERE.fullmatch(frame) for frame in frames):
        return None
    return next((frame for frame in frames if of_swap(frame)), None)


def _read(lines: Iterable[tuple[str, str]]) -> Counts:
    """(objects, bytes) by (kind, site), of the lines (event, text) of the histograms of one stage."""
    found: Counts = {}
    frames: list[str] = []

    def add(kind: str, site: str, objects: int, size: int) -> None:
        had = found.get((kind, site), (0, 0))
        found[kind, site] = (had[0] + objects, had[1] + size)

    for event, text in lines:
        site, frame, end = SITE.search(text), FRAME.match(text), STACK_ENDS.match(text)
        if site:
            add("slab" if event == "kmem_cache_alloc" else "kmalloc", site[1].partition("+")[0], int(site[2]), int(site[3]))
        elif "stacktrace" in text:
            frames = []
        elif frame:
            frames.append(frame[1])
        elif end:
            owner, frames = page_owner(frames), []
            if owner:
                add("pages", owner, int(end[2]), int(end[2]) * PAGE << int(end[1]))
    return found


def _stages(report: Iterable[str]) -> Iterator[tuple[str, dict[str, Counts]]]:
    """(backend, counts by stage) of each fill."""
    backend, lines = "", dict[str, list[tuple[str, str]]]()
    for line in [*report, "step"]:
        if line.startswith("step"):
            if backend and lines:
                yield backend, {stage: _read(of) for stage, of in lines.items()}
            backend, lines = line[10:] if line.startswith("step fill-") else "", {}
        elif backend and line.startswith("snapshot "):
            _, stage, path, text = line.split(" ", 3)
            if path.startswith(FOLDER):
                lines.setdefault(stage, []).append((path.removeprefix(FOLDER).split("/")[0], text))


def site_rows(report: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of the table ``sites``: allocations of swap in a stage of a fill, by kind and call site; what was freed is not taken off.

    Parameters
    ----------
    report : iterable of str
        Lines of the guest.
    """
    rows = []
    for backend, stages in _stages(report):
        for stage, (first, last) in STAGES.items():
            before, after = stages.get(first, {}), stages.get(last, {})
            for kind, site in sorted(after):
                had, have = before.get((kind, site), (0, 0)), after[kind, site]
                objects, size = have[0] - had[0], have[1] - had[1]
                if objects and of_swap(site):
                    rows.append(dict(zip(SITES, (backend, stage, kind, site, objects, size), strict=True)))
    return rows


def page_rows(sites: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table ``fill``: pages that the kernel took from the page allocator for a structure, named by who asked."""
    return [{"structure" if key == "site" else key: value for key, value in row.items()} for row in sites if row["kind"] == "pages"]
