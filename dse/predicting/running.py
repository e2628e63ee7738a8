"""A run of the simulated machine, and what it says: operations in a time, latencies, who waits for what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse.errors import CheckFailed
from dse.predicting.assembling import FAULTS, KINDS, Programs
from kernels.queueing import machine
from kernels.queueing.simulate import simulate

OPERATIONS = 200_000
"""Operations that are simulated, after a quarter of them to warm up."""
WARM = 4
FELT = 0.01
"""Share of the CPUs' time from which on waiting for a class is said to stop a design."""


class Contended(NamedTuple):
    """A class of locks, or the atomics of a structure.

    Attributes
    ----------
    name : str
    locks : bool
        False: atomics.
    instances : int
        Of those that several CPUs use.
    taken : int
    contended : float
        Share that had to wait; of atomics nothing is known.
    waiting : float
        Share of the CPUs' time that is spent waiting for them.
    busy : float
        Share of the time in which the busiest one is held.
    """

    name: str
    locks: bool
    instances: int
    taken: int
    contended: float
    waiting: float
    busy: float


@dataclass(frozen=True)
class Run:
    """Outcome of a simulation.

    Attributes
    ----------
    cpus : int
        Those that have something to do.
    seconds : float
        Simulated time.
    faults : int
    mean, p50, p99 : float
        Time of a fault [ns]; the percentiles to one part in 16.
    classes : tuple of Contended
        The one that most time is lost to first.
    moved : float
        Lines that came from another CPU, for each fault.
    apart : float
        Faults a second if the CPUs shared nothing.
    """

    cpus: int
    seconds: float
    faults: int
    mean: float
    p50: float
    p99: float
    classes: tuple[Contended, ...]
    moved: float
    apart: float

    @property
    def rate(self) -> float:
        """Faults a second."""
        return self.faults / self.seconds

    @property
    def stop(self) -> Contended | None:
        """The class that most time is lost to; None where it is less than :data:`FELT`."""
        return next((one for one in self.classes[:1] if one.waiting >= FELT), None)

    @property
    def worth(self) -> float:
        """CPUs that share nothing which these are worth."""
        return self.cpus * self.rate / self.apart if self.apart else 0.0

    @property
    def waiting(self) -> float:
        """Share of the CPUs' time that is spent waiting."""
        return sum(one.waiting for one in self.classes)


def run(programs: Programs, operations: int = OPERATIONS, opened: Iterable[str] = ()) -> Run:
    """Simulate.

    Parameters
    ----------
    programs : Programs
    operations : int
        Operations to count.
    opened : iterable of str
        Classes that nobody waits for, as if they were gone.

    Raises
    ------
    CheckFailed
        Every CPU waits for another one.
    """
    made = programs.machine(opened)
    _until(made, operations // WARM)
    start = int(made.ctl[int(machine.S_NOW)])
    locks, lines = _rows(made.locks, machine.LOCK_SHIFT), _rows(made.lines, machine.LINE_SHIFT)
    locks[:, int(machine.L_TAKEN) : int(machine.L_HELD) + 1] = 0
    lines[:, int(machine.N_TAKEN) : int(machine.N_MOVED) + 1] = 0
    for counts in (made.ended, made.spent, made.hist):
        counts[:] = 0
    _until(made, operations // WARM + operations)
    span = int(made.ctl[int(machine.S_NOW)]) - start
    faults = [KINDS.index(name) for name in FAULTS]
    n = int(made.ended[faults].sum())
    hist = made.hist.reshape(machine.KINDS, machine.BINS)[faults].sum(axis=0)
    classes = [*_classes(programs.locks, locks, LOCK_WORDS, span, programs), *_classes(programs.lines, lines, LINE_WORDS, span, programs)]
    ordered = tuple(sorted(classes, key=lambda one: (-one.waiting, -one.busy, one.name)))
    mean, moved = (float(total) / max(n, 1) for total in (made.spent[faults].sum(), lines[:, int(machine.N_MOVED)].sum()))
    return Run(programs.cpus, span / 1e12, n, mean / 1000, _at(hist, 0.5), _at(hist, 0.99), ordered, moved, programs.apart)


def _until(made: machine.Machine, operations: int) -> None:
    """Run until so many operations have ended."""
    simulate(made, np.uint64(operations))
    if int(made.ctl[int(machine.S_DONE)]) < operations:
        raise CheckFailed("every simulated CPU waits for another one: the traced operations hold a lock at their end, or take it twice")


def _rows(words: NDArray[np.uint64], shift: Any) -> NDArray[np.uint64]:
    return words.reshape(-1, 1 << int(shift))


LOCK_WORDS = tuple(int(word) for word in (machine.L_TAKEN, machine.L_CONTENDED, machine.L_WAITED, machine.L_HELD))
LINE_WORDS = tuple(int(word) for word in (machine.N_TAKEN, machine.N_TAKEN, machine.N_WAITED, machine.N_HELD))


def _classes(keys: Iterable[Any], rows: NDArray[np.uint64], words: tuple[int, ...], span: int, programs: Programs) -> list[Contended]:
    """Sum locks, or lines with atomics, over their class."""
    by: dict[str, list[NDArray[np.uint64]]] = {}
    for key, row in zip(keys, rows, strict=False):
        by.setdefault(key, []).append(row[list(words)])
    found = []
    for name, of in by.items():
        taken, contended, waited, held = np.array(of).T
        if total := int(taken.sum()):
            found.append(Contended(
                name, words is LOCK_WORDS, len(of), total, float(contended.sum()) / total if words is LOCK_WORDS else 0.0,
                float(waited.sum()) / span / programs.cpus, min(float(held.max()) / span, 1.0),
            ))  # fmt: skip
    return found


def _at(hist: NDArray[np.uint64], share: float) -> float:
    """Latency below which a share of the operations lies [ns]: the upper end of its bin."""
    total = int(hist.sum())
    if not total:
        return 0.0
    at = int(np.searchsorted(np.cumsum(hist), share * total)) + 1
    if at <= 16:
        return at / 1000
    shift = (at >> 4) - 1
    return ((at & 15) + 16 << shift) / 1000
