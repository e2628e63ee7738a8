"""Common steps of a trace, a row for each kernel function, and the table of them for ``dse explain``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class CommonStep:
    """Touches of one kernel function that every design shares.

    Attributes
    ----------
    function : str
    structures : tuple of str
        Structures that it touches, in the order of the table.
    lines : int
        Lines that it touches, those of each call added up.
    first : int
        Lines that nothing touched before it in the operation: they add up to ``lines_common``.
    written : int
        Lines that it writes, those of each call added up.
    locks : int
        Locks that it takes, in all its calls.
    """

    function: str
    structures: tuple[str, ...]
    lines: int
    first: int
    written: int
    locks: int


class Entry(NamedTuple):
    """An entry of the log: a call of a function at a place of the table, with its lines, new lines, written lines and locks."""

    hook: str
    function: str
    lines: int
    first: int
    written: int
    locks: int


def entries(log: Any) -> Iterator[Entry]:
    """Common steps in the log of a ``trace`` probe, in order."""
    from kernels.observing.probe import E_COMMON
    from kernels.structures.common.table import FUNCTIONS, HOOK_NAMES

    for at in range(1, int(log[0]), 2):
        head, word = int(log[at]), int(log[at + 1])
        if head & 0xFF == int(E_COMMON):
            counts = (word & 0xFF, word >> 8 & 0xFF, word >> 16 & 0xFF, word >> 32 & 0xFF)
            yield Entry(HOOK_NAMES[word >> 24 & 0xFF], FUNCTIONS[head >> 8 & 0xFFFFFF], *counts)


def steps(log: Any, era: int) -> list[CommonStep]:
    """Common steps in a log, a function once, in the order of their first calls.

    Parameters
    ----------
    log : numpy.ndarray
        ``uint64[words]``, the log of a ``trace`` probe after one operation.
    era : int
        Number of the kernel (C_ERA).
    """
    found: dict[str, list[Entry]] = {}
    for entry in entries(log):
        found.setdefault(entry.function, []).append(entry)
    return [
        CommonStep(
            function, structures_of(function, era, {entry.hook for entry in calls}), sum(entry.lines for entry in calls),
            sum(entry.first for entry in calls), sum(entry.written for entry in calls), sum(entry.locks for entry in calls),
        )
        for function, calls in found.items()
    ]  # fmt: skip


def structures_of(function: str, era: int, hooks: Collection[str]) -> tuple[str, ...]:
    """Structures that a function of kernel number `era` touches at some places."""
    from kernels.structures.common.table import TOUCHES

    return tuple(dict.fromkeys(touch.structure for touch in TOUCHES[era] if touch.function == function and touch.hook in hooks))


def beside(designs: Iterable[tuple[str, list[CommonStep]]]) -> list[dict[str, Any]]:
    """Common steps of several designs side by side: ``function``, and for each design its lines as words, empty where it has none."""
    given = list(designs)
    cells = {name: {step.function: _cell(step) for step in found} for name, found in given}
    functions = dict.fromkeys(step.function for _, found in given for step in found)
    return [{"function": function, **{name: cells[name].get(function, "") for name, _ in given}} for function in functions]


def _cell(step: CommonStep) -> str:
    """Write one step: its new lines, and where they lie."""
    new = f"{step.first} new of " if step.first < step.lines else ""
    locks = f", {step.locks} lock{'s' * (step.locks != 1)}" if step.locks else ""
    return f"{new}{step.lines} line{'s' * (step.lines != 1)}{locks}: {', '.join(step.structures)}"
