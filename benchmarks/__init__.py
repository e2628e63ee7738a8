"""asv benchmarks by area; ``dse bench`` is the gate on top of them, docs/benchmarks.md explains them.

Every metric is a cost: lower is better, always. Compiled kernels lie in a folder for each content of their sources:
commits with the same kernels share them, and never take those of another commit.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path


def kernels_digest() -> str:
    """Short digest of the sources of the imported kernels."""
    found = importlib.util.find_spec("kernels")
    places = list(found.submodule_search_locations or ()) if found else []
    digest = hashlib.sha256()
    for root in map(Path, places):
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


if "ASV" in os.environ:  # set by asv in every process that it starts
    home = os.environ.get("SWAPDSE_BENCH_CACHE") or os.path.join(os.environ.get("ASV_CONF_DIR", os.getcwd()), ".asv", "numba")
    os.environ["NUMBA_CACHE_DIR"] = os.path.join(home, kernels_digest())
