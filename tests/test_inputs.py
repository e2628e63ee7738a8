"""Files of other tools that mean something else than they seem to, and refusals that name the reason."""

from __future__ import annotations

import gzip
import lzma
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.common import reading
from dse.errors import BadInput
from dse.workloads import imports, numbering
from tests.tracedata import plain

pytestmark = pytest.mark.interpreted


def refused(path: Path, form: str, says: str, content: str | bytes, **more) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BadInput) as found:
        imports.load(path, form, **more)
    assert says in str(found.value)
    assert "\n" not in str(found.value)


# lackey

STORE = " S 04210000,8\n"


def test_a_lackey_text_of_two_address_spaces_is_refused(tmp_path: Path):
    path = tmp_path / "a"
    other = "lines of process 8 besides those of 7; a lackey text is of one process"
    for first, second in (("==7== Command: ./app", "==8== Command: ./child"), ("--7-- x", "==8== y"), ("SYSCALL[7,1](", "SYSCALL[8,1](")):
        refused(path, "lackey", f":3: {other}", f"{first}\n{STORE}{second}\n{STORE}")
    refused(path, "lackey", ":3: a second program, './b' behind './a'", f"==7== Command: ./a\n{STORE}==7== Command: ./b\n{STORE}")
    path.write_text(f"==7== Lackey\n==7== Command: ./a\n{STORE}--7-- said\n==7== Exit code: 0\n")
    assert plain(imports.load(path, "lackey")) == [(0, True)]


# perf script

TRACED = "exceptions:page_fault_user: address=0x{0}000 ip=0x55 error_code=0x6"


@pytest.mark.parametrize(
    "line",
    [f"worker 7 55595.641375: {TRACED.format(3)}", "worker 7 1.5: page-faults: 3000", f" a 12345 [001] 1.5: {TRACED.format(3)}"],
)
def test_a_number_in_a_name_is_no_process(tmp_path: Path, line: str):
    refused(tmp_path / "a", "perf", "a:1: no process column: ", line + "\n")


def test_minor_and_major_faults_are_taken(tmp_path: Path):
    path = tmp_path / "a"
    path.write_text(
        "demo 42/43 123.000001: minor-faults: 1234000\n demo 42/43 123.1: major-faults:u: 1235000\n 42 124.0: minor-faults: 1234000\n"
    )
    trace = imports.load(path, "perf")
    assert plain(trace) == [(0, True), (1, True), (0, True)]
    assert (trace.spaces, trace.meta["writes_known"]) == (1, False)


@pytest.mark.parametrize("second", ["page-faults:u:  3000", "minor-faults: 3000"])
def test_two_kinds_of_events_are_refused(tmp_path: Path, second: str):
    lines = f" 7 1.0: {TRACED.format(3)}\n 7 1.1: {second}\n"
    refused(tmp_path / "a", "perf", "both tell of the same faults, which would count twice", lines)
    refused(
        tmp_path / "a",
        "perf",
        "a:2: minor-faults, major-faults besides page-faults",
        " 7 1.0: page-faults: 3000\n 7 1.1: major-faults: 3000\n",
    )


def test_faults_of_the_kernel_on_user_pages_are_taken(tmp_path: Path):
    path = tmp_path / "a"
    path.write_text(f" 7 1.0: {TRACED.format(3)}\n 7 1.1: {TRACED.format(4).replace('user:', 'kernel:')}\n")
    assert plain(imports.load(path, "perf")) == [(0, True), (1, True)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("exceptions:page_fault_user: user page fault, address=0x3000 epc=0x55 cause=0xd", "not a page fault with its address"),
        ("exceptions:page_fault_user: address=0x3000", "not a page fault with its address"),
        ("mm:handle_fault: 3000", "event mm:handle_fault is not taken: taken are exceptions:page_fault_user"),
        ("cycles: 3000", "event cycles is not taken"),
        ("page-faults:  ffffffff821e8fc0 rep_stos+0x40", "page-faults, minor-faults and major-faults (-F pid,time,event,addr)"),
        ("page-faults:      55cea453d1e0", "this is the address of an instruction (-F ip)"),
    ],
)
def test_events_that_are_not_taken_are_named(tmp_path: Path, line: str, says: str):
    refused(tmp_path / "a", "perf", says, f" 7 1.0: {line}\n")


@pytest.mark.parametrize("line", ["1 7f1234567000", "7f1234567000", "0x7f1234567000 main+0x4 (/bin/a)", "       1 7f1234567000"])
def test_a_text_without_events_is_told_which_column_is_missing(tmp_path: Path, line: str):
    for before in (" 7 1.0: ", "worker 7/8 [001] 55595.641375: "):
        refused(tmp_path / "a", "perf", "a:1: no event column, ", f"{before}{line}\n")
        refused(tmp_path / "a", "perf", "perf script -F pid,time,event,trace", f"{before}{line}\n")
    refused(tmp_path / "a", "perf", "perf script -F pid,time,event,trace", "what is this\n")


