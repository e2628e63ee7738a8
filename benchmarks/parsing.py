"""Readers of trace files: text of valgrind's lackey, CSV, oracleGeneral; page numbers made dense."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import fixtures
from dse.workloads import imports

version = fixtures.version(__file__)
LINES = 1 << 19
FORMS = ["lackey", "csv", "oracleGeneral"]
ORACLE = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])  # libCacheSim, oracleGeneralBin.h


@functools.lru_cache(maxsize=1)
def folder() -> tempfile.TemporaryDirectory[str]:
    """Folder of the files of this process."""
    return tempfile.TemporaryDirectory(prefix="swapdse-bench-")


@functools.lru_cache(maxsize=4)
def trace(form: str, lines: int) -> Path:
    """Write a file of `lines` accesses to 2^14 pages, seeded."""
    rng = np.random.default_rng(1)
    pages, writes = rng.integers(0, 1 << 14, lines), rng.random(lines) < 0.3
    path = Path(folder().name) / f"{form}-{lines}"
    if form == "oracleGeneral":
        rows = np.zeros(lines, ORACLE)
        rows["time"], rows["id"], rows["size"], rows["next"] = np.arange(lines), pages, 4096, -2
        path.write_bytes(rows.tobytes())
    elif form == "csv":
        path.write_text("".join(f"{page},{int(write)}\n" for page, write in zip(pages, writes, strict=True)))
    else:
        path.write_text("".join(f" {'S' if w else 'L'} {p << 12 | 64:08x},8\n" for p, w in zip(pages, writes, strict=True)))
    return path


class Files(fixtures.Warm):
    """Read a file in the page cache into a trace."""

    params = [FORMS, [LINES]]
    param_names = ["format", "accesses"]
    repeat = (5, 10, 3.0)

    def setup(self, form: str, lines: int) -> None:
        self.path = trace(form, lines)
        if self.is_new(form, lines):
            imports.load(self.path, form)
        self.ready()

    def time_import(self, form: str, lines: int) -> None:
        imports.load(self.path, form)
