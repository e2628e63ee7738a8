"""Findings that are no news: windows of a design, which its page names."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """A window of a design: the situations that show it, and where it is described."""

    designs: tuple[str, ...]
    situations: tuple[str, ...]
    place: str


WINDOWS: tuple[Window, ...] = (
    Window(
        ("swap_id", "swap_id_rmap", "swap_id_special"),
        ("move-unmap", "writeback-unmap"),
        "named in the design's page: a zap walks from ID to entry before it takes the cluster lock, a move changes the mapping between",
    ),
)


def place(design: str, situation: str, why: str) -> str:
    """Where a finding is described; empty if it is new. A breach of a lock rule and a deadlock are always new."""
    if why.startswith("deadlock") or " is written without " in why:
        return ""
    return next((one.place for one in WINDOWS if design in one.designs and situation in one.situations), "")
