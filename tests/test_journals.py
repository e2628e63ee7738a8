"""Journals that other programs write as well: their lock and ours exclude each other, and a killed process holds nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalFileSymlinkLock

from dse.cli import main
from dse.errors import BadInput
from dse.sweeps import generations, locks, recording, space, storages
from tests.sweepdata import TEXT

KINDS = [JournalFileSymlinkLock, JournalFileOpenLock]
SHORT, LONG = 0.3, 60.0
KILLED = """
import os, signal, sys
from pathlib import Path
from dse.sweeps import locks
locks.FileLock(Path(sys.argv[1])).acquire()
os.kill(os.getpid(), signal.SIGKILL)
"""


def waiting(lock: Any) -> tuple[threading.Thread, threading.Event]:
    """Start to wait for a lock."""
    got = threading.Event()

    def wait() -> None:
        lock.acquire()
        got.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread, got


def granted(thread: threading.Thread, got: threading.Event, lock: Any) -> None:
    """Check that the lock that a thread waited for is its own at last, and give it up."""
    assert got.wait(LONG)
    thread.join()
    lock.release()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_their_lock_and_ours_exclude_each_other(tmp_path: Path, kind: type, first: str) -> None:
    path = tmp_path / "journal.log"
    path.touch()
    pair = [locks.FileLock(path), kind(str(path))]
    holder, other = pair if first == "ours" else reversed(pair)
    holder.acquire()
    thread, got = waiting(other)
    assert not got.wait(SHORT)
    holder.release()
    granted(thread, got, other)
    assert not Path(f"{path}.lock").exists()


def test_two_of_ours_exclude_each_other(tmp_path: Path) -> None:
    first, second = (locks.FileLock(tmp_path / "journal.log") for _ in range(2))
    first.acquire()
    thread, got = waiting(second)
    assert not got.wait(SHORT)
    first.release()
    granted(thread, got, second)


def killed(path: Path) -> None:
    """Leave the lock of a process of ours that was killed."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -9
    assert Path(f"{path}.lock").exists()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    killed(path)
    lock = locks.FileLock(path)
    lock._optuna.grace_period = None  # no other way out
    thread, got = waiting(lock)
    granted(thread, got, lock)


def test_the_lock_of_another_program_is_no_remnant_of_ours(tmp_path: Path) -> None:
    """A process of ours was killed, its file removed since, and another program holds the lock."""
    path = tmp_path / "journal.log"
    killed(path)
    Path(f"{path}.lock").unlink()
    os.utime(tmp_path)
    theirs = JournalFileOpenLock(str(path))
    theirs.acquire()
    thread, got = waiting(lock := locks.FileLock(path))
    assert not got.wait(SHORT)
    theirs.release()
    granted(thread, got, lock)


def test_another_program_writes_a_journal_of_ours(tmp_path: Path) -> None:
    """It does not wait where nobody holds the lock, nothing of ours is removed, and no entry is lost."""
    path = tmp_path / "journal.log"
    ours = storages.opened(str(path))
    optuna.create_study(storage=ours, study_name="a")
    left = sorted(p.name for p in tmp_path.iterdir())
    study = optuna.load_study(study_name="a", storage=optuna.storages.JournalStorage(JournalFileBackend(str(path))))
    for n in range(3):
        study.set_user_attr("theirs", n)
        ours.set_study_user_attr(0, "ours", n)
    assert sorted(p.name for p in tmp_path.iterdir()) == left == ["journal.log", "journal.log.owner"]
    again = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    assert again.get_study_user_attrs(0) == {"theirs": 2, "ours": 2} == ours.get_study_user_attrs(0)


def test_another_program_writes_while_a_study_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    small = space.parse(TEXT, "small.toml", "small")
    with recording.Recorder(path, "a", small):
        pass
    with recording.Recorder(path, "a", small) as recorder:
        for n in range(3):
            study = optuna.load_study(study_name="a", storage=optuna.storages.JournalStorage(JournalFileBackend(str(path))))
            study.set_user_attr(f"note {n}", n)
            recorder._study.set_user_attr(f"ours {n}", n)
            recorder._journal.flush()
        assert {f"ours {n}" for n in range(3)} <= recorder._study.user_attrs.keys()
    stored = optuna.load_study(study_name="a", storage=storages.opened(str(path)))
    assert {f"{name} {n}" for n in range(3) for name in ("ours", "note")} <= stored.user_attrs.keys()


