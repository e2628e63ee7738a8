"""Replay of a design against the same in C, and against libCacheSim's bare LRU on the same accesses."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.limits import bars, build, drivers, twin_c
from benchmarks.limits.micro import PAIRS, spread
from dse.measuring.stats import Interval, paired_ratio
from dse.workloads import generators
from kernels import demand
from kernels.compiling.jit import u
from kernels.life import registry as state
from kernels.observing import probe
from kernels.structures import xarray

ORACLE = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])  # libCacheSim's oracleGeneral, 24 bytes
AT_LEAST = {20: 1.2, 22: 1.0}  # issue 5: events of direct a second, of libCacheSim's requests a second, by bits of pages
OVER_C, MEDIAN_OVER_C = 1.10, 1.05  # issue 15: time of ours over that of C with the same prefetches; a row's upper end, and the median
PEER_BITS = 22  # beyond, the file of accesses is too large to be worth writing
WARM = 4  # accesses a page before the clock starts
CHUNK = 1 << 17  # accesses between two readings of the clock
PLACES = 4
"""Places in memory that every state takes in turn; at one the same replay was 6 % faster than at another."""
COUNTED = (demand.FIRST_TOUCH, demand.SWAP_IN, demand.CACHE_HIT, demand.SWAP_OUT)


@dataclass(frozen=True)
class Case:
    """A workload: generator, pages and memory; and the design that replays it."""

    generator: str
    bits: int
    memory_share: float
    design: str = "direct"
    write_share: float = 0.3

    @property
    def frames(self) -> int:
        """Pages that fit in memory."""
        return int((1 << self.bits) * self.memory_share)


SHARES = {20: (0.125, 0.5), 22: (0.125,), 24: (0.125,)}
CASES = (
    *(Case(name, bits, share) for bits, shares in SHARES.items() for name in ("uniform", "zipf") for share in shares),
    *(Case(name, bits, 0.125, "swap_id") for bits in (20, 24) for name in ("uniform", "zipf")),
)


def accesses_of(case: Case, n: int, seed: int) -> NDArray[np.uint32]:
    """First `n` accesses of the workload."""
    load = generators.make({"generator": case.generator, "pages": 1 << case.bits, "write_share": case.write_share, "accesses": n}, seed)
    out, made = np.empty(n, np.uint32), 0
    for block, _, _ in load.blocks():
        out[made : made + len(block)] = block
        made += len(block)
    return out


def blocks_of(case: Case, accesses: NDArray[np.uint32], chunk: int) -> Iterator[NDArray[np.uint64]]:
    """Demands of exact LRU, chunk by chunk; each block is overwritten by the next."""
    pages = 1 << case.bits
    links, flags, resident = np.zeros(2 * pages + 2, np.uint32), np.zeros(pages, np.uint8), np.zeros(1, np.uint64)
    links[-2:] = pages
    room = xarray.aligned_zeros(4 * chunk, np.uint64).reshape(-1, 2)
    for start in range(0, len(accesses), chunk):
        n = drivers.lru_demands(accesses[start : start + chunk], links, flags, resident, u(case.frames), room)
        yield room[: int(n)]


def demands_of(case: Case, accesses: NDArray[np.uint32], chunk: int) -> list[NDArray[np.uint64]]:
    """Demands of exact LRU, in chunks."""
    return [block.copy() for block in blocks_of(case, accesses, chunk)]


class Peer:
    """libCacheSim's LRU with its own file reader and its own loop over the requests."""

    def __init__(self, case: Case, accesses: NDArray[np.uint32], folder: Path) -> None:
        import libcachesim as lcs

        records = np.zeros(len(accesses), ORACLE)
        records["id"], records["size"], records["next"] = accesses & 0x7FFF_FFFF, 1, -1
        path = folder / "accesses.oracleGeneral"
        records.tofile(path)
        path.read_bytes()  # in the page cache
        self.reader = lcs.TraceReader(str(path), trace_type=lcs.TraceType.ORACLE_GENERAL_TRACE)
        self.cache = lcs.LRU(cache_size=case.frames, hashpower=hash_power(case.bits))

    def run(self, start: int, n: int) -> int:
        """Process `n` requests from `start` on; return the number of misses."""
        return round(float(self.cache.process_trace(self.reader, start_req=start, max_req=n)[0]) * n)


def hash_power(bits: int) -> int:
    """Buckets of libCacheSim's table as a power of two: one for each page.

    Measured at 2^20 pages: 550 ns a request, against 626 with its default of 24 and 823 with 17.
    """
    return bits


