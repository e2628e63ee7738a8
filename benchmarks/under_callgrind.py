"""Started by instructions.py, first plainly to compile, then under callgrind: one round trip with instrumentation switched on around it."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np

BATCH = 1 << 14


def main(design: str, helper: str) -> None:
    """Swap a window in and out again; `helper` is a shared library that starts and stops instrumentation."""
    from asv_runner._aux import update_sys_path

    update_sys_path(str(Path(__file__).resolve().parent))
    from benchmarks import fixtures

    world = fixtures.World(design, fixtures.SMALL, "off")
    window = fixtures.scattered(world.pages)[:BATCH]
    block = np.concatenate([fixtures.faults(window, write=True), fixtures.reclaims(window)])
    world.replay(block)
    switch = ctypes.CDLL(helper)
    run, replies = world.named.design.replay, world.replies[: len(block)]
    switch.start()
    run(world.state, world.probe, block, replies)
    switch.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
