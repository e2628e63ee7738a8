"""The contracts of a design, checked when it is bound, registered and built. A breach is one line, with the nearest valid name."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

from kernels.compiling.errors import BadDesign
from kernels.compiling.flat import Flat
from kernels.compiling.functions import function_of
from kernels.life import reach, steps
from kernels.life.arrays import World
from kernels.life.design import Design
from kernels.life.layout import PER, Field
from kernels.own import COMMON, Lock, Region, Word, nearest
from kernels.structures import slots


@functools.cache
def interface() -> dict[str, Any]:
    """Every step by name: of designs (:mod:`kernels.life.steps`), and of what they keep of a slot (:mod:`kernels.structures.slots`)."""
    return {name: getattr(module, name) for module in (steps, slots) for name in module.NAMES}


def check_class(cls: type) -> None:
    """Refuse a state class without the fields that every state has."""
    if not issubclass(cls, Flat):
        raise BadDesign(f"{getattr(cls, '__name__', cls)}: a state is a subclass of kernels.life.arrays.World")
    missing = [name for name, dtype in World.fields.items() if cls.fields.get(name) is not dtype]
    if missing:
        raise BadDesign(
            f"{cls.__name__}: a state has the fields of kernels.life.arrays.World, {missing[0]!r} is missing or of another type"
        )


def check_steps(cls: type, operations: dict[str, Any]) -> None:
    """Refuse steps that do not exist, that take other arguments, and a required one that is missing."""
    known = interface()
    for name, given in operations.items():
        if name not in known:
            raise BadDesign(f"{cls.__name__}: there is no step {name!r}{nearest(name, known)}")
        function, wanted = function_of(given), inspect.signature(known[name]).parameters
        if function is None:
            raise BadDesign(f"{cls.__name__}: step {name} is {given!r}, not a function that `inner` or `called` made")
        have = inspect.signature(function).parameters
        if len(have) != len(wanted):
            place = f"{Path(function.__code__.co_filename).name}:{function.__code__.co_firstlineno}"
            raise BadDesign(f"{cls.__name__}: step {name} takes ({', '.join(wanted)}), {place} takes ({', '.join(have)})")
    for name in steps.NAMES:
        if name not in operations and known[name].default is None:
            raise BadDesign(f"{cls.__name__}: step {name} is missing and has no default (kernels/life/steps.py says what it does)")


def check_design(design: Design) -> None:
    """Refuse a design whose declarations contradict each other or its state."""
    _check_parameters(design)
    for row in design.layout:
        _check_row(design, row)
    _check_regions(design)
    _check_locks(design)
    check_class(design.state)
    _check_reached(design)


def _check_parameters(design: Design) -> None:
    """Every parameter has a declared control word, and its default among its values."""
    words = design.own.names(Word)
    for name, parameter in design.parameters.items():
        if int(parameter.word) not in words:
            raise BadDesign(f"{design.name}: parameter {name!r} uses control word {int(parameter.word)}, which nobody declares: "
                            "take one from Own.parameter")  # fmt: skip
        if parameter.default not in parameter.values:
            raise BadDesign(f"{design.name}: parameter {name!r} has no value {parameter.default!r}, its default"
                            f"{nearest(parameter.default, parameter.values)}")  # fmt: skip


def _check_row(design: Design, row: Field) -> None:
    """A row of the layout counts something known, under conditions on declared parameters."""
    place = f"{design.name}: layout row {row.structure!r}, {row.name!r}"
    for what in row.what.split("+"):
        if what not in PER:
            raise BadDesign(f"{place}: nothing is counted per {what!r}{nearest(what, PER) or ', valid: ' + ', '.join(PER)}")
    for name, values in row.terms:
        if name not in design.parameters:
            raise BadDesign(f"{place}: the condition names {name!r}, no parameter of the design{nearest(name, design.parameters)}")
        for value in values:
            if value not in design.parameters[name].values:
                raise BadDesign(f"{place}: parameter {name!r} has no value {value!r}{nearest(value, design.parameters[name].values)}")
    if row.name == "xarray entry" and row.tree is None and row.blocks is None:
        raise BadDesign(f"{place}: an xarray entry names its tree (Field.tree)")
    single = row.what not in ("slot", "zswap slot", "cluster")
    if single and not (row.name == "xarray entry" or row.blocks or row.objects):
        raise BadDesign(f"{place}: per {row.what} names its objects or its blocks, whose control words say how many are live")


def _check_regions(design: Design) -> None:
    """Every region of its own is accounted for by a row of the layout, or says why not."""
    if design.own is COMMON:
        return
    structures = {row.structure for row in design.layout}
    for region in design.own.entries_of(Region):
        row = region.row or region.name if isinstance(region, Region) else ""
        if isinstance(region, Region) and not region.uncounted and row not in structures:
            raise BadDesign(f"{design.name}: region {region.name!r} has no layout row {row!r}{nearest(row, structures)} "
                            "(Own.region: row=, or uncounted= and why)")  # fmt: skip


def _check_locks(design: Design) -> None:
    """Locks are declared, and listed in the order in which they may be nested."""
    ranks = {entry.name: entry.number for entry in design.own.all(Lock).values()}
    for name in design.locks:
        if name not in ranks:
            raise BadDesign(f"{design.name}: no lock is called {name!r}{nearest(name, ranks)}")
    for outer, inner in zip(design.locks, design.locks[1:], strict=False):
        if ranks[outer] >= ranks[inner]:
            raise BadDesign(f"{design.name}: lock {inner!r} is listed inside {outer!r}, and is declared outside of it")
    if design.own is not COMMON:
        for entry in design.own.entries_of(Lock):
            if entry.name not in design.locks:
                raise BadDesign(f"{design.name}: its own lock {entry.name!r} is not among its locks")


def _check_reached(design: Design) -> None:
    """Every step that the replay reaches has an implementation."""
    if all(design.state in step.table for step in interface().values()):
        return
    missing = reach.missing(design.replay, design.state, interface())
    if missing:
        step, caller = missing
        raise BadDesign(f"{design.name}: step {step} is missing and has no default, {caller} calls it")


def check_state(design: Design, made: Any) -> None:
    """Refuse a state of another class than was declared."""
    if not isinstance(made, Flat):
        raise BadDesign(f"{design.name}: build returns {type(made).__name__}, not a state")
    check_class(type(made))
