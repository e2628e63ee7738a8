"""Changes of the host, each written to a journal before it is made, and undone from the journal.

The journal is a file of lines of JSON: first the boot it belongs to, then a line for each change with what undoes it. A line is on the
disk before the change is made. To undo is safe at any time and more than once: what was not changed, or is undone, is left alone.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from dse.calibrating.system import System
from dse.errors import BadInput, CheckFailed, refusal

NAME = "journal"
BOOT = "/proc/sys/kernel/random/boot_id"
SWAPS = "/proc/swaps"
HOT_ADD, HOT_REMOVE = "/sys/class/zram-control/hot_add", "/sys/class/zram-control/hot_remove"
TRIES, REST = 20, 0.1
"""Number of tries, and seconds between them, for the removal of a cgroup: its last process may just be ending."""
PAGE_CLUSTER, ZSWAP = "/proc/sys/vm/page-cluster", "/sys/module/zswap/parameters"
FILE = r'"/(.+/)?\.dse-calibrate-[0-9a-f]{8}\.swap"'
OURS = {
    "setting": rf'"({re.escape(PAGE_CLUSTER)}|{re.escape(ZSWAP)}/enabled)"',
    "controller": r'"/sys/fs/cgroup/(unified/)?cgroup\.subtree_control"',
    "group": r'"/sys/fs/cgroup/(unified/|memory/)?dse-calibrate-[0-9a-f]{8}"', "file": FILE, "zram": r"\d+", "zram-new": r"\[[\d, ]*\]",
    "swap": rf'{FILE}|"/dev/zram\d+"',
}  # fmt: skip
"""Form of what a calibration changes, as JSON, by the kind of the change."""
Entry = dict[str, Any]


def swaps(system: System) -> list[str]:
    """Files and devices that swap is on."""
    lines = system.read(SWAPS).splitlines()[1:]
    return [re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split()[0]) for line in lines if line.strip()]


def zrams(system: System) -> list[int]:
    """Numbers of the zram devices."""
    names = (name.removeprefix("zram") for name in system.names("/sys/block") if name.startswith("zram"))
    return sorted(int(name) for name in names if name.isdigit())


class Journal:
    """The journal in a folder.

    Parameters
    ----------
    system : System
    folder : Path
        Folder of the file; made with the first line.
    """

    def __init__(self, system: System, folder: Path) -> None:
        self.system, self.path = system, folder / NAME
        self.noted: set[str] = set()

    def there(self) -> bool:
        """Tell whether a journal is left: a calibration is running, or was cut off."""
        return self.path.exists()

    def begin(self) -> None:
        """Start a journal."""
        self.system.append(self.path, json.dumps({"boot": self.system.read(BOOT)}))

    def entries(self) -> tuple[str, list[Entry]]:
        """Boot of the journal, and its changes. A last line that was cut off belongs to a change that was not made."""
        read: list[Entry] = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                read.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return (str(read[0].get("boot", "")), read[1:]) if read else ("", [])

    def note(self, **entry: Any) -> None:
        """Write down what undoes a change, once."""
        line = json.dumps(entry, sort_keys=True)
        if line not in self.noted:
            self.system.append(self.path, line)
            self.noted.add(line)

    # Changes: noted, then made.

    def setting(self, path: str, value: str) -> None:
        """Write a setting of the kernel. Its first value is what comes back."""
        known = json.dumps(path)
        if known not in self.noted:
            self.note(kind="setting", path=path, old=self.system.read(path))
            self.noted.add(known)
        self.system.write(path, value)

    def controller(self, path: str) -> None:
        """Let the children of a cgroup have the memory controller."""
        self.note(kind="controller", path=path)
        self.system.write(path, "+memory")

    def group(self, path: str) -> None:
        """Make a memory cgroup."""
        self.note(kind="group", path=path)
        self.system.make_folder(path)

    def file(self, path: str, nbytes: int) -> None:
        """Make a swap file. It must not be there: what is noted is removed.

        Raises
        ------
        BadInput
            A file is there.
        """
        if self.system.there(path):
            raise BadInput(f"{path}: a file is in the way")
        self.note(kind="file", path=path)
        self.system.make_file(path, nbytes)
        self.system.switch("mkswap", path)

    def zram(self, nbytes: int) -> str:
        """Make a zram device that is a swap space, and return its path.

        A device that was made before the journal could say which is found by the devices that were there before.
        """
        self.note(kind="zram-new", known=zrams(self.system))
        number = int(self.system.take(HOT_ADD))
        self.note(kind="zram", number=number)
        self.system.write(f"/sys/block/zram{number}/disksize", str(nbytes))
        device = f"/dev/zram{number}"
        for _ in range(TRIES):
            if self.system.there(device):
                break
            self.system.rest(REST)
        self.system.switch("mkswap", device)
        return device

    def swap_on(self, path: str) -> None:
        """Switch swap on."""
        self.note(kind="swap", path=path)
        self.system.switch("swapon", path)

    def swap_off(self, path: str) -> None:
        """Switch swap off again."""
        self.system.switch("swapoff", path)

    # Undoing.

    def checked(self) -> list[Entry]:
        """Changes of the journal that are to be undone: those of this boot, and files of any.

        Raises
        ------
        BadInput
            It names something that no calibration changes. Root must not follow a journal that somebody else wrote.
        """
        boot, entries = self.entries()
        for entry in entries:
            kind, what = str(entry.get("kind")), entry.get("path", entry.get("number", entry.get("known")))
            form = OURS.get(kind)
            if form is None or not re.fullmatch(form, json.dumps(what)):
                raise BadInput(f"{self.path} is no journal of dse calibrate: {kind} {what}")
        if any(entry["kind"] == "zram" for entry in entries):
            entries = [entry for entry in entries if entry["kind"] != "zram-new"]
        same = boot == self.system.read(BOOT)  # settings, groups, devices and swap went with another boot
        return [entry for entry in entries if same or entry["kind"] == "file"]

    def undo(self) -> list[str]:
        """Undo all changes, the last one first, and remove the journal.

        Returns
        -------
        list of str
            What was undone, in words.

        Raises
        ------
        BadInput
            It is no journal of ours; nothing is undone.
        CheckFailed
            Something could not be undone. The rest was, and the journal stays.
        """
        done, failed = [], []
        for entry in reversed(self.checked()):
            try:
                said = _UNDO[entry["kind"]](self.system, entry)
            except (OSError, BadInput) as error:
                what = entry.get("path") or f"zram{entry.get('number', '')}"
                failed.append(f"{what}: {refusal(error) if isinstance(error, OSError) else error}")
            else:
                done += [said] if said else []
        if failed:
            raise CheckFailed(f"not restored: {'; '.join(failed)}; the rest is, dse calibrate --restore tries again ({self.path})")
        self.system.forget(self.path)
        return done


def _setting(system: System, entry: Entry) -> str:
    path, old = entry["path"], entry["old"]
    if system.read(path) == old:
        return ""
    system.write(path, old)
    return f"{path} is {old}"


def _controller(system: System, entry: Entry) -> str:
    if "memory" not in system.read(entry["path"]).split():
        return ""
    system.write(entry["path"], "-memory")
    return f"{entry['path']} is without memory"


def _group(system: System, entry: Entry) -> str:
    path = entry["path"]
    if not system.there(path):
        return ""
    for number in system.read(f"{path}/cgroup.procs").split():
        system.kill(int(number))
    for left in reversed(range(TRIES)):
        try:
            system.remove_folder(path)
            break
        except OSError:
            if not left:
                raise
            system.rest(REST)
    return f"{path} is removed"


def _file(system: System, entry: Entry) -> str:
    if not system.there(entry["path"]):
        return ""
    system.remove_file(entry["path"])
    return f"{entry['path']} is removed"


def _zram(system: System, entry: Entry) -> str:
    number = entry["number"]
    if number not in zrams(system):
        return ""
    system.write(f"/sys/block/zram{number}/reset", "1")
    system.write(HOT_REMOVE, str(number))
    return f"zram{number} is removed"


def _zram_new(system: System, entry: Entry) -> str:
    new = [n for n in zrams(system) if n not in entry["known"] and system.read(f"/sys/block/zram{n}/disksize") == "0"]
    for number in new:
        system.write(HOT_REMOVE, str(number))
    return ", ".join(f"zram{number} is removed" for number in new)


def _swap(system: System, entry: Entry) -> str:
    if entry["path"] not in swaps(system):
        return ""
    system.switch("swapoff", entry["path"])
    return f"swap on {entry['path']} is off"


_UNDO = {
    "setting": _setting, "controller": _controller, "group": _group, "file": _file, "zram": _zram, "zram-new": _zram_new, "swap": _swap,
}  # fmt: skip
