"""Replay in C (replay.c) on the very arrays of a state of ours, and the check that both leave the same bits."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kernels.designs  # noqa: F401 - registers
from benchmarks.limits import build
from kernels import demand
from kernels.compiling.flat import Flat
from kernels.life import registry as state

ARRAYS = (
    "ctl", "pte", "folio", "mm", "memcgs", "dev", "cluster", "percpu", "smap", "cgroup", "zeromap", "space", "cpool", "ztree", "zpool", "ze",
    "idhead", "idpool",
)  # fmt: skip
"""Arrays in the order of ``struct state`` in replay.c; the probe's tally follows. A design without a layer has no ID tree."""
DESIGNS = ("direct", "swap_id")
Block = NDArray[np.uint64]
Replay = Callable[[Flat, Flat, Block, NDArray[np.uint8]], None]


def config(pages: int, slots: dict[str, int], folios: int, **more: Any) -> state.Config:
    """Configuration that replay.c covers: no content tokens, no forks, zswap stacked on a disk.

    Parameters
    ----------
    pages, slots, folios
        As in :class:`kernels.life.registry.Config`.
    **more
        Its other attributes.
    """
    parameters = more.pop("parameters", {}) | {"C_NATIVE": 0}
    return state.Config(pages=pages, slots=slots, folios=folios, tokens=False, forks=False, parameters=parameters, **more)


def new_state(design: str, given: state.Config) -> Flat:
    """A fresh state of `design`."""
    made: Flat = state.REGISTRY[design].build(given)
    return made


def addresses(st: Flat, pr: Flat) -> Any:
    """``struct state`` of replay.c: the address of each array."""
    held = st.arrays()
    words = [held[name].ctypes.data if name in held else None for name in ARRAYS]
    return (ctypes.c_void_p * (len(words) + 1))(*words, pr.arrays()["tally"].ctypes.data)


def replay_of(entry: build.Entries, design: str, *, ahead: bool = False) -> Replay:
    """Replay of `design` in C, with `ahead` with prefetching of coming demands.

    The returned function raises ValueError at a demand or a part of the state that replay.c does not cover.
    """
    function = entry(f"replay_{design}{'_ahead' if ahead else ''}", build.REPLAY)

    def run(st: Flat, pr: Flat, demands: Block, replies: NDArray[np.uint8]) -> None:
        done = function(addresses(st, pr), demands.ctypes.data, len(demands), replies.ctypes.data)
        if done != len(demands):
            kind = demand.KINDS[int(demands[done, 0]) & 0xFF]
            raise ValueError(f"replay.c: demand {done} is a {kind}, or the state has what replay.c does not keep")

    return run


def differences(mine: Flat, theirs: Flat) -> list[str]:
    """Names of the arrays that are not equal bit by bit."""
    others = theirs.arrays()
    return [name for name, array in mine.arrays().items() if not np.array_equal(array, others[name])]


def copy(source: Flat, target: Flat) -> None:
    """Make `target`, of the same design and size, equal to `source`."""
    others = target.arrays()
    for name, array in source.arrays().items():
        np.copyto(others[name], array)
