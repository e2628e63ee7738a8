"""Importers for traces of other tools: lackey text, perf script page faults, libCacheSim oracleGeneral, CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.common import reading
from dse.common.limits import COLUMNS_MAX
from dse.errors import BadInput
from dse.workloads import foreign, lackey, table, trace
from dse.workloads import numbering as numbers
from dse.workloads import perf as perf_script
from kernels.traces import parse

ORACLE_BYTES = 24
ORACLE = np.dtype([("time", "<u4"), ("object", "<u8"), ("size", "<u4"), ("next", "<i8")])
"""A record. Source: libCacheSim, libCacheSim/traceReader/customizedReader/oracle/oracleGeneralBin.h."""
JUDGED = 1 << 20
"""Records that are looked at for the order of their bytes."""
NEXT_BITS = 40
"""Bits of a record's number that are believed: a file of 2^40 records has 24 TiB."""
PEEK = 4096
TEXT = frozenset(range(32, 127)) | {9, 10, 13}
"""Bytes of a text: printable ASCII, tab and line ends."""
TABLE_BITS = 22  # of the first page hash, 64 MiB


@dataclass(frozen=True)
class Options:
    """Options of an import.

    Attributes
    ----------
    filter_pages : int
        K of the LRU filter (lackey); 0: none.
    page_column, write_column, size_column : int, optional
        Columns of a CSV file, from 1 (write 0: all are reads; size 0: a line is one unit).
    writes : tuple of str
        Texts of the write column that mean a write (csv).
    unit : int, optional
        Bytes of a step of a page, block or object number (csv, oracleGeneral); 0: an identifier, each one page.
    size_unit : int, optional
        Bytes of a step of a size (csv), default 1.
    """

    filter_pages: int = 0
    page_column: int | None = None
    write_column: int | None = None
    size_column: int | None = None
    writes: tuple[str, ...] = ()
    unit: int | None = None
    size_unit: int | None = None

    @property
    def of_csv(self) -> bool:
        """True if an option is for CSV alone."""
        return (self.page_column, self.write_column, self.size_column, self.writes, self.size_unit) != (None, None, None, (), None)


