"""The ledger: published figures, the contract for scripts, bad input; closed form against live arrays: dse/testing/ledgers.py."""

from __future__ import annotations

import dataclasses
import json

import pytest

import dse
from dse import cli, naming
from dse.errors import BadInput
from dse.modelling import ledger as lg
from dse.modelling.bookkeeping import parse_mix
from dse.modelling.sizes import dense_span
from dse.testing.ledgers import agree, filled
from kernels.designs.vswap.design import CLUSTERS
from kernels.life import registry as state
from kernels.life.arrays import dense_nodes
from kernels.life.layout import Tree

SLOTS = 8_388_608  # 32 GiB
MIB = 1 << 20
FILLS = (0.0, 0.25, 0.5, 0.75, 1.0)


def mib(design: str, fill: float, backend: str, key: str = "total_bytes") -> float:
    return float(dse.ledger(design, SLOTS, fill, backend)[key]) / MIB


def test_direct_equals_the_published_table() -> None:
    # 20260208215839.87595-1-nphamcs@gmail.com: "old", MiB for 32 GiB of swap, without cluster headers
    assert [mib("direct", fill, "zswap") for fill in FILLS] == [25, 57, 89, 121, 153]
    assert [mib("direct", fill, "ssd") for fill in FILLS] == [25, 41, 57, 73, 89]
    assert mib("direct", 1.0, "zswap", "header_bytes") == 0.375  # 24 B a cluster up to 6.17


@pytest.mark.parametrize(
    ("design", "idle", "full"),
    [
        ("swap_table_p2", 25.5, 89.5),
        ("swap_table_p3", 17.625, 81.625),
        ("swap_table_p4_pitched", 0.5, 64.5),
        ("swap_table_p4", 0.75, 80.75),
    ],
)
def test_swap_tables_equal_the_published_figures(design: str, idle: float, full: float) -> None:
    # CAMgjq7AQNGK-a=AOgvn4-V+zGO21QMbMTVbrYSW_R2oDSLoC+A@mail.gmail.com, headers included
    # merged: 40 B a header in phase III (printed: 17.5 and 81.5 with 32 B), in phase IV 48 B, and 2 B a slot more
    assert [mib(design, fill, "ssd") + mib(design, fill, "ssd", "header_bytes") for fill in (0.0, 1.0)] == [idle, full]


@pytest.mark.parametrize(
    ("design", "nbytes"),
    [("direct", 24), ("swap_table_p1", 32), ("swap_table_p2", 32), ("swap_table_p3", 40), ("swap_table_p4", 48)],
)
def test_a_cluster_header_is_that_of_the_kernel(design: str, nbytes: int) -> None:
    # sizeof struct swap_cluster_info by the BTF of Debian's images of 6.12.117, 6.18.15, 7.0.13, 7.1.13, 7.2.12 (and 7.3.4: 48)
    assert dse.ledger(design, 1 << 18, 0.5, "ssd")["header_bytes"] == nbytes * (1 << 18) // 512


def test_phase_one_is_direct_in_counted_bytes_only() -> None:
    for fill in FILLS:
        for backend in ("zswap", "ssd"):
            assert mib("swap_table_p1", fill, backend) == mib("direct", fill, backend)
    assert mib("swap_table_p1", 1.0, "zswap", "allocated_bytes") == pytest.approx(163.9 + 0.5, abs=0.1)
    assert mib("direct", 1.0, "zswap", "allocated_bytes") > 172


def test_blocks_are_one_object_each() -> None:
    # D10: header 40 B, bitmap 64 B and 512 descriptors of 24 B are 12,392 B, which is 16 KiB; split off, 112 B and exactly three pages
    def design(*rows: state.Field) -> state.Design:
        return dataclasses.replace(naming.registry()["direct"], layout=rows)

    header = state.Field("virtual cluster", "header", 40, "block", "", blocks=CLUSTERS)
    bitmap = state.Field("virtual cluster", "bitmap", 0.125, "page", "", blocks=CLUSTERS)
    inside = state.Field("virtual cluster", "swp_desc", 24, "page", "", blocks=CLUSTERS)
    apart = dataclasses.replace(inside, structure="virtual descriptors")
    tree = state.Field("virtual cluster tree", "xarray entry", 8, "block", "", Tree("one", "vhead", "vpool"), blocks=CLUSTERS)
    whole = lg.closed(design(header, bitmap, inside), {}, 8192, 0.5, {"zswap": 1.0}, 1575)
    split = lg.closed(design(dataclasses.replace(header, nbytes=48), bitmap, apart, tree), {}, 8192, 0.5, {"zswap": 1.0}, 1575)
    clusters = 9  # 4,096 pages behind a slot that is never given out
    assert whole.total_bytes == split.total_bytes == 4096 * 24.125
    assert whole.header_bytes == 40 * clusters
    assert whole.row("virtual cluster").allocated_bytes == 16384 * clusters
    assert split.row("virtual cluster").allocated_bytes == 4096  # 36 objects of 112 B in a page
    assert split.row("virtual descriptors").allocated_bytes == 3 * 4096 * clusters
    assert split.header_bytes == (48 + 8) * clusters
    assert split.row("virtual cluster tree").objects == 1


