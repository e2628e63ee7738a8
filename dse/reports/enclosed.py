"""Designs from outside in a bundle: their source with its digest, which is executed elsewhere only where the reader trusts it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dse import naming
from dse.common import output
from dse.errors import BadInput
from dse.naming import registered

FOLDER = "designs/"
"""Members of a bundle that are source code."""
MEMBER = re.compile(r"designs/(?:[A-Za-z_]\w*/)*[A-Za-z_]\w*\.py")
SHOWN = 16
Source = dict[str, Any]


def contents(design: str) -> tuple[str, dict[str, bytes]]:
    """Module and files of a design from outside: its file, or every Python file of its package.

    Returns
    -------
    tuple
        The name to load it by, and contents by member of the bundle; no files for a design of ours.
    """
    file = Path(naming.parse(design).design.file).resolve()
    module = next((m for m in registered.modules() if Path(m.__file__ or "").resolve() == file), None)
    if module is None:
        return "", {}
    if "." not in module.__name__ and file.stem != "__init__":
        return file.name, {f"{FOLDER}{file.name}": file.read_bytes()}
    root = Path(sys.modules[module.__name__.partition(".")[0]].__file__ or "").resolve().parent
    found = {f"{FOLDER}{path.relative_to(root.parent).as_posix()}": path.read_bytes() for path in sorted(root.rglob("*.py"))}
    return module.__name__, found


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {member: hashlib.sha256(content).hexdigest() for member, content in files.items()}


def enclosed(designs: Sequence[str], unchanged: bool) -> tuple[list[Source], dict[str, bytes]]:
    """Sources that a bundle carries.

    Parameters
    ----------
    designs : sequence of str
        Designs of the run or study.
    unchanged : bool
        True if the code is the one that made it.

    Returns
    -------
    tuple
        A row for each design from outside (``design``, ``load``, ``files``: SHA-256 by member), and the members.

    Raises
    ------
    BadInput
        A design is not registered, or was edited since.
    """
    rows: list[Source] = []
    members: dict[str, bytes] = {}
    for name in dict.fromkeys(text.partition("[")[0] for text in designs):
        load, files = contents(name)
        if not files:
            continue
        if not unchanged:
            raise BadInput(f"the code of {name}, or ours, was changed since: a bundle carries the source that was run; run it again")
        odd = [member for member in files if not MEMBER.fullmatch(member)]
        if odd:
            raise BadInput(f"design {name}: {odd[0].removeprefix(FOLDER)} has no name that a bundle takes: letters, digits and _")
        rows.append({"design": name, "load": load, "files": _digests(files)})
        members |= files
    return rows, members


def check(path: str | Path, rows: Any, members: Mapping[str, bytes]) -> list[Source]:
    """Check the sources of a bundle against its description.

    Raises
    ------
    BadInput
        Something else is in the bundle than it says.
    """
    good = isinstance(rows, list) and all(
        isinstance(row, dict) and isinstance(row.get("design"), str) and isinstance(row.get("load"), str)
        and isinstance(row.get("files"), dict) and row["files"] and _loads(row)
        for row in rows
    )  # fmt: skip
    if not good or {m: d for row in rows for m, d in row["files"].items()} != _digests(members):
        raise BadInput(f"{path}: the sources of designs are not those that the bundle names")
    return list(rows)


def _loads(row: Source) -> bool:
    """Return True if what is loaded is one of the members."""
    if any(not isinstance(m, str) or not MEMBER.fullmatch(m) for m in row["files"]):
        return False
    name = row["load"]
    wanted = [f"{FOLDER}{name}"] if name.endswith(".py") else [FOLDER + name.replace(".", "/") + end for end in (".py", "/__init__.py")]
    return any(member in row["files"] for member in wanted)


def _here(row: Source) -> bool:
    """Return True if the design is registered here with the same source, so that nothing of the bundle is executed."""
    return row["design"] in naming.registry() and _digests(contents(row["design"])[1]) == row["files"]


@contextlib.contextmanager
def executing(path: str | Path, rows: Sequence[Source], members: Mapping[str, bytes], scratch: Path, trust: bool) -> Iterator[None]:
    """Have the designs of a bundle registered, from its own source where they are not registered here with the same one.

    Raises
    ------
    BadInput
        Source of the bundle would be executed and is not trusted, or does not load.
    """
    foreign = [row for row in rows if not _here(row)]
    if not foreign:
        yield
        return
    files = {member: digest for row in foreign for member, digest in row["files"].items()}
    what = ", ".join(f"{m.removeprefix(FOLDER)} ({len(members[m]):,} B, sha256 {d[:SHOWN]})" for m, d in files.items())
    if not trust:
        first = next(iter(files))
        raise BadInput(f"{path} carries Python that would be executed here: {what}; read it (unzip -p {path} {first}), then say --trust")
    output.note(f"executing {what} of {path}")
    for member in files:
        target = scratch / member
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(members[member])
    home = scratch / FOLDER
    names = [str(home / row["load"]) if row["load"].endswith(".py") else row["load"] for row in foreign]
    _forget()
    with registered.also(names, home):
        yield
    _forget()


def _forget() -> None:
    """Have digests of the code computed anew: they hold the designs from outside."""
    from dse.measuring import provenance
    from dse.sweeps import caching

    provenance.code_digest.cache_clear()
    caching.code_digest.cache_clear()
