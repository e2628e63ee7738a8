"""TOML texts by name: built-in ones and files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from dse.errors import BadInput, unknown


class Text(NamedTuple):
    """A text that was read.

    Attributes
    ----------
    source : str
        The text.
    file : str
        Its name in messages.
    name : str
        Its name without folder and suffix.
    """

    source: str
    file: str
    name: str


def builtin(folder: Path) -> list[str]:
    """Names of the built-in texts of a folder."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read(name: str | Path, folder: Path, what: str) -> Text:
    """Read a built-in text, or a file.

    Parameters
    ----------
    name : str or Path
        A built-in name, or a path that ends in ``.toml`` or holds a slash.
    folder : Path
        Folder of the built-in texts.
    what : str
        The kind of text, for messages.

    Raises
    ------
    BadInput
        No text has that name, or it cannot be read.
    """
    text, path = str(name), Path(name)
    if text in builtin(folder):
        return Text((folder / f"{text}.toml").read_text(encoding="utf-8"), f"{text}.toml", text)
    if path.suffix != ".toml" and "/" not in text:
        raise BadInput(unknown(what, text, builtin(folder)) + " (or give a .toml file)")
    try:
        return Text(path.read_text(encoding="utf-8"), text, path.stem)
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
