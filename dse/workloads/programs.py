"""Programs that end: demands that unmap their pages, a page table at a time, as ``exit_mmap`` does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse.workloads.workload import EVENTS
from kernels import demand

TABLE = 9
"""512 PTEs a page table, as a power of two."""
PROGRAMS = 16
"""Programs that begin anew in turn, each with as many pages."""
EMPTY = np.empty((0, 2), np.uint64)
Events = NDArray[np.uint64]
Positions = NDArray[np.int64]


def unmapped(first: int, pages: int) -> Events:
    """Demands that unmap `pages` PTEs from `first` on, a page table at a time."""
    edges = np.array([first, *range((first >> TABLE) + 1 << TABLE, first + pages, 1 << TABLE), first + pages], np.uint64)
    word = demand.pack(demand.UNMAP, 0)
    return np.stack([edges[:-1] << np.uint64(32) | np.uint64(word[0]), np.diff(edges) | np.uint64(word[1])], axis=1)


def exits(pages: int) -> Iterator[tuple[NDArray[np.uint32], Events, Positions]]:
    """Blocks of the workload that unmap `pages` PTEs in order."""
    whole = unmapped(0, pages)
    for start in range(0, len(whole), EVENTS):
        events = whole[start : start + EVENTS]
        yield np.empty(0, np.uint32), events, np.zeros(len(events), np.int64)


class Restarts(NamedTuple):
    """Programs that exit and begin anew, spread evenly over a stream; none at its very end.

    Attributes
    ----------
    times : int
        How often one of them does.
    accesses, pages : int
        Of the workload.
    """

    times: int
    accesses: int
    pages: int

    def within(self, events: Events, positions: Positions, done: int, length: int) -> tuple[Events, Positions]:
        """Events of a block, with the exits that fall into it.

        Parameters
        ----------
        events : uint64[n, 2]
        positions : int64[n]
            As docs/contracts.md says.
        done, length : int
            Accesses before the block, and in it.
        """
        places = self.accesses * np.arange(1, self.times + 1, dtype=np.int64) // (self.times + 1)
        here = np.flatnonzero((done <= places) & (places < done + length))
        if not len(here):
            return events, positions
        ends = [self.pages * part // PROGRAMS for part in range(PROGRAMS + 1)]
        parts = [unmapped(first, last - first) if last > first else EMPTY for first, last in itertools.pairwise(ends)]
        unmaps = [parts[n % PROGRAMS] for n in here.tolist()]
        at = np.repeat(places[here] - done, [len(part) for part in unmaps])
        i = np.searchsorted(positions, at, side="right")
        return np.insert(events, i, np.concatenate(unmaps), axis=0), np.insert(positions, i, at)
