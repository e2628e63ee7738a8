"""Program that instructions.py starts, first plainly to compile, then under callgrind, to count one round trip of each design."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np

BATCH = 1 << 14


def count(design: str, switch: ctypes.CDLL) -> None:
    """Swap a window in and out again, counted."""
    from benchmarks import fixtures

    world = fixtures.World(design, fixtures.SMALL, "off")
    window = fixtures.scattered(world.pages)[:BATCH]
    block = np.concatenate([fixtures.faults(window, write=True), fixtures.reclaims(window)])
    world.replay(block)
    run, replies, name = world.named.design.replay, world.replies[: len(block)], design.encode()
    switch.start()
    run(world.state, world.probe, block, replies)
    switch.stop(name)


def main(helper: str, designs: list[str]) -> None:
    """Count `designs`, one after the other; `helper` is a shared library that starts and stops instrumentation.

    Failures go to stdout, a design and its error with a tab between them.
    """
    from asv_runner._aux import update_sys_path

    update_sys_path(str(Path(__file__).resolve().parent))
    switch = ctypes.CDLL(helper)
    for design in designs:
        try:
            count(design, switch)
        except Exception as error:  # noqa: BLE001 - it is an error of this design, raised again where its figure is looked up
            sys.stdout.write(f"{design}\t{type(error).__name__}: {error}\n".replace("\n", " ").rstrip() + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
