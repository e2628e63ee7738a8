"""Probes: the observations of a replay. The probe is a *type*, so that variants without observation compile away.

============ =====================================================================================
``Off``      replies are counted, nothing else
``Count``    distinct 64-byte lines, dependent objects (chain), locked sections, atomics, PTEs, allocations
``Timed``    fenced nanoseconds per operation (histogram); locks are real uncontended atomics
``Flush``    the steps of ``Timed`` without the clock; each line leaves the caches after its access
``Trace``    the ordered log of one operation (``dse explain``)
============ =====================================================================================

Kernels name their touches: ``chase`` an object whose address had to be loaded first, ``touch`` a line next to it or independent
of it, ``wrote`` a modified line, whose region says which lock guards it. ``step`` names the kernel function that is modelled.
"""

from __future__ import annotations

import numpy as np

from kernels.compiling.atomic import drain, read_clock
from kernels.compiling.bits import popcount
from kernels.compiling.constants import U0, U1, U2, U3, U8
from kernels.compiling.flat import Flat, U64Array
from kernels.compiling.jit import inner, operation, u
from kernels.demand import OPS
from kernels.observing import allocations as allocs
from kernels.observing import (
    lineset,
    regions,  # its numbers come first
)
from kernels.own import ATOMIC, COMMON, DRIVER, FOLIO, OWN_CPU, PAGE_TABLE

# tally: one row of COLUMNS words for each reply code, then the scratch row of the operation under way
CODES, COLUMNS = 128, 32
ROW_SHIFT = u(5)
(
    N, LINES, CHAIN, LOCKS, PTES, ALLOCS, RETRIES, REGIONS, TICKS, TICKS_MAX, LINES_MAX, LOCK_ORDER, FREES, SAW_FULL, SAW_MEMCG_FULL,
    ATOMICS, LINES_COMMON, CHAIN_COMMON, WRITTEN_COMMON, LOCKS_COMMON,
) = (u(i) for i in range(20))  # fmt: skip
METRICS = ("n", "lines", "chain", "locked_sections", "ptes", "allocations", "retries", "structures_written",
           "ticks", "ticks_max", "lines_max", "lock_order_violations", "frees", "saw_full", "saw_memcg_full", "atomics",
           "lines_common", "chain_common", "written_common", "locked_sections_common")  # fmt: skip
SCRATCH = u(CODES * COLUMNS)
SEEN, HELD, CLOCK, STEP = (u(CODES * COLUMNS + i) for i in range(COLUMNS, COLUMNS + 4))
HIST_OPS = len(OPS)
ALLOC_NOW = u(CODES * COLUMNS + 2 * COLUMNS)  # the row of the operation under way (kernels.observing.allocations)
FOOT, FOOT_SUM = (ALLOC_NOW + u(allocs.ROW + i) for i in range(2))
ALLOC_LOG = FOOT + u(2)  # a row for each operation, and one for those that were refused
TALLY_WORDS = int(ALLOC_LOG) + (HIST_OPS + 1) * allocs.ROW
LOG_WORDS = 1 << 16
LINE_BINS = 512
TICK_BINS, TICK_SHIFT = 4096, u(4)  # bins of 16 ticks

