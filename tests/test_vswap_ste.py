"""vswap_ste by hand: which pages get a virtual slot, what is behind it and what that costs, moves, swapoff, and where room ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
from dse import naming
from dse.modelling.filling import pairs, run
from dse.testing import conformance, invariants, streams
from kernels import control
from kernels import demand as d
from kernels.designs.vswap_ste import own
from kernels.designs.xswap import own as array_own
from kernels.observing import probe
from kernels.structures import page_counter
from tests.test_ghost import Live

MIB, SLOTS = 1 << 20, 1 << 23  # 32 GiB of slots
PLACES = {"zswap": 64, "ssd": 64, "hdd": 64}
PAGES = 64


def live(text: str = "vswap_ste", **more: Any) -> Live:
    return Live(text, **{"slots": PLACES} | more)


def sound(one: Live) -> None:
    assert invariants.check(one.design.name, one.st, one.probe) == []


def device_of(one: Live, page: int) -> int:
    """Device that the entry in the PTE of `page` names."""
    return (int(one.st.pte[page]) >> 59) - 1


def charged(one: Live) -> int:
    """Pages charged to swap."""
    return int(one.st.memcgs[one.word(control.C_MEMCGS)[0] + int(page_counter.WORDS)])


# -- which pages get a virtual slot -----------------------------------------------------------------


@pytest.mark.interpreted
@pytest.mark.parametrize(("route", "devices", "slots"), [("zswap", [0, 0, 1, 2], [2, 2]), ("all", [0, 0, 0, 0], [4, 2])])
def test_only_what_is_sent_to_zswap_gets_a_virtual_slot(route: str, devices: list[int], slots: list[int]) -> None:
    one = live(f"vswap_ste[route={route}]")
    assert one.out(0) + one.out(1, flags=d.ZERO) + one.out(2, d.SSD) + one.out(3, d.HDD) == ["swap_out"] * 4
    assert [device_of(one, page) for page in range(4)] == devices
    assert one.word(own.S_VSLOTS, own.S_PSLOTS) == slots
    assert charged(one) == 2
    sound(one)
    assert one.run(*(d.pack(d.FAULT, page) for page in range(4))) == ["swap_in"] * 4
    assert one.word(control.S_LOST) == [0]
    sound(one)


@pytest.mark.interpreted
def test_a_page_falls_back_to_a_direct_entry_with_zswap_in_front() -> None:
    """One virtual cluster of 16 slots: the seventeenth page takes a slot of the disk behind zswap, and lies in its tree."""
    world = streams.World("small", spaces=1, space_shift=5, slots=PLACES, weights=streams.USUAL, cluster_shift=4)
    one = conformance.Run.of("vswap_ste", world, C_VCLUSTERS=2)
    out = [d.pack(d.RECLAIM, page, backend=d.ZSWAP, payload=99) for page in range(17)]
    one.both(streams.block(*(d.pack(d.FAULT, page) for page in range(17)), *out))
    assert one.replies(d.SWAP_OUT) == 17
    assert ((one.st.pte[:17] >> np.uint64(59)).astype(int) - 1).tolist() == [d.ZSWAP] * 16 + [d.SSD]
    assert [int(one.st.ctl[int(word)]) for word in (own.S_FELL_BACK, own.S_PDIRECT, control.S_ZE_LIVE)] == [1, 1, 17]
    one.finish()


@pytest.mark.parametrize("op", ["swap_out", "swap_in", "zap", "fork", "clean_drop", "cache_hit", "writeback_end"])
def test_a_direct_entry_costs_what_it_costs_without_a_layer(op: str) -> None:
    names = ("vswap_ste", "swap_table_p4")
    mine, below = (dse.explain(op, name, slots=2048, backend="ssd")["designs"][0]["totals"] for name in names)
    assert mine == below


# -- what a page costs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "backend", "bytes_per_page", "headers"),
    [
        ("vswap_ste", "zswap", 18, 80),
        ("vswap_ste", "ssd", 10, 48),
        ("vswap_ste[route=all]", "ssd", 26, 128),
        ("vswap_ste[route=all,memcg_table=eager]", "ssd", 28, 128),
        ("vswap_ste[index=array]", "zswap", 18, 80),
    ],
)
def test_bytes_of_a_page_by_what_is_behind_it(text: str, backend: str, bytes_per_page: int, headers: int) -> None:
    """18.16 B for zswap and 8 more on a disk, 2 more unless the disk's memcg table is put off (20260612193738.2183968-1-nphamcs)."""
    found = dse.ledger(text, SLOTS, 1.0, backend)
    rows = {row["structure"]: row for row in found["rows"]}
    assert found["total_bytes"] == bytes_per_page * SLOTS
    named = sum(rows[name]["header_bytes"] for name in ("virtual cluster", "cluster headers"))
    assert named / (SLOTS // 512) == pytest.approx(headers, rel=0.005)


def test_full_of_zswap_it_takes_less_than_phase_iv() -> None:
    """145.25 MiB counted, header and all, and hardly more allocated; phase IV has trees of zswap, of ten bytes an entry."""
    mine, below = (dse.ledger(name, SLOTS, 1.0, "zswap") for name in ("vswap_ste", "swap_table_p4"))
    headers = next(row["header_bytes"] for row in mine["rows"] if row["structure"] == "virtual cluster")
    assert (mine["total_bytes"] + headers) / MIB == 145.25
    assert mine["allocated_bytes"] / MIB == pytest.approx(145.4, abs=0.05)
    assert below["allocated_bytes"] / MIB == pytest.approx(155.6, abs=0.05)
    for fill in (0.0, 0.25, 0.5, 0.75, 1.0):
        zswap = [dse.ledger(name, SLOTS, fill, "zswap")["allocated_bytes"] for name in ("vswap_ste", "swap_table_p4")]
        disk = [dse.ledger(name, SLOTS, fill, "ssd")["allocated_bytes"] for name in ("vswap_ste[route=all]", "swap_table_p4")]
        assert zswap[0] < zswap[1]
        assert disk[0] > disk[1] or fill == 0.0


def test_counted_it_crosses_phase_iv_at_sixty_percent() -> None:
    """Headers of 80 B a cluster in use against 48 B a cluster: 0.75 MiB + 144 u = 145.25 u."""
    ends = []
    for name, structure in (("vswap_ste", "virtual cluster"), ("swap_table_p4", "cluster headers")):
        books = [dse.ledger(name, SLOTS, fill, "zswap") for fill in (0.0, 1.0)]
        rows = [next(row for row in book["rows"] if row["structure"] == structure) for book in books]
        ends.append([book["total_bytes"] + row["header_bytes"] for book, row in zip(books, rows, strict=True)])
    (low, high), (below, above) = ends
    assert (below - low) / ((high - low) - (above - below)) == pytest.approx(0.6)


@pytest.mark.parametrize("memcg_table", ["deferred", "eager"])
def test_the_memcg_table_of_a_disk_comes_with_the_first_direct_entry(memcg_table: str) -> None:
    one = live(f"vswap_ste[memcg_table={memcg_table}]")
    assert one.out(0) == ["swap_out"]
    assert one.run(d.pack(d.MOVE, 0, backend=d.ZSWAP, payload=d.SSD)) == ["move"]
    assert one.word(own.S_PTABLES, own.S_PMEMCG) == [1, int(memcg_table == "eager")]
    assert one.out(1, d.SSD) == ["swap_out"]
    assert one.word(own.S_PTABLES, own.S_PMEMCG, own.S_PDIRECT) == [1, 1, 1]
    sound(one)
    assert one.run(d.pack(d.UNMAP, 0, count=2)) == ["zap"]
    assert one.word(own.S_PTABLES, own.S_PMEMCG, own.S_PDIRECT) == [0, 0, 0]
    sound(one)


# -- moves and swapoff ------------------------------------------------------------------------------


@pytest.mark.interpreted
def test_a_move_changes_no_page_table_and_no_count() -> None:
    one = live()
    assert one.out(0) == ["swap_out"]
    assert one.run(d.pack(d.FORK, 0, count=1, payload=1)) == ["fork"]
    before, word = one.st.pte.copy(), one.st.table.copy()
    assert one.run(d.pack(d.MOVE, 0, backend=d.ZSWAP, payload=d.SSD), d.pack(d.MOVE, 0, backend=d.SSD, payload=d.HDD)) == ["move"] * 2
    assert np.array_equal(one.st.pte, before)
    virtual = np.flatnonzero(word)
    assert np.array_equal(one.st.table[virtual], word[virtual])
    assert [one.used(device) for device in range(3)] == [1, 0, 1]
    assert [*one.word(control.S_ZE_LIVE), charged(one)] == [0, 1]
    sound(one)
    assert one.run(d.pack(d.FAULT, 0), d.pack(d.FAULT, 32)) == ["swap_in", "cache_hit"]
    assert one.word(control.S_LOST) == [0]


@pytest.mark.interpreted
@pytest.mark.parametrize(("direct", "scanned"), [(0, 0), (1, PAGES)])
def test_a_swapoff_reads_page_tables_only_for_direct_entries(direct: int, scanned: int) -> None:
    one = live()
    for page in range(4):
        one.out(page)
    one.run(*(d.pack(d.MOVE, page, backend=d.ZSWAP, payload=d.SSD) for page in range(4)))
    for page in range(4, 4 + direct):
        one.out(page, d.SSD)
    assert one.run(d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.MEMORY)) == ["swapoff"]
    assert int(one.probe.tally[d.SWAPPED_OFF * probe.COLUMNS + int(probe.PTES)]) == scanned
    assert [device_of(one, page) for page in range(4)] == [d.ZSWAP] * 4  # their entries stay, with nothing behind them but folios
    assert one.word(own.S_VSLOTS, own.S_PSLOTS) == [4, 0]
    assert one.run(*(d.pack(d.FAULT, page) for page in range(4))) == ["cache_hit"] * 4
    assert one.word(control.S_LOST, own.S_VSLOTS) == [0, 0]
    assert one.run(d.pack(d.SWAPOFF, 0, backend=d.ZSWAP, payload=d.MEMORY)) == ["device_off"]
    sound(one)


