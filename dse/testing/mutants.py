"""Mutants: one step of a design is broken, and the suite must notice. A check that cannot fail proves nothing.

Run with ``NUMBA_DISABLE_JIT=1``: there a step is a Python function of a module, which is replaced, so that nothing has to be compiled.

::

    MUTANTS = Mutants()

    @MUTANTS.enter("my_design", my_design, "put")
    def forget_a_put(right):
        return lambda st, pr, value, entry: 0

    sys.exit(MUTANTS.main(sys.argv[1:]))
"""

from __future__ import annotations

import inspect
import linecache
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dse.common import output
from dse.testing import checking, conformance, streams, subjects
from dse.testing.conformance import Run
from kernels.life import registry, steps
from kernels.structures import slots

Step = Callable[..., Any]
WHOLE = 150  # characters of a finding on a line


@dataclass(frozen=True)
class Mutant:
    """A broken step.

    Attributes
    ----------
    name, design : str
        Its name, and the design that it breaks.
    module : module or "steps"
        Where the right function is; "steps" stands for the implementation that the design binds to a step.
    function : str
        Its name there.
    make : callable
        Gets the right function and returns the wrong one.
    parameters : dict of str to int
        Control words by name.
    world, demands : World, int
        The random demands that must show it.
    script : tuple of demands
        Demands that must show it, instead of random ones.
    reference : str
        The design that the counters are compared with, default the right one of the same name.
    check : str
        The check of :data:`dse.testing.checking.CHECKS` that must find it instead, without a twin; `design` may name a setting then.
    says : str
        What its finding says.
    """

    name: str
    design: str
    module: Any
    function: str
    make: Callable[[Step], Step]
    parameters: dict[str, int] = field(default_factory=dict)
    world: streams.World = streams.TINY
    demands: int = 3000
    script: tuple[tuple[int, int], ...] = ()
    reference: str = ""
    check: str = ""
    says: str = ""

    def stream(self) -> streams.Block:
        """The demands that must show it."""
        return streams.block(*self.script) if self.script else streams.random_demands(self.world, self.demands, 5)


class Unmade(ValueError):
    """A mutant changes text that its function does not have: nothing was looked at, and nothing was caught."""


class Mutants(list[Mutant]):
    """Mutants of some designs, and a command line that runs them."""

    def enter(self, design: str, module: Any, function: str, **more: Any) -> Callable[[Callable[[Step], Step]], Callable[[Step], Step]]:
        """Decorate the function that makes a mutant; the arguments are those of :class:`Mutant`."""

        def entered(make: Callable[[Step], Step]) -> Callable[[Step], Step]:
            self.append(Mutant(make.__name__, design, module, function, make, **more))
            return make

        return entered

    def main(self, argv: list[str]) -> int:
        """Run the mutants named, or all; the exit status is the number that nobody caught."""
        free = 0
        for one in self:
            if not argv or one.name in argv:
                began = time.perf_counter()
                why = " ".join(caught(one).split())
                seconds = time.perf_counter() - began
                right = bool(why) and one.says in why
                verdict = f"{'' if right else 'NOT CAUGHT '}{why[:WHOLE]}"
                output.write(f"{one.name:40} {one.design:12} {seconds:5.1f} s {one.check} {verdict}")
                free += not right
        output.write(f"{len(argv or self)} mutants, {free} not caught")
        return free


@contextmanager
def broken(mutant: Mutant) -> Iterator[None]:
    """Put the wrong step in place, wherever the right one is used."""
    if mutant.module == "steps":
        table, cls = getattr(steps, mutant.function).table, registry.REGISTRY[mutant.design].state
        right = table[cls]
        table[cls] = mutant.make(right)
        try:
            yield
        finally:
            table[cls] = right
        return
    right = getattr(mutant.module, mutant.function)
    wrong = mutant.make(right)
    holders = [module for module in list(sys.modules.values()) if vars(module).get(mutant.function) is right]
    hooks = [module for name, module in list(sys.modules.items()) if name.startswith("kernels.designs.") and name.endswith(".hooks")]
    operations = [op for module in (steps, slots, *hooks) for op in vars(module).values() if isinstance(getattr(op, "table", None), dict)]
    tables = [(op.table, cls) for op in operations for cls, impl in op.table.items() if impl is right]
    for module in holders:
        setattr(module, mutant.function, wrong)
    for table, cls in tables:
        table[cls] = wrong
    try:
        yield
    finally:
        for module in holders:
            setattr(module, mutant.function, right)
        for table, cls in tables:
            table[cls] = right


def counters(design: str, world: streams.World, stream: streams.Block) -> Any:
    """Everything that the counting probe sees of `stream`."""
    run = Run.of(design, world)
    run.replay(stream)
    return run.probe.tally.copy()


def edited(old: str, new: str) -> Callable[[Step], Step]:
    """Make a wrong function of a right one by a change of its text, which has `old` once."""

    def make(right: Step) -> Step:
        function: Any = right
        text = inspect.getsource(function)
        if text.count(old) != 1:
            raise Unmade(f"{function.__name__} has {old!r} {text.count(old)} times")
        text = text[text.index("def ") :].replace(old, new)
        name = f"<{function.__name__}, changed>"
        linecache.cache[name] = len(text), None, text.splitlines(keepends=True), name
        made: dict[str, Any] = {}
        exec(compile(text, name, "exec"), vars(sys.modules[function.__module__]), made)  # noqa: S102 - text of our own
        return made[function.__name__]  # type: ignore[no-any-return]

    return make


def checked(mutant: Mutant) -> str:
    """The first finding of the mutant's check, without a twin; empty if it finds nothing."""
    with broken(mutant), conformance.using(twins=False, tries=0):
        for one in subjects.chosen([mutant.design]):
            for case in checking.CHECKS[mutant.check](one, checking.Effort()):
                try:
                    case.run()
                except Exception as error:  # noqa: BLE001 - a mutant may trip over anything
                    return f"{case.label}: {conformance.said(error)}"
    return ""


def caught(mutant: Mutant) -> str:
    """The finding of the suite about the mutant, empty if it notices nothing."""
    if mutant.check:
        return checked(mutant)
    stream = mutant.stream()
    reference = mutant.reference or mutant.design
    right = counters(reference, mutant.world, stream[:500])
    try:
        with broken(mutant), np.errstate(over="ignore"):
            run = Run.of(mutant.design, mutant.world, **mutant.parameters)
            for part in conformance.chunks(stream, 10):
                run.both(part)
            run.finish()
            if not np.array_equal(counters(mutant.design, mutant.world, stream[:500]), right):
                return f"counters differ from those of {reference}"
    except Unmade:
        raise
    except Exception as error:  # noqa: BLE001 - a mutant may trip over anything
        return f"{type(error).__name__}: {error}"
    return ""
