"""Links that lead in a circle or to nothing, and pipes where a file is kept: one line, at once, and nothing waits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dse.cli import BAD, main
from dse.common import digests, reading, writing
from dse.errors import BadInput
from dse.linux import fetching, records
from dse.naming import registered
from dse.storing import files, pruning, querying, studies
from dse.workloads import trace

CIRCLE = "links that lead in a circle"


def circle(path: Path) -> Path:
    """A link to itself."""
    path.symlink_to(path)
    return path


@pytest.mark.parametrize(
    "argv",
    [
        ["ledger", "direct", "--chart", "{circle}.svg"], ["query", "SELECT 1", "--output", "{circle}.csv"],
        ["trace", "record", "-o", "{circle}.swapdse", "--", "true"], ["linux", "record", "--console", "{circle}.txt", "--release", "6.12"],
        ["ask", "Q9", "--results", "{circle}"], ["sweep", "--results", "{circle}/under"], ["bench", "--results", "{circle}"],
        ["linux", "list", "--folder", "{circle}"], ["ask", "Q9", "--results", "{file}/under"], ["ask", "Q9", "--results", "{nothing}"],
    ],
)  # fmt: skip
def test_no_command_begins_where_it_cannot_store(argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hours of work would come before the refusal."""
    for ending in ("", ".svg", ".csv", ".swapdse", ".txt"):
        circle(tmp_path / f"c{ending}")
    (tmp_path / "f").touch()
    (tmp_path / "n").symlink_to(tmp_path / "gone")
    names = {"circle": tmp_path / "c", "file": tmp_path / "f", "nothing": tmp_path / "n"}
    assert main([word.format(**names) for word in argv]) == BAD
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    why = "not a directory" if "{file}/under" in argv else "is a link to nothing" if "{nothing}" in argv else CIRCLE
    assert why in said.err


def test_a_design_behind_a_circle(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=CIRCLE):
        registered._from_file(circle(tmp_path / "mine.py"))


def test_the_home_of_benchmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SWAPDSE_BENCH_HOME", str(circle(tmp_path / "home")))
    monkeypatch.chdir(Path(files.__file__).parent)
    assert main(["bench", "--quick"]) == BAD
    assert CIRCLE in capsys.readouterr().err


