"""The contracts of a design, checked when it is bound, registered and built. A breach is one line, with the nearest valid name."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from kernels import control
from kernels.compiling import errors, ours
from kernels.compiling.errors import BadDesign, nearest
from kernels.compiling.flat import Flat
from kernels.compiling.functions import function_of
from kernels.life import reach, steps
from kernels.life.arrays import World
from kernels.life.design import STATUSES, Design, Parameter
from kernels.life.layout import PER, Field
from kernels.own import ATOMIC, COMMON, PARAMETER, READ_ONLY, UNMODELLED, Allocation, Lock, Own, Region, Word
from kernels.structures import slots

WRITTEN = re.compile(r"[\w.+-]+")
"""A name that can be written on a command line, in ``NAME[param=value,...]``."""
REPLAY = ("st", "pr", "demands", "replies")
SIZES = frozenset(
    int(word)
    for word in (
        control.C_SPACE_SHIFT, control.C_PAGES, control.C_TOKENS, control.C_FORKS, control.C_FOLIOS, control.C_CPUS,
        control.C_CLUSTER_SHIFT, control.C_ALL_SLOTS, control.C_ZDISK, control.C_ZENTRIES, control.C_ZSLOTS, control.C_CONT_LIMIT,
        control.C_CHAIN,
    )
)  # fmt: skip
"""Words that follow from a :class:`kernels.life.config.Config`."""
COMMON.close("designs declare names of their own (kernels.own.Own)")


@functools.cache
def interface() -> dict[str, Any]:
    """Every step by name: of designs (:mod:`kernels.life.steps`), and of what they keep of a slot (:mod:`kernels.structures.slots`)."""
    return {name: getattr(module, name) for module in (steps, slots) for name in module.NAMES}


def check_class(cls: Any) -> None:
    """Refuse a state class without the fields that every state has."""
    if not isinstance(cls, type) or not issubclass(cls, Flat):
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
    _check_kinds(design)
    _check_parameters(design)
    for row in design.layout:
        _check_row(design, row)
    _check_regions(design)
    _check_locks(design)
    check_class(design.state)
    _check_base(design)
    _check_replay(design)
    _check_reached(design)


def _check_kinds(design: Design) -> None:
    """Its name can be written on a command line, and its fields are of the kinds that are read."""
    if not _written(design.name):
        raise BadDesign(f"{design.name!r} is no name of a design: letters, digits and _ . + -")
    for field, value, kind in (
        ("own", design.own, Own), ("parameters", design.parameters, dict), ("layout", design.layout, (tuple, list)),
        ("locks", design.locks, (tuple, list)), ("sources", design.sources, (tuple, list)),
    ):  # fmt: skip
        if not isinstance(value, kind):
            names = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
            raise BadDesign(f"{design.name}: {field} is of type {type(value).__name__}, not {names}")
    if design.status and not str(design.status).startswith(STATUSES):
        raise BadDesign(f"{design.name}: status {design.status!r} begins with none of {', '.join(STATUSES)}")
    for row in design.layout:
        if not isinstance(row, Field):
            raise BadDesign(f"{design.name}: the layout has a {type(row).__name__}, where a Field is needed")
    for name, parameter in design.parameters.items():
        if not isinstance(parameter, Parameter):
            raise BadDesign(f"{design.name}: parameter {name!r} is of type {type(parameter).__name__}, not Parameter")


def _written(name: Any) -> bool:
    """Tell whether a name can stand in ``NAME[param=value,...]``."""
    return isinstance(name, str) and WRITTEN.fullmatch(name) is not None


def _between(value: Any, most: float) -> bool:
    """Tell whether a value is a number from 0 to `most`."""
    return isinstance(value, (int, float, np.integer)) and bool(0 <= value <= most)


def _check_replay(design: Design) -> None:
    """Its replay is an entry that is called from Python."""
    function = function_of(design.replay)
    if function is None or function not in ours.ENTRIES:
        raise BadDesign(f"{design.name}: its replay is no function that `outer` made")
    if len(inspect.signature(function).parameters) != len(REPLAY):
        raise BadDesign(f"{design.name}: replay takes ({', '.join(REPLAY)}), {errors.place_of(function)} takes "
                        f"({', '.join(inspect.signature(function).parameters)})")  # fmt: skip


def _check_parameters(design: Design) -> None:
    """Every parameter has a control word of its own that may be set, values that fit, and its default among them."""
    words = {entry.number: entry for entry in design.own.all(Word).values()}
    users: dict[int, str] = {}
    for name, parameter in design.parameters.items():
        number, place = int(parameter.word), f"{design.name}: parameter {name!r}"
        if number not in words:
            raise BadDesign(f"{place} uses control word {number}, which nobody declares: take one from Own.parameter")
        if words[number].section != PARAMETER or number in SIZES:
            what = "a size that is worked out" if number in SIZES else f"of section {words[number].section}"
            raise BadDesign(f"{place} uses control word {words[number].name}, {what}: take one from Own.parameter")
        if number in users:
            raise BadDesign(f"{place} uses control word {words[number].name}, as {users[number]!r} does")
        users[number] = name
        for text in (name, *parameter.values):
            if not _written(text):
                raise BadDesign(f"{place}: {text!r} cannot be written as NAME[param=value]: letters, digits and _ . + -")
        for text, value in parameter.values.items():
            if isinstance(value, float) or not _between(value, (1 << 64) - 1):
                raise BadDesign(f"{place}: value {text!r} stands for {value!r}, no 64-bit word")
        if parameter.default not in parameter.values:
            raise BadDesign(f"{place} has no value {parameter.default!r}, its default{nearest(parameter.default, parameter.values)}")


def _check_row(design: Design, row: Field) -> None:
    """A row of the layout counts something known, under conditions on declared parameters."""
    place = f"{design.name}: layout row {row.structure!r}, {row.name!r}"
    if not _between(row.nbytes, sys.float_info.max):
        raise BadDesign(f"{place}: {row.nbytes!r} is no number of bytes")
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
        row = region.row or region.name
        if not region.uncounted and row not in structures:
            raise BadDesign(f"{design.name}: region {region.name!r} has no layout row {row!r}{nearest(row, structures)} "
                            "(Own.region: row=, or uncounted= and why)")  # fmt: skip
    _check_guards(design)
    for made in design.own.entries_of(Allocation):
        if made.structures and structures.isdisjoint(made.structures):
            raise BadDesign(f"{design.name}: allocation class {made.name!r} is made of {made.structures[0]!r}, which the layout has not"
                            f"{nearest(made.structures[0], structures)}")  # fmt: skip


def _check_guards(design: Design) -> None:
    """Guards of a region of its own, or of one of its base, are locks or words for what is none."""
    regions, locks = design.own.all(Region), design.own.all(Lock)
    said = {region.name: region.guards for region in design.own.entries_of(Region)} | design.own.other_guards
    for name, guards in said.items():
        if name not in regions:
            raise BadDesign(f"{design.name}: there is no region {name!r} to be guarded{nearest(name, regions)}")
        for guard in guards:
            if guard not in locks and guard not in (ATOMIC, READ_ONLY, *UNMODELLED):
                known = [*locks, ATOMIC, READ_ONLY, *UNMODELLED]
                near = nearest(guard, known, 0.6) or f", valid: {', '.join(known)}"
                raise BadDesign(f"{design.name}: region {name!r} is guarded by {guard!r}, which is no lock{near}")


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


def _check_base(design: Design) -> None:
    """A layer names the design that it stands on, the same one as its parameter `base` by default."""
    base, chosen = design.base, design.parameters.get("base")
    if base is not None and not _written(base):
        raise BadDesign(f"{design.name}: base is {base!r}, not the name of a design")
    if chosen is not None and base != chosen.default:
        raise BadDesign(f"{design.name}: base is {base!r}, its parameter 'base' is {chosen.default!r} by default")
    resolve = interface()["resolve"]
    if base is None and resolve.table.get(design.state, resolve.default) is not resolve.default:
        raise BadDesign(
            f"{design.name}: a step resolve of its own makes it a layer, which names the design that it stands on (Design.base)"
        )


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
