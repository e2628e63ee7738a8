"""Failures that are no fault of the program, each said in one clear line."""

from __future__ import annotations

import difflib
import errno
import importlib.util
import sys
from typing import TYPE_CHECKING

from dse.secrets import safe

if TYPE_CHECKING:
    from collections.abc import Iterable


MESSAGE_MOST = 1500
"""Most characters of a message; a longer one repeats more of an input than helps."""


class Said(Exception):
    """Failure that is said in one line, without the secrets that a user gave."""

    def __init__(self, *given: object) -> None:
        super().__init__(*(safe(part) if isinstance(part, str) else part for part in given))


class BadInput(Said):
    """The input cannot be worked with: one line on stderr, exit status 2."""

    def __str__(self) -> str:
        text = super().__str__()
        return text if len(text) <= MESSAGE_MOST else f"{text[:1000]} ... {text[5 - MESSAGE_MOST + 1000 :]}"


class Ended(SystemExit):
    """A signal told the process to end; every other ``SystemExit`` of a verb is that of a design, and no success."""


class CheckFailed(Said):
    """The run was fine, what it checked was not: one line on stderr, exit status 1."""


NAME_MOST = 80
"""Most characters of a wrong name that a message repeats."""


def nearest(name: str, options: Iterable[str]) -> str:
    """Return the option that `name` was most likely meant to be.

    Parameters
    ----------
    name : str
        What was given.
    options : iterable of str
        The valid values.

    Returns
    -------
    str
        The nearest option, or an empty string where none is near.

    Examples
    --------
    >>> nearest("swap_dsec", ["direct", "swap_desc", "swap_id"])
    'swap_desc'
    >>> nearest("migration_rate", ["rate", "batch"])
    'rate'
    >>> nearest("banana", ["direct"])
    ''
    """
    lowered = {option.lower(): option for option in options}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.55)
    if found:
        return lowered[found[0]]
    words = set(name.lower().replace("-", "_").split("_"))
    inside = [option for low, option in lowered.items() if low in words or name.lower() in low.split("_")]
    return inside[0] if len(inside) == 1 else ""


def unknown(what: str, name: str, options: Iterable[str], within: str = "") -> str:
    """Say that `name` is no valid `what`, with the nearest valid value, or all of them where none is near.

    `within` stands before each of them in the message, such as the name of a table and a dot.

    Examples
    --------
    >>> unknown("key", "limt", ["limit", "batch"], "memory.")
    "unknown key 'memory.limt', did you mean 'memory.limit'?"
    """
    valid = list(options)
    if len(name) > NAME_MOST:
        name = f"{name[:NAME_MOST]} ..."
    near = nearest(name, valid)
    hint = f"did you mean {within + near!r}?" if near else f"valid: {', '.join(within + one for one in valid) or 'none'}"
    return f"unknown {what} {within + name!r}, {hint}"


REFUSED = {
    errno.ENOSPC: "no space left on the disk", errno.EDQUOT: "disk quota used up", errno.EFBIG: "file too large for this disk or limit",
    errno.EACCES: "permission denied", errno.EPERM: "not permitted", errno.EROFS: "read-only file system",
    errno.ENOENT: "no such file or folder", errno.ENOTDIR: "not a directory", errno.EISDIR: "is a folder",
    errno.EEXIST: "a file is in the way", errno.ENOMEM: "not enough memory",
    errno.ENAMETOOLONG: "the name is too long", errno.ELOOP: "links that lead in a circle",
}  # fmt: skip
"""Refusals of the operating system by number, in our words."""


def refusal(error: OSError) -> str:
    """Say what the operating system refused, without the file.

    Examples
    --------
    >>> refusal(OSError(errno.ENOSPC, "No space left on device", "results"))
    'no space left on the disk'
    """
    return REFUSED.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__


def require_kernels() -> None:
    """Make sure that the package ``kernels`` is ours: another distribution of that name may come first on the path.

    Raises
    ------
    BadInput
        It is not, or it is not there.
    """
    try:
        import kernels

        project, place = getattr(kernels, "PROJECT", ""), kernels.__file__ or str(next(iter(kernels.__path__), ""))
    except Exception:  # noqa: BLE001 - whatever another distribution raises
        spec = importlib.util.find_spec("kernels")
        project, place = "", (spec.origin or "") if spec else ""
    if project != "swapdse":
        found = f"{place} is another package called kernels and hides that of swapdse" if place else "the package kernels is missing"
        raise BadInput(f"{found}: uninstall the other one or take its folder from PYTHONPATH, then install swapdse again")


def refusals() -> tuple[type[Exception], ...]:
    """The errors by which kernels refuse a design; none where kernels are not imported, as nothing can have raised them."""
    module = sys.modules.get("kernels.compiling.errors")
    return (BadInput,) if module is None else (BadInput, module.BadDesign)
