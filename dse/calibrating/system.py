"""The host as `dse calibrate` sees it: files of the kernel, programs that switch swap, the program that measures.

Everything that reads or changes the host goes through one object, so that tests give it a folder with files of their own.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import time
from pathlib import Path

from dse.common import machine
from dse.errors import BadInput
from dse.linux import tools

PROGRAM = "faults"
SOURCE = Path(__file__).resolve().parent / "faults.c"
PROGRAMS = ("mkswap", "swapon", "swapoff")
SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
TIMEOUT = 600.0
"""Seconds that one measurement takes at most."""
BLOCK = 1 << 20


def found(program: str) -> str | None:
    """Path of a program, also where the folders of root's programs are not on the path."""
    return shutil.which(program) or shutil.which(program, path=SBIN)


class System:
    """The running kernel.

    Parameters
    ----------
    root : Path
        Folder that all paths of the kernel and of the swap file lie under.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """Place of an absolute path under the root."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str:
        """Text of a file."""
        return self.path(name).read_text(encoding="utf-8", errors="replace").strip()

    def there(self, name: str) -> bool:
        """Tell whether a path exists."""
        return self.path(name).exists()

    def writable(self, name: str) -> bool:
        """Tell whether a path can be written: not on a read-only file system."""
        return os.access(self.path(name), os.W_OK)

    def names(self, name: str) -> list[str]:
        """Names in a folder, none where it is missing."""
        folder = self.path(name)
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    def free(self, name: str) -> int:
        """Bytes free on the disk of a folder."""
        return shutil.disk_usage(self.path(name)).free

    def device(self, name: str) -> str:
        """Name of the block device that a folder lies on, empty where the kernel does not say."""
        number = self.path(name).stat().st_dev
        link = self.path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
        return link.resolve().name if link.exists() else ""

    def user(self) -> int:
        """Effective user: 0 is root."""
        return os.geteuid()

    def cores(self) -> list[int]:
        """CPUs that the program may run on."""
        return sorted(os.sched_getaffinity(0))

    def about(self) -> dict[str, str]:
        """Kernel and processor."""
        return {"kernel": platform.release(), "cpu": machine.cpu_model()}

    def program(self, name: str) -> bool:
        """Tell whether a program is installed."""
        return found(name) is not None

    def rest(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    # What follows changes the host.

    def append(self, path: Path, line: str) -> None:
        """Add a line to a file of ours and make it durable, the file's name too."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.sync(path.parent)

    def forget(self, path: Path) -> None:
        """Remove a file of ours and make that durable."""
        path.unlink(missing_ok=True)
        self.sync(path.parent)

    def sync(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def write(self, name: str, text: str) -> None:
        """Write a setting of the kernel."""
        with self.path(name).open("w", encoding="utf-8") as file:
            file.write(text)

    def take(self, name: str) -> str:
        """Read a file whose reading changes something: hot_add makes a device."""
        return self.read(name)

    def make_folder(self, name: str) -> None:
        """Make a memory cgroup."""
        self.path(name).mkdir()

    def remove_folder(self, name: str) -> None:
        """Remove a memory cgroup."""
        self.path(name).rmdir()

    def make_file(self, name: str, nbytes: int) -> None:
        """Make the swap file, for its owner only and without holes."""
        handle = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            for start in range(0, nbytes, BLOCK):
                file.write(bytes(min(BLOCK, nbytes - start)))
            file.flush()
            os.fsync(handle)

    def remove_file(self, name: str) -> None:
        """Remove the swap file."""
        self.path(name).unlink(missing_ok=True)

    def kill(self, process: int) -> None:
        """End a process of our own memory cgroup."""
        os.kill(process, signal.SIGKILL)

    def switch(self, program: str, name: str) -> None:
        """Run mkswap, swapon or swapoff on a file or device.

        Raises
        ------
        BadInput
            It is missing, or it refuses.
        """
        place = found(program)
        if place is None:
            raise BadInput(f"{program} is not installed (package util-linux)")
        done = subprocess.run([place, str(self.path(name))], capture_output=True, text=True, check=False, timeout=TIMEOUT)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]
            raise BadInput(f"{program} refused {name}: {said.rpartition(': ')[2]}")

    def prepare(self, folder: Path) -> None:
        """Compile the program that measures, into the folder of the journal.

        Raises
        ------
        BadInput
            There is no C compiler, or it refuses.
        """
        tools.compile_guest(SOURCE, folder.absolute() / PROGRAM, [])

    def clean(self, folder: Path) -> None:
        """Remove the compiled program."""
        (folder / PROGRAM).unlink(missing_ok=True)

    def measure(self, folder: Path, group: str, kind: str, pages: int, seed: int, cpu: int) -> str:
        """Time page-outs and faults of one kind in a memory cgroup, and return what the program says.

        Raises
        ------
        BadInput
            The program failed.
        """
        command = [str(folder.absolute() / PROGRAM), str(self.path(group)), kind, str(pages), str(seed), str(cpu)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        if done.returncode:
            said = (done.stderr.strip() or f"status {done.returncode}").splitlines()[-1]
            raise BadInput(f"the measuring of {kind} pages failed: {said}")
        return done.stdout
