"""The functions that a replay reaches, found in their bytecode: which implementation stands behind each step, and which is missing."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from kernels.compiling.contents import values_of
from kernels.compiling.functions import function_of


@functools.cache
def named(function: FunctionType) -> tuple[Any, ...]:
    """Functions and steps that `function` names, each once, in order."""
    found = {id(value): value for value in values_of(function) if callable(value)}
    return tuple(found.values())


def walk(entry: Any, cls: type) -> Iterator[tuple[Any, str]]:
    """Every function and step that `entry` reaches on a state of class `cls`, with the name of the function that calls it first."""
    start = function_of(entry)
    open_ = [] if start is None else [start]
    seen: set[int] = set()
    while open_:
        function = open_.pop()
        for value in named(function):
            if id(value) in seen:
                continue
            seen.add(id(value))
            yield value, f"{function.__module__}.{function.__qualname__}"
            table = getattr(value, "table", None)
            implementations = [value] if table is None else [table[c] for c in table if c is cls]
            open_ += [found for found in map(function_of, implementations) if found is not None]


def missing(entry: Any, cls: type, interface: dict[str, Any]) -> tuple[str, str] | None:
    """The first step that `entry` reaches and `cls` has no implementation of, and who calls it; None if there is none."""
    steps = {id(step): name for name, step in interface.items()}
    for value, caller in walk(entry, cls):
        name = steps.get(id(value))
        if name is not None and cls not in value.table:
            return name, caller
    return None


def implementations(cls: type, interface: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """File and first line of the implementation of each step of a state class, by the name of the step."""
    found = {}
    for name, step in interface.items():
        function = function_of(step.table.get(cls))
        if function is not None:
            found[name] = (inspect.getsourcefile(function) or "", function.__code__.co_firstlineno)
    return found
