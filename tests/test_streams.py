"""Standard streams, folders, files and environment variables that cannot be used: one line and exit 2, never a traceback or a wait."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dse import cli
from dse.common import options, output, reading, streams, texts, writing
from dse.errors import BadInput
from dse.naming import registered
from dse.workloads import trace
from tests.test_numba import ROOT

SPACE = '[axes.design]\nvalues = ["direct"]\n[scenario]\nworkload = { generator = "zipf", pages = 4096, accesses = 20000 }\n'


def shell(command: str, folder: Path, **env: str) -> tuple[int, str, str]:
    """Run ``dse`` with redirections of a shell; return exit status, stdout, stderr."""
    program = f"{shlex.quote(sys.executable)} -m dse.cli"
    names = {k: v for k, v in os.environ.items() if k != "DSE_TRACEBACK"} | {"PYTHONPATH": str(ROOT), **env}
    done = subprocess.run(["/bin/sh", "-c", command.replace("dse", program, 1)], cwd=folder, env=names, capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(
    ("redirected", "status", "says"),
    [
        (">&-", 2, "dse: error: stdout is closed: give it a file, or /dev/null\n"),
        (">&- 2>&-", 2, ""),
        ("2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        ("<&-", 0, "dse: wrote b.npz"),
        (">/dev/full", 2, "dse: error: no space left on the disk"),
    ],
)
def test_streams_that_are_closed_or_full(redirected: str, status: int, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("5,1\n7,0\n")
    found, _, err = shell(f"dse trace import a.csv --format csv -o b {redirected}", tmp_path)
    assert found == status
    assert says in err
    assert "Traceback" not in err
    if status == 0:
        assert trace.load(tmp_path / "b.npz").pages == 2


@pytest.fixture
def dse(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run ``dse`` in this process and in an empty folder; return exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> tuple[int, str, str]:
        status = cli.main(list(argv))
        return status, *capsys.readouterr()

    return call


def one_line(found: tuple[int, str, str], says: str) -> None:
    status, out, err = found
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert err[:-1].isprintable()


def test_folders_of_results_that_are_none(dse, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for verb in (["query", "SELECT 1 AS a"], ["report"], ["sweep"], ["rerun", "last"], ["prune"], ["compare"], ["worker", "--study", "x"]):
        one_line(dse(*verb, "--results", "file"), "argument --results: file is not a folder")
        one_line(dse(*verb, "--results", ""), "argument --results: an empty name is no folder")
    for command in (
        ["query", "SELECT 1 AS a", "--output", ""],
        ["report", "--output="],
        ["trace", "import", "file", "--format", "csv", "-o", ""],
    ):
        one_line(dse(*command), "an empty name is no file")
    one_line(dse("trace", "info", ""), "an empty name is no trace")
    one_line(dse("trace", "import", "", "--format", "csv", "-o", "out.npz"), "an empty name is no file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_what_is_no_file_is_not_waited_for(dse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pipe", "pipe.toml", "pipe.npz", "pipe.zip", "pipe.py", "pipe.log"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "folder.toml").mkdir()
    for command, says in (
        (["compare", "./pipe.toml"], "pipe.toml: is a pipe, not a file"),
        (["sweep", "./folder.toml"], "folder.toml: is a folder, not a file"),
        (["ask", "./pipe.toml"], "pipe.toml: is a pipe, not a file"),
        (["trace", "info", "pipe.npz"], "pipe.npz: is a pipe, not a file"),
        (["trace", "info", "/dev/zero"], "/dev/zero: is a device, not a file"),
        (["compare", "--trace", "pipe.npz"], "pipe.npz: is a pipe, not a file"),
        (["rerun", "./pipe.zip"], "pipe.zip: is a pipe, not a file"),
        (["worker", "--study", "x", "--storage", "pipe.log"], "pipe.log: is a pipe, not a file"),
    ):
        one_line(dse(*command), says)
    monkeypatch.setenv(registered.VARIABLE, "pipe.py")
    registered.registry.cache_clear()
    one_line(dse("designs"), "pipe.py: is a pipe, not a file")


@pytest.fixture
def fresh():
    """A registry that is read again before and after."""
    registered.registry.cache_clear()
    yield
    registered.registry.cache_clear()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import sys\nsys.exit(0)", "does not load: SystemExit: 0"),
        ("raise BaseException('x')", "does not load: BaseException: x"),
        ("raise GeneratorExit", "does not load: GeneratorExit"),
        (
            "from kernels.life.registry import REGISTRY\nREGISTRY['x'] = None",
            "puts something else than a design of that name into the registry: 'x'",
        ),
        ("from kernels.life.registry import REGISTRY\nREGISTRY['x'] = REGISTRY['direct']", "into the registry: 'x'"),
        ("from kernels.life.registry import REGISTRY\nREGISTRY[5] = REGISTRY['direct']", "into the registry: '5'"),
        ("def (", "does not load: SyntaxError"),
    ],
)
def test_modules_of_designs_that_do_anything(text: str, says: str, dse, fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kernels.life.registry import REGISTRY

    before = dict(REGISTRY)
    (tmp_path / "odd_design.py").write_text(text + "\n")
    monkeypatch.setenv(registered.VARIABLE, "odd_design.py")
    monkeypatch.delitem(sys.modules, "odd_design", raising=False)
    one_line(dse("designs"), says)
    assert before == REGISTRY


@pytest.mark.parametrize("value", ["abc", "0", "-1", "1e3", "9" * 5000, "٣"])
def test_a_number_of_the_environment_is_checked(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_HEARTBEAT", value)
    with pytest.raises(BadInput, match=r"^DSE_HEARTBEAT is a whole number from 1 to 3,600, got '") as found:
        options.variable("DSE_HEARTBEAT", 5, 1, 3600)
    assert len(str(found.value)) < 120
    monkeypatch.setenv("DSE_HEARTBEAT", "")
    assert options.variable("DSE_HEARTBEAT", 5, 1, 3600) == 5


def test_a_wrong_heartbeat_is_a_line_of_the_command(tmp_path: Path) -> None:
    status, _, err = shell("dse worker --study x --storage j", tmp_path, DSE_HEARTBEAT="abc")
    assert (status, err) == (2, "dse: error: DSE_HEARTBEAT is a whole number from 1 to 3,600, got 'abc'\n")


def test_names_that_are_not_utf8(dse, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff")
    (tmp_path / name).mkdir()
    (tmp_path / name / "s.toml").write_text('[workload]\ngenerator = "zipf"\npages = 4096\naccesses = 20000\n')
    made = trace.save(trace.build(np.array([1 << 31, 1 | 1 << 31], np.uint32), {"recorder": "x"}, pages=2), tmp_path / name / "a.npz")
    status, _, err = dse("compare", f"{name}/s.toml", "--counted-only", "--designs", "direct", "--results", "r")
    assert status == 0, err
    _, out, _ = dse("query", "SELECT command FROM runs", "--format", "json", "--results", "r")
    assert json.loads(out)[0]["command"].startswith(r"dse compare '\xff/s.toml'")
    one_line(dse("compare", "--trace", str(made), "--counted-only"), "is not UTF-8: rename the file")
    one_line(dse("compare", "--results", f"{name}/r"), "is not UTF-8")


def test_names_in_the_bytes_of_a_shell(tmp_path: Path) -> None:
    status, _, err = shell("dse trace info $(printf '\\377')", tmp_path)
    assert (status, err.count("\n")) == (2, 1)
    assert "no such trace file" in err


def test_a_hidden_file_gives_a_study_that_is_found(dse, tmp_path: Path) -> None:
    (tmp_path / ".hidden.toml").write_text(SPACE)
    status, _, err = dse("sweep", "./.hidden.toml", "--workers", "1")
    assert status == 0, err
    assert dse("report", "hidden", "--format", "text")[0] == 0
    assert texts.named("a\udcff/b\x1b") == "a__b_"
    assert texts.named("x" * 300) == "x" * 100


def test_damaged_archives_are_a_line(dse, tmp_path: Path) -> None:
    good = trace.save(trace.build(np.array([1 << 31], np.uint32), {"recorder": "x"}, pages=1), tmp_path / "good").read_bytes()

    def repacked(change) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(out, "w") as new:
            for name in old.namelist():
                new.writestr(name, change(name, old.read(name)))
        return out.getvalue()

    encrypted = bytearray(good)
    for at in range(len(encrypted) - 4):
        if encrypted[at : at + 4] == b"PK\x01\x02":
            encrypted[at + 8] |= 1
        elif encrypted[at : at + 4] == b"PK\x03\x04":
            encrypted[at + 6] |= 1
    header = json.dumps({"version": 1})
    npy = io.BytesIO()
    np.save(npy, np.frombuffer(("[" * 3000).encode(), np.uint8))
    cases = {
        "encrypted": bytes(encrypted),
        "cut member": repacked(lambda _, data: data[: len(data) // 2]),
        "odd header": repacked(lambda _, data: data.replace(b"{'descr'", b"{'descr', ")),
        "too large": repacked(lambda _, data: data.replace(b"(1,)", b"(9999999999999999999999,)")),
        "nested": repacked(lambda name, data: npy.getvalue() if name == "header.npy" else data),
        "no archive": header.encode(),
        "empty": b"",
    }
    for content in cases.values():
        (tmp_path / "bad.npz").write_bytes(content)
        one_line(dse("trace", "info", "bad.npz"), "bad.npz: not a swapdse trace, or damaged: ")


@pytest.mark.parametrize(
    "content",
    [
        b"garbage\n",
        b"{}\n",
        b"[]\n",
        b'{"op_code": 0}\n',
        b'{"op_code": 99, "worker_id": "x"}\n',
        b"\xff\0\n",
        b"5\n",
        b"[" * 3000 + b"\n",
        b"x" * 100,
        b'{"op_code": 0}\ngarbage\n',
    ],
)
def test_journals_that_are_none_are_a_line(dse, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j.log").write_bytes(content)
    one_line(dse("worker", "--study", "x", "--storage", "j.log"), "j.log: ")
    assert (tmp_path / "j.log").read_bytes() == content


def test_messages_hold_no_control_characters(dse, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("5;\x1b[2J\x9b1\n")
    one_line(dse("trace", "import", "a.csv", "--format", "csv"), r"\x1b[2J")
    one_line(dse("compare", "\x1b[2J.toml"), r"\x1b[2J.toml: no such file")
    assert output.render_json({"a": "\x9b\u202e\x7f\udcff é"}) == '{\n "a": "\\u009b\\u202e\\u007f\\udcff é"\n}'
    assert json.loads(output.render_json(["\x9b\u2028"])) == ["\x9b\u2028"]
    assert output.render_table([{"a\x1b": 1}]).splitlines()[0] == r"a\x1b"


def test_one_place_turns_failures_of_parsing_into_a_line() -> None:
    for error in (
        ValueError("a\nb"),
        RecursionError(),
        MemoryError(),
        KeyError("x"),
        OSError(28, "x"),
        ValueError(),
        zipfile.BadZipFile("y"),
    ):
        with pytest.raises(BadInput) as found, reading.parsing("f", "no trace"):
            raise error
        assert str(found.value).startswith("f: no trace: ")
        assert "\n" not in str(found.value)
    with pytest.raises(KeyboardInterrupt), reading.parsing("f", "no trace"):
        raise KeyboardInterrupt
    assert streams.plain("a\udcff") == r"a\xff"


def test_a_message_repeats_no_more_of_an_input_than_helps() -> None:
    for length in (10, 1500, 1501, 100_000):
        text = str(BadInput("a" * length + "z"))
        assert len(text) == min(length + 1, 1500)
        assert text.endswith("z")


def test_a_pipe_is_written_if_somebody_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with (tmp_path / "out").open("wb") as out, subprocess.Popen(["cat", str(pipe)], stdout=out):
        writing.save(pipe, b"x" * (1 << 20))
    assert (tmp_path / "out").read_bytes() == b"x" * (1 << 20)
    assert writing.save("/dev/null", b"x") == "/dev/null"
    monkeypatch.setattr(writing, "PATIENCE", 0.1)
    with pytest.raises(BadInput, match="is a pipe that nobody reads"):
        writing.save(pipe, b"x")


@pytest.mark.parametrize("command", ["--help", "--version", "sweep --help", "trace record --help"])
def test_a_help_that_cannot_be_written(command: str, tmp_path: Path) -> None:
    assert shell(f"dse {command} >/dev/full", tmp_path) == (2, "", "dse: error: no space left on the disk\n")


@pytest.mark.parametrize("name", ["POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"])
def test_variables_of_libraries_that_would_panic(name: str, tmp_path: Path) -> None:
    for command in ("compare", "query 'select 1'"):
        status, out, err = shell(f"dse {command}", tmp_path, **{name: "0"})
        assert (status, out, err) == (2, "", f"dse: error: {name} is a whole number from 1 to 1,024, got '0'\n")


@pytest.mark.parametrize("target", [".", "..", "/", "there/", "./"])
def test_a_trace_whose_name_is_that_of_a_folder(target: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "a.csv").write_text("5,1\n7,0\n")
    for command in (f"trace import a.csv --format csv -o {target}", f"trace record -o {target} -- true"):
        assert shell(f"dse {command}", tmp_path) == (2, "", f"dse: error: {target}: cannot be written: is a folder\n")
    assert {path.name for path in tmp_path.iterdir()} == {"there", "a.csv"}


def test_what_numba_cannot_read_is_one_line(tmp_path: Path) -> None:
    """Numba would add a traceback."""
    status, _, err = shell("dse ledger direct --slots 1024 --fill 0.5 --backend zswap", tmp_path, NUMBA_OPT="x")
    assert status == 0
    assert "Traceback" not in err
    assert err.count("dse: variable NUMBA_OPT of the environment has no effect: Numba cannot read 'x'\n") == 1
