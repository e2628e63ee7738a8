"""Interface of every source of accesses: pages, spaces, memory cgroups and blocks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Block = tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.int64]]
# fills (accesses, events, positions); returns the numbers of accesses and events
Filler = Callable[[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.int64]], tuple[int, int]]

VERSION = 1  # of the streams: raise it when the same spec and seed give another stream
BLOCK = 1 << 20  # accesses
EVENTS = 1 << 14  # mapping events in a block


@dataclass(frozen=True)
class Workload:
    """Stream of accesses, the same for the same specification and seed.

    Attributes
    ----------
    name : str
        Short, for tables.
    pages : int
        Page-table entries: ``spaces << space_shift``.
    touched : int
        Pages that can be touched, at most `pages`.
    space_shift, spaces : int
        See docs/contracts.md.
    memcg_of_space : uint16[spaces]
        Memory cgroup, from 1.
    seed : int
    accesses : int
        Default length of the stream.
    spec : dict
        The specification with its defaults filled in.
    digest : str
        SHA-256 over version, specification, seed and, for a trace, its digest (hexadecimal).
    start : callable
        Function that starts the stream anew and returns its filler.
    ends : str
        What is left out at the end of the stream, nothing if empty.
    """

    name: str
    touched: int
    space_shift: int
    spaces: int
    memcg_of_space: NDArray[np.uint16]
    seed: int
    accesses: int
    spec: dict[str, Any]
    start: Callable[[], Filler]
    source_digest: str = ""
    ends: str = ""

    @property
    def pages(self) -> int:
        """Page-table entries of all spaces."""
        return self.spaces << self.space_shift

    @property
    def digest(self) -> str:
        """Identity of the stream."""
        what = [VERSION, self.spec, self.seed, self.source_digest, *filter(None, [self.ends])]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def blocks(self, limit_accesses: int | None = None, *, block: int = BLOCK, events: int = EVENTS) -> Iterator[Block]:
        """Iterate over the stream, block after block, from its beginning.

        Parameters
        ----------
        limit_accesses : int, optional
            Stop after so many; default :attr:`accesses`.
        block, events : int
            Most accesses and most mapping events in a block; the stream does not depend on them. A block that is full
            of events may hold no access.

        Yields
        ------
        accesses : uint32[n]
        events : uint64[m, 2]
        positions : int64[m]
            Index in `accesses` of the access that follows each event; n: after the last one.
        """
        left = self.accesses if limit_accesses is None else limit_accesses
        fill, full = self.start(), False
        while left > 0 or full:
            out = np.empty(min(block, left), np.uint32)
            records, positions = np.empty((max(events, 2), 2), np.uint64), np.empty(max(events, 2), np.int64)
            n, m = (int(x) for x in fill(out, records, positions))
            left, full = left - n, m == len(positions)  # full: there may be events behind the last access
            if left == 0 and self.ends and limit_accesses in (None, self.accesses):
                m, full = int(np.searchsorted(positions[:m], n, side="left")), False
            yield out[:n], records[:m], positions[:m]


def memcgs(spaces: int, groups: int, spaces_each: int = 1) -> NDArray[np.uint16]:
    """Memory cgroup of each space: `groups` of them, dealt out in turn to runs of `spaces_each` spaces."""
    return (np.arange(spaces) // spaces_each % groups + 1).astype(np.uint16)
