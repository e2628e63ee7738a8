"""The whole replay in C (replay.c) on the very arrays of a state of ours, and the check that both leave the same bits."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.limits import build
from kernels import demand, probe, state
from kernels.flat import Flat

ARRAYS = (
    "ctl", "pte", "folio", "mm", "dev", "cluster", "percpu", "smap", "cgroup", "zeromap", "space", "cpool", "ztree", "zpool", "ze",
    "idhead", "idpool",
)  # fmt: skip
"""Arrays in the order of ``struct state`` in replay.c; the probe's tally follows. A design without a layer has no ID tree."""
DESIGNS = ("direct", "swap_id")
SIGNATURE = (build.POINTER, build.POINTER, build.WORD, build.POINTER)
Block = NDArray[np.uint64]
Replay = Callable[[Flat, probe.Off, Block, NDArray[np.uint8]], None]


def config(pages: int, slots: dict[str, int], folios: int, **more: Any) -> state.Config:
    """What replay.c covers: no content tokens, no forks, zswap stacked on a disk."""
    parameters = {"C_NATIVE": 0} | more.pop("parameters", {})
    return state.Config(pages=pages, slots=slots, folios=folios, tokens=False, forks=False, parameters=parameters, **more)


def new_state(design: str, given: state.Config) -> Flat:
    """A fresh state of `design`."""
    made: Flat = state.REGISTRY[design].build(given)
    return made


def addresses(st: Flat, pr: probe.Off) -> Any:
    """``struct state`` of replay.c: the address of each array."""
    held = st.arrays()
    words = [held[name].ctypes.data if name in held else None for name in ARRAYS]
    return (ctypes.c_void_p * (len(words) + 1))(*words, pr.arrays()["tally"].ctypes.data)


@contextmanager
def compiled() -> Iterator[Callable[[str], Replay]]:
    """Compile replay.c; yields a function from the name of a design to its replay in C.

    Raises
    ------
    build.NoCompilerError
        No compiler, or it refuses the source.
    """
    with build.library("replay.c", SIGNATURE) as entry:

        def replay_of(design: str) -> Replay:
            function = entry(f"replay_{design}")

            def run(st: Flat, pr: probe.Off, demands: Block, replies: NDArray[np.uint8]) -> None:
                done = function(addresses(st, pr), demands.ctypes.data, len(demands), replies.ctypes.data)
                if done != len(demands):
                    kind = int(demands[done, 0]) & 0xFF
                    raise ValueError(f"replay.c: demand {done} is a {demand.KINDS[kind]}, or the state has what it does not do")

            return run

        yield replay_of


def differences(mine: dict[str, NDArray[Any]], theirs: dict[str, NDArray[Any]]) -> list[str]:
    """Names of the arrays that are not equal bit by bit."""
    return [name for name in mine if not np.array_equal(mine[name], theirs[name])]
