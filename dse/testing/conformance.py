"""Random and scripted demands on a design and its twin, held against each other and against the invariants.

    from dse.testing import conformance, streams
    conformance.compare("my_design", streams.TINY, seed=1, demands=5000)

Everything goes through the design's ``replay``. A design without a twin is held against invariants and content tokens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kernels.designs  # noqa: F401 - registers
from dse.common import output
from dse.testing import invariants, owners, reading, slotview, streams, swapoffs, views
from dse.testing.reading import ctl
from dse.testing.twins import twin
from dse.testing.twins.life import Life
from kernels import control, demand
from kernels.life import registry as state
from kernels.observing import probe

SHOWN = 60  # demands of a list in a message


class Setting:
    """Settings that runs are made with.

    Attributes
    ----------
    twins : bool
        Hold designs against their twins, where they have one.
    probe : callable
        The probe for a design.
    tries : int
        Most replays to shrink a failing list of demands, 0 for none.
    seconds : float
        Time after which no further replay is begun to shrink it [s].
    """

    def __init__(self) -> None:
        self.twins = True
        self.tries, self.seconds = 400, 30.0
        self.probe: Callable[[state.Design], Any] = lambda _: probe.make("count")


SETTING = Setting()


@contextmanager
def using(**other: Any) -> Iterator[None]:
    """Make runs with other attributes of :class:`Setting` for a while."""
    before = dict(vars(SETTING))
    vars(SETTING).update(other)
    try:
        yield
    finally:
        vars(SETTING).update(before)


class Mismatch(AssertionError):
    """A design differs from its twin, breaks an invariant or loses something.

    Parameters
    ----------
    why : str
        What is wrong, in one line.
    where : str
        Design, world and seed.
    demands : array of uint64[n, 2], optional
        The shortest list of demands found that shows it.
    """

    def __init__(self, why: str, where: str = "", demands: streams.Block | None = None) -> None:
        self.why, self.where = " ".join(why.split()), where
        self.demands = [] if demands is None else [streams.text(r) for r in demands]
        shown = [f"{len(self.demands)} demands show it:", *("  " + one for one in self.demands[:SHOWN])] if self.demands else []
        super().__init__("\n".join([f"{where}: {why}" if where else why, *shown]))


@dataclass
class Run:
    """A design with its state and probe, and its twin if there is one."""

    design: state.Design
    world: streams.World
    parameters: dict[str, int]
    st: Any
    probe: Any
    twin: Life | None
    families: owners.Families
    seen: list[streams.Block] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, world: streams.World, **parameters: int) -> Run:
        """Build design `name` for `world`; `parameters` are control words by name."""
        design = state.REGISTRY[name]
        config = world.config(**parameters)
        made = twin(name, config) if SETTING.twins else None
        return cls(design, world, parameters, design.build(config), SETTING.probe(design), made, owners.Families(config))

    def replay(self, demands: streams.Block) -> NDArray[np.uint8]:
        """Replies of the design alone."""
        replies = np.zeros(len(demands), np.uint8)
        with np.errstate(over="ignore"):  # unsigned arithmetic wraps in compiled kernels
            self.design.replay(self.st, self.probe, np.ascontiguousarray(demands), replies)
        return replies

    def replies(self, code: int) -> int:
        """Demands that ended with reply `code` so far."""
        return int(self.probe.tally[code * probe.COLUMNS])

    def both(self, demands: streams.Block) -> None:
        """Replay on design and twin; replies, states and invariants must agree, also after every swapoff."""
        ends = np.flatnonzero(demands[:, 0] & np.uint64(255) == demand.SWAPOFF) + 1
        for part in np.split(demands, ends):
            if len(part):
                self._both(part)

    def _both(self, demands: streams.Block) -> None:
        self.seen.append(demands)
        replies = self.replay(demands)
        for (word, more), code in zip(demands.tolist(), replies.tolist(), strict=True):
            self.families.note(word, more, code)
        if self.twin is not None:
            for i, (word, more) in enumerate(demands.tolist()):
                want = self.twin.demand(word, more)
                if replies[i] != want:
                    raise Mismatch(f"demand {i}: {streams.text(demands[i])} -> {reply(replies[i])}, the twin says {reply(want)}")
        self.families.look(self.st)
        with slotview.kept():
            wrong = swapoffs.check(self.st, demands[-1], int(replies[-1]))
            if wrong:
                raise Mismatch("; ".join(wrong))
            self.check()

    def check(self) -> None:
        """Hold the state against the twin and the invariants."""
        wrong = list(getattr(self.probe, "found", ())) + invariants.check(self.design.name, self.st, self.probe)
        wrong += self.families.check(self.st)
        if self.twin is not None:
            wrong = views.difference(views.observed(self.st, type(self.twin)), views.expected(self.twin)) + wrong
        if wrong:
            raise Mismatch("; ".join(wrong[:6]))

    def finish(self) -> None:
        """End every phase, unmap everything, swap every device off: nothing may be left."""
        for demands in (reading.finishing(self.st), reading.emptying(self.st)):
            if demands:
                self.both(streams.block(*demands))
        wrong = invariants.check_empty(self.st, self.design.name)
        off = [demand.pack(demand.SWAPOFF, 0, backend=b, payload=demand.MEMORY) for b in range(4)]
        self.both(streams.block(*off))
        if ctl(self.st, control.S_CONT_USED):
            wrong.append(f"{ctl(self.st, control.S_CONT_USED)} continuation pages left after swapoff")
        if wrong:
            raise Mismatch("left at the end: " + "; ".join(wrong))


def reply(code: int) -> str:
    """Name of a reply code: an operation, or the reason why there was none."""
    code = int(code)
    return demand.OPS[code] if code < demand.REASON_BASE else demand.REASONS[code - demand.REASON_BASE]


def chunks(demands: streams.Block, size: int) -> Iterator[streams.Block]:
    """Cut demands into blocks of at most `size`."""
    for at in range(0, len(demands), size):
        yield demands[at : at + size]


@contextmanager
def explained(run: Run, where: str) -> Iterator[None]:
    """Turn whatever goes wrong with `run` into a :class:`Mismatch` with the shortest demand list that shows it.

    What has failed is noted at once, before the list is shrunk.
    """
    try:
        yield
    except Exception as error:
        seen = np.concatenate([*run.seen, np.zeros((0, 2), np.uint64)])
        if SETTING.tries:
            last = ", ".join(streams.text(record) for record in seen[-SHOWN:])
            more = f", the last {SHOWN} of them" if len(seen) > SHOWN else ""
            why = " ".join(said(error).split())
            output.note(f"{where}: {why}; {len(seen)} demands show it and are shrunk now{more}: {last}")
        less, why = shortest(run.design.name, run.world, seen, run.parameters)
        raise Mismatch(why or said(error), where, less) from error


def said(error: BaseException) -> str:
    """Words of an error, with its class where that is none of ours."""
    return error.why if isinstance(error, Mismatch) else f"{type(error).__name__}: {error}"


def compare(name: str, world: streams.World, seed: int, demands: int, *, every: int = 256, **parameters: int) -> Run:
    """Replay random demands on a design and its twin, compare them now and then, and empty both at the end.

    Parameters
    ----------
    name : str
        A registered design.
    world : World
        Sizes and mix of demands.
    seed, demands : int
        The stream of demands, and its length.
    every : int
        Demands between two comparisons.
    **parameters : int
        Control words by name.

    Returns
    -------
    Run
        Design and twin after everything has ended.

    Raises
    ------
    Mismatch
        With the shortest demand list found.
    """
    run = Run.of(name, world, **parameters)
    with explained(run, f"{name} in world {world.name!r}, seed {seed}, {parameters or 'default'}"):
        for part in chunks(streams.random_demands(world, demands, seed), every):
            run.both(part)
        run.finish()
    return run


def fails(name: str, world: streams.World, stream: streams.Block, parameters: dict[str, int], every: int = 1) -> str:
    """Message of the failure that `stream` causes on a fresh state, empty if there is none."""
    run = Run.of(name, world, **parameters)
    try:
        for part in chunks(stream, every):
            run.both(part)
        run.finish()
    except Exception as error:  # noqa: BLE001 - whatever the twin trips over
        return said(error) or type(error).__name__
    return ""


def shortest(name: str, world: streams.World, stream: streams.Block, parameters: dict[str, int]) -> tuple[streams.Block, str]:
    """Shrink a failing stream: drop halves, quarters ... of it while it still fails; returns what is left and why it fails.

    It stops after so many tries, or so long (:class:`Setting`).
    """
    if not SETTING.tries:
        return stream, ""
    size, tries, end = max(1, len(stream) // 2), SETTING.tries, time.monotonic() + SETTING.seconds
    while size and tries:
        at = 0
        while at < len(stream) and tries:
            tries = tries - 1 if time.monotonic() < end else 0
            if not tries:
                break
            less = np.concatenate([stream[:at], stream[at + size :]])
            if len(less) and fails(name, world, less, parameters, every=64):
                stream = less
            else:
                at += size
        size //= 2
    return stream, fails(name, world, stream, parameters, every=1 if len(stream) <= SHOWN else 64)


def names() -> list[str]:
    """Registered designs."""
    return sorted(state.REGISTRY)
