"""The model's side of the experiment ``operation``: the same operations in the same order, traced, a count for each function.

The guest's program (dse/linux/guest/workload.c) swaps out some other pages, then does each kind of operation on every page of its own, in
scattered order. The model replays that, so its trees are as high as the kernel's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.describing.explaining import decoded
from dse.errors import CheckFailed
from dse.measuring import warming
from dse.modelling import commons
from dse.modelling.functions import Event, attribute
from kernels import demand as d
from kernels.compiling.constants import BYTE
from kernels.life import registry as state
from kernels.observing import probe

OPERATIONS = ("swap_out", "swap_in_read", "swap_out_again", "swap_in_write", "zap")
TARGETS = {"zswap": (d.ZSWAP, 0), "zero": (d.ZSWAP, d.ZERO), "disk": (d.SSD, 0)}
"""Backend and flags of a page that goes out, by the record's backend."""
MULTIPLIER, OFFSET = 2654435761, 12345
"""Scattered order of the guest's program: page ``i * MULTIPLIER + OFFSET`` modulo their number, a power of two."""
COMPRESSED = 2200
"""Bytes [B] of a page of the guest's program as lzo leaves it: in the size class that records show (11 objects in 6 pages)."""
WHOLE = 1 << 62


class Sizes(NamedTuple):
    """Sizes of the experiment: other pages in swap, operations of each kind, slots of the device."""

    background: int = 4096
    operations: int = 512
    slots: int = 131_072


@dataclass
class Tally:
    """Counts of one function over all operations of a kind.

    Attributes
    ----------
    calls : int
        Times that it was entered: runs of consecutive steps.
    lines, first : int
        Distinct 64-byte lines in an operation; those that no function touched before.
    locks, allocations : int
        Acquired locks, allocated objects.
    regions : dict of str to int
        Its part of `first` by structure.
    """

    calls: int = 0
    lines: int = 0
    first: int = 0
    locks: int = 0
    allocations: int = 0
    regions: dict[str, int] = field(default_factory=dict)


@dataclass
class Counted:
    """Counts of one kind of operation: how many, distinct lines of all and of each group of functions, and each function."""

    operations: int = 0
    rows: dict[str, Tally] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)


@dataclass
class Common(Event):
    """Common step of a kernel function: how many lines it touches, how many of them nothing touched before, its locks."""

    lines: int = 0
    first: int = 0
    locks: int = 0


Name = Callable[[list[Event], str], list[str]]
"""Row of each event of an operation of a kind."""
Group = Callable[[str], str]
"""Group of a row."""


def _demands(kind: str, page: int, backend: str) -> list[tuple[int, int]]:
    """Demands of one operation. The second one of a swap-out frees the page, which the guest does later where it waits for a disk."""
    target, flags = TARGETS[backend]
    out = d.pack(d.RECLAIM_BEGIN, page, backend=target, payload=COMPRESSED, flags=flags)
    if kind in ("swap_out", "swap_out_again"):
        return [out] if backend == "disk" else [out, d.pack(d.RECLAIM_END, page)]
    if kind == "zap":
        return [d.pack(d.UNMAP, page, count=1)]
    return [d.pack(d.FAULT, page, flags=d.WRITE if kind == "swap_in_write" else 0)]


