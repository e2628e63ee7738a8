"""Common parts of the benchmarks: registered designs, sizes, worlds full of swapped pages, blocks of demands, a watch on the compiler."""

from __future__ import annotations

import functools
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numba.core import event
from numpy.typing import NDArray

from dse import naming
from kernels import demand as d
from kernels.life.registry import Config
from kernels.observing import probe

Block = NDArray[np.uint64]

SMALL, MIDDLE, LARGE = 1 << 16, 1 << 20, 1 << 24
SIZES = [SMALL, MIDDLE, LARGE]
BATCH = 1 << 17
"""Pages that are handled in one timed body: some milliseconds in the fastest design."""
CHUNK = 1 << 18
SHARES = (("zero", 0.1), ("ssd", 0.3), ("zswap", 0.6))
"""Shares of the backends: the mix of the built-in scenarios (dse/scenario/files/churn.toml)."""
ODD = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying is a bijection of the numbers below a power of two


def designs() -> list[str]:
    """Every registered design, or those named in ``SWAPDSE_BENCH_DESIGNS``, in its order.

    asv numbers the parameters of a benchmark, and each commit looks the number up in its own list. The gate therefore names the designs
    of one commit for all (dse/benching/launch.py); a commit that lacks one skips it (:func:`known`).
    """
    wanted = os.environ.get("SWAPDSE_BENCH_DESIGNS", "")
    return wanted.split(",") if wanted else list(naming.registry())


def known(design: str) -> str:
    """`design`, if the commit that runs has it.

    Raises
    ------
    NotImplementedError
        It has not: asv skips the benchmark.
    """
    if design not in naming.registry():
        raise NotImplementedError(design)
    return design


def present(designs_: list[str]) -> list[str]:
    """Those of the designs that the commit that runs has."""
    return [name for name in designs_ if name in naming.registry()]


def version(*files: str) -> str:
    """Version of the benchmarks of `files`: it changes with their source and with this file's, so that no stale result is compared."""
    digest = hashlib.sha256()
    for name in (*files, __file__):
        digest.update(Path(name).read_bytes())
    return digest.hexdigest()[:16]


