"""Verdicts of the K rows: within the tolerance, outside with a declared cause, outside without one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from dse.common import output
from dse.errors import BadInput, unknown
from dse.grounding import declared, reading
from dse.grounding.declared import Asked, Cause
from dse.grounding.reading import Figure, Read
from dse.linux import Record

HOLDS, OUTSIDE, SHORT, GONE, UNRECORDED = VERDICTS = ("holds", "outside", "falls short", "cause gone", "not recorded")
"""Verdicts. ``outside`` has a declared cause for each figure outside; ``falls short`` lacks one; with ``cause gone``, a declared cause
explains nothing any more."""
FAILING = (SHORT, GONE)


class Judged(NamedTuple):
    """Verdict of a row, its reason, its figures (with the causes of those outside), and the causes that explain nothing."""

    verdict: str
    reason: str
    figures: list[Figure]


def judge(asked: Asked, read: Read, causes: Sequence[Cause], stale: Sequence[Cause] = ()) -> Judged:
    """Give the verdict of a row.

    Parameters
    ----------
    asked : Asked
        The row.
    read : Read
        Its figures.
    causes : sequence of Cause
        Declared causes.
    stale : sequence of Cause
        Those of this row that no figure needs.
    """
    figures = [{**figure, "causes": [] if figure["holds"] else explained(asked, figure, causes)} for figure in read.figures]
    outside = [figure for figure in figures if not figure["holds"]]
    bare = [_said(figure) for figure in outside if not figure["causes"]]
    if bare:
        return Judged(SHORT, f"no cause is declared: {'; '.join(bare)}", figures)
    if stale:
        return Judged(GONE, "; ".join(f"no figure is outside for this any more: {c.text}" for c in stale), figures)
    if not figures:
        return Judged(UNRECORDED, "; ".join(dict.fromkeys(read.missing)), figures)
    if outside:
        return Judged(OUTSIDE, "; ".join(dict.fromkeys(text for figure in outside for text in figure["causes"])), figures)
    return Judged(HOLDS, f"not recorded: {'; '.join(dict.fromkeys(read.missing))}" if read.missing else "", figures)


def explained(asked: Asked, figure: Figure, causes: Sequence[Cause]) -> list[str]:
    """Causes of a figure outside, in words; none where one of the groups in which it differs has no cause."""
    found = [c for c in causes if c.covers(asked.id, figure["where"]) and c.explains(figure["apart"])]
    bare = [group for group in figure["apart"] if not any(c.explains([group]) for c in found)]
    return [] if bare else [c.text for c in found]


def _said(figure: Mapping[str, Any]) -> str:
    """Figure in words."""
    ours = "-" if figure["ours"] is None else f"{figure['ours']:.6g}"
    groups = f" ({figure['said']})" if figure["said"] else ""
    return f"{figure['where']} {ours} {figure['unit']}, kernel {figure['published']:.6g}{groups}"


def stale_causes(causes: Iterable[Cause], reads: Mapping[str, Read]) -> dict[str, list[Cause]]:
    """Causes that no figure outside needs, by the first row that they name; only those of which every row was read."""
    found: dict[str, list[Cause]] = {}
    ids = [asked.id for asked in declared.asked()]
    for cause in causes:
        named = [row for row in ids if any(fnmatchcase(row, name) for name in cause.rows)]
        if not named or any(row not in reads for row in named):
            continue
        needed = any(
            not f["holds"] and cause.covers(row, f["where"]) and cause.explains(f["apart"]) for row in named for f in reads[row].figures
        )
        if not needed:
            found.setdefault(named[0], []).append(cause)
    return found


def rows(only: Sequence[str] | None = None, records: Mapping[str, Record] | None = None) -> list[dict[str, Any]]:
    """Hold the model against the shipped records.

    Parameters
    ----------
    only : sequence of str, optional
        Ids of K rows, default all.
    records : mapping, optional
        Records by release, default the shipped ones.

    Returns
    -------
    list of dict
        Rows in the form of :func:`dse.yardsticks.validating.validate`: ``published`` is the kernels' side.

    Raises
    ------
    BadInput
        An unknown id.
    """
    known = {asked.id: asked for asked in declared.asked()}
    for name in only or ():
        if name not in known:
            raise BadInput(unknown("K row", name, known))
    found = reading.records() if records is None else records
    chosen = [asked for asked in known.values() if not only or asked.id in only]
    reads = {}
    with output.Progress("kernel records", len(chosen)) as progress:
        for asked in chosen:
            reads[asked.id] = reading.READERS[asked.kind](asked, found)
            progress.step(detail=asked.id)
    causes = declared.causes()
    stale = stale_causes(causes, reads)
    return [_row(asked, judge(asked, reads[asked.id], causes, stale.get(asked.id, ()))) for asked in chosen]


def _row(asked: Asked, judged: Judged) -> dict[str, Any]:
    """Row of ``dse validate``."""

    def side(name: str) -> str | None:
        said = ["-" if f[name] is None else output.number(float(f"{f[name]:.4g}")) for f in judged.figures]
        return " / ".join(said) or None

    return {
        "id": asked.id, "kind": "kernel", "check": asked.check, "published": side("published"), "ours": side("ours"),
        "tolerance": asked.said, "verdict": judged.verdict, "reason": judged.reason,
        "source": ", ".join(dict.fromkeys(f["where"].split()[0] for f in judged.figures)), "figures": judged.figures,
    }  # fmt: skip


def tally(of: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count K rows and their figures: all that were read, and those within.

    Examples
    --------
    >>> tally([{"verdict": "outside", "figures": [{"holds": True}, {"holds": False}]}, {"verdict": "not recorded", "figures": []}])
    {'rows': 1, 'rows_within': 0, 'figures': 2, 'figures_within': 1, 'unrecorded': 1}
    """
    read = list(of)
    there = [row for row in read if row["verdict"] != UNRECORDED]
    figures = [figure for row in there for figure in row["figures"]]
    return {
        "rows": len(there), "rows_within": sum(all(f["holds"] for f in row["figures"]) for row in there),
        "figures": len(figures), "figures_within": sum(bool(f["holds"]) for f in figures), "unrecorded": len(read) - len(there),
    }  # fmt: skip
