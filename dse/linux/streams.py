"""Streams of accesses for the guest: the workloads that the model replays, as words that guest/trace.h reads."""

from __future__ import annotations

import functools
import itertools
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse import workloads
from dse.errors import BadInput
from kernels import demand

SPECS = Path(__file__).with_name("traces.toml")
WRITE, RANGE, FRESH = np.uint32(1 << 31), np.uint32(1 << 30), np.uint32(1 << 29)
"""Bits of a word: a write; pages that are unmapped, the word behind it is their number; the first access to a page."""
NUMBER = np.uint32((1 << 29) - 1)


class Stream(NamedTuple):
    """Stream of one workload.

    Attributes
    ----------
    words : uint32[n]
        Page number with :data:`WRITE`, or first page with :data:`RANGE` and a word with the count.
    pages : int
        Page numbers are below it.
    accesses : int
        Words that are accesses.
    digest : str
        Identity of the workload (dse.workloads.Workload.digest).
    """

    words: NDArray[np.uint32]
    pages: int
    accesses: int
    digest: str


@functools.cache
def specs() -> dict[str, dict[str, Any]]:
    """Specification of each trace by its name, as ``dse.workloads.make`` takes it."""
    return tomllib.loads(SPECS.read_text(encoding="utf-8"))["trace"]  # type: ignore[no-any-return]


def settings() -> dict[str, Any]:
    """Seed of the workloads, limit of the memory cgroup [MiB], and names of traces by backend."""
    return {key: value for key, value in tomllib.loads(SPECS.read_text(encoding="utf-8")).items() if key != "trace"}


def encode(
    accesses: NDArray[np.uint32], events: NDArray[np.uint64], positions: NDArray[np.int64], live: NDArray[np.bool_]
) -> NDArray[np.uint32]:
    """Words of a block of accesses and of the ranges that are unmapped between them.

    Parameters
    ----------
    accesses : uint32[n]
        Page number, bit 31 set for a write.
    events : uint64[m, 2]
        Demand records, all of them UNMAP.
    positions : int64[m]
        Access before which each event lies.
    live : bool[pages]
        Pages that have content, kept up to date.

    Returns
    -------
    uint32[n + 2 m]
        The words.

    Raises
    ------
    BadInput
        An event is no UNMAP: the guest's program is a single process.

    Examples
    --------
    >>> gone = np.array([demand.pack(demand.UNMAP, 4, count=2)], np.uint64)
    >>> words = encode(np.array([5, 5, 5], np.uint32), gone, np.array([2]), np.zeros(8, np.bool_))
    >>> words.tolist() == [5 | FRESH, 5, 4 | RANGE, 2, 5 | FRESH]
    True
    """
    rows = demand.records(events)
    if (rows["kind"] != demand.UNMAP).any():
        raise BadInput("a trace for the guest forks: it is replayed by one process")
    parts: list[NDArray[np.uint32]] = []
    edges = [0, *(int(p) for p in positions), len(accesses)]
    for i, (start, stop) in enumerate(itertools.pairwise(edges)):
        part = accesses[start:stop].copy()
        pages, first = np.unique(part & NUMBER, return_index=True)
        part[first[~live[pages]]] |= FRESH
        live[pages] = True
        parts.append(part)
        if i < len(rows):
            page, count = int(rows["page"][i]), int(rows["count"][i])
            live[page : page + count] = False
            parts.append(np.array([page | RANGE, count], np.uint32))
    return np.concatenate(parts)


def make(name: str) -> Stream:
    """Stream of a trace of :func:`specs`.

    Raises
    ------
    BadInput
        There is none of that name.
    """
    workload = workloads.make(specs()[name], int(settings()["seed"]))
    live = np.zeros(workload.pages, np.bool_)
    blocks = [encode(*block, live) for block in workload.blocks()]
    words = np.concatenate(blocks).astype("<u4")
    return Stream(words, workload.pages, workload.accesses, workload.digest)
