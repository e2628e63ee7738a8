"""Image of a kernel (bzImage): its header, its release, and the modules and configuration that lie beside it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from dse.common import reading
from dse.errors import BadInput, refusal

MAGIC_AT, MAGIC = 0x202, b"HdrS"
VERSION_AT, VERSION_BASE = 0x20E, 0x200


class Image(NamedTuple):
    """An image that can be booted.

    Attributes
    ----------
    path : Path
        The file.
    release : str
        Release that the kernel calls itself (``uname -r``).
    digest : str
        SHA-256 of the file.
    modules : Path or None
        Folder of its modules; None where everything is built in.
    config : str
        SHA-256 of its configuration; empty where none lies beside it.
    """

    path: Path
    release: str
    digest: str
    modules: Path | None
    config: str


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def release_of(path: Path) -> str:
    """Release in the header of a bzImage (Documentation/arch/x86/boot.rst: kernel_version).

    Raises
    ------
    BadInput
        The file cannot be read or is no bzImage.
    """
    reading.file(path)
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise BadInput(f"{path}: {refusal(error)}") from None
    if head[MAGIC_AT : MAGIC_AT + 4] != MAGIC:
        raise BadInput(f"{path} is no bzImage of x86 (no {MAGIC.decode()} at byte {MAGIC_AT:#x}); give vmlinuz or arch/x86/boot/bzImage")
    at = int.from_bytes(head[VERSION_AT : VERSION_AT + 2], "little") + VERSION_BASE
    text = head[at : at + 256].split(b"\0")[0].decode("ascii", "replace")
    found = re.match(r"\S+", text)
    return found[0] if found else "unknown"


def _beside(path: Path, release: str) -> Path | None:
    """Folder of modules of a package that was unpacked: above the image, or the image's own folder."""
    if (path.parent / "kernel").is_dir():
        return path.parent
    for root in path.resolve().parents[:2]:
        for inside in ("usr/lib/modules", "lib/modules"):
            if (root / inside / release / "kernel").is_dir() and root != Path("/"):
                return root / inside / release
    return None


def examine(path: Path, modules: Path | None = None) -> Image:
    """Read what has to be known of an image before it is booted.

    Parameters
    ----------
    path : Path
        The bzImage.
    modules : Path, optional
        Folder of its modules, default what lies beside it in an unpacked package.

    Raises
    ------
    BadInput
        It is no bzImage, or the folder is none.
    """
    release = release_of(path)
    if modules is not None and not modules.is_dir():
        raise BadInput(f"{modules} is no folder of modules")
    folder = modules or _beside(path, release)
    configs = [path.parent / f"config-{release}", path.parent / "config", *([folder / "config"] if folder else [])]
    config = next((sha256(c) for c in configs if c.is_file()), "")
    return Image(path, release, sha256(path), folder, config)
