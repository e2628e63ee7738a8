"""A host in a folder for the tests of `dse calibrate`: files of the kernel that react as the kernel's do, and a timer of its own."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dse.calibrating import Wanted
from dse.calibrating.journal import HOT_ADD, HOT_REMOVE, NAME, swaps
from dse.calibrating.system import System
from dse.errors import BadInput

HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority"
ZSWAP = "/sys/module/zswap/parameters/enabled"
CLUSTER = "/proc/sys/vm/page-cluster"
CONTROL = "/sys/fs/cgroup/cgroup.subtree_control"
PAGES = 256
OWN = 20
NS = {"first": (0, 1500), "hit": (6000, 1600), "zero": (4000, 3000), "zswap": (6500, 6600), "zram": (6400, 4600), "disk": (6200, 52000)}
"""Nanoseconds of a page-out and of a fault, by kind."""
TREE = {
    "/proc/swaps": HEADER,
    "/proc/loadavg": "0.10 0.10 0.10 1/100 4242",
    "/proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 4000000 kB",
    "/proc/vmstat": "pswpin 0\nswpin_zero 0\nzswpin 0",
    "/proc/sys/kernel/random/boot_id": "boot-1",
    CLUSTER: "3",
    ZSWAP: "Y",
    "/sys/module/zswap/parameters/compressor": "lz4",
    "/sys/class/zram-control/hot_add": "",
    "/sys/class/zram-control/hot_remove": "",
    "/sys/block/zram0/disksize": "0",
    "/sys/fs/cgroup/cgroup.controllers": "cpu io memory",
    CONTROL: "cpu io",
    "/disk/mine.txt": "stays",
    "/dev/null": "",
}


class Killed(BaseException):
    """The end of a process: nothing that it would do afterwards is done."""


def build(root: Path, **files: str | None) -> None:
    """Make the tree; `files` by path replace those of :data:`TREE`, None removes one."""
    for name, text in {**TREE, **files}.items():
        if text is not None:
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def picture(root: Path) -> dict[str, str | None]:
    """All that a tree holds: text by path, None for a folder."""
    return {path.relative_to(root).as_posix(): path.read_text() if path.is_file() else None for path in root.rglob("*")}


class Host(System):
    """A host whose n-th change goes wrong.

    Parameters
    ----------
    root : Path
    state : Path
        Folder of the journal.
    at : int
        Number of the change that goes wrong, 0: none.
    how : str
        ``before``, ``after`` (killed then), ``torn`` (killed before; a line of the journal is half written), ``error`` (refused).
    """

    def __init__(self, root: Path, state: Path, at: int = 0, how: str = "before", **more: Any) -> None:
        super().__init__(root)
        self.state, self.at, self.how = state, at, how
        self.changes: list[tuple[str, str]] = []
        self.measured: list[tuple[str, int]] = []
        self.dead = False
        self.uid, self.read_only, self.lacks = more.get("uid", 0), more.get("read_only", ""), more.get("lacks", "")
        self.stray: Callable[[str, int], int] = more.get("stray", lambda kind, seed: 0)

    def change(self, what: str, name: str, work: Callable[[], Any], torn: Callable[[], Any] | None = None) -> Any:
        """Make a change, unless it is the one that goes wrong."""
        if self.dead:
            raise Killed
        self.changes.append((what, name))
        wrong = len(self.changes) == self.at
        if wrong and self.how == "error":
            raise OSError(errno.EIO, "made to fail", name)
        if wrong and self.how != "after":
            self.dead = True
            if self.how == "torn" and torn:
                torn()
            raise Killed
        done = work()
        if wrong:
            self.dead = True
            raise Killed
        return done

    def noted(self, word: str) -> None:
        """Fail where a change is not in the journal yet."""
        assert json.dumps(word) in (self.state / NAME).read_text(), f"{word} is not in the journal"

    def user(self) -> int:
        return self.uid

    def cores(self) -> list[int]:
        return [0, 1]

    def about(self) -> dict[str, str]:
        return {"kernel": "6.18-test", "cpu": 'A "CPU"'}

    def program(self, name: str) -> bool:
        return name != self.lacks

    def writable(self, name: str) -> bool:
        return name != self.read_only and super().writable(name)

    def rest(self, seconds: float) -> None:
        pass

    def append(self, path: Path, line: str) -> None:
        def add(text: str) -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(text)

        self.change("note", line, lambda: add(line + "\n"), lambda: add(line[: len(line) // 2]))

    def forget(self, path: Path) -> None:
        self.change("forget", path.name, path.unlink)

    def write(self, name: str, text: str) -> None:
        if not name.endswith(("/reset", "/disksize", "hot_remove")):
            self.noted(name)
        self.change("write", f"{name} {text}", lambda: self._write(name, text))

    def _write(self, name: str, text: str) -> None:
        if name == HOT_REMOVE:
            assert f"/dev/zram{text}" not in swaps(self), "the device is busy"
            shutil.rmtree(self.path(f"/sys/block/zram{text}"))
            self.path(f"/dev/zram{text}").unlink()
        elif name.endswith("/reset"):
            super().write(name.replace("reset", "disksize"), "0")
        elif name.endswith("subtree_control"):
            held = [word for word in self.read(name).split() if word != text[1:]]
            super().write(name, " ".join([*held, text[1:]] if text[0] == "+" else held))
        else:
            super().write(name, text)

    def take(self, name: str) -> str:
        assert name == HOT_ADD
        self.noted("zram-new")
        return str(self.change("take", name, self._new_zram))

    def _new_zram(self) -> int:
        number = 1 + max(int(entry.removeprefix("zram")) for entry in self.names("/sys/block"))
        folder = self.path(f"/sys/block/zram{number}")
        folder.mkdir()
        for file, text in (("disksize", "0"), ("reset", ""), ("comp_algorithm", "lzo [lz4] zstd")):
            (folder / file).write_text(text)
        self.path(f"/dev/zram{number}").write_text("")
        return number

    def make_folder(self, name: str) -> None:
        def make() -> None:
            self.path(name).mkdir()
            self.path(f"{name}/cgroup.procs").write_text("")

        self.noted(name)
        self.change("make", name, make)

    def remove_folder(self, name: str) -> None:
        if self.read(f"{name}/cgroup.procs"):
            raise OSError(errno.EBUSY, "busy", name)
        self.change("remove", name, lambda: shutil.rmtree(self.path(name)))

    def make_file(self, name: str, nbytes: int) -> None:
        self.noted(name)
        assert nbytes > 2 * PAGES * 4096
        self.change("make", name, lambda: self.path(name).write_bytes(b""), lambda: self.path(name).write_bytes(b"half"))

    def remove_file(self, name: str) -> None:
        assert name not in swaps(self), "the file is busy"
        self.change("remove", name, lambda: super(Host, self).remove_file(name))

    def kill(self, process: int) -> None:
        def end() -> None:
            for path in self.path("/sys/fs/cgroup").rglob("cgroup.procs"):
                path.write_text(" ".join(word for word in path.read_text().split() if word != str(process)))

        self.change("kill", str(process), end)

    def switch(self, program: str, name: str) -> None:
        self.change(program, name, lambda: self._switch(program, name))

    def _switch(self, program: str, name: str) -> None:
        table = self.path("/proc/swaps")
        lines = table.read_text().splitlines()
        if program == "mkswap":
            self.path(name).write_text("SWAPSPACE2")
        elif program == "swapon":
            self.noted(name)
            if not self.path(name).read_text().startswith("SWAPSPACE2") or name in swaps(self):
                raise BadInput(f"swapon refused {name}: Invalid argument")
            table.write_text("\n".join([*lines, f"{name} file 1000 0 -2"]))
        else:
            if name not in swaps(self):
                raise BadInput(f"swapoff refused {name}: Invalid argument")
            table.write_text("\n".join(line for line in lines if line.split()[0] != name))

    def prepare(self, folder: Path) -> None:
        self.change("compile", "faults", lambda: folder.joinpath("faults").write_text("program"))

    def clean(self, folder: Path) -> None:
        self.change("clean", "faults", lambda: super(Host, self).clean(folder))

    def measure(self, folder: Path, group: str, kind: str, pages: int, seed: int, cpu: int) -> str:
        return str(self.change("measure", kind, lambda: self._measure(group, kind, pages, seed)))

    def _measure(self, group: str, program: str, pages: int, seed: int) -> str:
        """Report of the program, by the swap that is on: settings that are wrong raise the counters of another kind."""
        assert self.path(group).is_dir()
        assert self.read(CLUSTER) == "0"
        on = swaps(self)
        assert len(on) == (program != "first")
        zswap = self.there(ZSWAP) and self.read(ZSWAP) == "Y"
        kind = {"half": "zswap" if zswap else "zram" if on and "zram" in on[0] else "disk", "read": "disk"}.get(program, program)
        names = {"zswap": ("zswpout", "zswpin"), "zero": ("swpout_zero", "swpin_zero"), "hit": ("pswpout", ""), "first": ("", "")}
        out, into = names.get(kind, ("pswpout", "pswpin"))
        self.measured.append((kind, seed))
        stray = self.stray(kind, seed)
        said = [f"ns own {OWN} {OWN} {OWN}"]
        both = {"between": {out: pages}, "after": {out: pages, into: pages}}
        for phase in ("before", "between", "after"):
            for name in {"pswpout", "pswpin", out, into} - {""}:
                more = stray if (phase, name) == ("after", "pswpin") else 0
                said.append(f"count {phase} {name} {100 + both.get(phase, {}).get(name, 0) + more}")
        for way, ns in zip(("out", "in"), NS[kind], strict=True):
            if ns:
                said.append(f"ns {way} " + " ".join(str(OWN + ns + seed * 10 + i % 4) for i in range(pages)))
        return "\n".join([*said, "lost 0"])


def wanted(tmp: Path, **more: Any) -> Wanted:
    """Settings of a small calibration."""
    given = {"kinds": (), "pages": PAGES, "repeats": 3, **more}
    return Wanted(given.pop("output", tmp / "table.toml"), tmp / "results" / "calibrate", given.pop("folder", Path("/disk")), **given)
