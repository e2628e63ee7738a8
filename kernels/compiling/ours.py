"""The functions that are compiled our way: those that went through a decorator of :mod:`kernels.compiling.jit`, and no others.

A function is identified by its module and its qualified name, and its machine code by Numba's mangled form of the two. The decorators
take functions, so that a renamed function stays registered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {}
"""The Python functions by module and qualified name."""
ENTRIES: set[Callable[..., Any]] = set()
"""Those that are called from Python and kept on disk."""
SYMBOLS: set[str] = set()
"""Prefixes of their symbols (:func:`mangled`)."""
APART: set[str] = set()
"""Prefixes of functions that LLVM must not inline."""
INLINED: set[str] = set()
"""Prefixes of functions that are always inlined where nothing is counted or timed (a probe ``Off``).

Every swap-in and swap-out of the swap file and of IDs runs them. A replay gains a tenth; compilation takes a second longer.
"""


def of_class(table: dict[type, Any], cls: type) -> Any:
    """Entry of `table` for a class, or else for the first of its bases; None if nothing."""
    return next((table[base] for base in cls.__mro__ if base in table), None)


def enter(fn: Callable[..., Any]) -> None:
    """Register `fn` for compilation our way."""
    FUNCTIONS[fn.__module__, fn.__qualname__] = fn
    SYMBOLS.add(symbol_of(fn))


def keep_apart(fn: Callable[..., Any]) -> None:
    """Register `fn` as a function that is never inlined."""
    APART.add(symbol_of(fn))


def keep_hot(fn: Callable[..., Any]) -> None:
    """Register `fn` as always inlined under a probe that observes nothing."""
    INLINED.add(symbol_of(fn))


def symbol_of(fn: Callable[..., Any]) -> str:
    """Prefix of the symbols of a function, one of Python or a dispatcher of Numba."""
    return mangled(fn.__module__, fn.__qualname__)


def mangled(module: str, name: str) -> str:
    """Prefix of the symbols of a function, up to the mark of its number (Numba writes names as Itanium's C++ does).

    Examples
    --------
    >>> mangled("kernels.memory", "f_is")
    '_ZN7kernels6memory4f_isB'
    """
    return "_ZN" + "".join(map(_part, f"{module}.{name}".split("."))) + "B"


def _part(name: str) -> str:
    """Part of a name with its length. Characters that C++ does not allow are spelled in hexadecimal digits."""
    text = re.sub(r"[^a-zA-Z0-9_]", lambda found: "".join(f"_{byte:02x}" for byte in found[0].encode()), name)
    text = f"_{text}" if text[:1].isdigit() else text
    return f"{len(text)}{text}"


def prefix_of(symbol: str) -> str:
    """Prefix of a symbol, as :func:`mangled` makes it; empty where the symbol is not a function's.

    Examples
    --------
    >>> prefix_of("_ZN7kernels6memory4f_isB2v9B4tagxE12Direct34567890y")
    '_ZN7kernels6memory4f_isB'
    """
    if not symbol.startswith("_ZN"):
        return ""
    at = end = 3
    while symbol[end : end + 1].isdigit():
        while symbol[end : end + 1].isdigit():
            end += 1
        at = end = end + int(symbol[at:end])
    return symbol[:at] + "B" if symbol[at : at + 1] == "B" else ""


def is_ours(module: str, name: str) -> bool:
    """Tell whether a function went through our decorators."""
    return (module, name) in FUNCTIONS
