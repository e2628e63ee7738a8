"""Importers for traces of other tools: lackey text, perf script page faults, libCacheSim oracleGeneral, CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from dse.workloads import builder, lackey, trace
from dse.workloads.lackey import Chunks
from kernels.traces import pages, parse

ORACLE_BYTES = 24
ZSTD = b"\x28\xb5\x2f\xfd"  # RFC 8878, section 3.1.1
NAMES = re.compile(rb'(?:[A-Za-z_#"][^,]*)(?:,[A-Za-z_#"][^,]*)*\r?$')
EXACTLY = "PAGE,WRITE (decimal page number, 0 or 1)"
DIGITS = 18  # most digits of a page number where the flag is a text
BLOCK = 1 << 18  # accesses that are read at a time where it is
TABLE_BITS = 22  # of the first page hash, 64 MiB
FAULT = re.compile(
    rb"^\s*(?:.*?\s)??(\d+)(?:/\d+)?\s+(?:\[\d+\]\s+)?[\d.]+:\s+(?:\d+\s+)?exceptions:page_fault_user:\s+"
    rb"address=(?:0x)?([0-9a-f]+)\s+ip=\S+\s+error_code=(?:0x)?([0-9a-f]+)\s*$"
)
SAMPLE = re.compile(
    rb"^\s*(?:.*?\s)??(\d+)(?:/\d+)?\s+(?:\[\d+\]\s+)?[\d.]+:\s+(?:\d+\s+)?page-faults:\w*:?"
    rb"\s+([0-9a-f]+)(?:\s+[0-9a-f]+)?\s*$"
)
ERROR_WRITE, ERROR_FETCH = 2, 16  # bits of the x86 page-fault error code


@dataclass(frozen=True)
class Options:
    """Options of an import: K of the LRU filter (lackey); columns of page and write flag, from 1, and texts that mean a write (csv)."""

    filter_pages: int = 0
    page_column: int | None = None
    write_column: int | None = None
    writes: tuple[str, ...] = ()


def load(
    path: str | Path,
    form: str,
    *,
    filter_pages: int = 0,
    page_column: int | None = None,
    write_column: int | None = None,
    writes: Sequence[str] = (),
) -> trace.Trace:
    """Import `path` in the format `form` (a key of :data:`FORMATS`).

    Parameters
    ----------
    path : path
        The file.
    form : str
        lackey, perf, oracleGeneral or csv.
    filter_pages : int
        K of the LRU filter (lackey only); 0: none.
    page_column, write_column : int, optional
        Columns of a CSV file, from 1 (write_column 0: all are reads). Default: a line is ``page,write``.
    writes : sequence of str
        Texts of the write column that mean a write, every other one a read (csv only). Default: the column holds 1 or 0.

    Raises
    ------
    BadInput
        Unusable line or byte offset, with the file.
    """
    if form not in FORMATS:
        raise BadInput(f"unknown trace format {form!r}; one of {', '.join(FORMATS)}")
    source = Path(path)
    if not source.is_file():
        raise BadInput(f"{path}: no such file")
    if filter_pages and form != "lackey":
        raise BadInput(f"the LRU filter is for lackey text, not for {form}")
    if form != "csv" and (page_column, write_column, tuple(writes)) != (None, None, ()):
        raise BadInput(f"columns are for csv, not for {form}")
    try:
        with source.open("rb") as file:
            if file.read(len(ZSTD)) == ZSTD:
                raise BadInput(f"{path}: byte 0: compressed with zstd; decompress it first (zstd -d)")
        made = FORMATS[form](source, Options(filter_pages, page_column, write_column, tuple(writes)))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from error
    if not len(made.accesses):
        raise BadInput(f"{path}: no access to a swappable page in it")
    return made


def _meta(source: Path, recorder: str, **more: Any) -> dict[str, Any]:
    """Header fields of an import."""
    made = f"imported from {source.name}"
    return {"recorder": recorder, "command": None, "made": made, "collapse": "none", "filter_pages": 0} | {
        "mappings": "unknown",
        **more,
    }


def lackey_text(source: Path, options: Options) -> trace.Trace:
    """Read text of ``valgrind --tool=lackey --trace-mem=yes``."""
    meta = {"command": None, "made": f"imported from {source.name}"}
    with source.open("rb", buffering=0) as stream:
        return lackey.read(stream, str(source), filter_pages=options.filter_pages, meta=meta)


class _Numbers:
    """Dense numbers by first appearance."""

    def __init__(self, bits: int = 14) -> None:
        self.table = np.zeros((1 << bits, 2), np.uint64)
        self.names = np.zeros(len(self.table) // 2, np.uint64)
        self.count = np.uint64(0)

    def grow(self) -> None:
        table = np.zeros((4 * len(self.table), 2), np.uint64)
        names = np.zeros(len(table) // 2, np.uint64)
        parse.rehash(self.table, table)
        names[: len(self.names)] = self.names
        self.table, self.names = table, names

    def number(self, keys: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Accesses of ``page << 1 | write``."""
        out = np.empty(len(keys), np.uint32)
        at = np.uint64(0)
        while True:
            at, self.count = parse.densify(keys, np.uint64(at), self.table, self.names, out, np.uint64(self.count))
            if at >= len(keys):
                return out
            self.grow()
            if self.count > trace.MOST_PAGES:
                raise BadInput(f"more than {trace.MOST_PAGES} distinct pages")


