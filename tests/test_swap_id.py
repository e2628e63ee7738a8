"""swap_id and zero pages by hand: walks of a swap-in, locks of a move, what a zero page reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
from dse import naming
from kernels import demand as d
from kernels.life import registry as state
from kernels.observing import probe


def explained(op: str, design: str, backend: str = "ssd", **more: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = dse.explain(op, design, slots=2048, backend=backend, **more)["designs"][0]["events"]
    return events


@pytest.mark.parametrize("life", ["count", "count+cache"])
@pytest.mark.parametrize(("op", "walks"), [("swap_in", 2), ("cache_hit", 2), ("fork", 1), ("zap", 1)])
def test_walks_of_the_id_tree(op: str, walks: int, life: str) -> None:
    """To the entry, and once more with folio and PTE locked. The erase of an ID walks under the tree's lock, which is not counted here."""
    heads = [e for e in explained(op, f"swap_id[id_life={life}]") if (e["event"], e["what"]) == ("chase", "ID tree")]
    assert sum(str(e["function"]).startswith("xa_load") for e in heads) == walks


def test_a_second_walk_comes_before_the_read_where_the_folio_carries_the_id() -> None:
    for life, before in (("count", 1), ("count+cache", 2)):
        events = explained("swap_in", f"swap_id[id_life={life}]", "zswap")
        read = next(i for i, e in enumerate(events) if e["what"] == "zsmalloc object")
        assert sum((e["event"], e["what"]) == ("chase", "ID tree") for e in events[:read]) == before


def test_a_move_takes_both_cluster_locks_once() -> None:
    """Count, owner and mapping change in one section: the lock of the second cluster, and that of the ID tree inside, once each."""
    events = explained("move", "swap_id", target="hdd")
    taken = [e["what"] for e in events if e["event"] == "lock"]
    assert taken.count("second cluster") == taken.count("ID xa_lock") == 1
    held: list[str] = []
    for event in events:
        if event["event"] == "lock":
            held.append(str(event["what"]))
            if event["what"] == "ID xa_lock":
                assert held == ["cluster", "second cluster", "ID xa_lock"]
        elif event["event"] == "unlock":
            held.remove(str(event["what"]))


def zero_page(design: str, backend: int) -> tuple[Any, Any]:
    """State and probe after a zero page has gone out to `backend`, whose slot zswap had a page of before."""
    made = naming.parse(design)
    slots = {"ssd": 64, "zram": 64, "zswap": 64}
    st = made.design.build(state.Config(pages=64, slots=slots, parameters=made.control, zdisk="zram"))
    before = [d.pack(d.FAULT, 1), d.pack(d.RECLAIM, 1, backend=backend, payload=900)]
    made.design.replay(st, probe.make("count"), np.array(before, np.uint64), np.zeros(2, np.uint8))
    pr = probe.make("trace")
    out = [d.pack(d.FAULT, 2), d.pack(d.RECLAIM, 2, backend=backend, payload=900, flags=d.ZERO)]
    made.design.replay(st, pr, np.array(out, np.uint64), np.zeros(2, np.uint8))
    return st, pr


@pytest.mark.parametrize("design", ["direct", "swap_table_p4", "swap_id"])
@pytest.mark.parametrize("backend", [d.ZSWAP, d.ZRAM])
def test_a_zero_page_reaches_neither_zswap_nor_the_device(design: str, backend: int) -> None:
    _, pr = zero_page(design, backend)
    log = pr.log[1 : int(pr.log[0]) + 1 : 2]
    regions = {int(word >> np.uint64(8) & np.uint64(0xFFFFFF)) for word in log if int(word) & 0xFF in (0, 1, 2)}
    for region in (probe.R_ZTREE, probe.R_ZNODE, probe.R_ZE, probe.R_ZOBJ, probe.R_ZRAM):
        assert int(region) not in regions