CLUSTERS = ("cluster", "second cluster")
"""Locks of clusters: a move holds two."""
R_PTE = COMMON.region("PTE", guards=PAGE_TABLE)
R_DEV = COMMON.region("swap device", guards=("device", ATOMIC))
R_CLUSTER = COMMON.region("cluster header", guards=(*CLUSTERS, "device"))
R_MAP = COMMON.region("swap_map", guards=CLUSTERS)
R_CGROUP = COMMON.region("cgroup", guards=ATOMIC)
R_ZEROMAP = COMMON.region("zeromap", guards=ATOMIC)
R_CACHE = COMMON.region("swap cache space", guards="swap cache xa_lock")
R_CACHE_NODE = COMMON.region("swap cache node", guards=("swap cache xa_lock", "shadow node LRU"))
R_ZTREE = COMMON.region("zswap tree", guards="zswap tree xa_lock")
R_ZNODE = COMMON.region("zswap node", guards="zswap tree xa_lock")
R_ZE = COMMON.region("zswap_entry", guards="zswap LRU")
R_ZOBJ = COMMON.region("zsmalloc object", guards=FOLIO)
R_ZLRU = COMMON.region("zswap LRU", guards="zswap LRU")
R_CONT = COMMON.region("continuation", guards="continuation")
R_BITMAP = COMMON.region("slot bitmap", guards=CLUSTERS)
R_PERCPU = COMMON.region("per-CPU cluster", guards=OWN_CPU)
R_OWNER = COMMON.region("owner record", guards=FOLIO)
R_ZRAM = COMMON.region("zram table", guards=DRIVER)
R_COMMON = COMMON.region("common step", uncounted="lines of kernels.structures.common, which every design touches", guards=DRIVER)
R_SHADOWS = COMMON.region(
    "shadow node LRU", uncounted="a list head, a counter, and page descriptors of slabs", guards=("shadow node LRU", "swap cache xa_lock")
)

F_NONE = regions.F_NONE
F_ZERO = COMMON.step("swap_zeromap_folio_set")
F_DUP = COMMON.step("swap_dup_entries_cluster")
F_ADD = COMMON.step("add_to_swap_cache")
F_INVALIDATE, F_SWAPCOUNT = COMMON.step("zswap_invalidate"), COMMON.step("swap_swapcount")
F_WORKINGSET = COMMON.step("workingset_update_node")
F_ENTRY_FREE = COMMON.step("zswap_entry_free")
F_CACHE_CLEAR = COMMON.step("swapcache_clear")

# events of the Trace probe: word 0 = event | what << 8 | step << 32, word 1 = address; E_TRY says that the lock that follows is a trylock
E_CHASE, E_TOUCH, E_WROTE, E_LOCK, E_UNLOCK, E_ALLOC, E_FREE, E_ATOMIC, E_COMMON, E_TRY = (u(i) for i in range(10))


class Off(Flat):
    """Counts replies only."""

    tally: U64Array


class Count(Flat):
    """Counts touches, locks and allocations of every operation."""

    tally: U64Array
    stamps: U64Array
    hist: U64Array


class Timed(Flat):
    """Times every operation between fences, after reading the memory that stands for other work (the first FOOT words of `foot`)."""

    tally: U64Array
    ticks: U64Array
    foot: U64Array


class Flush(Timed):
    """Replays as ``Timed`` does without the clock, and flushes from the caches what it loads and stores: later operations are cold."""


class Trace(Flat):
    """Logs the steps of an operation in order."""

    tally: U64Array
    stamps: U64Array
    hist: U64Array
    log: U64Array


def make(kind: str, foot: U64Array | None = None) -> Off | Count | Timed | Trace:
    """Build a probe: ``off``, ``count``, ``timed``, ``flush`` or ``trace``.

    Parameters
    ----------
    kind : str
    foot : uint64[n], optional
        Memory that a ``timed`` probe reads before every operation, a word of each line. It stands for the CPU's other work between two
        faults. Probes may share it.
    """
    tally = np.zeros(TALLY_WORDS, np.uint64)
    if kind == "off":
        return Off(tally=tally)
    if kind in ("timed", "flush"):
        tally[FOOT] = 0 if foot is None else len(foot)
        ticks, read = np.zeros(HIST_OPS * TICK_BINS, np.uint64), np.zeros(1, np.uint64) if foot is None else foot
        return (Timed if kind == "timed" else Flush)(tally=tally, ticks=ticks, foot=read)
    stamps, hist = np.zeros(lineset.WORDS, np.uint64), np.zeros(HIST_OPS * LINE_BINS, np.uint64)
    if kind == "count":
        return Count(tally=tally, stamps=stamps, hist=hist)
    return Trace(tally=tally, stamps=stamps, hist=hist, log=np.zeros(LOG_WORDS, np.uint64))


@operation
def chase(pr, region, word):  # type: ignore[no-untyped-def]
    """Note that an object of `region` is reached through a loaded address: one more link of the chain."""


@operation
def touch(pr, region, word):  # type: ignore[no-untyped-def]
    """Note that the line of 64-bit `word` of `region` is read."""


