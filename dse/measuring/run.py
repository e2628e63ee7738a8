"""The engine of ``dse compare``: the same demands on every design, all of them alive, windows counted and timed.

The stream is replayed once. Most of it only builds the states up (probe ``off``, all cores). In two windows, one right after the
first page went out (fresh) and one at the end (aged), chunks are counted and timed in turn. A timed chunk runs on all designs, one
after the other, and on a second state of the baseline (A/A).

The order of the designs must not matter. The demands before a timed chunk are replayed in the same order. Just before its turn each
state replays a lead-in, untimed, so that the last-level cache holds its own lines and not those of others. Every drawn order is
followed by its reverse.
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
from dse.measuring import holding
from dse.modelling import ledger
from dse.modelling.sizes import Ledger
from kernels import control, demand
from kernels.observing import probe

CHUNK = 1 << 14  # demands
AGES = ("fresh", "aged")
TIMED_DEMANDS = CHUNK // 4
"""Demands that are timed in a timed chunk. The rest of the chunk is replayed without the clock."""
LEAD_IN = CHUNK // 4
"""Demands that a state replays, untimed, just before its timed ones."""
COLD_DEMANDS = 32
"""Demands that are timed in a chunk from cold caches. The caches are emptied before each, which takes milliseconds."""
TWIN = "A/A"
RECLAIMS = (demand.RECLAIM, demand.RECLAIM_BEGIN)
LEAST = 30
"""Occurrences in a chunk, on both sides, for the chunk to give a ratio. From cold caches fewer do, as each takes long."""
LEAST_COLD = 4
DISTURBED = np.uint64(100)
"""Rarity of an interruption: an operation exceeds the histogram in fewer than one case of so many."""
VERIFY_PAGES, VERIFY_ACCESSES = 1 << 14, 600_000
KEEP = 1 << 24
"""Most demands kept in memory between the survey and the replay. A longer stream is made twice."""


@dataclass
class Side:
    """One design in a comparison: its live state and its observations."""

    name: str
    named: naming.Named
    state: Any
    between: str = "footprint"
    """State of the caches between two timed operations."""
    off: Any = field(default_factory=lambda: probe.make("off"))
    count: dict[str, Any] = field(default_factory=lambda: {age: probe.make("count") for age in AGES})
    timed: dict[str, Any] = field(default_factory=lambda: {age: probe.make("timed") for age in AGES})
    chunks: dict[str, list[NDArray[np.float64]]] = field(default_factory=lambda: {age: [] for age in AGES})
    """``float64[ops, 2]`` for each timed chunk: occurrences, and ticks in all."""

    def replay(self, pr: Any, block: NDArray[np.uint64]) -> None:
        """Replay a block."""
        self.named.design.replay(self.state, pr, block, np.empty(len(block), np.uint8))

    def totals(self) -> NDArray[np.uint64]:
        """Counts of the replies over the whole stream: ``uint64[128]``."""
        tallies = [self.off, *self.count.values(), *self.timed.values()]
        return np.asarray(sum(rows_of(pr)[:, 0] for pr in tallies), np.uint64)


@dataclass(frozen=True)
class Window:
    """A run of demands in which figures are taken."""

    age: str
    first: int
    last: int
    chunks: int
    """Number of chunks; every other one is counted, the rest timed."""


@dataclass
class Outcome:
    """Observations of a comparison.

    Attributes
    ----------
    sides : list of Side
        Designs in the order given; the A/A twin is apart.
    twin : Side or None
        Second state of the baseline, None when nothing was timed.
    demands : int
        Length of the stream.
    windows : list of Window
    turnover : float
        Swap-outs before the last window, divided by the pages that were swapped out at the peak.
    stream : Stream
    """

    sides: list[Side]
    twin: Side | None
    demands: int
    windows: list[Window]
    turnover: float
    stream: Any

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
        Chunks timed in the fresh window, half as many as in the aged one.

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


def survey(stream: Any, progress: output.Progress) -> tuple[list[int], int, list[NDArray[np.uint64]] | None]:
    """Survey the stream: lengths of its blocks, index of the first swap-out, and the blocks themselves where they are few."""
    sizes: list[int] = []
    kept: list[NDArray[np.uint64]] | None = []
    first = -1
    for block in stream.blocks():
        if first < 0:
            out = np.isin(block[:, 0].astype(np.uint8), RECLAIMS)
            if out.any():
                first = sum(sizes) + int(out.argmax())
        sizes.append(len(block))
        if kept is not None:
            kept.append(block)
            kept = kept if sum(sizes) <= KEEP else None
        progress.step(0, f"{sum(sizes):,} demands")
    return sizes, first if first >= 0 else sum(sizes), kept


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


def footprint(scenario: Any) -> NDArray[np.uint64] | None:
    """Memory that is read before each timed operation: none in the state hot, twice the last-level cache in the state cold."""
    from kernels.compiling.flat import aligned_zeros

    nbytes = {"hot": 0, "footprint": scenario.replay.footprint_kib << 10, "cold": 2 * machine.last_level_cache()}[scenario.replay.state]
    return aligned_zeros(nbytes // 8, np.uint64) if nbytes else None


def build_side(stream: Any, named: naming.Named, name: str, foot: NDArray[np.uint64] | None = None) -> Side:
    """Build a live state of a design."""
    live = named.design.build(stream.config(named.control))
    return Side(name, named, live, stream.scenario.replay.state, timed={age: probe.make("timed", foot) for age in AGES})


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
    )
    stream = streams.build(small)
    sides = [Side(n.text, n, n.design.build(stream.config(n.control, tokens=True))) for n in designs]
    replayed = 0
    with concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        for block in stream.blocks():
            replayed += len(block)
            replay_all(sides, block, pool)
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


def execute(stream: Any, designs: Sequence[naming.Named], *, timed: bool, seed: int) -> Outcome:
    """Replay the stream on all designs.

    Parameters
    ----------
    stream : Stream
        Demands of a scenario.
    designs : sequence of Named
        The first one is the baseline.
    timed : bool
        Take times as well; the counted figures are the same either way.
    seed : int
        Order of the designs in timed chunks.

    Returns
    -------
    Outcome

    Raises
    ------
    BadInput
        Not enough memory, or a stream in which nothing is swapped out.
    """
    machine.require_memory(memory_needed(stream, len(designs) + timed), f"comparing {len(designs)} designs on {stream.trace_name}")
    with output.Progress(f"{stream.scenario.label}: demands") as progress:
        sizes, first, kept = survey(stream, progress)
    if first >= sum(sizes):
        raise BadInput(f"scenario {stream.scenario.name}: nothing is swapped out; lower memory.limit or take more accesses")
    replay = stream.scenario.replay
    windows, foot = windows_of(sizes, first, replay.pairs), footprint(stream.scenario) if timed else None
    most = COLD_DEMANDS if replay.state == "cold" else TIMED_DEMANDS
    sides = [build_side(stream, named, named.text, foot) for named in designs]
    twin = build_side(stream, designs[0], TWIN, foot) if timed else None
    every = [*sides, twin] if twin is not None else sides
    turns = orders(every, np.random.default_rng(seed))
    order = next(turns)
    now, gone = "", 0
    title = f"{stream.scenario.label}: replay"
    with output.Progress(title, sum(sizes)) as progress, concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        for age, number, block in pieces(iter(kept) if kept is not None else stream.blocks(), windows):
            if age == AGES[-1] and age != now:
                gone = int(sides[0].totals()[demand.SWAP_OUT])
            now = age
            if age and number % 2 and timed:
                lead = min(LEAD_IN, len(block) // 4)
                for side in order:
                    side.replay(side.off, block[:lead])
                    _time(side, age, block[lead : lead + most])
                order = next(turns)
                replay_all(order, block[lead + most :], pool)
            else:
                counted = bool(age) and number % 2 == 0
                list(pool.map(lambda side, block=block, age=age, counted=counted: _untimed(side, age, block, counted), order))
            progress.step(len(block))
    holding.hold(sides)
    for side in sides:
        refuse_disorder(side)
    return Outcome(sides, twin, sum(sizes), windows, gone / max(1, int(stream.counters["swapped_peak"])), stream)


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


def orders(sides: Sequence[Side], rng: np.random.Generator) -> Iterator[list[Side]]:
    """Orders of sides without end, each followed by its reverse: no side comes early more often than another."""
    while True:
        order = [sides[i] for i in rng.permutation(len(sides))]
        yield order
        yield order[::-1]


def _untimed(side: Side, age: str, block: NDArray[np.uint64], counted: bool) -> None:
    """Replay a block under the probe that is due. Kernels run without the interpreter's lock."""
    side.replay(side.count[age] if counted and side.name != TWIN else side.off, block)


