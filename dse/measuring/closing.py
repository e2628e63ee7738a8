"""The closed loop: reclaim runs for each design, within the memory that the design's own state leaves.

The memory limit covers resident pages, zsmalloc's pages and what the design allocated since swapon. Before each block of accesses
(:func:`step_of`) the limit of resident pages is set to what is left, and reclaim goes down to it, as a write of memory.max does. The
demands of the block are replayed on a state of the design at once, before the next block. They are a stream as any other then, of one
design: it is counted as in an open loop.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.errors import BadInput, CheckFailed
from dse.measuring import run
from dse.measuring.figures import CLOSED
from dse.modelling import ledger
from dse.modelling.sizes import PAGE
from dse.storing import Figure, More, figure
from dse.workloads import stream as streams
from dse.workloads.stream import Stream
from kernels import control, demand
from kernels.reclaim import state as s

STEP, LAG = 4096, 64
"""Most accesses of a block, and its least part of the memory limit."""


def step_of(limit: int) -> int:
    """Accesses between two looks at a design's state: a 64th of the memory limit [pages], at most 4096.

    Examples
    --------
    >>> step_of(8), step_of(65_536), step_of(1 << 20)
    (1, 1024, 4096)
    """
    return max(1, min(STEP, limit // LAG))


def allocated_of(side: run.Side) -> int:
    """Bytes that a live state has allocated, at swapon and since."""
    return ledger.live(side.named.design, side.named.values, side.state, entries=False).allocated_bytes


def pages_up(nbytes: int) -> int:
    """Pages that hold so many bytes."""
    return -(-nbytes // PAGE)


@dataclass(frozen=True)
class Room:
    """Memory of a design's state at one time, in pages.

    Attributes
    ----------
    limit : int
        Memory limit.
    zsmalloc, metadata : int
        Pages of zsmalloc, and of what was allocated since swapon.
    kept : int
        Pages in memory that reclaim takes for swapped out, as the design refused to take them.
    """

    limit: int
    zsmalloc: int = 0
    metadata: int = 0
    kept: int = 0

    @property
    def resident(self) -> int:
        """Resident pages that reclaim may have."""
        return self.limit - self.zsmalloc - self.metadata - self.kept

    def parts(self) -> dict[str, int]:
        """Pages by what they hold."""
        return {"resident": self.resident, "zsmalloc": self.zsmalloc, "metadata": self.metadata, "kept": self.kept}


@dataclass
class Residence:
    """Room of a design over the accesses.

    Attributes
    ----------
    room : Room
        At the end.
    total, accesses : int
        Sum of the resident pages that it could hold over the accesses so far, and their number.
    """

    room: Room
    total: int = 0
    accesses: int = 0

    @property
    def mean(self) -> float:
        """Resident pages that it could hold, on average over the accesses."""
        return self.total / self.accesses if self.accesses else float(self.room.resident)


@dataclass
class Closed(Stream):
    """Demands of a scenario for one design, the same at every iteration.

    Attributes
    ----------
    named : Named
        The design.
    residence : Residence
        Filled when :meth:`blocks` is exhausted.
    """

    named: naming.Named = field(kw_only=True)
    residence: Residence = field(default_factory=lambda: Residence(Room(0)))

    @property
    def title(self) -> str:
        """Scenario and design, for a line of progress."""
        return f"{self.scenario.label}, {self.named.text}"

    @property
    def digest(self) -> str:
        """SHA-256 of what an open loop reads, and of the design, whose state decides with it."""
        memory = self.scenario.memory
        what = [super().digest, "closed", STEP, LAG, self.named.text, memory.swap_max, memory.cgroup_depth]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def blocks(self) -> Iterator[NDArray[np.uint64]]:
        """Iterate over the demands, from the first one on, in blocks as those of an open loop."""
        return recut(self._pieces(), self.scenario.replay.block)

    def _pieces(self) -> Iterator[NDArray[np.uint64]]:
        """Demands as they come: after each piece, the design has replayed it."""
        from kernels.reclaim.stage import advance, lower

        stage = streams.start(self)
        side = run.Side(self.named.text, self.named, self.named.design.build(self.config(self.named.control, tokens=True)))
        before, ctl = allocated_of(side), stage.ctl
        ctl[int(s.C_CHARGED)] = 0  # zsmalloc's pages are those of the design
        self.taken, self.residence = 0, Residence(Room(self.limit))
        for accesses, events, positions in self._input(step_of(self.limit)):
            ctl[int(s.C_LIMIT)] = self._look(side, stage, before)
            self.residence.total += len(accesses) * self.residence.room.resident
            self.residence.accesses += len(accesses)
            yield from self._replayed(side, stage, lower)
            ctl[int(s.S_ACCESS)] = ctl[int(s.S_EVENT)] = 0
            yield from self._replayed(side, stage, advance, accesses, events, positions)
        self._look(side, stage, before)
        if lost := int(side.state.ctl[int(control.S_LOST)]):
            raise CheckFailed(f"{side.name}: swap_in gave {lost} pages a content that is not theirs")
        self.counters = streams.counters_of(ctl)

    def _replayed(self, side: run.Side, stage: Any, make: Any, *given: Any) -> Iterator[NDArray[np.uint64]]:
        """Make demands until `make` has no more, and replay them."""
        out, n = stage.out.reshape(-1, streams.WORDS), self.scenario.replay.block
        while n >= self.scenario.replay.block:
            make(stage, *given)
            n = int(stage.ctl[int(s.S_OUT)])
            stage.ctl[int(s.S_OUT)] = 0
            if n:
                piece = out[:n].copy()
                side.replay(side.off, piece)
                yield piece

    def _look(self, side: run.Side, stage: Any, before: int) -> int:
        """Look at the room that the state leaves now, and return the resident pages that fit.

        Raises
        ------
        BadInput
            They are fewer than reclaim takes at once.
        """
        words, least = side.state.ctl, self.scenario.memory.batch
        folios = int(words[int(control.S_FOLIO_LIVE)]) - int(stage.ctl[int(s.S_RESIDENT)])
        room = Room(
            self.limit, pages_up(int(words[int(control.S_ZOBJ_BYTES)])), pages_up(max(0, allocated_of(side) - before)),
            0 if self.forks else max(0, folios),
        )  # fmt: skip
        self.residence.room = room
        if room.resident < least:
            kept = f", pages that it refused to swap out {room.kept:,}" if room.kept else ""
            taken = f"of {room.limit:,} pages of memory zsmalloc takes {room.zsmalloc:,}, metadata {room.metadata:,}{kept}"
            raise BadInput(
                f"scenario {self.scenario.name}: {side.name} cannot keep up: after {self.taken:,} of {self.accesses:,} accesses {taken}, "
                f"which leaves {max(0, room.resident):,} where reclaim needs {least:,} (memory.batch): "
                "raise memory.limit, or leave it out of --designs"
            )
        return room.resident


def recut(pieces: Iterable[NDArray[np.uint64]], size: int) -> Iterator[NDArray[np.uint64]]:
    """Cut demands into blocks of `size`, the last one smaller."""
    held: list[NDArray[np.uint64]] = []
    n = 0
    for piece in pieces:
        held.append(piece)
        n += len(piece)
        while n >= size:
            whole = np.concatenate(held)
            yield whole[:size]
            held, n = [whole[size:]], n - size
    if n:
        yield np.concatenate(held)


def of_design(stream: Stream, named: naming.Named) -> Closed:
    """Build the stream of one design from that of the scenario."""
    return Closed(**{item.name: getattr(stream, item.name) for item in fields(Stream)}, named=named)


@dataclass
class Outcomes(run.Outcome):
    """Observations of designs that each had demands of their own; demands, windows and turnover are those of the baseline."""

    streams: Sequence[Closed] = ()

    def peaks(self) -> list[int]:
        """Peaks of the swapped pages, by side: each by its own stream."""
        return [own.counters["swapped_peak"] for own in self.streams]

    def of_memory(self) -> list[Figure]:
        """Rows of each design's memory and faults, and of what it has more than the baseline."""
        out: list[Figure] = []
        base = self.sides[0]
        least = int(base.totals()[demand.SWAP_IN])
        for side, own in zip(self.sides, self.streams, strict=True):
            mean, n, accesses = own.residence.mean, int(side.totals()[demand.SWAP_IN]), own.accesses
            pages = own.residence.room.parts().items()
            out += [figure(side.name, CLOSED, f"{what}_pages", "counted", "pages", now, stat="end") for what, now in pages]
            out.append(figure(side.name, CLOSED, "resident_pages", "counted", "pages", mean, stat="mean", n=accesses, count=None))
            out.append(figure(side.name, CLOSED, "major_faults", "counted", "faults", n, stat="total", n=accesses))
            if side is not base:
                more: More = {"stat": "total", "n": accesses, "baseline": base.name, "status": direction(n, least, accesses)}
                out.append(figure(side.name, CLOSED, "more_major_faults", "counted", "faults", n - least, **more))
        return out


