"""Bundles: a run or study in one file that ``dse rerun`` checks on another machine.

A bundle is a ZIP with ``bundle.json`` (kind, name, command, scenario, digests, hash of the counters), the stored tables, and the source
of designs from outside (:mod:`dse.reports.enclosed`). Equal runs give equal bundles: members have no time.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dse import naming, storing
from dse.common import digests, reading
from dse.common.names import checked, is_name
from dse.common.output import plain
from dse.errors import BadInput
from dse.reports import enclosed
from dse.storing import files as stored_files
from dse.storing.studies import SETTINGS, are_settings

VERSION = 2
"""2: the source of designs from outside; bundles of version 1, which carry none, are read as well."""
SUFFIX = ".bundle.zip"
ABOUT = "bundle.json"
ZIP = b"PK\3\4"
"""First bytes of a ZIP file that holds a member."""
UNPACKED_MOST, MEMBERS_MOST = 1 << 29, 10_000
"""Most bytes of all members, unpacked, and most members; a file with more is refused before anything is unpacked."""
PROVENANCE = "provenance.parquet"
OF_RUN = ("command", "scenario", "scenario_digest", "scenario_json", "trace", "trace_digest", "designs", "seed", "code_digest")
"""Facts of its provenance that the description of a run's bundle repeats."""
OF_STUDY = ("seed", "sampler", "code_digest", "environments")
"""Settings that the provenance of a study repeats."""
EPOCH = (1980, 1, 1, 0, 0, 0)


