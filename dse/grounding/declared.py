"""Declarations of the K rows (rows.toml, causes.toml): kernels with their designs, what is compared, tolerances, causes."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent


class Asked(NamedTuple):
    """Question of a K row.

    Attributes
    ----------
    id, check : str
        Its id, and what it compares in words.
    kind : str
        Reader of its figures: ``records``, ``objects``, ``trace``, ``locks``, ``lines`` or ``change``.
    tolerance : float
        Largest difference; its unit is that of the kind.
    said : str
        The tolerance in words.
    of : dict
        What the reader needs.
    """

    id: str
    check: str
    kind: str
    tolerance: float
    said: str
    of: dict[str, Any]


class Cause(NamedTuple):
    """Declared cause of figures outside.

    Attributes
    ----------
    rows, where : tuple of str
        Patterns of the ids of rows, and of the places of figures.
    groups : tuple of str
        Groups of functions in which it explains a difference; all where it is empty.
    text : str
        The cause in words.
    """

    rows: tuple[str, ...]
    where: tuple[str, ...]
    groups: tuple[str, ...]
    text: str

    def covers(self, row: str, where: str) -> bool:
        """Tell whether it is the cause of a figure of a row."""
        return any(fnmatchcase(row, name) for name in self.rows) and any(fnmatchcase(where, place) for place in self.where)

    def explains(self, apart: Sequence[str]) -> bool:
        """Tell whether it explains a difference in one of the groups `apart`, where a figure names any."""
        return not self.groups or not apart or bool(set(self.groups) & set(apart))


@functools.cache
def _file(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


def kernels() -> dict[str, str]:
    """Design that models each release, the oldest release first."""
    return dict(_file("rows.toml")["kernels"])


def releases() -> list[str]:
    """Releases with joins, the oldest first: those of :func:`kernels`, and those without a design of their own."""
    return [*kernels(), *_file("rows.toml")["nearest"]]


def design_of(release: str) -> str:
    """Design that models a release, or the nearest one."""
    return str((kernels() | _file("rows.toml")["nearest"])[release])


def asked() -> list[Asked]:
    """Every K row, in the order of the file."""
    known = ("id", "check", "kind", "tolerance", "said")
    return [
        Asked(row["id"], row["check"], row["kind"], float(row["tolerance"]), row["said"], {k: v for k, v in row.items() if k not in known})
        for row in _file("rows.toml")["row"]
    ]


def causes() -> list[Cause]:
    """Every declared cause, in the order of the file."""
    return [
        Cause(tuple(c["rows"]), tuple(c["where"]), tuple(c.get("groups", ())), c["text"]) for c in _file("causes.toml").get("cause", [])
    ]
