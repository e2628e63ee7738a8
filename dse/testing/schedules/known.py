"""Findings that are no news: windows of a design, which its page names."""

from __future__ import annotations

import re
from typing import NamedTuple


class Window(NamedTuple):
    """A window of a design.

    Attributes
    ----------
    designs : tuple of str
    situations : str
        A regular expression for the names of those that show it, and of no others: what it excuses is found no more.
    shown : str
        A regular expression for what is found.
    place : str
        What it is; the design's page says more.
    """

    designs: tuple[str, ...]
    situations: str
    shown: str
    place: str


IDS = ("swap_id", "swap_id_rmap", "swap_id_special")
WINDOWS: tuple[Window, ...] = (
    Window(
        IDS,
        "(move|writeback)-unmap",
        "slots in use in clusters|counts of slots|OverflowError",
        "a zap walks from ID to entry before it takes the lock of the cluster, and a move changes the mapping between the two",
    ),
    Window(
        IDS,
        "shared-out-unmap|three-mixed",
        "PTEs that hold a freed ID|reverse tree: slot",
        "an ID whose last PTE goes is freed while a reclaim that found it in force writes it into the next",
    ),
    Window(
        ("swap_desc",),
        "(zipped-)?fault-unmap(-new|-reuse)?|run-fault|(move|writeback)-(fault|unmap|reuse)",
        "descriptors|folios of descriptors|PTEs that hold a freed index|OverflowError|page counters|owners of slots|content of present",
        "a fault or a move uses a descriptor that it has no reference to, and that the last PTE has freed",
    ),
)


def place(design: str, situation: str, why: str) -> str:
    """Name what a finding comes from, where that is known; empty if it is new."""
    for one in WINDOWS:
        if design in one.designs and re.fullmatch(one.situations, situation) and re.match(one.shown, why):
            return f"named in its page: {one.place}"
    return ""
