"""The trace file, the shipped traces, the recorders and ``dse trace``."""

from __future__ import annotations

import io
import json
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from dse import workloads
from dse.errors import BadInput
from dse.workloads import interleave, record, trace
from dse.workloads.record import read_plugin
from kernels import demand

ROOT = Path(__file__).resolve().parent.parent


def example() -> trace.Trace:
    accesses = np.array([1, 0, 2 | 1 << 31, 1], np.uint32)
    events = np.array([demand.pack(demand.UNMAP, 1, count=2)], np.uint64)
    return trace.build(accesses, {"recorder": "test"}, pages=3, events=events, positions=np.array([4], np.int64))


def test_round_trip(tmp_path: Path):
    first = example()
    path = trace.save(first, tmp_path / "a")
    assert path.name == "a.npz"
    again = trace.load(path)
    assert again.meta == first.meta
    assert again.digest == first.digest == trace.digest_of(again)
    assert np.array_equal(again.accesses, first.accesses)
    assert np.array_equal(again.events, first.events)
    assert (again.pages, again.writes, again.space_shift) == (3, 1, 2)
    assert path.read_bytes() == trace.save(again, tmp_path / "b").read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("block", [2, 1 << 20])
def test_a_stream_that_ends_with_the_program_ends_before_its_exit(tmp_path: Path, block: int) -> None:
    """The program has four accesses, unmaps two pages and exits; what is out then is looked at at the end of the stream."""
    path = trace.save(example(), tmp_path / "a")
    ends = {}
    for accesses in (3, 4, 5, 8, 9):
        load = interleave.make({"trace": str(path), "accesses": accesses}, 1)
        parts = list(load.blocks(block=block))
        assert sum(len(part[0]) for part in parts) == accesses
        ends[accesses] = sum(len(part[1]) for part in parts)
    one = ends[5]  # the program's own unmap, and the exit of its space
    assert ends == {3: 0, 4: 0, 5: one, 8: one, 9: 2 * one}
    assert one == 2
    whole, cut = (interleave.make({"trace": str(path)} | more, 1) for more in ({}, {"accesses": 3}))
    assert whole.accesses == 4
    assert (whole.ends, cut.ends) == ("before an exit", "")


def test_every_truncation_is_refused(tmp_path: Path):
    data = trace.save(example(), tmp_path / "a").read_bytes()
    cut = tmp_path / "cut.npz"
    for end in range(0, len(data), 7):
        cut.write_bytes(data[:end])
        with pytest.raises(BadInput, match=r"cut\.npz: ") as caught:
            trace.load(cut)
        assert "\n" not in str(caught.value)


def test_damage_is_refused(tmp_path: Path):
    path = trace.save(example(), tmp_path / "a")
    data = bytearray(path.read_bytes())
    refused = 0
    for at in range(0, len(data), 11):
        broken = data.copy()
        broken[at] ^= 0x20
        path.write_bytes(broken)
        try:
            assert trace.load(path).digest == example().digest
        except BadInput:
            refused += 1
    assert refused > 10


def test_foreign_files_are_refused(tmp_path: Path):
    path = tmp_path / "x.npz"
    np.savez(path, a=np.zeros(3))
    with pytest.raises(BadInput, match="not a swapdse trace, or damaged: "):
        trace.load(path)
    path.write_text("hello")
    with pytest.raises(BadInput, match=r"x\.npz: not a swapdse trace, or damaged: no NumPy archive$"):
        trace.load(path)
    path.write_bytes(example().accesses.tobytes())
    with pytest.raises(BadInput, match=r"x\.npz"):
        trace.load(path)
    for change in ({"version": 2}, {"space_shift": 1}, {"spaces": 0}, {"digest": "00"}):
        good = example()
        bad = trace.Trace(good.accesses, 2, 1, good.events, good.positions, good.meta | change)
        with pytest.raises(BadInput, match="not a swapdse trace"):
            trace.load(trace.save(bad, path))
    good, rows = example(), [(demand.pack(demand.COW, 1)), demand.pack(demand.UNMAP, 3, count=2), demand.pack(demand.FORK, 0, payload=1)]
    for row in rows:
        bad = trace.build(good.accesses, {}, pages=3, events=np.array([row], np.uint64), positions=good.positions)
        with pytest.raises(BadInput, match="mapping events that are no fork or unmap"):
            trace.load(trace.save(bad, path))
    with pytest.raises(BadInput, match="pages: 3 in the data, the header says 4"):
        trace.load(trace.save(trace.build(good.accesses, {}, pages=4), path))
    with pytest.raises(BadInput, match="no such trace file, nor a shipped trace"):
        trace.load("nothing")
    with pytest.raises(BadInput, match="cannot be written"):
        trace.save(example(), tmp_path / "no" / "folder")


