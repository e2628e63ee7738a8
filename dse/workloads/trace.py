"""Trace file: page accesses and mapping events of a recorded or imported program (docs/formats.md)."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.common import reading, writing
from dse.errors import NAME_MOST, BadInput, nearest, refusal
from dse.secrets import safe
from dse.workloads import foreign
from kernels import demand

VERSION = 1
SUFFIX = ".npz"
SHIPPED = Path(__file__).resolve().parent / "data"
MOST_PAGES = 1 << 28
MOST_SPACES = 1 << 24  # the field of a fork record that names the child space has 24 bits
WRITE = np.uint32(1 << 31)
PAGE = np.uint32((1 << 31) - 1)
PEEK = 4096
ARRAYS = ("header", "accesses", "events", "positions")


@dataclass(frozen=True)
class Trace:
    """Accesses of one program (or of several, each in its own space).

    Attributes
    ----------
    accesses : uint32[n]
        Bits 0..30 the page, ``space << space_shift | vpn``; bit 31 set for a write.
    space_shift : int
        Bits of a page number within its space.
    spaces : int
        Address spaces, space 0 first; further ones are forked children or other processes.
    events : uint64[m, 2]
        FORK and UNMAP demand records (``kernels.demand``), page and child space as in `accesses`.
    positions : int64[m]
        Index of the access that follows each event; not decreasing, at most n.
    meta : dict
        The header of the file: recorder, command, filter, mappings and so on.
    digest : str
        SHA-256 over the arrays (hexadecimal).
    """

    accesses: NDArray[np.uint32]
    space_shift: int
    spaces: int
    events: NDArray[np.uint64]
    positions: NDArray[np.int64]
    meta: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def pages(self) -> int:
        """Number of distinct touched pages in all spaces."""
        return int(self.meta["pages"])

    @property
    def writes(self) -> int:
        """Number of accesses that write."""
        return int(np.count_nonzero(self.accesses & WRITE))


def digest_of(trace: Trace) -> str:
    """SHA-256 over the arrays and the shape of the spaces, hexadecimal."""
    sha = hashlib.sha256(f"{trace.space_shift} {trace.spaces}".encode())
    for array in (trace.accesses, trace.events, trace.positions):
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def build(
    accesses: NDArray[np.uint32],
    meta: dict[str, Any],
    *,
    pages: int,
    space_shift: int | None = None,
    spaces: int = 1,
    events: NDArray[np.uint64] | None = None,
    positions: NDArray[np.int64] | None = None,
) -> Trace:
    """Make a trace of arrays, its header completed with the counts and the digest.

    Parameters
    ----------
    accesses, events, positions, space_shift, spaces
        See :class:`Trace`; without `space_shift` the least that holds `pages` in one space.
    meta : dict
        recorder, command, collapse, filter_pages, mappings, made.
    pages : int
        Distinct pages touched.
    """
    shift = max(pages - 1, 0).bit_length() if space_shift is None else space_shift
    if spaces << shift > MOST_PAGES:
        raise BadInput(f"trace needs {spaces << shift} page numbers, more than {MOST_PAGES}")
    events = np.empty((0, 2), np.uint64) if events is None else events
    positions = np.empty(0, np.int64) if positions is None else positions
    bare = Trace(accesses, shift, spaces, events, positions)
    counts = {"events": len(accesses), "mapping_events": len(events), "pages": pages, "writes": bare.writes}
    counts |= {"spaces": spaces, "space_shift": shift}
    meta = {key: safe(value) if isinstance(value, str) else value for key, value in meta.items()}
    header = {"version": VERSION, **meta, **counts, "digest": digest_of(bare)}
    return Trace(accesses, shift, spaces, events, positions, header, header["digest"])


def writable(path: str | Path) -> Path:
    """Path of the trace file; ``.npz`` is added to a name without a suffix.

    Raises
    ------
    BadInput
        It cannot be written, is a device, has another suffix, or is another file than the one that was named, and there already.
    """
    target = Path(path)
    if target.name in ("", "..") or os.fspath(path).endswith("/"):
        raise BadInput(f"{os.fspath(path)}: cannot be written: is a folder")
    if target.exists() and not target.is_file() and not target.is_dir():
        raise BadInput(f"{target}: cannot be written: is no regular file, and a trace is one")
    writing.check_stored(target, trace=False)
    if target.suffix not in ("", SUFFIX):
        raise BadInput(f"{target}: a trace is a file {SUFFIX}: say {target.with_name(target.name + SUFFIX)}")
    if not target.suffix:
        target = target.with_name(target.name + SUFFIX)
        if target.exists():
            raise BadInput(f"{target} is there already: say {target} to replace it")
    if not target.parent.is_dir():
        raise BadInput(f"{target}: cannot be written: no such folder {str(target.parent)!r}")
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise BadInput(f"{target}: cannot be written: {'is a folder' if target.is_dir() else 'permission denied'}")
    writing.check_stored(target, trace=False)
    return target


def save(trace: Trace, path: str | Path) -> Path:
    """Write the trace, compressed, to `path` (``.npz`` is added to a name without a suffix) by atomic rename; return the path."""
    target = writable(path)
    file = reading.resolved(target)  # what a link points to is written
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    header = np.frombuffer(json.dumps(trace.meta, sort_keys=True).encode(), np.uint8)
    arrays: dict[str, NDArray[Any]] = {
        "header": header,
        "accesses": trace.accesses,
        "events": trace.events,
        "positions": trace.positions,
    }
    try:
        with part.open("wb") as out:
            np.savez_compressed(out, allow_pickle=False, **arrays)
        part.replace(file)
    except OSError as error:
        raise BadInput(f"{target}: cannot be written: {refusal(error)}") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def shipped() -> list[str]:
    """Names of the traces that ship with the package."""
    return sorted(p.stem for p in SHIPPED.glob("*" + SUFFIX))


def find(name_or_path: str | Path) -> Path:
    """File of a shipped trace's name, or the path itself."""
    if not str(name_or_path):
        raise BadInput("an empty name is no trace")
    path = Path(name_or_path)
    inside = SHIPPED / f"{name_or_path}{SUFFIX}"
    why = reading.why_not(path)
    if not why:
        return path
    if len(path.parts) == 1 and inside.is_file():
        return inside
    if why != "no such file":
        raise BadInput(f"{name_or_path}: {why}")
    near = nearest(str(name_or_path)[:NAME_MOST], shipped())
    hint = f"did you mean {near!r}?" if near else ", ".join(shipped())
    raise BadInput(f"{name_or_path}: no such trace file, nor a shipped trace ({hint})")


