"""Streams of folios that leave memory, for a device on its own (:mod:`kernels.life.lone`): a kernel's selftest, and a build of the kernel.

The selftest is tools/mm/thp_swap_allocator_test.c. It calls ``rand()`` of glibc and never seeds it, so that the run of its author is known
to the last page: it prints how many folios of 64 KiB it sent out in each round, and the stream here has as many. Pages come back one by one
and give up their slots at once, as they do from zram in a kernel without large folios in swap-in.

The build of a kernel is a stream of ours. Of the published run only the mix of sizes is known.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.life import lone

Rows = NDArray[np.uint64]
ORDERS = range(2, 10)
NAMES = ("two", "three", "four", "five", "six", "seven", "eight", "nine")
"""Orders in words: 16 KiB to 2 MiB."""
ATTEMPTS = (381465, 350831, 359545, 277889, 38196, 11634, 5183, 3365)
"""Folios of each size that the published build sent out or split (20240730-swap-allocator-v5-0-cb9c148b9297@kernel.org, nonfull lists)."""
RUN, RANGES, SMALL = 16, 960, 1024  # MTHP_FOLIO_SIZE, MEMSIZE_MTHP of 60 MiB, MEMSIZE_SMALLFOLIO of 4 MiB
PAGES = RUN * RANGES
AGAIN = 256  # folios, TOTAL_DONTNEED_MTHP of 16 MiB; small pages, TOTAL_DONTNEED_SMALLFOLIO of 1 MiB


def glibc_rand(seed: int = 1) -> Iterator[int]:
    """Numbers of ``rand()`` of glibc: additive feedback over the last 31 and the last 3 words (random_r, TYPE_3).

    Examples
    --------
    >>> numbers = glibc_rand()
    >>> next(numbers), next(numbers)
    (1804289383, 846930886)
    """
    words = [seed]
    for _ in range(30):
        words.append(16807 * words[-1] % 2147483647)
    words = words[3:31] + words[:3]
    for drawn in itertools.count():
        words.append((words[-31] + words[-3]) & 0xFFFFFFFF)
        if len(words) > 1 << 12:
            words = words[-31:]
        if drawn >= 310:
            yield words[-1] >> 1


def rows_of(kind: np.uint64, pages: NDArray[np.int64], *, order: int | NDArray[np.int64] = 0, count: int = 0) -> Rows:
    """Rows of one kind, in the order of `pages`."""
    words = kind | np.asarray(order, np.uint64) << np.uint64(8) | pages.astype(np.uint64) << np.uint64(32)
    return np.stack([words, np.full(len(pages), count, np.uint64)], axis=1)


@dataclass
class Stream:
    """Rows, and the row behind the last one of each round.

    Attributes
    ----------
    rows : numpy.ndarray
        ``uint64[n, 2]`` (:mod:`kernels.life.lone`).
    rounds : list of int
        End of each round; the first one fills the device.
    pages : int
        Pages that rows name.
    """

    rows: Rows
    rounds: list[int]
    pages: int


@dataclass
class Selftest:
    """The selftest while it runs: ``aligned`` is its option -a, ``small`` its option -s."""

    aligned: bool
    small: bool
    parts: list[Rows] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    fresh: NDArray[np.bool_] = field(default_factory=lambda: np.ones(RANGES, np.bool_))

    def pageout(self) -> None:
        """MADV_PAGEOUT of both areas in order of addresses: a range that was allocated again is a folio, any other is pages."""
        pages = np.arange(PAGES + (SMALL if self.small else 0))
        whole = np.zeros(len(pages), np.bool_)
        whole[:PAGES] = np.repeat(self.fresh, RUN)
        chosen = pages[~whole | (pages % RUN == 0)]
        self.parts.append(rows_of(lone.OUT, chosen, order=np.where(whole[chosen], 4, 0)))
        self.fresh[:] = False
        self.ends.append(sum(map(len, self.parts)))

    def turn(self, rand: Iterator[int]) -> None:
        """Run one round: pages come back, ranges are dropped and allocated again, everything goes out."""
        picks, size = (AGAIN, RUN) if self.aligned else (AGAIN * RUN, 1)
        back = np.array([next(rand) % (PAGES // size) * size for _ in range(picks)])
        again = np.array([next(rand) % RANGES for _ in range(AGAIN)])
        self.parts += [rows_of(lone.GONE, back, count=size), rows_of(lone.GONE, again * RUN, count=RUN)]
        self.fresh[again] = True
        if self.small:
            self.parts.append(rows_of(lone.GONE, np.array([PAGES + next(rand) % SMALL for _ in range(AGAIN)]), count=1))
        self.pageout()


def selftest(*, aligned: bool, small: bool, rounds: int, seed: int = 1) -> Stream:
    """Rows of the selftest.

    Parameters
    ----------
    aligned : bool
        Option -a: pages come back in whole ranges of 64 KiB.
    small : bool
        Option -s: a second area of small pages.
    rounds : int
        Rounds after the device was filled; the program runs 100.
    seed : int
        Seed of ``rand()``: 1 is what a program has that never seeds it.
    """
    test, rand = Selftest(aligned, small), glibc_rand(seed)
    test.pageout()
    for _ in range(rounds):
        test.turn(rand)
    return Stream(np.concatenate(test.parts), test.ends, PAGES + (SMALL if small else 0))


@dataclass(frozen=True)
class Mix:
    """Settings of the build.

    Attributes
    ----------
    jobs, job_pages : int
        Processes, and pages of each; a process whose folios are all out ends, and another takes its place.
    folios : int
        Folios that leave memory in all.
    back : float
        Pages that come back after each of them, and leave again as single pages.
    cpus : int
        CPUs; any of them evicts.
    small : float
        Single pages, as a multiple of the folios of all sizes.
    sigma, phase : float, int
        The mix shifts every `phase` folios by log-normal factors.
    """

    jobs: int = 70
    job_pages: int = 1024
    folios: int = 60_000
    back: float = 1.0
    cpus: int = 4
    small: float = 1.0
    sigma: float = 1.0
    phase: int = 2500


class Build:
    """The build while it runs: folios of all jobs that are still in memory, and pages that are out."""

    def __init__(self, mix: Mix, seed: int) -> None:
        self.mix, self.rng = mix, np.random.default_rng(seed)
        self.orders = np.array([0, *ORDERS])
        counts = np.array([mix.small * sum(ATTEMPTS), *ATTEMPTS])
        self.usual = self.weights = counts / counts.sum()
        self.rows: list[tuple[int, int]] = []
        self.out = bytearray(mix.jobs * mix.job_pages)
        self.waiting = [self.layout() for _ in range(mix.jobs)]
        for folios in self.waiting:
            del folios[int(self.rng.integers(len(folios) + 1)) :]

    def layout(self) -> list[tuple[int, int]]:
        """First page and order of each folio of a job, in the order in which they leave memory; the largest are laid out first."""
        picks = self.rng.choice(self.orders, size=self.mix.job_pages, p=self.weights)
        fitting = int(np.searchsorted(np.cumsum(1 << picks), self.mix.job_pages, side="right"))
        order = np.sort(picks[:fitting])[::-1]
        first = np.cumsum(1 << order) - (1 << order)
        shuffled = self.rng.permutation(fitting)
        return list(zip(first[shuffled].tolist(), order[shuffled].tolist(), strict=True))

    def shift(self) -> None:
        """Another mix from now on."""
        weights = self.usual * np.exp(self.rng.normal(0.0, self.mix.sigma, len(self.usual)))
        self.weights = weights / weights.sum()

    def end(self, job: int) -> None:
        """Let a job end: its pages are freed, and the next one begins."""
        size = self.mix.job_pages
        self.rows.append(lone.row(int(lone.GONE), job * size, count=size))
        self.out[job * size : (job + 1) * size] = bytes(size)
        self.waiting[job] = self.layout()

    def evict(self, job: int) -> None:
        """Send the next folio of `job` out; some pages come back, and leave again as single pages."""
        cpu = int(self.rng.integers(self.mix.cpus))
        first, order = self.waiting[job].pop()
        page = job * self.mix.job_pages + first
        self.rows.append(lone.row(int(lone.OUT), page, order=order, cpu=cpu))
        self.out[page : page + (1 << order)] = b"\1" * (1 << order)
        for back in self.rng.integers(len(self.out), size=int(self.rng.poisson(self.mix.back))).tolist():
            if self.out[back]:
                self.rows += [lone.row(int(lone.GONE), back, count=1), lone.row(int(lone.OUT), back, cpu=cpu)]


def build(mix: Mix, seed: int) -> Stream:
    """Rows of a build of the kernel; its one round begins when a third of the folios are out."""
    made, sent, begun = Build(mix, seed), 0, 0
    while sent < mix.folios:
        if sent % mix.phase == 0:
            made.shift()
        if sent == mix.folios // 3:
            begun = len(made.rows)
        job = int(made.rng.integers(mix.jobs))
        if made.waiting[job]:
            made.evict(job)
            sent += 1
        else:
            made.end(job)
    return Stream(np.array(made.rows, np.uint64), [begun, len(made.rows)], len(made.out))
