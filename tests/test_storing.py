"""The store: complete runs or none, foreign files named and skipped, hashes that see counters only."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys

import polars as pl
import pytest

from dse import cli, storing
from dse.common import digests
from dse.errors import BadInput
from dse.storing import leftovers, studies, writer


def rows(lines: int = 12, ns: float = 80.0) -> list[dict[str, object]]:
    return [
        storing.figure("direct", "swap_in", "lines", "counted", "lines", lines, stat="total", n=4),
        storing.figure("swap_id", "swap_in", "lines", "counted", "lines", 2.5, stat="mean"),
        storing.figure("direct", "swap_in", "ns", "measured", "ns", ns, stat="p50", lo=70.0, hi=90.0, timing="fenced"),
        storing.figure("swap_id", "move", "ns", "measured", "ns", None, status="inconclusive"),
    ]


def test_round_trip(tmp_path) -> None:
    ledger = [{"design": "direct", "structure": "swap_map", "static_bytes": 8, "in_total": True}]
    provenance = {"seed": 2**63 - 1, "packages": {"numba": "1"}, "aa_lo": 0.99, "phase": [1]}
    name = storing.write_run(tmp_path, rows(), ledger, provenance)
    run = storing.load_run(tmp_path, "last")
    assert run.name == name
    assert run.ops == [row | {"run": name} for row in rows()]
    assert run.ledger[0]["static_bytes"] == 8
    assert run.provenance["seed"] == 2**63 - 1
    assert json.loads(run.provenance["packages"]) == {"numba": "1"}
    assert json.loads(run.provenance["extra"]) == {"phase": [1]}
    assert run.provenance["counters_hash"] == storing.counters_hash(rows()) == storing.counters_hash(run.ops)
    assert sorted(p.name for p in (tmp_path / "runs" / name).iterdir()) == [
        "SHA256SUMS",
        "ledger.parquet",
        "ops.parquet",
        "provenance.parquet",
    ]


def test_columns_as_the_contract_says(tmp_path) -> None:
    storing.write_run(tmp_path, rows())
    schema = storing.scan(tmp_path)["ops"].collect_schema()
    expected = ["run", "design", "op", "metric", "stat", "state", "age", "timing", "kind", "unit"]
    expected += ["value", "count", "n", "lo", "hi", "baseline", "status"]
    assert schema.names() == expected
    assert schema["value"] == pl.Float64
    assert schema["count"] == pl.UInt64


def test_figures() -> None:
    assert storing.figure("d", "o", "m", "counted", "u", 3)["count"] == 3
    assert storing.figure("d", "o", "m", "counted", "u", 3.5)["count"] is None
    assert storing.figure("d", "o", "m", "measured", "u", 3)["count"] is None
    assert storing.figure("d", "o", "m", "counted", "u", 2.5, count=10, n=4)["count"] == 10
    with pytest.raises(ValueError, match="none of"):
        storing.figure("d", "o", "m", "guessed", "u", 3)
    with pytest.raises(ValueError, match="no such columns: colour"):
        storing.figure("d", "o", "m", "counted", "u", 3, colour=1)


def test_the_hash_sees_counters_only_and_no_order() -> None:
    base = storing.counters_hash(rows())
    shuffled = rows()
    random.Random(1).shuffle(shuffled)
    assert storing.counters_hash(shuffled) == base
    assert storing.counters_hash(rows(ns=81.0)) == base
    assert storing.counters_hash(rows(lines=13)) != base
    assert storing.counters_hash(rows()[1:]) != base
    assert storing.counters_hash([row | {"run": "other"} for row in rows()]) == base


def test_two_runs_of_one_second(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "new_run_id", lambda counters: "20250101T000000Z-abcdef12")
    names = [storing.write_run(tmp_path, rows()) for _ in range(11)]
    assert names[:2] == ["20250101T000000Z-abcdef12", "20250101T000000Z-abcdef12-2"]
    assert storing.run_names(tmp_path) == names
    assert storing.load_run(tmp_path, "last").name == names[-1]
    assert storing.scan(tmp_path)["ops"].collect().height == 44


def test_lost_race_for_a_name(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = storing.write_run(tmp_path, rows())
    assert not writer._place(tmp_path / "runs", first, {"ops": rows(), "ledger": [], "provenance": [{}]})
    assert os.listdir(tmp_path / "runs") == [first]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_nothing_half_written_stays(tmp_path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    first = storing.write_run(tmp_path, rows())
    before = (tmp_path / "runs" / first / "ops.parquet").read_bytes()
    calls = []

    def failing(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(writer.os, "fsync", failing)
    with pytest.raises(BadInput, match="cannot store the run under") as caught:
        storing.write_run(tmp_path, rows(lines=99))
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path / "runs") == [first]
    assert (tmp_path / "runs" / first / "ops.parquet").read_bytes() == before


def test_disk_that_is_really_full(tmp_path) -> None:
    storing.write_run(tmp_path, rows())
    code = (
        "import resource, signal, sys\nfrom dse import storing\nfrom dse.errors import BadInput\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "row = storing.figure('d', 'o', 'm', 'counted', 'u', 1)\n"
        "try: storing.write_run(sys.argv[1], [row])\n"
        "except BadInput as e: print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "cannot store the run" in done.stdout, done.stderr
    assert len(os.listdir(tmp_path / "runs")) == 1


def test_folder_that_is_a_file(tmp_path) -> None:
    (tmp_path / "results").write_text("mine")
    for call in (
        lambda: storing.write_run(tmp_path / "results", rows()),
        lambda: storing.check_writable(tmp_path / "results"),
    ):
        with pytest.raises(BadInput, match="cannot store the run under"):
            call()
    assert (tmp_path / "results").read_text() == "mine"
    storing.check_writable(tmp_path / "new")
    assert os.listdir(tmp_path / "new" / "runs") == []


def test_wrong_columns_are_a_bug(tmp_path) -> None:
    with pytest.raises(ValueError, match="ops has no columns colour"):
        storing.write_run(tmp_path, [rows()[0] | {"colour": 1}])
    assert os.listdir(tmp_path / "runs") == []


@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign", "absent", "newer", "swapped", "text"])
def test_damaged_runs_are_named_and_skipped(tmp_path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    good, bad = storing.write_run(tmp_path, rows()), storing.write_run(tmp_path, rows(lines=7))
    path = tmp_path / "runs" / bad / "ops.parquet"
    content = path.read_bytes()
    (path.parent / digests.SUMS).unlink()  # as earlier versions wrote it
    if damage == "foreign":
        pl.DataFrame({"a": [1]}).write_parquet(path)
    elif damage == "absent":
        path.unlink()
    elif damage == "newer":
        pl.read_parquet(path).write_parquet(path, metadata={writer.METADATA_TABLE: "ops", writer.METADATA_VERSION: "99"})
    elif damage == "swapped":
        pl.DataFrame({"run": [1]}).write_parquet(path, metadata={writer.METADATA_TABLE: "ops", writer.METADATA_VERSION: "1"})
    else:
        path.write_bytes({"truncated": content[:-9], "empty": b"", "text": b"PAR1 no"}[damage])
    tables = storing.scan(tmp_path)
    err = capsys.readouterr().err
    assert err.startswith("dse: skipped ")
    assert str(path) in err
    assert err.count(str(path)) == 1
    assert ("the run is not whole" in err) == (damage == "absent")
    for table in ("ops", "provenance"):
        assert tables[table].select("run").collect()["run"].unique().to_list() == [good]
    with pytest.raises(BadInput, match=r"ops\.parquet: "):
        storing.load_run(tmp_path, bad)


def test_damage_inside(tmp_path) -> None:
    name = storing.write_run(tmp_path, rows())
    path = tmp_path / "runs" / name / "ops.parquet"
    (path.parent / digests.SUMS).unlink()  # as earlier versions wrote it
    pl.read_parquet(path).write_parquet(path, metadata={writer.METADATA_TABLE: "ops", writer.METADATA_VERSION: "1"})
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(100) + content[104:])
    with pytest.raises(BadInput, match="damaged Parquet file"):
        storing.load_run(tmp_path, name)


def test_empty_store(tmp_path) -> None:
    tables = storing.scan(tmp_path / "none")
    assert {name: frame.collect().height for name, frame in tables.items()} == {"ops": 0, "ledger": 0, "provenance": 0}
    with pytest.raises(BadInput, match="no runs stored under"):
        storing.load_run(tmp_path, "last")


def test_names(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stem in ("20250101T000000Z-aaaa1111", "20250102T000000Z-bbbb2222"):
        monkeypatch.setattr(writer, "new_run_id", lambda counters, stem=stem: stem)
        storing.write_run(tmp_path, rows())
    (tmp_path / "runs" / ".writing-x").mkdir()
    assert storing.find_run(tmp_path, "20250101") == "20250101T000000Z-aaaa1111"
    assert storing.find_run(tmp_path, "bbbb") == "20250102T000000Z-bbbb2222"
    with pytest.raises(BadInput, match="fits 2 runs"):
        storing.find_run(tmp_path, "2025")
    with pytest.raises(BadInput, match="unknown run 'lst', did you mean 'last'"):
        storing.find_run(tmp_path, "lst")


def diff(tmp_path, capsys, *more: str) -> tuple[int, dict[str, object]]:
    names = storing.run_names(tmp_path)
    status = cli.main(["diff", names[0], names[1], "--results", str(tmp_path), "--format", "json", *more])
    return status, json.loads(capsys.readouterr().out)


def test_diff_of_equal_counters(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    storing.write_run(tmp_path, rows())
    storing.write_run(tmp_path, rows(ns=160.0))
    status, document = diff(tmp_path, capsys)
    assert status == 0
    assert document["equal"] is True
    assert document["compared"] == 2
    assert [row["ratio"] for row in document["rows"] if row["op"] == "swap_in"] == [2.0]
    assert len(diff(tmp_path, capsys, "--all")[1]["rows"]) == 4


@pytest.mark.parametrize("other", [rows(lines=13), rows()[1:], [*rows(), rows()[0]], [rows()[0] | {"status": "refused"}, *rows()[1:]]])
def test_diff_of_other_counters(tmp_path, capsys: pytest.CaptureFixture[str], monkeypatch, other) -> None:
    monkeypatch.setattr(writer, "new_run_id", lambda counters: "20250101T000000Z-a")
    storing.write_run(tmp_path, rows())
    storing.write_run(tmp_path, other)
    status, document = diff(tmp_path, capsys)
    assert status == 1
    assert document["equal"] is False
    assert document["differ"] == 1


def test_diff_of_nothing_fails(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    storing.write_run(tmp_path, rows()[2:])
    storing.write_run(tmp_path, rows()[2:], provenance={"seed": 4})
    status, document = diff(tmp_path, capsys)
    assert status == 1
    assert document["compared"] == 0


def test_what_killed_processes_left_goes_with_the_next_run(tmp_path) -> None:
    """Files and folders under hidden names of ours: old, and of nobody who runs; everything else stays."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    run, study, here = "20260101T000000Z-aaaaaaaa", tmp_path / "studies" / "x-s1-0badc0de", os.getpid()
    left = [tmp_path / "runs" / f".writing-{run}-{dead.pid}", tmp_path / "runs" / f".removing-{run}-{dead.pid}",
            tmp_path / "cache" / "ab" / ".writing-ab12_xyz", study / ".writing-abcdefgh", tmp_path / "answers" / ".writing-abcdefgh",
            tmp_path / "runs" / f".probe-{dead.pid}", tmp_path / "linux" / f".writing-{run}-{dead.pid}"]  # fmt: skip
    kept = [tmp_path / "runs" / f".writing-{run}-{here}", study / ".writing-mine", study / "writing-abcdefgh", study / ".lock",
            tmp_path / "mine" / ".writing-abcdefgh", tmp_path / "runs" / run, study / "deep" / ".writing-abcdefgh"]  # fmt: skip
    young = [tmp_path / "cache" / "cd" / ".writing-ab12_xyz", tmp_path / "runs" / ".writing-zyxwvuts"]
    for path in (*left, *kept, *young):
        path.parent.mkdir(parents=True, exist_ok=True)
        if {"runs", "linux"} & set(path.parts) and not path.name.startswith(".probe"):
            path.mkdir()
            (path / "ops.parquet").write_bytes(b"x")
        else:
            path.write_bytes(b"x")
    for path in (*left, *kept):
        os.utime(path, (1e9, 1e9))
    (tmp_path / "runs" / ".writing-linkedto").symlink_to(tmp_path / "mine")
    (tmp_path / "answers" / ".writing-linkedto").symlink_to(study / ".lock")
    assert set(leftovers.found(tmp_path)) == set(left)
    writer.check_writable(tmp_path)
    assert not [path for path in left if path.exists()]
    assert [path for path in (*kept, *young) if path.exists()] == [*kept, *young]
    assert (tmp_path / "mine" / ".writing-abcdefgh").exists()
    assert (tmp_path / "runs" / ".writing-linkedto").is_symlink()
    leftovers.clear.cache_clear()
    left[2].write_bytes(b"x")
    os.utime(left[2], (1e9, 1e9))
    with studies.held(tmp_path, "another-s1-0badc0de"):
        assert not left[2].exists()
