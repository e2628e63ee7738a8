"""Instructions per operation, counted by callgrind; skipped without valgrind, its headers and a C compiler.

They repeat to about 1 part in 100,000 on one machine, but depend on compiler and libraries, so they are no exact figures: the gate
allows 0.1 %. Kernels are compiled for a generic processor, as valgrind does not know every extension.
"""

from __future__ import annotations

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import fixtures, under_callgrind
from dse.common import machine

version = fixtures.version(__file__, under_callgrind.__file__)
HEADER = Path("/usr/include/valgrind/callgrind.h")
HELPER = """#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; }
void stop(const char *name) { CALLGRIND_STOP_INSTRUMENTATION; CALLGRIND_DUMP_STATS_AT(name); }
"""
GENERIC = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
DESIGNS = fixtures.designs()
OPERATIONS = 2 * under_callgrind.BATCH
SECONDS = 900  # for all designs of a core


Counts = dict[str, int | str]


def compiler() -> str | None:
    """Path of the C compiler, where everything that is needed is installed."""
    found = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    return found if shutil.which("valgrind") and HEADER.exists() else None


def instructions(designs: list[str], helper: Path) -> Counts:
    """Instructions of one replay of the block of under_callgrind.py for each design, or the error.

    One process counts them all: under valgrind an import of numba takes longer than a replay. It dumps a file for each.
    """
    out = helper.with_name(f"{designs[0]}.out")
    python = [sys.executable, under_callgrind.__file__, str(helper), *designs]
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", "-q"]
    said = dict.fromkeys(designs, "callgrind counted nothing")
    for command in (python, [*valgrind, *python]):
        done = subprocess.run(command, env={**os.environ, **GENERIC}, check=False, timeout=SECONDS, capture_output=True, text=True)
        said |= dict(line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line)
        if done.returncode:
            return dict.fromkeys(designs, (done.stderr.strip().splitlines() or ["no message"])[-1])
    counts: Counts = dict(said)
    for path in out.parent.glob(f"{out.name}.*"):
        text = path.read_text()
        design = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
        total = re.search(r"^totals: (\d+)", text, re.MULTILINE)
        if design and total and int(total[1]) > OPERATIONS:
            counts[design[1]] = int(total[1])
    return counts


def setup_cache() -> Counts:
    """Count every design, on all cores: a second process does not change the instructions of the first."""
    compile_with = compiler()
    if compile_with is None:
        return {}
    names = fixtures.present(DESIGNS)
    chosen = names[:1] if "SWAPDSE_BENCH_QUICK" in os.environ else names  # only to prove that it runs
    cores = min(machine.cores(), len(chosen))
    with tempfile.TemporaryDirectory(prefix="swapdse-bench-") as folder, concurrent.futures.ThreadPoolExecutor(cores) as pool:
        source, helper = Path(folder) / "helper.c", Path(folder) / "helper.so"
        source.write_text(HELPER)
        subprocess.run([compile_with, "-O1", "-shared", "-fPIC", "-o", str(helper), str(source)], check=True, timeout=60)
        parts = pool.map(lambda first: instructions(chosen[first::cores], helper), range(cores))
        return {design: count for part in parts for design, count in part.items()}


setup_cache.timeout = 2 * SECONDS  # type: ignore[attr-defined]


class Instructions:
    """Round trip, in and out again, of 2^14 pages of 2^16."""

    params = [DESIGNS]
    param_names = ["design"]
    timeout = 60

    def setup(self, counts: Counts, design: str) -> None:
        """Skip where nothing can be counted."""
        if not counts or design not in counts:
            raise NotImplementedError

    def track_instructions_round_trip(self, counts: Counts, design: str) -> float:
        found = counts[design]
        if isinstance(found, str):
            raise RuntimeError(found)
        return found / OPERATIONS

    track_instructions_round_trip.unit = "instructions per operation"  # type: ignore[attr-defined]