def _zip(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in sorted(members.items()):
            file.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def pack(kind: str, name: str, results: str | Path) -> bytes:
    """Pack a stored run or study.

    Parameters
    ----------
    kind : {"run", "study"}
        Kind.
    name : str
        Its full name.
    results : path
        Folder of stored results.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    BadInput
        A stored file is damaged, or holds a password, or a design was edited since.
    """
    if kind == "run":
        run = storing.load_run(results, name)
        about: dict[str, Any] = {key: run.provenance.get(key) for key in OF_RUN}
        about["counters_hash"] = storing.counters_hash(run.ops)
        folder, files = Path(results) / "runs" / name, [f"{table}.parquet" for table in storing.TABLES]
        designs, unchanged = naming.split(str(run.provenance.get("designs") or "")), _unchanged("run", about["code_digest"])
    else:
        from dse.storing import studies

        tables = studies.read_tables(results, name)
        about = {"command": (tables["provenance"] or [{}])[0].get("command"), "counters_hash": study_hash(tables["trials"])}
        about["settings"] = studies.read_settings(results, name)
        designs = list(dict.fromkeys(row["design"] for row in tables["trials"]))
        unchanged = _unchanged("study", about["settings"]["code_digest"])
        folder = studies.folder(results, name)
        files = [SETTINGS, *(f"{table}.parquet" for table in studies.TABLES if (folder / f"{table}.parquet").exists())]
    if (folder / PROVENANCE).exists() and stored_files.holds_secrets(folder / PROVENANCE):
        raise BadInput(f"{name} was stored by an earlier version with a password in its command: run it again to bundle it")
    sources, carried = enclosed.enclosed(designs, unchanged)
    about |= {"version": VERSION, "kind": kind, "name": name, "sources": sources}
    members = {ABOUT: json.dumps(plain(about), indent=1, sort_keys=True).encode(), **carried}
    files += [digests.SUMS] * (folder / digests.SUMS).exists()
    return _zip(members | {file: (folder / file).read_bytes() for file in files})


def _unchanged(kind: str, digest: Any) -> bool:
    """Return True if the code is the one that made a run or a study."""
    from dse.measuring import provenance
    from dse.sweeps import caching

    return bool(digest == (provenance if kind == "run" else caching).code_digest())


def study_hash(trials: list[dict[str, Any]]) -> str:
    """Hash of the counted figures of a study's trials."""
    rows = (
        {"design": row["design"], "op": f"{row['number']}", "metric": row["objective"], "kind": row["kind"], "unit": row["unit"],
         "value": row["value"], "status": row["status"]}
        for row in trials
    )  # fmt: skip
    return storing.counters_hash(rows)


def is_bundle(name: str) -> bool:
    """Return True if the name is that of a bundle's file."""
    return name.endswith(".zip") or "/" in name or Path(name).is_file()


def check_file(path: str | Path) -> None:
    """Refuse what is no file that can be read, or begins as no bundle does.

    Raises
    ------
    BadInput
        With what it is.
    """
    if why := reading.why_not(path):
        raise BadInput(f"no such bundle: {path}" if why == "no such file" else f"{path}: {why}")
    if os.fspath(path).endswith(".npz"):
        raise BadInput(f"{path} is a trace, not a run or bundle: dse trace info {path} describes it")
    with open(path, "rb") as file:
        if file.read(len(ZIP)) != ZIP:
            raise BadInput(f"{path}: not a bundle (it does not begin as a ZIP file does)")


def unpack(path: str | Path, results: Path) -> dict[str, Any]:
    """Put a bundle's tables into a folder of results; return its description.

    Raises
    ------
    BadInput
        The file is no bundle, damaged, or of another version.
    """
    check_file(path)
    try:
        with zipfile.ZipFile(path) as file:
            _bounded(path, file)
            if ABOUT not in file.namelist():
                raise BadInput(f"{path}: not a bundle (it holds no {ABOUT})")
            about = reading.parsed_json(file.read(ABOUT))
            if not isinstance(about, dict) or about.get("kind") not in ("run", "study"):
                raise BadInput(f"{path}: {ABOUT} does not say run or study")
            if about.get("version") not in range(1, VERSION + 1):
                raise BadInput(f"{path}: bundle version {about.get('version')}, this version reads up to {VERSION}")
            if not isinstance(about.get("counters_hash"), str) or (about["kind"] == "study" and not are_settings(about.get("settings"))):
                raise BadInput(f"{path}: {ABOUT} is damaged")
            name = _name(path, about)
            folder = results / ("runs" if about["kind"] == "run" else "studies") / name
            folder.mkdir(parents=True)
            carried = {member: file.read(member) for member in file.namelist() if member.startswith(enclosed.FOLDER)}
            about["sources"] = enclosed.check(path, about.get("sources", []), carried)
            about["members"] = carried
            for member in file.namelist():
                if is_name(member) and (member.endswith(".parquet") or member in (SETTINGS, digests.SUMS)):
                    (folder / member).write_bytes(file.read(member))
    except FileNotFoundError:
        raise BadInput(f"no such bundle: {path}") from None
    except reading.FAILURES as error:
        raise BadInput(f"{path}: not a bundle ({reading.reason(error)})") from None
    return about


def _bounded(path: str | Path, file: zipfile.ZipFile) -> None:
    """Refuse a file whose members, all together, are larger unpacked, or more, than those of a bundle of ours."""
    sizes = [info.file_size for info in file.infolist()]
    if sum(sizes) > UNPACKED_MOST or len(sizes) > MEMBERS_MOST:
        what = f"{len(sizes):,} members of {sum(sizes):,} B in all, unpacked"
        raise BadInput(f"{path}: {what}; a bundle has up to {MEMBERS_MOST:,} of {UNPACKED_MOST:,} B")


def _name(path: str | Path, about: Mapping[str, Any]) -> str:
    """Name of the run or study of a bundle. Everything that it names as stored has to be a name."""
    name = about.get("name")
    settings = about["settings"] if about["kind"] == "study" else {}
    try:
        if settings and settings["study"] != name:
            raise BadInput(f"its settings are those of study {str(settings['study'])[:60]!r}")
        return checked(name, "run or study")
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


@contextlib.contextmanager
def _inside(path: str | Path, scratch: Path) -> Iterator[None]:
    """Name the bundle in refusals, in place of the folder to which it was unpacked and which is gone, as is what a command would mend."""
    try:
        yield
    except BadInput as error:
        said = str(error)
        if str(scratch) not in said:
            raise
        what = said.partition("; ")[0].replace(f"{scratch}/", "")
        newer = "" if "reads up to" in said else "; ask for the bundle again"
        raise BadInput(f"{path}: {what}{newer}") from None


def rerun(path: str | Path, trust: bool = False) -> dict[str, Any]:
    """Repeat the run or study of a bundle and compare the counters.

    Parameters
    ----------
    path : path
        The bundle.
    trust : bool
        Execute the source of designs from outside that the bundle carries, where they are not registered here with the same source.

    Returns
    -------
    dict
        ``run`` (its name), ``equal``, ``stored``, ``again`` (hashes of the counters), ``same_code``.
    """
    from dse.storing import limited

    with tempfile.TemporaryDirectory(prefix="swapdse-bundle-") as scratch:
        results = Path(scratch)
        with _inside(path, results):
            about = unpack(path, results)
            odd = limited.unreadable(sorted(results.rglob("*.parquet")))
            if odd:
                raise BadInput(f"{path}: {odd} is no readable Parquet file")
            _hold(path, about, results)
            with enclosed.executing(path, about["sources"], about["members"], results, trust):
                found = _repeated(about, results)
    if found["stored"] != about["counters_hash"]:
        raise BadInput(f"{path}: the tables are not those that were bundled")
    return found


def _hold(path: str | Path, about: Mapping[str, Any], results: Path) -> None:
    """Hold what a bundle says of itself against the provenance in its tables."""
    from dse.storing import studies

    name = str(about["name"])
    if about["kind"] == "run":
        given = storing.load_run(results, name).provenance
        stored: dict[str, Any] = {key: given.get(key) for key in OF_RUN}
        said = about
    else:
        settings = studies.read_settings(results, name)
        given = (studies.read_tables(results, name)["provenance"] or [{}])[0]
        known = {key: given[key] for key in OF_STUDY if given.get(key) is not None}
        stored = {**settings, "command": given.get("command"), **known}
        stored |= {"space": reading.parsed_json(given["document"])} if given.get("document") else {}
        said = {**about["settings"], "command": about.get("command")}
    for key in sorted(stored.keys() | (said.keys() if about["kind"] == "study" else set())):
        if json.loads(json.dumps(plain(stored.get(key)))) != said.get(key):
            raise BadInput(f"{path}: {ABOUT} says another {key} than the tables of the bundle")


def _repeated(about: Mapping[str, Any], results: Path) -> dict[str, Any]:
    """Repeat what a bundle holds."""
    from dse.measuring.comparing import rerun as repeat

    return repeat(str(about["name"]), results) if about["kind"] == "run" else _study(about, results)


def _study(about: Mapping[str, Any], results: Path) -> dict[str, Any]:
    """Sweep again, without a cache, for the trials that were made: a study whose time was up has fewer than it wanted."""
    from dse.common import machine
    from dse.storing import studies
    from dse.sweeps import keeping, space, sweeping
    from dse.sweeps.caching import code_digest

    name, settings = str(about["name"]), about["settings"]
    try:
        searched = space.from_document(settings["space"])
    except (KeyError, TypeError, AttributeError):
        raise BadInput(f"the space of study {name} is damaged") from None
    keeping.check_known(name, settings.get("traces", {}))
    rows = studies.read_tables(results, name)["trials"]
    stored, made = study_hash(rows), len({row["number"] for row in rows})
    repeated = study_hash(sweeping.again(searched, settings, made, machine.cores(), results / "again") if made else [])
    same = settings["code_digest"] == code_digest()
    return {"run": name, "equal": repeated == stored, "stored": stored, "again": repeated, "same_code": same}