def test_addresses_of_faults_stand_where_perf_prints_them(tmp_path: Path):
    path = tmp_path / "a"
    path.write_text(" 7 1.0: page-faults:     55cea453d1e0\n 7 1.0: page-faults:     55cea453d1e0  55cea4000000\n")
    assert plain(imports.load(path, "perf")) == [(0, True), (0, True)]


# units and sizes

SECTORS = "v,t,op,size,lbn\n1,0,28,512,8\n1,1,28,512,9\n1,2,2a,65536,16\n"


def test_sectors_and_sizes_are_pages(tmp_path: Path):
    path = tmp_path / "a"
    refused(path, "csv", "a:1: column 5 is called 'lbn': say what it counts, --unit sector (512 B), byte or page", SECTORS, page_column=5)
    refused(path, "csv", "say which column holds the bytes of a request", SECTORS, page_column=5, unit="sector")
    refused(path, "csv", "a size column needs a --unit", SECTORS, page_column=5, size_column=4)
    refused(path, "csv", "the size and another figure cannot both be in column 5", SECTORS, page_column=5, unit="512", size_column=5)
    trace = imports.load(path, "csv", page_column=5, unit="sector", size_column=4, write_column=3, writes=["2a"])
    assert plain(trace) == [(0, False), (0, False), *((n, True) for n in range(1, 17))]
    assert trace.meta["unit"] == "sector"
    assert plain(imports.load(path, "csv", page_column=5, unit="sector", size_column=0)) == [(0, False), (0, False), (1, False)]
    path.write_text("4096,1,2\n4097,0,0\n8191,0,1\n")
    assert plain(imports.load(path, "csv", page_column=1, write_column=2, unit="byte", size_column=3)) == [(0, True), (0, False)]
    assert plain(imports.load(path, "csv", page_column=1, unit="byte", size_column=3, size_unit=4096)) == [(n, False) for n in (0, 1, 0, 1)]
    for unit in ("cow", "0", "3", "-1", "4097", "99999999999"):
        refused(path, "csv", "unit", "1,0\n", page_column=1, unit=unit)
    refused(path, "csv", f"column 2 a size up to {1 << 26:,} B", f"1,{(1 << 26) + 1}\n", page_column=1, unit="byte", size_column=2)
    refused(path, "lackey", "a unit is for csv and oracleGeneral", STORE, unit="page")


