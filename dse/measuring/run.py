"""The counted half of ``dse compare``: the same demands on every design, all of them alive, windows counted.

The stream is replayed once. Most of it only builds the states up (probe ``off``, all cores). In two windows, one right after the
first page went out (fresh) and one at the end (aged), every other chunk is counted. Nothing is timed here
(:mod:`dse.measuring.timing`), so that counters are the same whether times are taken or not.
"""

from __future__ import annotations

import concurrent.futures
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.common import machine, output
from dse.errors import BadInput, CheckFailed
from dse.measuring import holding, lacking
from dse.modelling import ledger
from dse.modelling.sizes import Ledger
from dse.storing import Figure
from kernels import control, demand
from kernels.observing import probe
from kernels.structures import page_counter

CHUNK = 1 << 14  # demands
AGES = ("fresh", "aged")
UNIT = CHUNK // 16
"""Demands of a unit of the survey."""
VERIFY_PAGES, VERIFY_ACCESSES = 1 << 14, 600_000
KEEP = 1 << 24
"""Most demands kept in memory between the survey and the replay. A longer stream is made twice."""


@dataclass
class Side:
    """One design in a comparison: its live state and its observations."""

    name: str
    named: naming.Named
    state: Any
    off: Any = field(default_factory=lambda: probe.make("off"))
    count: dict[str, Any] = field(default_factory=lambda: {age: probe.make("count") for age in AGES})

    @functools.cached_property
    def limited(self) -> bool:
        """True if the memory cgroups have a swap limit. It is that of the last one, as of all."""
        return int(self.state.memcgs[int(page_counter.P_MAX) - int(page_counter.WORDS)]) < page_counter.NO_MAX

    def replay(self, pr: Any, block: NDArray[np.uint64]) -> None:
        """Replay a block."""
        self.named.design.replay(self.state, pr, block, np.empty(len(block), np.uint8))

    def totals(self) -> NDArray[np.uint64]:
        """Counts of the replies over the whole stream: ``uint64[128]``."""
        tallies = [self.off, *self.count.values()]
        return np.asarray(sum(rows_of(pr)[:, 0] for pr in tallies), np.uint64)


@dataclass(frozen=True)
class Window:
    """A run of demands in which figures are taken."""

    age: str
    first: int
    last: int
    chunks: int
    """Number of chunks; every other one is counted."""


@dataclass
class Outcome:
    """Observations of a comparison.

    Attributes
    ----------
    sides : list of Side
        Designs in the order given.
    demands : int
        Length of the stream.
    windows : list of Window
    turnover : float
        Swap-outs before the last window, divided by the pages that were swapped out at the peak.
    stream : Stream
    survey : Survey
    """

    sides: list[Side]
    demands: int
    windows: list[Window]
    turnover: float
    stream: Any
    survey: Survey

    def release(self) -> None:
        """Let the live states go. What is read off them is read before."""
        for side in self.sides:
            _ = side.limited
            side.state = None

    @functools.cached_property
    def books(self) -> dict[str, Ledger]:
        """Ledgers of the live states by side. The stream has ended, so they are read once."""
        return {side.name: ledger.live(side.named.design, side.named.values, side.state) for side in self.sides}

    @functools.cached_property
    def swapped(self) -> dict[str, int]:
        """PTEs that hold a swap value, by side."""
        return {side.name: ledger.swapped(side.state.pte) for side in self.sides}

    @property
    def swapped_peak(self) -> int:
        """Peak of the swapped pages, by the stream."""
        return int(self.stream.counters.get("swapped_peak", 0))

    def peaks(self) -> list[int]:
        """Peaks of the swapped pages, by side."""
        return [self.swapped_peak] * len(self.sides)

    def of_memory(self) -> list[Figure]:
        """Rows of what each design leaves of memory: none where all have the same demands."""
        return []


def rows_of(pr: Any) -> NDArray[np.uint64]:
    """The tally as ``uint64[codes, columns]``."""
    return np.asarray(pr.tally[: probe.CODES * probe.COLUMNS]).reshape(probe.CODES, probe.COLUMNS)


def memory_needed(stream: Any, sides: int) -> int:
    """Most bytes that the states of `sides` designs take: page tables, folios, slots with their trees, zswap entries, zsmalloc."""
    config = stream.config()
    slots = sum(n for name, n in config.slots.items() if name != "zswap")
    zswap = config.slots.get("zswap", 0)
    each = config.pages * 8 + (config.folios or config.pages) * 64 + slots * (3 + 10 + 10) + zswap * (56 + 64 + 48)
    each += 16 * config.pages if config.forks else 0
    total: float = sides * each
    return int(total) + KEEP * 16


