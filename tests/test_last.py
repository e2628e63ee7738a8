"""``last``: the newest of what is stored, also where the clock was set back and where a folder was copied."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from dse import storing
from dse.cli import main
from dse.errors import BadInput
from dse.reports import reporting
from dse.storing import ordering, querying, studies
from tests import reportdata

HOUR = 3600.0


def stored(results: Path, lines: int = 12) -> str:
    row = storing.figure("direct", "swap_in", "lines", "counted", "lines", lines, stat="total", n=4)
    return storing.write_run(results, [row], (), {"scenario_digest": "d", "seed": 1, "trace_digest": "t", "command": "dse compare"})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Clock of names and of provenance, which a test sets back."""
    shift, real = {"by": 0.0}, time.gmtime
    monkeypatch.setattr(time, "gmtime", lambda seconds=None: real((time.time() if seconds is None else seconds) + shift["by"]))
    return shift


def test_a_run_behind_the_clock(tmp_path: Path, clock: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the clock says, the run that was stored last is the last, and one line says so."""
    first = stored(tmp_path, 1)
    assert not capsys.readouterr().err
    clock["by"] = -HOUR
    second, third = stored(tmp_path, 2), stored(tmp_path, 3)
    assert capsys.readouterr().err.count("the clock is behind the newest run") == 2
    assert storing.run_names(tmp_path) == [first, second, third] == sorted([first, second, third])
    assert storing.find_run(tmp_path, "last") == third
    assert reporting.resolve("last", tmp_path) == ("run", third)
    runs = querying.query("SELECT run, created FROM runs ORDER BY run", results=tmp_path)
    assert runs["run"].to_list() == [first, second, third]
    assert runs["created"][1] < runs["created"][0]  # what the clock said
    (row,) = querying.query(preset="regressions", results=tmp_path).to_dicts()
    assert (row["from"], row["to"], row["before"], row["value"]) == (second, third, 2.0, 3.0)
    clock["by"] = HOUR
    fourth = stored(tmp_path, 4)
    assert storing.find_run(tmp_path, "last") == fourth


def test_a_run_after_a_study_and_a_study_after_a_run(tmp_path: Path) -> None:
    """The last of both kinds, where what is there is from the future."""
    ahead = time.time_ns() + int(HOUR * 1e9)
    run = stored(tmp_path)
    os.utime(tmp_path / "runs" / run, ns=(ahead, ahead))
    study = reportdata.store_study(tmp_path)
    assert reporting.resolve("last", tmp_path) == ("study", study)
    again = stored(tmp_path, 2)
    assert reporting.resolve("last", tmp_path) == ("run", again)
    settings = studies.read_settings(tmp_path, study)
    other = "other-tpe-s1-0badc0de"
    studies.write_settings(tmp_path, other, {**settings, "study": other})
    assert studies.names(tmp_path) == [study, other]
    studies.write_settings(tmp_path, study, settings)
    assert studies.names(tmp_path) == [other, study]
    assert reporting.resolve("last", tmp_path) == ("study", study)


def test_names_that_are_no_times_move_nothing() -> None:
    stem = "20260101T000000Z-aaaaaaaa"
    for newest in (None, "zzz", "99999999T000000Z-bbbbbbbb", "99991231T235959Z-bbbbbbbb", "20260101T000000Z-bbbbbbbb"):
        assert ordering.behind(stem, newest) == stem


@pytest.mark.parametrize("name", ["{}-copy", "30000101T000000Z-abcdef12"])
def test_a_copy_of_a_run(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the last one, not in the way of a part of the name, and never the time of a later run."""
    run = stored(tmp_path)
    copy = name.format(run)
    shutil.copytree(tmp_path / "runs" / run, tmp_path / "runs" / copy)
    assert storing.find_run(tmp_path, "last") == run
    assert storing.find_run(tmp_path, run[-4:]) == run
    assert reporting.resolve(run[-4:], tmp_path) == ("run", run)
    for command in (["report", "last", "--format", "text"], ["report", run[-4:], "--format", "text"], ["diff", "last", run]):
        capsys.readouterr()
        assert main([*command, "--results", str(tmp_path)]) == 0, command
    assert f"left out {copy}: a copy of {run}" in capsys.readouterr().err
    assert main(["report", copy, "--results", str(tmp_path)]) == 2
    assert f"stored as {run}: a run that was copied or renamed is not read" in capsys.readouterr().err
    later = stored(tmp_path, 2)
    assert not later.startswith("3")
    assert storing.find_run(tmp_path, "last") == later
    assert len({*storing.run_names(tmp_path)}) == 3


def test_a_copy_of_a_study(tmp_path: Path) -> None:
    study = reportdata.store_study(tmp_path)
    shutil.copytree(tmp_path / "studies" / study, tmp_path / "studies" / f"{study}-copy")
    assert studies.find(tmp_path, "last") == studies.find(tmp_path, study[:5]) == study
    assert reporting.resolve("last", tmp_path) == ("study", study)
    shutil.rmtree(tmp_path / "studies" / study)
    assert studies.find(tmp_path, "last") == f"{study}-copy"
    with pytest.raises(BadInput, match=f"these are the settings of study '{study}'"):
        studies.read_settings(tmp_path, f"{study}-copy")
