"""Stored things by name: whole, a part of it, or ``last``."""

from __future__ import annotations

from collections.abc import Sequence

from dse.errors import BadInput, nearest, unknown


def pick(names: Sequence[str], name: str, what: str, several: str) -> str:
    """Resolve a name, a prefix or any part of it that only one has, or ``last``.

    Parameters
    ----------
    names : sequence of str
        What there is, the newest last; not empty.
    name : str
        What was given.
    what, several : str
        What they are, for messages.

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
        return names[-1]
    fits = [n for n in names if n == name] or [n for n in names if name and n.startswith(name)] or [n for n in names if name and name in n]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise BadInput(f"{name!r} fits {len(fits)} {several}: {', '.join(fits[:4])}{' ...' if len(fits) > 4 else ''}")
    near = nearest(name, names)
    raise BadInput(unknown(what, name, [near] if near else [*names[-20:], "last"]))