def scattered(n: int, first: int = 0, count: int | None = None) -> NDArray[np.uint64]:
    """Numbers `first` .. of a permutation of 0 .. n - 1, n a power of two."""
    index = np.arange(first, first + (n if count is None else count), dtype=np.uint64)
    mask, half = np.uint64(n - 1), np.uint64((n.bit_length()) // 2)
    mixed = index * ODD & mask
    mixed ^= mixed >> half
    return mixed * ODD & mask


def demands(kind: int, pages: NDArray[np.uint64], *, backend: Any = 0, count: int = 0, payload: Any = 0, flags: Any = 0) -> Block:
    """One demand of `kind` for each of `pages`: ``uint64[n, 2]``."""
    out = np.empty((len(pages), 2), np.uint64)
    out[:, 0] = np.uint64(kind) | np.asarray(backend, np.uint64) << np.uint64(16) | pages << np.uint64(32)
    arg = np.asarray(payload, np.uint64) | np.asarray(flags, np.uint64) << np.uint64(24)
    out[:, 1] = np.uint64(count) | arg << np.uint64(32)
    return out


def draws(pages: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Number from 0 to 1 that belongs to each page."""
    mixed = (pages + np.uint64(1)) * ODD
    mixed ^= mixed >> np.uint64(29)
    return (mixed * ODD >> np.uint64(40)).astype(np.float64) / float(1 << 24)


def faults(pages: NDArray[np.uint64], *, write: bool = False) -> Block:
    """Accesses that fault the pages in."""
    return demands(d.FAULT, pages, flags=d.WRITE if write else 0)


def reclaims(pages: NDArray[np.uint64], *, dirty: bool = True, only: int | None = None) -> Block:
    """Swap the pages out, each to its own backend (or all to backend `only`), with its own compressed size [B]."""
    share = draws(pages)
    zero, ssd = SHARES[0][1], SHARES[0][1] + SHARES[1][1]
    backend = np.where(share < ssd, d.SSD, d.ZSWAP) if only is None else np.full(len(pages), only)
    flags = np.where((share < zero) & (only is None), d.ZERO, 0) | (d.DIRTY if dirty else 0)
    size = 600 + (share * 2000).astype(np.uint64)
    return demands(d.RECLAIM, pages, backend=backend, payload=size, flags=flags)


def on_backend(pages: NDArray[np.uint64], name: str) -> NDArray[np.uint64]:
    """Those of `pages` that :func:`reclaims` sends to a backend."""
    share = draws(pages)
    zero, ssd = SHARES[0][1], SHARES[0][1] + SHARES[1][1]
    return pages[(share >= zero) & (share < ssd)] if name == "ssd" else pages[share >= ssd]


class World:
    """Live state of a design, all of whose pages are swapped out.

    Parameters
    ----------
    design : str
        A registered design.
    pages : int
        Pages of the parent's address space, a power of two; a child's space of the same size lies behind it if `forks`.
    kind : str
        Probe that replays.
    forks, tokens : bool
        Keep what FORK needs; check content tokens.
    """

    def __init__(self, design: str, pages: int, kind: str, *, forks: bool = False, tokens: bool = False) -> None:
        self.named, self.pages = naming.parse(known(design)), pages
        spaces = 2 if forks else 1
        self.config = Config(
            pages=pages * spaces,
            slots={"zswap": pages, "ssd": pages + pages // 4, "hdd": pages, "zram": 512},
            space_shift=pages.bit_length() - 1,
            memcg=np.ones(spaces, np.uint16),
            folios=min(pages * spaces, 4 * CHUNK),
            tokens=tokens,
            forks=forks,
            parameters=self.named.control,
        )
        self.state: Any = self.named.design.build(self.config)
        self.probe: Any = probe.make(kind)
        self.replies = np.zeros(4 * CHUNK, np.uint8)
        for pages_ in self.chunks():
            self.replay(faults(pages_, write=True))
            self.replay(reclaims(pages_))

    def chunks(self) -> Iterator[NDArray[np.uint64]]:
        """All pages of the parent, in scattered order."""
        for first in range(0, self.pages, CHUNK):
            yield scattered(self.pages, first, min(CHUNK, self.pages))

    def replay(self, block: Block) -> NDArray[np.uint8]:
        """Replay a block; return the replies."""
        replies = self.replies[: len(block)]
        self.named.design.replay(self.state, self.probe, block, replies)
        return replies

    def expect(self, block: Block, *codes: int, share: float = 0.99) -> None:
        """Replay a block that must mostly be answered by `codes`: a benchmark of refusals measures nothing.

        Raises
        ------
        RuntimeError
            When fewer than `share` of the replies are among them.
        """
        got = np.isin(self.replay(block), codes)
        if got.mean() < share:
            raise RuntimeError(f"{self.named.text}: {got.mean():.1%} of the demands did what is to be measured, not {share:.0%}")


@functools.lru_cache(maxsize=1)
def world(design: str, pages: int, kind: str = "off", forks: bool = False) -> World:
    """World of a process: made once, although asv calls ``setup`` before every timed call."""
    return World(design, pages, kind, forks=forks)


class _Watch(event.Listener):  # type: ignore[misc]
    """Count of numba's compilations in this process."""

    def __init__(self) -> None:
        self.compiled = 0

    def on_start(self, event: Any) -> None:
        self.compiled += 1

    def on_end(self, event: Any) -> None:
        return


WATCH = _Watch()
event.register("numba:compile", WATCH)
_WARMED: set[tuple[type, tuple[object, ...]]] = set()


class Warm:
    """Base of timed benchmarks: a compilation while a body is timed is an error of the benchmark.

    ``setup`` of a subclass prepares, runs the body once where that is needed, and calls :meth:`ready` last.
    """

    version = ""
    timer = time.process_time  # bodies have one thread and wait for nothing: the time of other programs is not theirs
    rounds = 2
    repeat = (5, 10, 2.0)
    warmup_time = 0.05
    timeout = 300

    def is_new(self, *params: object) -> bool:
        """Return True at the first setup of this benchmark in this process: its body is then run once to compile it."""
        new = (type(self), params) not in _WARMED
        _WARMED.add((type(self), params))
        return new

    def ready(self) -> None:
        """Note that nothing may be compiled from here on."""
        self.compiled = WATCH.compiled

    def teardown(self, *_: Any) -> None:
        """Check that nothing was compiled.

        Raises
        ------
        RuntimeError
            A kernel was compiled inside a timed body.
        """
        if WATCH.compiled != getattr(self, "compiled", WATCH.compiled):
            raise RuntimeError(f"{WATCH.compiled - self.compiled} kernels were compiled while the body was timed")
