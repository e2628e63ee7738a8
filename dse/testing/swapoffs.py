"""Rules of a swapoff, whatever the design: it leaves nothing, or slots of folios that are locked or under writeback and says busy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.testing import invariants_oracle, invariants_rfc, invariants_vswap, places, reading, slotview
from dse.testing.findings import BYPASS, CACHED, LOCKED, WRITEBACK, used_slots
from dse.testing.reading import Ints, ctl
from kernels import demand as d
from kernels.designs.swap_desc import own as swap_desc_own
from kernels.life.arrays import device_rows
from kernels.structures import cluster


def check(st: Any, last: NDArray[np.uint64], reply: int) -> list[str]:
    """Findings right after a swapoff, the demand `last`: a reason is needed for ``busy``, and for each slot that is left in use."""
    if int(last[0]) & 255 != d.SWAPOFF or reply not in (d.SWAPPED_OFF, d.BUSY):
        return []
    device = int(last[0]) >> 16 & 255
    if reply == d.BUSY and shut(st, device, int(last[1]) >> 32 & 0xFF_FFFF):
        return []
    folios = reading.folios(st)
    held = folios.number[folios.flags & (LOCKED | WRITEBACK) != 0]
    name = d.BACKENDS[device]
    if reply == d.BUSY and not len(held):
        return [f"swapoff of {name} fails for no reason: no folio is locked or under writeback"]
    if reply == d.BUSY:
        base, n = reading.devices(st)[device]
        left = base + np.flatnonzero(used_slots(st)[base : base + n])
        left = np.setdiff1d(left, excused(st, folios, held))
        if len(left):
            return [f"swapoff of {name} leaves {len(left)} slots that nothing holds up, first {left[:4].tolist()}"]
    return []


def shut(st: Any, device: int, target: int) -> bool:
    """True if a swapoff of `device` is told to move pages to a device that is off or full: a layer has nowhere to move them."""
    if target == device or target not in reading.devices(st):
        return False
    row = device_rows(st.dev)[target]
    on = int(row[int(cluster.D_FLAGS)]) & int(cluster.DEV_ON)
    return not on or int(row[int(cluster.D_USED)]) >= int(row[int(cluster.D_SLOTS)])


def excused(st: Any, folios: reading.Folios, held: Ints) -> Ints:
    """Slots that a swapoff may leave: those of the folios `held`, and those that a move in flight names."""
    named = [int(word) for cls, _, record in reading.phases(st) if cls == 3 for word in record[[3, 6]]]
    entries = [word for word in named if 0 < word >> reading.OFFSET_BITS <= len(d.BACKENDS)]
    if hasattr(st, "desc"):
        tree = reading.from_one(reading.tree(st.dhead, 0, st.dpool))
        words = st.desc[(tree.entry >> np.uint64(2)).astype(np.int64)[:, None] * ctl(st, swap_desc_own.C_STRIDE) + np.arange(2)]
        backing, folio = words[:, 0], (words[:, 1] >> np.uint64(2)).astype(np.int64)
        here = (backing >> np.uint64(reading.OFFSET_BITS) < 30) & (backing != 0) & np.isin(folio, held)
        entries += backing[here].tolist()
    elif hasattr(st, "vmem"):
        clusters = invariants_vswap.read(st)
        here = (clusters.kind == invariants_vswap.SWAPFILE) & np.isin((clusters.desc[:, 1] >> np.uint64(2)).astype(np.int64), held)
        entries += clusters.desc[here, 0].tolist()
    elif hasattr(st, "descriptors"):
        entries += invariants_rfc.held_up(st, held, folios.entry[folios.flags & BYPASS != 0])
    elif hasattr(st, "smap"):
        here = (folios.flags & (LOCKED | WRITEBACK | BYPASS) != 0) & (folios.flags & (CACHED | BYPASS) != 0)
        entries += folios.entry[here].tolist()
        found = np.flatnonzero(np.isin(slotview.read(st).cache, held))
        found = np.union1d(found, reading.slot_index(st, np.array(entries, np.uint64)))
        return np.union1d(found, places.data(st, found))
    elif hasattr(st, "page_word"):
        live = invariants_oracle.read(st)
        here, slots = invariants_oracle.slots_of(st, live)
        return slots[np.isin(live.folio[here], held)]
    else:
        return np.flatnonzero(used_slots(st))
    return reading.slot_index(st, np.array(entries, np.uint64))