def test_direct_as_allocated() -> None:
    assert 172 <= mib("direct", 1.0, "zswap", "allocated_bytes") <= 175
    assert mib("direct", 0.0, "zswap", "allocated_bytes") == 25.375
    rows = {row["structure"]: row for row in dse.ledger("direct", SLOTS, 1.0, "zswap")["rows"]}
    assert rows["swap cache"]["objects"] == 512 * 261
    assert rows["zswap tree"]["objects"] == 16 * 261 + 496 * 262
    bigger = {row["structure"]: row for row in dse.ledger("direct", 1 << 26, 1.0, "zswap")["rows"]}
    assert bigger["zswap tree"]["objects"] == 16 * 261 + 1008 * 262 + 3072 * 263


@pytest.mark.parametrize("backend", ["zswap", "ssd"])
@pytest.mark.parametrize("fill", FILLS)
def test_swap_id_stacked_adds_an_entry_an_id(fill: float, backend: str) -> None:
    live = round(fill * SLOTS)
    direct, ids = (dse.ledger(d, SLOTS, fill, backend) for d in ("direct", "swap_id"))
    assert ids["total_bytes"] - direct["total_bytes"] == 8 * live
    assert ids["static_bytes"] == direct["static_bytes"]
    if live:
        assert (ids["allocated_bytes"] - direct["allocated_bytes"]) / live == pytest.approx(9.288, abs=0.01)
        nodes = next(row["objects"] for row in ids["rows"] if row["structure"] == "ID tree")
        assert nodes * 576 / live == pytest.approx(9.143, abs=0.01)


def test_swap_desc_a_live_page() -> None:
    found = dse.ledger("swap_desc", SLOTS, 1.0, "zswap")
    assert found["dynamic_bytes"] == 40 * SLOTS
    dynamic = found["allocated_bytes"] - dse.ledger("swap_desc", SLOTS, 0.0, "zswap")["allocated_bytes"]
    assert dynamic / SLOTS == pytest.approx(41.3, abs=0.05)


@pytest.mark.parametrize("backend", ["zswap", "ssd", "zswap=0.7,ssd=0.2,zero=0.1"])
def test_configured_out_equals_direct(backend: str) -> None:
    direct, off = (dse.ledger(d, 100_000, 0.6, backend) for d in ("direct", "swap_id_off"))
    assert {**off, "design": ""} == {**direct, "design": ""}


@pytest.mark.parametrize(
    "design",
    ["swap_id", "swap_id[policy=reuse]", "swap_id[policy=reuse,zswap=native]", "swap_id[zswap=native]",
     "swap_id[base=swap_table_p4]", "swap_id[base=swap_table_p4,zswap=native]", "swap_desc[stride=24]",
     "swap_desc[base=swap_table_p4]", "ghost", "xswap", "xswap[chunk=1]", "zram", "zram[backing=half]", "eager_rewrite",
     "vswap_ste", "vswap_ste[route=all,index=array]", "vswap_ste[memcg_table=eager]", "redirect", "vswap_all",
     "vswap_all[reverse=word]", "vswap_all[index=array]",
      "vswap_rfc1", "vswap_rfc2[shards=4]", "vswap_rfc2[descriptor=64,zeromap=on]"],
)  # fmt: skip
def test_live_arrays_agree_with_the_closed_form_on_two_disks(design: str) -> None:
    agree(naming.parse(design), {"zswap": 0.25, "ssd": 0.25, "hdd": 0.25, "zero": 0.25}, 40_000, 17_001)


