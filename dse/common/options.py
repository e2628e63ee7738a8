"""Options and argument types that several commands share, spelt and checked alike."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Mapping

from dse.common import reading, streams
from dse.common.limits import COLUMNS_MAX, PAGES_MAX, SEED_MAX
from dse.errors import NAME_MOST, BadInput, nearest

FORMATS = ("table", "json", "csv")
RESULTS = "results"
DIGITS_MAX = 40
"""Most characters of a number; Python reads no whole number of more than 4,300 digits."""


_SUFFIXES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def whole(text: str) -> int:
    """Read a whole number from 0 to 2^63 - 1: ``8388608``, ``2^23``, ``8M`` (binary suffixes), ``8_388_608``."""
    if len(text) > DIGITS_MAX:
        raise argparse.ArgumentTypeError(f"{text[:DIGITS_MAX]!r}... is longer than any number that is taken")
    power = re.fullmatch(r"(\d{1,4})(?:\^|\*\*)(\d{1,3})", text)
    if power:
        return _most(int(int(power[1]) ** int(power[2])), text, SEED_MAX, "2^63 - 1")
    number = re.fullmatch(r"(-?\d[\d_]*)([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number (such as 8388608, 2^23 or 8M)")
    value = int(number[1]) * _SUFFIXES[number[2].upper()]
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return _most(value, text, SEED_MAX, "2^63 - 1")


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    value = whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def slots(text: str) -> int:
    """Read a number of pages or slots: 1 to 2^28 (1 TiB)."""
    return _most(positive(text), text, PAGES_MAX, "2^28 pages (1 TiB), the most that is supported")


def pages(text: str) -> int:
    """Read a number of pages: 0 to 2^28 (1 TiB)."""
    return _most(whole(text), text, PAGES_MAX, "2^28 pages (1 TiB), the most that is supported")


def column(text: str) -> int:
    """Read the number of a column: 0 to 4,096."""
    return _most(whole(text), text, COLUMNS_MAX, f"{COLUMNS_MAX:,}, the last column that is read")


def of_pages(text: str) -> int:
    """Read the number of the column of the page, which every file has: 1 to 4,096."""
    positive(text)
    return column(text)


def words(text: str) -> list[str]:
    """Read words with commas between them, none of them empty."""
    found = text.split(",")
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty word in it")
    return found


def _most(value: int, text: str, most: int, said: str) -> int:
    """Refuse a number above the most."""
    if value > most:
        raise argparse.ArgumentTypeError(f"{text} is above {said}")
    return value


def variable(name: str, default: int, least: int, most: int) -> int:
    """Read a whole number from the environment.

    Raises
    ------
    BadInput
        No number, or one out of its range.
    """
    text = os.environ.get(name, "")
    if not text:
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise BadInput(f"{name} is a whole number from {least:,} to {most:,}, got {text[:40]!r}")
    return int(text)


VARIABLES = ("DSE_DESIGNS", "DSE_STORAGE", "DSE_HEARTBEAT", "DSE_TRACEBACK", "DSE_PLAIN_NUMBA", "DSE_PLAIN_NUMBA_SAID",
             "SWAPDSE_BENCH_DESIGNS", "SWAPDSE_BENCH_HOME", "SWAPDSE_BENCH_CACHE", "SWAPDSE_BENCH_QUICK")  # fmt: skip
"""Variables of the environment that this project reads; the one that ends in SAID is its own."""


def without_effect(environ: Mapping[str, str]) -> list[str]:
    """Say of each variable that is named as one of ours, and is none, which one was meant.

    Examples
    --------
    >>> without_effect({"DSE_DESIGN": "my.py", "DSE_STORAGE": "x", "HOME": "/root"})
    ["variable DSE_DESIGN of the environment has no effect: did you mean 'DSE_DESIGNS'?"]
    """
    found = []
    for name in sorted(environ):
        before = re.match(r"(?:SWAP)?DSE_", name, re.IGNORECASE)
        if before and name not in VARIABLES:
            known = {one.partition("DSE_")[2]: one for one in VARIABLES if not one.endswith("_SAID")}
            near = known.get(nearest(name[before.end() :], known))
            hint = f"did you mean {near!r}?" if near else f"valid: {', '.join(known.values())}"
            found.append(f"variable {name[:NAME_MOST]} of the environment has no effect: {hint}")
    return found


def seed(text: str) -> int:
    """Read a seed: 0 to 2^63 - 1."""
    return _most(whole(text), text, SEED_MAX, "2^63 - 1")


def finite(text: str, of: str) -> float:
    """Read a number of `of` (days, seconds), neither infinite nor NaN."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of {of}")
    return value + 0.0  # -0.0 is 0.0


def seconds(text: str) -> float:
    """Read a number of seconds above 0."""
    value = finite(text, "seconds")
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 seconds")
    return value


