"""Rates of parts without a C side here: reclaim against libCacheSim, on one and on two threads, readers of traces, generators."""

from __future__ import annotations

import importlib.util
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.limits import bars, drivers, fences, reclaim, scale
from benchmarks.limits.micro import spread
from dse.common import output
from dse.measuring.stats import paired_ratio
from dse.workloads import generators, imports, lackey
from kernels.compiling.jit import u
from kernels.reclaim import misses

ROUNDS, THREAD_ROUNDS = 9, 65
SPUN = 1 << 23  # steps of a loop in registers: some 10 ms
LACKEY_BYTES, LACKEY_LINES, LACKEY_OVER = 1 << 28, 1 << 18, 8.0
ORACLE_REQUESTS, ORACLE_IDS, ORACLE_OVER = 10_000_000, 1 << 20, 12.0
"""Most time of a parser, in times that a plain read of the same file takes. A rate in MB/s would be a figure of the machine."""
RECLAIM_OVER = {20: 10.0, 22: 3.0}  # issue 5: dense ids, requests/s over libcachesim's
TWO_THREADS, RESIDENT_BITS = 1.7, 14  # issue 5: where all is in the cache of a core
GENERATED = 1 << 23


def timed(run: Callable[[], Any], rounds: int) -> NDArray[np.float64]:
    """Seconds of `rounds` runs, after one that is not timed."""
    run()
    taken = np.zeros(rounds)
    for i in range(rounds):
        began = time.perf_counter()
        run()
        taken[i] = time.perf_counter() - began
    return taken


def row(op: str, what: str, rates: NDArray[np.float64], unit: str, bar: str = bars.NONE) -> dict[str, Any]:
    """A row of :data:`GROUPS`."""
    return {"op": op, "what": what, "rounds": len(rates), "rate": spread(rates), "unit": unit, "bar": bar}


