"""The ordinary way to compile, through documented parts of Numba alone: slow, and used only where the other way fails.

Each helper is optimised for itself and again in each caller. :data:`kernels.compiling.patches.LEAN` lists the needs of the other way.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable
from typing import Any

from numba.extending import overload

from kernels.compiling.errors import BadDesign, place_of
from kernels.compiling.ours import of_class

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def dispatch_on_class(operation: Callable[..., Any], table: dict[type, Any]) -> None:
    """Compile a call of `operation` as a call of the function that `table` has for the class of the first argument."""

    @functools.wraps(operation)
    def implementation(*args: Any) -> Any:
        chosen = of_class(table, getattr(args[0], "instance_class", type(None)))
        return None if chosen is None else chosen.py_func

    overload(operation, jit_options=OPTIONS, strict=False)(implementation)


def refuse(fn: Callable[..., Any]) -> None:
    """Refuse a kernel that raises or yields, as the other way does when it compiles it.

    Raises
    ------
    BadDesign
        The kernel raises or yields.
    """
    if inspect.isgeneratorfunction(fn):
        raise BadDesign(f"{place_of(fn)}: a kernel returns; it yields nothing")
    for instruction in dis.get_instructions(fn):
        if instruction.opname == "RAISE_VARARGS":
            line = instruction.positions.lineno if instruction.positions else None
            raise BadDesign(f"{place_of(fn, line)}: a kernel replies with a code; it raises nothing")
