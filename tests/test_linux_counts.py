"""Rows of a record: what the guest and the plugin say, as tables, and what is shown of them."""

from __future__ import annotations

import numpy as np
import pytest

from dse import workloads
from dse.errors import BadInput
from dse.linux import counting, experiments, functions, histograms, initramfs, streams, summaries, tools, tracing
from tests.linuxdata import COUNTS, SAID, SYMBOLS, TRACED, report, swapons

GUEST = initramfs.GUEST


def test_operation_rows_are_exact() -> None:
    rows = counting.counted_rows(COUNTS, experiments.marks(1024))["operation"]
    found = {(row["operation"], row["function"], row["group"]): row for row in rows}
    assert found["swap_out", "*", "core"] | {"first": 0} == {
        "backend": "zswap", "operation": "swap_out", "function": "*", "group": "core", "operations": 10, "dropped": 2, "calls": 40,
        "instructions": 3900, "lines": 340, "written": 95, "first": 0, "locks": 20, "allocations": 10, "frees": 0,
    }  # fmt: skip
    assert found["swap_out", "*", "all"]["instructions"] == 3905
    assert found["swap_out", "do_swap_page", "swap"]["locks"] == 20
    assert ("swap_out", "rare", "other") not in found
    assert found["zap", "*", "all"]["operations"] == 9


def test_small_changes_of_foreign_caches_are_noise() -> None:
    rows = counting.fill_rows(report(), 1 << 20)
    assert {row["structure"] for row in rows} == {"radix_tree_node", "zsmalloc"}


def test_functions_are_read_from_symbols() -> None:
    found = functions.read(SYMBOLS)
    assert [(f.name, functions.GROUPS[f.group], f.role) for f in found] == [
        ("do_swap_page", "swap", "-"), ("_raw_spin_lock", "other", "l"), ("xa_load", "xarray", "-"),
    ]  # fmt: skip
    assert functions.table(found).splitlines()[0] == "ffffffff81000020 do_swap_page 1 -"
    with pytest.raises(BadInput, match="do_swap_page"):
        functions.read([])


def test_the_groups_of_the_plugin_are_ours() -> None:
    text, common = (GUEST / "plugin.c").read_text(), (GUEST / "common.h").read_text()
    data, core = functions.GROUPS.index("data"), functions.GROUPS.index("core")
    assert f"OTHER = 0, DATA = {data}, CORE = {core}, GROUPS = {len(functions.GROUPS)}," in text
    assert f"marks = {tools.MARKS:#x};" in text
    assert f"#define MARKS {tools.MARKS:#x}" in common
    assert "MARKS = 256, ARM = 255, LONG = 128," in text
    assert "enum { ARM = 255 };" in common
    assert ".rept 256" in common


def test_marks_are_those_of_the_guest() -> None:
    marks = experiments.marks(1024)
    steps = sum(len(experiments.SINGLE) for _ in experiments.BACKENDS) + 3 * 9 + 3 * 2 + 1 + 3 * 16
    assert len(marks) == steps  # no two steps share one
    assert max(marks) < 255
    assert f"ENTRIES[] = {{{', '.join(map(str, experiments.FORKED))}}};" in (GUEST / "range.h").read_text()
    assert f"SMALLEST = {experiments.ORDERS[0]}, LARGEST = {experiments.ORDERS[-1]}," in (GUEST / "folio.h").read_text()
    exact = {mark.experiment for number, mark in marks.items() if number < 128}
    assert exact == {"operation"}


def test_operations_on_many_pages_are_exact() -> None:
    tables = counting.counted_rows(COUNTS, experiments.marks(1024), SAID)
    zaps = {(row["pages"], row["function"], row["group"]): row for row in tables["zap"]}
    assert zaps[16, "swap_put", "swap"]["locks"] == 128
    assert zaps[16, "*", "core"]["lines"] == 340
    assert {function for pages, function, _ in zaps if pages == 16} == {
        "*",
        "swap_put",
        "xas_lock",
    }  # small ones and those of no group left out
    assert {row["pages"] for row in tables["writeback"]} == {100}
    assert "writeback" not in counting.counted_rows(COUNTS, experiments.marks(1024), ["wrote 150 0"])
    shown = {(row["pages"], row["group"]): row for row in summaries.many(tables["zap"])}
    assert shown[1, "core"]["locks"] == 0
    assert shown[16, "core"]["locks"] == 131 / 8
    assert shown[16, "core"]["lines_a_page"] == (340 - 40) / 8 / 15
    assert counting.folio_rows(SAID) == [
        {"backend": "zero", "pages": 4, "folios": 4, "swpout": 3, "swpout_fallback": 0, "zswpout": 0, "swpin": 0}
    ]