@pytest.mark.parametrize("text", ['{"name":"my package","version":"1"}', '{"op": 1}', "{}"])
def test_a_file_of_somebody_else_is_left_as_it_is(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line without an end may be what a killed writer left, if it begins as entries of Optuna do."""
    (tmp_path / "space.toml").write_text(TEXT)
    theirs = tmp_path / "package.json"
    theirs.write_text(text)
    given = ["sweep", str(tmp_path / "space.toml"), "--workers", "1", "--results", str(tmp_path / "r"), "--storage", str(theirs)]
    assert main(given) == 2
    assert theirs.read_text() == text
    assert "no journal of Optuna" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if "package" in path.name] == ["package.json"]


def test_half_an_entry_is_what_a_killed_writer_left(tmp_path: Path) -> None:
    for text in ("", '{"op_co', '{"op_code": 0, "wor'):
        (tmp_path / "half.log").write_text(text)
        assert storages.is_journal(tmp_path / "half.log")


@pytest.mark.parametrize(("left", "kept"), [(b'{"op_code": 5, "wor', b""), (b"\0\0\0", b""), (b'{"op_code": 8}', b'{"op_code": 8}\n')])
def test_a_line_that_a_killed_writer_left_ruins_no_journal(tmp_path: Path, left: bytes, kept: bytes) -> None:
    """Half a line is cut, as what is written behind it could never be read. A whole one without its end is ended."""
    path = tmp_path / "j.log"
    optuna.create_study(storage=storages.opened(str(path)), study_name="one")
    before = path.read_bytes()
    path.write_bytes(before + left)
    storages.shared(path)
    assert path.read_bytes() == before + kept
    path.write_bytes(before + left)
    late = storages.SharedLock(path)  # as it is found by one who has the journal open
    late.acquire()
    late.release()
    assert path.read_bytes() == before + kept
    path.write_bytes(before + left.removeprefix(kept.rstrip()))
    optuna.create_study(storage=storages.opened(str(path)), study_name="two")
    names = optuna.study.get_all_study_names(storages.opened(str(path)))
    assert names == ["one", "two"]


@pytest.mark.parametrize("text", [
    b'{"op_code":1}\r\nnot JSON\nsome text of mine', b"{", b'{"op_code": 1, notes of mine', b'{"op_code":8}\nMy diary: I wrote this',
    b'{"op_code":8}\n{"mine": 1}', b'{"op_code":8}\n\xff\xfe{"op_code":', b'{"op_code":8}\n"op_code":8}',
])  # fmt: skip
def test_a_text_of_somebody_else_is_not_cut(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "j.log"
    path.write_bytes(text)
    with contextlib.suppress(BadInput):
        storages.opened(str(path))
    assert path.read_bytes() == text
    if b"\n" in text:
        for opened in (lambda: storages.opened(str(path)), storages.SharedLock(path).acquire):
            with pytest.raises(BadInput, match="nothing is written to it"):
                opened()
        assert path.read_bytes() == text
        assert not path.with_name("j.log.lock").exists()


def test_a_long_line_is_ended_too(tmp_path: Path) -> None:
    path = tmp_path / "j.log"
    long = b'{"op_code": 8, "x": "' + b"x" * (storages.ENTRY_MOST + 9)
    for left, kept in ((long + b'"}', long + b'"}\n'), (long, b"")):
        path.write_bytes(b'{"op_code": 8}\n' + left)
        storages.shared(path)
        assert path.read_bytes() == b'{"op_code": 8}\n' + kept


@pytest.mark.parametrize("name", ["a{b}.db", "a{}.db", "{SCHEMA_VERSION}.db"])
def test_braces_of_a_url_are_no_template(tmp_path: Path, name: str) -> None:
    storages.close(storages.opened(f"sqlite:///{tmp_path}/{name}"))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_worker_makes_no_storage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for url in (str(tmp_path / "typo.log"), f"journal://{tmp_path / 'typo.log'}", f"sqlite:///{tmp_path / 'typo.db'}"):
        assert main(["worker", "--storage", url, "--study", "x", "--once", "--results", str(tmp_path / "r")]) == 2
        assert "no such file; dse sweep --storage makes it" in capsys.readouterr().err
    assert main(["worker", "--storage", f"file:{tmp_path / 'typo.log'}", "--study", "x"]) == 2
    assert not list(tmp_path.iterdir())


def test_a_generation_that_a_killed_writer_began_is_written_anew(tmp_path: Path) -> None:
    """The seal is there before the entries are: a part of them is cut off, at every length."""
    path = tmp_path / "journal.log"
    first = generations.Generations(path)
    first.append_logs([{"op_code": 0, "n": n} for n in range(3)])
    first.flush()
    before = path.read_bytes()
    first.append_logs([{"op_code": 0, "n": n} for n in range(3, 6)])
    first.flush()
    after = path.read_bytes()
    for length in range(len(before), len(after)):
        path.write_bytes(after[:length])
        assert [entry["n"] for entry in generations.Generations(path).read_logs(0)] == [0, 1, 2]
        assert path.read_bytes() == before
    path.write_bytes(after + b'{"op_code":5}\n{"op_co')  # another program's entry, and half of one
    assert len(list(generations.Generations(path).read_logs(0))) == 7
    for length in range(1, len(before)):
        path.write_bytes(after[:length])
        with pytest.raises(BadInput, match="not what was stored"):
            generations.Generations(path)
        assert path.read_bytes() == after[:length]


@pytest.mark.parametrize("suffix", [".owner", ".lock"])
@pytest.mark.parametrize("kind", ["file", "link", "number"])
def test_a_file_beside_a_journal_that_is_somebody_elses_is_left(
    suffix: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.toml").write_text(TEXT)
    beside, target = tmp_path / f"mine.log{suffix}", tmp_path / "target"
    target.write_text("1234" if kind == "number" else "precious\n")
    if kind == "link":
        beside.symlink_to(target)
    else:
        target.rename(beside)
    before = beside.read_bytes()
    given = [
        "sweep",
        str(tmp_path / "space.toml"),
        "--workers",
        "1",
        "--results",
        str(tmp_path / "r"),
        "--storage",
        str(tmp_path / "mine.log"),
    ]
    if (suffix, kind) == (".lock", "link"):
        return  # a lock of Optuna's is a link
    assert main(given) == 2
    said = capsys.readouterr().err
    assert f"mine.log{suffix} is in the way" in said.splitlines()[-1]
    assert beside.read_bytes() == before
