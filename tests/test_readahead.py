"""Readahead of single pages by hand: what a READAHEAD leaves, and what becomes of a page that was read ahead."""

from __future__ import annotations

import pytest

from dse.testing import conformance
from dse.testing.reading import ctl
from kernels import control
from kernels import demand as d
from kernels.memory import CACHED
from tests.test_ghost import Live

ZSWAP, SSD, ZRAM = d.ZSWAP, d.SSD, d.ZRAM
NAMES = conformance.names()
SLOTS = {"zswap": 16, "ssd": 64, "zram": 64}
GO = d.pack(d.READAHEAD, 0)


def again(backend: int, flags: int = 0) -> tuple[int, int]:
    """RECLAIM of page 0."""
    return d.pack(d.RECLAIM, 0, backend=backend, payload=900, flags=flags)


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", [ZSWAP, SSD])
def test_a_fault_finds_what_was_read_ahead(name: str, backend: int) -> None:
    """The page is in the swap cache, its PTE is as it was; the fault maps it, with its content, and does not read."""
    live = Live(name, slots=SLOTS, tokens=True)
    assert live.out(0, backend) == ["swap_out"]
    pte = int(live.st.pte[0])
    assert live.run(GO, GO) == ["read_ahead", "in_cache"]
    assert (int(live.st.pte[0]), ctl(live.st, control.S_FOLIO_LIVE)) == (pte, 1)
    assert live.run(d.pack(d.FAULT, 0), GO) == ["cache_hit", "not_swapped"]
    assert (int(live.st.pte[0]) & 1, ctl(live.st, control.S_LOST)) == (1, 0)


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
def test_a_page_read_ahead_for_nothing_leaves_again(name: str) -> None:
    """From a disk it is clean: it is dropped, and its slot still has the data. Zswap has nothing left: it is written once more.

    zram is a device, which keeps what is read.
    """
    for backend, code in ((SSD, "clean_drop"), (ZSWAP, "clean_drop" if name == "zram" else "swap_out")):
        live = Live(name, slots=SLOTS, tokens=True)
        live.out(0, backend)
        before = live.word(control.S_SLOTS, control.S_ZE_LIVE)
        assert live.run(GO, again(backend)) == ["read_ahead", code]
        assert live.word(control.S_SLOTS, control.S_ZE_LIVE, control.S_FOLIO_LIVE) == [*before, 0]
        assert live.run(again(backend), d.pack(d.FAULT, 0)) == ["not_resident", "swap_in"]
        assert ctl(live.st, control.S_LOST) == 0


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
def test_an_unmap_takes_what_was_read_ahead(name: str) -> None:
    live = Live(name, slots=SLOTS)
    live.out(0, SSD)
    assert live.run(GO, d.pack(d.UNMAP, 0, count=1), GO) == ["read_ahead", "zap", "not_swapped"]
    assert live.word(control.S_FOLIO_LIVE, control.S_SLOTS) == [0, 0]


@pytest.mark.interpreted
def test_nothing_is_read_ahead_around_the_swap_cache() -> None:
    """A single user of a synchronous device is read around the swap cache up to 6.18; from 7.0 on every read goes through it."""
    for name, code, cached in (("direct", "refused", False), ("swap_table_p4", "read_ahead", True)):
        live = Live(name, slots=SLOTS)
        live.out(0, ZRAM)
        assert live.run(GO) == [code]
        assert ctl(live.st, control.S_FOLIO_LIVE) == cached
        assert bool(live.st.folio.reshape(-1, 8)[:, 0].max() & CACHED) == cached
        assert live.run(d.pack(d.FAULT, 0)) == ["cache_hit" if cached else "swap_in"]