@pytest.mark.interpreted
def test_a_full_disk_finds_what_the_cache_alone_holds_by_its_hint() -> None:
    """Sixteen pages on a disk of sixteen slots are read and kept: the seventeenth finds a slot whose page no PTE holds."""
    one = live("vswap_ste[route=all]", slots={"zswap": 64, "ssd": 16, "hdd": 200})
    for page in range(17):
        one.run(d.pack(d.FAULT, page))
    assert one.run(*(d.pack(d.RECLAIM, page, backend=d.SSD, payload=900) for page in range(16))) == ["swap_out"] * 16
    assert one.run(*(d.pack(d.FAULT, page) for page in range(16))) == ["swap_in"] * 16
    assert one.word(own.S_VSLOTS, own.S_PSLOTS) == [16, 16]
    assert one.run(d.pack(d.RECLAIM, 16, backend=d.SSD, payload=900)) == ["swap_out"]
    assert one.word(own.S_VSLOTS, own.S_PSLOTS) == [1, 1]
    sound(one)


# -- clusters ---------------------------------------------------------------------------------------


@pytest.mark.interpreted
def test_clusters_come_with_their_first_slot_and_go_with_their_last() -> None:
    one = live(cpus=2)
    for page in range(33):
        one.out(page)
    assert one.word(array_own.S_USED_CLUSTERS, control.S_TABLES, control.S_MEMCG_TABLES) == [3, 3, 3]
    assert one.run(d.pack(d.UNMAP, 16, count=17)) == ["zap"]
    assert one.word(array_own.S_USED_CLUSTERS, own.S_VCLUSTERS_PEAK) == [1, 3]
    sound(one)
    assert one.out(40) == ["swap_out"]  # the CPU's cluster is gone: another one is made
    assert int(one.st.pte[40]) >> 1 & 0xFFFF == 2 << 4
    sound(one)


