"""Steps with and without a default, and the Python function behind a compiled one."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from kernels.compiling.jit import INTERPRETED, inner, operation


def function_of(given: Any) -> FunctionType | None:
    """Python function behind one that ``inner``, ``called`` or ``outer`` made; None for anything else, steps included."""
    found = getattr(given, "py_func", given if INTERPRETED and not hasattr(given, "table") else None)
    return found if isinstance(found, FunctionType) else None


def required(fn: Callable[..., Any]) -> Any:
    """Make `fn` a step that every design implements: an operation that is dispatched on the class of the state."""
    step = operation(fn)
    step.default = None
    return step


def optional(fn: Callable[..., Any]) -> Any:
    """Make `fn` a step whose own body is the default."""
    step = operation(fn)
    step.default = inner(fn)
    return step
