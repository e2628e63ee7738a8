"""One design in one situation: its state after some demands, from which every schedule starts, and what is looked at after each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dse.testing import invariants, reading, streams
from dse.testing.findings import CACHED
from dse.testing.reading import ctl
from dse.testing.schedules import supplying, watching
from dse.testing.schedules.kernel import Kernel
from dse.testing.schedules.running import Scheduler, Task
from kernels import control, memory
from kernels.compiling.jit import u
from kernels.life import steps
from kernels.life.registry import REGISTRY, Design

Demand = tuple[int, int]
WORLD = streams.World(
    "schedules", spaces=2, space_shift=2, slots={"zswap": 4, "ssd": 8, "hdd": 8, "zram": 8}, cluster_shift=2, continuation_pages=2
)
FOLIOS = 256
"""Folios that are compared and restored: no situation uses more."""


@dataclass(frozen=True)
class Situation:
    """Demands that come first, and those that then come at once.

    Attributes
    ----------
    name : str
    before : tuple of demands
        Run one by one.
    at_once : tuple of tuples of demands
        Those of each CPU.
    world : World
        Sizes.
    """

    name: str
    before: tuple[Demand, ...]
    at_once: tuple[tuple[Demand, ...], ...]
    world: streams.World = WORLD


class Trial:
    """A design in a situation: runs one schedule after the other, each from the same state."""

    def __init__(self, design: Design, situation: Situation, parameters: dict[str, int]) -> None:
        self.design, self.situation = design, situation
        self.st = design.build(replace(situation.world.config(**parameters), cpus=len(situation.at_once)))
        self.probe = watching.of(design)
        self.probe.shift = situation.world.space_shift
        self.probe.fields = {array.ctypes.data: name for name, array in self.st.arrays().items()}
        self._replay(situation.before)
        self.arrays = {name: array for name, array in self.st.arrays().items() if len(array)}
        self.saved = {name: array.copy() for name, array in self.arrays.items()}
        self.blocks = [streams.block(*demands) for demands in situation.at_once]
        for cpu, block in enumerate(self.blocks):
            block[:, 0] |= np.uint64(cpu << 24)
        self.replies = [np.zeros(len(block), np.uint8) for block in self.blocks]
        self.known: dict[bytes, list[str]] = {}
        self.live = self._live()

    def _replay(self, demands: Any) -> list[int]:
        block = streams.block(*demands)
        replies = np.zeros(len(block), np.uint8)
        with np.errstate(over="ignore"):
            self.design.replay(self.st, self.probe, block, replies)
        return list(replies.tolist())

    def _live(self) -> set[int]:
        return {int(n) for n in reading.folios(self.st).number}

    def restore(self) -> None:
        """Put the state back."""
        for name, array in self.arrays.items():
            if name == "folio":
                array[: FOLIOS * 8] = self.saved[name][: FOLIOS * 8]
            else:
                np.copyto(array, self.saved[name])

    def run(self, plan: dict[int, int], policy: Callable[[int, list[int]], int] | None = None, *, places: bool = False) -> Scheduler:
        """Run one schedule and look at its end; findings are in the scheduler. With `places` the function of each step is noted."""
        self.restore()
        run = Scheduler(plan, policy)
        run.places = [] if places else None
        run.on_switch = self._switched
        Kernel.run, Kernel.live, Kernel.gone, Kernel.shift = run, set(self.live), set(), self.situation.world.space_shift
        self.probe.scheduler = run
        try:
            run.run([self._work(i) for i in range(len(self.blocks))])
        finally:
            Kernel.run, self.probe.scheduler = None, None
        if not run.wrong:
            run.wrong = "; ".join(list(run.found)[:2]) or "; ".join(self.left()[:3])
        return run

    def _switched(self, task: Task) -> None:
        steps.on_cpu(self.st, u(task.number))

    def _work(self, number: int) -> Callable[[], None]:
        def work() -> None:
            self.design.replay(self.st, self.probe, self.blocks[number], self.replies[number])

        return work

    def left(self) -> list[str]:
        """Invariants of the state, then of the one after everything was unmapped: asked once of each state."""
        steps.on_cpu(self.st, u(0))
        key = self._digest()
        if key not in self.known:
            self.known[key] = self._looked()
        return self.known[key]

    def _digest(self) -> bytes:
        """Words that differ from the state before; records of phases that are over are none."""
        parts = []
        for name, array in self.arrays.items():
            part = slice(0, FOLIOS * 8) if name == "folio" else slice(None, None, 8) if name == "txn" else slice(None)
            where = np.flatnonzero(array[part] != self.saved[name][part])
            parts += [name.encode(), where.tobytes(), array[part][where].tobytes()]
        return b"\0".join(parts)

    def _looked(self) -> list[str]:
        try:
            return self._wrong()
        except Exception as error:  # noqa: BLE001 - whatever a broken state does to those that read it
            return [f"the state cannot be read: {type(error).__name__}: {error}"]

    def _wrong(self) -> list[str]:
        wrong = invariants.check(self.design.name, self.st)
        if wrong:
            return wrong
        self._replay(reading.finishing(self.st))
        self._replay(reading.emptying(self.st))
        self._reclaim()
        wrong = invariants.check_empty(self.st, self.design.name)
        if not wrong and ctl(self.st, control.S_LOST):
            wrong = ["a page reads what it never had"]
        return [f"left at the end: {one}" for one in wrong]

    def _reclaim(self) -> None:
        """Drop what only the swap cache still has: its turn comes in reclaim, where somebody had it locked when its last PTE went."""
        folios = reading.folios(self.st)
        with np.errstate(over="ignore"):
            for f in folios.number[(folios.flags & CACHED != 0) & (folios.maps == 0)].tolist():
                if steps.free_swap(self.st, self.probe, u(f)):
                    memory.folio_free(self.st, u(f))


@contextmanager
def trial(design: str, situation: Situation, parameters: dict[str, int] | None = None) -> Iterator[Trial]:
    """A design, with control words by name, in a situation, with the kernel's locks around it."""
    made = Trial(REGISTRY[design], situation, parameters or {})
    with supplying.supplied(type(made.st)):
        yield made
