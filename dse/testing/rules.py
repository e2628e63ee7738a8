"""Rules of locks: a line of a region is written with one of its guards held (:class:`kernels.own.Region`).

A probe of plain Python counts as ``Count`` does and looks at each write and each atomic, so the kernels have to be plain Python as well.
``python -m dse.testing.rules DESIGN ... SEED DEMANDS`` with ``NUMBA_DISABLE_JIT=1`` makes runs with it and prints the first finding. The
settings of one design are named, the main one first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

from dse import naming
from dse.testing import bounds, conformance, scripts, streams, subjects
from dse.testing.conformance import Mismatch
from dse.testing.subjects import Subject
from kernels.compiling.jit import INTERPRETED
from kernels.life.design import Design
from kernels.observing import atomics, probe
from kernels.own import ATOMIC, UNMODELLED, Lock, Region

WATCHING = ("kernels.observing", "kernels.compiling", __name__)
"""Packages whose frames are not the place of a write."""
WORLDS = tuple(world for world in streams.WORLDS if world.name in ("tiny", "moving", "forked", "zram behind"))


class Rules(probe.Count):
    """A counting probe that knows which lock guards what.

    Attributes
    ----------
    found : dict of str to int
        Breaches in words, and how often each was seen.
    """

    found: dict[str, int]

    def guarded_by(self, design: Design) -> Rules:
        """Take the guards and the locks of `design`; return itself."""
        ranks = {name: number for number, name in design.own.names(Lock).items()}
        self.regions = design.own.names(Region)
        self.guards = design.own.guards()
        self.masks = {n: sum(1 << ranks[one] for one in names if one in ranks) for n, names in self.guards.items()}
        self.found, self.alone = {}, False
        return self

    def look(self, region: Any, *, atomic: bool) -> None:
        """Look at a write of `region`, by an `atomic` or by a store."""
        n = int(region)
        guards = self.guards.get(n, ())
        free = self.alone or any(one in UNMODELLED for one in guards) or (atomic and ATOMIC in guards)
        if free or int(self.tally[int(probe.HELD)]) & self.masks.get(n, 0):
            return
        locks = " or ".join(one for one in guards if one != ATOMIC)
        why = f"without a lock that guards it ({locks})" if locks else "by a store, not an atomic" if guards else "and declares no guard"
        words = f"{self.regions[n]} is written {why}: {place(sys._getframe(1))}"
        self.found[words] = self.found.get(words, 0) + 1


def place(frame: FrameType | None) -> str:
    """Function, file and line of the kernel that `frame` was called from."""
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(WATCHING):
        frame = frame.f_back
    if frame is None:
        return "somewhere"
    return f"{frame.f_code.co_name} ({frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"


def _wrote(pr: Rules, region: Any, word: Any) -> None:
    pr.look(region, atomic=False)
    probe.wrote.table[probe.Count](pr, region, word)


def _alone(pr: Rules, on: bool) -> None:
    pr.alone = on


def _atomic(pr: Rules, region: Any, word: Any) -> None:
    pr.look(region, atomic=True)
    atomics.atomic_seen.table[probe.Count](pr, region, word)


def operations() -> Iterator[Any]:
    """Operations of the kernels that a counting probe takes part in."""
    for name, module in list(sys.modules.items()):
        if name.startswith("kernels"):
            for one in vars(module).values():
                table = getattr(one, "table", None)
                if isinstance(table, dict) and probe.Count in table:
                    yield one


def of(design: Design) -> Rules:
    """Build a probe for `design`."""
    if Rules not in probe.wrote.table:
        for one in operations():
            one.register(Rules, one.table[probe.Count])
        probe.wrote.register(Rules, _wrote)
        probe.alone.register(Rules, _alone)
        atomics.atomic_seen.register(Rules, _atomic)
    made = probe.make("count")
    return Rules(**made.arrays()).guarded_by(design)


def cases(one: Subject, seed: int, demands: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Cases that show every write of a design: random demands, counts past 62, full devices, moves."""
    for named in one.settings:
        parameters = subjects.control(named)
        for world in WORLDS if named is one.settings[0] else WORLDS[:2]:
            yield f"{named.text}-{world.name}", partial(conformance.compare, one.name, world, seed, demands, **parameters)
    yield f"{one.name}-sharers", partial(scripts.shared, one.name, 70, 4)
    yield f"{one.name}-full", partial(scripts.full_device, one.name, True)


def run(case: Callable[[], object], **other: Any) -> None:
    """Run a case with the probe, and without a twin; `other` as in :class:`dse.testing.conformance.Setting`.

    Raises
    ------
    Mismatch
        A write without its lock, with the shortest demand list found, or whatever else is wrong.
    """
    with conformance.using(probe=of, twins=False, **other):
        case()


def first(texts: list[str], seed: int, demands: int) -> str:
    """The first finding about the settings of a design, empty if there is none."""
    settings = tuple(naming.parse(text) for text in texts)
    for label, case in cases(Subject(settings[0].design.name, settings), seed, demands):
        try:
            run(case)
        except Mismatch as error:
            shown = f"; shown by {', '.join(error.demands)}" if error.demands else ""
            return f"{label}: {error.why}{shown}"
    return ""


if __name__ == "__main__":
    if not INTERPRETED:
        sys.exit("set NUMBA_DISABLE_JIT=1")
    sys.stdout.write(first(sys.argv[1:-2], int(sys.argv[-2]), int(sys.argv[-1])) + bounds.END)