@settings(max_examples=50, deadline=None)
@given(
    requests=st.lists(st.tuples(st.integers(0, 1 << 54), st.integers(0, 20000), st.booleans()), min_size=1, max_size=30),
    size=st.sampled_from([1, 512, 4096, 16384]),
    most=st.sampled_from([1, 3, 1 << 22]),
)
def test_requests_equal_their_twin(requests, size, most):
    expected = [
        (page << 1 | write)
        for number, length, write in requests
        if length
        for page in range(number * size // 4096, (number * size + length - 1) // 4096 + 1)
    ]
    first, counts = numbering.touched(np.array([r[0] for r in requests], np.uint64), np.array([r[1] for r in requests], np.uint64), size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbering, "AT_A_TIME", most)
        got = [int(key) for block in numbering.spread(first, counts, np.array([r[2] for r in requests], np.uint64)) for key in block]
    assert got == expected


def records(*rows: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<IQIq", 0, obj, size, -1) for obj, size in rows)


def test_objects_say_what_one_is(tmp_path: Path):
    path = tmp_path / "a"
    refused(path, "oracleGeneral", "requests of 512 to 65,536 B: say what an object is", records((8, 512), (9, 65536)))
    refused(path, "oracleGeneral", "requests of 512 to 512 B: say what an object is", records((8, 512)))
    assert plain(imports.load(path, "oracleGeneral", unit="object")) == [(0, False)]
    path.write_bytes(records((8, 512), (9, 512), (16, 65536), (8, 0)))
    assert plain(imports.load(path, "oracleGeneral", unit="sector")) == [(0, False), (0, False), *((n, False) for n in range(1, 17))]
    for size in (1, 4096):
        path.write_bytes(records((70, size), (9, size)))
        assert plain(imports.load(path, "oracleGeneral")) == [(0, False), (1, False)]
    refused(path, "oracleGeneral", "a request of 4,294,967,295 B", records((1, (1 << 32) - 1)), unit="byte")
    refused(path, "oracleGeneral", "is no address in units of page", records(((1 << 64) - 1, 4096)), unit="page")
    refused(path, "oracleGeneral", "above 4,611,686,018,427,387,903, the most of a unit", records(((1 << 64) - 1, 4096)), unit="8192")


# how a file is written


def test_how_a_csv_file_may_be_written(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbf# time (ms), op [Put:0, Get:1], object id, size\n0,1,7,8371\n103,1,8,31\n")
    assert plain(imports.load(path, "csv", page_column=3)) == [(0, False), (1, False)]
    for content in (b"\xef\xbb\xbf5,1\n7,0\n", b"5, 1\r\n 7,0\r\n", b"a, b\n5,1\n7,0\n"):
        path.write_bytes(content)
        assert plain(imports.load(path, "csv")) == [(0, True), (1, False)]
        path.write_bytes(content.replace(b"1\n", b"w\n").replace(b"1\r", b"w\r").replace(b"0", b"r"))
        assert plain(imports.load(path, "csv", writes=["w"])) == [(0, True), (1, False)]
    refused(
        path, "csv", "a:3: the file ends within a line (no line end at the end; add one if the file is whole)", "42\n43\n42", page_column=1
    )
    refused(path, "csv", "a:2: the file ends within a line", "42,w\n43,r", writes=["w"])
    refused(path, "csv", "UTF-16", "5,1\n".encode("utf-16"))
    largest = (1 << 63) // 10 * 10 - 1
    refused(path, "csv", f"a:1: {1 << 63} is above {largest:,}, the largest number that is read", f"{1 << 63},1\n")
    refused(path, "csv", f"a:1: {10**19 * 9} is above", f"{10**19 * 9},1\n")
    path.write_text(f"{largest},1\n{largest - 1},0\n")
    assert plain(imports.load(path, "csv", unit="page")) == [(1, True), (0, False)]
    refused(path, "csv", f"a:1: {10**18} is above {10**18 - 1:,}", f"{10**18},w\n", writes=["w"])
    refused(path, "csv", "column 5,000 is above 4,096", "1,0\n", page_column=5000)
    refused(path, "lackey", "the LRU filter has 0 to", STORE, filter_pages=1 << 64)


@pytest.mark.parametrize("form", imports.FORMATS)
def test_compressed_files_and_things_that_are_no_files_are_named(tmp_path: Path, form: str):
    path = tmp_path / "a"
    packed = {
        "gzip": gzip.compress(b"1,0\n"),
        "xz": lzma.compress(b"1,0\n"),
        "zstd": b"\x28\xb5\x2f\xfd...",
        "zip": b"PK\x03\x04....",
        "bzip2": b"BZh91AY&SY",
    }
    for name, content in packed.items():
        refused(path, form, f"a: byte 0: compressed with {name}; decompress it first", content)
    with pytest.raises(BadInput, match="is a folder, not a file"):
        imports.load(tmp_path, form)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="pipe: is a pipe, not a file"):
        imports.load(tmp_path / "pipe", form)
    with pytest.raises(BadInput, match="/dev/null: is a device, not a file"):
        imports.load("/dev/null", form)
    with pytest.raises(BadInput, match="no such file"):
        imports.load("a\0b", form)


# TOML

KEYS = st.text("ab", min_size=1, max_size=2)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        KEYS,
        st.dictionaries(KEYS, st.sampled_from(["1", "'[x'", '"""a\n[b]\n"""', "[\n1,\n# ] \n2]", "{ a = 1 }", "'''\n\"'''"]), max_size=3),
        max_size=4,
    ),
    st.lists(st.sampled_from(["", "# [c]", "\t"]), min_size=8, max_size=8),
)
def test_the_line_of_a_key_is_that_of_its_statement(tables, between):
    lines, expected = [], {}
    for n, (table, keys) in enumerate(tables.items()):
        lines.append(between[n])
        expected[table,] = sum(text.count("\n") + 1 for text in lines) + 1
        lines.append(f"[{table}]")
        for m, (key, value) in enumerate(keys.items()):
            lines.append(between[4 + m])
            expected[table, key] = sum(text.count("\n") + 1 for text in lines) + 1
            lines.append(f"{key} = {value}")
    found = reading.lines("\n".join(lines) + "\n")
    assert {path: line for path, line in found.items() if path in expected} == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"a = {'1' * 4301}", "a whole number of thousands of digits"),
        (f"a = 0x{'f' * 5000}", "a whole number has more than 64 bits"),
        (f"a = {2**63}", "a whole number has more than 64 bits"),
        (f"a = {'[' * 3000}{']' * 3000}", "nested too deeply"),
        (f"a = {'[' * 40}{']' * 40}", "more than 32 lists and tables within one another"),
        ("a = [\n1,,2]", "x.toml:2: "),
        ("#" * (1 << 20) + "\n", "longer than 1 MiB"),
    ],
)
def test_what_no_toml_text_of_ours_holds_is_refused_in_a_line(tmp_path: Path, text: str, says: str):
    from dse import scenario
    from dse.asking import declaring
    from dse.sweeps import space

    (tmp_path / "x.toml").write_text(text)
    for load in (scenario.load, space.load, declaring.load):
        with pytest.raises(BadInput) as found:
            load(str(tmp_path / "x.toml"))
        assert says in str(found.value)
        assert len(str(found.value)) < 300
    if "\n" not in text:
        with pytest.raises(BadInput, match=r"^moves\.rate: "):
            scenario.override(f"moves.rate={text.partition(' = ')[2]}")
