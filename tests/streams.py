"""Worlds to test in, and random demands for them: vectorised, all phases interleaved, most demands to some effect."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels import demand as d
from kernels.state import Config

Block = NDArray[np.uint64]


@dataclass(frozen=True)
class World:
    """A size, and how often each demand comes (weights).

    Attributes
    ----------
    spaces, space_shift
        Address spaces and bits of a page number in each.
    slots
        Slots of each backend, as in :class:`kernels.state.Config`.
    weights
        Weight of fault, reclaim, move, fork, unmap, cow, swapoff.
    phased
        Share of faults, reclaims and moves that come as BEGIN (STEP) END with other demands in between.
    """

    name: str
    spaces: int = 4
    space_shift: int = 4
    slots: dict[str, int] = field(default_factory=lambda: {"zswap": 12, "ssd": 24, "hdd": 16, "zram": 16})
    weights: dict[str, float] = field(default_factory=dict)
    phased: float = 0.4
    cluster_shift: int = 3
    continuation_pages: int = 4
    zdisk: str = "ssd"
    run: int = 6
    zero: float = 0.1
    fail: float = 0.05
    backends: tuple[float, ...] = (0.4, 0.3, 0.15, 0.15)

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
            cpus=2,
            parameters=parameters,
        )


USUAL = {"fault": 6.0, "reclaim": 6.0, "move": 1.0, "fork": 0.8, "unmap": 0.4, "cow": 0.6}
TINY = World("tiny", weights=USUAL)
WORLDS = (
    TINY,
    World("tight", slots={"zswap": 4, "ssd": 16, "hdd": 8, "zram": 8}, weights=USUAL),
    World("roomy", slots={"zswap": 64, "ssd": 128, "hdd": 128, "zram": 128}, weights=USUAL),
    World("odd", slots={"zswap": 9, "ssd": 21, "hdd": 13, "zram": 11}, weights=USUAL, cluster_shift=3),
    World("moving", slots={"zswap": 24, "ssd": 40, "hdd": 40, "zram": 40}, weights={**USUAL, "move": 5.0}, phased=0.7, cluster_shift=4),
    World("forked", 256, 2, {"zswap": 40, "ssd": 80, "hdd": 40, "zram": 40}, {**USUAL, "fork": 12.0, "unmap": 0.2}, 0.3, 4, 2, run=3),
    World("swapoff", weights={**USUAL, "swapoff": 0.002}, slots={"zswap": 20, "ssd": 40, "hdd": 40, "zram": 40}),
    World("zram behind", zdisk="zram", weights={**USUAL, "move": 3.0}, slots={"zswap": 12, "ssd": 24, "hdd": 16, "zram": 32}),
)
KINDS = ("fault", "reclaim", "move", "fork", "unmap", "cow", "swapoff")


def random_demands(world: World, n: int, seed: int) -> Block:
    """About `n` random demands for `world`: ``uint64[m, 2]``, the same for the same arguments.

    Parts of a phased demand are spread over the block with random distances, so that other demands of the page come in between.
    """
    rng = np.random.default_rng([seed, n])
    weight = np.array([world.weights.get(k, 0.0) for k in KINDS])
    op = rng.choice(len(KINDS), n, p=weight / weight.sum())
    page = _pages(world, rng, n)
    backend = rng.choice(4, n, p=world.backends).astype(np.uint64)
    cpu = rng.integers(0, 2, n, dtype=np.uint64)
    flags = rng.choice(np.array([0, d.DIRTY, d.ZERO, d.DIRTY | d.WRITE, d.WRITE], np.uint64), n,
                       p=[0.55, 0.2, world.zero, 0.05, 0.2 - world.zero])  # fmt: skip
    size = rng.integers(1, 4097, n, dtype=np.uint64)
    run = rng.integers(1, world.run + 1, n, dtype=np.uint64)
    room = np.uint64(1 << world.space_shift) - (page & np.uint64((1 << world.space_shift) - 1))
    run = np.minimum(run, room)
    phased = rng.random(n) < world.phased
    when = np.arange(n) + rng.random(n)

    fault, reclaim, move = op == 0, op == 1, op == 2
    count = np.zeros(n, np.uint64)
    count[fault & phased] = rng.integers(0, 2, int((fault & phased).sum()))
    failing = reclaim & (rng.random(n) < world.fail)
    count[failing] = rng.integers(1, 3, int(failing.sum()))
    count[move & phased] = rng.integers(0, 4, int((move & phased).sum()))
    spans = (op == 3) | (op == 4)
    count[spans] = run[spans]
    payload = np.zeros(n, np.uint64)
    payload[reclaim] = size[reclaim]
    payload[move] = rng.integers(1, 4, int(move.sum()))
    payload[op == 3] = rng.integers(0, world.spaces, int((op == 3).sum()))
    payload[op == 6] = d.MEMORY
    flags[~(fault | reclaim)] = 0
    device = rng.integers(1, 4, n, dtype=np.uint64)
    backend = np.where(op == 6, device, backend)
    kind = np.array([d.FAULT, d.RECLAIM, d.MOVE, d.FORK, d.UNMAP, d.COW, d.SWAPOFF], np.uint64)[op]
    kind = kind + (phased & (op < 3)).astype(np.uint64)  # MOVE_BEGIN, FAULT_BEGIN, RECLAIM_BEGIN follow their kind
    parts = [(when, kind, count, np.ones(n, bool))]
    delay = rng.geometric(1 / 12, n) + rng.random(n)
    for begun, end in ((fault, d.FAULT_END), (reclaim, d.RECLAIM_END), (move, d.MOVE_END)):
        parts.append((when + delay, np.full(n, end, np.uint64), np.zeros(n, np.uint64), begun & phased))
    stepping = move & phased & (rng.random(n) < 0.7)
    parts.append((when + delay * rng.random(n), np.full(n, d.MOVE_STEP, np.uint64), rng.integers(0, 3, n, dtype=np.uint64), stepping))
    return _merged(parts, page, backend, cpu, payload | flags << np.uint64(24))


def _pages(world: World, rng: np.random.Generator, n: int) -> Block:
    """Random pages; a fourth of them from a small hot set that moves on, so that phases meet."""
    page = rng.integers(0, world.pages, n, dtype=np.uint64)
    hot = rng.random(n) < 0.25
    base = np.repeat(rng.integers(0, world.pages, n // 64 + 1, dtype=np.uint64), 64)[:n]
    return np.where(hot, (base + page % np.uint64(3)) % np.uint64(world.pages), page)


def _merged(parts: list[tuple[NDArray[np.float64], Block, Block, NDArray[np.bool_]]], *same: Block) -> Block:
    page, backend, cpu, arg = same
    at = np.concatenate([when[use] for when, _, _, use in parts])
    kind = np.concatenate([k[use] for _, k, _, use in parts])
    count = np.concatenate([c[use] for _, _, c, use in parts])
    which = np.concatenate([np.flatnonzero(use) for *_, use in parts])
    order = np.argsort(at, kind="stable")
    which, kind, count = which[order], kind[order], count[order]
    out = np.empty((len(order), 2), np.uint64)
    out[:, 0] = kind | backend[which] << np.uint64(16) | cpu[which] << np.uint64(24) | page[which] << np.uint64(32)
    out[:, 1] = count | arg[which] << np.uint64(32)
    return out


def block(*records: tuple[int, int]) -> Block:
    """Demands written by hand, from :func:`kernels.demand.pack`."""
    return np.array(records, np.uint64).reshape(-1, 2)


def text(record: NDArray[np.uint64]) -> str:
    """One demand in words, for messages."""
    word, more = (int(x) for x in record)
    return (
        f"{d.KINDS[word & 255]}(page={word >> 32}, backend={word >> 16 & 255}, cpu={word >> 24 & 255}, count={more & 0xFFFF_FFFF}, "
        f"payload={more >> 32 & 0xFF_FFFF}, flags={more >> 56})"
    )
