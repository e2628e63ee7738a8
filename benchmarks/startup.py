"""What a user waits for before anything is measured: imports, help, a warm ledger, kernels compiled from nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks import fixtures
from benchmarks.fixtures import SMALL

version = fixtures.version(__file__)
DESIGNS = fixtures.designs()
CODE = {
    "dse": "import dse",
    "help": "import dse.cli; dse.cli.main(['--help'])",
    "kernels": "from dse import naming; naming.registry()",
    "ledger": f"import dse; dse.ledger('direct', slots={SMALL})",
}


def python(code: str, **environ: str) -> None:
    """Run `code` in a fresh interpreter."""
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **environ}, stdout=subprocess.DEVNULL, check=True, timeout=300)


class Start:
    """A fresh process that does no more than this."""

    params = [list(CODE)]
    param_names = ["what"]
    repeat, rounds, number = 5, 2, 1

    def setup(self, what: str) -> None:
        python(CODE[what])

    def time_start(self, what: str) -> None:
        python(CODE[what])


class Cold:
    """The replay of a design compiled with an empty cache, probe off, in a fresh process."""

    params = [DESIGNS]
    param_names = ["design"]
    repeat, rounds, number, warmup_time = 1, 1, 1, 0.0
    timeout = 300

    def time_cold_compile(self, design: str) -> None:
        with tempfile.TemporaryDirectory(prefix="swapdse-bench-") as cache:
            python(f"from dse.measuring import warming; warming.compile_pair(({design!r}, 'off'))", NUMBA_CACHE_DIR=cache)


class Files:
    """Kernels that a commit compiles, and what their cache takes."""

    params = [DESIGNS]
    param_names = ["design"]
    timeout = 300

    def track_cached_kilobytes(self, design: str) -> float:
        from dse import naming
        from dse.measuring import warming

        warming.compile_pair((design, "count"))
        run = naming.registry()[design].replay
        library = next(iter(run.overloads.values())).library
        return len(library._compiled_object) / 1024

    track_cached_kilobytes.unit = "KiB of object code"  # type: ignore[attr-defined]