def lackey_text(lines: int) -> bytes:
    """Write text as lackey writes it of a program: of 20 lines 12 are instructions, 4 touch the heap and 4 the stack.

    A tenth of the lines leads to another page. That is between ``sort`` of a small file (0.08 accesses a line) and a program
    without locality.
    """
    heap = generators.make({"generator": "zipf", "pages": 1 << 16, "accesses": -(-lines // 20)}, 1)
    pages = (np.concatenate([block for block, _, _ in heap.blocks()]) & 0x7FFF_FFFF).tolist()
    out = []
    for i in range(lines):
        beat = i % 20
        if beat in (3, 5, 8, 9):
            out.append(f" {'LS'[beat & 1]} {0x0483_0000 + (pages[i // 20] << 12) + (i * 40 & 0xFF8):08x},8\n")
        elif beat in (12, 14, 16, 18):
            out.append(f" {'LS'[beat >> 2 & 1]} {0x1F_FF00_0000 + (i * 8 & 0xFF8):08x},8\n")
        else:
            out.append(f"I  {0x0400_0000 + (i // 200 % 64 << 12) + (i * 4 & 0xFF0):08x},{2 + i % 4}\n")
    return "".join(out).encode()


def over_reading(path: Path, parse: Callable[[], Any], rounds: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds of `parse` and of a plain read of the file from the page cache, timed in turn, after one of either that is not timed."""
    room = memoryview(bytearray(path.stat().st_size))

    def read() -> None:
        with path.open("rb", buffering=0) as file:
            at = 0
            while n := file.readinto(room[at:]):
                at += n

    sides = {"parse": parse, "read": read}
    taken = {name: np.zeros(rounds) for name in sides}
    for i in range(-1, rounds):
        for name in sorted(sides, reverse=bool(i % 2)):
            began = time.perf_counter()
            sides[name]()
            if i >= 0:
                taken[name][i] = time.perf_counter() - began
    return taken["parse"], taken["read"]


def parsed(op: str, what: str, path: Path, parse: Callable[[], Any], most: float, *, quick: bool) -> dict[str, Any]:
    """Row of a parser: its time over that of reading the file."""
    ours, read = over_reading(path, parse, 2 if quick else ROUNDS)
    over = paired_ratio(ours, read)
    return {
        "op": op, "what": f"{what}, {path.stat().st_size} B", "rounds": len(ours), "ours_ms": spread(ours * 1e3),
        "read_ms": spread(read * 1e3), "over_read": {"ratio": over.ratio, "lo": over.lo, "hi": over.hi},
        "bar": bars.NONE if quick else bars.verdict(bars.at_most(over.ratio, most, "of reading the file")),
    }  # fmt: skip


def parsing(*, quick: bool) -> list[dict[str, Any]]:
    """Rows: lackey text, and load and densify of an oracleGeneral file, both in the page cache."""
    requests = 10_000 if quick else ORACLE_REQUESTS
    ids = np.random.default_rng(1).integers(0, ORACLE_IDS, requests, dtype=np.uint32)
    with tempfile.TemporaryDirectory(prefix="swapdse-limits-") as folder:
        text = Path(folder) / "lackey"
        text.write_bytes(lackey_text(LACKEY_LINES) * (1 if quick else LACKEY_BYTES // (LACKEY_LINES * 14)))

        def lines() -> None:
            with text.open("rb") as file:
                lackey.read(file, "text")

        rows = [parsed("parse", "lackey text", text, lines, LACKEY_OVER, quick=quick)]
    with reclaim.oracle_file(ids) as path:
        what = f"oracleGeneral of {requests} requests, at most {ORACLE_IDS} ids"
        densify = parsed("densify", what, Path(path), lambda: imports.oracle_accesses(Path(path)), ORACLE_OVER, quick=quick)
    return [*rows, densify]


def generating(*, quick: bool) -> list[dict[str, Any]]:
    """Rows: accesses a second of each generator."""
    n, rows = 1 << 14 if quick else GENERATED, []
    for name in generators.DEFAULTS:

        def run(name: str = name) -> None:
            for _ in generators.make({"generator": name, "accesses": n}, 1).blocks():
                pass

        rows.append(row("generate", name, n / timed(run, 2 if quick else ROUNDS) / 1e6, "M accesses/s"))
    return rows


def together(runs: list[Callable[[], Any]]) -> None:
    """Run each on a thread of its own."""
    threads = [threading.Thread(target=run) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_turn(runs: list[Callable[[], Any]], rounds: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds of `runs` one after the other, and of `runs` together, timed in turn so that load hits both."""
    sides = {"apart": np.zeros(rounds), "together": np.zeros(rounds)}
    together(runs)
    for i in range(rounds):
        for side in sorted(sides, reverse=bool(i % 2)):
            began = time.perf_counter()
            if side == "together":
                together(runs)
            else:
                for run in runs:
                    run()
            sides[side][i] = time.perf_counter() - began
    return sides["apart"], sides["together"]


def threads(*, quick: bool) -> list[dict[str, Any]]:
    """Rows: LRU misses of two independent traces on two threads, over the same on one thread; and a loop in registers, the machine's own.

    The bar is for the fastest of either: two cores of a virtual machine are rarely both free, and the question is the limit
    that the code sets.
    """
    rows, requests = [], 1 << 16 if quick else reclaim.REQUESTS
    for bits in (RESIDENT_BITS, 20):
        pages = np.uint64(1 << bits)

        def runner(seed: int, bits: int = bits, pages: np.uint64 = pages) -> Callable[[], Any]:
            accesses = reclaim.accesses_of("zipf", 1 << bits, requests, seed)
            last = np.zeros(pages, np.uint32)

            def run() -> int:
                last[:] = 0
                return int(misses.lru(accesses, pages // np.uint64(2), last))

            return run

        runs = [runner(1), runner(2)]
        apart, both = in_turn(runs, 2 if quick else THREAD_ROUNDS)
        held = bits == RESIDENT_BITS and not quick
        best = float(apart.min() / both.min())
        bar = bars.verdict(bars.at_least(best, TWO_THREADS, "times one thread, fastest over fastest")) if held else bars.NONE
        rows.append(row("reclaim on two threads", f"lru zipf 2^{bits}", apart / both, "times one thread", bar))
    apart, both = in_turn([lambda: drivers.xorshift(u(SPUN))] * 2, 2 if quick else THREAD_ROUNDS)
    rows.append(row("reclaim on two threads", "registers alone", apart / both, "times one thread"))
    return rows


def against_peer(*, quick: bool) -> list[dict[str, Any]]:
    """Rows of :mod:`benchmarks.limits.reclaim`; none where libcachesim is not installed."""
    if importlib.util.find_spec("libcachesim") is None:
        output.note("limits: libcachesim is not installed: reclaim is not compared")
        return []
    rows = []
    for found in reclaim.main(20_000, 2, (1 << 12,)) if quick else reclaim.main():
        ratio = {name: float(str(found[name])) for name in ("ratio", "lo", "hi")}
        bits = int(str(found["name"]).rpartition("^")[2])
        bar = bars.verdict(bars.at_least(ratio["ratio"], RECLAIM_OVER[bits], "of libcachesim")) if bits in RECLAIM_OVER else bars.NONE
        rates = {name: f"{float(str(found[name])) / 1e6:.1f}" for name in ("ours", "theirs")}
        rows.append({"op": "reclaim", "what": found["name"], "ours_M_s": rates["ours"], "libcachesim_M_s": rates["theirs"],
                     "over_peer": ratio, "bar": bar})  # fmt: skip
    return rows


GROUPS: dict[str, Callable[..., list[dict[str, Any]]]] = {
    "reclaim": against_peer, "threads": threads, "parsing": parsing, "generators": generating, "fences": fences.main,
    "scale": scale.rows,
}  # fmt: skip
"""Functions that measure the rows, by the names for ``--only``."""
