"""Modules that the guest needs, with those they depend on, in the order in which they are loaded."""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import subprocess
from pathlib import Path

from dse.errors import BadInput

WANTED = ("virtio_pci", "virtio_blk", "zsmalloc")
DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def _content(path: Path) -> bytes:
    """Bytes of a module, unpacked."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        tool = shutil.which("zstd")
        if tool is None:
            raise BadInput(f"{path.name} needs zstd to be unpacked, which is not installed")
        return subprocess.run([tool, "-dc", str(path)], capture_output=True, check=True).stdout
    return path.read_bytes()


def _name(path: Path) -> str:
    """Name of a module by its file, dashes as underscores."""
    return path.name.partition(".ko")[0].replace("-", "_")


def needed(folder: Path | None, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Modules by name, each behind those it depends on. What has no file is taken to be built in.

    Parameters
    ----------
    folder : Path or None
        Folder of modules; None: everything is built in.
    wanted : tuple of str
        Names.
    """
    if folder is None:
        return {}
    files = {_name(path): path for path in sorted(folder.rglob("*.ko*"))}
    loaded: dict[str, bytes] = {}
    open_: set[str] = set()

    def load(name: str) -> None:
        if name in loaded or name in open_ or name not in files:
            return
        open_.add(name)
        content = _content(files[name])
        found = DEPENDS.search(content)
        for other in found[1].decode().split(",") if found else []:
            load(other.replace("-", "_"))
        loaded[name] = content

    for name in wanted:
        load(name)
    return loaded