class Guest:
    """State of a design that does what the guest's program does, one demand at a time. A page stands for the header, in slot 0.

    Parameters
    ----------
    named : Named
        The design.
    backend : str
        zswap, zero or disk.
    sizes : Sizes
        Sizes of the experiment.
    """

    def __init__(self, named: naming.Named, backend: str, sizes: Sizes) -> None:
        self.named, self.backend, self.sizes = named, backend, sizes
        pages = sizes.background + sizes.operations
        shift = max(4, (pages + 3).bit_length())
        slots = {"ssd": sizes.slots, "zswap": sizes.slots}
        config = state.Config(pages=2 << shift, slots=slots, space_shift=shift, memcg=np.ones(2, np.uint16), parameters=named.control)
        self.state = named.design.build(config)
        self.probe: Any = probe.make("trace")
        for page, target in [(pages, d.SSD), *((page, TARGETS[backend][0]) for page in range(sizes.background))]:
            self.one(d.pack(d.FAULT, page, flags=d.WRITE))
            self.one(d.pack(d.RECLAIM, page, backend=target, payload=COMPRESSED))

    @property
    def pages(self) -> Iterator[int]:
        """Pages of the program in the order of its operations."""
        n = self.sizes.operations
        return (self.sizes.background + ((i * MULTIPLIER + OFFSET) & (n - 1)) for i in range(n))

    def one(self, demand: tuple[int, int]) -> int:
        """Replay one demand and return its reply."""
        replies = np.zeros(1, np.uint8)
        self.named.design.replay(self.state, self.probe, np.array([demand], np.uint64), replies)
        return int(replies[0])

    def traced(self, demands: Iterable[tuple[int, int]]) -> list[Event]:
        """Replay the demands of one operation and return its events, with the function of each.

        Raises
        ------
        CheckFailed
            The model refuses one of them.
        """
        logs: list[NDArray[np.uint64]] = []
        replies: list[str] = []
        for demand in demands:
            if logs:
                self.probe.tally[int(probe.SEEN)] -= np.uint64(1)  # lines of the demand before are no new ones
            code = self.one(demand)
            if code == d.NO_BEGIN and replies == ["clean_drop"]:
                break  # the copy in swap was good, nothing was written: there is no writeback to end
            if code >= d.REASON_BASE:
                why = d.REASONS[code - d.REASON_BASE]
                raise CheckFailed(f"{self.named.text} on {self.backend}: page {demand[0] >> 32} is {why}, where a kernel swaps")
            replies.append(d.OPS[code])
            logs.append(self.probe.log[1 : int(self.probe.log[0]) + 1].copy())
        log = np.concatenate([np.array([sum(map(len, logs))], np.uint64), *logs, np.zeros(1, np.uint64)])
        events = decoded(self.named.design.own, log, WHOLE, WHOLE)
        start = 0
        for reply, part in zip(replies, logs, strict=True):
            own = int(np.count_nonzero(part[::2] & BYTE < probe.E_COMMON))
            attribute(reply, events[start : start + own], self.named.design)
            start += own
        return _merged(events, log)

    def kinds(self) -> Iterator[tuple[str, Iterator[list[Event]]]]:
        """Every kind of operation in the order of the guest's program, with the events of each single one."""
        target, flags = TARGETS[self.backend]
        for page in self.pages:
            self.one(d.pack(d.FAULT, page, flags=d.WRITE))
        for kind in OPERATIONS:
            if kind == "zap":
                for page in self.pages:
                    self.one(d.pack(d.RECLAIM, page, backend=target, payload=COMPRESSED, flags=flags))
            yield kind, (self.traced(_demands(kind, page, self.backend)) for page in self.pages)
            if self.backend == "disk" and kind in ("swap_out", "swap_out_again"):
                for page in self.pages:
                    self.one(d.pack(d.RECLAIM_END, page))


def _merged(events: list[Event], log: NDArray[np.uint64]) -> list[Event]:
    """Events of a log and its common steps, in their order."""
    own, shared = iter(events), commons.entries(log)
    merged: list[Event] = []
    for head in log[1:-1:2]:
        if head & BYTE == probe.E_COMMON:
            one = next(shared)
            merged.append(Common("common", "", function=one.function, lines=one.lines, first=one.first, locks=one.locks))
        else:
            merged.append(next(own))
    return merged


def add(counted: Counted, events: list[Event], rows: list[str], group: Group) -> None:
    """Add one operation, each event of it in its row, to the counts."""
    counted.operations += 1
    seen: set[int] = set()
    touched: set[tuple[str, int]] = set()
    shared: dict[str, tuple[int, int]] = {}
    before = ""
    for event, row in zip(events, rows, strict=True):
        tally = counted.rows.setdefault(row, Tally())
        tally.calls += row != before
        if isinstance(event, Common):
            most, first = shared.get(row, (0, 0))
            shared[row] = (max(most, event.lines), first + event.first)
            tally.first += event.first
            tally.locks += event.locks
            for name in _groups(group(row)):
                counted.groups[name] = counted.groups.get(name, 0) + event.first
            continue
        before = row
        tally.locks += event.event == "lock"
        tally.allocations += event.event == "alloc"
        if event.line:
            if event.line not in seen:
                seen.add(event.line)
                tally.first += 1
                tally.regions[event.what] = tally.regions.get(event.what, 0) + 1
            tally.lines += (row, event.line) not in touched
            touched.add((row, event.line))
    for row, most_and_first in shared.items():
        counted.rows[row].lines += max(most_and_first)  # a second call touches the same lines, as far as they are not new
    for name_of_group, lines in _by_group(touched, group).items():
        counted.groups[name_of_group] = counted.groups.get(name_of_group, 0) + len(lines)


def _groups(group: str) -> tuple[str, ...]:
    """Groups that a line of a group counts in: its own, ``core`` (all but other and data) and ``all``."""
    return (group, "all") if group in ("other", "data") else (group, "core", "all")


def _by_group(touched: Iterable[tuple[str, int]], group: Group) -> Mapping[str, set[int]]:
    """Distinct lines of every group of functions."""
    found: dict[str, set[int]] = {}
    for row, line in touched:
        for name in _groups(group(row)):
            found.setdefault(name, set()).add(line)
    return found


def count(named: naming.Named, backend: str, sizes: Sizes, name: Name, group: Group) -> dict[str, Counted]:
    """Counts of the experiment by kind of operation.

    Parameters
    ----------
    named : Named
        The design.
    backend : str
        zswap, zero or disk.
    sizes : Sizes
        Sizes of the record.
    name, group : callable
        Row of each event of an operation of a kind, and group of a row.
    """
    warming.warm([(named.text, "trace")])
    found = {}
    for kind, operations in Guest(named, backend, sizes).kinds():
        found[kind] = Counted()
        for events in operations:
            add(found[kind], events, name(events, kind), group)
    return found
