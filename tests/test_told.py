"""Refusals and advice of the commands as a newcomer meets them: the reason, the name of the key, the command that has it."""

from __future__ import annotations

import errno
import json
import os
import struct
from pathlib import Path

import pytest

from dse import scenario
from dse.cli import main
from dse.common import reading
from dse.errors import BadInput
from dse.naming import mistakes, registered
from dse.reports import bundles, reporting
from dse.storing import finding, querying
from dse.workloads import imports, numbering


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Line by which a command refuses its arguments."""
    assert main([*args]) == 2
    out, err = capsys.readouterr()
    assert not out
    (line,) = err.splitlines()
    return line.removeprefix("dse: error: ")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("compare --workers 2", "--workers is an option of dse sweep, not of dse compare (see dse compare --help)"),
        ("sweep --budget=3", "--budget is an option of dse compare, not of dse sweep (see dse sweep --help)"),
        ("sweep --counted-only", "--counted-only is an option of dse compare, dse validate, not of dse sweep (see dse sweep --help)"),
        ("trace info x --eta", "--eta is an option of dse trace record, not of dse trace info (see dse trace info --help)"),
        ("compare --bugdet 3", "unrecognized argument '--bugdet', did you mean '--budget'? (see dse compare --help)"),
        ("compare --banana", "unrecognized argument '--banana' (see dse compare --help)"),
    ],
)
def test_an_option_of_another_verb_is_told(command: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, *command.split()) == says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("memory.limt=0.3", "unknown key 'memory.limt', did you mean 'memory.limit'?"),
        ("memory.limit=30%", "memory.limit is a number, got '30%'"),
        ("memory.limit=0", "memory.limit is above 0"),
        ("memory.policy=lruu", "unknown memory.policy value 'lruu', did you mean 'lru'?"),
        ("backend.mix=zswap=0.5,ssd=0.5", "backend.mix takes a table, got 'zswap=0.5,ssd=0.5': --set 'backend.mix={zswap=0.5,ssd=0.5}'"),
        ("moves.tiers=zswap,ssd", """moves.tiers takes a list, got 'zswap,ssd': --set 'moves.tiers=["zswap","ssd"]'"""),
    ],
)
def test_keys_are_named_with_their_section(text: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        scenario.load("no-move").but(**dict([scenario.override(text)]))
    assert str(caught.value).removeprefix("scenario no-move: ") == says


def test_text_with_commas_stays_text_where_a_key_takes_text() -> None:
    assert scenario.override("workload.trace=a=1,b=2") == ("workload.trace", "a=1,b=2")


def test_the_ending_of_a_report_is_a_kind_of_report() -> None:
    with pytest.raises(BadInput, match=r"r\.pdf: unknown kind of report '\.pdf', valid: \.html, \.png, \.svg, \.txt \(or say --format\)"):
        reporting.form_of(None, "r.pdf", False)
    assert reporting.form_of(None, "r", False) == "html"
    assert reporting.form_of("text", "r.md", False) == "text"
    assert reporting.form_of(None, "r.SVG", False) == "svg"
    with pytest.raises(BadInput, match="a bundle was asked for"):
        reporting.form_of(None, "r.html", True)


def asked(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    """Run a query of one row without a process of its own."""
    from dse.storing import limited

    monkeypatch.setattr(limited, "query", lambda sql, *_: querying.asked(sql, {}))
    return main(["query", "select 1 as a", *args])


def test_the_ending_says_the_form_of_a_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    starts = {"q.csv": b"a\n1\n", "q.json": b"[\n", "q.parquet": b"PAR1", "q.txt": b"a\n-\n", "q": b"a\n-\n"}
    for name, start in starts.items():
        assert asked(monkeypatch, "--output", name) == 0
        assert Path(name).read_bytes().startswith(start)
    assert asked(monkeypatch, "--output", "other.txt", "--format", "csv") == 0
    assert Path("other.txt").read_bytes() == b"a\n1\n"
    assert asked(monkeypatch, "--output", "q.csv", "--format", "table") == 2
    assert "q.csv ends as csv does, and table was asked for: give it another ending" in capsys.readouterr().err


def test_a_folder_of_results_that_was_named_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["query", "select 1"], ["query", "--tables"], ["prune", "--keep", "1"]):
        assert refused(capsys, *command, "--results", "../nores") == "../nores: no such folder of results"
    assert asked(monkeypatch) == 0  # the default one is made by the first run
    assert "there is no folder results" in capsys.readouterr().err
    Path("empty").mkdir()
    assert asked(monkeypatch, "--results", "empty") == 0


def test_a_name_that_is_too_long_is_told() -> None:
    with pytest.raises(BadInput, match=r"^'x+ \.\.\.: the name is too long$"):
        reading.folder("x" * 5000)


@pytest.mark.parametrize("sql", ["select 1,1,1", "select 1 as x, 2 as x", "select x, x from t", "select *, 1 as x, 2 as x from t"])
def test_two_columns_of_one_name_are_told_in_words_of_sql(sql: str) -> None:
    import polars as pl

    with pytest.raises(BadInput, match=r"^two columns of the query have one name(, 'x')?: give one of them another with AS$"):
        querying.asked(sql, {"t": pl.LazyFrame({"x": [1]})})


def test_a_list_of_names_says_how_many_more() -> None:
    names = [f"n{i:02}" for i in range(23)]
    with pytest.raises(BadInput, match=r"^unknown run 'zebra', valid: last, n03, .*, n22 and 3 more$"):
        finding.pick(names, "zebra", "run", "runs")
    with pytest.raises(BadInput, match=r", n22$"):
        finding.pick(names[3:], "zebra", "run", "runs")


def test_a_trace_is_no_run(tmp_path: Path) -> None:
    says = r"my\.npz is a trace, not a run or bundle: dse trace info .*my\.npz describes it"
    file = tmp_path / "my.npz"
    file.write_bytes(b"PK")
    with pytest.raises(BadInput, match=says):
        bundles.rerun(file)
    with pytest.raises(BadInput, match=r"^my\.npz is a trace, not a run or study: "):
        finding.pick(["a"], "my.npz", "run or study", "runs and studies")


def test_an_archive_without_a_description_is_no_bundle(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a", "b")
    with pytest.raises(BadInput, match=r"x\.zip: not a bundle \(it holds no bundle\.json\)$"):
        bundles.rerun(tmp_path / "x.zip")


def test_the_input_of_an_import_comes_before_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("my.npz", "my.perf", "nosuchprogram.npz"):
        Path(name).touch()
    assert refused(capsys, "trace", "import", "--format", "csv", "my.cvs") == "my.cvs: no such file"
    assert refused(capsys, "trace", "record", "--", "nosuchprogram") == "nosuchprogram: no such program"
    says = "my.npz is there already, and my.perf would be imported to it: -o names another file, or this one to replace it"
    assert refused(capsys, "trace", "import", "--format", "perf", "my.perf") == says


def test_the_filter_is_of_lackey(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "import", "--help"]) == 0
    assert "lackey: drop accesses" in " ".join(capsys.readouterr().out.split())
    (tmp_path / "my.perf").write_text("x\n")
    with pytest.raises(BadInput, match=r"lackey text, not for perf: .* --set workload\.filter_pages=64$"):
        imports.load(tmp_path / "my.perf", "perf", filter_pages=64)


def test_an_error_of_syntax_names_its_line_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text("x = 1\ny = (\n")
    for name, where in ((file, " (line 2)"), (tmp_path / "other.py", " (bad.py, line 2)")):
        with pytest.raises(SyntaxError) as caught:
            compile(file.read_text(), str(file), "exec")
        assert mistakes.said(caught.value, name) == f"SyntaxError: '(' was never closed{where}"


def test_a_pipe_is_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    with pytest.raises(BadInput, match=r"^DSE_DESIGNS: 'fifo' is a pipe, not a file: give a file FILE\.py"):
        registered._from_name("fifo", "DSE_DESIGNS")


def test_a_number_beyond_its_unit_is_told_with_the_most(tmp_path: Path) -> None:
    says = r"number 1,152,921,504,606,846,976 is above 36,028,797,018,963,967, the most of a unit of 1,048,576 B"
    (tmp_path / "a").write_bytes(struct.pack("<IQIq", 1, 1 << 60, 512, -1))
    with pytest.raises(BadInput, match=rf"/a: {says}"):
        imports.load(tmp_path / "a", "oracleGeneral", unit="1048576")
    import numpy as np

    first, _ = numbering.touched(np.array([(1 << 55) - 1], np.uint64), np.array([1], np.uint64), 1 << 20)
    assert int(first[0]) == ((1 << 55) - 1) << 8


@pytest.mark.parametrize("text", ['"1","0"\n2,1\n2,0\n', '"1","0"\n', '"1.5",a\n2,1\n', 'page,"1"\n2,1\n'])
@pytest.mark.parametrize("columns", [{}, {"page_column": 1, "write_column": 2, "writes": ["0"]}])
def test_numbers_in_quotes_are_no_names(text: str, columns: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(BadInput, match=r"a\.csv:1: a cell in double quotes"):
        imports.load(tmp_path / "a.csv", "csv", **columns)


@pytest.mark.parametrize("head", ['"page","write"', '"","write 2"', '"4 KiB page", "w"'])
def test_names_in_quotes_are_names(head: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{head}\n2,1\n")
    assert len(imports.load(tmp_path / "a.csv", "csv").accesses) == 1


def test_refusals_of_names_have_words_of_ours() -> None:
    from dse.errors import refusal

    assert refusal(OSError(errno.ENAMETOOLONG, "File name too long")) == "the name is too long"
    assert json.dumps(refusal(OSError(errno.ELOOP, ""))) == '"links that lead in a circle"'
