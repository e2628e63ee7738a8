"""Imports of CSV, oracleGeneral and perf traces, against plain-Python twins."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.errors import BadInput
from dse.workloads import imports
from tests.tracedata import plain

pytestmark = pytest.mark.interpreted


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 1 << 62), st.integers(0, 1)), min_size=1, max_size=40), head=st.booleans())
def test_csv_equals_its_twin(rows, head, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text(("page,write\n" if head else "") + "".join(f"{p},{w}\n" for p, w in rows))
    rank = {page: i for i, page in enumerate(sorted({p for p, _ in rows}))}
    assert plain(imports.load(path, "csv", unit="page")) == [(rank[p], bool(w)) for p, w in rows]


@pytest.mark.parametrize("bad", ["1;0", "1,2", "-1,0", "x,1", "1,", ",1", "1,0,", "1 ,0", ""])
def test_malformed_csv_names_the_line(tmp_path: Path, bad):
    path = tmp_path / "a.csv"
    path.write_text(f"page,write\r\n1,0\r\n{bad}\n2,1\n")
    with pytest.raises(BadInput, match=r"a\.csv:3: not PAGE,WRITE"):
        imports.load(path, "csv")


BLOCKS = "version,time,op,size,lbn\n1,33898,2a,512,70\n1,33898,2a,512,9\n1,33899,2b,512,70\n"


def test_csv_columns(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text(BLOCKS)
    trace = imports.load(path, "csv", page_column=5, unit="page")
    assert plain(trace) == [(1, False), (0, False), (1, False)]
    assert trace.meta["writes_known"] is False
    path.write_text("1,x,7\r\n0,y,7\r\n")
    trace = imports.load(path, "csv", page_column=3, write_column=1)
    assert plain(trace) == [(0, True), (0, False)]
    assert trace.meta["writes_known"] is True
    path.write_text("8\n9\n")
    assert plain(imports.load(path, "csv", page_column=1)) == [(0, False), (1, False)]
    path.write_text("1,x,7\n1,y\n")
    with pytest.raises(BadInput, match=r"a\.csv:2: not column 3 a decimal page number, column 1 0 or 1: '1,y'"):
        imports.load(path, "csv", page_column=3, write_column=1)
    with pytest.raises(BadInput, match="cannot both be in column 1"):
        imports.load(path, "csv", page_column=1, write_column=1)
    with pytest.raises(BadInput, match="columns are for csv"):
        imports.load(path, "perf", page_column=1)


@pytest.mark.parametrize(
    ("line", "more", "says"),
    [
        ("1;2;3", {"page_column": 2}, "it has 1 column; columns end at commas, not at ';'"),
        ("1\t2", {"page_column": 2}, "it has 1 column; columns end at commas, not at tabs"),
        ("1,2", {"page_column": 3}, "it has 2 columns"),
        ("128166372,hm,1,Read,8,4096", {}, "it has 6 columns: say which, --page-column N"),
        ("7,0x1f", {"page_column": 2}, "column 2 is '0x1f', no decimal number (hexadecimal is not read)"),
        ("7,8,x", {"page_column": 1, "size_column": 3, "unit": "byte"}, "column 3 is 'x', no decimal number"),
        ("7,Read", {"page_column": 1, "write_column": 2}, "column 2 is 'Read': --writes says which texts in it mean a write"),
    ],
)
def test_what_is_wrong_with_a_line_is_named(tmp_path: Path, line: str, more: dict[str, Any], says: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{line}\n")
    with pytest.raises(BadInput, match=re.escape(says)):
        imports.load(path, "csv", **more)


def test_sizes_below_a_sector_ask_for_their_unit(tmp_path: Path) -> None:
    """Sizes of 8 and 32 sectors are no bytes: by name where there is one, else by what they are."""
    path, asked = tmp_path / "a.csv", {"page_column": 1, "size_column": 2, "unit": "sector"}
    for text, says in (
        ("lbn,sectors\n0,8\n8,32\n", "column 2 is called 'sectors'"),
        ("0,8\n8,32\n", "sizes of up to 32 B, less than a sector"),
    ):
        path.write_text(text)
        with pytest.raises(BadInput, match=says):
            imports.load(path, "csv", **asked)
        assert len(imports.load(path, "csv", size_unit=512, **asked).accesses) == 1 + 4
        assert len(imports.load(path, "csv", size_unit=1, **asked).accesses) == 2


def test_text_is_no_binary_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.og"
    path.write_text("timestamp,object,size\n" * 24)
    with pytest.raises(BadInput, match="this is text, and oracleGeneral is binary"):
        imports.load(path, "oracleGeneral")


def test_csv_writes_by_other_texts(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text(BLOCKS)
    trace = imports.load(path, "csv", page_column=5, write_column=3, writes=["2a"], unit="object")
    assert plain(trace) == [(1, True), (0, True), (1, False)]
    assert trace.meta["writes_known"] is True
    path.write_text("5,R\r\n6,W\r\n")
    assert plain(imports.load(path, "csv", writes=["W", "w"])) == [(0, False), (1, True)]
    with pytest.raises(BadInput, match=r"a\.csv:1: not PAGE,WRITE .*; column 2 is 'R': --writes says which texts "):
        imports.load(path, "csv")
    for bad in ("5\n", "x,W\n", "-5,W\n", "5,\n"):
        path.write_text(f"page,rw\n1,R\n{bad}")
        with pytest.raises(BadInput, match=r"a\.csv:3: not column 1 a decimal page number, column 2 present: "):
            imports.load(path, "csv", writes=["W"])
    with pytest.raises(BadInput, match="need a write column"):
        imports.load(path, "csv", write_column=0, writes=["W"])
    with pytest.raises(BadInput, match="columns are for csv"):
        imports.load(path, "perf", writes=["W"])


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 1 << 58), st.integers(0, 1)), min_size=1, max_size=40))
def test_csv_of_texts_equals_csv_of_flags(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("csv")
    (folder / "a.csv").write_text("".join(f"{p},{w}\n" for p, w in rows))
    (folder / "b.csv").write_text("".join(f"{p},{'rw'[w]}\n" for p, w in rows))
    texts = imports.load(folder / "b.csv", "csv", writes=["w"], unit="page")
    assert texts.digest == imports.load(folder / "a.csv", "csv", unit="page").digest


@pytest.mark.parametrize("form", imports.FORMATS)
def test_empty_and_compressed_files_are_refused(tmp_path: Path, form):
    path = tmp_path / "a"
    path.write_bytes(b"")
    with pytest.raises(BadInput, match=rf"a: empty, no trace of the format {form}; "):
        imports.load(path, form)
    path.write_bytes(b"\x28\xb5\x2f\xfd rest")
    with pytest.raises(BadInput, match=r"a: byte 0: compressed with zstd"):
        imports.load(path, form)


def record(obj: int, size: int = 1, after: int = -1) -> bytes:
    return struct.pack("<IQIq", 0, obj, size, after)


@settings(max_examples=30, deadline=None)
@given(objects=st.lists(st.integers(0, (1 << 64) - 1) | st.integers(0, 9), max_size=60))
def test_oracle_general_equals_its_twin(objects, tmp_path_factory):
    path = tmp_path_factory.mktemp("oracle") / "a.bin"
    path.write_bytes(b"".join(record(o, size=o % 3) for o in objects))
    kept = [o for o in objects if o % 3]
    if not kept:
        with pytest.raises(BadInput, match="no access to a swappable page" if objects else "empty"):
            imports.load(path, "oracleGeneral", unit="object")
        return
    first = {o: i for i, o in enumerate(dict.fromkeys(kept))}
    trace = imports.load(path, "oracleGeneral", unit="object")
    assert plain(trace) == [(first[o], False) for o in kept]
    assert trace.pages == len(first)


def test_malformed_oracle_general_names_the_byte(tmp_path: Path):
    path = tmp_path / "a.bin"
    path.write_bytes(record(1) + record(2)[:10])
    with pytest.raises(BadInput, match=r"byte 24: 10 bytes left"):
        imports.load(path, "oracleGeneral")
    path.write_bytes(record(1) + record(2, after=1))
    with pytest.raises(BadInput, match=r"byte 40: the next request does not lie behind record 1"):
        imports.load(path, "oracleGeneral")


def test_oracle_table_grows(tmp_path: Path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"".join(record(o * 77) for o in range(300)))
    monkeypatch.setattr(imports, "TABLE_BITS", 4)
    assert imports.load(path, "oracleGeneral").pages == 300


PERF = """\
# header
    true  3785/3786 [001]  2465.534437: exceptions:page_fault_user: address=0x7fc2f1b96b70 ip=0x7fc2f1b96b70 error_code=0x14
 3785  2465.534440: exceptions:page_fault_user: address=0x5000 ip=0x7fc2f1b977ad error_code=0x6
 3786  2465.534441: exceptions:page_fault_user: address=0x9000 ip=0x7fc2f1b977ad error_code=0x6
 3785  2465.534442: exceptions:page_fault_user: address=0x6000 ip=0x7fc2f1b977ad error_code=0x4
 3785  2465.534443: exceptions:page_fault_user: address=0x4000 ip=0x7fc2f1b977ad error_code=0x7
 a b/3785 [001]  2465.534437: exceptions:page_fault_user: address=0x5000 ip=0x7fc2f1b96b70 error_code=0x4