def test_shipped_traces():
    assert len(workloads.shipped()) >= 3
    files = [trace.find(name) for name in workloads.shipped()]
    assert sum(f.stat().st_size for f in files) <= 5_000_000
    for name in workloads.shipped():
        got = workloads.load(name)
        assert got.meta["filter_pages"] == 0
        assert got.meta["collapse"] == "page runs"
        assert got.meta["mappings"] == "recorded"
        assert got.meta["command"] in got.meta["made"]
        assert got.pages >= 1000
        assert int((got.accesses & trace.PAGE).max()) + 1 == got.pages
        assert np.count_nonzero(np.diff(got.accesses & trace.PAGE) == 0) <= len(got.events)
        first = np.unique(got.accesses & trace.PAGE, return_index=True)[1]
        assert (got.accesses[first] & trace.WRITE).all()  # swappable from its first write on


def words(*items: int) -> bytes:
    return struct.pack(f"<{len(items)}Q", *items)


class Slow(io.BytesIO):
    """Pipe that gives a few bytes at a time."""

    def readinto(self, buffer) -> int:
        return super().readinto(memoryview(buffer)[:13])


@pytest.mark.parametrize("stream", [io.BytesIO, Slow])
def test_plugin_words(stream):
    more = 15 << 60
    data = words(
        1 << 60 | 16, more | 4, 16 << 1 | 1, 17 << 1 | 1, 6 << 60 | 16, more | 1, more | 64, more | 2, 64 << 1,
        7 << 60 | 99, 8 << 60 | 99, 5 << 60 | 7, 3 << 60 | 17, more | 1,
    )  # fmt: skip
    got = read_plugin(stream(data), 0, {"recorder": "qemu"})
    assert got.accesses.tolist() == [0 | 1 << 31, 1 | 1 << 31, 0]
    kinds = [demand.KINDS[r["kind"]] for r in demand.records(got.events)]
    assert kinds == ["fork", "unmap", "unmap"]
    with pytest.raises(BadInput, match="unknown word"):
        read_plugin(io.BytesIO(words(12 << 60)), 0, {})


def test_recorders_say_what_is_missing(monkeypatch):
    real = shutil.which
    monkeypatch.setattr(record.shutil, "which", lambda name: real(name) if name == sys.executable else None)
    monkeypatch.setattr(record.platform, "machine", lambda: "x86_64")
    for name, tool in (("lackey", "valgrind"), ("qemu", "qemu-x86_64"), ("fault", "perf")):
        with pytest.raises(BadInput, match=f"recorder not available: {tool} is not installed"):
            record.record([sys.executable], name)
    with pytest.raises(BadInput, match="no such program"):
        record.record(["no-such-program"])
    with pytest.raises(BadInput, match="no command"):
        record.record([])
    with pytest.raises(BadInput, match="unknown recorder"):
        record.record(["true"], "tape")


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_lackey_records():
    got = record.record(["true"], "lackey")
    assert got.meta["mappings"] == "recorded"
    assert got.meta["exit_status"] == 0
    assert got.pages > 10
    assert len(record.record(["true"], "lackey", filter_pages=8).accesses) < len(got.accesses)


@pytest.mark.skipif(not shutil.which("qemu-x86_64") or not shutil.which("gcc"), reason="qemu-user or gcc is not installed")
def test_qemu_records():
    got = record.record(["true"], "qemu")
    assert got.meta["mappings"] == "recorded"
    assert got.pages > 10


@pytest.fixture
def dse(capsys, monkeypatch):
    """Run ``dse``; return exit status, stdout, stderr."""
    from dse.cli import main

    def call(*argv: str) -> tuple[int, str, str]:
        status = main(list(argv))
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_hint_and_time_of_a_recording(dse, monkeypatch, tmp_path: Path):
    from dse.commands import trace as command

    monkeypatch.setattr(record, "record", lambda *_, progress, **__: progress(5_000_000, 7) or example())
    monkeypatch.setattr(record, "faster", lambda recorder: "qemu" if recorder == "lackey" else "")
    said = "lackey takes 1,600 to 3,000 times as long as the program alone; --recorder qemu: 15 to 25 times"
    assert said in dse("trace", "record", "-o", str(tmp_path / "a.npz"), "--", "true")[2]
    status, _, err = dse("trace", "record", "--recorder", "qemu", "--eta", "-o", str(tmp_path / "a.npz"), "--", "true")
    assert status == 0
    assert "the program alone took 0.0" in err
    assert "--recorder" not in err
    status, _, err = dse("trace", "record", "--eta", "-o", str(tmp_path / "a.npz"), "--", "no-such-program")
    assert status == 2
    assert "no-such-program: no such program" in err.splitlines()[-1]
    line = []
    progress = type("Progress", (), {"done": 0, "step": lambda self, count, detail: line.append((count, detail))})()
    now = command.time.monotonic()
    monkeypatch.setattr(command.time, "monotonic", lambda: now)
    command._showing(progress, (now + 90, now + 300))(2_000_000, 9)
    assert line == [(9, "2 MB read, 2 to 5 min left")]