def load(name_or_path: str | Path) -> Trace:
    """Read a trace by shipped name or path; a truncated or foreign file is refused with one line."""
    path = find(name_or_path)
    with reading.parsing(path, "not a swapdse trace, or damaged"), path.open("rb") as file:
        first = file.read(PEEK)
        if not first.startswith(b"PK"):
            why = foreign.packed(first) or foreign.recorded(first) or foreign.importable(first)
            raise ValueError(why.replace("FILE", str(path)) or ("no NumPy archive" if first else "empty"))
        file.seek(0)
        try:
            archive = np.load(file, allow_pickle=False)
        except zipfile.BadZipFile:
            raise ValueError("it begins as an archive and has no end: it was cut") from None
        with archive:
            lacking = [name for name in ARRAYS if name not in archive.files]
            if lacking:
                raise ValueError(f"an archive without {', '.join(lacking)}")
            arrays = {name: archive[name] for name in ARRAYS}
        header = reading.parsed_json(arrays["header"].tobytes())
        return _checked(arrays, header)


def _checked(arrays: dict[str, NDArray[Any]], header: Any) -> Trace:
    """Trace of the arrays of a file; ValueError when they do not hold together."""
    if not isinstance(header, dict) or not _plain(header):
        raise ValueError("a header of the wrong form")
    if header["version"] != VERSION:
        raise ValueError(f"version {header['version']}, this program reads {VERSION}")
    accesses, events, positions = arrays["accesses"], arrays["events"], arrays["positions"]
    shapes = accesses.ndim == 1 and positions.ndim == 1 and events.shape == (len(positions), 2)
    if [a.dtype.str for a in (accesses, events, positions)] != ["<u4", "<u8", "<i8"] or not shapes:
        raise ValueError("arrays of the wrong type")
    shift, spaces = int(header["space_shift"]), int(header["spaces"])
    header = {key: safe(value) if isinstance(value, str) else value for key, value in header.items()}
    trace = Trace(accesses, shift, spaces, events, positions, header, str(header["digest"]))
    if digest_of(trace) != trace.digest:
        raise ValueError("the digest does not fit the data")
    total = spaces << shift if 0 <= shift <= 28 and 0 < spaces <= MOST_PAGES else 0
    inside = len(accesses) == 0 or int((accesses & PAGE).max()) < total
    ordered = bool(np.all(np.diff(positions, prepend=0) >= 0)) and bool(np.all(positions <= len(accesses)))
    if not 0 < total <= MOST_PAGES or not inside or not ordered:
        raise ValueError("pages or positions out of range")
    touched = np.zeros(total, np.bool_)
    touched[accesses & PAGE] = True
    counts = {"pages": int(np.count_nonzero(touched)), "events": len(accesses), "writes": trace.writes, "mapping_events": len(events)}
    for name, count in counts.items():
        told = header[name] if name == "pages" else header.get(name, count)
        if told != count:
            raise ValueError(f"{name}: {count} in the data, the header says {told}")
    rows = demand.records(events)
    fork = rows["kind"] == demand.FORK
    last = rows["page"].astype(np.int64) + rows["count"]
    child = rows["arg"] < spaces
    if not np.all((fork & child) | (rows["kind"] == demand.UNMAP)) or np.any(last > total):
        raise ValueError("mapping events that are no fork or unmap of its pages")
    return trace


MOST_COUNT = 1 << 40
"""Largest number in a header."""


def _plain(header: dict[str, Any]) -> bool:
    """Return True if a header's fields are of the types that are printed and computed with; which others there are is free."""
    numbers = ("version", "space_shift", "spaces", "pages", "events", "writes", "mapping_events", "filter_pages", "forks")
    texts = ("recorder", "made", "mappings", "collapse", "digest")
    whole = all(type(header.get(name, 0)) is int and 0 <= header.get(name, 0) <= MOST_COUNT for name in numbers)
    return whole and all(isinstance(header.get(name, ""), str) for name in texts) and isinstance(header.get("command"), (str, type(None)))


def info(trace: Trace) -> dict[str, Any]:
    """Describe a trace and its origin in one flat row."""
    first = ("recorder", "command", "events", "pages", "writes", "mapping_events", "spaces", "collapse")
    row = {key: trace.meta.get(key) for key in first}
    row["filter_pages"] = trace.meta.get("filter_pages")
    row["mappings"] = trace.meta.get("mappings")
    row |= {key: value for key, value in trace.meta.items() if key not in row and key not in ("digest", "version")}
    row["digest"] = trace.digest
    return row
