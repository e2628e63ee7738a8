"""The command line: lazy verbs, one line for every failure, exit statuses."""

from __future__ import annotations

import argparse
import errno
import importlib
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import dse
from dse import cli
from dse.commands import VERBS
from dse.common import options, output
from dse.errors import BadInput, CheckFailed, Ended, nearest, unknown
from dse.naming import processes

HEAVY = ("numba", "numpy", "polars", "optuna", "asv", "llvmlite", "matplotlib")


def run_dse(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dse.cli", *args], capture_output=True, text=True, timeout=60)


def install(monkeypatch: pytest.MonkeyPatch, work: object, configure: object = None) -> None:
    """Make a verb `probe` whose run is `work`."""
    module = types.ModuleType("dse_probe")
    module.__doc__ = "``dse probe``: a verb of the tests."
    module.configure = configure or (lambda parser: None)
    module.run = work
    monkeypatch.setitem(sys.modules, "dse_probe", module)
    monkeypatch.setitem(VERBS, "probe", ("dse_probe", "a verb of the tests"))


def raising(error: BaseException):
    def work(args: argparse.Namespace) -> int:
        raise error

    return work


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_module_of_its_own(verb: str) -> None:
    module = importlib.import_module(VERBS[verb][0])
    assert module.__doc__.startswith(f"``dse {verb}``: {VERBS[verb][1]}.")
    parser = cli.Parser(prog=f"dse {verb}")
    module.configure(parser)
    assert verb in parser.format_help()


def test_help_names_every_verb() -> None:
    done = run_dse("--help")
    assert done.returncode == 0
    assert all(f"  {verb} " in done.stdout and text in done.stdout for verb, (_, text) in VERBS.items())


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, dse.cli; dse.cli.main(['--help']); print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_a_verb_imports_its_own_module_only() -> None:
    code = "import sys, dse.cli\ndse.cli.main(['doctor', '--help'])\nprint([m for m in sys.modules if m.startswith('dse.commands.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("['dse.commands.doctor']")


def test_package_attributes_are_lazy() -> None:
    assert dse.scan is importlib.import_module("dse.storing.querying").scan
    assert {"compare", "ledger", "designs", "explain", "scan"} <= set(dir(dse))
    with pytest.raises(AttributeError, match="no attribute 'comparre'"):
        _ = dse.comparre


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["doctr"], "unknown verb 'doctr', did you mean 'doctor'?"),
        (["xyzzy"], "valid: "),
        (["doctor", "--formt", "json"], "unrecognized argument '--formt', did you mean '--format'?"),
        (["doctor", "--form", "json"], "'--form'"),
        (["doctor", "--format", "jsn"], "unknown value 'jsn', did you mean 'json'?"),
        (["doctor", "extra"], "unrecognized argument 'extra'"),
        (["diff", "one"], "required: RUN"),
        (["--nope"], "VERB"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dse: error: ")
    assert err.count("\n") == 1
    assert says in err


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (BadInput("a\nb"), 2, "dse: error: a b"),
        (CheckFailed("counters differ"), 1, "dse: failed: counters differ"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError("Unable to allocate 9 TiB"), 2, "not enough memory (Unable to allocate 9 TiB)"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "no space left on the disk"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 2, "permission denied: /x/y"),
        (OSError(errno.EIO, "Input/output error", "f"), 2, "Input/output error: f"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (Ended(143), 143, ""),
        (SystemExit(3), 2, "dse: error: code that is not of dse ends the program: SystemExit: 3"),
        (SystemExit(0), 2, "dse: error: code that is not of dse ends the program: SystemExit: 0"),
    ],
)
def test_failures_become_a_line(
    error: BaseException, status: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_drop_output", lambda: None)
    install(monkeypatch, raising(error))
    assert cli.main(["probe"]) == status
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == (1 if says else 0)


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, raising(ZeroDivisionError("oops")))
    with pytest.raises(ZeroDivisionError):
        cli.main(["probe"])


def test_traceback_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, raising(BadInput("x")))
    monkeypatch.setenv("DSE_TRACEBACK", "1")
    with pytest.raises(BadInput):
        cli.main(["probe"])


