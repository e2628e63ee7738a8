"""TOML texts by name: built-in ones and files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

from dse.common import reading
from dse.errors import BadInput, refusal, unknown

NAME_MOST = 100
"""Most characters of a name that a file gives to what is stored."""


class Text(NamedTuple):
    """A text that was read.

    Attributes
    ----------
    source : str
        The text.
    file : str
        Its name in messages.
    name : str
        Its name without folder and suffix, as a folder may be called (:func:`named`).
    """

    source: str
    file: str
    name: str


def named(stem: str) -> str:
    """Return the name that a file gives to what is stored: printable, not hidden and not too long.

    Examples
    --------
    >>> named("wide"), named(".hidden"), named("..."), named("a" + chr(10) + "b")
    ('wide', 'hidden', 'unnamed', 'a_b')
    """
    shown = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in stem)
    return shown.lstrip(".")[:NAME_MOST].strip() or "unnamed"


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
        No text has that name, or it is no file that can be read.
    """
    text, path = str(name), Path(name)
    if text in builtin(folder):
        return Text((folder / f"{text}.toml").read_text(encoding="utf-8"), f"{text}.toml", text)
    if path.suffix != ".toml" and "/" not in text:
        raise BadInput(unknown(what, text, builtin(folder)) + " (or give a .toml file)")
    reading.file(path)
    try:
        return Text(path.read_text(encoding="utf-8"), text, named(path.stem))
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise BadInput(f"{path}: {refusal(error)}") from None


class Shorter(str):
    """A text with a shorter one that says the same or less, for where there is no room.

    Parameters
    ----------
    full, short : str

    Examples
    --------
    >>> Shorter("three of the four", "three"), short(Shorter("three of the four", "three")), short("four")
    ('three of the four', 'three', 'four')
    """

    __slots__ = ("short",)
    short: str

    def __new__(cls, full: str, short: str) -> Self:
        made = super().__new__(cls, full)
        made.short = short
        return made


def short(text: str) -> str:
    """Return the shorter version of a text, if it has one."""
    return text.short if isinstance(text, Shorter) else text
