"""``dse.explain``: the ordered touches, locks and allocations of one operation, design by design."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dse import naming
from dse.common import machine
from dse.errors import BadInput, unknown
from dse.measuring import warming
from dse.modelling import commons
from dse.modelling.functions import Event, attribute

OPERATIONS = (
    "first_touch", "swap_out", "writeback_end", "swap_in", "cache_hit", "clean_drop", "fork", "cow", "reuse", "zap", "move", "swapoff",
    "read_ahead",
)  # fmt: skip
SLOTS = 1 << 16
SLOTS_OFF = 256
"""Slots of a device for swapoff, which visits every page: a longer trace would be too long to print."""
COMPRESSED = 1575
BLOCK = 1 << 16
EVENTS = ("chase", "read", "write", "lock", "unlock", "alloc", "free", "atomic")
TOUCHES = (0, 1, 2, 7)
"""Events that touch a line, by number."""
TOTALS = (
    "lines", "lines_common", "chain", "locked_sections", "locked_sections_common", "atomics", "allocations", "structures_written", "ptes",
)  # fmt: skip


@dataclass(frozen=True)
class Traced:
    """One operation of one design."""

    design: str
    reply: str
    events: list[Event]
    totals: dict[str, int]
    common: list[commons.CommonStep]


def _demands(op: str, page: int, fresh: int, backend: int, target: int) -> list[tuple[int, int]]:
    """Demands that prepare an operation, and the operation itself as the last one. `page` is swapped out, `fresh` was never touched."""
    from kernels import demand as d

    touch = d.pack(d.FAULT, fresh)
    out = d.pack(d.RECLAIM_BEGIN, fresh, backend=backend, payload=COMPRESSED)
    table = {
        "first_touch": [touch],
        "swap_out": [touch, out],
        "writeback_end": [touch, out, d.pack(d.RECLAIM_END, fresh)],
        "swap_in": [d.pack(d.FAULT, page)],
        "cache_hit": [touch, out, d.pack(d.FAULT, fresh)],
        "clean_drop": [d.pack(d.FAULT, page), d.pack(d.RECLAIM, page, backend=backend, payload=COMPRESSED)],
        "fork": [d.pack(d.FORK, page, count=1, payload=1)],
        "cow": [touch, d.pack(d.FORK, fresh, count=1, payload=1), d.pack(d.COW, fresh)],
        "reuse": [touch, d.pack(d.COW, fresh)],
        "zap": [d.pack(d.UNMAP, page, count=1)],
        "move": [d.pack(d.MOVE, page, backend=backend, payload=target)],
        "swapoff": [d.pack(d.SWAPOFF, 0, backend=backend, payload=d.MEMORY)],
        "read_ahead": [d.pack(d.READAHEAD, page)],
    }
    return table[op]


def _fill(design: Any, state: Any, pr: Any, pages: int, backend: int) -> None:
    """Swap `pages` pages out, one after the other."""
    import numpy as np

    from kernels import demand as d

    first, out = d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=backend, payload=COMPRESSED)
    for start in range(0, pages, BLOCK):
        page = np.arange(start, min(start + BLOCK, pages), dtype=np.uint64) << np.uint64(32)
        block = np.empty((2 * len(page), 2), np.uint64)
        block[0::2, 0], block[0::2, 1] = page | np.uint64(first[0]), first[1]
        block[1::2, 0], block[1::2, 1] = page | np.uint64(out[0]), out[1]
        design.replay(state, pr, block, np.zeros(len(block), np.uint8))


def decoded(own: Any, log: Any, chain: int, lines_touched: int) -> list[Event]:
    """Decode the log of a Trace probe. Lines are numbered in the order of their first touch.

    A move starts with a walk from the PTE that only identifies the page and is not counted. It is left out here as well: events are
    dropped from the front until the numbers of dependent objects and lines equal the counted ones.
    """
    from kernels.own import Allocation, Lock, Region

    names = (own.names(Region),) * 3 + (own.names(Lock),) * 2 + (own.names(Allocation),) * 2 + (own.names(Region),)
    touches = [
        (int(log[at]) >> 8 & 0xFFFFFF, int(log[at + 1]) >> 3) if int(log[at]) & 0xFF in TOUCHES else None for at in range(1, int(log[0]), 2)
    ]
    chases = [int(log[at]) & 0xFF == 0 for at in range(1, int(log[0]), 2)]
    skip = 0
    while skip < len(touches) and (sum(chases[skip:]) > chain or len({t for t in touches[skip:] if t}) > lines_touched):
        skip += 1
    lines: dict[tuple[int, int], int] = {}
    out = []
    for at in range(1 + 2 * skip, int(log[0]), 2):
        head, word = int(log[at]), int(log[at + 1])
        event, what, step = head & 0xFF, head >> 8 & 0xFFFFFF, head >> 32
        if event >= len(EVENTS):
            continue  # a common step, or the mark of a trylock
        line = lines.setdefault((what, word >> 3), len(lines) + 1) if event in TOUCHES else 0
        out.append(Event(EVENTS[event], names[event][what], line, step))
    return out


def inside_leaf(pages: int) -> int:
    """Move a page count to the middle of a leaf of 64, the usual case: a round fill lies on the edge of all structures.

    Examples
    --------
    >>> inside_leaf(32768), inside_leaf(40), inside_leaf(0)
    (32736, 32, 0)
    """
    return max(pages - 1, 0) // 64 * 64 + min(32, pages)


def trace(named: naming.Named, op: str, fill: float, slots: int, backend: str, target: str) -> Traced:
    """Replay a state filled to `fill`, then one operation under the trace probe.

    Raises
    ------
    BadInput
        The operation does not happen there. The message says what happened instead.
    """
    import numpy as np

    from kernels import control
    from kernels import demand as d
    from kernels.life import registry as state
    from kernels.observing import probe

    used = inside_leaf(round(fill * slots))
    shift = max(4, (max(used, 1) + 2).bit_length())
    sizes = {"ssd": slots, "zswap": slots}
    sizes |= {name: slots for name in (backend, target) if name in d.BACKENDS}
    config = state.Config(
        pages=2 << shift, slots=sizes, space_shift=shift, memcg=np.ones(2, np.uint16), parameters=named.control
    )  # fmt: skip
    pr: Any = probe.make("trace")
    st = named.design.build(config)
    _fill(named.design, st, pr, used, d.BACKENDS.index(backend))
    *before, last = _demands(op, used // 2, max(used, 1), d.BACKENDS.index(backend), d.BACKENDS.index(target))
    replies = np.zeros(len(before) + 1, np.uint8)
    if before:
        named.design.replay(st, pr, np.array(before, np.uint64), replies[:-1])
    tally = pr.tally.copy()
    pr.log[0] = 0
    named.design.replay(st, pr, np.array([last], np.uint64), replies[-1:])
    code = int(replies[-1])
    reply = d.OPS[code] if code < d.REASON_BASE else d.REASONS[code - d.REASON_BASE]
    if reply != op:
        raise BadInput(_instead(named.text, op, reply, fill, backend))
    row = slice(code * probe.COLUMNS, (code + 1) * probe.COLUMNS)
    counted = dict(zip(probe.METRICS, (pr.tally[row] - tally[row]).tolist(), strict=False))
    events = decoded(named.design.own, pr.log, int(counted["chain"]), int(counted["lines"]))
    attribute(op, events, named.design)
    shared = commons.steps(pr.log, int(st.ctl[control.C_ERA]))
    return Traced(named.text, reply, events, {name: int(counted[name]) for name in TOTALS}, shared)


def _instead(design: str, op: str, reply: str, fill: float, backend: str) -> str:
    """Give the reason that an operation did not happen."""
    why = {
        "not_resident": "there is no such page at this fill",
        "first_touch": "nothing is swapped out at this fill: take a larger one",
        "empty": "nothing is swapped out at this fill: take a larger one",
        "not_swapped": "nothing is swapped out at this fill: take a larger one",
        "full": "no slot is left: take a smaller fill",
        "swap_out": "a zswap load dirties the folio, swap over half full drops the copy: take --backend ssd",
        "wrong_backend": "the data cannot be moved there from here: take another --backend or --target",
        "refused": "the design refuses it",
    }.get(reply, "")
    return f"{design}: {op} does not happen at fill {fill:g} on {backend}, it is {reply}{f': {why}' if why else ''}"


def aligned(traces: Sequence[Traced]) -> list[dict[str, Any]]:
    """Put the events of several designs side by side: equal steps in one row, in the order of the first design."""
    base = [(event.function, event.label) for event in traces[0].events]
    rows: list[list[dict[int, Event]]] = [[] for _ in range(len(base) + 1)]
    matched: list[dict[int, Event]] = [{0: event} for event in traces[0].events]
    for column, other in enumerate(traces[1:], 1):
        keys = [(event.function, event.label) for event in other.events]
        for tag, i, j, k, m in difflib.SequenceMatcher(None, base, keys, autojunk=False).get_opcodes():
            if tag == "equal":
                for offset in range(j - i):
                    matched[i + offset][column] = other.events[k + offset]
            else:
                for event in other.events[k:m]:
                    _into_gap(rows[i], column, event)
    out = []
    for i in range(len(base) + 1):
        out += [_row(traces, events) for events in rows[i]]
        if i < len(base):
            out.append(_row(traces, matched[i]))
    return [{"step": n, **row} for n, row in enumerate(out, 1)]


def _into_gap(gap: list[dict[int, Event]], column: int, event: Event) -> None:
    """Enter an event that the first design does not have, beside an equal one of another design where there is one."""
    last = max((n for n, row in enumerate(gap) if column in row), default=-1)
    for row in gap[last + 1 :]:
        if any(e.function == event.function and e.label == event.label for e in row.values()):
            row[column] = event
            return
    gap.append({column: event})


def _row(traces: Sequence[Traced], events: dict[int, Event]) -> dict[str, Any]:
    """One row of the comparison."""
    any_one = next(iter(events.values()))
    cells = {t.design: _cell(events[n]) if n in events else "" for n, t in enumerate(traces)}
    return {"function": any_one.function, **cells}


def _cell(event: Event) -> str:
    """Write one event."""
    return f"{event.label}, line {event.line}" if event.line else event.label


def explain(
    op: str = "swap_in", designs: str | Sequence[str] = ("direct", "swap_id"), fill: float = 0.5, slots: int | None = None,
    backend: str | None = None, target: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Show one operation step by step.

    Parameters
    ----------
    op : str
        One of :data:`OPERATIONS`.
    designs : str or sequence of str
        ``NAME[param=value,...]``, side by side.
    fill : float
        Share of the slots in use before it, 0 to 1.
    slots : int, optional
        Slots of a device, default 65,536 (256 for swapoff).
    backend : str, optional
        Backend of the page's data. Default: zswap, or ssd for clean_drop and swapoff.
    target : str, optional
        Target of a move. Default: ssd from zswap, else hdd.

    Returns
    -------
    dict
        ``op``, ``fill``, ``slots``, ``backend``, ``target``, ``kind`` (counted), ``designs`` (design, events, totals, common) and ``rows``,
        the events side by side, and ``common``, the steps that all designs share, by function.

    Raises
    ------
    BadInput
        Unknown names, or an operation that does not happen there.
    """
    from kernels.demand import BACKENDS

    if op not in OPERATIONS:
        raise BadInput(unknown("operation", op, OPERATIONS))
    if target is not None and op != "move":
        raise BadInput(f"target has no effect: {op} moves nothing, it is of move")
    chosen = naming.parse_many(designs)
    backend = backend or ("ssd" if op in ("clean_drop", "swapoff") else "zswap")
    target = target or ("ssd" if backend == "zswap" else "hdd")
    for name in (backend, target):
        if name not in BACKENDS:
            raise BadInput(unknown("backend", name, BACKENDS))
    slots = slots or (SLOTS_OFF if op == "swapoff" else SLOTS)
    if not 0.0 <= fill <= 1.0:
        raise BadInput(f"fill is from 0 to 1, got {fill}")
    machine.require_memory(slots * 800, f"a state of {slots:,} slots")
    warming.warm([(named.text, "trace") for named in chosen])
    traces = [trace(named, op, fill, slots, backend, target) for named in chosen]
    return {
        "op": op, "fill": fill, "slots": slots, "backend": backend, "target": target if op == "move" else None, "kind": "counted",
        "designs": [
            {"design": t.design, "totals": t.totals, "events": [asdict(e) for e in t.events], "common": [asdict(c) for c in t.common]}
            for t in traces
        ],
        "rows": aligned(traces), "common": commons.beside((t.design, t.common) for t in traces),
    }  # fmt: skip
