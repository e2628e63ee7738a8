"""Places of timed chunks: parts of the stream, chunks of them, and the demands of a chunk that are timed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.measuring.pacing import spread
from dse.measuring.run import AGES, CHUNK, UNIT, Outcome
from kernels import demand

FRESH, AGED = AGES
KINDS_OF = {
    "swap_out": (demand.RECLAIM, demand.RECLAIM_BEGIN), "swap_in": (demand.FAULT, demand.FAULT_END), "zap": (demand.UNMAP,),
    "move": (demand.MOVE, demand.MOVE_STEP, demand.MOVE_END),
}  # fmt: skip
"""Kinds of demands that an operation may come out of."""
PLACES = 64
"""Chunks that the aged part of a short stream is cut into, so that it has small chunks rather than few."""
FEW = 32
"""Chunks with an operation below which they are cut finer: the page tables of a process that exits are unmapped in one or two chunks."""
PART = 64
"""Least demands of a part of a chunk."""
SELDOM = 4
"""An operation that fewer than one in so many chunks hold is given chunks of its own in a pass."""


@dataclass(frozen=True)
class Span:
    """A run of demands that may be timed; `counts` has its demands by kind."""

    age: str
    first: int
    last: int
    counts: NDArray[np.uint32]

    def holds(self, op: str) -> int:
        """Demands of which `op` may come out."""
        return int(self.counts[list(KINDS_OF[op])].sum())


def spans(outcome: Outcome) -> tuple[list[Span], list[Span]]:
    """Places for timed chunks: those of the fresh window, and those of the aged part of the stream.

    The aged part begins where the swapped pages were turned over ``replay.warm_turnover`` times, and holds the aged window at least.
    """
    fresh, aged = outcome.windows
    kinds = outcome.survey.kinds
    more = 0 if outcome.survey.more is None else outcome.survey.more
    outs = np.cumsum(kinds[:, list(KINDS_OF["swap_out"])].sum(1) + more)
    wanted = outcome.stream.scenario.replay.warm_turnover * outcome.swapped_peak
    warm = (int(np.searchsorted(outs, wanted)) + 1) * UNIT
    first = min(max(warm, fresh.last), aged.first)
    return _cut(FRESH, fresh.first, fresh.last, outcome), finer(_cut(AGED, first, aged.last, outcome), kinds)


def finer(chunks: Sequence[Span], kinds: NDArray[np.uint32]) -> list[Span]:
    """Cut those chunks finer that are the only ones with an operation.

    Parameters
    ----------
    chunks : sequence of Span
        Chunks of whole units, in order.
    kinds : uint32[units, kinds]
        Demands by kind, for every :data:`~dse.measuring.run.UNIT` demands of the stream.

    Returns
    -------
    list of Span
        In order. Where fewer than :data:`FEW` chunks have an operation, these are cut into units. A unit of one kind of demands only is
        cut into parts of :data:`PART`, where there are fewer units than that with it: of others the kinds of a part are not known.
    """
    out = list(chunks)
    for op in KINDS_OF:
        if 0 < sum(span.holds(op) > 0 for span in out) < FEW:
            out = [part for span in out for part in (_units(span, kinds) if span.holds(op) else [span])]
        if 0 < sum(span.holds(op) > 0 for span in out) < FEW:
            out = [part for span in out for part in (_parts(span) if span.holds(op) else [span])]
    return out


def _units(span: Span, kinds: NDArray[np.uint32]) -> list[Span]:
    """Units of a chunk."""
    if span.last - span.first <= UNIT:
        return [span]
    return [
        Span(span.age, at * UNIT, min((at + 1) * UNIT, span.last), kinds[at]) for at in range(span.first // UNIT, -(-span.last // UNIT))
    ]


def _parts(span: Span) -> list[Span]:
    """Parts of a unit, if all of its demands are of one kind. What is too short for a part is left out."""
    size = span.last - span.first
    if size < 2 * PART or int(span.counts.max()) != size:
        return [span]
    each = (span.counts > 0).astype(np.uint32) * np.uint32(PART)
    return [Span(span.age, at, at + PART, each) for at in range(span.first, span.last - PART + 1, PART)]


def chosen(aged: Sequence[Span], wanted: int, number: int, ops: Sequence[str]) -> list[Span]:
    """Choose the chunks of a pass.

    Parameters
    ----------
    aged : sequence of Span
        All that may be timed.
    wanted : int
        Chunks of the pass.
    number : int
        Number of the pass: each takes others.
    ops : sequence of str
        Operations with open goals. One that few chunks hold has an equal share of the pass to itself.

    Returns
    -------
    list of Span
        In order, spread evenly over the stream and over the chunks of seldom operations.
    """
    picked: set[int] = set()
    for op in ops:
        mine = [i for i, span in enumerate(aged) if span.holds(op)]
        if mine and len(mine) * SELDOM < len(aged):
            picked |= {mine[i] for i in spread(len(mine), min(len(mine), max(1, wanted // len(ops))), number)}
    if wanted > len(picked):
        picked |= set(spread(len(aged), wanted - len(picked), number))
    return [aged[i] for i in sorted(picked)]


def _cut(age: str, first: int, last: int, outcome: Outcome) -> list[Span]:
    """Cut a part of the stream into chunks of whole units. The last one is short; at the end of the stream it may end within a unit."""
    low, high = -(-first // UNIT), -(-last // UNIT) if last == outcome.demands else last // UNIT
    each = min(max((high - low) // PLACES, 1), CHUNK // UNIT)
    kinds = outcome.survey.kinds
    ends = [min(at + each, high) for at in range(low, high, each)]
    return [Span(age, at * UNIT, min(to * UNIT, last), kinds[at:to].sum(0)) for at, to in zip(range(low, high, each), ends, strict=True)]


def cut(blocks: Iterator[NDArray[np.uint64]], chosen: Sequence[Span]) -> Iterator[tuple[Span | None, NDArray[np.uint64]]]:
    """Cut the stream up to the last chosen span into spans, in order, and what lies between. Blocks may cut a span in two."""
    at, ahead = 0, list(chosen)
    for block in blocks:
        start = 0
        while start < len(block):
            while ahead and ahead[0].last <= at + start:
                ahead.pop(0)
            if not ahead:
                return
            here = ahead[0] if ahead and ahead[0].first <= at + start else None
            stop = here.last if here is not None else ahead[0].first
            stop = min(stop - at, len(block))
            yield here, block[start:stop]
            start = stop
        at += len(block)


def densest(block: NDArray[np.uint64], ops: Sequence[str], lead: int, most: int, enough: int) -> int:
    """First demand of the `most` in a row that serve most of `ops`, `lead` demands or more from the start.

    Parameters
    ----------
    block : uint64[n, 2]
        Demands of a chunk.
    ops : sequence of str
        Operations; the first one counts twice.
    lead, most : int
        Demands before the timed ones, and timed ones.
    enough : int
        Demands of an operation beyond which more are worth nothing.
    """
    kinds = block[:, 0].astype(np.uint8)
    starts = np.arange(lead, max(lead, len(block) - most) + 1)
    worth = np.zeros(len(starts), np.int64)
    for n, op in enumerate(ops):
        running = np.concatenate([[0], np.cumsum(np.isin(kinds, KINDS_OF[op]))])
        found = np.minimum(running[np.minimum(starts + most, len(block))] - running[starts], enough)
        worth += found if n else 2 * found
    return int(starts[np.argmax(worth)])
