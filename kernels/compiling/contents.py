"""The content of a kernel: its functions, those that they call, and the constants that they name.

A stamp of sources (:mod:`kernels.compiling.sources`) sees what import statements name. A design from outside may also take a constant from
the environment or from a data file, import a module by name, or bind its steps to a replay in another file. Its compiled kernels are
therefore known by a digest of their content as well.
"""

from __future__ import annotations

import dis
import hashlib
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

HOME = __name__.partition(".")[0]


def values_of(function: FunctionType) -> Iterator[Any]:
    """Globals, attributes of modules and classes, and variables of enclosing functions that `function` names, in order."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    holder: Any = None
    for instruction in dis.get_instructions(function):
        value, name = None, instruction.argval
        if instruction.opname == "LOAD_GLOBAL":
            value = function.__globals__.get(name)
        elif instruction.opname == "LOAD_DEREF" and name in cells:
            value = cells[name].cell_contents
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and holder is not None:
            value = getattr(holder, name, None)
        holder = value if isinstance(value, (ModuleType, type)) else None
        if value is not None:
            yield value


def digest_of(function: FunctionType, classes: tuple[type, ...]) -> str:
    """SHA-256 of the content of a kernel on arguments of `classes`; empty where all of it belongs to this package."""
    if all(name.partition(".")[0] == HOME for name in (function.__module__, *(cls.__module__ for cls in classes))):
        return ""
    digest, seen, open_ = hashlib.sha256(), {function}, [function]
    while open_:
        found = open_.pop()
        digest.update(_code(found))
        for value in values_of(found):
            table = getattr(value, "table", None)
            chosen = [table[cls] for cls in classes if cls in table] if isinstance(table, dict) else [value]
            for one in chosen:
                called = getattr(one, "py_func", None)
                digest.update(_constant(one) if called is None else f"{called.__module__}.{called.__qualname__}\n".encode())
                if isinstance(called, FunctionType) and called not in seen:
                    seen.add(called)
                    open_.append(called)
    return digest.hexdigest()


def _code(function: FunctionType) -> bytes:
    """The instructions of a function, without the places of its lines."""
    code = function.__code__
    constants = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
    return repr((code.co_code, constants, code.co_names, code.co_varnames, function.__defaults__)).encode()


def _constant(value: Any) -> bytes:
    """The content of a constant; of what is no constant, its name."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}".encode() + value.tobytes()
    if callable(value) or isinstance(value, ModuleType):
        return str(getattr(value, "__qualname__", getattr(value, "__name__", type(value).__name__))).encode()
    text = repr(value)
    return (type(value).__qualname__ if " at 0x" in text else text).encode()