def test_the_array_grows_and_shrinks_as_that_of_xswap() -> None:
    """Pages of 51 headers of 80 B."""
    one = live("vswap_ste[index=array]", cluster_shift=1, pages=256, space_shift=8, memcg=np.ones(1, np.uint16), slots={"zswap": 256})
    assert one.word(array_own.S_MAPPED, array_own.S_ARRAY_PAGES) == [51, 1]
    for page in range(200):
        one.out(page)
    assert one.word(array_own.S_MAPPED, array_own.S_ARRAY_PAGES, array_own.S_GROWN) == [102, 2, 1]
    sound(one)
    assert one.run(d.pack(d.UNMAP, 2, count=198)) == ["zap"]
    assert one.word(array_own.S_MAPPED, array_own.S_SHRUNK) == [102, 0]  # the chunk in use, and a spare one
    assert one.word(array_own.S_USED_CLUSTERS) == [1]
    sound(one)


@pytest.mark.parametrize(("backend", "walks"), [("zswap", 12), ("ssd", 10)])
def test_walks_of_a_swap_in(backend: str, walks: int) -> None:
    """Each question walks the xarray: nine that both ask, and what frees the entry of zswap and its slot, or leads to that of the disk.

    Cache, backend's flag, two checks of the entry, zero flag, zswap, count, backend's flag, slot of a disk. An array has no tree to walk.
    """
    one = dse.explain("swap_in", "vswap_ste[route=all]", slots=2048, backend=backend)["designs"][0]
    heads = [event for event in one["events"] if event["what"] == "virtual cluster map" and event["event"] == "chase"]
    assert len(heads) == walks
    plain = dse.explain("swap_in", "vswap_ste[route=all,index=array]", slots=2048, backend=backend)["designs"][0]
    assert not [event for event in plain["events"] if event["what"].startswith("virtual cluster map")]
    assert plain["totals"]["chain"] < one["totals"]["chain"]