"""


def test_perf_faults(tmp_path: Path):
    path = tmp_path / "faults.txt"
    path.write_text(PERF.replace("a b/3785", "a b 3785/3785"))
    trace = imports.load(path, "perf")
    assert (trace.spaces, trace.space_shift, trace.pages) == (2, 1, 3)
    assert plain(trace) == [(1, True), (2, True), (0, True), (1, False)]
    path.write_text(" 3818  2466.903432: page-faults:     55cea453d1e0 ffffffff821e8fc0\n 7 1.0: page-faults: 1000\n")
    assert imports.load(path, "perf").meta["writes_known"] is False


def test_malformed_perf_names_the_line(tmp_path: Path):
    path = tmp_path / "faults.txt"
    path.write_text(PERF[: PERF.index("x14") + 2])
    with pytest.raises(BadInput, match=r"faults\.txt:2: the file ends within a line"):
        imports.load(path, "perf")
    path.write_text(PERF.split("a b", maxsplit=1)[0] + "true 1/1 [0] 2.0: 1 page-faults:  ffffffff821e8fc0 rep_stos+0x40 ([kernel])\n")
    with pytest.raises(BadInput, match=r"faults\.txt:7: not a page fault with its address"):
        imports.load(path, "perf")


def test_import_refuses(tmp_path: Path):
    with pytest.raises(BadInput, match="no such file"):
        imports.load(tmp_path / "none", "csv")
    (tmp_path / "a").write_text("1,0\n")
    with pytest.raises(BadInput, match="unknown trace format 'cvs'"):
        imports.load(tmp_path / "a", "cvs")
    with pytest.raises(BadInput, match="LRU filter is for lackey"):
        imports.load(tmp_path / "a", "csv", filter_pages=64)


@pytest.mark.parametrize(
    "given",
    [{"page_column": 2}, {"page_column": 1}, {"page_column": 2, "write_column": 5}, {"page_column": 2, "writes": ["W"], "write_column": 3}],
)
def test_cells_in_quotes_are_refused(tmp_path: Path, given):
    path = tmp_path / "a.csv"
    path.write_text('"name, of it",page,w\n3,4,1\n"1,5,x",7,1\n"1,6,x",8,1\n')
    with pytest.raises(BadInput, match=r"a\.csv:[13]: a cell in double quotes, within which a comma would shift the columns"):
        imports.load(path, "csv", **given)


def test_a_text_of_writes_that_no_line_has_is_said(tmp_path: Path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("1,W\n2,w\n3,R\n")
    imports.load(path, "csv", writes=["X"])
    assert "a.csv: no line has 'X' in column 2, so that all are reads; it has 'R', 'W', 'w'" in capsys.readouterr().err
    imports.load(path, "csv", writes=["W"])
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [("page-faults:u", "faults:u", False), ("page-faults:u", "page-faults", False), ("faults", "page-faults", False),
     ("page-faults:u", "page-faults:k", True), ("page-faults:u", "page-faults:u", True), ("minor-faults:u", "major-faults:u", True),
     ("minor-faults:u", "minor-faults", False), ("major-faults:uk", "major-faults:k", False)],
)  # fmt: skip
def test_one_event_under_two_spellings_counts_once(tmp_path: Path, first, second, fits):
    path = tmp_path / "a.txt"
    path.write_text(f"100 1.0: {first}:  7f0000001000\n100 1.1: {second}:  7f0000002000\n")
    if fits:
        assert len(imports.load(path, "perf").accesses) == 2
    else:
        with pytest.raises(BadInput, match=r"a\.txt:2: .* tell of the same faults, which would count twice"):
            imports.load(path, "perf")


def test_texts_of_writes_are_stripped_as_cells_are(tmp_path: Path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("5,W\n6,w\n7, w\n8,R\n")
    assert [write for _, write in plain(imports.load(path, "csv", writes=["W", " w"]))] == [True, True, True, False]
    assert not capsys.readouterr().err
    imports.load(path, "csv", writes=["W", "write"])
    assert capsys.readouterr().err == f"dse: {path}: no line has 'write' in column 2\n"
    for odd in (" ", "a,b", '"W"'):
        with pytest.raises(BadInput, match="can be in no cell"):
            imports.load(path, "csv", writes=[odd])


def test_perf_addresses_have_57_bits(tmp_path: Path, capsys):
    path = tmp_path / "faults.txt"
    line = "{} 1.0: exceptions:page_fault_user: address=0x{:x} ip=0x1 error_code=0x{:x}\n".format
    path.write_text(line(1, 0xFF000000001000, 6) + line(2, 0x1000, 6) + line(2, 0xFF000000001000, 6) + line(2, 0x2000, 0x14))
    trace = imports.load(path, "perf")
    assert (trace.spaces, trace.pages, len(trace.accesses)) == (2, 3, 3)
    assert capsys.readouterr().err == f"dse: {path}: left out are 1 instruction fetches\n"
    path.write_text("1 1.0: page-faults: ff000000001000\n2 1.1: page-faults: 1000\n1 1.2: page-faults: ffffffff00001000\n")
    trace = imports.load(path, "perf")
    assert (trace.spaces, trace.pages, len(trace.accesses)) == (2, 2, 2)
    assert "left out are 1 addresses above 57 bits, which are no user pages" in capsys.readouterr().err
