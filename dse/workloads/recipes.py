"""Recipes of the shipped traces: ``python -m dse.workloads.recipes FOLDER [NAME ...]`` records them again.

A recipe writes its seeded inputs into an empty folder and runs a common program there under the qemu recorder, as ``dse
trace record --recorder qemu -- COMMAND`` does. Another version of the program or of its libraries gives another trace.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dse.common import output
from dse.errors import BadInput, unknown
from dse.workloads import trace
from dse.workloads.record import record

GROUPS = """\
# orders of customers: parsed, grouped, totalled and sorted
orders = [str(i * 2654435761 % 4294967296) + "," + str(i * 7919 % 997) for i in range(4000)]
text = "\\n".join(orders)
rows = [line.split(",") for line in text.splitlines()]
groups = {}
for number, customer in rows:
    groups.setdefault(customer, []).append(number)
largest = sorted(groups, key=lambda customer: sum(map(int, groups[customer])), reverse=True)
index = dict(zip(sorted(orders), rows))
print(len(index), largest[:3])
"""
SNAPSHOT = """\
# a store in memory that saves snapshots: the child of each fork reads all of it while the parent goes on writing
my %store = map { $_ => "value $_ " . "." x 900 } 1 .. 4000;
my $seed = 1;
for my $snapshot (1 .. 6) {
    my $child = fork() // die;
    if (!$child) {
        my $sum = 0;
        $sum += length($_) for values %store;
        sleep(1);
        exit 0;
    }
    for (1 .. 1500) {
        $seed = ($seed * 1103515245 + 12345) % 2147483648;
        substr($store{1 + $seed % 4000}, 400, 5) = "write";
    }
    waitpid(-1, 0) if $snapshot > 2;
}
1 while waitpid(-1, 0) > 0;
"""


def _lines(folder: Path) -> None:
    r = random.Random(1)  # noqa: S311 - an input, not a secret
    text = "".join(f"{r.getrandbits(64):016x} {'x' * r.randrange(300, 600)}\n" for _ in range(8_000))
    (folder / "lines.txt").write_text(text)


def _functions(folder: Path) -> None:
    r = random.Random(1)  # noqa: S311 - an input, not a secret
    parts = ["struct node { struct node *next; long key, weight[4]; };\n"]
    for i in range(4):
        a, b, c = (r.randrange(1, 99) for _ in range(3))
        parts.append(
            f"long f{i}(struct node *n, long x)\n{{\n    long sum = {a};\n    for (; n; n = n->next) {{\n"
            f"        if (n->key % {b + 1} == {c % (b + 1)}) sum += n->weight[{c % 4}] * x;\n"
            f"        else n->weight[{a % 4}] ^= sum << {b % 13};\n    }}\n"
            f"    return sum{f' + f{r.randrange(i)}(0, sum % {a + 1})' if i else ''};\n}}\n"
        )
    (folder / "functions.c").write_text("".join(parts))


def _write(name: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(text)

    return write


@dataclass(frozen=True)
class Recipe:
    """Program, its inputs, and a description."""

    what: str
    inputs: Callable[[Path], None]
    command: tuple[str, ...]


RECIPES = {
    "cc1": Recipe(
        "the C compiler proper of GCC on four generated functions: many small allocations, little is freed",
        _functions, ("cc1", "-quiet", "-O0", "-o", os.devnull, "functions.c"),
    ),
    "python": Recipe(
        "CPython groups and sorts 4,000 orders: small objects all over the heap",
        _write("groups.py", GROUPS), ("python3", "-I", "-S", "groups.py"),
    ),
    "snapshot": Recipe(
        "perl holds a store of 4,000 values and forks six times to save it: pages shared with children while the parent writes",
        _write("snapshot.pl", SNAPSHOT), ("perl", "snapshot.pl"),
    ),
    "sort": Recipe(
        "sort of GNU coreutils on 8,000 lines: large arrays, passes of merging",
        _lines, ("sort", "--parallel=1", "lines.txt"),
    ),
}  # fmt: skip


def _path() -> str:
    """PATH with the system's own programs first and the folder of GCC's inner programs last."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        cc1 = subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True, check=True).stdout.strip()
        return os.pathsep.join(["/usr/bin", os.environ.get("PATH", ""), str(Path(cc1).parent)])
    return os.pathsep.join(["/usr/bin", os.environ.get("PATH", "")])


def make(name: str) -> trace.Trace:
    """Record the trace of recipe `name` in a folder of its own."""
    if name not in RECIPES:
        raise BadInput(unknown("recipe", name, RECIPES))
    recipe, before = RECIPES[name], dict(os.environ)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        recipe.inputs(Path(folder))
        os.environ |= {"PATH": _path(), "LC_ALL": "C"}
        try:
            made = record(list(recipe.command), "qemu")
        finally:
            os.environ.clear()
            os.environ.update(before)
    if made.meta["exit_status"]:
        raise BadInput(f"recipe {name}: the program ended with status {made.meta['exit_status']}")
    made.meta["what"] = recipe.what
    made.meta["inputs"] = f"python -m dse.workloads.recipes FOLDER {name}"
    return made


def _wrapped(text: str, mark: str = "") -> list[str]:
    """Lines of a paragraph, or of an item of a list behind `mark`."""
    indent = " " * len(mark)
    return textwrap.wrap(text, 88, initial_indent=mark, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def reference() -> str:
    """Page about the shipped traces, from their headers."""
    lines = [
        "# The traces that ship with the package", "",
        "To describe a shipped trace, run `dse trace info NAME`. To record the traces",
        "again, run (needs qemu-user and gcc):", "",
        "    python -m dse.workloads.recipes FOLDER [NAME ...]", "",
        "Each recipe writes its seeded inputs into an empty folder and records a program there.",
        "Another version of the program or of its libraries gives another trace. The traces are",
        "folded to page runs only (LRU filter 0) and hold mapping calls. The accesses are those",
        "of the data (instruction fetches left out) to private pages from their first write on.",
        "[formats.md](formats.md) describes the file format.", "",
        "This page is made from the headers by `make docs`.",
    ]  # fmt: skip
    for name in trace.shipped():
        made = trace.load(name)
        meta, size = made.meta, trace.find(name).stat().st_size
        lines += ["", f"## {name}", "", *_wrapped(f"{meta['what'][:1].upper()}{meta['what'][1:]}."), ""]
        facts = [
            f"made by `{meta['made']}`", f"inputs by `{meta['inputs']}`", f"recorder {meta['tool']}",
            (f"{meta['events']:,} accesses ({meta['writes']:,} writes) to {meta['pages']:,} pages; "
            f"{meta['mapping_events']:,} mapping events, {meta['forks']} forks, at most {meta['spaces']} address spaces"),
            f"file {size:,} B; digest `{made.digest}`",
        ]  # fmt: skip
        lines += [line for fact in facts for line in _wrapped(fact, "- ")]
    return "\n".join(lines) + "\n"


def main(folder: str, *names: str) -> int:
    """Record the traces `names` (default: all) into `folder`."""
    for name in names or RECIPES:
        made = make(name)
        path = trace.save(made, Path(folder) / name)
        output.note(f"{path}: {len(made.accesses):,} accesses, {made.pages:,} pages, {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*(sys.argv[1:] or ["."])))
    except BadInput as error:
        output.note(f"error: {error}")
        sys.exit(2)
