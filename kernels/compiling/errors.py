"""Refusals of a design, each in one line."""

from __future__ import annotations

import builtins
import difflib
import dis
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kernels.compiling import ours


class BadDesign(ValueError):
    """A design that cannot be compiled or registered; the message is one line, ``file:line: what``."""


PLACE = re.compile(r'File "(?P<path>[^"\n]+)", line (?P<line>\d+)|^\s*During: .* at (?P<path2>[^\n]+) \((?P<line2>\d+)\)\s*$', re.MULTILINE)
REJECTED = re.compile(r"Overload [^\n]*: File: (?P<path>[^\n]*): Line[^\n]*\n[^\n]*\n\s*Rejected as [^\n]*:\n")
NO_MATCH = re.compile(r"^(?:No implementation|Invalid use) of [^\n]*\n\s*>>> (?P<call>[^\n]*)", re.MULTILINE)
NO_NAME = re.compile(r"name '(?P<name>\w+)' is not defined")
LEFT_OVER = re.compile(r"(?:, defined at .* \(\d+\)|\. Raised from .*)$")
SHARED = Path(__file__).resolve().parent.parent
NOISE = ("Failed in ", "During: ", "raised from ")
DIGEST = re.compile(r"\b([A-Z]\w*?)[0-9a-f]{8}\b")
"""The name of the type of a state or probe: its class, and eight digits that tell classes apart."""


def refusals() -> tuple[type[Exception], ...]:
    """The errors by which Numba refuses a function."""
    from numba.core import errors

    others = getattr(errors, "UnsupportedBytecodeError", None)
    return (errors.NumbaError, others) if others else (errors.NumbaError,)


def in_one_line(error: Exception, fn: Callable[..., Any]) -> str:
    """Reduce an error of Numba, which has many lines, to one: ``file:line: what``.

    Numba lists the calls that lead to the statement from the inside out.

    Parameters
    ----------
    error : Exception
        The error that compilation raised.
    fn : callable
        The compiled function. It gives the place where the error names none.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    unknown = NO_NAME.search(text)
    if unknown:
        return _undefined(unknown["name"], fn)
    places = [found for found in PLACE.finditer(text) if _is_users(found["path"] or found["path2"])]
    place = places[0] if places else None
    said = text[: place.start()] if place else text
    for found in REJECTED.finditer(said):
        if _is_users(found["path"]):
            said = text[found.end() : place.start() if place else None]
    shown = next((found for found in places if not _is_shared(found["path"] or found["path2"])), place)
    where = _place(shown["path"] or shown["path2"], shown["line"] or shown["line2"]) if shown else place_of(fn)
    essence = _essence(said)
    hint = " (an integer without u(...) met an unsigned one)" if "float64" in essence else ""
    return f"{where}: {essence}{hint}"


def _essence(said: str) -> str:
    """First words of a message behind Numba's account of its own steps."""
    lines = [re.sub(r"^(?:\w+Error: )+", "", line.strip()) for line in said.splitlines()]
    kept = [line for line in lines if line and not line.startswith(NOISE)]
    call = NO_MATCH.match("\n".join(kept))
    first = f"no implementation of {call['call']}" if call else kept[0] if kept else "it does not compile"
    if "make_function(" in first:
        first = "a kernel defines no function and has no comprehension"
    return DIGEST.sub(r"\1", LEFT_OVER.sub("", first)).rstrip(". ")


def _is_users(path: str) -> bool:
    """Tell whether a file is not one of Numba's own."""
    import numba

    return not path.startswith(("<", "unknown", "numba/")) and Path(numba.__file__).parent not in Path(path).absolute().parents


def _is_shared(path: str) -> bool:
    """Tell whether a file is one of those that all designs share."""
    full = Path(path).absolute()
    return SHARED in full.parents and SHARED / "designs" not in full.parents


def _place(path: str, line: str | int) -> str:
    """A line of a file, named from the current folder if it lies there."""
    full = Path(path).absolute()
    resolved, here = full.resolve(), Path.cwd().resolve()
    return f"{resolved.relative_to(here) if resolved.is_relative_to(here) else resolved}:{line}"


def place_of(fn: Callable[..., Any], line: int | None = None) -> str:
    """The place of a function, or of a line of its file."""
    return _place(fn.__code__.co_filename, line or fn.__code__.co_firstlineno)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.4) -> str:
    """Advice on the name that was probably meant, empty where none is near."""
    found = difflib.get_close_matches(name, list(known), 1, cutoff)
    return f", did you mean {found[0]!r}?" if found else ""


def _undefined(name: str, fn: Callable[..., Any]) -> str:
    """Name the function that uses an undefined name, which Numba does not."""
    for used in (fn, *ours.FUNCTIONS.values()):
        code, known = used.__code__, {**vars(builtins), **used.__globals__}
        if name in code.co_names and name not in known:
            near = nearest(name, (one for one in known if not one.startswith("_")), 0.6)
            return f"{place_of(used, _line_of(code, name))}: name '{name}' is not defined{near}"
    return f"{place_of(fn)}: name '{name}' is not defined"


def _line_of(code: Any, name: str) -> int | None:
    """The line on which `code` first loads a global `name`."""
    loads = (i for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL" and i.argval == name and i.positions)
    return next((i.positions.lineno for i in loads if i.positions), None)
