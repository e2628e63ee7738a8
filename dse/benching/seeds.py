"""Seeded regressions: small edits of the sources that the gate has to name, each with its exit status."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dse.benching.families import Exit
from dse.errors import CheckFailed


@dataclass(frozen=True)
class Seed:
    """Case of the self-test.

    Attributes
    ----------
    name : str
        For messages.
    what : str
        Change of the commit.
    edit : callable or None
        Changes the sources in a folder; None: an empty commit.
    options : tuple of str
        Options of ``dse bench``.
    status : Exit
        Exit status of the gate.
    names : tuple of (str, str)
        Status and part of the benchmark's name of a row that it has to print.
    times : int
        Number of commits in a row.
    """

    name: str
    what: str
    edit: Callable[[Path], None] | None
    options: tuple[str, ...]
    status: Exit
    names: tuple[tuple[str, str], ...] = ()
    times: int = 1


def replaced(path: Path, pattern: str, by: str, count: int = 0) -> None:
    """Replace a regular expression in a file.

    Raises
    ------
    CheckFailed
        It does not occur: the seed has to follow the source.
    """
    text, n = re.subn(pattern, by, path.read_text(encoding="utf-8"), count=count, flags=re.MULTILINE)
    if not n:
        raise CheckFailed(f"the seeded regression finds no {pattern!r} in {path.name}: adapt dse/benching/seeds.py")
    path.write_text(text, encoding="utf-8")


def one_touch(root: Path) -> None:
    """Touch one more line, of the device, in the slot allocator."""
    first = r"^(    chase\(pr, R_DEV, d \* DEV_WORDS\)\n)"
    replaced(root / "kernels" / "structures" / "cluster.py", first, r"\1    touch(pr, R_DEV, d * DEV_WORDS + U8)\n", 1)


def eight_bytes(root: Path) -> None:
    """Make a descriptor 8 bytes longer, in the layout table and in the state."""
    path = root / "kernels" / "designs" / "swap_desc" / "design.py"
    text = path.read_text(encoding="utf-8")
    text, fields = re.subn(r'(s\.Field\("swap_desc", "[^"]*", )(\d+)', lambda m: f"{m[1]}{int(m[2]) + 8}", text)
    text, strides = re.subn(r'\{"32": 4, "24": 3\}', '{"32": 5, "24": 4}', text)
    if not fields or not strides:
        raise CheckFailed("the seeded regression finds no descriptor to lengthen: adapt dse/benching/seeds.py")
    path.write_text(text, encoding="utf-8")


def slow_loop(root: Path) -> None:
    """Make CLOCK go round its loop 30 % more often."""
    loop = r"^(    hand, used, misses = .*\n)    for i in range\(accesses\.size\):\n"
    more = r"\1    for k in range(accesses.size + accesses.size * 3 // 10):\n        i = k if k < accesses.size else k - accesses.size\n"
    replaced(root / "kernels" / "reclaim" / "misses.py", loop, more, 1)


def broken_benchmark(root: Path) -> None:
    """Let a benchmark raise."""
    counted = r'^( +)return float\(bytes_of\(design, slots, backend\)\["total_bytes"\] / slots\)'
    replaced(root / "benchmarks" / "memory.py", counted, r'\1raise RuntimeError("seeded")', 1)


def deleted_benchmark(root: Path) -> None:
    """Delete a benchmark."""
    replaced(root / "benchmarks" / "memory.py", r"^    def track_bytes_counted\((?:.*\n)+?\n", "", 1)
    replaced(root / "benchmarks" / "memory.py", r"^    track_bytes_counted\.unit.*\n", "", 1)


def renamed_benchmark(root: Path) -> None:
    """Rename a benchmark."""
    replaced(root / "benchmarks" / "memory.py", "track_bytes_counted", "track_bytes_as_counted")


def added_benchmark(root: Path) -> None:
    """Add a benchmark."""
    path = root / "benchmarks" / "memory.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n\ndef track_seeded() -> float:\n    return 1.0\n", encoding="utf-8")


def fewer_bytes(root: Path) -> None:
    """Let swap_map take half a byte a slot: better, and no error."""
    replaced(root / "kernels" / "life" / "layout.py", r'("swap_map", "[^"]*", )1,', r"\g<1>0.5,", 1)


MEMORY = ("--exact", "--bench", r"^memory\.")
SEEDS = (
    Seed("touch", "one more touch in a kernel", one_touch, ("--exact", "--bench", r"^counted\."), Exit.REGRESSION,
         (("regression", "track_lines('direct', 'swap_out')"),)),
    Seed("bytes", "8 bytes more a descriptor", eight_bytes, ("--exact", "--bench", r"^(memory|counted\.Space)\."), Exit.REGRESSION,
         (("regression", "track_bytes_counted('swap_desc'"), ("regression", "track_state_bytes('swap_desc'"))),
    Seed("slow", "a loop that takes 30 % longer", slow_loop, ("--bench", r"^reclaim\.Policies\.time_clock"), Exit.REGRESSION,
         (("regression", "time_clock("),)),
    Seed("broken", "a benchmark that raises", broken_benchmark, MEMORY, Exit.BROKEN, (("broken", "track_bytes_counted"),)),
    Seed("deleted", "a benchmark deleted", deleted_benchmark, MEMORY, Exit.REMOVED, (("removed", "track_bytes_counted"),)),
    Seed("renamed", "a benchmark renamed", renamed_benchmark, MEMORY, Exit.REMOVED,
         (("removed", "track_bytes_counted"), ("added", "track_bytes_as_counted"))),
    Seed("added", "a benchmark added", added_benchmark, MEMORY, Exit.OK, (("added", "track_seeded"),)),
    Seed("better", "half a byte less a slot", fewer_bytes, MEMORY, Exit.OK, (("better", "track_bytes_counted('direct'"),)),
    Seed("empty", "an empty commit", None, ("--exact",), Exit.OK, (), 10),
    Seed("nothing", "no benchmark selected", None, ("--exact", "--bench", "nosuch"), Exit.NO_COMPARISON),
    Seed("environment", "no such Python", None, ("--exact", "--python", "9.9"), Exit.NO_ENVIRONMENT),
    Seed("revision", "no such commit to compare with", None, ("--exact", "--against", "nosuch"), Exit.BAD_INPUT),
)  # fmt: skip
