"""Prefetches of the driver: along coming demands and along a zap, where nothing is observed; they change nothing but time."""

from __future__ import annotations

import numpy as np
import pytest

import kernels.designs  # noqa: F401 - registers
from dse import naming
from kernels import demand
from kernels.life import prefetch
from kernels.life import registry as state
from kernels.observing import probe

PAGES = 256


def blocks() -> list[np.ndarray]:
    """Pages out in scattered order, some in again, then zaps of runs shorter and longer than the distance, over empty PTEs too."""
    rng = np.random.default_rng(4)
    order = rng.permutation(PAGES * 3 // 4).tolist()
    rows = [demand.pack(demand.FAULT, page, flags=demand.WRITE) for page in order]
    rows += [demand.pack(demand.RECLAIM, page, backend=demand.SSD, payload=4096, flags=demand.DIRTY) for page in order[::-1]]
    rows += [demand.pack(demand.FAULT, page) for page in order[::3]]
    zaps = [(0, 1), (1, 7), (8, 8), (16, 16), (32, 17), (49, 40), (40, 60), (100, 156)]
    rows += [demand.pack(demand.UNMAP, page, count=count) for page, count in zaps]
    return [np.array(rows, np.uint64)]


@pytest.mark.interpreted
@pytest.mark.parametrize("name", naming.registry())
def test_a_prefetched_zap_leaves_what_an_observed_one_leaves(name: str) -> None:
    design, states, replies = state.REGISTRY[name], [], []
    for kind in ("off", "count"):
        st = design.build(state.Config(pages=PAGES, slots={"ssd": PAGES, "zswap": PAGES}, cluster_shift=4, forks=False))
        for block in blocks():
            reply = np.zeros(len(block), np.uint8)
            design.replay(st, probe.make(kind), block, reply)
            replies.append(reply)
        states.append(st.arrays())
    assert np.array_equal(*replies)
    assert replies[0][-8:].tolist() == [demand.ZAPPED] * 6 + [demand.ZAPPED, demand.ZAPPED]
    assert not states[0]["pte"].any()
    for array in states[0]:
        assert np.array_equal(states[0][array], states[1][array]), array


def test_only_a_replay_that_observes_nothing_prefetches() -> None:
    for operation, fetching in ((prefetch.look_ahead, prefetch.fetch), (prefetch.look_along, prefetch.fetch_along)):
        assert {cls for cls, impl in operation.table.items() if impl is fetching} == {probe.Off}
        assert {probe.Count, probe.Timed, probe.Trace} <= operation.table.keys()


@pytest.mark.interpreted
def test_every_pte_of_a_run_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place that was looked at goes on with the walk, also where a batch of contiguous values skips PTEs."""
    from kernels.compiling.jit import INTERPRETED

    if not INTERPRETED:
        pytest.skip("the compiled kernel does not say what it prefetches")
    near: list[int] = []
    entries: list[int] = []
    monkeypatch.setattr(prefetch, "fetch_near", lambda st, pr, value: near.append(int(value)))
    monkeypatch.setattr(prefetch, "fetch_entry", lambda st, pr, value: entries.append(int(value)))
    st = state.REGISTRY["direct"].build(state.Config(pages=64, slots={"ssd": 64}, forks=False))
    st.pte[:40] = (np.arange(40, dtype=np.uint64) + 100) << np.uint64(1)
    seen = np.uint64(0)
    for i in (0, 1, 2, 20, 21, 39):
        seen = prefetch.fetch_along(probe.make("off"), st, np.uint64(0), np.uint64(i), seen, np.uint64(40))
    assert near == [100 + i for i in [*range(18), *range(20, 37), 39]]
    assert entries == [100 + i for i in [*range(10), *range(20, 29)]]
    assert seen == 40
