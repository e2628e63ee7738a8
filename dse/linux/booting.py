"""One boot of a kernel in qemu: a disk to swap to, a disk for the report, a console that tells a panic, and a time limit."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dse.common import sessions
from dse.errors import BadInput
from dse.linux.tools import Qemu

MIB = 1 << 20
REPORT_BYTES = 64 * MIB
POLL = 0.2
SWAP, REPORT = "swap", "report"
GUEST_OPTIONS = "console=ttyS0 quiet slab_nomerge nokaslr mitigations=off transparent_hugepage=never panic=-1 cgroup_no_v1=all oops=panic"
MACHINE = ("-accel", "tcg", "-cpu", "Nehalem", "-machine", "q35", "-smp", "1", "-nodefaults", "-nographic", "-no-reboot")
CLOCK = ("-icount", "shift=0,sleep=off", "-rtc", "clock=vm,base=2026-01-01")
"""Time by executed instructions: interrupts come at the same places in every boot."""
PANIC = re.compile(r"Kernel panic - not syncing: ?(.*)|(Oops: .*|BUG: .*)")
REASONS = {
    "no-disk": "the guest sees no virtio disk (virtio_pci and virtio_blk missing? say --modules)",
    "no-zswap": "it has no zswap (CONFIG_ZSWAP; Debian's cloud flavour has none)",
    "no-compressor": "zswap refuses the compressor (its module is missing; say --modules or --compressor)",
    "no-swap": "mkswap failed in the guest",
    "no-lists": "it does not switch between lists of pages (CONFIG_LRU_GEN)",
    "no-swapon": "swapon failed in the guest",
}


class Boot(NamedTuple):
    """Machine that is booted.

    Attributes
    ----------
    qemu : Qemu
        The machine.
    image, initramfs, folder : Path
        Kernel, first file system, folder for the disks.
    steps : sequence of str
        Steps of guest/init.sh.
    settings : dict
        Variables of guest/init.sh.
    memory : int
        Memory of the guest [MiB].
    slots : int
        Pages of the swap disk.
    plugin : sequence of str
        Plugin of qemu and its arguments; empty: none.
    """

    qemu: Qemu
    image: Path
    initramfs: Path
    folder: Path
    steps: Sequence[str]
    settings: dict[str, int | str]
    memory: int
    slots: int
    plugin: Sequence[str] = ()


def _sparse(path: Path, size: int) -> Path:
    """File of `size` bytes that takes no room until it is written."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def command(boot: Boot) -> list[str]:
    """Build qemu's command line, to be run in the boot's folder: commas in its path would end an argument of qemu's."""
    words = [GUEST_OPTIONS, f"dse.steps={','.join(boot.steps)}", *(f"dse.{key}={value}" for key, value in boot.settings.items())]
    drives = [part for name in (SWAP, REPORT) for part in ("-drive", f"file={name},if=virtio,format=raw,cache=unsafe,werror=report")]
    kernel = ["-kernel", str(boot.image.absolute()), "-initrd", str(boot.initramfs.absolute()), "-append", " ".join(words)]
    plugin = ["-plugin", ",".join(boot.plugin)] if boot.plugin else []
    return [*boot.qemu.command, *MACHINE, *CLOCK, "-m", str(boot.memory), "-serial", "stdio", *kernel, *drives, *plugin]


class Stopped(BadInput):
    """Another boot of the record failed."""


def _watch(process: subprocess.Popen[bytes], console: Path, limit: float, tell: Callable[[str], None], stop: threading.Event) -> None:
    """Wait for qemu to end; pass on the guest's steps.

    Raises
    ------
    BadInput
        The guest hangs.
    Stopped
        `stop` was set.
    """
    end, told = time.monotonic() + limit, 0
    while process.poll() is None:
        lines = re.findall(r"dse: (?:guest|step) (.*)", console.read_text(encoding="utf-8", errors="replace"))
        for line in lines[told:]:
            tell(line.strip())
        told = len(lines)
        if stop.is_set():
            raise Stopped("stopped")
        if time.monotonic() > end:
            last = f"in step {lines[-1].strip()}" if lines else "before its first program ran"
            raise BadInput(f"the guest did not end within {limit:.0f} s ({last}); --timeout allows more, --console FILE keeps what it said")
        time.sleep(POLL)


def run(boot: Boot, limit: float, tell: Callable[[str], None], keep: Path | None, stop: threading.Event) -> list[str]:
    """Boot, wait, and return the lines of the guest's report.

    Parameters
    ----------
    boot : Boot
        The machine.
    limit : float
        Longest time [s].
    tell : callable
        Called with the step that begins.
    keep : Path or None
        File that the console is appended to.
    stop : Event
        Ends the boot when it is set.

    Raises
    ------
    BadInput
        The guest panics, hangs, or lacks something; qemu does not start.
    """
    _sparse(boot.folder / SWAP, boot.slots * 4096 + 4096)
    report = _sparse(boot.folder / REPORT, REPORT_BYTES)
    console, errors = boot.folder / "console", boot.folder / "errors"
    with console.open("wb") as out, errors.open("wb") as err:
        try:
            with sessions.started(command(boot), cwd=boot.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err) as process:
                _watch(process, console, limit, tell, stop)
        finally:
            if keep is not None:
                with keep.open("ab") as file:
                    file.write(console.read_bytes())
    with report.open("rb") as file:
        lines = file.read().split(b"\0")[0].decode("utf-8", "replace").splitlines()
    said = console.read_text(encoding="utf-8", errors="replace")
    _judge(process.returncode, said, errors.read_text(encoding="utf-8", errors="replace"), lines)
    return lines


def _judge(status: int, said: str, errors: str, lines: list[str]) -> None:
    """Refuse what is no whole report.

    Raises
    ------
    BadInput
        With the reason.
    """
    panic = PANIC.search(said)
    if panic:
        raise BadInput(f"the guest panics: {(panic[1] or panic[2]).strip()}")
    if status:
        last = (errors.strip().splitlines() or ["it said nothing"])[-1]
        raise BadInput(f"qemu ended with status {status}: {last}")
    ended = re.search(r"dse: end (\S+)(?: (\S+))?", said)
    if not ended:
        last = (said.strip().splitlines() or ["it said nothing"])[-1].strip()
        raise BadInput(f"the guest ended without a report; its last line: {last}")
    if ended[1] != "ok":
        raise BadInput(f"this kernel cannot be recorded: {REASONS.get(ended[1], ended[0].removeprefix('dse: end '))}")
    if not lines or lines[-1] != "end ok":
        raise BadInput("the guest's report is incomplete (is the disk full?)")