@pytest.mark.parametrize(
    ("name", "structure"), [("direct", "swap_map"), ("direct", "cgroup"), ("swap_table_p3", "swap table"), ("swap_table_p4", "memcg table")]
)
def test_a_layout_that_is_not_as_built_is_noticed(name: str, structure: str) -> None:
    named = naming.parse(name)
    st = filled(named, 3_000, 700, {"ssd": 1.0})
    rows = tuple(dataclasses.replace(row, nbytes=row.nbytes + 1) if row.structure == structure else row for row in named.design.layout)
    design = dataclasses.replace(named.design, layout=rows)
    assert lg.live(design, named.values, st) == lg.closed(named.design, named.values, 3_000, 700 / 3_000, {"ssd": 1.0}, 1575)
    assert lg.live(design, named.values, st) != lg.closed(design, named.values, 3_000, 700 / 3_000, {"ssd": 1.0}, 1575)


def test_the_comparison_can_fail() -> None:
    named = naming.parse("direct")
    st = filled(named, 3_000, 700, {"ssd": 1.0})
    assert lg.live(named.design, named.values, st) != lg.closed(named.design, named.values, 3_000, 701 / 3_000, {"ssd": 1.0}, 1575)


@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 4096, 4097, 16384, 262_145, 8_388_608])
def test_dense_nodes(n: int) -> None:
    assert dense_span(0, n) == dense_nodes(n)


def test_the_contract_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger", "--design", "direct", "--slots", "8388608", "--fill", "0.5", "--backend", "zswap", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"rows", "static_bytes", "dynamic_bytes", "header_bytes", "total_bytes", "allocated_bytes"} <= found.keys()
    assert all({"structure", "static_bytes", "dynamic_bytes", "allocated_bytes"} <= row.keys() for row in found["rows"])
    assert found["static_bytes"] + found["dynamic_bytes"] == found["total_bytes"] == 89 * MIB
    inside = [row for row in found["rows"] if row["structure"] not in ("zswap_entry", "zsmalloc objects", "zs_handle", "zspage")]
    for key in ("static_bytes", "dynamic_bytes", "allocated_bytes"):
        assert sum(row[key] for row in inside) == found[key]
    entry = next(row for row in found["rows"] if row["structure"] == "zswap_entry")
    assert entry["dynamic_bytes"] == 56 * SLOTS // 2


def test_mixes() -> None:
    assert parse_mix("mix(zswap=0.7,ssd=0.2,zero=0.1)") == {"zswap": 0.7, "ssd": 0.2, "zero": 0.1}
    assert dse.ledger("direct", 1000, 1.0, {"ssd": 0.5, "zswap": 0.5})["dynamic_bytes"] == 8 * 1000 + 8 * 500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--design", "dirct"], "did you mean 'direct'"),
        (["--design", "direct[mov=scan]"], "did you mean 'move'"),
        (["--design", "direct[move=rewrit]"], "did you mean 'rewrite'"),
        (["--design", "direct[move]"], "param=value"),
        (["--design", "direct[move=refuse,move=rewrite]"], "twice"),
        (["--design", "direct[[x]"], "NAME[param=value"),
        (["--slots", "-5"], "negative"),
        (["--slots", "0"], "at least 1"),
        (["--slots", "2^29"], "above 2^28"),
        (["--fill", "1.5"], "not from 0 to 1"),
        (["--backend", "zswp"], "did you mean 'zswap'"),
        (["--backend", "zswap=0.7,ssd=0.2"], "sum to 0.9"),
        (["--backend", "zswap=x"], "not a number"),
        (["--backend", "zswap=0.5,zswap=0.5"], "twice"),
        (["--compressed", "5000"], "1 to 4096"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize("call", [{"fill": 2.0}, {"slots": -1}, {"slots": 1.5}, {"backend": {"ssd": 0.4}}, {"design": "x"}])
def test_bad_calls(call: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        dse.ledger(**call)


def test_designs_are_written_one_way() -> None:
    assert naming.parse("direct[move=reswap]").text == "direct"
    assert naming.parse(" direct [ rewrite=owner , move=rewrite ] ").text == "direct[move=rewrite,rewrite=owner]"
    with pytest.raises(BadInput, match="named twice"):
        naming.parse_many("direct,direct[move=reswap]")
    with pytest.raises(BadInput, match="no design"):
        naming.parse_many("")
