"""Stored things by name: whole, a part of it, or ``last``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dse.common import output
from dse.errors import BadInput, nearest, unknown

SHOWN = 20
"""Most names that a refusal lists, the newest of them."""


def newest(names: Sequence[str], copied: Callable[[str], str]) -> str:
    """Name of the last one that is no copy; the last one where all of them are.

    Parameters
    ----------
    names : sequence of str
        What there is, the newest last; not empty.
    copied : callable
        Return the name under which one was stored, where that is another; else an empty string.
    """
    for name in reversed(names):
        origin = copied(name)
        if not origin:
            return name
        output.note(f"left out {name}: a copy of {origin[:80]}")
    return names[-1]


def pick(names: Sequence[str], name: str, what: str, several: str, copied: Callable[[str], str] = lambda _: "") -> str:
    """Resolve a name, a prefix or any part of it that only one has, or ``last``.

    Parameters
    ----------
    names : sequence of str
        What there is, the newest last; not empty.
    name : str
        What was given.
    what, several : str
        What they are, for messages.
    copied : callable
        See :func:`newest`. Copies are found by their whole names only.

    Raises
    ------
    BadInput
        None fits, or more than one.

    Examples
    --------
    >>> pick(["churn-1", "fill-2"], "fill", "run", "runs")
    'fill-2'
    """
    if name == "last":
        return newest(names, copied)
    fits = [n for n in names if n == name] or [n for n in names if name and n.startswith(name)] or [n for n in names if name and name in n]
    if len(fits) > 1:
        fits = [n for n in fits if not copied(n)] or fits
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise BadInput(f"{name!r} fits {len(fits)} {several}: {', '.join(fits[:4])}{' ...' if len(fits) > 4 else ''}")
    if name.endswith(".npz"):
        raise BadInput(f"{name} is a trace, not a {what}: dse trace info {name} describes it")
    near = nearest(name, names)
    more = len(names) - SHOWN
    rest = f" and {more:,} more" if more > 0 and not near else ""
    raise BadInput(unknown(what, name, [near] if near else ["last", *names[-SHOWN:]]) + rest)
