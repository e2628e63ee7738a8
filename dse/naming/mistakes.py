"""Mistakes in a file of a design: the line, what Python says of it, and the nearest name that there is."""

from __future__ import annotations

import builtins
import inspect
import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from dse.errors import NAME_MOST, nearest

ARGUMENT = re.compile(r"(?P<callee>[\w.]+)\(\) got an unexpected keyword argument '(?P<name>\w+)'")
MODULES = ("kernels.own", "kernels.life.design", "kernels.life.registry", "kernels.life.contracts", "kernels.life.arrays")
"""Modules whose names a design calls when it declares something."""


def text_of(error: BaseException) -> str:
    """First line of an error's text, which is a module's own and may fail itself."""
    try:
        return str(error).partition("\n")[0]
    except Exception:  # noqa: BLE001 - whatever it raises
        return "an error without a text"


def line_of(error: BaseException, file: Path) -> int:
    """Line of a file at which an error arose, 0 where it did not arise there."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).resolve() == file.resolve():
        return error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if Path(frame.filename).resolve() == file.resolve()), 0)


def said(error: BaseException, file: Path) -> str:
    """Say where in a file an error arose, what it is, and which name was probably meant.

    Returns
    -------
    str
        Such as ``TypeError: Design.__init__() got an unexpected keyword argument 'titel', did you mean 'title'? (line 7)``
    """
    line = line_of(error, file)
    text = text_of(error)
    if isinstance(error, SyntaxError) and error.lineno and text.endswith(f", line {error.lineno})"):  # Python names file and line itself
        here = line == error.lineno and Path(error.filename or "").name == file.name
        text, line = (error.msg, line) if here else (text, 0)
    return f"{type(error).__name__}: {text}{meant(error)}{f' (line {line})' if line else ''}"


def meant(error: BaseException) -> str:
    """Advice on the name that was probably meant, an empty string where none is near.

    Examples
    --------
    >>> meant(AttributeError("no such thing", name="spilt", obj="text"))
    ", did you mean 'split'?"
    """
    try:
        name, known = _unknown(error)
        near = nearest(name[:NAME_MOST], (one for one in known if not one.startswith("_"))) if name else ""
    except Exception:  # noqa: BLE001 - advice is no reason to fail: the objects that are asked are a module's own
        return ""
    return f", did you mean {near!r}?" if near and near not in text_of(error).split("'")[2:] else ""


def _unknown(error: BaseException) -> tuple[str, Iterable[str]]:
    """Name that an error says is none, and those that there are."""
    if isinstance(error, NameError):
        frame = _innermost(error)
        own = [*frame.f_locals, *frame.f_globals] if frame else []
        name = str(error.name or "")
        return name, own if nearest(name[:NAME_MOST], own) else vars(builtins)
    if isinstance(error, AttributeError):
        return str(error.name or ""), dir(error.obj)
    if isinstance(error, ImportError):
        wanted = re.match(r"cannot import name '(\w+)' from '([\w.]+)'", text_of(error))
        return (wanted[1], dir(sys.modules[wanted[2]])) if wanted else ("", ())
    found = ARGUMENT.match(text_of(error)) if isinstance(error, TypeError) else None
    return (found["name"], _arguments(found["callee"])) if found else ("", ())


def _innermost(error: BaseException) -> FrameType | None:
    """Frame in which an error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame if trace is not None else None


def _arguments(callee: str) -> list[str]:
    """Arguments of a function or method that declarations call; none where it is not known."""
    for name in MODULES:
        found: object = sys.modules.get(name)
        for part in callee.removesuffix(".__init__").split("."):
            found = getattr(found, part, None)
        if callable(found):
            return list(inspect.signature(found).parameters)
    return []
