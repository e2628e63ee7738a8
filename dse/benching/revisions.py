"""Commits of the repository, and the benchmarks of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dse.benching.results import Suite, suite_of
from dse.common import repositories, sessions
from dse.errors import BadInput

CONFIGURATION = "asv.conf.json"
PARTS = ("benchmarks", "dse", "kernels")
TRAILER = "Bench-accept"
DISCOVERY_SECONDS = 300


def git(root: Path, *args: str) -> str:
    """Output of a git command in the repository.

    Raises
    ------
    BadInput
        git refuses.
    """
    try:
        done = repositories.git(root, *args, text=True, check=False, timeout=120)
    except FileNotFoundError:
        raise BadInput("git is not installed") from None
    except subprocess.TimeoutExpired as error:
        raise BadInput(f"git {args[0]} takes longer than {error.timeout:.0f} s in {root}") from None
    if done.returncode:
        why = done.stderr.strip().splitlines()
        raise BadInput(why[0] if why else f"git {args[0]} failed")
    return str(done.stdout).strip()


def root_of(folder: Path) -> Path:
    """Top folder of the repository around `folder`, which holds asv.conf.json."""
    top = Path(git(folder, "rev-parse", "--show-toplevel"))
    if not (top / CONFIGURATION).is_file():
        raise BadInput(f"{top} holds no {CONFIGURATION}: run dse bench inside a clone of swapdse")
    return top


def commit_of(root: Path, revision: str) -> str:
    """Full hash of a revision.

    Raises
    ------
    BadInput
        There is no such commit.
    """
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except BadInput:
        more = "; the clone is shallow, git fetch --unshallow brings older commits" if _is_shallow(root) else ""
        raise BadInput(f"there is no commit {revision!r} in {root}; a branch, tag or hash is wanted{more}") from None


def _is_shallow(root: Path) -> bool:
    """Return True for a clone without its older commits."""
    return git(root, "rev-parse", "--is-shallow-repository") == "true"


def base_of(root: Path, head: str) -> str:
    """Default base of a comparison with `head`: where it left main, or its parent when it is on main."""
    for name in ("main", "origin/main"):
        try:
            fork = git(root, "merge-base", name, head)
        except BadInput:
            continue
        if fork and fork != head:
            return fork
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{head}^1")
    except BadInput:
        if _is_shallow(root):
            raise BadInput(
                f"{root} is a shallow clone that ends at {head[:8]}: git fetch --unshallow brings what it is compared with"
            ) from None
        raise BadInput(f"{head[:8]} has no parent: name what to compare it with, --against REV") from None


def accepted(root: Path, base: str, head: str) -> list[str]:
    """Patterns of the ``Bench-accept:`` trailers of the commits after `base` up to `head`."""
    text = git(root, "log", f"--format=%(trailers:key={TRAILER},valueonly,unfold)", f"{base}..{head}")
    return [line.strip().split()[0] for line in text.splitlines() if line.strip()]


def differs(root: Path, commit: str, *paths: str) -> bool:
    """Return True if the working tree differs from `commit` under `paths`."""
    return bool(git(root, "status", "--porcelain", "--", *paths)) or bool(git(root, "diff", "--name-only", commit, "--", *paths))


@contextmanager
def checked_out(root: Path, commit: str) -> Iterator[Path]:
    """Check out the sources of `commit` into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="swapdse-bench-") as name:
        there = git(root, "ls-tree", "--name-only", commit).splitlines()
        try:
            packed = repositories.git(root, "archive", commit, *[part for part in PARTS if part in there], check=True)
            subprocess.run(["tar", "-x", "-C", name], input=packed.stdout, check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            why = (error.stderr or b"").decode("utf-8", "replace").strip().splitlines() or [f"status {error.returncode}"]
            raise BadInput(f"{commit[:8]} cannot be unpacked into {name}: {error.cmd[0]}: {why[-1]}") from None
        yield Path(name)


def suite_at(root: Path, commit: str, begun: Callable[[int], object] = lambda _: None) -> tuple[Suite, str]:
    """Benchmarks of `commit`, found by asv's own discovery in its own sources.

    Parameters
    ----------
    root : Path
        The repository.
    commit : str
        Full hash.
    begun : callable
        Called with the session of the discovery once it runs.

    Returns
    -------
    Suite
        Empty where there are none, or where they cannot be imported.
    str
        Error of their import, else an empty string.
    """
    from asv import benchmark

    with checked_out(root, commit) as folder:
        if not (folder / "benchmarks" / "__init__.py").is_file():
            return Suite(), ""
        target = folder / "benchmarks.json"
        environ = {**os.environ, "PYTHONPATH": str(folder), "ASV_PYTHONPATH": str(folder), "ASV": "true", "ASV_CONF_DIR": str(folder)}
        environ["SWAPDSE_BENCH_CACHE"] = str(folder / "numba")
        command, pipe = [sys.executable, benchmark.__file__, "discover", str(folder / "benchmarks"), str(target)], subprocess.PIPE
        try:
            with sessions.started(
                command, env=environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
            ) as process:
                begun(process.pid)
                said, failed = process.communicate(timeout=DISCOVERY_SECONDS)
        except subprocess.TimeoutExpired:
            return Suite(), f"discovery takes longer than {DISCOVERY_SECONDS} s"
        if process.returncode or not target.exists():
            lines = (failed or said).strip().splitlines()
            return Suite(), lines[-1] if lines else f"discovery ended with status {process.returncode}"
        return suite_of(json.loads(target.read_text(encoding="utf-8"))), ""
