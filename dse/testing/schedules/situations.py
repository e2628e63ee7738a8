"""Situations: what two or three CPUs do at once with one to three pages."""

from __future__ import annotations

from dse.testing.schedules.trying import Demand, Situation
from kernels import demand as d


def fault(page: int = 0, *, write: bool = False) -> Demand:
    return d.pack(d.FAULT, page, flags=d.WRITE if write else 0)


def out(page: int = 0, backend: int = d.SSD) -> Demand:
    return d.pack(d.RECLAIM, page, backend=backend, payload=99)


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


def _named(name: str, before: tuple[Demand, ...], *at_once: tuple[Demand, ...]) -> Situation:
    return Situation(name, before, at_once)


FAULTS = (
    _named("fault-fault", ONE, (fault(),), (fault(),)),
    _named("fault-unmap", ONE, (fault(),), (unmap(),)),
    _named("fault-write-out", ONE, (fault(),), (fault(write=True), out())),
    _named("fault-out", ONE, (fault(),), (fault(), out())),
    _named("fault-unmap-new", ONE, (fault(),), (unmap(), fault(), out())),
    _named("out-unmap", (fault(),), (out(),), (unmap(),)),
    _named("out-out", (fault(),), (out(),), (out(),)),
    _named("out-fault", (fault(),), (out(),), (fault(),)),
    _named("zipped-fault-fault", ZIPPED, (fault(),), (fault(),)),
    _named("zipped-fault-unmap", ZIPPED, (fault(),), (unmap(),)),
    _named("zipped-out-unmap", (fault(),), (out(backend=d.ZSWAP),), (unmap(),)),
    _named("sync-write-out", SYNC, (fault(),), (fault(write=True), out(backend=d.ZRAM))),
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
ALL = (*FAULTS, *FORKED, *MOVES, *SWAPOFFS, *THREE)

OWN_MOVES = ("oracle", "swap_desc")
"""Designs whose moves merge steps that a lock of theirs would keep apart: their own pages describe no lock for them."""
OWN_SWAPOFFS = (
    "oracle", "redirect", "swap_desc", "swap_id_special", "vswap_all", "vswap_rfc1", "vswap_rfc2", "vswap_ste", "vswap_v3", "vswap_v6",
    "xswap",
)  # fmt: skip
"""Designs whose swapoff is not that of :mod:`kernels.life.moves`: it is one merged step."""


def of(design: str) -> tuple[Situation, ...]:
    """Situations of a design."""
    moves = () if design in OWN_MOVES else MOVES
    return (*FAULTS, *FORKED, *moves, *(() if design in OWN_SWAPOFFS else SWAPOFFS), *THREE)
