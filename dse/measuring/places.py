"""Places of timed chunks: parts of the stream, chunks of them, and the demands of a chunk that are timed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    outs = np.cumsum(kinds[:, list(KINDS_OF["swap_out"])].sum(1))
    wanted = outcome.stream.scenario.replay.warm_turnover * outcome.swapped_peak
    warm = (int(np.searchsorted(outs, wanted)) + 1) * UNIT
    first = min(max(warm, fresh.last), aged.first)
    return _cut(FRESH, fresh.first, fresh.last, outcome), _cut(AGED, first, aged.last, outcome)


def _cut(age: str, first: int, last: int, outcome: Outcome) -> list[Span]:
    """Cut a part of the stream into whole chunks, each of whole units."""
    low, high = -(-first // UNIT), last // UNIT
    each = min(max((high - low) // PLACES, 1), CHUNK // UNIT)
    kinds = outcome.survey.kinds
    return [Span(age, at * UNIT, (at + each) * UNIT, kinds[at : at + each].sum(0)) for at in range(low, high - each + 1, each)]


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