def test_the_command_line_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    install(monkeypatch, lambda args: seen.append(args.command_line) or 0, lambda p: p.add_argument("words", nargs="*"))
    assert cli.main(["probe", "a b", "c"]) == 0
    assert seen == ["dse probe 'a b' c"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_full_disk_on_stdout() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, "-m", "dse.cli", "doctor"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "dse: error: no space left on the disk\n"


def test_reader_that_goes_away() -> None:
    code = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-m', 'dse.cli', 'doctor'], stdout=-1, stderr=-1)\n"
        "p.stdout.close()\nerr = p.stderr.read()\nprint(p.wait(), err)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "141 b''"


def test_version_and_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert dse.__version__ in capsys.readouterr().out
    assert cli.main([]) == 0
    assert "verbs:" in capsys.readouterr().out


def test_doctor_is_data(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    assert cli.main(["doctor", "--format", "json", "--results", str(tmp_path)]) == 0
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"python", "numba", "kernel cache", "cpu", "clock", "memory", "disk", "gcc", "valgrind", "perf"} <= set(rows)
    assert {row["status"] for row in rows.values()} <= {"ok", "limited", "missing"}


def test_doctor_reports_what_is_missing(capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["doctor", "--format", "csv"]) == 0
    text = capsys.readouterr().out
    assert "gcc,missing" in text
    assert "kernel cache,limited" in text


@pytest.mark.parametrize(("inside", "status"), [("", "ok"), ("file/", "limited")])
def test_doctor_looks_where_results_would_be_made(inside: str, status: str, capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / f"{inside}new" / "results"
    assert cli.main(["doctor", "--format", "json", "--results", str(folder)]) == 0
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["results"]["status"] == status
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("2^23", 2**23), ("2**10", 1024), ("8M", 8 << 20), ("4GiB", 4 << 30), ("1_000", 1000)],
)
def test_whole_numbers(text: str, value: int) -> None:
    assert options.whole(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (options.whole, "-1"), (options.whole, "1.5"), (options.whole, ""),
        (options.whole, "x"), (options.positive, "0"),
        (options.slots, "2^29"), (options.slots, "-4"), (options.share, "1.1"),
        (options.share, "nan"), (options.share, "x"),
        (options.share, "-0.1"), (options.seed, "2^64"),
    ],
)  # fmt: skip
def test_refused_numbers(read, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        read(text)


def test_shares() -> None:
    assert options.share("25%") == options.share("0.25") == 0.25
    assert options.share("1") == 1.0
    assert [str(read) for read in (options.share("-0.0"), options.share("-0%"), options.finite("-0", "days"))] == ["0.0"] * 3


def test_nearest() -> None:
    assert nearest("Swap-ID", ["swap_id", "direct"]) == "swap_id"
    assert "did you mean 'direct'?" in unknown("design", "dirct", ["direct"])
    assert unknown("design", "x", []) == "unknown design 'x', valid: none"


def test_output_forms(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"a": "x", "n": 1234567, "f": 0.12345}, {"a": "yy", "n": None, "f": float("nan")}]
    output.emit(rows, "table")
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["a", "n", "f"]
    assert table[2].split() == ["x", "1,234,567", "0.1235"]
    assert table[3].split() == ["yy", "-", "-"]
    output.emit(rows, "json", document={"rows": rows, "inf": float("inf")})
    document = json.loads(capsys.readouterr().out)
    assert document["rows"][1] == {"a": "yy", "n": None, "f": None}
    assert document["inf"] is None
    output.emit(rows, "csv", columns=["n", "a"])
    assert capsys.readouterr().out == "n,a\n1234567,x\n,yy\n"
    assert output.render_table([]) == ""
    assert output.cell(True) == "yes"
    assert output.cell(["a", 1]) == "a, 1"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (-3.5, "-3.500"), (1e-9, "1.000e-09"), (float("inf"), "inf"), (99999.9, "100,000")]
)
def test_numbers(value: float, text: str) -> None:
    assert output.number(value) == text


def test_progress_waits_and_then_speaks() -> None:
    import io

    quiet, loud = io.StringIO(), io.StringIO()
    with output.Progress("work", 4, quiet) as progress:
        assert list(progress.over(range(4))) == [0, 1, 2, 3]
    with output.Progress("work", 4, loud, patience=0.0) as progress:
        progress.step(2, "half")
        progress.step()
    assert quiet.getvalue() == ""
    assert loud.getvalue() == "dse: work 2/4, 0 s, about 0 s left, half\n"


def test_progress_of_many_steps_is_a_percentage_and_tells_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    now = [100.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now[0])
    told = io.StringIO()
    with output.Progress("work", 200_000, told, watched=False) as progress:
        now[0] = 130.0
        progress.step(50_000)
    assert told.getvalue() == "dse: work 25 %, 30 s, about 90 s left\n"


