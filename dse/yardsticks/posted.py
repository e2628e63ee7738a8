"""Yardsticks of the first posted version of virtual swap: locks of virtual slots that CPUs meet at, and lines of a swapoff. All counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.measuring.run import rows_of
from dse.modelling.filling import COMPRESSED, Filled, run
from dse.yardsticks.bench import Bench, has
from kernels import demand
from kernels.observing import probe
from kernels.own import Lock

FIRST = "vswap_rfc1"
BASE = "direct"
CPUS = 16  # of usemem -n 16: each writes its own space
SPACE = 11  # log2 of the pages of a space
BATCH = 32  # pages that a CPU reclaims in a row (SWAP_CLUSTER_MAX)
TRACED = 1 << 12
ZAPPED = 16  # PTEs of a traced unmap
BY_SLOT = ("virtual slot xa_lock", "virtual cluster count xa_lock", "swap cache xa_lock", "zswap tree xa_lock")
"""Locks of what virtual slots index: one each, or one for each partition."""
Sections = dict[int, Counter[tuple[str, int]]]
"""Sections by CPU, by the name of the lock and its place."""
Ours = dict[str, dict[str, float]]

DEVICE = (1 << 18) + (1 << 13)  # slots: trees as high as those of 32 GiB where virtual slots index them, full ones of 64 MiB in the base
MAPPED = 4  # mapped pages a slot: 128 GB on a device of 32 GB


def traced(st: Filled, pr: Any, demands: NDArray[np.uint64], names: dict[int, str]) -> list[tuple[str, int]]:
    """Replay one demand; return the locks that it takes."""
    pr.log[0] = 0
    st.replay(demands, pr)
    end = int(pr.log[0])
    heads, places = pr.log[1:end:2], pr.log[2 : end + 1 : 2]
    at = heads & np.uint64(0xFF) == probe.E_LOCK
    classes = (heads[at] >> np.uint64(8) & np.uint64(0xFFFFFF)).tolist()
    return [(names[cls], place) for cls, place in zip(classes, places[at].tolist(), strict=True)]


def met(taken: Sections) -> float:
    """Other CPUs that a section of a lock by virtual slot meets, summed over these sections.

    A CPU is met as often as that lock is among its sections: each is at one of its own at any time.

    Examples
    --------
    >>> one, two = Counter({("swap cache xa_lock", 0): 3, ("cluster", 8): 1}), Counter({("swap cache xa_lock", 0): 1, ("cluster", 16): 1})
    >>> met({0: one, 1: two})
    2.25
    """
    total = {cpu: sum(locks.values()) for cpu, locks in taken.items()}
    share: Counter[tuple[str, int]] = Counter()
    for cpu, locks in taken.items():
        for lock, n in locks.items():
            share[lock] += n / total[cpu]  # type: ignore[assignment]
    return sum(
        n * (share[lock] - n / total[cpu]) for cpu, locks in taken.items() for lock, n in locks.items() if lock[0] in BY_SLOT
    )  # fmt: skip


def meetings(design: str, backend: str) -> dict[str, float]:
    """Met CPUs a page of a swap-out and of a free, at the locks of what virtual slots index.

    Sixteen spaces are touched in turn. Each CPU reclaims 32 pages in a row, of all spaces, then each frees the pages of its own space.
    """
    pages, to = CPUS << SPACE, demand.BACKENDS.index(backend)
    st, pr = Filled(design, pages, backend, space_shift=SPACE, memcg=np.ones(CPUS, np.uint16), cpus=CPUS), probe.make("trace")
    names = st.named.design.own.names(Lock)
    turn = np.arange(pages, dtype=np.uint64)
    order = (turn % np.uint64(CPUS) << np.uint64(SPACE)) + turn // np.uint64(CPUS)
    out: Sections = {cpu: Counter() for cpu in range(CPUS)}
    back: Sections = {cpu: Counter() for cpu in range(CPUS)}
    for i, page in enumerate(order.tolist()):
        cpu = i // BATCH % CPUS
        both = np.array([demand.pack(demand.FAULT, page), demand.pack(demand.RECLAIM, page, backend=to, payload=COMPRESSED, cpu=cpu)])
        if i < pages - TRACED:
            st.replay(both.astype(np.uint64))
        else:
            st.replay(both[:1].astype(np.uint64))
            out[cpu].update(traced(st, pr, both[1:].astype(np.uint64), names))
    for first in range(0, TRACED // CPUS, ZAPPED):
        for cpu in range(CPUS):
            unmap = demand.pack(demand.UNMAP, (cpu << SPACE) + first, count=ZAPPED, cpu=cpu)
            back[cpu].update(traced(st, pr, np.array([unmap], np.uint64), names))
    return {f"swap-out to {backend}": met(out) / TRACED, f"free from {backend}": met(back) / TRACED}


def partition(_: Bench) -> Ours:
    """Y22: CPUs that a page's sections of locks by virtual slot meet, with one tree for all slots and with one for each CPU.

    Counted are sections, in a replay that has one thread. Waiting is not, nor the work that the layer adds and a partition leaves: so that
    the order is held against the published one, and the part of a loss in system time is left out.
    """
    if not has(FIRST):
        return {}
    ways = {"usemem sys global": FIRST, "usemem sys partitioned": f"{FIRST}[shards={CPUS}]"}
    return {name: {where: n for backend in ("ssd", "zswap") for where, n in meetings(text, backend).items()} for name, text in ways.items()}


def swapoff_lines(design: str, left: int) -> tuple[float, float]:
    """Lines of a swapoff with `left` pages on the device: of the design, and of common steps.

    The device was full before, so that the pages are behind trees of the height of a full one.
    """
    st, pr = Filled(design, DEVICE, "ssd", pages=MAPPED * DEVICE), probe.make("count")
    st.fill(DEVICE)
    st.replay(run(demand.UNMAP, np.arange(DEVICE - left, dtype=np.uint64), count=1))
    off = np.array([demand.pack(demand.SWAPOFF, 0, backend=demand.SSD, payload=demand.MEMORY)], np.uint64)
    if st.replay(off, pr).tolist() != [demand.SWAPPED_OFF]:
        raise RuntimeError(f"{design}: the device was not swapped off")
    row = rows_of(pr)[demand.SWAPPED_OFF]
    return float(row[probe.METRICS.index("lines")]), float(row[probe.METRICS.index("lines_common")])


def swapoff_work(design: str, rounds: int) -> float:
    """Lines of a swapoff for each page in swap, half of the slots in use: those of its page, and its part of what is scanned.

    Page tables and slots are scanned in `rounds` rounds; by the second one they have left the caches.
    """
    scan, one = swapoff_lines(design, 0), swapoff_lines(design, 1)
    return sum(one) - sum(scan) + rounds * sum(scan) / (DEVICE / 2)


def swapoff(_: Bench) -> Ours:
    """Y23: lines of a swapoff by the reverse map against one by page tables, with common steps; eight PTEs are mapped a swapped page."""
    if not has(FIRST):
        return {}
    return {"sys of a swapoff": {"lines of a swapoff, x": swapoff_work(FIRST, 2) / swapoff_work(BASE, 1)}}
