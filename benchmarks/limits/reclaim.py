"""Misses of LRU and CLOCK per second against libcachesim: its own reader and C loop, the file in the page cache, equal miss counts.

Both sides run in turn in one process. libcachesim reads an oracleGeneral file (24 B a request) of the same dense page
numbers. Ours gets them as an array, as everywhere in this project.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse import workloads
from kernels.reclaim import misses

ORACLE_GENERAL = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])  # libCacheSim, oracleGeneralBin.h
ROUNDS, REQUESTS = 5, 4_000_000
SIZES = (1 << 20, 1 << 22)
CAPACITY = 0.5  # of the pages


def accesses_of(generator: str, pages: int, requests: int, seed: int = 1) -> NDArray[np.uint32]:
    """Page numbers of a seeded generator, without write bits."""
    made = workloads.make({"generator": generator, "pages": pages, "accesses": requests, "write_share": 0}, seed)
    return np.concatenate([accesses for accesses, _, _ in made.blocks()])


@contextmanager
def oracle_file(accesses: NDArray[np.uint32]) -> Iterator[str]:
    """Write the accesses as an oracleGeneral file, which is then in the page cache."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.oracleGeneral.bin"
        rows = np.zeros(len(accesses), ORACLE_GENERAL)
        rows["time"], rows["id"], rows["size"], rows["next"] = np.arange(len(rows)), accesses, 1, -1
        path.write_bytes(rows.tobytes())
        yield str(path)


def theirs(policy: str, path: str, requests: int, capacity: int) -> tuple[int, float]:
    """Misses and seconds of libcachesim, the reader opened before the clock starts."""
    import libcachesim as lcs

    reader = lcs.TraceReader(path, lcs.TraceType.ORACLE_GENERAL_TRACE, lcs.ReaderInitParam(ignore_obj_size=True))
    cache = {"lru": lcs.LRU, "clock": lcs.Clock}[policy](capacity, hashpower=max(capacity.bit_length(), 12))
    start = time.perf_counter()
    ratio, _ = cache.process_trace(reader)
    seconds = time.perf_counter() - start
    return round(ratio * requests), seconds


def ours(policy: str, accesses: NDArray[np.uint32], pages: int, capacity: int) -> tuple[int, float]:
    """Misses and seconds of ours, the arrays made after the clock starts."""
    start = time.perf_counter()
    if policy == "lru":
        count = misses.lru(accesses, np.uint64(capacity), np.zeros(pages, np.uint32))
    else:
        count = misses.clock(accesses, np.uint64(capacity), np.zeros(capacity, np.uint32), np.zeros(pages, np.uint8))
    return int(count), time.perf_counter() - start


def compare(policy: str, generator: str, pages: int, requests: int, rounds: int) -> dict[str, object]:
    """Measure one row: requests/s of both sides (medians), and the ratio with the least and the greatest of the rounds."""
    accesses, capacity = accesses_of(generator, pages, requests), int(pages * CAPACITY)
    sides: dict[str, Callable[[], tuple[int, float]]] = {}
    rates: dict[str, list[float]] = {"ours": [], "theirs": []}
    with oracle_file(accesses) as path:
        sides["ours"] = lambda: ours(policy, accesses, pages, capacity)
        sides["theirs"] = lambda: theirs(policy, path, requests, capacity)
        ours(policy, accesses[:1000], pages, capacity)  # compiled before the clock starts
        for turn in range(rounds):
            found = {}
            for side in sorted(sides, reverse=bool(turn % 2)):
                found[side], seconds = sides[side]()
                rates[side].append(requests / seconds)
            if found["ours"] != found["theirs"]:
                message = f"{policy}, {generator}, {pages} pages: {found['ours']} misses, libcachesim {found['theirs']}"
                raise AssertionError(message)
    ratios = [a / b for a, b in zip(rates["ours"], rates["theirs"], strict=True)]
    return {
        "name": f"{policy} {generator} 2^{pages.bit_length() - 1}",
        "ours": statistics.median(rates["ours"]), "theirs": statistics.median(rates["theirs"]),
        "ratio": statistics.median(ratios), "lo": min(ratios), "hi": max(ratios), "unit": "requests/s",
    }  # fmt: skip


def main(requests: int = REQUESTS, rounds: int = ROUNDS, sizes: tuple[int, ...] = SIZES) -> list[dict[str, object]]:
    """Rows ``{name, ours, theirs, ratio, lo, hi, unit}``; AssertionError where miss counts differ."""
    cases = itertools.product(sizes, ("lru", "clock"), ("zipf", "uniform"))
    return [compare(policy, generator, pages, requests, rounds) for pages, policy, generator in cases]


if __name__ == "__main__":
    for row in main():
        text = "{name:24} ours {ours:13,.0f}  libcachesim {theirs:11,.0f} {unit}  ratio {ratio:5.1f} ({lo:.1f} .. {hi:.1f})"
        print(text.format(**row), flush=True)
