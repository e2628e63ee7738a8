"""Parts of a report, before it is a page, a picture or a mail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Cells = dict[str, Any]


@dataclass(frozen=True)
class Series:
    """Points of one design.

    Attributes
    ----------
    name : str
        The design, or another text of the legend.
    group : int
        Index of colour and marker.
    xs, ys : sequences of float
        Coordinates of the points.
    labels : sequence of str
        Label of each point, may be empty.
    line : bool
        True if the points are joined.
    marked : bool
        True if points are shown.
    strong : sequence of bool
        Points that are drawn large (on the front), may be empty.
    """

    name: str
    group: int
    xs: Sequence[float]
    ys: Sequence[float]
    labels: Sequence[str] = ()
    line: bool = False
    marked: bool = True
    strong: Sequence[bool] = ()


@dataclass(frozen=True)
class Plot:
    """Points and lines over two numeric axes."""

    title: str
    kind: str
    x: str
    y: str
    series: Sequence[Series]
    note: str = ""


@dataclass(frozen=True)
class Cloud:
    """Configurations with several objectives, of which a reader picks two.

    Attributes
    ----------
    objectives : sequence of str
        Names, with units.
    points : sequence of dict
        ``name``, ``group``, ``values`` (a float or None for each objective), ``front``, ``label``; ``design`` where the name is short.
    """

    title: str
    kind: str
    objectives: Sequence[str]
    points: Sequence[Cells]
    first: tuple[int, int] = (0, 1)
    note: str = ""


@dataclass(frozen=True)
class Parallel:
    """Configurations as lines across parallel axes.

    Attributes
    ----------
    axes : sequence of (str, sequence of str)
        Name and values from the bottom up; an axis without values has figures.
    lines : sequence of dict
        ``name``, ``group``, ``values`` (one for each axis, None where there is none), ``front``, ``label``.
    """

    title: str
    kind: str
    axes: Sequence[tuple[str, Sequence[str]]]
    lines: Sequence[Cells]
    note: str = ""

    def span(self, axis: int) -> tuple[float, float]:
        """Least and most figure on an axis."""
        found = [float(line["values"][axis]) for line in self.lines if line["values"][axis] is not None]
        return min(found, default=0.0), max(found, default=0.0)

    def height(self, axis: int, value: Any) -> float | None:
        """Place of a value on its axis, 0 at the bottom to 1 at the top; None where there is no value."""
        if value is None:
            return None
        values = self.axes[axis][1]
        if values:
            return 0.5 if len(values) == 1 else list(values).index(value) / (len(values) - 1)
        low, high = self.span(axis)
        return 0.5 if high == low else (float(value) - low) / (high - low)

    def marks(self, axis: int) -> list[tuple[float, str]]:
        """Texts along an axis with their places: its values, or the least and the most figure."""
        values = self.axes[axis][1]
        low, high = self.span(axis) if not values else (0.0, 0.0)
        ends: list[tuple[Any, str]] = [(end, short(end)) for end in dict.fromkeys((low, high))]
        texts: list[tuple[Any, str]] = [(text, text) for text in values] or ends
        return [(height, text) for value, text in texts if (height := self.height(axis, value)) is not None]

    def routes(self) -> list[tuple[Cells, list[tuple[int, float]]]]:
        """Lines with their places, those of the front last; a line with fewer than two places is left out."""
        out = []
        for line in sorted(self.lines, key=lambda line: bool(line["front"])):
            heights = [(i, self.height(i, value)) for i, value in enumerate(line["values"])]
            places = [(i, height) for i, height in heights if height is not None]
            if len(places) > 1:
                out.append((line, places))
        return out


@dataclass(frozen=True)
class Range:
    """One figure with its interval."""

    label: str
    group: int
    value: float
    lo: float | None = None
    hi: float | None = None
    said: str = ""


@dataclass(frozen=True)
class Ranges:
    """Figures one below the other, in blocks; `line` is drawn across them (1 for ratios)."""

    title: str
    kind: str
    unit: str
    blocks: Sequence[tuple[str, Sequence[Range]]]
    line: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """Field of a map."""

    text: str
    group: int
    detail: str = ""


@dataclass(frozen=True)
class Map:
    """Map of winners: rows and columns are environments."""

    title: str
    kind: str
    row_name: str
    column_name: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell | None]]]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Figures as text; as `cards` all rows are shown, and a narrow screen stacks the cells of a row."""

    title: str
    kind: str
    rows: Sequence[Cells]
    note: str = ""
    cards: bool = False


Part = Plot | Cloud | Parallel | Ranges | Map | Table


@dataclass(frozen=True)
class Section:
    """Parts under one heading; lines of the text are paragraphs, and links to it have its label, default the heading."""

    title: str
    text: str = ""
    parts: Sequence[Part] = ()
    label: str = ""


@dataclass(frozen=True)
class Bar:
    """A cost that is drawn, with its interval."""

    value: float
    lo: float | None = None
    hi: float | None = None


@dataclass(frozen=True)
class Head:
    """Head of a report.

    Attributes
    ----------
    question : str
        One sentence.
    finding : tuple of str
        The finding in words.
    columns : tuple of (str, str)
        Name and unit of each column.
    rows : tuple of tuple of str
        Cells; the first one is a name.
    bars : tuple of Bar or None
        What is drawn in each row, in column `drawn`.
    drawn : int
        Column of the bars.
    caption : str
        What the bars are.
    conditions : tuple of str
        On what it was asked.
    buys, doubts, missing : tuple of str
        What it is good for; how sure it is; what is not in it, or what would change it.
    again : tuple of str
        Next commands, and as the last one the command that repeats it.
    """

    question: str
    finding: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]
    bars: tuple[Bar | None, ...] = ()
    drawn: int = 2
    caption: str = ""
    conditions: tuple[str, ...] = ()
    buys: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """Report.

    Attributes
    ----------
    name : str
        The run or study.
    title : str
        Heading.
    answer : sequence of str
        Answer in words, a sentence or more each.
    groups : sequence of str
        Designs, in the order of their colours.
    sections : sequence of Section
        The figures.
    provenance : dict
        Its origin.
    head : Head, optional
        What it opens on; None where there is nothing to compare.
    """

    name: str
    title: str
    answer: Sequence[str]
    groups: Sequence[str]
    sections: Sequence[Section]
    provenance: Cells = field(default_factory=dict)
    head: Head | None = None


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from at most `low` to at least `high`.

    Examples
    --------
    >>> ticks(0.3, 9.2), ticks(1.0, 1.0)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [1.0, 2.0])
    """
    if not high > low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 2.5, 5, 10) if unit * k >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(i * step, digits) + 0.0 for i in range(first, last + 1)]


def short(value: float) -> str:
    """Write a figure in at most four digits.

    Examples
    --------
    >>> short(1234567.0), short(0.12345), short(12.0), short(0.5)
    ('1,234,567', '0.1235', '12', '0.5')
    """
    from dse.common.output import number

    text = number(float(value))
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def staircase(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners of the front of some points in a plane, both coordinates minimised, from left to right.

    Examples
    --------
    >>> staircase([(1.0, 5.0), (2.0, 6.0), (3.0, 2.0), (3.0, 4.0)])
    [(1.0, 5.0), (3.0, 5.0), (3.0, 2.0)]
    """
    out: list[tuple[float, float]] = []
    for x, y in sorted(points):
        if not out or y < out[-1][1]:
            out += [(x, out[-1][1]), (x, y)] if out else [(x, y)]
    return out