def width(text: str) -> float:
    """Read the width of an interval over its ratio: above 0, up to 1, or a percentage."""
    value = share(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def share(text: str) -> float:
    """Read a share from 0 to 1, or a percentage."""
    body, scale = (text[:-1], 100.0) if text.endswith("%") else (text, 1.0)
    try:
        value = float(body) / scale
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1") from None
    if math.isnan(value) or not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value + 0.0  # -0.0 is 0.0


def refuse(args: argparse.Namespace, names: str, why: str) -> None:
    """Refuse options that were given and would be ignored.

    Parameters
    ----------
    args : Namespace
        Arguments, with the ``defaults`` that :func:`dse.cli.main` adds.
    names : str
        Names of the options and positional arguments, as attributes, separated by blanks.
    why : str
        What they are for, or do not go with.

    Raises
    ------
    BadInput
        One is not at its default.
    """
    for name in names.split():
        default = getattr(args, "defaults", {}).get(name)
        if getattr(args, name) not in (default, None):
            raise BadInput(f"{name.upper() if name in POSITIONAL else '--' + name.replace('_', '-')} has no effect: {why}")


POSITIONAL = ("sql",)
"""Arguments without dashes that :func:`refuse` is asked about."""


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add ``--format`` to a command that prints data."""
    parser.add_argument("--format", choices=FORMATS, default="table", help="output format (default: %(default)s)")


def sought(text: str) -> str:
    """Read the name of a folder, also of one that cannot be made: dse doctor says so."""
    return folder(text, made=False)


def folder(text: str, *, made: bool = True) -> str:
    """Read the name of a folder that is there or can be made."""
    try:
        return str(reading.folder(text, made=made))
    except BadInput as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def file(text: str) -> str:
    """Read the name of a file."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name is no file")
    return text


def design(text: str) -> str:
    """Read a design where none stands for the default one."""
    if not text:
        raise argparse.ArgumentTypeError("an empty text is no design")
    return text


def trace(text: str) -> str:
    """Read the name of a trace; it is stored with what is made of it."""
    if text != streams.plain(text):
        raise argparse.ArgumentTypeError(f"{text!a} is not UTF-8: rename the file, as its name is stored with the results")
    return file(text)


def add_results(parser: argparse.ArgumentParser, kind: Callable[[str], str] = folder) -> None:
    """Add ``--results`` to a command that reads or writes stored runs; `kind` reads it."""
    parser.add_argument("--results", type=kind, default=RESULTS, metavar="DIR", help="folder of stored runs (default: %(default)s)")


def check_results(args: argparse.Namespace) -> None:
    """Refuse a folder of results that was named and is not there, where it is read only: an empty answer would hide a mistyped name.

    Raises
    ------
    BadInput
        It is not there, and not the default one.
    """
    if args.results != RESULTS and not os.path.isdir(args.results):
        raise BadInput(f"{args.results}: no such folder of results")


def named(text: str) -> str:
    """Read a name that is not blank."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name is no storage")
    return text


STORAGE = "DSE_STORAGE"
"""Variable that holds the URL of a storage, so that no list of processes shows it."""


def add_storage(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--storage`` to a command that works on a shared study."""
    parser.add_argument("--storage", type=named, metavar="URL", help=f"{what} (default: the environment's {STORAGE})")


def storage(given: str | None) -> str | None:
    """Return the storage that was given, else the environment's; None where there is none."""
    found = given if given is not None else os.environ.get(STORAGE) or None
    if found is not None and not found.strip():
        raise BadInput(f"{STORAGE} is blank: it is the URL of a storage")
    return found


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``. Without it the scenario's own seed is used."""
    parser.add_argument("--seed", type=seed, default=None, metavar="N", help="seed (default: the scenario's)")


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add ``--set``: keys of the scenario, one each time that the option is given."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a scenario key, such as memory.limit=0.3 (repeat it)"
    )


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Add ``--budget`` and ``--width``: how long and how narrow times are measured."""
    parser.add_argument("--budget", type=seconds, default=60.0, metavar="SECONDS", help="most time for measuring (default: %(default)g)")
    parser.add_argument(
        "--width", type=width, default=0.05, metavar="SHARE",
        help="width of a headline ratio's 95 %% interval over the ratio, at which it is measured enough (default: %(default)g)",
    )  # fmt: skip


def add_counted_only(parser: argparse.ArgumentParser) -> None:
    """Add ``--counted-only``: exact figures, no clock read."""
    parser.add_argument("--counted-only", action="store_true", help="exact figures only, nothing timed")


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add ``--parameters``: a table of latencies for modelled figures."""
    parser.add_argument("--parameters", metavar="FILE", help="latencies of modelled figures, such as dse calibrate writes (TOML)")
