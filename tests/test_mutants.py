"""Every mutant of tests/mutants.py must be caught, and nothing else: a check that cannot fail proves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dse.testing import conformance
from tests import mutants

ROOT = Path(__file__).resolve().parent.parent


def test_every_mutant_is_caught() -> None:
    """All in one interpreted process: nothing is compiled."""
    assert len(mutants.MUTANTS) >= 10
    done = subprocess.run([sys.executable, "-m", "tests.mutants"], cwd=ROOT, env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_catches_them_passes_the_right_designs() -> None:
    for m in mutants.MUTANTS:
        run = conformance.Run.of(m.design, m.world, **m.parameters)
        for part in conformance.chunks(m.stream(), 50):
            run.both(part)
        run.finish()