def direction(mine: int, theirs: int, accesses: int) -> str:
    """Say how many more or fewer faults there are.

    Examples
    --------
    >>> direction(12, 10, 1000), direction(10, 12, 1000), direction(3, 3, 9)
    ('more: 2 of 1,000 accesses', 'fewer: 2 of 1,000 accesses', 'equal: 0 of 9 accesses')
    """
    word = "more" if mine > theirs else "fewer" if mine < theirs else "equal"
    return f"{word}: {abs(mine - theirs):,} of {accesses:,} accesses"


def execute(stream: Stream, designs: Sequence[naming.Named]) -> Outcomes:
    """Run reclaim and the replay for one design after the other, and count.

    Parameters
    ----------
    stream : Stream
        Of the scenario.
    designs : sequence of Named
        The first one is the baseline.

    Raises
    ------
    BadInput
        A design leaves too little memory for reclaim, besides what :func:`dse.measuring.run.execute` raises.
    """
    mine = [of_design(stream, named) for named in designs]
    found = [run.execute(one, [named], timed=True) for one, named in zip(mine, designs, strict=True)]  # one more state: that in the loop
    first = found[0]
    stream.counters = mine[0].counters
    sides = [one.sides[0] for one in found]
    return Outcomes(sides, first.demands, first.windows, first.turnover, stream, first.survey, mine)