def test_a_dense_fill_has_the_nodes_of_the_kernel() -> None:
    named = naming.parse("vswap_ste")
    one = Live("vswap_ste", pages=1 << 17, slots={"zswap": 1 << 17}, space_shift=17, memcg=np.ones(1, np.uint16), cluster_shift=3)
    replies = np.zeros(2 << 17, np.uint8)
    named.design.replay(one.st, one.probe, pairs(0, 1 << 17, d.ZSWAP), replies)
    assert set(replies.tolist()) == {d.FIRST_TOUCH, d.SWAP_OUT}
    assert int(one.st.vpool[2]) == 263  # numbers 1 .. 16,384
    gone = run(d.UNMAP, np.arange(0, 1 << 17, dtype=np.uint64), count=1)
    named.design.replay(one.st, one.probe, gone, np.zeros(len(gone), np.uint8))
    assert one.word(own.S_VSLOTS, array_own.S_USED_CLUSTERS) == [0, 0]
    assert int(one.st.vpool[2]) == 0


@pytest.mark.interpreted
def test_a_zap_frees_what_is_behind_a_run_of_virtual_slots() -> None:
    """Slots in a row of one disk go together, charges of one memory cgroup together; a zero page and a zswap entry stand between."""
    one = live("vswap_ste[route=all]", memcg=np.array([1, 2], np.uint16))
    for page, backend, flags in ((29, d.SSD, 0), (30, d.SSD, 0), (31, d.HDD, 0), (32, d.HDD, 0), (33, d.SSD, d.ZERO), (34, d.ZSWAP, 0)):
        assert one.out(page, backend, flags) == ["swap_out"]
    assert one.word(own.S_VSLOTS, own.S_PSLOTS, control.S_ZE_LIVE, control.S_ZERO_LIVE) == [6, 4, 1, 1]
    assert one.run(d.pack(d.UNMAP, 29, count=6)) == ["zap"]
    assert one.word(own.S_VSLOTS, own.S_PSLOTS, control.S_ZE_LIVE, control.S_ZERO_LIVE) == [0, 0, 0, 0]
    sound(one)


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("name", "given", "slot"),
    [
        ("vswap_ste", {"C_VCLUSTERS": 2, "C_INDEX": 0}, 0),
        ("vswap_ste", {"C_VCLUSTERS": 1, "C_INDEX": 1, "C_CHUNK": 1}, 0),
        ("xswap", {"C_CHUNK": 1}, 3),
    ],
)
def test_a_cpu_that_gets_no_virtual_slot_forgets_its_place(name: str, given: dict[str, int], slot: int) -> None:
    """One cluster of four slots: CPU 0 takes slot 0 and would go on at 1, CPU 1 takes the rest, and CPU 0 gets none for page 4.

    Slots 0 and 3 are freed. ``vswap_alloc`` has forgotten the place, so page 5 gets the first slot; on xswap, as on a disk, CPU 0 goes on.
    """
    world = streams.World("one", spaces=1, slots={"zswap": 4, "ssd": 16, "hdd": 16}, weights=streams.USUAL, cluster_shift=2)
    one = conformance.Run.of(name, world, **given)
    out = [d.pack(d.RECLAIM, page, backend=d.ZSWAP, payload=99, cpu=cpu) for page, cpu in enumerate((0, 1, 1, 1, 0, 0))]
    one.both(streams.block(*(d.pack(d.FAULT, page) for page in range(6)), *out[:5]))
    slots = one.st.pte[:4] >> np.uint64(1) & np.uint64(3)
    assert slots.tolist() == [0, 1, 2, 3]
    assert int(one.st.pte[4]) >> 59 != 1 + d.ZSWAP
    one.both(streams.block(d.pack(d.UNMAP, 0, count=1), d.pack(d.UNMAP, 3, count=1), out[5]))
    assert (int(one.st.pte[5]) >> 59, int(one.st.pte[5]) >> 1 & 3) == (1 + d.ZSWAP, slot)
    one.finish()


# -- random demands where room ends -----------------------------------------------------------------


@pytest.mark.parametrize(("index", "clusters"), [(0, 2), (0, 4), (1, 1), (1, 4)])
@pytest.mark.parametrize("route", [0, 1])
def test_few_virtual_clusters(index: int, route: int, clusters: int) -> None:
    world = streams.World("few", weights=streams.USUAL)
    made = conformance.compare("vswap_ste", world, 1, 2000, C_VCLUSTERS=clusters, C_INDEX=index, C_ROUTE=route, C_CHUNK=1)
    assert int(made.st.ctl[int(own.S_FELL_BACK)]) > 0 or clusters == 4


@pytest.mark.parametrize("chunk", [1, 3])
def test_chunks_of_the_array(chunk: int) -> None:
    world = streams.World("chunks", weights=streams.USUAL, cluster_shift=1)
    made = conformance.compare("vswap_ste", world, 2, 3000, C_INDEX=1, C_CHUNK=chunk, C_ROUTE=0)
    assert int(made.st.ctl[int(array_own.S_GROWN)]) > 0
    assert int(made.st.ctl[int(array_own.S_SHRUNK)]) > 0
