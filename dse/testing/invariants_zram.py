"""Invariants of zram's driver, read off its elements: each belongs to a slot in use, its object or block is counted once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.testing import reading, slotview
from dse.testing.findings import Findings
from dse.testing.reading import Ints, ctl
from dse.testing.twins.parts import class_bytes, zspage
from kernels import control
from kernels.designs.zram import driver, own
from kernels.structures import cluster as cl

MOVE = 3
"""Class of the phases of a move."""


def elements(st: Any) -> tuple[Ints, Ints, NDArray[np.bool_], Ints]:
    """Of each slot of the device: its handle, the size of its object, whether that went to a block, size and flags."""
    rows = st.element.reshape(-1, int(driver.E_WORDS)).astype(np.int64)[: int(st.dev[int(cl.D_SLOTS)])]
    flags = rows[:, int(driver.E_FLAGS)]
    return rows[:, int(driver.E_HANDLE)], flags & int(driver.SIZE), flags & int(driver.WB) != 0, flags


def writing(st: Any) -> list[tuple[int, int]]:
    """Writebacks in flight: slot and block."""
    found = []
    for cls, _, record in reading.phases(st):
        mine = cls == MOVE and int(record[3]) >> reading.OFFSET_BITS == 1 and int(record[7]) == 0
        if mine and int(record[4]) == ctl(st, own.C_BACKING) and int(record[5]):
            found.append((int(reading.slot_index(st, record[3:4])[0]), int(record[6]) - 1))
    return found


def check(found: Findings, st: Any) -> None:
    """Elements in use belong to slots in use; counters, bitmap and size classes add up; contents are those that were written."""
    handle, size, back, flags = elements(st)
    every = np.arange(len(handle))
    view, there = slotview.read(st), (size != 0) | back
    found.none("free slots with an element in use", every[there & ~view.used[every]])
    found.none("elements with flags and nothing else", every[~there & (flags != 0)])
    sizes = size[there & ~back].tolist()
    inflight = writing(st)
    rows = st.element.reshape(-1, int(driver.E_WORDS))
    blocks = sorted([*handle[back].tolist(), *(block for _, block in inflight)])
    for what, have, want in (
        ("zsmalloc objects", ctl(st, control.S_ZE_LIVE), len(sizes)),
        ("zsmalloc bytes", ctl(st, control.S_ZOBJ_BYTES), sum(map(class_bytes, sizes))),
        ("zspages", ctl(st, control.S_ZSPAGES), sum((1 << 32) // zspage(n)[1] for n in sizes)),
        ("bytes of objects", ctl(st, own.S_COMPRESSED), sum(sizes)),
        ("slots with an object or a block", ctl(st, own.S_STORED), int(there.sum())),
        ("objects of a whole page", ctl(st, own.S_HUGE), int((flags[~back] & int(driver.HUGE) != 0).sum())),
        ("blocks of elements and writebacks", blocks, bits(st)),
        ("blocks in use", ctl(st, own.S_BLOCKS), len(blocks)),
        ("elements that a writeback has in flight", np.flatnonzero(rows[:, int(driver.E_BUSY)]).tolist(), sorted(g for g, _ in inflight)),
        ("locks of elements", int(rows[:, int(driver.E_LOCK)].sum()), 0),
    ):
        found.equal(what, have, want)
    selected = np.flatnonzero(flags & int(driver.PP_SLOT))
    found.none("elements that are selected for no writeback", np.setdiff1d(selected, [g for g, _ in inflight]))
    limit = ctl(st, own.C_LIMIT_PAGES)
    if limit and -(-ctl(st, control.S_ZOBJ_BYTES) // 4096) > limit:
        found.append(f"objects take more than {limit} pages")
    if ctl(st, control.C_TOKENS):
        content = np.where(back, st.backing[np.where(back, handle, 0)], handle)
        found.equal("content of elements", np.where(there & ~view.zero[every], content, 0), wanted(st, there & ~view.zero[every]))


def wanted(st: Any, which: NDArray[np.bool_]) -> Ints:
    """Contents noted of the slots of the device, 0 for others than `which`."""
    return np.where(which, st.token[: len(which)].astype(np.int64), 0)


def bits(st: Any) -> list[int]:
    """Numbers of the blocks whose bit is set."""
    return np.flatnonzero(reading.bits(st.bdmap, len(st.bdmap) * 64)).tolist()


def observed(st: Any) -> dict[str, Any]:
    """Elements and blocks as the twin has them."""
    handle, size, back, flags = elements(st)
    there = np.flatnonzero((size != 0) | back).tolist()
    found = {g: (int(size[g]), int(handle[g]) if back[g] else None, bool(flags[g] & int(driver.PP_SLOT))) for g in there}
    content = {block: int(st.backing[block]) if ctl(st, control.C_TOKENS) else 0 for block in bits(st)}
    return {"elements": found, "blocks": content}
