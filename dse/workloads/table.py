"""Reader of comma-separated lines: a page, an identifier or an address in some column, a write flag and a size in others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.common import output
from dse.errors import BadInput
from dse.workloads import columns as meaning
from dse.workloads import lackey, trace
from dse.workloads.lackey import CUT, Chunks
from dse.workloads.numbering import OBJECT, REQUEST_MOST, Numbers, said, spread, touched
from kernels.traces import parse

NAME = rb'(?:[A-Za-z_#]|"(?!\s*\d[\d\s.]*"))[^,]*'
NAMES = re.compile(rb"%(name)s(?:,[ \t]*%(name)s)*\r?$" % {b"name": NAME})
"""A line of names; a number in quotes is none."""
EXACTLY = "PAGE,WRITE (decimal page number, 0 or 1)"
MARK = b"\xef\xbb\xbf"
WIDE = (b"\xff\xfe", b"\xfe\xff")
DIGITS = 18  # most digits of a number where a line is read in plain Python
BLOCK = 1 << 18  # lines that are read so at a time

PAGE = 4096
SECTOR = 512
SEPARATORS = {b";": "';'", b"\t": "tabs", b"|": "'|'", b" ": "blanks"}
SHOWN = 8
"""Most texts of a write column that a note lists."""


@dataclass(frozen=True)
class Columns:
    """Columns of a CSV file, from 1 (write, size 0: there is none), and what their numbers mean.

    Attributes
    ----------
    page, write, size : int
        Columns.
    chosen : bool
        True if they were chosen, so that further columns are passed over.
    writes : frozenset of bytes
        Texts that mean a write; empty: 0 or 1.
    unit, size_unit : int
        Bytes of a step of the page column (:mod:`dse.workloads.numbering`) and of the size column.
    told, size_told, sizes_told : bool
        True if the unit, that of sizes, or the column of sizes (0 too) was given, or each number is an object.
    """

    page: int
    write: int
    chosen: bool
    writes: frozenset[bytes]
    size: int = 0
    unit: int = PAGE
    size_unit: int = 1
    told: bool = False
    size_told: bool = False
    sizes_told: bool = False

    @property
    def plain(self) -> bool:
        """True if a line is one page and its flag 0 or 1: the fast parser reads it."""
        return not self.writes and not self.size and self.unit in (PAGE, OBJECT)

    def wrong(self, place: str, line: bytes) -> BadInput:
        """Refusal of a line."""
        cells = [cell.strip() for cell in line.rstrip(b"\r\n").split(b",")]
        text = line[:80].decode("ascii", "replace").rstrip("\r\n")
        whole = len(cells) >= max(self.page, self.write, self.size)
        number = whole and cells[self.page - 1].isdigit()
        most = (int(parse.MOST_CSV) // 10 * 10 if self.plain else 10**DIGITS) - 1
        if number and int(cells[self.page - 1][:40]) > most:
            return BadInput(f"{place}: {cells[self.page - 1][:40].decode()} is above {most:,}, the largest number that is read")
        flag = "" if not self.write else f", column {self.write} present" if self.writes else f", column {self.write} 0 or 1"
        size = f", column {self.size} a size up to {REQUEST_MOST:,} B" if self.size else ""
        exactly = not self.chosen and not self.writes and not self.size
        what = EXACTLY if exactly else f"column {self.page} a decimal page number{flag}{size}"
        return BadInput(f"{place}: not {what}: {text!r}{self._cause(cells, line)}")

    def _cause(self, cells: list[bytes], line: bytes) -> str:
        """Cause of the refusal of a line, and the remedy; empty where it is not clear."""
        named = [column for column in (self.page, self.size) if column]
        if len(cells) < max(self.page, self.write, self.size):
            other = next((name for mark, name in SEPARATORS.items() if mark in line.strip()), "")
            ends = f"; columns end at commas, not at {other}" if other else ""
            return f"; it has {len(cells)} column{'s' * (len(cells) > 1)}{ends}"
        if not self.chosen and len(cells) > 2:
            return f"; it has {len(cells)} columns: say which, --page-column N, --write-column N, --size-column N"
        shown = {column: cells[column - 1][:20].decode("ascii", "replace") for column in (*named, self.write) if column}
        odd = next((column for column in named if not cells[column - 1].isdigit()), 0)
        if odd:
            hexadecimal = " (hexadecimal is not read)" if shown[odd].lower().startswith("0x") else ""
            return f"; column {odd} is {shown[odd]!r}, no decimal number{hexadecimal}"
        if self.write and not self.writes and shown[self.write] not in ("0", "1"):
            return f"; column {self.write} is {shown[self.write]!r}: --writes says which texts in it mean a write"
        return ""

    def names(self, place: str, line: bytes) -> None:
        """Look at a line of names: one that says that the column holds no pages asks for a unit.

        Raises
        ------
        BadInput
            It does, and none was given.
        """
        names = meaning.split(line)
        name, size = (names[column - 1] if 0 < column <= len(names) else "" for column in (self.page, self.size))
        meaning.fitting(place, names, {"page": self.page, "write": self.write, "size": self.size})
        if not self.told and meaning.ADDRESS.search(name):
            raise BadInput(f"{place}: column {self.page} is called {name!r}: say what it counts, --unit sector (512 B), byte or page")
        if not self.size_told and meaning.BLOCKS.search(size):
            raise BadInput(f"{place}: column {self.size} is called {size!r}: say how many bytes a step of it is, --size-unit 512 (or 1)")
        if self.told and self.unit != OBJECT:
            meaning.scaled(place, name, self.page, self.unit, "--unit")
        if self.size:
            meaning.scaled(place, size, self.size, self.size_unit, "--size-unit")
        elif (passed := meaning.unread(names, self.size)) and not self.sizes_told:
            output.note(
                f"{place}: column {passed} is called {names[passed - 1]!r} and is not read: --size-column {passed}, or 0 if each is one"
            )


def csv(source: Path, columns: Columns, meta: dict[str, Any]) -> trace.Trace:
    """Read lines with a number (decimal) and, unless the write column is 0, a flag: 0 or 1, or one of the chosen texts.

    A first line of names is skipped. Without a choice of columns a line is ``page,write`` and nothing else. With a size a line is every
    page that its bytes touch.
    """
    numbers = Numbers()
    runs = _flagged(source, columns) if columns.plain else _mapped(source, columns)
    blocks = [numbers.number(keys) for keys in runs]
    accesses = np.concatenate(blocks) if blocks else np.empty(0, np.uint32)
    meaning.pages(str(source), numbers.names[: int(numbers.count)], columns.told)
    rank = numbers.by_address()
    accesses = rank[accesses & trace.PAGE] | accesses & trace.WRITE if len(accesses) else accesses
    return trace.build(accesses, meta | {"writes_known": bool(columns.write), "unit": said(columns.unit)}, pages=len(rank))


def _flagged(source: Path, chosen: Columns) -> Iterator[NDArray[np.uint64]]:
    """Blocks of ``page << 1 | write`` of lines with 0 or 1."""
    most = parse.NO_RUN if chosen.chosen else 2
    columns = np.array([chosen.page, chosen.write, max(chosen.page, chosen.write), most], np.uint64)
    lines, runs, state = 0, np.empty(lackey.CHUNK // 2, np.uint64), np.zeros(8, np.int64)
    with source.open("rb", buffering=0) as stream:
        chunks = Chunks(stream, str(source))
        while (end := chunks.next(lines)) != 0:
            at = 0
            if lines == 0:
                at, lines = _first(source, bytes(chunks.buffer[: chunks.buffer.index(b"\n") + 1]), chosen)
            if (quote := chunks.buffer.find(b'"', at, end)) >= 0:
                raise _quoted(f"{source}:{lines + 1 + chunks.buffer.count(bytes([10]), at, quote)}")
            while at < end:
                parse.csv(chunks.text, np.uint64(at), np.uint64(end), columns, runs, state)
                lines += int(state[parse.LINES])
                at = int(state[parse.TAKEN])
                if state[parse.ERROR]:
                    raise chosen.wrong(f"{source}:{lines + 1}", bytes(chunks.buffer[at : at + 4096]).split(b"\n")[0])
                yield runs[: state[parse.RUNS]]
            chunks.done()


def _quoted(place: str) -> BadInput:
    """Refusal of a line with a quoted cell."""
    return BadInput(f"{place}: a cell in double quotes, within which a comma would shift the columns; write the file without quotes")


def _first(source: Path, line: bytes, chosen: Columns) -> tuple[int, int]:
    """Bytes and lines to pass over at the beginning: the mark of UTF-8, a line of names."""
    if line.startswith(WIDE):
        raise BadInput(f"{source}: byte 0: UTF-16 text; convert it first (iconv -f utf-16 -t utf-8)")
    mark = len(MARK) if line.startswith(MARK) else 0
    if not NAMES.match(line[mark:].rstrip(b"\n")):
        return mark, 0
    chosen.names(f"{source}:1", line[mark:])
    return len(line), 1


class _Seen:
    """Record of what the lines of a file have in the columns of writes and sizes; notes and refusals at its end follow from it."""

    def __init__(self, chosen: Columns) -> None:
        self.chosen, self.texts, self.unseen = chosen, set[bytes](), set(chosen.writes)
        self.written = self.largest = 0
        self.sectors = 0  # rest of the sizes, as they stand, by that of a sector

    def add(self, line: bytes, size: int, write: int) -> None:
        """Note a line, of which a size [B] and a write were read."""
        if self.chosen.writes and (len(self.texts) < SHOWN or (self.unseen and write)):
            text = line.split(b",")[self.chosen.write - 1].strip()
            if len(self.texts) < SHOWN:
                self.texts.add(text)
            if write:
                self.unseen.discard(text)
        self.written |= write
        self.largest = max(self.largest, size)
        self.sectors |= size // self.chosen.size_unit & (SECTOR - 1)

    def tell(self, source: Path) -> None:
        """Note texts of writes that no line has, and sizes that were probably multiplied twice.

        Raises
        ------
        BadInput
            No size is as large as a sector, and the option that says how many bytes a step has was not given.
        """
        chosen = self.chosen
        if self.texts and not self.written:
            where = f"in column {chosen.write}, so that all are reads"
            output.note(f"{source}: no line has {_shown(chosen.writes)} {where}; it has {_shown(self.texts)}")
        elif self.unseen:
            output.note(f"{source}: no line has {_shown(self.unseen)} in column {chosen.write}")
        if chosen.size and not chosen.size_told and 0 < self.largest < min(chosen.unit, SECTOR):
            small = f"sizes of up to {self.largest:,} B, less than a sector"
            raise BadInput(f"{source}: {small}: say how many bytes a step of them is, --size-unit {SECTOR} (or 1)")
        if chosen.size and chosen.size_unit > 1 and self.largest and not self.sectors:
            meaning.multiplied(str(source), chosen.size_unit)


def _shown(texts: Iterable[bytes]) -> str:
    """Texts of a column, the first of each, in order."""
    return ", ".join(repr(text.decode("utf-8", "replace")[:20]) for text in sorted(texts))


def _mapped(source: Path, chosen: Columns) -> Iterator[NDArray[np.uint64]]:
    """Blocks of ``page << 1 | write`` of lines that are read in plain Python (about a million lines a second)."""
    rows: list[tuple[int, int, int]] = []
    seen = _Seen(chosen)
    with source.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if number == 1:
                at, names = _first(source, line, chosen)
                if names:
                    continue
                line = line[at:]
            if not line.endswith(b"\n"):
                raise BadInput(f"{source}:{number}: {CUT}")
            if b'"' in line:
                raise _quoted(f"{source}:{number}")
            row = _row(line, chosen)
            if row is None:
                raise chosen.wrong(f"{source}:{number}", line)
            seen.add(line, row[1], row[2])
            rows.append(row)
            if len(rows) == BLOCK:
                yield from _pages(rows, chosen, source)
                rows.clear()
    seen.tell(source)
    if rows:
        yield from _pages(rows, chosen, source)


def _row(line: bytes, chosen: Columns) -> tuple[int, int, int] | None:
    """Number, bytes and write of a line; None where it has none."""
    cells = line.rstrip(b"\r\n").split(b",")
    if len(cells) < max(chosen.page, chosen.write, chosen.size):
        return None
    page = cells[chosen.page - 1].strip(b" ")
    size = cells[chosen.size - 1].strip(b" ") if chosen.size else str(chosen.unit or PAGE).encode()
    write = cells[chosen.write - 1].strip() if chosen.write else b"0"
    if not (page.isdigit() and size.isdigit() and write) or max(len(page), len(size)) > DIGITS:
        return None
    if not chosen.writes and write not in (b"0", b"1"):
        return None
    length = int(size) * (chosen.size_unit if chosen.size else 1)
    flag = write in chosen.writes if chosen.writes else write == b"1"
    return (int(page), length, flag) if length <= REQUEST_MOST else None


def _pages(rows: list[tuple[int, int, int]], chosen: Columns, source: Path) -> Iterator[NDArray[np.uint64]]:
    """Blocks of ``page << 1 | write`` of rows."""
    table = np.array(rows, np.uint64)
    numbers, writes = np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 2])
    if chosen.unit == OBJECT or (chosen.unit == PAGE and not chosen.size):
        yield numbers << np.uint64(1) | writes
        return
    try:
        first, counts = touched(numbers, np.ascontiguousarray(table[:, 1]), chosen.unit)
    except BadInput as error:
        raise BadInput(f"{source}: {error}") from None
    yield from spread(first, counts, writes)
