"""Swap a whole device out and in, and zap it: time and memory of each design at 2^bits pages, demands streamed in blocks.

``python -m benchmarks.limits.scale --bits 24 --designs direct,swap_id``; ``--fill`` stops when every slot is in use (for 2^28).
``make limits`` has rows of it (:func:`rows`).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

import kernels.designs  # noqa: F401 - registers
from benchmarks.limits import bars
from dse import naming
from dse.common import output
from dse.modelling import ledger
from dse.naming import processes
from kernels import control, demand
from kernels.life import registry as state
from kernels.observing import probe
from kernels.own import Word

CHUNK = 1 << 16
ODD = 0x9E3779B1  # odd, so that i * ODD mod 2^bits visits every page once
GROWN = ((16, 20, 24), ("direct", "swap_id"))  # scattered: bits of pages, designs
FILLED = 28  # bits; in the order of pages, direct alone
BUILT_SECONDS, OVER_LEDGER = 180.0, 1.10  # issue 5: 2^28 pages on SSD
NEEDED = 32  # [B] of memory a page that must be free; direct takes 21 (measured at 2^28)
SECONDS = 1200


class Device:
    """A design with one device as large as the address space, and memory for two chunks of folios."""

    def __init__(self, design: str, bits: int, backend: str) -> None:
        pages = 1 << bits
        slots = {"ssd": pages} | ({"zswap": pages} if backend == "zswap" else {})
        self.design = state.REGISTRY[design]
        config = state.Config(pages=pages, slots=slots, folios=2 * CHUNK + 4096, tokens=False, forks=False)
        began = time.perf_counter()
        self.state, self.probe = self.design.build(config), probe.make("off")
        self.built = time.perf_counter() - began
        self.pages, self.backend = pages, demand.BACKENDS.index(backend)
        self.block, self.replies = np.zeros((CHUNK, 2), np.uint64), np.zeros(CHUNK, np.uint8)
        self.seconds = dict.fromkeys(("fault", "swap_out", "zap", "full_zap"), 0.0)
        self.counts = np.zeros(256, np.int64)
        self.design.replay(self.state, self.probe, self.block[:1], self.replies[:1])

    def run(self, kind: int, what: str, first: int, factor: int) -> None:
        """Replay one chunk of demands of one kind; page i * `factor` (odd) is the i-th."""
        pages = np.arange(first, first + CHUNK, dtype=np.uint64) * np.uint64(factor) & np.uint64(self.pages - 1)
        self.block[:, 0] = np.uint64(kind | self.backend << 16) | pages << np.uint64(32)
        self.block[:, 1] = np.uint64(1) if kind == demand.UNMAP else np.uint64(1300 << 32)  # 1300 B: 4 KiB at lz4's mean ratio or so
        began = time.perf_counter()
        self.design.replay(self.state, self.probe, self.block, self.replies)
        self.seconds[what] += time.perf_counter() - began
        self.counts += np.bincount(self.replies, minlength=256)

    def full_zap(self) -> None:
        """UNMAP everything in one demand."""
        self.block[0] = demand.pack(demand.UNMAP, 0, count=self.pages)
        began = time.perf_counter()
        self.design.replay(self.state, self.probe, self.block[:1], self.replies[:1])
        self.seconds["full_zap"] += time.perf_counter() - began

    def accounted(self) -> int:
        """Bytes of the ledger as allocated, and of the tables outside it: page table, folio table, one block of demands."""
        structures = ledger.live(self.design, naming.parse(self.design.name).values, self.state)
        arrays = self.state.arrays()
        own = arrays["pte"].nbytes + arrays["folio"].nbytes + self.block.nbytes + self.replies.nbytes
        return own + sum(row.allocated_bytes for row in structures.rows)

    def left(self) -> int:
        """Slots, folios, IDs, descriptors and zswap entries still in use."""
        words = self.design.own.all(Word)
        names = ("S_SLOTS", "S_FOLIO_LIVE", "S_ID_LIVE", "S_DESC_LIVE", "S_ZE_LIVE")
        return sum(int(self.state.ctl[words[name].number]) for name in names if name in words)


def measure(design: str, bits: int, backend: str, *, fill: bool) -> dict[str, Any]:
    """Measure one row: 2^bits swap-outs; then, without `fill`, 2^bits faults, 2^bits swap-outs again and a full zap."""
    device = Device(design, bits, backend)
    order = 1 if fill else ODD  # a fill goes through the pages in order, else they come scattered
    for first in range(0, device.pages, CHUNK):
        device.run(demand.FAULT, "fault", first, order)
        device.run(demand.RECLAIM, "swap_out", first, order)
    slots, accounted = int(device.state.ctl[int(control.S_SLOTS)]), device.accounted()
    if not fill:
        for first in range(0, device.pages, CHUNK):
            device.run(demand.FAULT, "fault", first, 7 * ODD)
            device.run(demand.RECLAIM, "swap_out", first, 7 * ODD)
        device.full_zap()
        if device.left():
            raise SystemExit(f"{design}: {device.left()} objects left after the zap")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    outs, ins = int(device.counts[demand.SWAP_OUT] + device.counts[demand.CLEAN_DROP]), int(device.counts[demand.SWAP_IN])
    return {"design": design, "pages": device.pages, "backend": backend, "swap-outs": outs, "swap-ins": ins, "slots at fill": slots,
            "built s": round(device.built, 4), **{f"{k} s": round(v, 4) for k, v in device.seconds.items()},
            "total s": round(sum(device.seconds.values()), 3),
            "peak GiB": round(peak, 3), "accounted GiB": round(accounted / (1 << 30), 3)}  # fmt: skip


def apart(design: str, bits: int, *, fill: bool) -> dict[str, Any]:
    """Run :func:`measure` in a process of its own, whose peak memory is that of this one state."""
    command = processes.command("benchmarks.limits.scale", "--bits", str(bits), "--designs", design, "--format", "json")
    done = subprocess.run(
        [*command, *(["--fill"] if fill else [])], env=processes.environ(), check=True, timeout=SECONDS,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout)[0])


def row_of(found: dict[str, Any], *, fill: bool) -> dict[str, Any]:
    """Row of ``make limits``: nanoseconds a demand, and memory over the accounted bytes."""
    pages, rounds = found["pages"], 1 if fill else 2
    over = found["peak GiB"] / found["accounted GiB"]
    checks = ()
    if fill and pages >= 1 << FILLED:
        built = found["built s"] + found["total s"]
        checks = (bars.at_most(built, BUILT_SECONDS, "s"), bars.at_most(over, OVER_LEDGER, "of what is accounted for"))
    return {
        "op": "scale", "design": found["design"], "pages": pages, "order": "in order" if fill else "scattered",
        "fault_ns": found["fault s"] / (rounds * pages) * 1e9, "swap_out_ns": found["swap_out s"] / (rounds * pages) * 1e9,
        "zap_ns": None if fill else found["full_zap s"] / pages * 1e9, "seconds": found["built s"] + found["total s"],
        "peak_GiB": found["peak GiB"], "accounted_GiB": found["accounted GiB"], "bar": bars.verdict(*checks),
    }  # fmt: skip


def free_memory() -> int:
    """Bytes that a process can take, as the kernel estimates; 0 where it gives no estimate."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next((int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable:")), 0)
    except OSError:
        return 0


