"""Repeats of a study: the command that began it, and what Ctrl-C or SIGTERM leaves to go on with."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dse.common.signals import Terminated
from dse.errors import BadInput
from dse.secrets import safe
from dse.storing import studies

CALL = "dse.sweep"
"""Command of a study that a Python call began."""
OF_THE_RUN = ("--timeout", "--confirm", "--parameters")
"""Options that say what one run does: those of the run that resumed hold."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what to say of it."""


@dataclass
class Done:
    """Trials of a study that are evaluated, and so in the cache, and how many are wanted."""

    trials: int = 0
    wanted: int = 0


def _option(words: Sequence[str], name: str) -> str | None:
    """Value of an option in a command; None where it has none."""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == name:
            return after
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def _with(words: Sequence[str], name: str, value: str | None) -> list[str]:
    """Give a command another value of an option, at its end; without a value, take the option away."""
    out: list[str] = []
    skip = False
    for word in words:
        if not skip and word != name and not word.startswith(f"{name}="):
            out.append(word)
        skip = not skip and word == name
    return out if value is None else [*out, name, value]


def repeated(first: str, now: str, trials: int | None) -> str:
    """Command that repeats a resumed study: the one that began it, with what the resuming one changed.

    Parameters
    ----------
    first, now : str
        The command that began the study, and the one that resumed it.
    trials : int or None
        Trials that the resuming one asked for, if it did.

    Examples
    --------
    >>> repeated("dse sweep big --trials 9 --timeout 1 --seed 4", "dse sweep --resume big --trials 20 --full", 20)
    'dse sweep big --seed 4 --trials 20'
    """
    try:
        words, after = shlex.split(first), shlex.split(now)
    except ValueError:  # a command of an earlier version that no shell reads
        return first
    if words[:2] != ["dse", "sweep"]:
        return first
    for name in OF_THE_RUN:
        value = _option(after, name)
        words = words if value == _option(words, name) else _with(words, name, value)
    return shlex.join(words if trials is None else _with(words, "--trials", str(trials)))


def first_command(results: str | Path, study: str, now: str) -> str:
    """Command of a study whose settings, of an earlier version, do not have it: that of its tables, or `now`."""
    try:
        (about,) = studies.read_tables(results, study)["provenance"]
    except (BadInput, ValueError):
        return now
    return str(about["command"] or now)


@contextlib.contextmanager
def interruptible(results: str | Path, study: str, storage: str | None) -> Iterator[Done]:
    """Say how far a study came, and how to go on with it, when it is interrupted.

    Raises
    ------
    Interrupted, Terminated
        With that as their text.
    """
    done = Done()
    try:
        yield done
    except KeyboardInterrupt as error:
        shared = f" --storage {shlex.quote(safe(storage, whole=True))}" if storage is not None else ""
        text = f"interrupted after {done.trials:,} of {done.wanted:,} trials: {studies.resuming(results, study)}{shared}"
        if not isinstance(error, Terminated):
            raise Interrupted(text) from None
        told = Terminated(text)
        told.number = error.number
        raise told from None
