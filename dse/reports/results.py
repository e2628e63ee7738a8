"""Results of ``dse.compare``, ``dse.sweep`` and ``dse.ask`` as objects: rows as a data frame, the answer, a chart, a display in notebooks.

They are the mapping or list of the JSON contract as well: ``found["rows"]``, ``json.dumps(found)``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, ParamSpec

import polars as pl

from dse import asking, sweeps
from dse.asking import screens
from dse.common import output
from dse.common.writing import save
from dse.errors import BadInput
from dse.grounding.marks import marks
from dse.measuring import comparing
from dse.reports import answer, charts, pictures, reporting
from dse.reports.model import Document, Plot, Range, Ranges, Section, Series

Given = ParamSpec("Given")
Part = Plot | Ranges
ASKED = ("id", "question", "status", "answer", "certainty", "needs", "command", "counters_hash")
"""Keys of an answer in the JSON contract."""
LONG = ("document", "packages")
"""Fields of a sweep's provenance that its JSON leaves out."""


@dataclass(frozen=True)
class Picture:
    """Picture that a notebook shows, and that can be saved."""

    document: Document

    @property
    def svg(self) -> str:
        """The picture as SVG."""
        return pictures.render(self.document, "svg").decode()

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> str:
        """Write the picture to `path`, a PNG or an SVG by its suffix, and return the path.

        Raises
        ------
        BadInput
            Another suffix, or a folder that cannot be written.
        """
        target = charts.target(path)
        return save(target, pictures.render(self.document, target.suffix[1:].lower()))


class _Shown:
    """Common part of all results; a subclass has `answer`, `rows`, `chart` and `document`."""

    answer: str
    rows: pl.DataFrame

    def chart(self) -> Picture:
        """Draw the answer."""
        raise NotImplementedError

    def document(self) -> Any:
        """The document of ``--format json``, as values of JSON."""
        raise NotImplementedError

    def json(self) -> str:
        """The text that the command prints with ``--format json``."""
        return output.render_json(self.document())

    def _repr_html_(self) -> str:
        """Answer, picture and the first rows, for notebooks."""
        try:
            drawn = self.chart().svg.partition("<svg")
            picture = drawn[1] + drawn[2]
        except BadInput as error:
            picture = f"<p>{escape(str(error))}</p>"
        table = self.rows._repr_html_()
        return f"<pre>{escape(self.answer)}</pre>{picture}<details><summary>{len(self.rows):,} rows</summary>{table}</details>"


class Comparison(dict[str, Any], _Shown):
    """Result of :func:`dse.compare`: the mapping with ``rows`` and ``provenance``."""

    @property
    def rows(self) -> pl.DataFrame:  # type: ignore[override]
        """All figures, a row each."""
        return pl.DataFrame(self["rows"], infer_schema_length=None)

    @property
    def answer(self) -> str:  # type: ignore[override]
        """The first screen."""
        return "\n".join(answer.screen(self).lines())

    def chart(self) -> Picture:
        """Draw what each design costs more than the baseline: time (or lines) with its interval, and memory."""
        rows = answer.screen(self).rows
        timed = any(row.timed for row in rows)
        asked = [(i, row) for i, row in enumerate(rows) if row.asked]
        time = [Range(r.design, i, r.extra, r.lo, r.hi, f"{r.extra:+,.1f}") for i, r in asked if r.extra is not None]
        memory = [Range(r.design, i, r.more_bytes, said=f"{r.more_bytes:+,.1f}") for i, r in asked if r.more_bytes is not None]
        against = f"against {next(row.design for row in rows if not row.asked)}, {self['provenance']['runs'][-1]['label']}"
        kind = "measured" if timed else "counted"
        parts: list[Part] = []
        if time:
            parts.append(Ranges(f"A swap-out and return, {against}", kind, f"{'ns' if timed else 'lines'} more", [("", time)], 0.0))
        if memory:
            parts.append(Ranges(f"Memory a swapped page, {against}", "counted", "bytes more", [("", memory)], 0.0))
        about = {name: self["provenance"][name] for name in ("command", "counters_hash")}
        return Picture(_drawn("compare", parts, [row.design for row in rows], about))

    def document(self) -> dict[str, Any]:
        """The document of ``dse compare --format json``."""
        return {**self, "provenance": {**self["provenance"], "kernels": marks(self["provenance"]["designs"])}}


