"""Heads of traces of others: what a column's name says is held against what it is taken for."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest

from dse.errors import BadInput
from dse.workloads import columns, imports
from tests.tracedata import plain


def of(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("name", ["lba", "sector", "offset", "addr", "vaddr", "address", "byte_offset"])
def test_columns_of_addresses_need_a_unit_in_the_plain_form_too(tmp_path: Path, name: str) -> None:
    path = of(tmp_path, f"{name},write\n8,1\n16,0\n17,0\n")
    with pytest.raises(BadInput, match=rf"a\.csv:1: column 1 is called '{name}': say what it counts, --unit sector"):
        imports.load(path, "csv")
    unit = "byte" if name == "byte_offset" else "sector"
    assert plain(imports.load(path, "csv", unit=unit, size_column=0))


OFFSETS: dict[str, Any] = {"page_column": 2, "unit": "byte", "size_column": 3}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("write,page\n1,7\n0,8\n", {}, "column 1 is called 'write', a write flag, and was taken for the page: say which columns are meant"),
    ("write,page\n1,7\n0,8\n", {}, "such as --page-column 2 --write-column 1"),
    ("page,time\n1,1\n", {}, "column 2 is called 'time', a time, and was taken for the write flag"),
    ("ts,pfn,w\n1,7,0\n", {"page_column": 1}, "column 1 is called 'ts', a time, and was taken for the page"),
    ("pfn,ts\n1,7\n", {"page_column": 1, "size_column": 2, "unit": "page"}, "column 2 is called 'ts', a time, and was taken for the size"),
    ("ts,offset_kb,len\n1,4,4096\n", OFFSETS, "is called 'offset_kb', and --unit 1 was given: --unit 1024"),
    ("ts,offset,len_kb\n1,4,4\n", OFFSETS, "is called 'len_kb', and --size-unit 1 was given"),
    ("sector,x\n1,4\n", {"page_column": 1, "unit": "byte", "size_column": 0}, "is called 'sector', and --unit 1 was given: --unit 512"),
    ("139637976727552,1\n139637976727560,0\n", {}, "139,637,976,727,560 is no page of 4 KiB"),
]


@pytest.mark.parametrize(("text", "more", "says"), REFUSED)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, text: str, more: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=re.escape(says)):
        imports.load(of(tmp_path, text), "csv", **more)


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        ("ts,pfn,size\n1,7,8192\n", {"page_column": 2}, "column 3 is called 'size' and is not read: --size-column 3"),
        ("ts,offset,len\n1,0,4096\n2,4096,8192\n", {"page_column": 2, "unit": "byte", "size_column": 3, "size_unit": 512},
         "every size is a multiple of 512 before it is multiplied by --size-unit 512: are they bytes?"),
        ("".join(f"{page * 4096},0\n" for page in range(20)), {}, "every number is a multiple of 4,096: are they bytes or sectors?"),
    ],
)  # fmt: skip
def test_what_is_implausible_is_told(tmp_path: Path, capsys: Any, text: str, more: dict[str, Any], says: str) -> None:
    imports.load(of(tmp_path, text), "csv", **more)
    assert says in capsys.readouterr().err


def test_what_is_plausible_is_silent(tmp_path: Path, capsys: Any) -> None:
    for text, more in (
        ("page,write\n1,0\n2,1\n", {}),
        ("ts,pfn,rw\n1,7,0\n2,8,1\n", {"page_column": 2, "write_column": 3}),
        ("ts,pfn,size\n1,7,8192\n", {"page_column": 2, "unit": "page", "size_column": 3}),
        ("ts,pfn,size\n1,7,8192\n", {"page_column": 2, "size_column": 0}),
        ("ts,offset,len\n1,0,8\n2,4096,3\n", {"page_column": 2, "unit": "byte", "size_column": 3, "size_unit": 512}),
        ("time,object,size\n1,7,8192\n", {"page_column": 2, "unit": "object"}),
        ("lbn\n70\n71\n", {"page_column": 1, "unit": "page"}),
        ("sector\n70\n71\n", {"page_column": 1, "unit": "page"}),
        ("".join(f"{page},0\n" for page in range(20)), {}),
    ):
        imports.load(of(tmp_path, text), "csv", **more)
    assert not capsys.readouterr().err


def test_records_with_their_bytes_the_other_way_round_are_refused(tmp_path: Path) -> None:
    rows = [(time, time % 5 << 12, 44, time + 5 if time < 15 else -1) for time in range(20)]
    path = of(tmp_path, b"".join(struct.pack("<IQIq", *row) for row in rows))
    assert len(imports.load(path, "oracleGeneral", unit="object").accesses) == 20
    for some in (rows, [(*row[:3], -1) for row in rows]):
        of(tmp_path, b"".join(struct.pack(">IQIq", *row) for row in some))
        with pytest.raises(BadInput, match=r"the bytes are the other way round \(big-endian\)"):
            imports.load(path, "oracleGeneral", unit="object")
    of(tmp_path, b"".join(struct.pack("<IQIq", time, time, 100 << 20, -1) for time in range(9)))
    assert len(imports.load(path, "oracleGeneral", unit="object").accesses) == 9


def test_words_of_names() -> None:
    assert columns.kind("DiskOffset") == "address"
    assert columns.kind("hostname") == ""
    assert columns.kind("object id") == ""
