"""Bundles: one JSON file that says what was run and what was counted, for others to check with ``dse rerun``."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from dse import storing
from dse.errors import BadInput
from dse.output import plain
from dse.sweeps import studies
from dse.sweeps.caching import write_atomically

FORMAT, VERSION = "swapdse bundle", 1
Found = dict[str, Any]


def trials_hash(rows: list[Found]) -> str:
    """Hash of a study's counted figures: number, design, environment, objective, value to the last bit."""
    lines = sorted(
        [r["number"], r["design"], r["environment"], r["objective"], None if r["value"] is None else float(r["value"]).hex(), r["status"]]
        for r in rows
    )  # fmt: skip
    return hashlib.sha256(json.dumps(lines, separators=(",", ":")).encode()).hexdigest()


def bundle(name: str, results: str | Path, path: str | Path | None = None) -> str:
    """Write the bundle of a run or a study.

    Returns
    -------
    str
        Where it was written.
    """
    try:
        study = studies.find(results, name)
    except BadInput:
        study = ""
    if study:
        tables, settings = studies.read_tables(results, study), studies.read_settings(results, study)
        about: Found = {
            "kind": "study", "name": study, "settings": settings, "counters_hash": trials_hash(tables["trials"]),
            "provenance": tables["provenance"], "trials": tables["trials"],
        }  # fmt: skip
    else:
        run = storing.load_run(results, name)
        counted = [row for row in run.ops if row["kind"] == "counted"]
        keys = ("scenario", "scenario_json", "scenario_digest", "trace", "trace_digest", "command", "designs", "seed", "code_digest", "commit")
        about = {
            "kind": "run", "name": run.name, **{k: run.provenance.get(k) for k in keys}, "counters_hash": storing.counters_hash(counted),
            "counters": counted, "provenance": run.provenance,
        }  # fmt: skip
    target = Path(path) if path is not None else Path(results) / "reports" / f"{about['name']}.bundle.json"
    content = json.dumps(plain({"format": FORMAT, "version": VERSION, **about}), indent=1) + "\n"
    write_atomically(target, content.encode())
    return str(target)


def read(path: str | Path) -> Found:
    """Read a bundle.

    Raises
    ------
    BadInput
        It cannot be read, or is none.
    """
    try:
        found = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise BadInput(f"{path}: not a bundle (damaged JSON)") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadInput(f"{path}: not a bundle of dse report --bundle")
    if found.get("version", 0) > VERSION:
        raise BadInput(f"{path}: bundle version {found['version']}, this version reads up to {VERSION}")
    return found


def rerun(path: str | Path) -> Found:
    """Do again what a bundle says, and compare the counted figures.

    Returns
    -------
    dict
        ``run``, ``equal``, ``stored``, ``again``, ``same_code``, as :func:`dse.comparing.rerun` has it.
    """
    found = read(path)
    try:
        again, same_code = _study(found) if found["kind"] == "study" else _run(found)
        kept = trials_hash(found["trials"]) if found["kind"] == "study" else storing.counters_hash(found["counters"])
    except (KeyError, TypeError) as error:
        raise BadInput(f"{path}: the bundle is not complete ({error})") from None
    stated = str(found.get("counters_hash"))
    return {"run": str(found["name"]), "equal": again == kept == stated, "stored": stated, "again": again, "same_code": same_code}


def _run(found: Found) -> tuple[str, bool]:
    """Repeat the counted part of a run."""
    from dse import comparing, naming, scenario
    from dse.measuring import machine, warming

    case = scenario.from_values(str(found["scenario"] or "scenario"), json.loads(found["scenario_json"]))
    designs = naming.parse_many(found["designs"])
    warming.warm([(n.text, kind) for kind in ("off", "count") for n in designs])
    made = comparing.run_scenario(comparing._checked_stream(case, designs, True), designs, timed=False)
    return storing.counters_hash(made["rows"]), found.get("code_digest") == machine.code_digest()


def _study(found: Found) -> tuple[str, bool]:
    """Repeat a study, in a folder of its own."""
    from dse.sweeps import space, sweep
    from dse.sweeps.caching import code_digest

    settings = found["settings"]
    with tempfile.TemporaryDirectory() as folder:
        made = sweep(
            space.from_document(settings["space"]), trials=int(found["provenance"][0]["trials"]), sampler=settings["sampler"],
            seed=int(settings["seed"]), results=folder,
        )  # fmt: skip
        rows = studies.read_tables(folder, made["study"])["trials"]
    return trials_hash(rows), settings.get("code_digest") == code_digest()
