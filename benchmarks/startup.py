"""Waiting time before any measurement: imports, help, a warm ledger, kernels compiled from nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks import fixtures
from benchmarks.fixtures import SMALL

version = fixtures.version(__file__)
DESIGNS = fixtures.designs()
FIRST = [name for name in ("swap_table_p4", "direct", "vswap_v6") if name in DESIGNS] or DESIGNS[:1]
"""Designs that the first ``dse compare`` compiles, as they are registered."""
CODE = {
    "dse": "import dse",
    "help": "import dse.cli; dse.cli.main(['--help'])",
    "kernels": "from dse import naming; naming.registry()",
    "ledger": f"import dse; dse.ledger('direct', slots={SMALL})",
}


def python(code: str, **environ: str) -> None:
    """Run `code` in a fresh interpreter."""
    subprocess.run([sys.executable, "-P", "-c", code], env={**os.environ, **environ}, stdout=subprocess.DEVNULL, check=True, timeout=300)


class Start:
    """Fresh process that only imports, prints help, or reads a ledger."""

    params = [list(CODE)]
    param_names = ["what"]
    repeat, rounds, number = 5, 2, 1

    def setup(self, what: str) -> None:
        python(CODE[what])

    def time_start(self, what: str) -> None:
        python(CODE[what])


class Cold:
    """Compile the replay of a design with an empty cache, probe off, in a fresh process."""

    params = [FIRST]
    param_names = ["design"]
    repeat, rounds, number, warmup_time = 1, 1, 1, 0.0
    timeout = 300

    def setup(self, design: str) -> None:
        """Skip what this commit does not have."""
        fixtures.known(design)

    def time_cold_compile(self, design: str) -> None:
        with tempfile.TemporaryDirectory(prefix="swapdse-bench-") as cache:
            python(f"from dse.measuring import warming; warming.compile_pair(({design!r}, 'off'))", NUMBA_CACHE_DIR=cache)
