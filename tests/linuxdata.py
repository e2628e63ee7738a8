"""A file that looks like a kernel image."""

from __future__ import annotations

from pathlib import Path


def bzimage(path: Path, release: str = "6.12.1-test") -> Path:
    """File with the header of a bzImage."""
    head = bytearray(4096)
    head[0x202:0x206] = b"HdrS"
    head[0x20E:0x210] = (0x400).to_bytes(2, "little")
    text = f"{release} (me) #1".encode()
    head[0x600 : 0x600 + len(text)] = text
    path.write_bytes(head)
    return path
