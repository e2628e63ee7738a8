"""Worlds to test in, and random demands for them: vectorised, all phases interleaved, most demands to some effect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels import demand as d
from kernels.life.registry import Config

Block = NDArray[np.uint64]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class World:
    """A size, and how often each demand comes.

    Attributes
    ----------
    spaces, space_shift
        Address spaces and bits of a page number in each.
    slots
        Slots of each backend, as in :class:`kernels.life.registry.Config`.
    weights
        How many reclaims, moves, faults, forks, unmaps, copies, swapoffs, readaheads come with each touch of a page.
    phased
        Share of faults, reclaims and moves that come as BEGIN (STEP) END with other demands in between.
    homing
        Share of moves whose target is the device behind zswap, whatever is drawn: of a page in zswap that is its own device.
    folios
        Share of reclaims that are of a large folio. Its pages were mapped anew just before.
    """

    name: str
    spaces: int = 4
    space_shift: int = 4
    slots: dict[str, int] = field(default_factory=lambda: {"zswap": 16, "ssd": 24, "hdd": 16, "zram": 16})
    weights: dict[str, float] = field(default_factory=dict)
    phased: float = 0.4
    cluster_shift: int = 3
    continuation_pages: int = 4
    zdisk: str = "ssd"
    run: int = 6
    zero: float = 0.1
    fail: float = 0.05
    backends: tuple[float, ...] = (0.4, 0.3, 0.15, 0.15)
    homing: float = 0.0
    folios: float = 0.0
    swap_max: int = 0
    cgroup_depth: int = 2

    @property
    def pages(self) -> int:
        return self.spaces << self.space_shift

    def config(self, **parameters: int) -> Config:
        return Config(
            pages=self.pages,
            slots=self.slots,
            space_shift=self.space_shift,
            memcg=np.arange(self.spaces, dtype=np.uint16) % 2 + 1,
            cluster_shift=self.cluster_shift,
            continuation_pages=self.continuation_pages,
            zdisk=self.zdisk,
            cgroup_depth=self.cgroup_depth,
            swap_max=self.swap_max,
            cpus=2,
            parameters=parameters,
        )


USUAL = {"reclaim": 1.0, "move": 0.4, "fork": 0.15, "unmap": 0.12, "cow": 0.12, "fault": 0.8}
AHEAD = {**USUAL, "readahead": 0.4}
TINY = World("tiny", weights=USUAL)
WORLDS = (
    TINY,
    World("tight", slots={"zswap": 8, "ssd": 16, "hdd": 8, "zram": 8}, weights=USUAL),
    World("roomy", slots={"zswap": 64, "ssd": 128, "hdd": 128, "zram": 128}, weights=USUAL),
    World("odd", slots={"zswap": 9, "ssd": 21, "hdd": 13, "zram": 11}, weights=AHEAD, cluster_shift=3),
    World(
        "moving",
        slots={"zswap": 32, "ssd": 48, "hdd": 48, "zram": 48},
        weights={**USUAL, "move": 1.0, "unmap": 0.4},
        phased=0.8,
        cluster_shift=4,
        homing=0.4,
    ),
    World("forked", 256, 2, {"zswap": 48, "ssd": 80, "hdd": 48, "zram": 48}, {**USUAL, "fork": 6.0, "unmap": 0.1}, 0.3, 4, 2, run=3),
    World("limited", slots={"zswap": 32, "ssd": 64, "hdd": 64, "zram": 64}, weights=USUAL, swap_max=6, cgroup_depth=3),
    World("swapoff", weights={**USUAL, "swapoff": 0.01}, slots={"zswap": 24, "ssd": 40, "hdd": 40, "zram": 40}),
    World("folios", 2, 5, dict.fromkeys(("zswap", "ssd", "hdd", "zram"), 64), USUAL, 0.3, cluster_shift=4, folios=0.3),
    World("few runs", 4, 4, dict.fromkeys(("zswap", "ssd", "hdd", "zram"), 24), USUAL, 0.3, folios=0.4, swap_max=24, cgroup_depth=3),
    World("zram behind", zdisk="zram", weights={**AHEAD, "move": 0.6}, slots={"zswap": 16, "ssd": 24, "hdd": 16, "zram": 32}),
)


class Part(NamedTuple):
    """One demand of each of some scripts: when, of which scripts, kind, backend, count, payload, flags."""

    when: Floats
    which: NDArray[np.int64]
    kind: NDArray[np.int64]
    backend: NDArray[np.int64]
    many: NDArray[np.int64]
    payload: NDArray[np.int64]
    flags: NDArray[np.int64]


def random_demands(world: World, n: int, seed: int) -> Block:
    """About `n` random demands for `world`: ``uint64[m, 2]``, the same for the same arguments.

    They are scripts for a page each: touch, reclaim, move, touch again, now and then fork, unmap, copy, swapoff. Scripts take a random
    while, so that those of pages that are picked again and again get in each other's way, and so do the parts of a phased demand.
    """
    rng = np.random.default_rng([seed, n])
    w = {**dict.fromkeys(("reclaim", "move", "fork", "unmap", "cow", "fault", "swapoff", "readahead"), 0.0), **world.weights}
    scripts = max(1, round(n / (1 + world.phased + sum((1 + (k in PHASED) * world.phased * 1.2) * v for k, v in w.items()))))
    page = _pages(world, rng, scripts)
    start = np.arange(scripts) * (n / scripts)
    reach = rng.geometric(1 / 16, scripts) * (n / scripts)
    home = rng.choice(4, scripts, p=world.backends)
    target = np.where(rng.random(scripts) < world.homing, d.BACKENDS.index(world.zdisk), rng.integers(1, 4, scripts))
    run = np.minimum(rng.integers(1, world.run + 1, scripts), (1 << world.space_shift) - (page & (1 << world.space_shift) - 1))

    def part(kind: int, chance: float, low: float, high: float, backend: Any = 0, count: Any = 0, payload: Any = 0, flags: Any = 0) -> None:
        times = rng.poisson(chance, scripts) if chance > 1 else rng.random(scripts) < chance
        which = np.repeat(np.arange(scripts), times)
        when = start[which] + (low + (high - low) * rng.random(len(which))) * reach[which]
        columns = [np.broadcast_to(np.asarray(x), scripts)[which] for x in (backend, count, payload, flags)]
        parts.append(Part(when, which, np.full(len(which), kind), *columns))
        if kind in PHASED:
            parts.extend(_phases(world, rng, parts.pop(), reach))

    parts: list[Part] = []
    writes = rng.choice([0, d.WRITE], scripts, p=[0.8, 0.2])
    swaps = rng.choice([0, d.DIRTY, d.ZERO], scripts, p=[0.7 - world.zero, 0.3, world.zero])
    fails = np.where(rng.random(scripts) < world.fail, rng.integers(1, 3, scripts), 0)
    size = rng.integers(1, 4097, scripts)
    part(d.FAULT, 1.0, 0.0, 0.1)
    part(d.RECLAIM, w["reclaim"], 0.1, 0.4, home, fails, size, swaps)
    part(d.MOVE, w["move"], 0.3, 0.8, home, 0, target)
    part(d.MOVE, w["move"] / 4, 0.6, 1.0, target, 0, rng.integers(1, 4, scripts))
    part(d.FAULT, w["fault"], 0.4, 1.2, 0, 0, 0, writes)
    part(d.FORK, w["fork"], 0.0, 1.2, 0, run, rng.integers(0, world.spaces, scripts))
    part(d.UNMAP, w["unmap"], 0.2, 1.2, 0, run)
    part(d.COW, w["cow"], 0.0, 1.2)
    part(d.SWAPOFF, w["swapoff"], 0.0, 1.0, rng.integers(0, 4, scripts), 0, rng.choice([d.MEMORY, 1, 2, 3], scripts))
    if w["readahead"]:
        part(d.READAHEAD, w["readahead"], 0.2, 1.2)
        part(d.RECLAIM, w["readahead"] / 2, 0.3, 1.2, home, 0, size)
    merged = _merged(rng, parts, page)
    return _with_folios(world, np.random.default_rng([seed, n, 1]), merged) if world.folios else merged


def _with_folios(world: World, rng: np.random.Generator, demands: Block) -> Block:
    """Make a share of the reclaims those of a large folio, its pages unmapped and touched before."""
    chosen = ((demands[:, 0] & np.uint64(255)) == d.RECLAIM) & (rng.random(len(demands)) < world.folios)
    out: list[NDArray[np.uint64]] = []
    before = 0
    for at in np.flatnonzero(chosen):
        order = int(rng.integers(1, min(4, world.space_shift) + 1))
        first = int(demands[at, 0]) >> 32 >> order << order
        touched = [d.pack(d.FAULT, first + i) for i in range(1 << order)]
        out += [demands[before:at], block(d.pack(d.UNMAP, first, count=1 << order), *touched)]
        before = int(at)
        demands[at, 0] |= np.uint64(order << 8)
    return np.concatenate([*out, demands[before:]])


PHASED = {d.FAULT: d.FAULT_END, d.RECLAIM: d.RECLAIM_END, d.MOVE: d.MOVE_END, "fault": 1, "reclaim": 1, "move": 1}


def _phases(world: World, rng: np.random.Generator, whole: Part, reach: Floats) -> list[Part]:
    """Split a share of demands into BEGIN, for moves STEP, and END."""
    split = rng.random(len(whole.when)) < world.phased
    many = whole.many.copy()
    kind = int(whole.kind[0]) if len(whole.kind) else d.FAULT
    most = {d.FAULT: 3, d.MOVE: 5}.get(kind, 0)
    if most:
        many[split] = rng.integers(0, most, int(split.sum()))
    begun = whole._replace(kind=whole.kind + split, many=many)
    later: list[Any] = [x[split] for x in whole]
    delay = rng.random(len(later[0])) * reach[later[1]] * 0.5
    zero = np.zeros(len(later[0]), np.int64)
    end = Part(later[0] + delay, later[1], zero + PHASED[kind], *later[3:])._replace(many=zero)
    out = [begun, end]
    if kind == d.MOVE:
        counts = rng.integers(0, 2, (2, len(zero)))
        out += [end._replace(when=later[0] + delay * (0.3 + 0.3 * i), kind=zero + d.MOVE_STEP, many=counts[i]) for i in range(2)]
    return out


def _pages(world: World, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Random pages; half of them from a small hot set that moves on, so that scripts meet."""
    page = rng.integers(0, world.pages, n)
    hot = rng.random(n) < 0.5
    base = np.repeat(rng.integers(0, world.pages, n // 32 + 1), 32)[:n]
    return np.where(hot, (base + page % 4) % world.pages, page)


def _merged(rng: np.random.Generator, parts: list[Part], page: NDArray[np.int64]) -> Block:
    """All parts in the order of time."""
    order = np.argsort(np.concatenate([p.when for p in parts]), kind="stable")
    which, kind, backend, count, payload, flags = (np.concatenate(x)[order].astype(np.uint64) for x in list(zip(*parts, strict=True))[1:])
    cpu = rng.integers(0, 2, len(order), dtype=np.uint64)
    out = np.empty((len(order), 2), np.uint64)
    where = page.astype(np.uint64)[which.astype(np.int64)]
    out[:, 0] = kind | backend << np.uint64(16) | cpu << np.uint64(24) | where << np.uint64(32)
    out[:, 1] = count | (payload | flags << np.uint64(24)) << np.uint64(32)
    return out


def block(*records: tuple[int, int]) -> Block:
    """Demands written by hand, from :func:`kernels.demand.pack`."""
    return np.array(records, np.uint64).reshape(-1, 2)


def text(record: NDArray[np.uint64]) -> str:
    """One demand in words, for messages; fields that are 0 are left out, the page apart.

    Examples
    --------
    >>> text(block(d.pack(d.RECLAIM, 3, backend=d.SSD, payload=99))[0])
    'reclaim(page=3, backend=1, payload=99)'
    """
    word, more = (int(x) for x in record)
    fields = {"backend": word >> 16 & 255, "cpu": word >> 24 & 255, "count": more & 0xFFFF_FFFF, "payload": more >> 32 & 0xFF_FFFF,
              "flags": more >> 56}  # fmt: skip
    given = [f"page={word >> 32}", *(f"{name}={value}" for name, value in fields.items() if value)]
    return f"{d.KINDS[word & 255]}({', '.join(given)})"
