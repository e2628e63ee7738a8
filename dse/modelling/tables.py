"""Tables of latencies from a file, in place of rows of the shipped parameter table.

`dse calibrate` writes such a file, and anyone can:

    [parameters."fault.frame"]
    low = 1_900
    typical = 2_100
    high = 2_600
    source = "timed on our hosts, Linux 6.12"

A calibrated file has a digest of its content, so that a changed one is not taken for a measured one.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dse.common import texts
from dse.errors import BadInput, unknown
from dse.modelling.latency import PARAMETERS, Parameter
from dse.scenario.parsing import line_of

HERE = Path(__file__).resolve().parent
LEVELS = ("low", "typical", "high")
WORDS = ("source", "note")
TOP = ("version", "digest", "parameters", "provenance", "measured")
VERSION = 1


@dataclass(frozen=True)
class Table:
    """Latencies by name.

    Attributes
    ----------
    rows : mapping of Parameter
    file : str
        File that replaces rows, empty for the shipped table.
    digest : str
        SHA-256 of its content.
    said : str
        The table's origin, in words.
    replaced : tuple of str
        Names of the replaced rows.
    provenance : mapping
        Origin of a calibrated table: kernel, processor, date, command, repeats.
    """

    rows: Mapping[str, Parameter] = field(default_factory=lambda: PARAMETERS)
    file: str = ""
    digest: str = ""
    said: str = ""
    replaced: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def about(self) -> dict[str, Any]:
        """Record of the table in the provenance of a run, empty for the shipped one."""
        values = {name: [self.rows[name].at("low"), self.rows[name].at("typical"), self.rows[name].at("high")] for name in self.replaced}
        more = {"file": self.file, "digest": self.digest, "said": self.said, "values": values, "provenance": dict(self.provenance)}
        return more if self.file else {}


SHIPPED = Table()


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of a parsed file without its digest, in an order of its own."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def read(path: str | Path) -> Table:
    """Read a table, and take the rows that it does not have from the shipped one.

    Parameters
    ----------
    path : str or Path
        TOML file.

    Returns
    -------
    Table

    Raises
    ------
    BadInput
        A mistake in the file, with its line; a calibrated table that was changed.
    """
    source, file, _ = texts.read(path, HERE, "parameter table")
    try:
        document = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{file}: {error}") from None
    for name in document:
        if name not in TOP:
            raise BadInput(f"{file}:{line_of(source, (name,))}: {unknown('table', name, TOP)}")
    digest, provenance = digest_of(document), document.get("provenance", {})
    calibrated = "digest" in document
    if calibrated and document["digest"] != digest:
        raise BadInput(f"{file} was changed after dse calibrate wrote it; without its line 'digest' it is a table of your own")
    if document.get("version", VERSION) != VERSION or not isinstance(provenance, dict):
        raise BadInput(f"{file} is of another version of dse calibrate")
    given = document.get("parameters", {})
    if not isinstance(given, dict) or not given:
        raise BadInput(f'{file} has no parameters, such as [parameters."fault.frame"]')
    said = f"table {digest[:8]}"
    if calibrated:
        said = f"calibrated on Linux {provenance.get('kernel', '?')}, {provenance.get('cpu', '?')}, {said}"
    else:
        said = f"{Path(file).name}, {said}"
    rows = {name: replace(_row(name, row, source, file), table=said) for name, row in given.items()}
    return Table({**PARAMETERS, **rows}, file, digest, said, tuple(sorted(rows)), provenance)


def _row(name: str, given: Any, source: str, file: str) -> Parameter:
    """Check one row."""
    at = f"{file}:{line_of(source, ('parameters', name))}: "
    if name not in PARAMETERS:
        raise BadInput(at + unknown("latency", name, PARAMETERS))
    if not isinstance(given, dict):
        raise BadInput(f"{at}{name} is a table with low, typical and high [ns]")
    for key in given:
        if key not in (*LEVELS, *WORDS):
            raise BadInput(f"{at}{unknown(f'key of {name}', key, (*LEVELS, *WORDS))}")
    for key in LEVELS:
        value = given.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
            raise BadInput(f"{at}{key} of {name} is a number of nanoseconds above 0, got {value!r}")
    low, typical, high = (float(given[key]) for key in LEVELS)
    if not low <= typical <= high:
        raise BadInput(f"{at}{name}: low, typical, high rise, got {low:g}, {typical:g}, {high:g}")
    words = {key: given.get(key, file if key == "source" else PARAMETERS[name].note) for key in WORDS}
    for key, text in words.items():
        if not isinstance(text, str):
            raise BadInput(f"{at}{key} of {name} is text, got {text!r}")
    return Parameter(name, low, typical, high, words["source"], words["note"], PARAMETERS[name].verdict)