def test_traces_are_exact() -> None:
    rows = tracing.trace_rows([line.replace("{lists}", "two") for line in TRACED], {"zipf": 100}, 1 << 26)
    assert [row["repeat"] for row in rows] == [1, 2]
    first = {key: value for key, value in rows[0].items() if value}
    assert first == {
        "trace": "zipf", "backend": "zero", "lists": "two", "repeat": 1, "accesses": 100, "limit": 1 << 26, "pgmajfault": 20, "pswpin": 3,
        "swpin_zero": 17, "swap_ins": 20, "pswpout": 9, "zswpout": 40, "zswpwb": 6, "swap_outs": 43, "refaults": 10, "zswap": 4096,
        "zswapped": 8192,
    }  # fmt: skip
    (shown,) = summaries.trace(rows)
    assert (shown["swap_ins"], shown["swap_ins_spread"], shown["compressed"]) == (21, "20..22", 0.5)


def test_allocations_have_an_owner() -> None:
    rows = histograms.site_rows(report())
    assert rows == [
        {"backend": "zswap", "stage": "filled", "kind": "pages", "site": "swap_table_alloc", "objects": 14, "bytes": 14 * 8192},
        {"backend": "zswap", "stage": "filled", "kind": "slab", "site": "xas_alloc", "objects": 14, "bytes": 14 * 576},
    ]
    assert [row["structure"] for row in histograms.page_rows(rows)] == ["swap_table_alloc"]


def test_arrays_of_swapon_that_kmalloc_gave() -> None:
    """Those of one function are told apart by what they asked for; the list of a vmalloc area's pages and foreign arrays are none."""
    lines = ["step fill-disk", *swapons("before", 1), *swapons("empty", 2), *swapons("touched", 2), *swapons("out", 2)]
    head = {"backend": "disk", "stage": "static", "objects": 1}
    assert histograms.large_rows(lines) == [
        head | {"kind": kind, "structure": f"__do_sys_swapon:{asked}", "bytes": size}
        for kind, asked, size in (("asked", 16392, 16392), ("asked", 6168, 6168), ("got", 16392, 32768), ("got", 6168, 8192))
    ]
    assert histograms.site_rows(lines) == [head | {"kind": "kmalloc", "site": "add_swap_extent", "bytes": 64}]
    assert f"if bytes_req >= {histograms.LEAST} && ptr != 0" in (GUEST / "init.sh").read_text()


def test_streams_are_those_of_the_model() -> None:
    spec = {"generator": "uniform", "pages": 50, "accesses": 300, "write_share": 0.5}
    stream = streams.Stream(*_stream(spec))
    wanted = np.concatenate([accesses for accesses, _, _ in workloads.make(spec, 1).blocks()])
    assert (stream.words & ~streams.FRESH).tolist() == wanted.tolist()
    fresh = stream.words[(stream.words & streams.FRESH) > 0] & streams.NUMBER
    assert sorted(fresh.tolist()) == sorted(set((wanted & streams.NUMBER).tolist()))


def _stream(spec: dict[str, object]) -> tuple[np.ndarray, int, int, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "specs", lambda: {"one": spec})
        return tuple(streams.make("one"))  # type: ignore[return-value]


def test_all_traces_can_be_made() -> None:
    names = streams.specs()
    used = {name for of in streams.settings()["backends"].values() for name in of}
    assert used == set(names)
    sort = streams.make("sort")
    ranges = (sort.words & (streams.RANGE | streams.WRITE)) == streams.RANGE
    assert len(sort.words) > sort.accesses
    assert ranges.any()


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("do_swap_page", "swap"), ("__swap_cache_del_folio", "swap"), ("swap_cgroup_record", "memcg"), ("zs_malloc.cold", "zsmalloc"),
        ("zswap_store", "zswap"), ("xas_load", "xarray"), ("list_lru_add", "lru"), ("lzo1x_decompress_safe", "data"),
        ("do_madvise", "other"),
    ],
)  # fmt: skip
def test_groups_of_functions(name: str, group: str) -> None:
    assert functions.GROUPS[functions.group_of(name)] == group