def test_command_info(dse):
    status, out, _ = dse("trace", "info", "sort", "--format", "json")
    row = json.loads(out)
    assert status == 0
    assert row["command"].startswith("sort ")
    assert {"events", "pages", "writes", "spaces", "filter_pages", "recorder", "mappings", "made", "digest"} <= set(row)
    status, out, _ = dse("trace", "info")
    assert status == 0
    assert all(name in out for name in workloads.shipped())
    status, out, _ = dse("trace", "info", "sort")
    assert status == 0
    assert "filter_pages" in out


def test_a_command_of_several_lines_is_printed_on_one(dse, tmp_path: Path):
    made = example()
    made.meta["command"] = "perl -e 'a" + chr(10) + chr(27) + "b'"
    path = trace.save(made, tmp_path / "a")
    for form in ("table", "csv"):
        status, out, _ = dse("trace", "info", str(path), "--format", form)
        assert status == 0
        assert chr(27) not in out or form == "csv"
    assert r"perl -e 'a\n\x1bb'" in dse("trace", "info", str(path))[1]
    assert json.loads(dse("trace", "info", str(path), "--format", "json")[1])["command"] == made.meta["command"]


def test_scripts_run_under_their_interpreter(tmp_path: Path):
    script = tmp_path / "a"
    script.write_bytes(b"#!/usr/bin/env -S python3 -S\nprint()\n")
    assert record.interpreted(str(script)) == ["/usr/bin/env", "-S python3 -S"]
    script.write_bytes(b"\x7fELF")
    assert record.interpreted(str(script)) == []


def test_an_unwritable_target_is_refused_before_recording(dse, tmp_path: Path):
    for target in (tmp_path / "no" / "a.npz", tmp_path / "b.npz"):
        (tmp_path / "b.npz").mkdir(exist_ok=True)
        status, out, err = dse("trace", "record", "-o", str(target), "--", "true")
        assert (status, out) == (2, "")
        assert "cannot be written" in err
        assert len(err.splitlines()) == 1


def test_command_import(dse, tmp_path: Path):
    source = tmp_path / "a.csv"
    source.write_text("page,write\n5,1\n7,0\n")
    target = tmp_path / "b.npz"
    status, out, err = dse("trace", "import", str(source), "--format", "csv", "-o", str(target))
    assert status == 0
    assert "pages" in out
    assert "wrote" in err
    assert trace.load(target).pages == 2
    source.write_text("page,write\n5;1\n")
    status, out, err = dse("trace", "import", str(source), "--format", "csv", "-o", str(target))
    assert (status, out) == (2, "")
    assert "a.csv:2: not PAGE,WRITE" in err
    assert len(err.splitlines()) == 1
    assert trace.load(target).pages == 2
    status, _, err = dse("trace", "record", "--", "no-such-program")
    assert status == 2
    assert len(err.splitlines()) == 1


def test_the_page_about_shipped_traces_is_the_generated_one():
    from dse.workloads import recipes

    assert set(recipes.RECIPES) == set(workloads.shipped())
    for name in workloads.shipped():
        assert workloads.load(name).meta["what"] == recipes.RECIPES[name].what
    assert (ROOT / "docs" / "traces.md").read_text(encoding="utf-8") == recipes.reference()


def test_formats_are_documented():
    from dse.commands.trace import FORMATS, RECORDERS
    from dse.workloads import imports

    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert tuple(imports.FORMATS) == FORMATS
    assert tuple(record.RECORDERS) == RECORDERS
    fields = {key for name in workloads.shipped() for key in workloads.load(name).meta}
    assert [name for name in (*fields, *FORMATS, *RECORDERS, *trace.ARRAYS) if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    "change",
    [{"events": 7}, {"writes": 9}, {"mapping_events": 1}, {"forks": -3}, {"filter_pages": 1 << 62}, {"events": -1}, {"pages": None}],
)
def test_a_header_that_lies_is_refused(tmp_path, change):
    made = trace.build(np.array([0, 1, 0], np.uint32), {"recorder": "x"}, pages=2)
    path = trace.save(made, tmp_path / "a")
    assert trace.load(path).digest == made.digest
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = {key: value for key, value in {**json.loads(arrays["header"].tobytes()), **change}.items() if value is not None}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez_compressed(path, **arrays)
    with pytest.raises(BadInput, match="not a swapdse trace, or damaged"):
        trace.load(path)


def test_secrets_of_a_header_are_not_shown(tmp_path):
    made = trace.build(np.array([0, 1, 0], np.uint32), {"recorder": "x"}, pages=2)
    made.meta["command"] = "curl postgresql://me:s3cretpw@h/db"
    path = trace.save(made, tmp_path / "a")
    assert "s3cretpw" not in str(trace.info(trace.load(path)))
