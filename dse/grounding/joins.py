"""Rows that functions of the model and of a kernel share (joins.toml)."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from dse.linux import functions
from dse.modelling.functions import Event

FILE = Path(__file__).with_name("joins.toml")


class Step(NamedTuple):
    """Pattern of steps of the model: function, structure, operation."""

    function: str
    what: str
    operation: str


class Join(NamedTuple):
    """Row that several functions share: its name, patterns of the kernel's functions and of the model's steps."""

    row: str
    kernel: tuple[str, ...]
    model: tuple[Step, ...]


def step_of(text: str) -> Step:
    """Read ``FUNCTION: STRUCTURE @ OPERATION``, of which only the first must be there.

    Examples
    --------
    >>> step_of("swap_cgroup_set @ zap"), step_of("*: zswap node")
    (Step(function='swap_cgroup_set', what='*', operation='zap'), Step(function='*', what='zswap node', operation='*'))
    """
    rest, _, operation = text.partition(" @ ")
    function, _, what = rest.partition(": ")
    return Step(function, what or "*", operation or "*")


def base_of(function: str) -> str:
    """Name of a function without what the compiler adds to it.

    Examples
    --------
    >>> base_of("swap_dup_entries_cluster.isra.0"), base_of("zswap_store")
    ('swap_dup_entries_cluster', 'zswap_store')
    """
    return function.partition(".")[0]


@functools.cache
def _file() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@functools.cache
def joins(release: str) -> tuple[Join, ...]:
    """Joins of a release such as ``7.2``: its own before those of all."""
    fitting = [entry for entry in _file()["join"] if release in entry.get("releases", [release])]
    fitting.sort(key=lambda entry: "releases" not in entry)
    return tuple(Join(e["row"], tuple(e["kernel"]), tuple(step_of(text) for text in e["model"])) for e in fitting)


@functools.cache
def row_of_kernel(function: str, release: str) -> str:
    """Row of a function of a kernel."""
    base = base_of(function)
    return next((join.row for join in joins(release) if any(fnmatchcase(base, name) for name in join.kernel)), base)


@functools.cache
def row_of_step(function: str, what: str, operation: str, release: str) -> str:
    """Row of a step of the model."""
    for join in joins(release):
        for step in join.model:
            if all(fnmatchcase(value, pattern) for value, pattern in zip((function, what, operation), step, strict=True)):
                return join.row
    return row_of_kernel(function, release)


def rows_of_steps(events: Sequence[Event], operation: str, release: str) -> list[str]:
    """Row of each event of an operation; a function that kernels inline belongs to the one of the next step, at the end of the last."""
    inlined = set(_file()["inlined"])
    names: list[str] = []
    following = ""
    for event in reversed(events):
        if event.event == "common":
            names.append(event.function)
            continue
        following = following if event.function in inlined else event.function
        names.append(following or event.function)
    names.reverse()
    return [row_of_step(name, event.what, operation, release) for name, event in zip(names, events, strict=True)]


@functools.cache
def group_of(row: str, release: str) -> str:
    """Group of a row: that of the first of its functions (dse/linux/groups.toml)."""
    names = next((join.kernel for join in joins(release) if join.row == row), (row,))
    return functions.GROUPS[functions.group_of(names[0].replace("*", "load"))]
