"""Situations: what two or three CPUs do at once with one to three pages."""

from __future__ import annotations

from dataclasses import replace

from dse.testing import streams
from dse.testing.schedules import trying
from dse.testing.schedules.trying import Demand, Situation
from kernels import demand as d


def fault(page: int = 0, *, write: bool = False) -> Demand:
    return d.pack(d.FAULT, page, flags=d.WRITE if write else 0)


def out(page: int = 0, backend: int = d.SSD, *, dirty: bool = False) -> Demand:
    return d.pack(d.RECLAIM, page, backend=backend, payload=99, flags=d.DIRTY if dirty else 0)


def unmap(page: int = 0) -> Demand:
    return d.pack(d.UNMAP, page, count=1)


def fork(page: int = 0) -> Demand:
    return d.pack(d.FORK, page, count=1, payload=1)


def cow(page: int = 0) -> Demand:
    return d.pack(d.COW, page)


def move(source: int, target: int, page: int = 0) -> Demand:
    return d.pack(d.MOVE, page, backend=source, payload=target)


def off(device: int, target: int = d.MEMORY) -> Demand:
    return d.pack(d.SWAPOFF, 0, backend=device, payload=target)


ONE = fault(), out()
"""A page on the SSD."""
ZIPPED = fault(), out(backend=d.ZSWAP)
SYNC = fault(), out(backend=d.ZRAM)
TWO = fault(), fault(1), out(), out(1)
HELD = fault(), fork()
"""A page in memory that two spaces map: 0 and 4."""
CHILD = 4


SCARCE = replace(trying.WORLD, name="one slot", slots={**trying.WORLD.slots, "ssd": 1, "zram": 1})
"""A device of one slot: what is freed is soon in use again."""


def _named(name: str, before: tuple[Demand, ...], *at_once: tuple[Demand, ...], world: streams.World = trying.WORLD) -> Situation:
    return Situation(name, before, at_once, world)


FAULTS = (
    _named("fault-fault", ONE, (fault(),), (fault(),)),
    _named("fault-unmap", ONE, (fault(),), (unmap(),)),
    _named("fault-write-out", ONE, (fault(),), (fault(write=True), out())),
    _named("fault-out", ONE, (fault(),), (fault(), out())),
    _named("fault-unmap-new", ONE, (fault(),), (unmap(), fault(), out())),
    _named("fault-unmap-reuse", ONE, (fault(),), (unmap(), fault(), out()), world=SCARCE),
    _named("out-unmap", (fault(),), (out(),), (unmap(),)),
    _named("out-out", (fault(),), (out(),), (out(),)),
    _named("out-fault", (fault(),), (out(),), (fault(),)),
    _named("zipped-fault-fault", ZIPPED, (fault(),), (fault(),)),
    _named("zipped-fault-unmap", ZIPPED, (fault(),), (unmap(),)),
    _named("zipped-out-again", (fault(),), (out(backend=d.ZSWAP),), (fault(), out(backend=d.ZSWAP, dirty=True))),
    _named("zipped-out-unmap", (fault(),), (out(backend=d.ZSWAP),), (unmap(),)),
    _named("sync-write-out", SYNC, (fault(),), (fault(write=True), out(backend=d.ZRAM)), world=SCARCE),
    _named("sync-fault-unmap", SYNC, (fault(),), (unmap(),)),
    _named("two-out", (fault(), fault(1)), (out(),), (out(1),)),
    _named("two-zipped", (fault(), fault(1)), (out(backend=d.ZSWAP),), (out(1, d.ZSWAP),)),
    _named("two-faults", TWO, (fault(),), (fault(1),)),
    _named("two-unmaps", TWO, (unmap(),), (unmap(1),)),
    _named("unmap-out", TWO, (unmap(),), (fault(2), out(2))),
    _named("run-fault", TWO, (d.pack(d.UNMAP, 0, count=2),), (fault(1),)),
)
FORKED = (
    _named("fork-fault", ONE, (fork(),), (fault(),)),
    _named("fork-out", (fault(),), (fork(),), (out(),)),
    _named("shared-faults", (*ONE, fork()), (fault(),), (fault(CHILD),)),
    _named("shared-fault-unmap", (*ONE, fork()), (fault(),), (unmap(CHILD),)),
    _named("shared-unmaps", (*ONE, fork()), (unmap(),), (unmap(CHILD),)),
    _named("shared-out-unmap", (*ONE, fork(), fault()), (out(),), (unmap(CHILD),)),
    _named("shared-out-fault", (*ONE, fork(), fault()), (out(),), (fault(CHILD),)),
    _named("held-cow-out", HELD, (cow(),), (out(),)),
    _named("held-unmap-out", HELD, (unmap(CHILD),), (out(),)),
    _named("held-cows", HELD, (cow(),), (cow(CHILD),)),
)
THREE = (
    _named("three-faults", (*ONE, fork()), (fault(),), (fault(),), (fault(CHILD),)),
    _named("three-mixed", (*ONE, fork()), (fault(),), (unmap(CHILD),), (fault(write=True), out())),
    _named("three-pages", (fault(), fault(1), fault(2)), (out(),), (out(1),), (out(2),)),
)
MOVES = (
    _named("move-fault", ONE, (move(d.SSD, d.HDD),), (fault(),)),
    _named("move-reuse", (fault(), fault(1), out()), (move(d.SSD, d.HDD), out(1)), (fault(),), world=SCARCE),
    _named("move-unmap", ONE, (move(d.SSD, d.HDD),), (unmap(),)),
    _named("move-move", ONE, (move(d.SSD, d.HDD),), (move(d.SSD, d.ZRAM),)),
    _named("writeback-fault", ZIPPED, (move(d.ZSWAP, d.SSD),), (fault(),)),
    _named("writeback-unmap", ZIPPED, (move(d.ZSWAP, d.SSD),), (unmap(),)),
)
SWAPOFFS = (
    _named("swapoff-fault", ONE, (off(d.SSD),), (fault(),)),
    _named("swapoff-unmap", ONE, (off(d.SSD),), (unmap(),)),
    _named("swapoff-out", (fault(), fault(1), out(1)), (off(d.SSD),), (out(),)),
)
MANY = 62
SHARED = streams.World("many sharers", spaces=MANY + 3, space_shift=1, slots=trying.WORLD.slots, cluster_shift=2, continuation_pages=2)
COUNTS = (
    Situation(
        "many-forks",
        (*ONE, *(d.pack(d.FORK, 0, count=1, payload=space) for space in range(1, MANY))),
        ((d.pack(d.FORK, 0, count=1, payload=MANY),), (d.pack(d.FORK, 2, count=1, payload=MANY + 1),)),
        SHARED,
    ),
)
"""The count of a slot passes what its byte holds while another CPU counts it too."""
ALL = (*FAULTS, *FORKED, *COUNTS, *MOVES, *SWAPOFFS, *THREE)

WALKED = ("oracle", "swap_desc", "vswap_all", "vswap_rfc1", "vswap_rfc2", "vswap_v3", "vswap_v6")
"""Designs whose swapoff visits slots or descriptors and is one merged step in the model: it holds no reference to what it looks at."""


def of(design: str) -> tuple[Situation, ...]:
    """Situations of a design."""
    return (*FAULTS, *FORKED, *COUNTS, *MOVES, *(() if design in WALKED else SWAPOFFS), *THREE)
