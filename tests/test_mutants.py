"""Every mutant of tests/mutants.py must be caught, and nothing else: a check that cannot fail proves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dse.testing import conformance
from dse.testing.mutants import Unmade, caught, edited
from tests import mutants

ROOT = Path(__file__).resolve().parent.parent


def test_every_mutant_is_caught() -> None:
    """All in one interpreted process: nothing is compiled."""
    assert len(mutants.MUTANTS) >= 10
    done = subprocess.run([sys.executable, "-m", "tests.mutants"], cwd=ROOT, env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mutant_that_changes_nothing_is_not_caught() -> None:
    """The text that it changes moved to another function, and the error about that was taken for a finding."""
    one = next(m for m in mutants.MUTANTS if m.module != "steps")
    with pytest.raises(Unmade, match="0 times"):
        caught(replace(one, make=edited("no such text", "")))


def test_what_catches_them_passes_the_right_designs() -> None:
    for m in mutants.MUTANTS:
        run = conformance.Run.of(m.design, m.world, **m.parameters)
        for part in conformance.chunks(m.stream(), 50):
            run.both(part)
        run.finish()