@operation
def wrote(pr, region, word):  # type: ignore[no-untyped-def]
    """Note that the line of `word` of `region` is modified."""


@operation
def alone(pr, on):  # type: ignore[no-untyped-def]
    """Announce writes that need no lock: what they change is a fresh object, or nobody else writes it. `on` False: they are over."""


@operation
def bump(pr, metric, by):  # type: ignore[no-untyped-def]
    """Add `by` to `metric` of the operation under way (PTEs scanned, retries)."""


@operation
def allocated(pr, what):  # type: ignore[no-untyped-def]
    """Note that an object of allocation class `what` was allocated."""


@operation
def freed(pr, what):  # type: ignore[no-untyped-def]
    """Note that an object of allocation class `what` was freed."""


@operation
def step(pr, number):  # type: ignore[no-untyped-def]
    """Announce that the code behind it models the kernel function of step `number`."""


@operation
def begin(pr):  # type: ignore[no-untyped-def]
    """Start an operation."""


@operation
def finish(pr, code):  # type: ignore[no-untyped-def]
    """End the operation with reply `code`, and file its observations under it."""


@inner
def is_new(pr, line):  # type: ignore[no-untyped-def]
    """Enter `line` into the set of the operation; 1 if it was not there, else 0."""
    return lineset.enter(pr.stamps, pr.tally[SEEN], line)


@inner
def line_seen(pr, region, word):  # type: ignore[no-untyped-def]
    """Count the line if the operation has not touched it before (a set of lines, stamped with the operation's number)."""
    pr.tally[SCRATCH + LINES] += is_new(pr, region << u(56) | word >> U3)


@inner
def _nothing3(pr, region, word):  # type: ignore[no-untyped-def]
    return None


@inner
def _nothing_bump(pr, metric, by):  # type: ignore[no-untyped-def]
    return None


@inner
def _nothing_what(pr, what):  # type: ignore[no-untyped-def]
    return None


@inner
def _nothing_number(pr, number):  # type: ignore[no-untyped-def]
    return None


@inner
def _chase(pr, region, word):  # type: ignore[no-untyped-def]
    pr.tally[SCRATCH + CHAIN] += U1
    line_seen(pr, region, word)


@inner
def _wrote(pr, region, word):  # type: ignore[no-untyped-def]
    pr.tally[SCRATCH + REGIONS] |= U1 << region
    line_seen(pr, region, word)


@inner
def _bump(pr, metric, by):  # type: ignore[no-untyped-def]
    pr.tally[SCRATCH + metric] += by


@inner
def _allocated(pr, what):  # type: ignore[no-untyped-def]
    pr.tally[SCRATCH + ALLOCS] += U1
    pr.tally[ALLOC_NOW + what * U2] += U1


@inner
def _freed(pr, what):  # type: ignore[no-untyped-def]
    pr.tally[SCRATCH + FREES] += U1
    pr.tally[ALLOC_NOW + what * U2 + U1] += U1


@inner
def _off_begin(pr):  # type: ignore[no-untyped-def]
    return None


@inner
def _off_finish(pr, code):  # type: ignore[no-untyped-def]
    pr.tally[code << ROW_SHIFT] += U1


@inner
def _count_begin(pr):  # type: ignore[no-untyped-def]
    pr.tally[SEEN] += U1
    for i in range(COLUMNS):
        pr.tally[SCRATCH + u(i)] = U0


@inner
def _count_finish(pr, code):  # type: ignore[no-untyped-def]
    tally = pr.tally
    row = code << ROW_SHIFT
    tally[SCRATCH] = U1
    tally[SCRATCH + REGIONS] = popcount(tally[SCRATCH + REGIONS])
    lines = tally[SCRATCH + LINES]
    tally[row + LINES_MAX] = max(tally[row + LINES_MAX], lines)
    for i in range(8):
        tally[row + u(i)] += tally[SCRATCH + u(i)]
    for metric in (LOCK_ORDER, FREES, SAW_FULL, SAW_MEMCG_FULL, ATOMICS, LINES_COMMON, CHAIN_COMMON, WRITTEN_COMMON, LOCKS_COMMON):
        tally[row + metric] += tally[SCRATCH + metric]
    if tally[SCRATCH + ALLOCS] | tally[SCRATCH + FREES] != U0:
        allocs.file_row(tally, ALLOC_NOW, ALLOC_LOG + min(code, u(HIST_OPS)) * u(allocs.ROW))
    if code < u(HIST_OPS):
        pr.hist[code * u(LINE_BINS) + min(lines, u(LINE_BINS - 1))] += U1