def test_progress_speaks_within_a_long_step(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import time

    class Told(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(output, "LOOK", 0.01)
    told = Told()
    with output.Progress("work", 3, told, patience=0.02):
        until = time.monotonic() + 60.0
        while "work 0/3" not in told.getvalue():
            assert time.monotonic() < until, "a long step was silent"
            time.sleep(0.01)
    assert told.getvalue().endswith("\r")


def test_sources_are_read_in_any_locale() -> None:
    code = (
        "from pathlib import Path\nimport kernels.traces.generate as g\nfrom kernels.compiling import sources\n"
        "sources.stamp([Path(g.__file__)])"
    )
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


ALONE = {
    "explain swap_in --target hdd": "--target has no effect: swap_in moves nothing",
    "explain swap_out --target hdd": "--target has no effect: swap_out moves nothing",
    "explain swapoff --target hdd": "--target has no effect: swapoff moves nothing",
    "explain swap_in --results nodir": "--results has no effect: a record of a kernel is looked for there",
    "ledger direct --backend ssd --compressed 100": "--compressed has no effect: no row of direct on ssd depends on it",
    "ledger direct,swap_id --backend hdd --compressed 100": "--compressed has no effect: no row of direct, swap_id on hdd",
    "trace import a.csv --format csv --page-column 0": "argument --page-column: 0 is not at least 1",
    "trace import a.csv --format csv --writes ,": "argument --writes: ',' has an empty word in it",
    "compare --seed 5 --seed 6": "argument --seed: given twice, and it takes one value",
    "compare --results r1 --results=r2": "argument --results: given twice, and it takes one value",
    "trace import a.csv --format csv -o a --out b": "argument -o/--out: given twice, and it takes one value",
    "query q --format csv --format csv": "argument --format: given twice, and it takes one value",
}


@pytest.mark.parametrize("command", ALONE)
def test_options_without_effect_and_options_given_twice(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(command.split()) == cli.BAD
    said = capsys.readouterr()
    assert said.err.startswith(f"dse: error: {ALONE[command]}")
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_options_that_may_be_given_again(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # parsers are made anew for each command
        assert cli.main(["ledger", "direct", "--slots", "4096", "--compressed", "100"]) == 0
    parser = cli.Parser(prog="dse probe")
    options.add_set(parser)
    parser.add_argument("--full", action="store_true")
    assert parser.parse_args(["--set", "a.b=1", "--set", "a.c=2", "--full", "--full"]).set == ["a.b=1", "a.c=2"]
    assert parser.parse_args(["--set", "a.b=1"]).set == ["a.b=1"]


@pytest.mark.parametrize("value", ["", "0", "no", "Off", "false"])
def test_tracebacks_are_off(value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DSE_TRACEBACK", value)
    assert cli.main(["nothing"]) == cli.BAD
    assert "unknown verb 'nothing'" in capsys.readouterr().err


def test_a_misspelt_variable_of_the_environment_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says that it has no effect, and which one was meant; processes of ours do not say it again."""
    for name, says in (
        ("DSE_DESIGN", "did you mean 'DSE_DESIGNS'?"), ("dse_designs", "did you mean 'DSE_DESIGNS'?"),
        ("DSE_STORRAGE", "did you mean 'DSE_STORAGE'?"), ("SWAPDSE_BENCH_HOM", "did you mean 'SWAPDSE_BENCH_HOME'?"),
        ("DSE_RESULTS", "valid: DSE_DESIGNS, DSE_STORAGE, DSE_HEARTBEAT"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setenv(name, "s3cr3t")
            assert cli.main(["designs", "direct"]) == 0
            said = capsys.readouterr().err
            assert said.startswith(f"dse: variable {name} of the environment has no effect: {says}")
            assert (said.count("\n"), "s3cr3t" in said) == (1, False)
            assert name not in processes.environ()
    for name in ("DSE_PLAIN_NUMBA_SAID", "DSE_STORAGE", "DSEX", "OTHER_DSE_X"):
        monkeypatch.setenv(name, "1")
    assert cli.main(["designs", "direct"]) == 0
    assert not capsys.readouterr().err
    assert processes.environ()["DSE_STORAGE"] == "1"


def test_every_variable_that_is_read_is_known() -> None:
    """The list of variables is that of the sources."""
    root = Path(cli.__file__).parent.parent
    files = [*root.glob("dse/**/*.py"), *root.glob("kernels/**/*.py"), *root.glob("benchmarks/**/*.py")]
    read = {name for file in files for name in re.findall(r"\b(?:SWAP)?DSE_[A-Z_]+\b", file.read_text())}
    assert read - {"DSE_DESIGN"} == set(options.VARIABLES)
