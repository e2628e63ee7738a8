"""Reader of asv's stored result files and lists of benchmarks: JSON, never asv's printed text."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dse.errors import BadInput

Case = tuple[str, tuple[str, ...]]
"""Benchmark and the values of its parameters, as asv writes them."""
VERSION = 2  # of asv's result files and of its list of benchmarks


@dataclass(frozen=True)
class Figure:
    """Figure of a result file.

    Attributes
    ----------
    value : float or None
        Median or tracked value; None where the benchmark failed, NaN where it was skipped.
    samples : tuple of float
        Raw samples of a timing, where asv kept them.
    version : str
        Version of the benchmark that made it.
    """

    value: float | None
    samples: tuple[float, ...] = ()
    version: str = ""

    @property
    def failed(self) -> bool:
        """True if the benchmark ended in an error."""
        return self.value is None

    @property
    def skipped(self) -> bool:
        """True if the benchmark said that it does not apply."""
        return self.value is not None and math.isnan(self.value)


@dataclass(frozen=True)
class Suite:
    """Benchmarks of a commit.

    Attributes
    ----------
    versions : dict of str to str
        Version of each benchmark.
    cases : set of Case
        Every combination of parameters of each.
    units : dict of str to str
        Unit of each benchmark.
    """

    versions: dict[str, str] = field(default_factory=dict)
    cases: frozenset[Case] = frozenset()
    units: dict[str, str] = field(default_factory=dict)


def _load(path: Path, what: str) -> dict[str, Any]:
    """Load a JSON document of asv, and check its version."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not {what} of asv: {error}") from None
    if not isinstance(document, dict):
        raise BadInput(f"{path}: not {what} of asv: it holds no object")
    return document


def combinations(params: Iterable[Iterable[str]]) -> list[tuple[str, ...]]:
    """Every combination of parameters in asv's order; one empty one where there are none."""
    return list(itertools.product(*params))


def suite_of(listed: Iterable[Mapping[str, Any]]) -> Suite:
    """Suite of a list of benchmarks as asv's discovery writes it."""
    versions, units, cases = {}, {}, set()
    for entry in listed:
        name = str(entry["name"])
        versions[name], units[name] = str(entry.get("version", "")), str(entry.get("unit", ""))
        cases |= {(name, values) for values in combinations(entry["params"])}
    return Suite(versions, frozenset(cases), units)


def read_results(path: Path) -> dict[Case, Figure]:
    """Figures of one result file.

    Parameters
    ----------
    path : Path
        ``<results>/<machine>/<commit>-<environment>.json``.

    Returns
    -------
    dict
        From benchmark and parameters to figure.

    Raises
    ------
    BadInput
        The file cannot be read or is of another version than 2.
    """
    document = _load(path, "a result file")
    if document.get("version") != VERSION:
        raise BadInput(f"{path}: result file of version {document.get('version')}, not {VERSION}: run asv update")
    columns = document["result_columns"]
    figures: dict[Case, Figure] = {}
    for name, cells in document["results"].items():
        row = dict(zip(columns, cells, strict=False))
        combos = combinations(row.get("params") or [])
        values = row.get("result") or [None] * len(combos)
        samples = row.get("samples") or [None] * len(combos)
        for case, value, taken in zip(combos, values, samples, strict=True):
            kept = tuple(float(x) for x in taken or () if x is not None and not math.isnan(x))
            figures[name, case] = Figure(None if value is None else float(value), kept, str(row.get("version", "")))
    return figures


def stored(results: Path, machine: str, commit: str) -> dict[Case, Figure]:
    """Figures of a commit on a machine, from all its environments; empty if none is stored."""
    figures: dict[Case, Figure] = {}
    for path in sorted((results / machine).glob(f"{commit[:8]}-*.json")):
        if _load(path, "a result file").get("commit_hash") == commit:
            figures |= read_results(path)
    return figures


def text_of(case: Case) -> str:
    """Write a case as asv writes it.

    Examples
    --------
    >>> text_of(("a.track_b", ("'direct'", "65536")))
    "a.track_b('direct', 65536)"
    """
    name, values = case
    return f"{name}({', '.join(values)})" if values else name
