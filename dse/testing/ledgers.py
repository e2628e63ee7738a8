"""The ledger in closed form against the ledger of live arrays that replay has filled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.modelling import ledger as lg
from dse.testing.conformance import Mismatch
from kernels import demand as d
from kernels.life import registry as state
from kernels.observing import probe

MIXES: tuple[dict[str, float], ...] = (
    {"zswap": 1.0},
    {"ssd": 1.0},
    {"zram": 1.0},
    {"zswap": 0.7, "ssd": 0.2, "zero": 0.1},
    {"zswap": 0.25, "ssd": 0.25, "hdd": 0.25, "zero": 0.25},
)
SIZES = ((40_000, 17_001), (40_000, 40_000), (3_000, 1))
"""Slots of all devices, and pages that are swapped out."""
COMPRESSED = 1575


def outgoing(pages: int, backends: NDArray[np.int64], zero: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """A first touch and a reclaim for each of `pages`, in order."""
    page = np.arange(pages, dtype=np.uint64) << np.uint64(32)
    out = np.zeros((pages, 2, 2), np.uint64)
    out[:, 0, 0] = page | np.uint64(d.FAULT)
    out[:, 1, 0] = page | np.uint64(d.RECLAIM) | backends.astype(np.uint64) << np.uint64(16)
    flags = np.where(zero, np.uint64(d.ZERO), np.uint64(0))
    out[:, 1, 1] = (np.uint64(COMPRESSED) | flags << np.uint64(24)) << np.uint64(32)
    return out.reshape(-1, 2)


def filled(named: naming.Named, slots: int, pages: int, mix: Mapping[str, float]) -> Any:
    """Build a live state whose `pages` pages went out, dense from slot 0 in the order of the closed form."""
    virtual = lg.is_virtual(named.design)
    sizes = {device.name: device.slots for device in lg.devices_of(slots, pages / slots, mix, lg.is_native(named.values), virtual)}
    zdisk = next((name for name in sizes if name != "zswap"), "ssd")
    slots_of = sizes if lg.is_native(named.values) else {"zswap": pages, **sizes}
    st = named.design.build(state.Config(pages=pages, slots=slots_of, zdisk=zdisk, forks=False, parameters=named.control))
    parts = lg.split(pages, mix)
    order = ["zswap", *[name for name in lg.DISKS if name in sizes], "zero"]
    many = [parts.get(part, 0) for part in order]
    backends = [d.BACKENDS.index(("zswap" if virtual else zdisk) if part == "zero" else part) for part in order]
    block = outgoing(sum(many), np.repeat(backends, many), np.repeat([part == "zero" for part in order], many))
    replies = np.zeros(len(block), np.uint8)
    with np.errstate(over="ignore"):
        named.design.replay(st, probe.make("count"), block, replies)
    other = set(replies.tolist()) - {d.FIRST_TOUCH, d.SWAP_OUT}
    if other:
        raise Mismatch(f"replies {sorted(other)} while {pages} pages go out to {slots} slots", f"{named.text}, {dict(mix)}")
    return st


def agree(named: naming.Named, mix: Mapping[str, float], slots: int, pages: int) -> None:
    """Hold the closed form of a design's ledger against its live arrays, structure by structure.

    Raises
    ------
    Mismatch
        The first structure that differs.
    """
    closed = lg.closed(named.design, named.values, slots, pages / slots, mix, COMPRESSED)
    live = lg.live(named.design, named.values, filled(named, slots, pages, mix))
    ours, theirs = ({row.structure: row for row in book.rows} for book in (closed, live))
    for structure in {**ours, **theirs}:
        if ours.get(structure) != theirs.get(structure):
            where = f"{named.text}, {pages} pages in {slots} slots of {dict(mix)}"
            one, other = (asdict(row) if row else {} for row in (ours.get(structure), theirs.get(structure)))
            differ = [f"{key} {one.get(key)} and {other.get(key)}" for key in {**one, **other} if one.get(key) != other.get(key)]
            raise Mismatch(f"{structure}: closed form and live arrays differ: {', '.join(differ)}", where)
