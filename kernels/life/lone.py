"""A swap device on its own: which slots folios of 2^order pages get, whether they stay whole, and nothing else.

The device has a byte a slot, the lists of :mod:`kernels.structures.orders`, and pages that know their slots. Swap cache, counts, charging
and data are left out: rows say which folio leaves memory and which pages give up their slots, as a swap-in or a zap makes them.

A row is two words: ``kind | order << 8 | cpu << 24 | page << 32``, and a count. Replies are one byte a row.

====== ============================================================= ======================================================
kind   what                                                          reply
====== ============================================================= ======================================================
OUT    the folio of 2^order pages from `page` on leaves memory       WHOLE; SPLIT: each of its pages went alone; NO_ROOM: some
                                                                     or all of its pages stay; STAYS: its first page is out
                                                                     already
GONE   `count` pages from `page` on give up their slots, as far as   FREED
       they have one
====== ============================================================= ======================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels import control
from kernels.codes import ZRAM
from kernels.compiling.constants import BYTE, LOW32, U0, U1, U8, U24, U32
from kernels.compiling.flat import Flat, U8Array, U32Array, U64Array, aligned_zeros
from kernels.compiling.jit import inner, outer, u
from kernels.life.arrays import devices
from kernels.life.config import Config
from kernels.structures import cluster as cl
from kernels.structures import orders, slots, swap_map

OUT, GONE = U0, U1
WHOLE, SPLIT, NO_ROOM, STAYS, FREED = (u(i) for i in range(5))
POLICIES = {"empty-only": 0, "nonfull": 1, "fragmented": 2}
"""Values of C_ORDER_POLICY by name (:mod:`kernels.structures.orders`)."""


class Lone(Flat):
    """State: control words, device, cluster headers, current clusters, a byte a slot, the slot + 1 of each page."""

    ctl: U64Array
    dev: U64Array
    cluster: U32Array
    orders: U8Array
    percpu: U32Array
    smap: U8Array
    where: U32Array


GIVEN = {"slot_scan": swap_map.slot_scan, "slot_mark": swap_map.slot_mark, **orders.STEPS}
for _name in slots.NAMES:
    _step = GIVEN.get(_name, getattr(slots, _name).default)
    if _step is not None:
        getattr(slots, _name).register(Lone, _step)


def build(config: Config, policy: str, *, late: bool = False) -> Lone:
    """State of a device whose first slot is the swap header.

    Parameters
    ----------
    config : Config
        ``slots["zram"]``, pages, CPUs, slots of a cluster.
    policy : str
        One of :data:`POLICIES`.
    late : bool
        The rules from 6.18 on, not those of 6.12.
    """
    ctl = aligned_zeros(control.CTL_WORDS, np.uint64)
    ctl[int(control.C_CLUSTER_SHIFT)], ctl[int(control.C_CPUS)] = config.cluster_shift, config.cpus
    ctl[int(control.C_ORDER_POLICY)], ctl[int(control.C_CLUSTER_ORDER)] = POLICIES[policy], late
    table, headers, end = devices(config, ("zram",))
    state = Lone(
        ctl=ctl, dev=table, cluster=headers, orders=aligned_zeros(len(headers) // int(cl.CI_WORDS), np.uint8),
        percpu=aligned_zeros(orders.cpu_words(config.cpus), np.uint32),
        smap=aligned_zeros(end + 8, np.uint8), where=aligned_zeros(config.pages, np.uint32),
    )  # fmt: skip
    _take_header(state)
    ctl[int(control.S_NR_SWAP_PAGES)] = config.slots["zram"] - 1
    return state


def _take_header(state: Lone) -> None:
    """Mark the first slot as bad; its cluster begins as a partly used one of order 0 (``setup_clusters``)."""
    at = int(ZRAM) * int(cl.DEV_WORDS) + int(cl.D_LISTS)
    nonfull = at + 2 * (int(cl.NONFULL_LIST) - 1)
    state.smap[0] = swap_map.MAX_COUNT + U1  # SWAP_MAP_BAD is 0x3f
    rows = state.cluster.reshape(-1, int(cl.CI_WORDS))
    after = int(rows[0, int(cl.CI_NEXT)])
    rows[0, int(cl.CI_COUNT)], rows[0, int(cl.CI_LIST)], rows[0, int(cl.CI_NEXT)] = 1, int(cl.NONFULL_LIST), 0
    state.dev[at], state.dev[nonfull], state.dev[nonfull + 1] = after, 1, 1
    if after:
        rows[after - 1, int(cl.CI_PREV)] = 0
    else:
        state.dev[at + 1] = 0


@inner
def settle(st, page, n, found):  # type: ignore[no-untyped-def]
    """Note the slots of `n` pages, the first of which is `found` - 1."""
    for i in range(n):
        st.where[page + u(i)] = found + u(i)


@inner
def out(st, pr, cpu, page, order):  # type: ignore[no-untyped-def]
    """Take a folio out of memory, whole or page by page; return the reply."""
    if st.where[page] != 0:
        return STAYS
    found = orders.run_alloc(st, pr, ZRAM, cpu, order)
    if found != U0:
        settle(st, page, U1 << order, found)
        return WHOLE
    reply = NO_ROOM if order == U0 else SPLIT
    for i in range(U0 if order == U0 else U1 << order):
        found = orders.run_alloc(st, pr, ZRAM, cpu, U0)
        if found == U0:
            reply = NO_ROOM
        else:
            settle(st, page + u(i), U1, found)
    return reply


@inner
def gone(st, pr, page, n):  # type: ignore[no-untyped-def]
    """Free the slots of `n` pages."""
    for i in range(n):
        g = u(st.where[page + u(i)])
        if g != U0:
            ci = cl.lock_cluster(st, pr, g - U1)
            cl.slot_release(st, pr, ZRAM, g - U1)
            cl.unlock_cluster(st, pr, ci)
            st.where[page + u(i)] = 0


@outer
def run(st, pr, rows, replies):  # type: ignore[no-untyped-def]
    """Replay `rows` (uint64[n, 2]); one reply each (uint8[n])."""
    for i in range(len(rows)):
        word, count = rows[i, 0], rows[i, 1]
        if word & BYTE == OUT:
            replies[i] = out(st, pr, (word >> U24) & BYTE, word >> U32, (word >> U8) & BYTE)
        else:
            gone(st, pr, word >> U32, count & LOW32)
            replies[i] = FREED


def row(kind: int, page: int, *, order: int = 0, cpu: int = 0, count: int = 0) -> tuple[int, int]:
    """One row."""
    return int(kind) | order << 8 | cpu << 24 | page << 32, count


def replay(state: Lone, rows: NDArray[np.uint64], probe: object) -> NDArray[np.uint8]:
    """Run `rows` and return the replies."""
    replies = np.zeros(len(rows), np.uint8)
    run(state, probe, rows, replies)
    return replies
