"""Meaning of the names of columns of a CSV file, and of numbers without a name: what cannot be a page of 4 KiB is refused or told."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dse.common import output
from dse.errors import BadInput

ADDRESS = re.compile(r"lbn|lba|sector|blk|block|offset|byte|addr", re.IGNORECASE)
"""Names of columns that hold blocks or bytes rather than pages."""
BLOCKS = re.compile(r"sector|blk|block|lbn|lba", re.IGNORECASE)
"""Names of columns of sizes that count no bytes."""
KINDS: Mapping[str, frozenset[str]] = {
    "page": frozenset(("page", "pages", "pfn", "vpn", "ppn", "pageno", "pagenumber", "vpage")),
    "time": frozenset(("ts", "time", "timestamp", "date", "datetime", "second", "seconds", "sec", "ms", "us", "ns", "clock", "latency")),
    "write flag": frozenset(("write", "writes", "iswrite", "rw", "op", "type", "opcode", "readwrite", "opname", "operation")),
    "size": frozenset(("size", "sizes", "len", "length", "bytes", "nbytes", "count", "sectors", "nblocks", "blocks")),
}
"""Words that tell what a column holds."""
SCALES: Mapping[str, int] = {
    "kb": 1 << 10, "kib": 1 << 10, "mb": 1 << 20, "mib": 1 << 20, "gb": 1 << 30, "gib": 1 << 30,
    "byte": 1, "bytes": 1, "sector": 512, "sectors": 512, "pfn": 4096, "vpn": 4096,
}  # fmt: skip
"""Words of a name that tell what a step is [B]."""
ADDRESS_BITS = 57
"""Bits of a user address with five levels of page tables. Source: Linux, Documentation/arch/x86/x86_64/5level-paging.rst."""
PAGE_BITS = 12
SECTOR = 512
SEEN_LEAST = 8
"""Least number of pages of which a common factor says something."""


def split(line: bytes) -> list[str]:
    """Names in a head; a comma between double quotes is a part of one.

    Examples
    --------
    >>> split(b'# ts,"page, of 4 KiB", write')
    ['ts', 'page, of 4 KiB', 'write']
    """
    cells = re.findall(r' *"[^"]*"[^,]*|[^,]+|(?<=,)(?=,|$)', line.decode("utf-8", "replace").rstrip("\r\n"))
    return [cell.strip(' "#')[:40] for cell in cells]


def words(name: str) -> list[str]:
    """Words of a name, in small letters.

    Examples
    --------
    >>> words("offset_kb"), words("isWrite"), words(" # time (ms)")
    (['offset', 'kb'], ['is', 'write'], ['time', 'ms'])
    """
    return re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())


def kind(name: str) -> str:
    """Say what a column of a name holds: page, address, time, write flag, size; empty where the name does not tell.

    Examples
    --------
    >>> kind("pfn"), kind("is_write"), kind("ts"), kind("len"), kind("lba"), kind("hostname")
    ('page', 'write flag', 'time', 'size', 'address', '')
    """
    parts = words(name)
    joined = "".join(parts)
    for what, known in KINDS.items():
        if joined in known or (parts and parts[0] in known and what in ("time", "size")):
            return what
    return "address" if ADDRESS.search(name) else ""


def step(name: str) -> int:
    """Bytes of a step that a name tells, 0 where it does not.

    Examples
    --------
    >>> step("offset_kb"), step("lba"), step("Sectors")
    (1024, 0, 512)
    """
    return next((SCALES[word] for word in words(name) if word in SCALES), 0)


def fitting(place: str, names: list[str], roles: Mapping[str, int]) -> None:
    """Refuse a column whose name says that it holds something else.

    Parameters
    ----------
    place : str
        File and line, for the message.
    names : list of str
        Names of the columns.
    roles : mapping
        Column (from 1, 0: none) of the ``page``, the ``write`` flag and the ``size``.

    Raises
    ------
    BadInput
        The page column is called like a time, a write flag or a size, and so on.
    """
    fits = {"page": ("page", "address"), "write": ("write flag",), "size": ("size", "address")}
    option = {"page": "--page-column", "write": "--write-column", "size": "--size-column"}
    said = {"page": "the page", "write": "the write flag", "size": "the size"}
    for role, column in roles.items():
        name = names[column - 1] if 0 < column <= len(names) else ""
        found = kind(name)
        if not found or found in fits[role]:
            continue
        better = {one: [at for at, other in enumerate(names, 1) if kind(other) in fits[one]] for one in fits}
        there = "".join(f" {option[one]} {better[one][0]}" for one in ("page", "write") if better[one])
        remedy = f"say which columns are meant, such as{there}" if better[role] else "name the column that holds it"
        raise BadInput(
            f"{place}: column {column} is called {name!r}, a {found}, and was taken for {said[role]}: {remedy} "
            "(or rename it, if it is that)"
        )


def unread(names: list[str], size: int) -> int:
    """Column that is called like a size and is not read; 0 where there is none, or one is read.

    Examples
    --------
    >>> unread(["ts", "pfn", "size"], 0), unread(["ts", "pfn", "size"], 3)
    (3, 0)
    """
    return 0 if size else next((at for at, name in enumerate(names, 1) if kind(name) == "size"), 0)


def scaled(place: str, name: str, column: int, unit: int, option: str) -> None:
    """Refuse a unit that is not the one that the name of the column has.

    Sectors of a disk may have 4 KiB, so a larger one is taken. A column of sectors may hold bytes.

    Raises
    ------
    BadInput
        They differ.
    """
    told = step(name)
    if told and told != unit and not (told == SECTOR and (unit > SECTOR or option == "--size-unit")):
        raise BadInput(f"{place}: column {column} is called {name!r}, and {option} {unit} was given: {option} {told}, or rename it")


def pages(source: str, numbers: NDArray[np.uint64], told: bool) -> None:
    """Look at the numbers of pages that nobody gave a unit.

    Parameters
    ----------
    source : str
        The file, for messages.
    numbers : uint64[n]
        Distinct numbers.
    told : bool
        True if the unit was given.

    Raises
    ------
    BadInput
        One is beyond the pages of any address.
    """
    if told or not len(numbers):
        return
    most = int(numbers.max())
    if most >> (ADDRESS_BITS - PAGE_BITS):
        raise BadInput(
            f"{source}: {most:,} is no page of 4 KiB, as addresses have {ADDRESS_BITS} bits: say what a number counts, --unit byte with "
            "--size-column 0, --unit object for identifiers, or page"
        )
    factor = int(np.gcd.reduce(numbers))
    shared = factor & -factor
    if len(numbers) >= SEEN_LEAST and shared >= 8:
        output.note(f"{source}: every number is a multiple of {shared:,}: are they bytes or sectors? --unit says what a step is")


def multiplied(source: str, factor: int) -> None:
    """Note sizes that were multiplied though they look like bytes: before that each was whole sectors.

    Parameters
    ----------
    source : str
        The file, for messages.
    factor : int
        Bytes of a step (``--size-unit``).
    """
    output.note(
        f"{source}: every size is a multiple of 512 before it is multiplied by --size-unit {factor}: are they bytes? then leave it out"
    )
