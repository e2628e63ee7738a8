"""Full disks: one clear line, exit 2, and earlier results stay."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dse import storing
from dse.cli import BAD, main
from dse.common import writing
from dse.measuring import warming
from dse.storing import studies
from dse.sweeps import distributing, space, storages, sweep
from tests.sweepdata import TEXT

ROOT = Path(__file__).resolve().parent.parent
ON_A_SMALL_DISK = """
mount -t tmpfs -o size={size} tmpfs {mounted} || exit 77
cp -r {stored}/. {mounted}/
"{python}" -m dse.cli sweep {space} --workers {workers} --seed 2 --sampler random --results {mounted} > /dev/null
echo $?
find {mounted} -name '.writing*'
mount -o remount,size=100m {mounted}
"{python}" -m dse.cli sweep --resume last --results {mounted} > /dev/null 2>&1 && cp -r {mounted}/. {after}
"""
Full = Callable[[int], None]


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warming.warm([("direct", "count"), ("swap_id", "count")])


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Full:
    """Function that lets so many more writes through; after them the disk is full."""
    real = os.fdopen

    def fill(after: int) -> None:
        left = after

        def opened(handle: int, *args: Any, **given: Any) -> Any:
            nonlocal left
            file = real(handle, *args, **given)
            left -= 1
            if left < 0:
                file.close()
                raise OSError(errno.ENOSPC, "No space left on device")
            return file

        monkeypatch.setattr(writing.os, "fdopen", opened)

    return fill


NOTE = "environments have no result, as they cannot exist"


def contents(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}


def one_line(capsys: pytest.CaptureFixture[str], said: str) -> None:
    """Errors are one line; what a space has that cannot exist is told before."""
    output = capsys.readouterr()
    errors = [line for line in output.err.splitlines() if NOTE not in line]
    assert len(errors) == 1, output.err
    assert said in errors[0]
    assert not output.out


@pytest.mark.parametrize(("size", "workers"), [("700k", 2)])
def test_sweep_on_a_small_disk(size: str, workers: int, tmp_path: Path) -> None:
    file, stored, mounted, after = tmp_path / "small.toml", tmp_path / "stored", tmp_path / "disk", tmp_path / "after"
    file.write_text(TEXT)
    mounted.mkdir()
    after.mkdir()
    first = sweep(space.load(file), trials=8, sampler="random", results=stored)
    script = ON_A_SMALL_DISK.format(
        size=size, workers=workers, mounted=mounted, stored=stored, space=file, python=sys.executable, after=after
    )  # fmt: skip
    try:
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=120)
    except FileNotFoundError:
        pytest.skip("no unshare on this system")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"a small disk may not be mounted here: {done.stderr.strip()}")
    errors = [line for line in done.stderr.splitlines() if not line.startswith("dse: sweep ") and NOTE not in line]
    assert len(errors) == 1, done.stderr
    assert "no space left on the disk" in errors[0]
    assert done.stdout == f"{BAD}\n"  # and no half-written file
    assert studies.read_tables(after, first["study"]) == studies.read_tables(stored, first["study"])
    resumed = studies.names(after)[-1]
    whole = sweep(space.load(file), sampler="random", seed=2, results=tmp_path / "whole")
    assert studies.read_tables(after, resumed)["trials"] == studies.read_tables(tmp_path / "whole", whole["study"])["trials"]


@pytest.mark.parametrize("writes", [0, 1, 2, 6, 14])
def test_sweep_at_any_write(writes: int, full: Full, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, results = tmp_path / "small.toml", tmp_path / "r"
    file.write_text(TEXT)
    arguments = ["sweep", str(file), "--sampler", "random", "--workers", "1", "--results", str(results), "--trials"]
    assert main([*arguments, "4"]) == 0
    capsys.readouterr()
    (study,) = studies.names(results)
    before = {name: digest for name, digest in contents(results).items() if name.endswith(".parquet")}
    full(writes)
    assert main([*arguments, "12"]) == BAD
    one_line(capsys, f"cannot store under {results}: no space left on the disk")
    after = contents(results)
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if ".writing" in name]
    assert len(studies.read_tables(results, study)["trials"]) == 4 * 4 * 2  # trials, designs, environments


def test_tables_of_a_study_change_together(full: Full, tmp_path: Path) -> None:
    rows: dict[str, list[dict[str, Any]]] = {"trials": [], "winners": []}
    studies.write_tables(tmp_path, "s", rows)
    before = contents(tmp_path)
    full(1)
    with pytest.raises(OSError, match="No space"):
        studies.write_tables(tmp_path, "s", {"trials": [{"number": 1}], "winners": [{"design": "direct"}]})
    assert contents(tmp_path) == before


def test_worker(full: Full, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = space.parse(TEXT, "small.toml", "small")
    url = str(tmp_path / "journal.log")
    from dse.sweeps.workers import Evaluator

    with Evaluator(tmp_path / "a") as evaluator, distributing.Shared(url, "s", small, evaluator, 0, tmp_path / "a") as shared:
        capsys.readouterr()
        shared._issue(0, next(small.every()))
        full(0)
        assert main(["worker", "--storage", url, "--study", "s", "--once", "--results", str(tmp_path / "b")]) == BAD
        one_line(capsys, f"cannot store under {tmp_path / 'b'}: no space left on the disk")
        (trial,) = storages.opened(url).get_all_trials(0)
        assert distributing.MEASURES not in trial.user_attrs  # the sweep gives it to another worker


def test_run_of_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run = storing.write_run(tmp_path, [storing.figure("direct", "swap_in", "lines", "counted", "lines", 1)])
    before = contents(tmp_path)

    def refuse(path: Path, content: bytes) -> None:
        if path.name != f".probe-{os.getpid()}":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storing.writer, "_write_file", refuse)
    file = tmp_path / "tiny.toml"
    file.write_text('workload = { generator = "zipf", pages = 1_024, accesses = 4_096 }\nmemory = { limit = 0.5 }\n')
    assert main(["compare", str(file), "--designs", "direct,swap_id", "--counted-only", "--results", str(tmp_path)]) == BAD
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert lines == [f"dse: error: cannot store the run under {tmp_path / 'runs'}: no space left on the disk"]
    assert {name: digest for name, digest in contents(tmp_path).items() if run in name} == before


@pytest.mark.parametrize("form", ["csv", "json", "table", "parquet"])
def test_query_into_a_full_device(form: str, full: Full, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    select = ["query", "SELECT design FROM ops", "--results", str(tmp_path), "--format", form]
    for arguments, out in ((select, "/dev/full"), ([*select, "--output", "/dev/full"], "/dev/null")):
        with open(out, "w", encoding="utf-8") as file:
            done = subprocess.run([sys.executable, "-m", "dse.cli", *arguments], stdout=file, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert done.returncode == BAD
        errors = [line for line in done.stderr.splitlines() if not line.endswith(" rows")]
        assert len(errors) == 1, done.stderr
        assert "no space left on the disk" in errors[0]
    assert Path("/dev/full").is_char_device()
    output = tmp_path / "out"
    output.write_text("before")
    full(0)
    assert main([*select, "--output", str(output)]) == BAD
    one_line(capsys, "no space left on the disk")
    assert output.read_text() == "before"


@pytest.mark.parametrize("options", [["--format", "html"], ["--format", "svg"], ["--bundle"]])
def test_report(options: list[str], full: Full, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = sweep(space.parse(TEXT, "small.toml", "small"), trials=4, sampler="random", results=tmp_path)
    target = tmp_path / "out"
    target.write_text("before")
    before = contents(tmp_path)
    full(0)
    assert main(["report", found["study"], *options, "--output", str(target), "--results", str(tmp_path)]) == BAD
    one_line(capsys, "no space left on the disk")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_follow_the_mask(mask: int, mode: int, tmp_path: Path) -> None:
    code = "import os, sys; os.umask(int(sys.argv[2])); from dse.common import writing; writing.save(sys.argv[1], b'x')"
    target = tmp_path / "file"
    subprocess.run([sys.executable, "-c", code, str(target), str(mask)], check=True, cwd=ROOT)
    assert target.stat().st_mode & 0o777 == mode


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    writing.save(pipe, json.dumps([1]).encode())
    assert reader.communicate()[0] == b"[1]"
    assert pipe.is_fifo()
    with contextlib.suppress(OSError):
        pipe.unlink()
