"""Invariants of a reverse tree beside a tree of IDs: the two are inverses, but for the second slot of a page that is being moved."""

from __future__ import annotations

from typing import Any

from dse.testing import reading
from dse.testing.findings import Findings, check_trees

MOVE = 3
"""Class of a move among phases."""
LEFT = 4
"""Step of a move that has left the device it comes from."""


def check(found: Findings, st: Any) -> None:
    """Every ID has the slot that leads to it, and no other slot leads anywhere.

    A move that has a slot on its target has two: before the mapping changes the target's leads to the ID as well, then that of the
    device that the page leaves.
    """
    check_trees(found, "reverse", st.rhead, st.rpool)
    ids = reading.ids(st)
    want = {slot: value for value, slot in zip(ids.index.tolist(), reading.slot_index(st, ids.entry).tolist(), strict=True)}
    for cls, _, record in reading.phases(st):
        value, step, new = (int(record[i]) for i in (2, 5, 6))
        if cls == MOVE and new and step < LEFT:
            other = record[6:7] if step < LEFT - 1 else record[3:4]
            want[int(reading.slot_index(st, other)[0])] = value
    base = {device: first for device, (first, _) in reading.devices(st).items()}
    have = {base.get(device, -1) + offset: value for device, offset, value in reading.reverse(st)}
    for slot in sorted(set(want) | set(have)):
        if want.get(slot) != have.get(slot):
            found.append(f"reverse tree: slot {slot} leads to ID {have.get(slot)}, which should be {want.get(slot)}")