@dataclass(frozen=True)
class Columns:
    """Columns of a CSV file, from 1 (write 0: every access is a read); whether they were chosen, and the texts that mean a write."""

    page: int
    write: int
    chosen: bool
    writes: frozenset[bytes]

    def wrong(self, place: str, line: bytes) -> BadInput:
        """Refusal of a line."""
        flag = "" if not self.write else f", column {self.write} present" if self.writes else f", column {self.write} 0 or 1"
        what = f"column {self.page} a decimal page number{flag}" if self.chosen or self.writes else EXACTLY
        text = line[:80].decode("ascii", "replace").rstrip("\r\n")
        cells = line.rstrip(b"\r\n").split(b",")
        number = len(cells) >= max(self.page, self.write) and cells[self.page - 1].strip().isdigit()
        flagged = cells[self.write - 1].decode("ascii", "replace") if number and self.write and not self.writes else "0"
        hint = "" if flagged in ("0", "1") else f"; if {flagged!r} means a write: --writes {flagged} (else name what does)"
        return BadInput(f"{place}: not {what}: {text!r}{hint}")


def _columns(source: Path, options: Options) -> Columns:
    """Columns that the options choose."""
    page, write = options.page_column or 1, options.write_column
    if write is None:
        write = 2 if options.writes or not options.page_column else 0
    if page == write:
        raise BadInput(f"{source}: the page and the write flag cannot both be in column {page}")
    if options.writes and not write:
        raise BadInput(f"{source}: texts that mean a write need a write column")
    chosen = options.page_column is not None or options.write_column is not None
    return Columns(page, write, chosen, frozenset(text.encode() for text in options.writes))


def csv(source: Path, options: Options) -> trace.Trace:
    """Read lines with a page number (decimal) and, unless the write column is 0, a flag: 0 or 1, or one of the chosen texts.

    A first line of names is skipped. Without a choice of columns a line is ``page,write`` and nothing else.
    """
    columns, numbers = _columns(source, options), _Numbers()
    runs = _mapped(source, columns) if columns.writes else _flagged(source, columns)
    blocks = [numbers.number(keys) for keys in runs]
    accesses = np.concatenate(blocks) if blocks else np.empty(0, np.uint32)
    rank = _by_address(numbers.names[: int(numbers.count)])
    accesses = rank[accesses & trace.PAGE] | accesses & trace.WRITE if len(accesses) else accesses
    return trace.build(accesses, _meta(source, "csv", writes_known=bool(columns.write)), pages=len(rank))


