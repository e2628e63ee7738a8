"""Yardsticks of effects: lines and locks of operations (counted, exact), and their times (measured, fenced, interleaved).

Lines and dependent objects are those of the design, as a series states what it changes. Times include the common steps
(:mod:`kernels.structures.common`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.measuring.run import rows_of
from dse.modelling.filling import Filled, run
from dse.yardsticks import timing
from dse.yardsticks.bench import Bench, has
from dse.yardsticks.timing import RUN
from kernels import demand
from kernels.designs.vswap import own
from kernels.observing import probe

BASE, PLAIN, LATER = "swap_table_p1", "vswap_v3", "vswap_v6"
FIXED, UNCACHED = "vswap_v3[free=batched]", "vswap_v6[lookup_cache=off]"
PAGES = 1 << 15
Ours = dict[str, dict[str, float]]
FREED = ("extra of v3", "extra of v3 with the fix", "extra of v5", "extra of v6", "extra of v3 on the other host")
FREED_BY_BACKEND = ("zswap, time", "zram, time")
MEASURES = {"locked_sections": "locked sections a PTE", "chain": "dependent objects a PTE"}
VERSIONS = {"v3": PLAIN, "v3 with the fix": FIXED, "v5": PLAIN, "v6": LATER}


def metric(pr: Any, op: int, name: str) -> float:
    """Mean of a counted metric over the operations of code `op`."""
    row = rows_of(pr)[op]
    return float(row[probe.METRICS.index(name)]) / float(row[0])


def zap_counted(design: str, backend: str) -> dict[str, float]:
    """Locked sections and dependent objects for each freed PTE.

    Distinct lines say nothing here: a repeated lookup for every PTE stays on the same line.
    """
    state, pr = Filled(design, PAGES, backend), probe.make("count")
    state.fill(PAGES)
    state.replay(timing.demands("zap", 0, PAGES), pr)
    return {name: metric(pr, demand.ZAPPED, name) / RUN for name in MEASURES}


def freeing(bench: Bench) -> Ours:
    """Y15: locked sections and lines a freed PTE, and nanoseconds more than the base where the clock can tell."""
    there = {name: design for name, design in VERSIONS.items() if has(design)}
    counted = {design: zap_counted(design, "ssd") for design in dict.fromkeys(there.values())}
    out: Ours = {name: {MEASURES[key]: value for key, value in counted[design].items()} for name, design in there.items()}
    if bench.counted_only or not there:
        return out
    timed = timing.measure((BASE, *counted), "ssd", "zap")
    for name, design in there.items():
        more = timing.compared(timed, BASE, design)
        if more is not None:
            out[f"extra of {name}"] = {f"{design}, {more.said}": more.ns}
    return out


def free_by_backend(bench: Bench) -> Ours:
    """Y16: change of a batched free against the base: locks and dependent objects, and its time [%] where that is more than the noise.

    On zswap the tree of its own is gone; a disk or zram has a layer more.
    """
    if not has(LATER):
        return {}
    out: Ours = {}
    for name, version, backend in (("zswap", "v4", "zswap"), ("zram", "v5", "zram")):
        base, later = zap_counted(BASE, backend), zap_counted(LATER, backend)
        out[f"{name} ({version})"] = {f"{MEASURES[key]}, change": later[key] - base[key] for key in MEASURES}
        if bench.counted_only:
            continue
        timed = timing.measure((BASE, LATER), backend, "zap")
        more = timing.compared(timed, BASE, LATER)
        if more is not None:
            out[f"{name}, time"] = {f"{LATER}, {more.said}": 100.0 * more.ns / float(np.median(timed[BASE]))}
    return out


def swap_in_counted(design: str, backend: str, flags: int = 0, sharers: int = 0) -> dict[str, float]:
    """Locked sections, lines and dependent objects of a swap-in, pages in order."""
    more: dict[str, Any] = {"folios": 0}
    if sharers:
        more |= {"forks": True, "space_shift": PAGES.bit_length() - 1, "memcg": np.ones(sharers + 1, np.uint16)}
    state = Filled(design, PAGES, backend, pages=PAGES * (sharers + 1), **more)
    state.fill(PAGES, flags)
    for child in range(1, sharers + 1):
        state.replay(run(demand.FORK, np.arange(1, dtype=np.uint64), count=PAGES, payload=child))
    pr = probe.make("count")
    state.replay(timing.demands("swap_in", 0, PAGES), pr)
    return {name: metric(pr, demand.SWAP_IN, name) for name in ("locked_sections", "lines", "chain")}


def swap_out_counted(design: str, flags: int = 0) -> dict[str, float]:
    """Locked sections and lines of a swap-out, pages in order."""
    state, pr = Filled(design, PAGES, "ssd"), probe.make("count")
    state.fill(PAGES, flags, pr)
    return {name: metric(pr, demand.SWAP_OUT, name) for name in ("locked_sections", "lines")}


def _share(after: float, before: float) -> float:
    """Change [%]."""
    return 100.0 * (after / before - 1.0)


def swap_out(_: Bench) -> Ours:
    """Y20, one thread: lines of a swap-out, array per cluster against xarrays of 64 MiB."""
    table, trees = swap_out_counted(BASE), swap_out_counted("direct")
    return {"sys global": {"lines of a swap-out, one thread, x": table["lines"] / trees["lines"]}}


def shared_swap_in(_: Bench) -> Ours:
    """Y21: lines of a swap-in that a second PTE shares, less of them from phase to phase."""
    lines = {design: swap_in_counted(design, "zram", sharers=1)["lines"] for design in ("direct", BASE, "swap_table_p2")}
    return {
        "p1 with BGSAVE (lower)": {"fewer lines than direct, %": -_share(lines[BASE], lines["direct"])},
        "p2 with BGSAVE (lower)": {"fewer lines than phase I, %": -_share(lines["swap_table_p2"], lines[BASE])},
    }


def zero_pages(bench: Bench) -> Ours:
    """Y26: lines more than the base for a zero page out and in [%]: no backend work, so the layer alone.

    The swap-out is reported, not judged: by lines of the design vswap takes fewer, as it charges swap only with a physical slot, which a
    zero page never gets. The published figure is of the time of the whole path.
    """
    if not has(PLAIN):
        return {}
    ways = {"swap-out": swap_out_counted, "swap-in": zero_swap_in}
    out: Ours = {
        name: {f"{PLAIN}, lines": _share(*(count(d, demand.ZERO)["lines"] for d in (PLAIN, BASE)))} for name, count in ways.items()
    }
    if not bench.counted_only:
        more = timing.compared(timing.measure((BASE, PLAIN), "ssd", "swap_in", flags=demand.ZERO), BASE, PLAIN)
        if more is not None:
            out["page in"] = {f"{PLAIN}, {more.said}": more.ns / 1000.0}
    return out


def zero_swap_in(design: str, flags: int) -> dict[str, float]:
    """Swap-in of zero pages."""
    return swap_in_counted(design, "ssd", flags)


WALK = [int(region) for region in (own.R_VMAP, own.R_VNODE, own.R_VCPU)]
"""Objects that a lookup touches on its way to a cluster: the map and its nodes, or the lookup cache of the CPU."""


def lookup_cache(bench: Bench) -> Ours:
    """Y17: share of the touches of lookups that the per-CPU cache saves on one sequential stream, and its hits."""
    if not has(LATER):
        return {}
    (plain, _), (cached, hits) = (sequential_lookups(design) for design in (UNCACHED, LATER))
    out: Ours = {
        "lookup cost removed by the cache": {"touches of lookups, swap-in": 100.0 * (1.0 - cached / plain)},
        "hit rate": {LATER: 100.0 * hits},
    }
    if bench.counted_only:
        return out
    timed = timing.measure((BASE, UNCACHED, LATER), "ssd", "swap_in")
    before, after = (timing.compared(timed, BASE, design) for design in (UNCACHED, LATER))
    if before is not None and after is not None and before.ns > 0:
        share = 100.0 * (1.0 - after.ns / before.ns)
        out["part of the layer's time removed by the cache"] = {f"swap-in, ssd, {before.said} to {after.said}": share}
    return out


def sequential_lookups(design: str, pages: int = 4 * RUN) -> tuple[float, float]:
    """Touches of lookups for each swap-in of a sequential stream, and the share of lookups that the cache answers."""
    pr: Any = probe.make("trace")
    state = Filled(design, PAGES, "ssd", folios=2 * pages)
    state.fill(PAGES)
    ctl = state.state.ctl
    words = [int(word) for word in (own.S_LOOKUP_HITS, own.S_LOOKUP_MISSES)]
    before = [int(ctl[word]) for word in words]
    touches = 0
    for page in range(pages):
        pr.log[0] = 0
        state.replay(run(demand.FAULT, np.array([page], np.uint64)), pr)
        heads = pr.log[1 : int(pr.log[0]) : 2]
        regions = (heads[(heads & np.uint64(0xFF)) < 3] >> np.uint64(8)) & np.uint64(0xFFFFFF)
        touches += int(np.isin(regions, WALK).sum())
    hits, misses = (int(ctl[word]) - old for word, old in zip(words, before, strict=True))
    return touches / pages, hits / max(1, hits + misses)
