"""`dse calibrate` on a host in a folder: order of its changes, what it puts back after every error and every kill, what it refuses.

The real host is never changed by a test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dse import calibrating, cli
from dse.calibrating import checking, journal, session, system
from dse.errors import BadInput, CheckFailed
from tests import calibdata
from tests.calibdata import CLUSTER, CONTROL, NS, PAGES, ZSWAP, Host, Killed, build, picture, wanted

ALL = ["first", "hit", "zero", "zswap", "zram", "disk"]


def run(tmp: Path, at: int = 0, how: str = "before", **more: Any) -> Host:
    """Calibrate a host under `tmp`, which is left for the caller to look at; its error is passed on."""
    wish = wanted(tmp, **more.pop("wish", {}))
    host = Host(tmp / "root", wish.state, at, how, **more)
    try:
        calibrating.calibrated(wish, "dse calibrate", host)
    finally:
        run.host = host
    return host


@pytest.fixture
def tmp(tmp_path: Path) -> Path:
    build(tmp_path / "root")
    return tmp_path


def restored(tmp: Path, at: int = 0, how: str = "before", **files: str) -> list[str]:
    """Restore with a new process."""
    for name, text in files.items():
        (tmp / "root" / name).write_text(text)
    return calibrating.restore(tmp / "results", Host(tmp / "root", tmp / "results" / "calibrate", at, how))


def left(tmp: Path) -> list[str]:
    """Names in the folder of the journal."""
    return sorted(path.name for path in (tmp / "results" / "calibrate").iterdir())


def test_a_calibration_leaves_the_host_as_it_was(tmp: Path) -> None:
    before = picture(tmp / "root")
    host = run(tmp)
    assert picture(tmp / "root") == before
    assert left(tmp) == ["lock"]
    order = [*ALL, *ALL[::-1], *ALL]  # repeats are paired, and every other one runs backwards
    assert host.measured == [(kind, 1 + i // len(ALL)) for i, kind in enumerate(order)]
    assert (tmp / "table.toml").is_file()


def test_every_change_is_in_the_journal_before_it_is_made(tmp: Path) -> None:
    host = run(tmp)  # the host itself fails where one is not
    made = [(what, name.split()[0]) for what, name in host.changes if what in ("write", "make", "take", "swapon")]
    assert {("write", CLUSTER), ("write", ZSWAP), ("write", CONTROL), ("take", journal.HOT_ADD)} <= set(made)
    assert sum(what == "swapon" for what, _ in made) == 3 * 5  # hit, zero, zswap, zram, disk
    assert [name for what, name in host.changes if what == "note" and "swap" in json.loads(name).get("kind", "")]
    first = next(i for i, (what, _) in enumerate(host.changes) if what == "note")
    assert [what for what, _ in host.changes[:first]] == ["compile"]


def test_the_host_finds_a_change_that_is_not_noted(tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal.Journal, "note", lambda self, **entry: None)
    with pytest.raises(AssertionError, match="is not in the journal"):
        run(tmp)


def steps(tmp_path: Path) -> int:
    """Number of changes of a calibration."""
    build(tmp_path / "count" / "root")
    return len(run(tmp_path / "count").changes)


def cases(tmp_path: Path, last: int) -> Iterator[tuple[int, Path]]:
    """A fresh tree for each change."""
    for at in range(1, last + 1):
        tmp = tmp_path / str(at)
        build(tmp / "root")
        yield at, tmp


@pytest.mark.parametrize("how", ["before", "after", "torn"])
def test_restore_after_a_kill_at_every_step(tmp_path: Path, how: str) -> None:
    for at, tmp in cases(tmp_path, steps(tmp_path)):
        before = picture(tmp / "root")
        with pytest.raises(Killed):
            run(tmp, at, how)
        if (tmp / "results" / "calibrate" / "journal").exists():
            restored(tmp)
        assert picture(tmp / "root") == before, f"{how} {run.host.changes[-1]}"
        assert "journal" not in left(tmp)


def test_everything_is_put_back_after_an_error_at_every_step(tmp_path: Path) -> None:
    stays = 0
    for at, tmp in cases(tmp_path, steps(tmp_path)):
        before = picture(tmp / "root")
        try:
            run(tmp, at, "error")
            error = None
        except (OSError, CheckFailed) as caught:
            error = caught
        what, name = run.host.changes[at - 1]
        if error is None:  # a cgroup whose last process just ends is tried again
            assert (what, run.host.changes[at]) == ("remove", ("remove", name))
        if (tmp / "results" / "calibrate" / "journal").exists():  # what failed was the undoing
            stays += 1
            assert isinstance(error, OSError) or "--restore tries again" in str(error)
            restored(tmp)
        assert picture(tmp / "root") == before, f"{what} {name}: {error}"
    assert 0 < stays < 12


@pytest.mark.parametrize("how", ["before", "after"])
def test_restore_can_be_killed_and_repeated(tmp_path: Path, how: str) -> None:
    first = next(i for i, (what, name) in enumerate(_changes(tmp_path), 1) if (what, name) == ("measure", "half"))
    for at, tmp in cases(tmp_path, 30):
        before = picture(tmp / "root")
        with pytest.raises(Killed):
            run(tmp, first)
        (tmp / "root" / "sys" / "fs" / "cgroup" / group_of(tmp) / "cgroup.procs").write_text("4242")
        try:
            restored(tmp, at, how)
            over = True
        except Killed:
            over = False
        if not over and (tmp / "results" / "calibrate" / "journal").exists():
            restored(tmp)
        assert picture(tmp / "root") == before
        if over:
            assert at > 8
            return
    pytest.fail("a restore has fewer than 30 steps")


def _changes(tmp_path: Path) -> list[tuple[str, str]]:
    build(tmp_path / "changes" / "root")
    return run(tmp_path / "changes").changes


def group_of(tmp: Path) -> str:
    return next(path.name for path in (tmp / "root/sys/fs/cgroup").iterdir() if path.name.startswith("dse-calibrate-"))


def test_after_a_reboot_only_the_file_is_removed(tmp: Path) -> None:
    at = next(i for i, (what, _) in enumerate(_changes(tmp), 1) if what == "measure")
    with pytest.raises(Killed):
        run(tmp, at + 9)
    file = next(path for path in (tmp / "root/disk").iterdir() if path.name.startswith(".dse-calibrate"))
    (tmp / "root/proc/swaps").write_text(calibdata.HEADER)
    done = restored(tmp, **{"proc/sys/kernel/random/boot_id": "boot-2", CLUSTER[1:]: "5"})
    assert done == [f"/disk/{file.name} is removed"]
    assert not file.exists()
    assert (tmp / "root" / CLUSTER[1:]).read_text() == "5"


def test_the_device_of_others_stays(tmp: Path) -> None:
    """A zram device that is in use is not taken for ours, which was made and not yet written down."""
    changes = _changes(tmp)
    at = next(i for i, (what, _) in enumerate(changes, 1) if what == "take")
    with pytest.raises(Killed):
        run(tmp, at, "before")
    other = tmp / "root/sys/block/zram1"
    other.mkdir()
    (other / "disksize").write_text("4096")
    restored(tmp)
    assert other.is_dir()


def test_a_device_that_came_later_stays(tmp: Path) -> None:
    """Once the number of our own zram device is written down, no other one is taken for it."""
    at = next(i for i, (what, _) in enumerate(_changes(tmp), 1) if what == "measure")
    with pytest.raises(Killed):
        run(tmp, at)
    other = tmp / "root/sys/block/zram9"
    other.mkdir()
    (other / "disksize").write_text("0")
    assert "zram1 is removed" in restored(tmp)
    assert other.is_dir()


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "setting", "path": "/etc/shadow", "old": "x"},
        {"kind": "file", "path": "/disk/mine.txt"}, {"kind": "swap", "path": "/dev/sda2"},
        {"kind": "group", "path": "/sys/fs/cgroup/system.slice"}, {"kind": "zram", "number": "../x"}, {"kind": "else"},
        {"kind": "file", "path": '/disk/mine.txt"/.dse-calibrate-00000000.swap.txt'},
    ],
)  # fmt: skip
def test_a_journal_of_somebody_else_is_not_followed(tmp: Path, entry: dict[str, Any]) -> None:
    """Root may restore in a folder where others write."""
    folder = tmp / "results" / "calibrate"
    folder.mkdir(parents=True)
    (folder / "journal").write_text(json.dumps({"boot": "boot-1"}) + "\n" + json.dumps(entry) + "\n")
    before = picture(tmp / "root")
    with pytest.raises(BadInput, match="is no journal of dse calibrate"):
        restored(tmp)
    assert picture(tmp / "root") == before


def test_a_journal_is_on_the_disk_before_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}")))
    system.System().append(tmp_path / "journal", "line")
    assert synced == [str(tmp_path / "journal"), str(tmp_path)]
    assert (tmp_path / "journal").read_text() == "line\n"


REFUSALS: dict[str, tuple[dict[str, str | None], dict[str, Any], dict[str, Any], str]] = {
    "user": ({}, {"uid": 1000}, {}, "needs root"),
    "swap": ({"/proc/swaps": f"{calibdata.HEADER}\n/dev/sda\\0402 partition 1 0 -2"}, {}, {}, r"swap is on \(/dev/sda 2\)"),
    "load": ({"/proc/loadavg": "1.20 1 1 1/1 1"}, {}, {}, r"load average is 1\.2 on 2 CPUs, above 0\.5 a CPU"),
    "memory": ({"/proc/meminfo": "MemAvailable: 90000 kB"}, {}, {}, "88 MiB of memory are available"),
    "cgroup": ({"/sys/fs/cgroup/cgroup.controllers": "cpu"}, {}, {}, "no memory cgroup"),
    "sysctl": ({}, {"read_only": CLUSTER}, {}, r"page-cluster cannot be written: /proc or /sys is read-only"),
    "sysfs": ({}, {"read_only": ZSWAP}, {}, "read-only here"),
    "mkswap": ({}, {"lacks": "mkswap"}, {}, r"mkswap is not installed \(package util-linux\)"),
    "gcc": ({}, {"lacks": "gcc"}, {}, "gcc is not installed"),
    "folder": ({}, {}, {"folder": Path("/nowhere")}, "/nowhere: no such file or folder"),
    "repeats": ({}, {}, {"repeats": 2}, "2 repeats give no spread"),
    "pages": ({}, {}, {"pages": 8}, "pages are from 256"),
    "kind": ({}, {}, {"kinds": ("zswp",)}, "did you mean 'zswap'"),
    "useless": ({}, {}, {"kinds": ("disk",)}, "none of disk gives a row"),
    "zswap": ({ZSWAP: None}, {}, {"kinds": ("zswap",)}, "zswap cannot be measured: this kernel has no zswap"),
    "zram": ({journal.HOT_ADD: None}, {}, {"kinds": ("zram",)}, "zram is not loaded"),
    "zeros": ({"/proc/vmstat": "pswpin 0"}, {}, {"kinds": ("zero",)}, "does not count pages of zeros"),
    "no linux": ({"/proc/swaps": None}, {}, {}, "needs Linux"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_change_nothing(tmp_path: Path, name: str) -> None:
    files, more, wish, message = REFUSALS[name]
    build(tmp_path / "root", **files)
    before = picture(tmp_path / "root")
    with pytest.raises(BadInput, match=message):
        run(tmp_path, wish=wish, **more)
    assert picture(tmp_path / "root") == before
    assert run.host.changes == []
    assert not (tmp_path / "table.toml").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("no/table.toml", "no such file or folder"), ("table.csv", "no .toml file"), ("there.toml", "is there and is not overwritten")],
)
def test_an_output_that_cannot_be_written_is_refused_first(tmp: Path, name: str, message: str) -> None:
    (tmp / "there.toml").write_text("old")
    with pytest.raises(BadInput, match=message):
        run(tmp, wish={"output": tmp / name})
    assert run.host.changes == []
    assert (tmp / "there.toml").read_text() == "old"


def test_a_second_run_asks_for_restore(tmp: Path) -> None:
    with pytest.raises(Killed):
        run(tmp, 9)
    with pytest.raises(BadInput, match=r"was cut off .*--restore first"):
        run(tmp)
    restored(tmp)
    with pytest.raises(BadInput, match="there is no journal"):
        restored(tmp)
    run(tmp)


def test_two_at_a_time_are_refused(tmp: Path) -> None:
    from dse.common.writing import locked

    with locked(tmp / "results" / "calibrate" / "lock", "held"), pytest.raises(BadInput, match="another dse calibrate is running"):
        run(tmp)


def test_version_1_of_cgroups_is_taken_where_there_is_no_other(tmp_path: Path) -> None:
    files = {"/sys/fs/cgroup/cgroup.controllers": None, CONTROL: None, "/sys/fs/cgroup/memory/memory.force_empty": ""}
    build(tmp_path / "root", **files)
    host = run(tmp_path)
    assert any(name.startswith("/sys/fs/cgroup/memory/dse-calibrate-") for what, name in host.changes if what == "make")
    assert not any("subtree_control" in name for _, name in host.changes)


def test_kinds_that_the_host_lacks_are_left_out(tmp_path: Path) -> None:
    build(tmp_path / "root", **{ZSWAP: None, journal.HOT_ADD: None})
    wish = wanted(tmp_path)
    host = Host(tmp_path / "root", wish.state)
    found = calibrating.calibrated(wish, "dse calibrate", host)
    assert {kind for kind, _ in host.measured} == {"first", "hit", "zero", "disk"}
    assert found["provenance"]["left_out"] == "zswap: this kernel has no zswap; zram: zram is not loaded (modprobe zram num_devices=0)"


def test_the_plan_changes_nothing(tmp: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp / "root", tmp / "results" / "calibrate", uid=7)
    monkeypatch.setattr("dse.calibrating.system.System", lambda: host)
    monkeypatch.setattr(calibrating, "System", lambda: host)
    before = picture(tmp)
    where = ["--output", str(tmp / "t.toml"), "--results", str(tmp / "results"), "--swap-folder", "/disk"]
    assert cli.main(["calibrate", *where]) == 0
    said = capsys.readouterr()
    assert f"{CLUSTER}" in said.out
    assert "it would be refused now: dse calibrate needs root" in said.err
    assert "nothing was changed; --yes does it" in said.err
    assert picture(tmp) == before
    assert cli.main(["calibrate", *where, "--yes"]) == 2
    assert capsys.readouterr().err == "dse: error: dse calibrate needs root: it switches swap on and off\n"
    host.uid = 0
    assert cli.main(["calibrate", *where, "--yes", "--pages", str(PAGES), "--repeats", "3", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["kind"] for row in found["rows"]} == set(ALL)
    assert cli.main(["calibrate", "--restore", "--results", str(tmp / "results")]) == 2
    assert "there is no journal" in capsys.readouterr().err
    assert cli.main(["calibrate"]) == 2


def test_signals_put_the_host_back(tmp: Path) -> None:
    """SIGTERM in the middle ends the program as an error does."""
    import signal

    before = picture(tmp / "root")

    def stray(kind: str, seed: int) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    with pytest.raises(SystemExit) as caught:
        run(tmp, stray=stray)
    assert caught.value.code == 128 + signal.SIGTERM
    assert picture(tmp / "root") == before
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_the_program_says_is_checked() -> None:
    good = f"ns own 20\nns in {' '.join(['5'] * PAGES)}\nlost 0"
    assert session.read(good, "first", 0, PAGES).into == [5] * PAGES
    with pytest.raises(CheckFailed, match="gave 3 pages a content that is not theirs"):
        session.read(good.replace("lost 0", "lost 3"), "first", 0, PAGES)
    with pytest.raises(CheckFailed, match="did not say all"):
        session.read("ns own 20", "first", 0, PAGES)
    kind, counts = checking.KINDS["zram"], {"before": {"pswpout": 1}, "between": {"pswpout": 257}, "after": {"pswpout": 257, "pswpin": 256}}
    assert session.strayed(kind, counts, PAGES) == ""
    assert session.strayed(replace(kind, into="zswpin"), counts, PAGES) == "pswpin is 256 and not 0 (swap-in)"
    assert set(NS) == set(checking.KINDS)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_program_times_first_touches(tmp_path: Path) -> None:
    """The kind first uses no swap, and a plain file stands for the cgroup: nothing of the host is changed."""
    program = tmp_path / "faults"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
    subprocess.run(["gcc", *flags, "-o", str(program), str(system.SOURCE)], check=True)
    (tmp_path / "cgroup.procs").write_text("")
    cpu = str(min(os.sched_getaffinity(0)))
    done = subprocess.run([str(program), str(tmp_path), "first", "64", "1", cpu], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sample = session.read(done.stdout, "first", 0, 64)
    assert len(sample.own) == 1001
    assert subprocess.run([str(program)], check=False).returncode == 2
