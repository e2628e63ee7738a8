"""Swap a whole device out and in, and zap it: time and memory of each design at 2^bits pages, demands streamed in blocks.

``python -m benchmarks.limits.scale --bits 24 --designs direct,swap_id``; ``--fill`` stops when every slot is in use (for 2^28).
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from typing import Any

import numpy as np

import kernels.designs  # noqa: F401 - registers
from dse import output
from kernels import demand, probe, state
from kernels import world as w

CHUNK = 1 << 16
ODD = 0x9E3779B1  # odd, so that i * ODD mod 2^bits visits every page once


class Device:
    """A design with one device as large as the address space, and memory for two chunks of folios."""

    def __init__(self, design: str, bits: int, backend: str) -> None:
        pages = 1 << bits
        slots = {"ssd": pages} | ({"zswap": pages} if backend == "zswap" else {})
        self.design = state.REGISTRY[design]
        config = state.Config(pages=pages, slots=slots, folios=2 * CHUNK + 4096, tokens=False, forks=False)
        self.state, self.probe = self.design.build(config), probe.make("off")
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

    def left(self) -> int:
        """Slots, folios, IDs, descriptors and zswap entries still in use."""
        ctl = self.state.ctl
        return sum(int(ctl[int(x)]) for x in (w.S_SLOTS, w.S_FOLIO_LIVE, w.S_ID_LIVE, w.S_DESC_LIVE, w.S_ZE_LIVE))


def measure(design: str, bits: int, backend: str, *, fill: bool) -> dict[str, Any]:
    """One row: 2^bits swap-outs; then, without `fill`, 2^bits faults, 2^bits swap-outs again and a full zap."""
    device = Device(design, bits, backend)
    order = 1 if fill else ODD  # a fill goes through the pages in order, else they come scattered
    for first in range(0, device.pages, CHUNK):
        device.run(demand.FAULT, "fault", first, order)
        device.run(demand.RECLAIM, "swap_out", first, order)
    slots = int(device.state.ctl[int(w.S_SLOTS)])
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
            **{f"{k} s": round(v, 2) for k, v in device.seconds.items()}, "total s": round(sum(device.seconds.values()), 1),
            "peak GiB": round(peak, 2)}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Print one row a design."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits.scale", description=__doc__)
    parser.add_argument("--bits", type=int, default=24)
    parser.add_argument("--designs", default="direct,swap_desc,swap_id,swap_id_off")
    parser.add_argument("--backend", default="ssd", choices=("ssd", "zswap"))
    parser.add_argument("--fill", action="store_true")
    given = parser.parse_args(argv)
    rows = [measure(name, given.bits, given.backend, fill=given.fill) for name in given.designs.split(",")]
    sys.stdout.write(output.render_table(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
