"""Damaged inputs for every reader: ``python -m tests.fuzz --inputs 100000`` (make fuzz) prints what became of them.

Each reader gets seeds that it takes and mutants of them, made from a seeded generator. What it must do with each: take it, or refuse it in
one line (exit 2). A traceback, or more than ten seconds, is a finding, and is printed with the number that makes it again.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dse.errors import BadInput
from tests.fuzzreaders import READERS, Reader

PATIENCE = 10.0
"""Seconds after which an input counts as one that hangs."""


class Hang(BaseException):
    """An input took too long."""


@dataclass
class Outcome:
    """Outcome of the inputs of a reader."""

    inputs: int = 0
    codes: collections.Counter[str] = field(default_factory=collections.Counter)
    tracebacks: dict[str, tuple[int, int]] = field(default_factory=dict)
    hangs: list[int] = field(default_factory=list)
    slowest: float = 0.0
    seconds: float = 0.0

    def line(self, name: str) -> str:
        """One line of the report."""
        codes = ", ".join(f"exit {code}: {count:,}" for code, count in sorted(self.codes.items()))
        crashes = sum(count for _, count in self.tracebacks.values())
        return (
            f"{name:<14} {self.inputs:>8,} inputs, {crashes} tracebacks, {len(self.hangs)} hangs over {PATIENCE:g} s, {codes}; "
            f"slowest {self.slowest:.2f} s, {self.seconds:.0f} s in all"
        )


@contextlib.contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raise :class:`Hang` after some seconds, as soon as Python code runs again."""

    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def feed(name: str, numbers: range, report: Callable[[int], None] = lambda _: None, most: float = float("inf")) -> Outcome:
    """Give a reader the inputs of some numbers, for `most` seconds."""
    found = Outcome()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="swapdse-fuzz-") as scratch:
        folder = Path(scratch)
        reader = READERS[name](folder)
        suffix = {"scenario": ".toml", "space": ".toml", "question": ".toml", "npz": ".npz", "bundle": ".zip"}.get(name, "")
        path = folder / f"input{suffix}"
        for number in numbers:
            if time.monotonic() - began > most:
                break
            report(number)
            content, rng = reader.made(number)
            path.write_bytes(content)
            one = time.monotonic()
            _one(reader, path, rng, number, found)
            took = time.monotonic() - one
            found.slowest = max(found.slowest, took)
            if took > PATIENCE and number not in found.hangs:
                found.hangs.append(number)
            found.inputs += 1
    found.seconds = time.monotonic() - began
    return found


def _one(reader: Reader, path: Path, rng: random.Random, number: int, found: Outcome) -> None:
    """Give a reader one input, and note what it did."""
    try:
        with patience(PATIENCE), contextlib.redirect_stderr(io.StringIO()):
            reader.read(path, rng)
        found.codes["0"] += 1
    except BadInput as error:
        said = str(error)
        if "\n" in said or len(said) > 2000:
            found.tracebacks.setdefault(f"a refusal of {len(said)} characters, {said.count(chr(10)) + 1} lines: {said[:80]!r}", (number, 1))
        found.codes["2"] += 1
    except Hang:
        found.hangs.append(number)
    except BaseException as error:  # noqa: BLE001 - whatever comes out is the finding
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = next((f for f in reversed(traceback.extract_tb(error.__traceback__)) if "/dse/" in f.filename), last)
        what = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno} ({Path(last.filename).name}:{last.lineno})"
        first, count = found.tracebacks.get(what, (number, 0))
        found.tracebacks[what] = (first, count + 1)


def whole(name: str, inputs: int, first: int, seconds: float = float("inf")) -> Outcome:
    """Feed a reader in processes of its own: one that a signal ends is a finding, and the rest goes on behind it, for some seconds."""
    total, at = Outcome(), first
    end = time.monotonic() + seconds
    while at < first + inputs and time.monotonic() < end:
        with tempfile.NamedTemporaryFile("r", encoding="utf-8", suffix=".json") as out:
            command = [
                sys.executable,
                "-m",
                "tests.fuzz",
                "--only",
                name,
                "--inputs",
                str(first + inputs - at),
                "--first",
                str(at),
                "--seconds",
                str(end - time.monotonic()),
                "--to",
                out.name,
            ]
            done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            text = Path(out.name).read_text(encoding="utf-8")
        lines = text.splitlines()
        if done.returncode == 0 and lines:
            part = json.loads(lines[-1])
            total.inputs += part["inputs"]
            total.codes.update(part["codes"])
            total.tracebacks |= {what: tuple(where) for what, where in part["tracebacks"].items()}
            total.hangs += part["hangs"]
            total.slowest = max(total.slowest, part["slowest"])
            total.seconds += part["seconds"]
            break
        last = int(lines[-1]) if lines else at
        total.tracebacks[f"the process ended with status {done.returncode}: {done.stderr[-200:]!r}"] = (last, 1)
        if not lines:
            break
        total.inputs += last - at + 1
        at = last + 1
    return total


def main() -> int:
    """Feed the readers; return 1 if one did what it must not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", help=f"default: all, {', '.join(READERS)}")
    parser.add_argument("--inputs", type=int, default=100_000, help="inputs for each reader (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="most seconds for each reader (default: no limit)")
    parser.add_argument("--only", help="feed one reader in this process")
    parser.add_argument("--to", help="file for the outcome of --only")
    args = parser.parse_args()
    if args.only:
        with open(args.to, "w", encoding="utf-8") as out:

            def report(number: int) -> None:
                out.seek(0)
                out.write(f"{number}\n")
                out.flush()

            found = feed(args.only, range(args.first, args.first + args.inputs), report, args.seconds)
            out.seek(0)
            out.truncate()
            out.write(json.dumps(found.__dict__) + "\n")
        return 0
    failed = False
    for name in args.readers or READERS:
        found = whole(name, args.inputs, args.first, args.seconds)
        print(found.line(name), flush=True)
        for what, (number, count) in found.tracebacks.items():
            print(f"  {count:,} times, first input {number}: {what}", flush=True)
        for number in found.hangs:
            print(f"  input {number} took more than {PATIENCE:g} s", flush=True)
        failed |= bool(found.tracebacks or found.hangs)
    return int(failed)


if __name__ == "__main__":
    warnings.simplefilter("error")
    sys.exit(main())
