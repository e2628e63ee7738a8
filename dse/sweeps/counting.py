"""Counting for a sweep: the demands of a scenario, replayed on a design under the count probe.

Everything that decides a figure is imported from here, and nothing else is. The cache of sweeps is void when one of these modules is
edited (:func:`dse.sweeps.caching.code_digest`).
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import naming, scenario
from dse.errors import BadInput
from dse.modelling import ledger
from kernels import control, demand
from kernels.observing import probe

TABLE = 512
"""PTEs of one page table: what one UNMAP of the epilogue covers."""
DISKS = ("ssd", "hdd", "zram")
METRICS = ("n", "lines", "chain", "locked_sections", "atomics", "ptes", "allocations", "retries", "frees", "lock_order_violations")
NOTHING_LEFT = (
    "nothing is swapped out at the end of the stream: a program frees its pages before it ends, or they fit in memory; "
    "set fewer accesses (workload.accesses), or less memory (memory.limit)"
)
"""Why a stream is no environment: bytes are read at its end."""
STREAM_MAX = 1 << 26
"""Most demands of a stream [16 B each]: sweeps count, and counting needs no more."""
Measures = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Environment:
    """Demands of an environment, and what a state needs to fit them."""

    demands: NDArray[np.uint64]
    stream: Any
    counters: dict[str, int]


def stream_of(scenario_json: str) -> Any:
    """Return the stream of a resolved scenario, none of whose demands is made yet.

    Raises
    ------
    BadInput
        The scenario does not go together, or is larger than a sweep takes.
    """
    from dse.workloads import stream as streams

    if scenario_json.startswith("infeasible: "):
        raise BadInput(scenario_json.partition("; ")[0].partition(": ")[2])
    given = scenario.from_values("sweep", json.loads(scenario_json))
    for what in ("accesses", "pages"):
        if getattr(given.workload, what) > STREAM_MAX:
            raise BadInput(f"a sweep takes at most {STREAM_MAX:,} {what}, the scenario has {getattr(given.workload, what):,}")
    return streams.build(given)


def environment_of(stream: Any) -> Environment:
    """Make the demands of a stream.

    Raises
    ------
    BadInput
        There are too many.
    """
    blocks, n = [], 0
    for block in stream.blocks():
        blocks.append(block)
        n += len(block)
        if n > STREAM_MAX:
            raise BadInput(f"scenario makes more than {STREAM_MAX:,} demands; take fewer accesses")
    return Environment(np.concatenate(blocks), stream, {name: int(n) for name, n in stream.counters.items()})


def attempted(work: Callable[[], Measures]) -> Measures:
    """Return the measures that `work` makes, or why there are none, as a status.

    Raises
    ------
    OSError
        The cache cannot be written: that says nothing of the configuration.
    """
    try:
        return work()
    except BadInput as error:
        return {"status": f"infeasible: {error}"}
    except MemoryError:
        return {"status": "infeasible: not enough memory", "transient": True}
    except OSError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a design that fails, or ends the process, is a result of the sweep
        return {"status": f"failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}


def count(design: str, settings: Mapping[str, int], env: Environment) -> Measures:
    """Replay an environment on a design.

    Parameters
    ----------
    design : str
        ``NAME[param=value,...]``.
    settings : mapping
        Keys of :class:`kernels.life.registry.Config`.
    env : Environment
        The demands.

    Returns
    -------
    dict
        ``status`` (ok, or why not), ``ops`` (counts by operation in the second half of the stream), ``replies`` (of the whole stream),
        ``delivered`` (pages that go out and moves in that half), ``pages`` and ``bytes`` at the end of the stream, ``free`` and
        ``swapoff`` (the epilogue), ``ledger`` rows. All of it counted.
    """
    named = naming.parse(design)
    config = dataclasses.replace(env.stream.config(named.control, tokens=True), folios=0, **settings)
    state = named.design.build(config)
    pr = probe.make("count")
    half = len(env.demands) // 2
    replay = functools.partial(_replay, named.design.replay, state, pr)
    replay(env.demands[:half])
    before = _tally(pr)
    replay(env.demands[half:])
    whole = _tally(pr)
    pages = ledger.swapped(state.pte)
    if not pages:
        return {"status": f"infeasible: {NOTHING_LEFT}"}
    book = _book(named, state)
    found: Measures = {
        "status": "ok", "demands": len(env.demands), "ops": _ops(whole - before), "replies": _replies(whole), "pages": pages,
        "peak_pages": max(pages, env.counters.get("swapped_peak", 0)), "moves": env.counters.get("moves", 0),
        "lifetimes": env.counters.get("lifetimes", 0), "writebacks": env.counters.get("writebacks", 0),
        "delivered": delivered(env.demands[half:]), **book,
    }  # fmt: skip
    found |= _epilogue(config, state, pr, replay)
    lost = int(state.ctl[int(control.S_LOST)])
    if lost:
        return {"status": f"failed: {lost} pages read a content that is not theirs"}
    wrong = int(_tally(pr)[:, probe.METRICS.index("lock_order_violations")].sum())
    if wrong:
        return {"status": f"failed: {wrong} locks were taken against the order in which they are declared"}
    return found


def delivered(demands: NDArray[np.uint64]) -> dict[str, int]:
    """Pages that demands take out, and demands that move one: what a rate of moves comes to, the same for every design.

    Parameters
    ----------
    demands : ndarray
        Demands ``uint64[n, 2]``.
    """
    kinds = np.bincount((demands[:, 0] & np.uint64(0xFF)).astype(np.intp), minlength=len(demand.KINDS))
    return {"out": int(demand.pages_out(demands).sum()), "moves": int(kinds[demand.MOVE] + kinds[demand.MOVE_BEGIN])}


def _replay(run: Any, state: Any, pr: Any, demands: NDArray[np.uint64]) -> None:
    run(state, pr, np.ascontiguousarray(demands), np.empty(len(demands), np.uint8))


def _tally(pr: Any) -> NDArray[np.int64]:
    """The tally so far: ``int64[codes, columns]``."""
    return np.array(pr.tally[: probe.CODES * probe.COLUMNS], np.int64).reshape(probe.CODES, probe.COLUMNS)


def _row(tally: NDArray[np.int64], code: int) -> dict[str, int]:
    return {name: int(tally[code, probe.METRICS.index(name)]) for name in METRICS}


def _ops(tally: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    """Sums of each operation that happened."""
    return {name: _row(tally, code) for code, name in enumerate(demand.OPS) if tally[code, 0] and name != "nothing"}


def _replies(tally: NDArray[np.int64]) -> dict[str, int]:
    """Counts of the replies."""
    names = {**dict(enumerate(demand.OPS)), **{demand.REASON_BASE + i: name for i, name in enumerate(demand.REASONS)}}
    return {name: int(tally[code, 0]) for code, name in names.items() if tally[code, 0]}


def _book(named: naming.Named, state: Any) -> Measures:
    """Bytes of the live state, and the rows that make them up."""
    book = ledger.live(named.design, named.values, state)
    rows = [
        {"structure": r.structure, "static": int(r.static_bytes), "dynamic": int(r.dynamic_bytes), "allocated": int(r.allocated_bytes)}
        for r in book.rows
        if r.allocated_bytes
    ]
    bytes_ = {"allocated": int(book.allocated_bytes), "counted": int(book.total_bytes), "peak": int(book.peak_bytes)}
    return {"bytes": bytes_, "ledger": rows}


def _epilogue(config: Any, state: Any, pr: Any, replay: Any) -> Measures:
    """Unmap the lower half of each space in runs of a page table, then switch the disks off under the rest."""
    size = 1 << config.space_shift
    spaces = range(0, config.pages, size)
    halves = [(base, base + (min(size, config.pages - base) // 2 // TABLE or 1) * TABLE) for base in spaces]
    halves = [(base, min(end, config.pages)) for base, end in halves]
    pages = sum(ledger.swapped(state.pte[base:end]) for base, end in halves)
    runs = [
        demand.pack(demand.UNMAP, first, count=min(TABLE, end - first))
        for base, end in halves for first in range(base, end, TABLE)
    ]  # fmt: skip
    before = _tally(pr)
    replay(np.array(runs, np.uint64).reshape(-1, 2))
    after = _tally(pr)
    free = _row(after - before, demand.ZAPPED)
    rest = ledger.swapped(state.pte)
    offs = [
        demand.pack(demand.SWAPOFF, 0, backend=demand.BACKENDS.index(name), payload=demand.MEMORY)
        for name in DISKS if config.slots.get(name)
    ]  # fmt: skip
    replay(np.array(offs, np.uint64).reshape(-1, 2))
    off = _row(_tally(pr) - after, demand.SWAPPED_OFF)
    return {"free": {**free, "pages": pages}, "swapoff": {**off, "pages": rest}}