def test_results_behind_a_link_are_taken(tmp_path: Path) -> None:
    """Only what leads nowhere is refused."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert reading.folder(tmp_path / "link" / "new") == tmp_path / "link" / "new"
    assert reading.resolved(tmp_path / "link" / "new") == (tmp_path / "there" / "new").resolve()
    assert writing.check_target(tmp_path / "link" / "file.csv") == tmp_path / "link" / "file.csv"
    with pytest.raises(BadInput, match=CIRCLE):
        writing.check_target(circle(tmp_path / "c.csv"))


def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    """An open would wait for a writer for ever."""
    folder = tmp_path / "studies" / "wide-s1-00000000"
    folder.mkdir(parents=True)
    for name in ("ops.parquet", digests.SUMS, studies.SETTINGS, ".lock"):
        os.mkfifo(folder / name)
    (tmp_path / "asv" / "m").mkdir(parents=True)
    os.mkfifo(tmp_path / "asv" / "m" / "a.json")
    os.mkfifo(tmp_path / "asv" / "benchmarks.json")
    assert digests.listed(folder) == {}
    assert digests.why_not(folder / "ops.parquet") == "is a pipe, not a file"
    assert files.owner(folder / "ops.parquet") is None
    assert studies.owner(folder) is None
    assert pruning._runs(folder, "studies") == ""
    assert querying.asv_rows(tmp_path) == []
    (folder / digests.SUMS).unlink()
    assert files.why_not(folder / "ops.parquet", "ops", 9) == "is a pipe, not a file"
    with pytest.raises(OSError, match="is a pipe, not a file"):
        reading.content(folder / "ops.parquet")
    with pytest.raises(FileNotFoundError):
        digests.of_file(folder / "nothing")


def test_an_image_that_is_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "vmlinuz")
    assert main(["linux", "record", "--image", str(tmp_path / "vmlinuz"), "--results", str(tmp_path)]) == BAD
    assert "vmlinuz: is a pipe, not a file" in capsys.readouterr().err


HEAD = ",".join(records.TABLES["fill"])
ORIGIN: dict[str, Any] = {"release": "6.12", "experiments": ["fill"], "pages": 5, "seconds": 1.5, "command": "c"}


@pytest.mark.parametrize(
    ("origin", "table", "says"),
    [
        ("[" * 100_000, "", "nested too deeply"), ('{"a":' * 100_000, "", "nested too deeply"), ("[]", "", "its provenance is no object"),
        ({**ORIGIN, "experiments": 5}, "", "experiments of its provenance is 5"),
        ({**ORIGIN, "release": None}, "", "release of its provenance"),
        ({**ORIGIN, "pages": float("nan")}, "", "pages of its provenance is nan"),
        ({**ORIGIN, "pages": -1}, "", "pages of its provenance is -1"),
        ({**ORIGIN, "pages": True}, "", "pages of its provenance"),
        ({**ORIGIN, "seconds": float("inf")}, "", "seconds of its provenance is inf"),
        ({**ORIGIN, "traces": []}, "", "traces of its provenance"), (ORIGIN, "a,b\n1,2\n", "fill.csv has no column backend"),
        (ORIGIN, f"{HEAD}\n{'1,' * 20}\n", "longer or shorter"), (ORIGIN, f"{HEAD}\n1\n", "longer or shorter"),
        (ORIGIN, f'{HEAD}\n"{"x" * 300_000}"\n', "field larger than field limit"), (ORIGIN, f"{HEAD}\na,b,c,d,x,5\n", "invalid literal"),
        (ORIGIN, "pipe", "is a pipe, not a file"), ("pipe", "", "is a pipe, not a file"),
    ],
)  # fmt: skip
def test_a_record_made_by_hand(origin: Any, table: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused in one line by whatever reads it, left out by the list."""
    folder = tmp_path / "linux" / "mine"
    folder.mkdir(parents=True)
    for name, text in (("provenance.json", origin if isinstance(origin, str) else json.dumps(origin)), ("fill.csv", table)):
        if text == "pipe":
            os.mkfifo(folder / name)
        elif text:
            (folder / name).write_text(text, encoding="utf-8")
    for words in (["show", "mine"], ["record", "--add", "mine", "--release", "x"]):
        assert main(["linux", *words, "--results", str(tmp_path)]) == BAD
        said = capsys.readouterr()
        assert says in said.err
        assert (said.out, said.err.count("\n")) == ("", 1)
    assert main(["explain", "swap_in", "--linux", "mine", "--results", str(tmp_path)]) == BAD
    assert says in capsys.readouterr().err
    assert main(["linux", "list", "--results", str(tmp_path), "--format", "csv"]) == 0
    said = capsys.readouterr()
    assert f"skipped mine: {folder} holds no record that can be read" in said.err
    assert "mine" not in said.out


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{}", "5", '{"package": 1, "version": 2}', '{"package": "p", "version": "v", "packages": 1}']
)
def test_a_fetched_kernel_whose_origin_is_damaged(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "kernels" / "6.12"
    (folder / "boot").mkdir(parents=True)
    (folder / "boot" / "vmlinuz-6.12").touch()
    (folder / "fetched.json").write_text(text, encoding="utf-8")
    assert fetching.about(tmp_path, "6.12") == {}
    assert fetching.fetched(tmp_path) == []


@pytest.mark.parametrize(
    "argv",
    [["linux", "show", "7.2", "--experiment", ""], ["explain", "swap_in", "--designs", ""], ["explain", "swap_in", "--backend="],
     ["linux", "record", "--experiments", ""], ["bench", "--against", ""], ["ledger", ""], ["ledger", "--design", ""]],
)  # fmt: skip
def test_an_empty_text_is_not_the_default(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As a variable of a script that is not set would give it."""
    assert main(argv) == BAD
    said = capsys.readouterr()
    assert "is empty: leave it out" in said.err or "an empty text is no design" in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_a_lock_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(BadInput, match="is a pipe, not a file"), writing.locked(tmp_path / "lock", "held"):
        pass


def test_what_a_link_points_to_is_written(tmp_path: Path) -> None:
    """The link was replaced, and what it points to stayed as it was."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link.csv").symlink_to("there/q.csv")
    assert writing.save(tmp_path / "link.csv", b"new") == str(tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there" / "q.csv").read_bytes() == b"new"


@pytest.mark.parametrize("of", ["/proc/self/fd/{}", "/dev/fd/{}"])
def test_a_link_to_a_descriptor_stays(of: str, tmp_path: Path) -> None:
    """/dev/stdout is one: for root, where the output goes to a file, it was replaced for all programs, and nothing was in the file."""
    with (tmp_path / "out").open("ab", buffering=0) as file:
        file.write(b"before ")
        (tmp_path / "stdout").symlink_to(of.format(file.fileno()))
        writing.save(tmp_path / "stdout", b"new ")
        file.write(b"after")
    assert (tmp_path / "stdout").is_symlink()
    assert (tmp_path / "out").read_bytes() == b"before new after"


def test_a_link_into_no_folder_makes_none(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "gone" / "q.csv")
    with pytest.raises(BadInput, match="no such folder"):
        writing.save(tmp_path / "link.csv", b"new")
    assert not (tmp_path / "gone").exists()


def test_a_trace_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.npz").symlink_to("t.npz")
    made = trace.load(trace.shipped()[0])
    assert trace.save(made, tmp_path / "link.npz") == tmp_path / "link.npz"
    assert (tmp_path / "link.npz").is_symlink()
    assert trace.load(tmp_path / "t.npz").accesses.size == made.accesses.size
