"""The conformance suite of the package on every registered design (:mod:`dse.testing.test_designs`), and checks of single designs."""

from __future__ import annotations

import numpy as np
import pytest

from dse.testing import checking, conformance, invariants, streams, twins
from dse.testing.test_designs import *  # noqa: F403 - the tests themselves, and what gives them their cases
from dse.testing.test_designs import pytest_generate_tests  # noqa: F401
from kernels import demand as d
from kernels.life import registry as state

NAMES = conformance.names()
DEMANDS = checking.Effort().demands


@pytest.mark.parametrize("name", NAMES)
def test_a_twin_is_there(name: str) -> None:
    if twins.twin_class(name) is None:
        pytest.skip(f"nobody has written a twin of {name}: invariants, integrity and leaks are tested all the same")


@pytest.mark.interpreted
@pytest.mark.parametrize("name", [n for n in NAMES if {"policy", "special"} & {*state.REGISTRY[n].parameters} == {"policy"}])
@pytest.mark.parametrize("policy", range(3))
def test_ids_run_out(name: str, policy: int) -> None:
    """With a small ID space: FULL although slots are free; the ranges of CPUs are used up and replaced.

    The policy that reuses the slot's own index is left out: it has one, whatever the limit. A design with entries for some devices
    falls back to them (tests/test_swap_id_special.py).
    """
    world = streams.World("few IDs", weights=streams.USUAL)
    run = conformance.compare(name, world, 1, DEMANDS, C_ID_LIMIT=9, C_ID_POLICY=policy, C_ID_RANGE=2)
    assert run.replies(d.FULL)


def test_invariants_are_not_empty() -> None:
    """A broken state is not found sound: one slot's count is raised by hand."""
    run = conformance.Run.of("direct", streams.TINY)
    run.replay(streams.block(d.pack(d.FAULT, 1), d.pack(d.RECLAIM, 1, backend=d.SSD, payload=10)))
    assert invariants.check("direct", run.st) == []
    run.st.smap[np.flatnonzero(run.st.smap)[0]] += 1
    assert "counts of slots" in " ".join(invariants.check("direct", run.st))
