"""Self-test of the gate, ``make gate-selftest``: commit seeded regressions in a temporary clone and check that the gate finds each.

``python -m dse.benching.selftest [--home DIR] [CASE...]``; the cases are in :mod:`dse.benching.seeds`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse.benching import launch, revisions
from dse.benching.families import COUNTED
from dse.benching.seeds import SEEDS, Seed
from dse.common import output
from dse.errors import BadInput, CheckFailed, unknown
from dse.naming import processes

DESIGNS = "direct,swap_desc"
"""Designs that the self-test compiles, unless SWAPDSE_BENCH_DESIGNS names others: those with seeds."""
PACKAGE = Path(__file__).resolve().parent.parent.parent
SECONDS = 1800
WHO = ("-c", "user.name=self-test", "-c", "user.email=self-test@localhost", "-c", "commit.gpgsign=false")


def clone(root: Path, folder: Path) -> str:
    """Clone HEAD of `root` into `folder`, on a branch main; return its hash."""
    head = revisions.commit_of(root, "HEAD")
    revisions.git(root, "clone", "--quiet", "--no-hardlinks", str(root), str(folder))
    revisions.git(folder, "checkout", "--quiet", "-B", "main", head)
    return head


def known_figures(root: Path, folder: Path, head: str) -> None:
    """Take over the stored figures of `head`, so that they need not be counted again."""
    for path in (root / "results" / "asv" / COUNTED).glob(f"{head[:8]}-*.json"):
        there = folder / "results" / "asv" / COUNTED
        there.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, there)


def commit(folder: Path, base: str, seed: Seed) -> None:
    """Make the commit of a seed on top of `base`."""
    revisions.git(folder, "reset", "--quiet", "--hard", base)
    if seed.edit is not None:
        seed.edit(folder)
    revisions.git(folder, *WHO, "commit", "--quiet", "--all", "--allow-empty", "-m", seed.what)


def gate(folder: Path, home: Path, base: str, seed: Seed) -> tuple[int, dict[str, Any]]:
    """Run the gate on the clone; return exit status and output."""
    against = [] if "--against" in seed.options else ["--against", base]
    command = processes.command("dse.cli", "bench", *against, "--format", "json", *seed.options)
    environ = {launch.DESIGNS: DESIGNS, **processes.environ(SWAPDSE_BENCH_HOME=str(home))}
    done = subprocess.run(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True, check=False, timeout=SECONDS)
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {"rows": []}


def verdict(seed: Seed, status: int, document: dict[str, Any]) -> str:
    """Error in the end of the gate; empty when it ended as it must."""
    if status != seed.status:
        return f"ended with {status} ({document.get('why') or document.get('outcome', 'no report')}), not {int(seed.status)}"
    for kind, part in seed.names:
        if not any(row["status"] == kind and part in row["benchmark"] for row in document["rows"]):
            return f"does not name {part} as {kind}"
    if seed.edit is None and document["rows"]:
        return f"names {document['rows'][0]['benchmark']} though nothing has changed"
    return ""


def chosen(names: Sequence[str]) -> list[Seed]:
    """Seeds by name, all of them where none is named."""
    known = {seed.name: seed for seed in SEEDS}
    for name in names:
        if name not in known:
            raise BadInput(unknown("case", name, known))
    return [known[name] for name in names] if names else list(SEEDS)


def run(names: Sequence[str], home: Path | None = None) -> int:
    """Run cases; return the number of failures."""
    root = revisions.root_of(PACKAGE)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="swapdse-selftest-") as name:
        folder = Path(name) / "clone"
        base = clone(root, folder)
        known_figures(root, folder, base)
        for seed in chosen(names):
            for turn in range(seed.times):
                began = time.monotonic()
                commit(folder, base, seed)
                wrong = verdict(seed, *gate(folder, home or Path(name) / "home", base, seed))
                failed += bool(wrong)
                label = f"{seed.name} {turn + 1}/{seed.times}" if seed.times > 1 else seed.name
                output.write(f"{'FAILED' if wrong else 'ok':<6} {label}: {seed.what}{': the gate ' + wrong if wrong else ''}")
                sys.stdout.flush()
                output.note(f"{label}: {time.monotonic() - began:.0f} s")
    return failed


def main(argv: Sequence[str]) -> int:
    """Run the cases named in `argv`, ``--home DIR`` in front to keep environments and caches."""
    home = Path(argv[1]).resolve() if len(argv) > 1 and argv[0] == "--home" else None
    try:
        failed = run(argv[2:] if home else argv, home)
    except (BadInput, CheckFailed) as error:
        output.note(f"error: {error}")
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
