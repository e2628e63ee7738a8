"""Builder of a trace from streams of page accesses and mapping operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from dse.workloads import trace as traces
from kernels import demand
from kernels.traces import pages, parse

Op = tuple[str, int, int, int, int]  # kind, then up to four numbers: see Builder.apply
MOST_FOLLOWED = 1 << 23  # [pages] of one shared mapping or mremap, 32 GiB; each page of a shared mapping has a key
MOST_SHARED = 1 << 23  # [pages] of shared mappings, after which no further one is followed
ADDRESS_BITS = 52  # of a page number: 64-bit addresses


def refusal(op: Op) -> str:
    """Reason why the builder cannot follow a mapping operation; empty if it can."""
    kind, *numbers = op
    if any(number >> ADDRESS_BITS for number in numbers):
        return f"{kind} of addresses that do not exist"
    followed = {"shared": op[2], "move": min(op[2], op[4])}.get(kind, 0)
    return f"{kind} of {followed} pages, more than is followed ({MOST_FOLLOWED})" if followed > MOST_FOLLOWED else ""


class Builder:
    """Collector of the accesses of one process.

    Feed runs (``kernels.traces.parse``) and mapping operations in their order, then :meth:`finish`.

    Parameters
    ----------
    filter_pages : int
        K of the LRU filter; 0: none.
    """

    def __init__(self, filter_pages: int = 0) -> None:
        self.k = filter_pages
        self.table = np.zeros((1 << 14, 2), np.uint64)
        self.names = np.zeros(1 << 13, np.uint64)
        self.live = np.zeros(1 << 13, np.uint8)
        self.carry = np.zeros(8, np.uint64)
        self.links = np.zeros((1 + (1 << 13), 2), np.uint32)
        self.state = np.zeros(1 + (1 << 13), np.uint8)
        self.held = np.uint64(0)
        self.blocks: list[NDArray[np.uint32]] = []
        self.total = 0
        self.runs_seen = 0
        self.events: list[tuple[int, int, Any]] = []
        self.brk = 0
        self.children: dict[int, int] = {}
        self.known: set[int] = set()  # every forked child
        self.gone_early: set[int] = set()  # children reported gone before their fork
        self.shared = 0  # keys of pages that only shared mappings have
        self.forks = 0
        self.spaces = 1

    def grow(self, keys: int) -> None:
        """Make room for `keys` more keys and page numbers (a moved page leaves its number behind)."""
        need = 2 * (max(int(self.carry[pages.KEYS]), int(self.carry[pages.IDS])) + keys)
        if need > len(self.table):
            table = np.zeros((1 << need.bit_length(), 2), np.uint64)
            parse.rehash(self.table, table)
            self.table = table
        more = len(self.table) // 2
        if more > len(self.names):
            for name, extra in (("names", 0), ("live", 0), ("state", 1), ("links", 1)):
                old = getattr(self, name)
                new = np.zeros((more + extra, *old.shape[1:]), old.dtype)
                new[: len(old)] = old
                setattr(self, name, new)

    def _emit(self, out: NDArray[np.uint32]) -> None:
        """Take the accesses written to `out`."""
        n = self.carry[pages.OUT]
        self.carry[pages.OUT] = 0
        if self.k:
            n, self.held = pages.lru_filter(out, n, np.uint64(self.k), self.links, self.state, np.uint64(self.held))
        if n:
            self.blocks.append(out[: int(n)].copy())
            self.total += int(n)

    def _translate(self, runs: NDArray[np.uint64], first: int, last: int) -> None:
        out = np.empty(last - first + 1, np.uint32)
        at = np.uint64(first)
        while True:
            at = pages.translate(runs, np.uint64(at), np.uint64(last), self.table, self.names, self.live, self.carry, out)
            if at >= last:
                break
            self.grow(1)
        self._emit(out)

    def feed(self, runs: NDArray[np.uint64], count: int, ops: list[tuple[int, Op]]) -> None:
        """Add ``runs[:count]``; each operation comes before the run at its index."""
        first = 0
        for at, op in ops:
            if at > first:
                self._translate(runs, first, at)
                first = at
            self.apply(op)
        if count > first:
            self._translate(runs, first, count)
        self.runs_seen += count

    def apply(self, op: Op) -> None:
        """Do one mapping operation: map, shared, unmap, drop, brk, move, fork or gone.

        map, shared, unmap, drop take (page, pages): a new private or shared mapping, munmap, madvise that frees.
        brk takes (page), move (old page, old pages, new page, new pages), fork and gone the child's process number.
        Call :func:`refusal` first.
        """
        kind, a, b, c, d = op
        if kind == "brk":
            if a < self.brk:
                self._zap(a, self.brk - a, True)
            self.brk = a
        elif kind == "move":
            self._move(a, b, c, d)
        elif kind == "fork":
            self._fork(a)
        elif kind == "gone":
            self._gone(a)
        else:
            self._zap(a, b, kind != "drop")
            if kind == "shared":
                if self.shared > MOST_SHARED:
                    raise BadInput(f"shared mappings of {self.shared:,} pages in all, more than are followed ({MOST_SHARED:,})")
                self.grow(b)
                before = int(self.carry[pages.KEYS])
                pages.share(self.table, np.uint64(a), np.uint64(b), self.carry)
                self.shared += int(self.carry[pages.KEYS]) - before

    def _event(self, kind: int, what: Any) -> None:
        """Note an event behind the access that is still open."""
        self._close()
        self.events.append((self.total, kind, what))

    def _close(self) -> None:
        """Write the access that is still open."""
        out = np.empty(1, np.uint32)
        pages.flush(self.carry, out)
        self._emit(out)

    def _zap(self, page: int, count: int, whole: bool) -> None:
        gone = np.empty(int(self.carry[pages.IDS]), np.uint32)
        n = pages.zap(self.table, np.uint64(page), np.uint64(count), self.live, whole, gone)
        if not n:
            return
        self._event(demand.UNMAP, gone[: int(n)].copy())
        if self.k:
            self.held = pages.lru_drop(gone, np.uint64(n), self.links, self.state, np.uint64(self.held))

    def _move(self, old: int, old_pages: int, new: int, new_pages: int) -> None:
        keep = min(old_pages, new_pages)
        if old != new:
            self._zap(new, new_pages, True)
            self.grow(keep)
            pages.move(self.table, np.uint64(old), np.uint64(new), np.uint64(keep), self.carry)
        if old_pages > keep:
            self._zap(old + keep, old_pages - keep, True)

    def _fork(self, child: int) -> None:
        self.forks += 1
        self.known.add(child)
        taken = set(self.children.values())
        space = next(s for s in range(1, len(taken) + 2) if s not in taken)
        self.children[child] = space
        self.spaces = max(self.spaces, space + 1)
        self._event(demand.FORK, space)
        if child in self.gone_early:
            self.gone_early.discard(child)
            self._gone(child)

    def _gone(self, child: int) -> None:
        space = self.children.pop(child, None)
        if space is None:
            self.gone_early |= {child} - self.known
        else:
            self._event(demand.UNMAP, space)

    def finish(self, meta: dict[str, Any]) -> traces.Trace:
        """Finish the trace: pages renumbered by address, so that neighbours stay neighbours."""
        self._close()
        count = int(self.carry[pages.IDS])
        if count > traces.MOST_PAGES:
            raise BadInput(f"{count} pages are more than {traces.MOST_PAGES}")
        rank = np.empty(count, np.uint32)
        rank[np.argsort(self.names[:count], kind="stable")] = np.arange(count, dtype=np.uint32)
        accesses = np.concatenate(self.blocks) if self.blocks else np.empty(0, np.uint32)
        if count:
            accesses = rank[accesses & traces.PAGE] | (accesses & traces.WRITE)
        shift = max(count - 1, 0).bit_length()
        records, positions = self._records(rank, count, shift)
        header = {"collapse": "page runs", "filter_pages": self.k, "forks": self.forks}
        return traces.build(
            accesses, meta | header, pages=count, space_shift=shift, spaces=self.spaces,
            events=records, positions=positions,
        )  # fmt: skip

    def _records(self, rank: NDArray[np.uint32], count: int, shift: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        words: list[tuple[int, int]] = []
        positions: list[int] = []
        for position, kind, what in self.events:
            before = len(words)
            if isinstance(what, np.ndarray):
                for start, length in runs_of(rank[what]):
                    words.append(demand.pack(kind, start, count=length))
            elif kind == demand.FORK:
                words.append(demand.pack(kind, 0, count=count, payload=what))
            else:
                words.append(demand.pack(kind, what << shift, count=count))
            positions += [position] * (len(words) - before)
        return np.array(words, np.uint64).reshape(-1, 2), np.array(positions, np.int64)


def runs_of(numbers: NDArray[np.uint32]) -> list[tuple[int, int]]:
    """Runs (first, length) of consecutive numbers, each number counted once.

    Examples
    --------
    >>> runs_of(np.array([7, 3, 4], np.uint32))
    [(3, 2), (7, 1)]
    """
    ordered = np.unique(numbers).astype(np.int64)
    starts = np.flatnonzero(np.diff(ordered, prepend=-2) != 1)
    ends = np.append(starts[1:], len(ordered))[: len(starts)]
    return [(int(ordered[a]), int(b - a)) for a, b in zip(starts, ends, strict=True)]