class Side:
    """State of the design, and the function that replays demands on it."""

    def __init__(self, case: Case, chunk: int, replay: twin_c.Replay | None, pr: Any = None) -> None:
        pages = 1 << case.bits
        self.design, self.given = case.design, twin_c.config(pages, {"ssd": pages + 1024}, case.frames + 1)  # every page has a slot
        self.state, self.probe = twin_c.new_state(case.design, self.given), probe.make("off") if pr is None else pr
        self.replay = state.REGISTRY[case.design].replay if replay is None else replay
        self.replies = np.zeros(2 * chunk, np.uint8)

    def run(self, block: NDArray[np.uint64]) -> None:
        """Replay `block`."""
        self.replay(self.state, self.probe, block, self.replies[: len(block)])

    def counted(self) -> int:
        """Swap-outs and faults so far."""
        tally = self.probe.arrays()["tally"]
        return int(sum(tally[code * probe.COLUMNS] for code in COUNTED))

    def move_house(self) -> None:
        """Move to other memory: the place of a state costs or saves some per cent, for as long as it lies there."""
        fresh = twin_c.new_state(self.design, self.given)
        twin_c.copy(self.state, fresh)
        self.state = fresh

    def take_over(self, other: Side) -> None:
        """Become equal to `other`, and replay one empty block, so that nothing is compiled later."""
        twin_c.copy(other.state, self.state)
        twin_c.copy(other.probe, self.probe)
        self.replay(self.state, self.probe, np.zeros((0, 2), np.uint64), self.replies[:0])


def sides_of(case: Case, chunk: int, entry: build.Entries | None) -> dict[str, Side]:
    """Sides of a comparison: ours twice (for A/A), and C with the same prefetches of coming demands."""
    sides = {"ours": Side(case, chunk, None), "again": Side(case, chunk, None)}
    if entry is not None:
        sides["c"] = Side(case, chunk, twin_c.replay_of(entry, case.design, ahead=True))
    return sides


def warm_up(sides: dict[str, Side], blocks: Iterator[NDArray[np.uint64]], warm: int) -> None:
    """Bring all sides to the state after `warm` blocks: the fastest runs them, as all leave the same bits."""
    first = sides.get("c", sides["ours"])
    for _ in range(warm):
        first.run(next(blocks))
    for side in sides.values():
        if side is not first:
            side.take_over(first)


@dataclass
class Taken:
    """Seconds of each side in each chunk, and the number of its events and misses."""

    seconds: dict[str, NDArray[np.float64]]
    events: NDArray[np.float64]
    misses: NDArray[np.int64]