def rows(*, quick: bool) -> list[dict[str, Any]]:
    """Cost of a demand over the number of pages, and 2^28 pages on SSD where there is memory for them."""
    sizes, designs = ((16,), GROWN[1][:1]) if quick else GROWN
    out = []
    for bits in sizes:
        for design in designs:
            output.note(f"limits: scale, {design} at 2^{bits} pages")
            out.append(row_of(apart(design, bits, fill=False), fill=False))
    if quick or free_memory() < NEEDED << FILLED:
        output.note(f"limits: 2^{FILLED} pages are left out" + ("" if quick else f": {NEEDED << FILLED >> 30} GiB of memory are not free"))
        return out
    output.note(f"limits: scale, direct at 2^{FILLED} pages")
    return [*out, row_of(apart("direct", FILLED, fill=True), fill=True)]


def main(argv: list[str] | None = None) -> int:
    """Print one row a design."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits.scale", description=__doc__)
    parser.add_argument("--bits", type=int, default=24)
    parser.add_argument("--designs", default="direct,swap_desc,swap_id,swap_id_off")
    parser.add_argument("--backend", default="ssd", choices=("ssd", "zswap"))
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--format", default="table", choices=("table", "json"))
    given = parser.parse_args(argv)
    found = [measure(name, given.bits, given.backend, fill=given.fill) for name in given.designs.split(",")]
    sys.stdout.write((json.dumps(found) if given.format == "json" else output.render_table(found)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
