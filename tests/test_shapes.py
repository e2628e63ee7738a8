"""Shapes of real swap bugs (tests/shapes.py): each is found by what designs without a twin have too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dse.testing import conformance, streams
from dse.testing.reading import ctl
from kernels import control
from kernels import demand as d
from kernels.compiling.jit import INTERPRETED
from tests import shapes

ROOT = Path(__file__).resolve().parent.parent
ONE_SLOT = streams.World("one slot", slots={"zswap": 4, "ssd": 8, "hdd": 8, "zram": 1}, weights=streams.USUAL)
OUT = d.pack(d.RECLAIM, 1, backend=d.ZRAM, payload=500)
STALE = streams.block(
    d.pack(d.FAULT, 1), OUT, d.pack(d.FAULT_BEGIN, 1, count=2), d.pack(d.FAULT, 1, flags=d.WRITE), OUT, d.pack(d.FAULT_END, 1)
)
"""One task has read a page and not looked at its PTE again; another one faults it in, writes it and swaps it out to the slot it had."""


def interpreted(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this file or another module with kernels as plain Python."""
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("part", range(2))
def test_every_shape_is_found_without_a_twin(part: int) -> None:
    names = [shape.name for shape in shapes.SHAPES][part::2]
    done = interpreted("tests.shapes", *names)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(names)} mutants, 0 not caught" in done.stdout


def test_what_a_shape_is_found_in_is_in_its_source() -> None:
    """So that they can be made in a copy, too, which is compiled."""
    for name, (file, *_) in shapes.EDITS.items():
        assert shapes.changed(name) != (ROOT / file).read_text(), name


def test_a_read_without_a_pin_maps_stale_content() -> None:
    """The race that 6.8 has fixed: it needs a stop between the read and the re-check of the PTE."""
    done = interpreted("tests.test_shapes")
    assert done.stdout.split() == ["right", "0", "wrong", "1"], done.stdout + done.stderr


def lost() -> int:
    """Content tokens that are lost in the race."""
    run = conformance.Run.of("direct", ONE_SLOT)
    run.replay(STALE)
    return ctl(run.st, control.S_LOST)


if __name__ == "__main__" and INTERPRETED:
    from dse.testing import mutants

    (pin,) = (shape for shape in shapes.SHAPES if shape.name == "read_without_a_pin")
    sys.stdout.write(f"right {lost()}\n")
    with mutants.broken(pin):
        sys.stdout.write(f"wrong {lost()}\n")
