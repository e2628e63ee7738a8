"""Digests of what is stored, checked whenever it is read: a bit that a disk or a copy changed must not change an answer.

Files of a folder have their SHA-256 in ``SHA256SUMS`` beside them, in the form that ``sha256sum --check`` reads. A JSON document
carries its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dse.common import reading
from dse.errors import refusal

SUMS = "SHA256SUMS"
DIGEST = "sha256"
"""Key of a document's digest."""
LINE = re.compile(r"([0-9a-f]{64})  ([^/\0]+)")
CHANGED = "not what was stored: its SHA-256 differs"


def of_file(path: Path) -> str:
    """SHA-256 of a file."""
    with reading.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sums(contents: Mapping[str, bytes]) -> bytes:
    """Content of ``SHA256SUMS`` for files by name.

    Examples
    --------
    >>> sums({"empty": b""})[:12], sums({"empty": b""}).split()[1]
    (b'e3b0c44298fc', b'empty')
    """
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(contents.items())).encode()


def listed(folder: Path) -> dict[str, str] | None:
    """Digests that a folder lists by file, None where it has no list; a line that cannot be read lists nothing."""
    try:
        text = reading.content(folder / SUMS).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError:
        return {}
    return {found[2]: found[1] for line in text.split("\n") if (found := LINE.fullmatch(line))}


def why_not(path: Path) -> str:
    """Say why a file is not the one that its folder lists; return an empty string if it is, or if the folder has no list."""
    known = listed(path.parent)
    if known is None:
        return ""
    try:
        found = of_file(path)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return refusal(error)
    return "" if known.get(path.name) == found else CHANGED


def digest_of(document: Mapping[str, Any], of: str = "") -> str:
    """SHA-256 of a document of JSON without its digest, and of the name under which it is kept."""
    rest = {key: value for key, value in document.items() if key != DIGEST}
    return hashlib.sha256(f"{of}\n{json.dumps(rest, sort_keys=True)}".encode()).hexdigest()


def sealed(document: Mapping[str, Any], of: str = "") -> dict[str, Any]:
    """Add its digest to a document.

    Parameters
    ----------
    document : mapping
        Values of JSON.
    of : str
        The name under which it is kept: under another it counts as damaged.

    Examples
    --------
    >>> found = sealed({"lines": 3}, "a")
    >>> whole(found, "a"), whole(found, "b"), whole({**found, "lines": 2}, "a")
    (True, False, False)
    """
    plain = json.loads(json.dumps({key: value for key, value in document.items() if key != DIGEST}))
    return {**plain, DIGEST: digest_of(plain, of)}


def whole(document: Any, of: str = "") -> bool:
    """Return True if a document is one that :func:`sealed` made for this name."""
    return isinstance(document, dict) and document.get(DIGEST) == digest_of(document, of)