class Swept(dict[str, Any], _Shown):
    """Result of :func:`dse.sweep`: the mapping with ``study``, ``front``, ``winners`` and so on."""

    results: str | Path = "results"

    @property
    def rows(self) -> pl.DataFrame:  # type: ignore[override]
        """All trials, a row each: axes and objectives are columns (``trials_wide``)."""
        from dse.storing import querying

        return querying.scan(self.results)["trials_wide"].filter(pl.col("study") == self["study"]).collect()

    @property
    def answer(self) -> str:  # type: ignore[override]
        """The first lines of the command."""
        from dse.sweeps.wording import first_lines

        about = self["provenance"]
        return "\n".join(first_lines(self, about, about["winner"], about["over"]["measure"]))

    def chart(self) -> Picture:
        """Draw the first figures of the study's report."""
        return Picture(reporting.load("study", self["study"], self.results))

    def document(self) -> dict[str, Any]:
        """The document of ``dse sweep --format json``."""
        return {**self, "provenance": {key: value for key, value in self["provenance"].items() if key not in LONG}}


class Answers(list[dict[str, Any]], _Shown):
    """Result of :func:`dse.ask`: the list of answers."""

    @property
    def rows(self) -> pl.DataFrame:  # type: ignore[override]
        """The answers, a row each."""
        return pl.DataFrame(self.document(), schema=dict.fromkeys(ASKED, pl.String))

    @property
    def points(self) -> pl.DataFrame:
        """The figures behind the answers, a row for each question, design and value of its axis."""
        rows = [{"id": one["id"], **point, "at": str(point["at"])} for one in self for point in one["points"]]
        return pl.DataFrame(rows, infer_schema_length=None)

    @property
    def answer(self) -> str:  # type: ignore[override]
        """The screens of all answers."""
        return "\n\n".join("\n".join(screens.screen(one)) for one in self)

    def chart(self) -> Picture:
        """Draw the figures of the answers: over an axis of numbers as curves, else one below the other."""
        parts = [_part(one) for one in self if one["points"]]
        return Picture(_drawn("ask", parts, list(dict.fromkeys(p["design"] for one in self for p in one["points"]))))

    def document(self) -> list[dict[str, Any]]:
        """The document of ``dse ask --format json``."""
        return [{name: one[name] for name in ASKED} for one in self]


def _drawn(name: str, parts: Sequence[Part], designs: Sequence[str], about: dict[str, Any] | None = None) -> Document:
    """Document that holds figures alone."""
    return Document(name, name, [], designs, [Section("", "", [part]) for part in parts], about or {})


def _number(value: Any) -> float | None:
    """Read a value of an axis."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _part(one: dict[str, Any]) -> Part:
    """Figure of an answer."""
    points = [p for p in one["points"] if p["value"] is not None]
    designs = list(dict.fromkeys(p["design"] for p in one["points"]))
    curve = [p for p in points if p.get("state", "") == points[0].get("state", "")]
    along = list(dict.fromkeys(str(p["at"]) for p in points))
    title, kind = f"{one['id']}: {one['question']}", screens.kind(one)
    if len(along) > 1 and all(_number(at) is not None for at in along):
        series = []
        for i, design in enumerate(designs):
            mine = sorted((float(p["at"]), float(p["value"])) for p in curve if p["design"] == design)
            series.append(Series(design, i, [x for x, _ in mine], [y for _, y in mine], line=True))
        return Plot(title, kind, "value of the axis", one["unit"], series)
    blocks: list[tuple[str, list[Range]]] = []
    along = list(dict.fromkeys(screens.place(one, p) for p in points))
    for at in along:
        here = [p for p in points if screens.place(one, p) == at]
        drawn = [Range(p["design"], designs.index(p["design"]), p["value"], p["lo"], p["hi"]) for p in here]
        blocks.append((at if len(along) > 1 else "", drawn))
    return Ranges(title, kind, one["unit"], blocks)


def _as(kind: Callable[[Any], Any], call: Callable[Given, Any]) -> Callable[Given, Any]:
    """Make a call whose result is of `kind`; signature and documentation are those of `call`."""

    @functools.wraps(call)
    def made(*args: Given.args, **kwargs: Given.kwargs) -> Any:
        found = kind(call(*args, **kwargs))
        if isinstance(found, Swept):
            found.results = str(kwargs.get("results", "results"))
        return found

    return made


compare = _as(Comparison, comparing.compare)
ask = _as(Answers, asking.ask)
sweep = _as(Swept, sweeps.sweep)
