"""Invariants of redirects, read off the live arrays: which slots have the data of which entries, and what leads back."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.testing import reading, slotview
from dse.testing.reading import Ints, ctl
from kernels import control
from kernels.designs.redirect import array, own
from kernels.life.arrays import device_rows

BITS = int(array.OFFSET_BITS)


def slots_of(st: Any, words: Ints) -> Ints:
    """Slots that words name, which are not 0."""
    base = device_rows(st.dev)[:, 0].astype(np.int64)
    found: Ints = base[(words >> BITS) - 1] + (words & (1 << BITS) - 1)
    return found


def redirects(st: Any) -> tuple[Ints, Ints]:
    """Slots of entries whose data is elsewhere, and the slots that have it."""
    shift = ctl(st, control.C_CLUSTER_SHIFT)
    clusters = np.flatnonzero(st.rtail)
    words = st.redirect.reshape(-1, 1 << shift)[st.rtail[clusters].astype(np.int64)]
    row, column = np.nonzero(words)
    return (clusters[row] << shift) + column, slots_of(st, words[row, column].astype(np.int64))


def data(st: Any, slots: Ints) -> Ints:
    """The slots that have the data of `slots`: those that redirects name, else themselves."""
    entry, place = redirects(st)
    out: Ints = np.arange(ctl(st, control.C_ALL_SLOTS) + 8)
    out[entry] = place
    found: Ints = out[slots]
    return found


def entry_of(st: Any, slot: int) -> tuple[int, int]:
    """Device and offset of a slot."""
    return next((d, slot - base) for d, (base, n) in reading.devices(st).items() if base <= slot < base + n)


def observed(st: Any) -> dict[str, Any]:
    """Redirects by entry, and how many arrays there are."""
    found = zip(*(side.tolist() for side in redirects(st)), strict=True)
    return {"redirects": {entry_of(st, a): entry_of(st, b) for a, b in found}, "arrays": ctl(st, own.S_ARRAYS)}


def check(found: Any, st: Any, view: slotview.Slots, zentry: Ints) -> None:
    """A slot that stands in does so for one used entry of another device, which has its data nowhere else."""
    entry, place = redirects(st)
    back = np.flatnonzero(view.reverse >= 0)
    found.equal("slots that stand in for others", np.sort(place), back)
    found.none("free slots that are redirected", entry[~view.used[entry]])
    found.none("slots that stand in and are redirected", np.intersect1d(entry, back))
    shift = ctl(st, control.C_CLUSTER_SHIFT)
    device = np.searchsorted(device_rows(st.dev)[:, 2].astype(np.int64) << shift, np.stack([entry, place]), side="right")
    found.none("slots that are redirected to their own device", entry[device[0] == device[1]])
    found.none("zero pages that are redirected", entry[view.zero[entry]])
    found.none("slots that are redirected and in zswap", entry[zentry[entry] != 0])
    found.none("slots that stand in with an owner", back[view.owner[back] != 0])
    if ctl(st, own.C_REVERSE):
        found.equal("entries that slots stand in for", slots_of(st, view.reverse[place]), entry)
