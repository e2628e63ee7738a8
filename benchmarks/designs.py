"""Every registered design, operation by operation and scale by scale, warm; and its peak memory."""

from __future__ import annotations

import numpy as np

from benchmarks import fixtures
from benchmarks.fixtures import BATCH, MIDDLE, SIZES, SMALL, World, world
from dse.measuring import warming
from kernels import demand as d

version = fixtures.version(__file__)
DESIGNS = fixtures.designs()
RUN = 64
"""PTEs of a FORK or UNMAP."""


def setup_cache() -> None:
    """Compile the timed kernels, on all cores, once a commit."""
    warming.warm([(name, "off") for name in fixtures.present(DESIGNS)])


setup_cache.timeout = 600  # type: ignore[attr-defined]


class Operation(fixtures.Warm):
    """Batch of like demands in a world that is otherwise swapped out; another window of pages each time."""

    params = [DESIGNS, SIZES]
    param_names = ["design", "pages"]
    forks = False
    turn = 0

    def setup(self, design: str, pages: int) -> None:
        """Bring the window into the state that the body needs."""
        self.world = world(design, pages, "off", self.forks)
        first = Operation.turn * BATCH % pages
        Operation.turn += 1
        self.window = fixtures.scattered(pages, first, min(BATCH, pages))
        self.prepare()
        self.ready()

    def teardown(self, design: str, pages: int) -> None:
        """Bring the window back, so that worlds do not change."""
        super().teardown()
        self.restore()

    def prepare(self) -> None:
        """Run before the body, untimed."""

    def restore(self) -> None:
        """Run after the body, untimed."""


class SwapIn(Operation):
    """Faults on swapped pages."""

    def prepare(self) -> None:
        self.block = fixtures.faults(self.window)

    def restore(self) -> None:
        self.world.replay(fixtures.reclaims(self.window))

    def time_swap_in(self, design: str, pages: int) -> None:
        self.world.replay(self.block)


class SwapOut(Operation):
    """Reclaim of dirty pages."""

    def prepare(self) -> None:
        self.world.expect(fixtures.faults(self.window, write=True), d.SWAP_IN, d.CACHE_HIT)
        self.block = fixtures.reclaims(self.window)

    def time_swap_out(self, design: str, pages: int) -> None:
        self.world.replay(self.block)


class RoundTrip(Operation):
    """Swap a window in and out again: the gated benchmark."""

    params = [DESIGNS, [SMALL, MIDDLE]]

    def prepare(self) -> None:
        self.block = np.concatenate([fixtures.faults(self.window, write=True), fixtures.reclaims(self.window)])

    def time_round_trip(self, design: str, pages: int) -> None:
        self.world.replay(self.block)


class Move(Operation):
    """Move pages from SSD to hard disk and back, twice."""

    def prepare(self) -> None:
        pages = fixtures.on_backend(self.window, "ssd")
        there = fixtures.demands(d.MOVE, pages, backend=d.SSD, payload=d.HDD)
        back = fixtures.demands(d.MOVE, pages, backend=d.HDD, payload=d.SSD)
        self.block = np.concatenate([there, back, there, back])

    def time_move(self, design: str, pages: int) -> None:
        self.world.replay(self.block)


class Fork(Operation):
    """Give 2^16 swapped pages to a child, which then unmaps them."""

    params = [DESIGNS, [SMALL, MIDDLE]]
    forks = True
    times = 8

    def prepare(self) -> None:
        runs = np.arange(0, SMALL, RUN, dtype=np.uint64)
        fork = fixtures.demands(d.FORK, runs, count=RUN, payload=1)
        zap = fixtures.demands(d.UNMAP, runs + np.uint64(self.world.pages), count=RUN)
        self.block = np.concatenate([fork, zap] * self.times)

    def time_fork_and_zap(self, design: str, pages: int) -> None:
        self.world.replay(self.block)


class Footprint:
    """Peak memory of a process that builds a design's state and swaps every page out. It holds more than the ledger counts."""

    params = [DESIGNS, SIZES]
    param_names = ["design", "pages"]
    timeout = 300

    def setup(self, design: str, pages: int) -> None:
        """Skip what this commit does not have."""
        fixtures.known(design)

    def peakmem_fill(self, design: str, pages: int) -> None:
        World(design, pages, "off")
