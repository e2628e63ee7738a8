"""Files, folders and names on the command line that cannot be what they are named for: one line and exit 2, nothing replaced."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import dse
from dse import secrets
from dse.cli import main
from dse.common.writing import check_target
from dse.errors import BadInput
from dse.reports import bundles
from dse.sweeps import caching, space, sweep
from dse.workloads import trace
from kernels.compiling import sources
from tests import reportdata


def one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The line of a refusal."""
    capsys.readouterr()
    assert main(argv) == 2
    output = capsys.readouterr()
    assert not output.out
    assert output.err.count("\n") == 1
    return output.err


def test_a_trace_is_written_under_the_name_that_was_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "a.csv"
    source.write_text("1,0\n2,1\n")
    there = tmp_path / "x.npz"
    there.write_bytes(b"kept")
    os.mkfifo(tmp_path / "pipe")
    base = ["trace", "import", str(source), "--format", "csv", "--out"]
    for out, said in (
        ("/dev/null", "is no regular file"), (str(tmp_path / "pipe"), "is no regular file"),
        (str(tmp_path / "t.csv"), f"a trace is a file .npz: say {tmp_path / 't.csv.npz'}"), (str(tmp_path / "x"), "is there already"),
    ):  # fmt: skip
        assert said in one_line([*base, out], capsys)
    assert there.read_bytes() == b"kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "pipe", "x.npz"]
    assert main([*base, str(tmp_path / "y")]) == 0
    assert main([*base, str(there)]) == 0
    assert trace.load(there).pages == trace.load(tmp_path / "y.npz").pages == 2


def test_no_file_takes_a_place_among_stored_things(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results"
    (results / "cache").mkdir(parents=True)
    (tmp_path / "r").mkdir()
    for place in ("results/cache/e5", "results/studies", "results/runs", "results/answers"):
        with pytest.raises(BadInput, match="is a stored result, or lies among them"):
            check_target(tmp_path / place)
    other = tmp_path / "r" / "studies"
    assert "lies among them" in one_line(["query", "SELECT 1", "--results", str(tmp_path / "r"), "--output", str(other)], capsys)
    for free in ("results/mine.csv", "cache", "r/runs.csv", "e5"):
        assert check_target(tmp_path / free)


def test_blank_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    reportdata.store_run(tmp_path / "results")
    before = sorted(tmp_path.iterdir())
    assert "--figure is empty" in one_line(["report", "last", "--format", "svg", "--figure", ""], capsys)
    assert "--figure is empty" in one_line(["report", "last", "--format", "svg", "--figure", " "], capsys)
    for blank in ("", " "):
        assert "an empty name is no storage" in one_line(["sweep", "--storage", blank], capsys)
        assert "an empty name is no storage" in one_line(["worker", "--study", "s", "--storage", blank], capsys)
    monkeypatch.setenv("DSE_STORAGE", "  ")
    assert "DSE_STORAGE is blank" in one_line(["sweep"], capsys)
    with pytest.raises(BadInput, match="an empty name is no storage"):
        sweep(storage=" ", results=tmp_path / "r")
    assert sorted(tmp_path.iterdir()) == before
    assert not secrets.holds(" ")


def test_a_ledger_of_a_design_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert "design direct is named twice" in one_line(["ledger", "direct", "direct"], capsys)
    assert "design direct is named twice" in one_line(["ledger", "direct", "--design", "direct"], capsys)


@pytest.mark.parametrize(("name", "said"), [
    (".", "'.' is a folder, not a file: give a file FILE.py"), ("/dev/stdin", "'/dev/stdin' is "), ("x/y", "'x/y' no such file"),
    ("a.txt", "'a.txt' is no Python file"), ("..", "'..' is a folder"),
])  # fmt: skip
def test_what_is_no_module(name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dse.naming import registered

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(BadInput) as caught:
        registered._from_name(name, registered.VARIABLE)
    assert said in str(caught.value)
    monkeypatch.setenv(registered.VARIABLE, name)
    with pytest.raises(BadInput) as caught:
        registered.load()
    assert "TypeError" not in str(caught.value)
    assert "ImportError" not in str(caught.value)


def test_a_bundle_of_a_study_holds_its_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    pages = np.arange(3000, dtype=np.uint32) % 400 | trace.WRITE
    trace.save(trace.build(pages, {"recorder": "csv", "command": None}, pages=400), "t.npz")
    found = space.parse(
        'objectives = ["swap_in"]\n[scenario]\nworkload = { trace = "t.npz", accesses = 2_900 }\n[axes.design]\nvalues = ["direct"]\n',
        "s.toml", "s",
    )  # fmt: skip
    study = sweep(found, results=tmp_path / "r")["study"]
    path = dse.report(study, path=tmp_path / "a.zip", bundle=True, results=tmp_path / "r")
    assert bundles.rerun(path)["equal"]
    monkeypatch.setattr("dse.sweeps.sweep", lambda *_, **__: pytest.fail("nothing is swept"))
    trace.save(trace.build(pages[:2999], {"recorder": "csv", "command": None}, pages=400), "t.npz")
    assert f"t.npz is not the trace of study {study}, which has digest" in one_line(["rerun", str(path)], capsys)
    Path("t.npz").unlink()
    assert "t.npz: no such" in one_line(["rerun", str(path)], capsys)


def test_the_digest_of_the_code_holds_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    init = sources.HERE / "kernels" / "life" / "__init__.py"
    before = sources.stamp([caching.COUNTING], ("kernels", "dse"), run_before=True)
    plain = sources.stamp([caching.COUNTING], ("kernels", "dse"))
    real = sources._digest
    monkeypatch.setattr(sources, "_digest", lambda path: b"edited" if path == init else real(path))
    assert sources.stamp([caching.COUNTING], ("kernels", "dse"), run_before=True) != before
    assert sources.stamp([caching.COUNTING], ("kernels", "dse")) == plain  # kernels are not compiled anew
    caching.code_digest.cache_clear()
    edited = caching.code_digest()
    monkeypatch.undo()
    caching.code_digest.cache_clear()
    assert caching.code_digest() != edited
