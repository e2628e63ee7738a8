"""Stored studies as a repeat finds them: it replaces nothing by less, and goes on with the traces that the study was begun with."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from dse.common import options, output
from dse.errors import BadInput
from dse.secrets import HIDDEN, safe
from dse.storing import studies
from dse.sweeps.space import Space

TRACE = "workload.trace"
STORAGE = "storage"
"""Key of the settings of a study: the storage that it was begun on, without a password."""


class Earlier(NamedTuple):
    """Contents of the tables of a study: the number of its trials, and the rows that were measured (``--confirm``), which no cache has."""

    trials: int
    confirmed: list[dict[str, Any]]


def earlier(results: str | os.PathLike[str], study: str) -> Earlier:
    """Read what is stored of a study; nothing where it has not ended, or its tables are damaged and are to be made anew."""
    try:
        found = studies.read_tables(results, study)
    except BadInput:
        return Earlier(0, [])
    rows = [{**row, "environment": _parsed(row["environment"])} for row in found["confirmed"]]
    return Earlier(len({row["number"] for row in found["trials"]}), rows)


def _parsed(text: Any) -> Any:
    return json.loads(text) if isinstance(text, str) else text


def check_trials(study: str, trials: int | None, before: Earlier) -> None:
    """Refuse to search for fewer trials than are stored.

    Raises
    ------
    BadInput
        `trials` is below their number.
    """
    if trials is not None and trials < before.trials:
        raise BadInput(f"study {study} has {before.trials:,} trials already; --trials can only be raised, got {trials:,}")


def check_made(study: str, made: int, before: Earlier) -> None:
    """Refuse to replace tables by those of fewer trials, as the time was up.

    Raises
    ------
    BadInput
        `made` is below the number of stored trials.
    """
    if made < before.trials:
        raise BadInput(
            f"study {study}: the time was up after {made:,} trials, and {before.trials:,} are stored: they stay; give more --timeout"
        )


def traces(space: Space) -> dict[str, str]:
    """Digests of the traces that a space names, by name: a file may change under its name. One that cannot be read is a failed trial."""
    from dse.workloads import trace

    named = {space.base.workload.trace, *(value for axis in space.axes if axis.name == TRACE for value in axis.values)}
    found = {}
    for name in sorted(map(str, named - {None})):
        with contextlib.suppress(BadInput):
            found[name] = trace.load(name).digest
    return found


def check_known(study: str, known: object) -> None:
    """Refuse to repeat a study whose traces are missing or others; `known` are their digests by name, as its settings have them.

    Raises
    ------
    BadInput
        A trace cannot be read, or is not the one of the study.
    """
    from dse.workloads import trace

    if not isinstance(known, Mapping):
        raise BadInput(f"the settings of study {study} are damaged: traces are digests by name")
    for name, digest in known.items():
        if trace.load(str(name)).digest != digest:
            raise BadInput(f"{name} is not the trace of study {study}, which has digest {str(digest)[:16]}")


def storage_of(settings: Mapping[str, Any], given: str | None) -> str | None:
    """Storage on which a study goes on: the one that was given, else the one that it was begun on.

    Parameters
    ----------
    settings : mapping
        Of the study; ``storage`` is what it was begun on, without a password, or None for a journal of its own.
    given : str or None
        ``--storage``, or the variable of the environment.

    Raises
    ------
    BadInput
        None was given, and that of the beginning cannot be opened without a password, or its file is gone.
    """
    began, study = settings.get(STORAGE), settings["study"]
    if not isinstance(began, str) or began == given:
        return given
    if given is not None:
        if safe(given, whole=True) != began:
            output.note(f"study {study} began on {began}; it goes on elsewhere, with what is in the cache")
        return given
    path = began.removeprefix("journal://").removeprefix("sqlite:///").partition("?")[0]
    if HIDDEN in began or ("://" not in path and not os.path.exists(path)):
        raise BadInput(f"study {study} began on {began}: give it again, --storage URL or {options.STORAGE}")
    output.note(f"study {study} began on {began}, and goes on there")
    return began


def begun_on(results: str | os.PathLike[str], study: str, given: str | None) -> str | None:
    """Storage of a study that is begun, maybe again: the one that was given, else that of its beginning if it has not ended.

    Parameters
    ----------
    results : path
        Folder of stored results.
    study : str
        Its name.
    given : str or None
        ``--storage``, or the variable of the environment.

    Raises
    ------
    BadInput
        As :func:`storage_of`.
    """
    folder = studies.folder(results, study)
    if not (folder / studies.SETTINGS).exists() or (folder / "trials.parquet").exists():
        return given
    return storage_of(studies.read_settings(results, study), given)


def check_traces(settings: Mapping[str, Any], space: Space) -> None:
    """Refuse to go on with a study whose traces changed.

    Raises
    ------
    BadInput
        A trace is not the one that the study was begun with.
    """
    for name, digest in traces(space).items() if settings.get("traces") else ():
        if settings["traces"].get(name) != digest:
            raise BadInput(f"study {settings['study']} was begun with another {name}: its trials would not be the same; start it anew")
