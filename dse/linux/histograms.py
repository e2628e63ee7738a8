"""Rows of who allocates in a fill: histograms of the kernel's trace events by call site (slabs) and by stack (pages)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from dse.linux.counting import FILL
from dse.linux.functions import GROUPS, group_of

PAGE = 4096
SITES = ("backend", "stage", "kind", "site", "objects", "bytes")
LARGE = ("asked", "got")
"""Kinds of rows of arrays from kmalloc, LEAST bytes or more: the bytes asked for, those of the object or pages they got."""
LEAST = 4096
STAGES = {"static": ("before", "empty"), "filled": ("touched", "out")}
FOLDER = "/sys/kernel/tracing/events/kmem/"
SITE = re.compile(r"\{ call_site: \[\w+\] (\S+) *\} hitcount: *(\d+) +bytes_alloc: *(\d+)")
STACK_ENDS = re.compile(r"[^{]*order: *(\d+) *\} hitcount: *(\d+)")
LARGE_ENDS = re.compile(r"[^{]*bytes_req: *(\d+), ptr: *(\d+) *\} hitcount: *(\d+) +bytes_alloc: *(\d+)")
FRAME = re.compile(r"\s*(?:\[<\w+>\] )?([A-Za-z_][\w.]*)\+0x")
COUNTED_ELSEWHERE = re.compile(r"(allocate_slab|new_slab|___slab_alloc|refill_objects|.*vmalloc.*|zs_.*|_?_?pte_alloc.*)(\..*)?")
"""Pages of slabs and of vmalloc areas have rows of their own, those of the pool as well."""
OF_VMALLOC = re.compile(r"_?_?vz?m?alloc.*")
"""Frames of a vmalloc area, whose list of pages may be large; kvmalloc is none of them."""
OF_SWAPON = re.compile(r".*swapon.*|setup_swap_.*|setup_clusters.*")
"""Functions of swapon that allocate and are in no group of swap."""
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


def large_owner(frames: list[str]) -> str | None:
    """Function that a large array was allocated for; None where it is a part of a vmalloc area, or none of swap.

    Examples
    --------
    >>> large_owner(["__kvmalloc_node_noprof", "__do_sys_swapon", "__x64_sys_swapon"])
    '__do_sys_swapon'
    >>> large_owner(["__kmalloc_node_noprof", "__vmalloc_area_node", "vzalloc_noprof", "__do_sys_swapon"]) is None
    True
    """
    if any(OF_VMALLOC.fullmatch(frame) for frame in frames):
        return None
    return next((frame for frame in frames if of_swap(frame) or OF_SWAPON.fullmatch(frame)), None)


def _read(lines: Iterable[tuple[str, str]]) -> Counts:
    """(objects, bytes) by (kind, site), of the lines (event, text) of the histograms of one stage."""
    found: Counts = {}
    frames: list[str] = []
    arrays: Counts = {}

    def add(kind: str, site: str, objects: int, size: int) -> None:
        had = found.get((kind, site), (0, 0))
        found[kind, site] = (had[0] + objects, had[1] + size)

    for event, text in lines:
        call, frame, end, large = SITE.search(text), FRAME.match(text), STACK_ENDS.match(text), LARGE_ENDS.match(text)
        if call:
            add("slab" if event == "kmem_cache_alloc" else "kmalloc", call[1].partition("+")[0], int(call[2]), int(call[3]))
        elif "stacktrace" in text:
            frames = []
        elif frame:
            frames.append(frame[1])
        elif end:
            owner, frames = page_owner(frames), []
            if owner:
                add("pages", owner, int(end[2]), int(end[2]) * PAGE << int(end[1]))
        elif large:
            owner, frames = large_owner(frames), []
            if owner:  # kmalloc of whole pages and its caller both say so
                at = (f"{owner}:{large[1]}", large[2])
                arrays[at] = max(arrays.get(at, (0, 0)), (int(large[3]), int(large[4])))
    for (site, _), (count, size) in arrays.items():
        add("asked", site, count, count * int(site.rpartition(":")[2]))
        add("got", site, count, size)
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


def _differences(report: Iterable[str]) -> Iterator[tuple[str, str, str, str, int, int]]:
    """(backend, stage, kind, site, objects, bytes) of what was allocated in a stage of a fill."""
    for backend, stages in _stages(report):
        for stage, (first, last) in STAGES.items():
            before, after = stages.get(first, {}), stages.get(last, {})
            for kind, site in sorted(after):
                had, have = before.get((kind, site), (0, 0)), after[kind, site]
                if have[0] != had[0]:
                    yield backend, stage, kind, site, have[0] - had[0], have[1] - had[1]


def site_rows(report: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of the table ``sites``: allocations of swap in a stage of a fill, by kind and call site; what was freed is not taken off.

    Parameters
    ----------
    report : iterable of str
        Lines of the guest.
    """
    return [dict(zip(SITES, row, strict=True)) for row in _differences(report) if row[2] not in LARGE and of_swap(row[3])]


def page_rows(sites: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table ``fill``: pages that the kernel took from the page allocator for a structure, named by who asked."""
    return [{"structure" if key == "site" else key: value for key, value in row.items()} for row in sites if row["kind"] == "pages"]


def large_rows(report: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of the table ``fill``: arrays of swap that kmalloc gave, named by who asked and for how many bytes (``FUNCTION:BYTES``).

    Parameters
    ----------
    report : iterable of str
        Lines of the guest.
    """
    return [dict(zip(FILL, row, strict=True)) for row in _differences(report) if row[2] in LARGE]
