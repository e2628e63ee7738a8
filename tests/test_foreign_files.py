"""Files that are something else: each refusal says what they are and what to do next."""

from __future__ import annotations

import fcntl
import gzip
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.cli import main
from dse.errors import BadInput
from dse.reports import pictures, reporting
from dse.reports.model import Document, Section, Table
from dse.storing import pruning, querying, studies
from dse.sweeps import storages
from dse.workloads import foreign, imports, lackey, trace
from tests.tracedata import plain

LACKEY = "==7== Command: prog\nI  00400000,3\n S 1ffeffe7e0,8\n L 1ffeffe7e0,8\n S 2000000000,4\n==7== \n"


def npz(**arrays: Any) -> bytes:
    """Archive of arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ": empty"),
        (LACKEY.encode(), "this is text of lackey: dse trace import PATH --format lackey"),
        (LACKEY.replace("\n", "\r\n").encode(), "this is text of lackey"),
        (b" 7 1.0: page-faults: 1000\n", "this is text of perf: dse trace import PATH --format perf"),
        (b"page,write\n1,0\n", "this is text of csv: dse trace import PATH --format csv"),
        (b"PERFILE2" + bytes(99), "this is perf.data, which perf record writes: perf script -F"),
        (gzip.compress(npz(header=np.zeros(1))), "compressed with gzip; decompress it first (gzip -d)"),
        (npz(accesses=np.zeros(1), events=np.zeros(1)), "an archive without header, positions"),
        (npz(header=np.zeros(9))[:60], "it begins as an archive and has no end: it was cut"),
        (b"\0\1\2", "no NumPy archive"),
    ],
)
def test_what_is_no_trace_file_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=re.escape(says.replace("PATH", str(path)))):
        trace.load(path)


def test_a_shipped_trace_has_a_nearest_name() -> None:
    with pytest.raises(BadInput, match="sorts: no such trace file, nor a shipped trace \\(did you mean 'sort'\\?\\)"):
        trace.load("sorts")


@pytest.mark.parametrize("form", imports.FORMATS)
def test_empty_files_and_perf_data_say_what_comes_next(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    with pytest.raises(BadInput, match=f"a: empty, no trace of the format {form}; {re.escape(foreign.EMPTY[form])}"):
        imports.load(path, form)
    path.write_bytes(b"PERFILE2" + bytes(40))
    with pytest.raises(BadInput, match=r"this is perf\.data, which perf record writes: perf script -F pid,time,event,trace"):
        imports.load(path, form)


@pytest.mark.parametrize("chunk", [7, lackey.CHUNK])
def test_lackey_text_with_line_ends_of_windows_is_the_same_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(lackey, "CHUNK", chunk)
    monkeypatch.setattr(lackey, "MOST_RUNS", 4096)
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_text(LACKEY)
    two.write_bytes(LACKEY.replace("\n", "\r\n").encode())
    assert plain(imports.load(two, "lackey")) == plain(imports.load(one, "lackey")) == [(0, True), (1, True)]


def test_lackey_text_with_other_output_says_how_to_keep_it_apart(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(LACKEY + "hello\n")
    with pytest.raises(BadInput, match="a:7: not a line of lackey: 'hello'; what the program prints is kept apart by --log-file=FILE"):
        imports.load(path, "lackey")
    for cut in (" S 1ffeff==8== Command: other\n", " S 1ffeff\n==8== Command: other\n"):
        path.write_text(LACKEY + cut)
        with pytest.raises(BadInput, match=r"a:7: lines of several processes in one text, .* record with --trace-children=no"):
            imports.load(path, "lackey")


def test_a_study_that_runs_is_marked_where_it_is_listed(tmp_path: Path, capsys: Any) -> None:
    about = {"study": "s", "space": {}, "sampler": "random", "seed": 1, "trials": 1, "code_digest": "0", "environments": None, "version": 3}
    studies.write_settings(tmp_path, "s", about)
    (row,) = pruning.prune(tmp_path, keep=0)
    assert row["why"] == ""
    with (studies.folder(tmp_path, "s") / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(["prune", "--keep", "0", "--results", str(tmp_path)]) == 0
        said = capsys.readouterr().err
        assert "studies/s would not be removed: study s is being run by another process" in said
        assert "0 would be removed with --yes" in said
        assert main(["prune", "--keep", "0", "--yes", "--results", str(tmp_path)]) == 2
        assert "studies/s was not removed" in capsys.readouterr().err
    assert main(["prune", "--keep", "0", "--yes", "--results", str(tmp_path)]) == 0
    assert studies.names(tmp_path) == []


@pytest.mark.parametrize(
    ("form", "path", "expected"),
    [(None, "a.png", "png"), (None, "a.SVG", "svg"), (None, "a.txt", "text"), (None, "a", "html"), (None, None, "html"),
     (None, "-", "html"), ("svg", "a.svg", "svg"), ("svg", "a", "svg"), ("text", "a.mail", "text"),
     ("svg", "a.png", ""), ("html", "a.txt", "")],
)  # fmt: skip
def test_a_report_has_the_form_of_its_ending(form: str | None, path: str | None, expected: str) -> None:
    if expected:
        assert reporting.form_of(form, path, False) == expected
    else:
        with pytest.raises(BadInput, match=f"{path} ends as .* does, and {form} was asked for"):
            reporting.form_of(form, path, False)
    if path and "." in path and path != "a.mail":
        with pytest.raises(BadInput, match="a bundle was asked for"):
            reporting.form_of(None, path, True)


def test_titles_of_figures_are_named_in_short() -> None:
    from dse.reports.model import Plot

    plots = [Plot(f"{n} {'long ' * 40}", "counted", "x", "y", [], "") for n in range(9)]
    document = Document("r", "t", [], [], [Section("s", "", [*plots, Table("t", "", [])])], {})
    with pytest.raises(BadInput) as error:
        pictures.chosen(document, "nosuch")
    assert str(error.value).startswith("no figure has 'nosuch' in its title, such as: 0 long")
    assert str(error.value).endswith("and 5 more")
    assert len(str(error.value)) < 280


def test_words_in_double_quotes_are_columns(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"unknown column 'direct', .*; texts stand in single quotes"):
        querying.query('SELECT op FROM ops WHERE design = "direct"', results=tmp_path)


@pytest.mark.parametrize("url", ["sqlite://s2.db", "sqlite://dir/s2.db", "sqlite+pysqlite://s2.db"])
def test_a_file_of_sqlite_has_three_slashes(url: str) -> None:
    with pytest.raises(BadInput, match="has three slashes before it, sqlite:///FILE"):
        storages.opened(url)