def alternate(sides: dict[str, Side], peer: Peer | None, blocks: Iterator[NDArray[np.uint64]], warm: int, pairs: int, chunk: int,
              seed: int) -> Taken:  # fmt: skip
    """Run each chunk after the first `warm` ones on each side in random order.

    Raises
    ------
    ValueError
        libCacheSim counts other misses than the LRU that made the demands.
    """
    rng = np.random.default_rng(seed)
    names = [*sides, *(["peer"] if peer is not None else [])]
    taken = Taken({name: np.zeros(pairs) for name in names}, np.zeros(pairs), np.zeros(pairs, np.int64))
    for pair in range(pairs):
        for side in sides.values() if pair and pair % (-(-pairs // PLACES)) == 0 else ():
            side.move_house()
        block, before = next(blocks), sides["ours"].counted()
        taken.misses[pair] = np.count_nonzero(block[:, 0] & np.uint64(0xFF) == demand.FAULT)
        for name in (names[i] for i in rng.permutation(len(names))):
            began = time.perf_counter()
            if name != "peer":
                sides[name].run(block)
            elif peer is not None and peer.run((warm + pair) * chunk, chunk) != taken.misses[pair]:
                raise ValueError(f"libCacheSim does not count {taken.misses[pair]} misses in chunk {pair}, as our LRU does")
            taken.seconds[name][pair] = time.perf_counter() - began
        taken.events[pair] = sides["ours"].counted() - before
    return taken


def same_bits(sides: dict[str, Side]) -> None:
    """Compare all arrays and the tally of all sides.

    Raises
    ------
    ValueError
        Two sides differ.
    """
    for name, side in sides.items():
        wrong = twin_c.differences(sides["ours"].state, side.state) + twin_c.differences(sides["ours"].probe, side.probe)
        if wrong:
            raise ValueError(f"{name} and ours leave different {', '.join(wrong)}")


def verdict(case: Case, ratios: dict[str, Interval]) -> str:
    """Verdict on the bars of `case`; a dash where there is none."""
    checks = []
    if "rate_over_peer" in ratios and case.design == "direct" and case.bits in AT_LEAST:
        checks.append(bars.at_least(ratios["rate_over_peer"].lo, AT_LEAST[case.bits], "of libCacheSim"))
    if "over_c" in ratios and case.bits in SHARES:
        checks.append(bars.at_most(ratios["over_c"].hi, OVER_C, "of C"))
    return bars.verdict(*checks)


def measure(case: Case, entry: build.Entries | None, *, pairs: int = PAIRS, chunk: int = CHUNK, seed: int = 1) -> dict[str, Any]:
    """Measure one row: nanoseconds an event of the design and of C, and a request of libCacheSim, and their ratios.

    Parameters
    ----------
    case : Case
        The workload.
    entry : callable or None
        Access to the C side, None where there is no compiler.
    pairs : int
        Timed chunks.
    chunk : int
        Accesses of a chunk.
    seed : int
        Seed of the workload, the order and the bootstrap.

    Returns
    -------
    dict
        Nanoseconds (min, median, max) of each side, the ratios with their intervals, A/A, whether the bars are met. C prefetches for
        coming demands as ours does.

    Raises
    ------
    ValueError
        Two sides leave different arrays, or libCacheSim does not see the same misses.
    """
    warm = -(-(WARM << case.bits) // chunk)
    accesses = accesses_of(case, (warm + pairs) * chunk, seed)
    sides, blocks = sides_of(case, chunk, entry), blocks_of(case, accesses, chunk)
    warm_up(sides, blocks, warm)
    with tempfile.TemporaryDirectory(prefix="swapdse-limits-") as folder:
        peer = Peer(case, accesses, Path(folder)) if has_peer(case) else None
        if peer is not None:
            peer.run(0, warm * chunk)
        taken = alternate(sides, peer, blocks, warm, pairs, chunk, seed)
    same_bits(sides)
    return row_of(case, taken, chunk, seed)


def has_peer(case: Case) -> bool:
    """Return True if libCacheSim is installed, and small enough files do."""
    return case.bits <= PEER_BITS and importlib.util.find_spec("libcachesim") is not None


def row_of(case: Case, taken: Taken, chunk: int, seed: int) -> dict[str, Any]:
    """Row of the chunks that were `taken`."""
    pairs, ns = len(taken.events), {name: seconds / taken.events * 1e9 for name, seconds in taken.seconds.items()}
    ratios = {"aa": paired_ratio(ns["again"], ns["ours"], seed=seed)}
    if "c" in ns:
        ratios["over_c"] = paired_ratio(ns["ours"], ns["c"], seed=seed)
    row = {
        "op": "replay", "design": case.design, "workload": case.generator, "pages": 1 << case.bits, "memory": case.memory_share,
        "pairs": pairs, "miss_ratio": float(taken.misses.sum() / (pairs * chunk)), "events": int(taken.events.sum()),
        **{f"{name}_ns": spread(ns[name]) if name in ns else "-" for name in ("ours", "c")}, "request_ns": "-",
    }  # fmt: skip
    if "peer" in ns:
        request = taken.seconds["peer"] / chunk * 1e9
        row["request_ns"] = spread(request)
        ratios["rate_over_peer"] = paired_ratio(request, ns["ours"], seed=seed)
        if "c" in ns:
            ratios["c_over_peer"] = paired_ratio(request, ns["c"], seed=seed)
    for name in ("aa", "over_c", "rate_over_peer", "c_over_peer"):
        row[name] = {"ratio": ratios[name].ratio, "lo": ratios[name].lo, "hi": ratios[name].hi} if name in ratios else "-"
    return row | {"bar": verdict(case, ratios)}


def median_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Row of the median over all replays of their ratios to C; None where C was not run."""
    over = [float(row["over_c"]["ratio"]) for row in rows if row["op"] == "replay" and isinstance(row["over_c"], dict)]
    if not over:
        return None
    middle, barred = float(np.median(over)), all(int(row["pages"]).bit_length() - 1 in SHARES for row in rows)
    bar = bars.verdict(bars.at_most(middle, MEDIAN_OVER_C, "of C")) if barred else bars.NONE
    return {"op": "replay, median", "replays": len(over), "median_over_c": middle, "most_over_c": max(over), "bar": bar}