def windows_of(sizes: Sequence[int], first_out: int, pairs: int = 16) -> list[Window]:
    """Place the windows.

    Parameters
    ----------
    sizes : sequence of int
        Lengths of the blocks.
    first_out : int
        Index of the first demand that reclaims; the length of the stream where none does.
    pairs : int
        Chunks counted in the fresh window, half as many as in the aged one.

    Returns
    -------
    list of Window
        The fresh window lies right behind `first_out`, the aged one at the end. They never overlap, and shrink with the stream.
    """
    total = sum(sizes)
    room = total - first_out
    fresh = min(2 * pairs * CHUNK, room // 4)
    aged = min(4 * pairs * CHUNK, room - fresh)
    return [Window("fresh", first_out, first_out + fresh, 2 * pairs), Window("aged", total - aged, total, 4 * pairs)]


@dataclass
class Survey:
    """A look through the stream before it is replayed.

    Attributes
    ----------
    sizes : list of int
        Lengths of its blocks.
    first : int
        Index of the first demand that reclaims; the length of the stream where none does.
    blocks : list of uint64[n, 2] or None
        The demands where they are few, to be replayed again.
    kinds : uint32[units, kinds]
        Demands by kind, for every :data:`UNIT` demands.
    more : int64[units] or None
        Pages of large folios that go out, beyond one for each demand, for every :data:`UNIT` demands; None where pages are single.
    """

    sizes: list[int]
    first: int
    blocks: list[NDArray[np.uint64]] | None
    kinds: NDArray[np.uint32]
    more: NDArray[np.int64] | None = None

    @property
    def demands(self) -> int:
        """Length of the stream."""
        return sum(self.sizes)


def kinds_of(kinds: NDArray[np.uint8], before: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Count the kinds of whole units of ``before + kinds``; return ``uint32[units, kinds]`` and the demands that are left over."""
    both, n = np.concatenate([before, kinds]), len(demand.KINDS)
    units = len(both) // UNIT
    flat = both[: units * UNIT].astype(np.int64) + np.repeat(np.arange(units), UNIT) * n
    return np.bincount(flat, minlength=units * n).reshape(units, n).astype(np.uint32), both[units * UNIT :]


def survey(stream: Any, progress: output.Progress) -> Survey:
    """Look through the stream."""
    sizes: list[int] = []
    kept: list[NDArray[np.uint64]] | None = []
    counts: list[NDArray[np.uint32]] = []
    more: list[NDArray[np.int64]] = []
    first, rest = -1, np.zeros(0, np.uint8)
    for block in stream.blocks():
        kinds = block[:, 0].astype(np.uint8)
        if first < 0:
            out = np.isin(kinds, lacking.RECLAIMS)
            if out.any():
                first = sum(sizes) + int(out.argmax())
        units, rest = kinds_of(kinds, rest)
        counts.append(units)
        if stream.scenario.folio.orders:
            more.append(np.maximum(demand.pages_out(block) - 1, 0))
        sizes.append(len(block))
        if kept is not None:
            kept.append(block)
            kept = kept if sum(sizes) <= KEEP else None
        progress.step(stream.taken - progress.done, f"{sum(sizes):,} demands")
    counts.append(np.bincount(rest, minlength=len(demand.KINDS)).reshape(1, -1).astype(np.uint32))
    return Survey(sizes, first if first >= 0 else sum(sizes), kept, np.concatenate(counts), by_units(more, sum(map(len, counts))))


def by_units(numbers: Sequence[NDArray[np.int64]], units: int) -> NDArray[np.int64] | None:
    """Sum numbers of demands over units, of which the last one may be short; None if there are none.

    Examples
    --------
    >>> by_units([np.ones(UNIT - 1, np.int64), np.ones(3, np.int64)], 2).tolist() == [UNIT, 2]
    True
    """
    if not numbers:
        return None
    joined = np.concatenate(numbers)
    return np.asarray(np.pad(joined, (0, units * UNIT - len(joined))).reshape(units, UNIT).sum(1))


def pieces(blocks: Iterator[NDArray[np.uint64]], windows: Sequence[Window]) -> Iterator[tuple[str, int, NDArray[np.uint64]]]:
    """Cut the stream into (age of the window or nothing, number of the chunk in it, demands). Chunk 0, a counted one, comes last."""
    at = 0
    for block in blocks:
        start = 0
        while start < len(block):
            here = at + start
            inside = next((window for window in windows if window.first <= here < window.last), None)
            if inside is not None:
                number = (inside.last - 1 - here) // chunk_of(inside)
                stop = inside.last - number * chunk_of(inside)
                age = inside.age
            else:
                stop = min((window.first for window in windows if window.first > here), default=at + len(block))
                age, number = "", 0
            stop = min(stop - at, len(block))
            yield age, number, block[start:stop]
            start = stop
        at += len(block)


def chunk_of(window: Window) -> int:
    """Demands of a chunk of `window`. A small window has small chunks."""
    return max(1, min(CHUNK, (window.last - window.first) // window.chunks))


def build_side(stream: Any, named: naming.Named) -> Side:
    """Build a live state of a design."""
    return Side(named.text, named, named.design.build(stream.config(named.control)))


def replay_all(sides: Sequence[Side], block: NDArray[np.uint64], pool: concurrent.futures.Executor) -> None:
    """Replay a block on all sides with nothing observed."""
    list(pool.map(lambda side: side.replay(side.off, block), sides))


def verify(scenario: Any, designs: Sequence[naming.Named]) -> int:
    """Replay a small stream of the same scenario with content tokens: every content that goes out must come back.

    Returns
    -------
    int
        Demands replayed per design.

    Raises
    ------
    CheckFailed
        When a page read a content that is not its own.
    """
    from dse.workloads import stream as streams

    small = scenario.but(
        workload__pages_at_least=min(scenario.workload.pages_at_least, VERIFY_PAGES),
        workload__pages=min(scenario.workload.pages, VERIFY_PAGES),
        workload__copies=1,
        workload__accesses=min(scenario.workload.accesses, VERIFY_ACCESSES),
        memory__loop="open",
    )
    stream = streams.build(small)
    sides = [Side(n.text, n, n.design.build(stream.config(n.control, tokens=True))) for n in designs]
    replayed, bar = 0, output.Progress(f"{scenario.label}: contents", stream.accesses)
    with bar as progress, concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        for block in stream.blocks():
            replayed += len(block)
            replay_all(sides, block, pool)
            progress.step(stream.taken - progress.done)
    for side in sides:
        lost = int(side.state.ctl[int(control.S_LOST)])
        if lost:
            raise CheckFailed(f"{side.name}: swap_in gave {lost} pages a content that is not theirs")
    holding.hold(sides)
    for side in sides:
        holding.unmap_all(side)
    for side in sides[1:]:
        wrong = holding.leak_of(side.name, holding.left(side), sides[0].name, holding.left(sides[0]))
        if wrong:
            raise CheckFailed(wrong)
    return replayed


def execute(stream: Any, designs: Sequence[naming.Named], *, timed: bool) -> Outcome:
    """Replay the stream on all designs and count.

    Parameters
    ----------
    stream : Stream
        Demands of a scenario.
    designs : sequence of Named
        The first one is the baseline.
    timed : bool
        Times are to be taken afterwards, with one more state: the memory for that must be there.

    Returns
    -------
    Outcome

    Raises
    ------
    BadInput
        Not enough memory, or a stream in which nothing is swapped out.
    """
    machine.require_memory(memory_needed(stream, len(designs) + timed), f"comparing {len(designs)} designs on {stream.trace_name}")
    with output.Progress(f"{stream.title}: demands", stream.accesses) as progress:
        seen = survey(stream, progress)
    if seen.first >= seen.demands:
        raise lacking.refuse(stream)
    windows = windows_of(seen.sizes, seen.first, stream.scenario.replay.pairs)
    sides = [build_side(stream, named) for named in designs]
    now, gone, beyond = "", 0, 0
    title = f"{stream.title}: replay"
    with output.Progress(title, seen.demands) as progress, concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        for age, number, block in pieces(iter(seen.blocks) if seen.blocks is not None else stream.blocks(), windows):
            if age == AGES[-1] and age != now:
                gone = int(sides[0].totals()[[demand.SWAP_OUT, demand.FOLIO_OUT, demand.FOLIO_SPLIT]].sum()) + beyond
            now = age
            counted = bool(age) and number % 2 == 0
            list(pool.map(lambda side, block=block, age=age, counted=counted: _replay(side, age, block, counted), sides))
            beyond += int(np.maximum(demand.pages_out(block) - 1, 0).sum()) if stream.scenario.folio.orders else 0
            progress.step(len(block))
    holding.hold(sides)
    for side in sides:
        refuse_disorder(side)
    return Outcome(sides, seen.demands, windows, gone / max(1, int(stream.counters["swapped_peak"])), stream, seen)


def refuse_disorder(side: Side) -> None:
    """Refuse a design that took a lock while it held an inner one.

    Raises
    ------
    BadInput
        It did. The message says how often, and in which operation first.
    """
    for pr in side.count.values():
        wrong = rows_of(pr)[:, int(probe.LOCK_ORDER)]
        if wrong.any():
            op = (*demand.OPS, "a refused demand")[min(int(np.flatnonzero(wrong)[0]), len(demand.OPS))]
            raise BadInput(f"{side.name}: {int(wrong.sum())} locks were taken against the order in which they are declared, as in {op}")


def _replay(side: Side, age: str, block: NDArray[np.uint64], counted: bool) -> None:
    """Replay a block under the probe that is due. Kernels run without the interpreter's lock."""
    side.replay(side.count[age] if counted else side.off, block)
