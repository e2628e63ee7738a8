"""Programs that a record needs: qemu, busybox and a C compiler, of the host or from the folder of fetched packages."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from dse.errors import BadInput

OLDEST = 10
LOADER = "usr/lib64/ld-linux-x86-64.so.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
PROGRAM = "qemu-system-x86_64"
ELF_INTERPRETER = b"/lib64/ld-linux"
MARKS = 0x5A000000
"""Address of the marks between which the workload does one operation (guest/workload.c)."""


class Qemu(NamedTuple):
    """A qemu that can be started.

    Attributes
    ----------
    command : list of str
        Program and first arguments.
    version : str
        First line of its version text.
    """

    command: list[str]
    version: str


def _version(command: list[str]) -> str:
    """First line of a program's version text, empty where it does not start."""
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout.splitlines() or [""])[0]


def _major(version: str) -> int:
    found = re.search(r"version (\d+)", version)
    return int(found[1]) if found else 0


def fetched_command(root: Path) -> list[str]:
    """Command of a qemu that was unpacked with its own libraries."""
    libraries = root / LIBRARIES
    firmware = [part for name in ("qemu", "seabios") for part in ("-L", str(root / "usr/share" / name))]
    return [str(root / LOADER), "--library-path", f"{libraries}:{libraries / 'pulseaudio'}", str(root / "usr/bin" / PROGRAM), *firmware]


def qemu(folder: Path) -> Qemu:
    """Find a qemu of at least version 10: the fetched one, else the host's.

    Parameters
    ----------
    folder : Path
        Folder of fetched packages.

    Raises
    ------
    BadInput
        There is none, or it is too old.
    """
    root = (folder / "tools").absolute()
    commands = [fetched_command(root)] if (root / "usr/bin" / PROGRAM).exists() else []
    if shutil.which(PROGRAM):
        commands.append([PROGRAM])
    old = ""
    for command in commands:
        version = _version(command)
        if _major(version) >= OLDEST:
            return Qemu(command, version)
        old = old or version or f"{command[0]} does not start"
    found = f"{old} is too old, {OLDEST} or newer is needed" if _major(old) else old or f"{PROGRAM} is not installed"
    raise BadInput(f"{found}: dse linux get fetches a fitting one without installing it")


def busybox(folder: Path) -> Path:
    """Find a static busybox, fetched or the host's.

    Raises
    ------
    BadInput
        There is none, or it needs libraries.
    """
    root = folder / "tools"
    found = next((str(root / inside) for inside in ("usr/bin/busybox", "bin/busybox") if (root / inside).is_file()), None)
    path = found or shutil.which("busybox")
    if path is None:
        raise BadInput("busybox is not installed (Debian package busybox-static); dse linux get fetches it without installing it")
    with open(path, "rb") as file:
        if ELF_INTERPRETER in file.read(4096):
            raise BadInput(f"{path} is not static (Debian package busybox-static); dse linux get fetches one without installing it")
    return Path(path)


def compile_guest(source: Path, target: Path, flags: list[str]) -> None:
    """Compile one C file of ours.

    Raises
    ------
    BadInput
        There is no compiler, or it refuses the file.
    """
    compiler = shutil.which("gcc")
    if compiler is None:
        raise BadInput("gcc is not installed: the guest's program and the plugin are compiled from C")
    done = subprocess.run([compiler, "-O2", *flags, "-o", str(target), str(source)], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.splitlines() or [f"status {done.returncode}"]
        raise BadInput(f"gcc cannot compile {source.name}: {next((line for line in lines if 'rror' in line), lines[-1])}")


def workload(source: Path, target: Path) -> None:
    """Compile the program of the guest: static, its marks at an address that no other program has."""
    compile_guest(source, target, ["-static", "-no-pie", f"-Wl,--section-start=.marks={MARKS:#x}"])


def plugin(source: Path, target: Path) -> None:
    """Compile the plugin of qemu."""
    compile_guest(source, target, ["-shared", "-fPIC", "-fvisibility=hidden"])