@inner
def _timed_begin(pr):  # type: ignore[no-untyped-def]
    total = U0
    for i in range(0, pr.tally[FOOT], 8):
        total += pr.foot[u(i)]
    pr.tally[FOOT_SUM] = total
    pr.tally[CLOCK] = read_clock()


@inner
def _timed_finish(pr, code):  # type: ignore[no-untyped-def]
    drain()
    ticks = read_clock() - pr.tally[CLOCK]
    row = code << ROW_SHIFT
    pr.tally[row] += U1
    pr.tally[row + TICKS] += ticks
    pr.tally[row + TICKS_MAX] = max(pr.tally[row + TICKS_MAX], ticks)
    if code < u(HIST_OPS):
        pr.ticks[code * u(TICK_BINS) + min(ticks >> TICK_SHIFT, u(TICK_BINS - 1))] += U1


@inner
def record(pr, event, what, word):  # type: ignore[no-untyped-def]
    """Append an event to the log of a ``Trace`` probe. A full log drops it."""
    at = pr.log[U0]
    if at + U2 < u(LOG_WORDS):
        pr.log[at + U1] = event | what << U8 | pr.tally[STEP] << u(32)
        pr.log[at + U2] = word
        pr.log[U0] = at + U2


@inner
def _trace_begin(pr):  # type: ignore[no-untyped-def]
    pr.log[U0] = U0
    _count_begin(pr)


@inner
def _trace_chase(pr, region, word):  # type: ignore[no-untyped-def]
    record(pr, E_CHASE, region, word)
    _chase(pr, region, word)


@inner
def _trace_touch(pr, region, word):  # type: ignore[no-untyped-def]
    record(pr, E_TOUCH, region, word)
    line_seen(pr, region, word)


@inner
def _trace_wrote(pr, region, word):  # type: ignore[no-untyped-def]
    record(pr, E_WROTE, region, word)
    _wrote(pr, region, word)


@inner
def _trace_allocated(pr, what):  # type: ignore[no-untyped-def]
    record(pr, E_ALLOC, what, U0)
    _allocated(pr, what)


@inner
def _trace_freed(pr, what):  # type: ignore[no-untyped-def]
    record(pr, E_FREE, what, U0)
    _freed(pr, what)


@inner
def _trace_step(pr, number):  # type: ignore[no-untyped-def]
    pr.tally[STEP] = number


_cls: type
for _cls in (Off, Count, Timed, Trace):
    alone.register(_cls, _nothing_what)
for _cls in (Off, Timed):
    for _op in (chase, touch, wrote):
        _op.register(_cls, _nothing3)
    bump.register(_cls, _nothing_bump)
    allocated.register(_cls, _nothing_what)
    freed.register(_cls, _nothing_what)
    step.register(_cls, _nothing_number)
chase.register(Count, _chase)
touch.register(Count, line_seen)
wrote.register(Count, _wrote)
allocated.register(Count, _allocated)
freed.register(Count, _freed)
step.register(Count, _nothing_number)
chase.register(Trace, _trace_chase)
touch.register(Trace, _trace_touch)
wrote.register(Trace, _trace_wrote)
allocated.register(Trace, _trace_allocated)
freed.register(Trace, _trace_freed)
step.register(Trace, _trace_step)
for _cls in (Count, Trace):
    bump.register(_cls, _bump)
    finish.register(_cls, _count_finish)
begin.register(Count, _count_begin)
begin.register(Trace, _trace_begin)
for _cls in (Off, Flush):
    begin.register(_cls, _off_begin)
    finish.register(_cls, _off_finish)
begin.register(Timed, _timed_begin)
finish.register(Timed, _timed_finish)