def load(
    path: str | Path,
    form: str,
    *,
    filter_pages: int = 0,
    page_column: int | None = None,
    write_column: int | None = None,
    size_column: int | None = None,
    writes: Sequence[str] = (),
    unit: str | None = None,
    size_unit: int | None = None,
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
    page_column, write_column, size_column : int, optional
        Columns of a CSV file, from 1 (write 0: all are reads; size 0: a line is one unit). Default: a line is ``page,write``.
    writes : sequence of str
        Texts of the write column that mean a write, every other one a read (csv only). Default: the column holds 1 or 0.
    unit : str, optional
        What a number counts (csv, oracleGeneral): page, sector (512 B), byte, bytes as a power of two, or object for identifiers, each of
        which is one page. Default: pages; of oracleGeneral only where every object has one size, 1 B or a page.
    size_unit : int, optional
        Bytes that a size counts (csv), default 1.

    Raises
    ------
    BadInput
        Unusable line or byte offset, with the file.
    """
    if form not in FORMATS:
        raise BadInput(f"unknown trace format {form!r}; one of {', '.join(FORMATS)}")
    source = reading.file(path)
    given = None if unit is None else numbers.unit(unit)
    options = Options(filter_pages, page_column, write_column, size_column, tuple(writes), given, size_unit)
    if page_column is not None and page_column < 1:
        raise BadInput(f"the column of the page is from 1, got {page_column}")
    if filter_pages and form != "lackey":
        raise BadInput(
            f"the LRU filter is for lackey text, not for {form}: import it whole, and let dse compare or dse sweep "
            f"filter it, --set workload.filter_pages={filter_pages}"
        )
    if not 0 <= filter_pages <= trace.MOST_PAGES:
        raise BadInput(f"the LRU filter has 0 to {trace.MOST_PAGES:,} pages, got {filter_pages:,}")
    if form != "csv" and options.of_csv:
        raise BadInput(f"columns are for csv, not for {form}")
    if unit is not None and form not in ("csv", "oracleGeneral"):
        raise BadInput(f"a unit is for csv and oracleGeneral, not for {form}: its addresses are bytes")
    with reading.parsing(path, f"no trace of the format {form}"), source.open("rb") as file:
        first = file.read(8)
    if not first:
        raise BadInput(f"{path}: empty, no trace of the format {form}; {foreign.EMPTY[form]}")
    why = foreign.packed(first) or foreign.recorded(first)
    if why:
        raise BadInput(f"{path}: byte 0: {why}")
    with reading.parsing(path, f"no trace of the format {form}"):
        made = FORMATS[form](source, options)
    if not len(made.accesses):
        how = "; valgrind prints accesses with --tool=lackey --trace-mem=yes" if form == "lackey" else ""
        raise BadInput(f"{path}: no access to a swappable page in it{how}")
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
    with source.open("rb", buffering=0) as raw:
        stream = lackey.Unix(raw) if raw.readline(lackey.LONGEST).endswith(b"\r\n") else raw
        raw.seek(0)
        return lackey.read(stream, str(source), filter_pages=options.filter_pages, meta=meta)


def _columns(source: Path, options: Options) -> table.Columns:
    """Columns that the options choose."""
    page, write, size = options.page_column or 1, options.write_column, options.size_column
    if write is None:
        write = 2 if options.writes or not options.page_column else 0
    used = [column for column in (page, write, size) if column]
    if len(set(used)) < len(used):
        what = "the page and the write flag" if page == write else "the size and another figure"
        raise BadInput(f"{source}: {what} cannot both be in column {page if page == write else size}")
    if max(used) > COLUMNS_MAX:
        raise BadInput(f"{source}: column {max(used):,} is above {COLUMNS_MAX:,}, the last one that is read")
    if options.writes and not write:
        raise BadInput(f"{source}: texts that mean a write need a write column")
    if options.unit not in (None, numbers.OBJECT, table.PAGE) and size is None:
        raise BadInput(f"{source}: with --unit say which column holds the bytes of a request: --size-column N, or 0 if each is one unit")
    if size and options.unit in (None, numbers.OBJECT):
        raise BadInput(f"{source}: a size column needs a --unit of addresses: page, sector (512 B), byte")
    chosen = (options.page_column, options.write_column, size) != (None, None, None)
    unit = table.PAGE if options.unit is None else options.unit
    writes = _texts(source, options.writes)
    told = (options.unit is not None, options.size_unit is not None, size is not None or options.unit == numbers.OBJECT)
    return table.Columns(page, write, chosen, writes, size or 0, unit, options.size_unit or 1, *told)


def _texts(source: Path, writes: Sequence[str]) -> frozenset[bytes]:
    """Texts that mean a write, without the blanks around them, as cells are read.

    Raises
    ------
    BadInput
        One that no cell can be.
    """
    for text in writes:
        if not text.strip() or set(text) & set(',"\r\n'):
            raise BadInput(f"{source}: {text!r} can be in no cell: a text that means a write is not empty, without commas and quotes")
    return frozenset(text.strip().encode("utf-8", "surrogateescape") for text in writes)


def csv(source: Path, options: Options) -> trace.Trace:
    """Read comma-separated lines (:func:`dse.workloads.table.csv`)."""
    return table.csv(source, _columns(source, options), _meta(source, "csv"))


def oracle_general(source: Path, options: Options) -> trace.Trace:
    """Read libCacheSim's oracleGeneral, uncompressed; every access is a read.

    Identifiers are numbered by first appearance, addresses by address.
    """
    words = _records(source)
    _little(source, words)
    sizes = words[1::3] >> np.uint64(32)
    some = sizes[sizes > 0]
    if options.unit is None and len(some) and (some.min() != some.max() or int(some[0]) not in (1, table.PAGE)):
        raise BadInput(
            f"{source}: requests of {int(some.min()):,} to {int(some.max()):,} B: say what an object is, --unit object (each is one page) "
            "or the bytes that its number counts (--unit sector, byte, page)"
        )
    unit = numbers.OBJECT if options.unit is None else options.unit
    meta = _meta(source, "oracleGeneral", writes_known=False, unit=numbers.said(unit))
    if unit == numbers.OBJECT:
        accesses, count = oracle_accesses(source)
        return trace.build(accesses, meta, pages=count)
    if len(some) and int(some.max()) > numbers.REQUEST_MOST:
        raise BadInput(f"{source}: a request of {int(some.max()):,} B, more than {numbers.REQUEST_MOST:,}")
    objects = words[0::3] >> np.uint64(32) | words[1::3] << np.uint64(32)
    try:
        first, counts = numbers.touched(objects, sizes, unit)
    except BadInput as error:
        raise BadInput(f"{source}: {error}") from None
    if len(first) and int(first.max()) >> 62:
        raise BadInput(f"{source}: object {int(objects.max()):,} is no address in units of {numbers.said(unit)} (--unit object?)")
    dense = numbers.Numbers()
    blocks = [dense.number(keys) for keys in numbers.spread(first, counts, np.zeros_like(first))]
    ranks = dense.by_address()
    return trace.build(ranks[np.concatenate(blocks)] if blocks else np.empty(0, np.uint32), meta, pages=len(ranks))


def _records(source: Path) -> NDArray[np.uint64]:
    """Words of an oracleGeneral file, three a record."""
    size = source.stat().st_size
    with source.open("rb") as file:
        head = file.read(PEEK)
    if head and all(byte in TEXT for byte in head):
        raise BadInput(f"{source}: this is text, and oracleGeneral is binary: records of {ORACLE_BYTES} bytes (--format csv?)")
    if size % ORACLE_BYTES:
        at = size - size % ORACLE_BYTES
        raise BadInput(f"{source}: byte {at}: {size % ORACLE_BYTES} bytes left, a record has {ORACLE_BYTES}")
    if not size:
        return np.empty(0, np.uint64)
    words: NDArray[np.uint64] = np.memmap(source, np.uint64, "r")
    wrong = int(parse.worst_next(words))
    if wrong < size // ORACLE_BYTES:
        raise BadInput(f"{source}: byte {wrong * ORACLE_BYTES + 16}: the next request does not lie behind record {wrong}")
    return words


def _little(source: Path, words: NDArray[np.uint64]) -> None:
    """Refuse records whose bytes are the other way round.

    No next request is that far, or most sizes are huge and would be small,
    and so would be the span of the times.

    Raises
    ------
    BadInput
        They are big-endian.
    """
    records = words[: 3 * JUDGED].view(ORACLE)
    swapped = records.byteswap()
    if not len(records):
        return
    far = (records["next"] >> NEXT_BITS > 0) & (swapped["next"] >> NEXT_BITS <= 0)
    size, other = (int(np.median(one["size"])) for one in (records, swapped))
    span, less = (int(np.ptp(one["time"])) for one in (records, swapped))
    if np.any(far) or (size > max(numbers.REQUEST_MOST, other) and span > less):
        at = int(np.argmax(far))
        why = f"next request {int(records['next'][at]):,}" if far[at] else f"sizes of {size:,} B"
        raise BadInput(f"{source}: byte {at * ORACLE_BYTES}: {why}: the bytes are the other way round (big-endian); write it little-endian")


def oracle_accesses(source: Path) -> tuple[NDArray[np.uint32], int]:
    """Dense accesses of an oracleGeneral file, each object one page, and the number of its objects.

    Returns
    -------
    (uint32[n], int)
    """
    words = _records(source)
    n = len(words) // 3
    if not n:
        return np.empty(0, np.uint32), 0
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
    """Read text of ``perf script`` (:mod:`dse.workloads.perf`)."""
    with source.open("rb") as stream:
        return perf_script.faults(stream, str(source), _meta(source, "perf"))


FORMATS: dict[str, Callable[[Path, Options], trace.Trace]] = {
    "lackey": lackey_text,
    "perf": perf,
    "oracleGeneral": oracle_general,
    "csv": csv,
}