def _time(side: Side, age: str, block: NDArray[np.uint64]) -> None:
    """Replay a chunk with the clock and file its sums by operation."""
    pr = side.timed[age]
    before, bins = rows_of(pr)[: len(demand.OPS)].copy(), pr.ticks.copy()
    side.replay(pr, block)
    after = rows_of(pr)[: len(demand.OPS)] - before
    side.chunks[age].append(undisturbed(after[:, 0], after[:, int(probe.TICKS)], (pr.ticks - bins).reshape(len(demand.OPS), -1)))


def undisturbed(n: NDArray[np.uint64], ticks: NDArray[np.uint64], bins: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Leave out operations that the system interrupted: those in the last bin, where they are rare.

    Parameters
    ----------
    n, ticks : uint64[ops]
        Occurrences of each operation, and ticks in all.
    bins : uint64[ops, bins]
        Histogram of ticks; the last bin holds everything above (some 27 us).

    Returns
    -------
    float64[ops, 2]
        Occurrences, and ticks in all. Operations that are long by nature (1 % or more in the last bin) are kept as they are.
    """
    last = bins[:, -1]
    rare = (last * DISTURBED < n) | ((last == 1) & (n >= LEAST))
    middle = (np.arange(bins.shape[1]) + 0.5) * (1 << int(probe.TICK_SHIFT))
    inside = bins[:, :-1].astype(np.float64) @ middle[:-1]
    return np.stack([np.where(rare, n - last, n), np.where(rare, inside, ticks)], 1).astype(np.float64)
