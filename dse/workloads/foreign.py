"""Files that are something else than was expected: what they are by their first bytes, and what to do with them."""

from __future__ import annotations

import re

PACKED = {
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d"), b"\x1f\x8b": ("gzip", "gzip -d"), b"\xfd7zXZ\x00": ("xz", "xz -d"),
    b"BZh": ("bzip2", "bzip2 -d"), b"\x04\x22\x4d\x18": ("lz4", "lz4 -d"), b"PK\x03\x04": ("zip", "unzip"),
}  # fmt: skip
"""First bytes of compressed files (RFC 8878, RFC 1952, the descriptions of the others), their name and what unpacks them."""
PERF_DATA = b"PERFILE2"
"""First bytes of a file of perf record. Source: Linux, tools/perf/util/header.c, __perf_magic2."""
SCRIPT = "perf script -F pid,time,event,trace (of a tracepoint) or -F pid,time,event,addr (of page-faults) makes text of it"
TEXTS = (
    ("lackey", re.compile(rb"(?:==\d+==|--\d+--|SYSCALL\[)|(?:I |\s[LSM] )\s*[0-9a-f]+,\d+\r?\n")),
    ("perf", re.compile(rb"[^\n]*?\s[\d.]+:\s+(?:\d+\s+)?(?:exceptions:page_fault|(?:page-|minor-|major-)?faults)")),
    ("csv", re.compile(rb"(?:\xef\xbb\xbf)?[^\n,]+,[^\n]+\n")),
)
"""Texts that ``dse trace import`` reads, by how they begin."""
EMPTY = {
    "lackey": "valgrind writes one with --tool=lackey --trace-mem=yes --log-file=FILE",
    "perf": "perf script prints what perf record -d -e page-faults, or -e exceptions:page_fault_user, recorded",
    "oracleGeneral": "a record has 24 bytes",
    "csv": "a line is page,write",
}
"""Way to a file that is not empty, by format."""


def packed(first: bytes) -> str:
    """Say that a file is compressed and what unpacks it; an empty string where it is not.

    Examples
    --------
    >>> packed(b"BZh9"), packed(b"1,0")
    ('compressed with bzip2; decompress it first (bzip2 -d)', '')
    """
    found = [told for magic, told in PACKED.items() if first.startswith(magic)]
    return "".join(f"compressed with {name}; decompress it first ({how})" for name, how in found)


def recorded(first: bytes) -> str:
    """Say that a file is what perf record writes; an empty string where it is not."""
    return f"this is perf.data, which perf record writes: {SCRIPT}" if first.startswith(PERF_DATA) else ""


def importable(first: bytes) -> str:
    """Say how a file that is no trace file of ours becomes one; an empty string where nothing is known of it.

    Examples
    --------
    >>> importable(b" L 1000,8" + bytes([10]))
    'this is text of lackey: dse trace import FILE --format lackey'
    """
    form = next((form for form, begin in TEXTS if begin.match(first)), "")
    return f"this is text of {form}: dse trace import FILE --format {form}" if form else ""