def _flagged(source: Path, chosen: Columns) -> Iterator[NDArray[np.uint64]]:
    """Blocks of ``page << 1 | write`` of lines with 0 or 1."""
    most = parse.NO_RUN if chosen.chosen else 2
    columns = np.array([chosen.page, chosen.write, max(chosen.page, chosen.write), most], np.uint64)
    lines, runs, state = 0, np.empty(lackey.CHUNK // 2, np.uint64), np.zeros(8, np.int64)
    with source.open("rb", buffering=0) as stream:
        chunks = Chunks(stream, str(source))
        while (end := chunks.next(lines)) != 0:
            at = 0
            if lines == 0 and NAMES.match(chunks.buffer[: chunks.buffer.index(b"\n")]):
                at, lines = chunks.buffer.index(b"\n") + 1, 1
            while at < end:
                parse.csv(chunks.text, np.uint64(at), np.uint64(end), columns, runs, state)
                lines += int(state[parse.LINES])
                at = int(state[parse.TAKEN])
                if state[parse.ERROR]:
                    raise chosen.wrong(f"{source}:{lines + 1}", bytes(chunks.buffer[at : at + 80]).split(b"\n")[0])
                yield runs[: state[parse.RUNS]]
            chunks.done()


def _mapped(source: Path, chosen: Columns) -> Iterator[NDArray[np.uint64]]:
    """Blocks of ``page << 1 | write`` of lines with texts for writes and reads, read in plain Python (about a million lines a second)."""
    page, write, fewest = chosen.page - 1, chosen.write - 1, max(chosen.page, chosen.write)
    keys: list[int] = []
    with source.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if number == 1 and NAMES.match(line.rstrip(b"\n")):
                continue
            cells = line.rstrip(b"\r\n").split(b",")
            if len(cells) < fewest or not cells[page].isdigit() or len(cells[page]) > DIGITS or not cells[write]:
                raise chosen.wrong(f"{source}:{number}", line)
            keys.append(int(cells[page]) << 1 | (cells[write] in chosen.writes))
            if len(keys) == BLOCK:
                yield np.array(keys, np.uint64)
                keys.clear()
    if keys:
        yield np.array(keys, np.uint64)


def _by_address(names: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Rank of each page in address order."""
    rank = np.empty(len(names), np.uint32)
    rank[np.argsort(names, kind="stable")] = np.arange(len(names), dtype=np.uint32)
    return rank


def oracle_general(source: Path, _: Options) -> trace.Trace:
    """Read libCacheSim's oracleGeneral, uncompressed; objects are numbered by first appearance, every access is a read."""
    accesses, count = oracle_accesses(source)
    return trace.build(accesses, _meta(source, "oracleGeneral", writes_known=False), pages=count)


def oracle_accesses(source: Path) -> tuple[NDArray[np.uint32], int]:
    """Dense accesses of an oracleGeneral file, and the number of its objects.

    Returns
    -------
    (uint32[n], int)
    """
    size = source.stat().st_size
    if size % ORACLE_BYTES:
        at = size - size % ORACLE_BYTES
        raise BadInput(f"{source}: byte {at}: {size % ORACLE_BYTES} bytes left, a record has {ORACLE_BYTES}")
    if not size:
        return np.empty(0, np.uint32), 0
    words = np.memmap(source, np.uint64, "r")
    n = size // ORACLE_BYTES
    wrong = int(parse.worst_next(words))
    if wrong < n:
        raise BadInput(f"{source}: byte {wrong * ORACLE_BYTES + 16}: the next request does not lie behind record {wrong}")
    table = np.zeros((1 << min(TABLE_BITS, max(4, (4 * n).bit_length())), 2), np.uint64)
    out = np.empty(n, np.uint32)
    at, done, count = 0, 0, 0
    while True:
        state = parse.oracle(words, np.uint64(at), table, table.reshape(-1), out, np.uint64(done), np.uint64(count))
        at, done, count = (int(x) for x in state)
        if at >= n:
            return out[:done], count
        if count > trace.MOST_PAGES:
            raise BadInput(f"{source}: more than {trace.MOST_PAGES} distinct objects")
        larger = np.zeros((4 * len(table), 2), np.uint64)
        parse.rehash(table, larger)
        table = larger


def perf(source: Path, _: Options) -> trace.Trace:
    """Read text of ``perf script``: tracepoint exceptions:page_fault_user, or page-faults with ``-F pid,time,event,addr``."""
    with source.open("rb") as stream:
        return faults(stream, str(source), _meta(source, "perf"))


def faults(stream: Any, name: str, meta: dict[str, Any]) -> trace.Trace:
    """Trace of page-fault lines; each process is a space of its own.

    Instruction fetches are left out. Where the lines tell writes, a page counts from its first write on.
    """
    spaces: dict[int, int] = {}
    keys: list[int] = []
    owners: list[int] = []
    told = True
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            raise BadInput(f"{name}:{number}: the file ends within a line")
        found, sample = FAULT.match(line), None
        if not found:
            sample = SAMPLE.match(line)
            if not sample and line.strip() and not line.startswith(b"#"):
                text = line[:80].decode("ascii", "replace").rstrip()
                raise BadInput(f"{name}:{number}: not a page fault with its address: {text!r}")
            if not sample:
                continue
            told = False
        pid, address = (sample or found).groups()[:2]  # type: ignore[union-attr]
        code = int(found[3], 16) if found else ERROR_WRITE
        page = int(address, 16) >> 12
        if code & ERROR_FETCH or page >> 36:
            continue
        owners.append(spaces.setdefault(int(pid), len(spaces)))
        keys.append(page << 1 | bool(code & ERROR_WRITE))
    header = meta | {"writes_known": told, "processes": len(spaces)}
    return _of_spaces(np.array(keys, np.uint64), np.array(owners, np.uint64), header, told)


def _of_spaces(keys: NDArray[np.uint64], owners: NDArray[np.uint64], meta: dict[str, Any], first_write: bool) -> trace.Trace:
    """Trace of ``page << 1 | write`` in several spaces, pages numbered by address within each space."""
    spaced = keys | owners << np.uint64(40)
    numbers = _Numbers()
    if first_write:
        collected = builder.Builder()
        out = np.empty(len(keys) + 1, np.uint32)
        at = 0
        while at < len(keys):
            at = int(
                pages.translate(
                    spaced, np.uint64(at), np.uint64(len(keys)), collected.table, collected.names, collected.live,
                    collected.carry, out,
                )
            )  # fmt: skip
            if at < len(keys):
                collected.grow(1)
        pages.flush(collected.carry, out)
        accesses, names = out[: int(collected.carry[pages.OUT])], collected.names[: int(collected.carry[pages.IDS])]
    else:
        accesses = numbers.number(spaced)
        names = numbers.names[: int(numbers.count)]
    owner = (names >> np.uint64(39)).astype(np.int64)
    order = np.argsort(names, kind="stable")
    used, starts, counts = np.unique(owner[order], return_index=True, return_counts=True)
    shift = int(counts.max() - 1).bit_length() if len(counts) else 0
    dense = np.empty(len(names), np.uint32)
    space = np.searchsorted(used, owner[order])
    dense[order] = (space << shift) + np.arange(len(names)) - starts[space] if len(names) else 0
    accesses = dense[accesses & trace.PAGE] | accesses & trace.WRITE if len(accesses) else accesses
    return trace.build(accesses, meta, pages=len(names), space_shift=shift, spaces=max(len(used), 1))


FORMATS: dict[str, Callable[[Path, Options], trace.Trace]] = {
    "lackey": lackey_text,
    "perf": perf,
    "oracleGeneral": oracle_general,
    "csv": csv,
}
