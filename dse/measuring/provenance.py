"""Provenance: the code and the machine of a run."""

from __future__ import annotations

import functools
import hashlib
import platform
import subprocess
from typing import Any

from dse import __version__
from dse.common import machine, repositories
from dse.common.machine import ROOT
from dse.naming import registered
from dse.scenario import Scenario


def _git(*args: str) -> str:
    """Output of a git command in the source tree, or nothing."""
    try:
        done = repositories.git(ROOT, *args, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return str(done.stdout).strip() if done.returncode == 0 else ""


@functools.cache
def commit() -> str:
    """Commit of the source tree, with ``-dirty`` where the sources differ from it; empty outside a repository."""
    head = _git("rev-parse", "HEAD")
    if not head or not (ROOT / ".git").exists():
        return ""
    return head + ("-dirty" if _git("status", "--porcelain", "--", "kernels", "dse") else "")


@functools.cache
def code_digest() -> str:
    """SHA-256 over the names and contents of every Python source of kernels and dse, and of designs from outside."""
    digest = hashlib.sha256(registered.digest())
    for part in ("kernels", "dse"):
        for path in sorted((ROOT / part).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def origin() -> dict[str, Any]:
    """Machine and code as provenance records them, by the column names of the store."""
    return {
        "version": __version__,
        "code_digest": code_digest(),
        "commit": commit(),
        "python": platform.python_version(),
        "packages": machine.packages(),
        "cpu": machine.cpu_model(),
        "cores": machine.cores(),
        "memory_bytes": machine.memory_available(),
        "kernel": platform.release(),
        "clock_source": machine.clock_source(),
    }


def not_modelled(chosen: Scenario) -> str:
    """Words for what is not modelled of a scenario."""
    folios = "swap-in of whole folios" if chosen.folio.orders else "large folios"
    ahead = "readahead by slots" if chosen.readahead.page_cluster else "readahead (page_cluster=0)"
    return f"I/O and compression, {ahead}, {folios}, shmem and KSM, contention between CPUs, the TLB flush, queueing at the backend"
