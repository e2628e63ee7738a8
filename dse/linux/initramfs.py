"""The guest's first file system: busybox, the workload, init and modules, as an archive in the kernel's format (newc)."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Mapping
from pathlib import Path

from dse.linux import modules

GUEST = Path(__file__).with_name("guest")
FOLDERS = ("bin", "modules", "traces")
TRAILER = "TRAILER!!!"


def _entry(number: int, name: str, mode: int, content: bytes = b"") -> bytes:
    """One entry: header of hexadecimal fields, name, content, each padded to four bytes."""
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + "".join(f"{field:08X}" for field in fields).encode() + encoded
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


def archive(files: Mapping[str, bytes]) -> bytes:
    """Archive of `files` (executable) and the folders they are in."""
    parts = [_entry(i, name, stat.S_IFDIR | 0o755) for i, name in enumerate(FOLDERS, 1)]
    parts += [_entry(len(FOLDERS) + i, name, stat.S_IFREG | 0o755, content) for i, (name, content) in enumerate(files.items(), 1)]
    return b"".join([*parts, _entry(0, TRAILER, 0)])


def build(busybox: Path, workload: Path, folder: Path | None, compressor: str, traces: Mapping[str, bytes]) -> bytes:
    """Build the compressed archive.

    Parameters
    ----------
    busybox, workload : Path
        Static programs.
    folder : Path or None
        Folder of the kernel's modules.
    compressor : str
        Module that compresses.
    traces : mapping
        Streams of accesses by name (dse.linux.streams).
    """
    loaded = modules.needed(folder, (*modules.WANTED, compressor))
    files = {
        "init": (GUEST / "init.sh").read_bytes(),
        "bin/busybox": busybox.read_bytes(),
        "bin/workload": workload.read_bytes(),
        "modules/order": "".join(f"{name}.ko\n" for name in loaded).encode(),
    }
    files |= {f"modules/{name}.ko": content for name, content in loaded.items()}
    files |= {f"traces/{name}": content for name, content in traces.items()}
    return gzip.compress(archive(files), 1, mtime=0)
