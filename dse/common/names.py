"""Names of stored things: each becomes the name of a folder or file, wherever it comes from."""

from __future__ import annotations

import re

from dse import secrets
from dse.errors import BadInput

LONGEST = 200
"""Most bytes of a name: file systems take 255, and suffixes are added."""


RUN = r"\d{8}T\d{6}Z-[0-9a-f]{8}(?:-\d+)?"
STUDY = r".+-s\d+-[0-9a-f]{8}"
STORED = {
    "runs": re.compile(RUN),
    "studies": re.compile(STUDY),
    "cache": re.compile(r"[0-9a-f]{64}\.(?:stream\.)?(?:json|npy)"),
    "reports": re.compile(rf"(?:{RUN}|{STUDY})(?:{'|'.join(map(re.escape, ('.html', '.png', '.svg', '.txt', '.bundle.zip')))})"),
    "answers": re.compile(r".+-[0-9a-f]{16}\.json"),
}
"""Names that are given to what is stored, by the folder of results in which it lies. Those of a cache lie in folders of two letters."""


def is_name(name: object) -> bool:
    """Return True if a value is a name under which something can be stored: one file, not hidden, that a line can show.

    Examples
    --------
    >>> is_name("wide-tpe-s1"), is_name("../wide"), is_name(".wide"), is_name(""), is_name(3)
    (True, False, False, False, False)
    """
    if not isinstance(name, str) or not name.isprintable() or len(name.encode("utf-8", "surrogateescape")) > LONGEST:
        return False
    return bool(name.strip()) and not name.startswith(".") and not set(name) & set("/\\")


def checked(name: object, what: str) -> str:
    """Return a name under which something is stored.

    Raises
    ------
    BadInput
        It would lie elsewhere, or where no reader looks.
    """
    if isinstance(name, str) and secrets.holds(name):
        raise BadInput(f"{secrets.safe(name, whole=True)[:60]!r} is no name of a {what}: it holds a password")
    if not isinstance(name, str) or not is_name(name):
        shown = str(name)[:60]
        raise BadInput(f"{shown!r} is no name of a {what}: one is that of a file, without slash, not hidden, of up to {LONGEST} bytes")
    return name
