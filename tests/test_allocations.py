"""The allocation log as rows and as a table: bytes of objects, sums, bytes that wait for a grace period.

The log itself: tests/invariants.py.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import dse
from dse import naming, storing
from dse.measuring import allocating
from dse.modelling import allocations, latency
from dse.reports import runs, tabling
from kernels import demand
from kernels.observing import allocations as allocs
from kernels.observing import probe

DESIGNS = ["direct", "swap_desc[stride=24]", "swap_table_p4", "vswap_v3", "vswap_v6"]


@pytest.fixture(scope="module")
def found(small: Path) -> dict[str, object]:
    return dse.compare(str(small), DESIGNS, counted_only=True)


def pick(found: dict[str, object], **want: object) -> list[dict[str, object]]:
    return [row for row in found["rows"] if all(row[key] == value for key, value in want.items())]


@pytest.mark.parametrize(
    ("design", "name", "nbytes"),
    [
        ("direct", "xa_node", 576),
        ("direct", "continuation page", 4096),
        ("direct", "swap_desc", None),
        ("swap_desc", "swap_desc", 32),
        ("swap_desc[stride=24]", "swap_desc", 24),
        ("vswap_rfc1", "swap descriptor", 64),
        ("vswap_rfc2", "swap descriptor", 48),
        ("swap_table_p1", "swap table", 4096),
        ("swap_table_p4", "memcg table", 1024),
        ("swap_table_p3", "memcg table", None),
        ("swap_table_p4", "extend table", 2048),
        ("vswap_v3", "virtual cluster with descriptors", 40 + 64 + 512 * 24),
        ("vswap_v6", "virtual cluster header", 48 + 64),
        ("vswap_v6", "virtual descriptors", 512 * 24),
        ("vswap_v6", "swap table", 4096),
        ("vswap_v6", "zsmalloc object", None),
    ],
)
def test_bytes_of_an_object(design: str, name: str, nbytes: int | None) -> None:
    named = naming.parse(design)
    assert allocations.nbytes_of(name, named.design, named.values) == nbytes


def test_every_operation_is_in_one_column() -> None:
    every = [*allocations.RECLAIM, *allocations.FAULT, *allocations.MOVE, *allocations.OTHER]
    assert sorted(every) == sorted([*demand.OPS, "refused"])  # each in one column


def test_classes_add_up_to_operations(found: dict[str, object]) -> None:
    for design in DESIGNS:
        slugs = [allocating.slug(name) for name in allocations.classes(naming.parse(design).design)]
        for whole, part in (("allocations", "allocated"), ("frees", "freed")):
            for row in pick(found, design=design, metric=whole, stat="total"):
                same = {key: row[key] for key in ("scenario", "design", "op", "age", "stat")}
                classes = [r for slug in slugs for r in pick(found, metric=f"{part}_{slug}", **same)]
                assert sum(r["count"] for r in classes) == row["count"]
                assert {r["unit"] for r in classes} <= {"objects"}


def test_what_waits_is_what_was_freed_a_fault(small: Path) -> None:
    found = dse.compare(str(small), "direct", budget=1.0)
    rows = pick(found, design="direct", metric="rcu_waiting_bytes_xa_node", age="aged")
    assert len(rows) == len(found["provenance"]["runs"])
    for row in rows:
        same = {"scenario": row["scenario"], "design": "direct", "age": "aged", "stat": "total"}
        freed = sum(r["count"] for r in pick(found, metric="freed_xa_node", **same) if r["op"] != "zap")
        faults = sum(r["count"] for op in ("swap_in", "cache_hit") for r in pick(found, metric="demands", op=op, **same))
        times = latency.parameter("rcu.grace").typical / latency.parameter("fault.zswap").typical
        assert row["value"] == pytest.approx(576 * freed / faults * times)
        assert row["lo"] < row["value"] < row["hi"]
        assert row["kind"] == "modelled"
    assert not pick(found, metric="rcu_waiting_bytes_zswap_entry")


def test_the_table_of_allocations(found: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    label = found["provenance"]["runs"][0]["label"]
    rows = pick(found, scenario=label)
    table = tabling.allocated(rows, DESIGNS, "aged")
    assert not {line["object"] for line in table} & set(allocations.BACKEND)
    line = next(line for line in table if line["design"] == "swap_desc[stride=24]" and line["object"] == "swap_desc")
    same = {"scenario": label, "design": line["design"], "op": "swap_out", "age": "aged", "stat": "total"}
    n, made = (pick(found, metric=metric, **same)[0]["count"] for metric in ("demands", "allocated_swap_desc"))
    assert float(line["reclaim/1,000 swap-outs"]) == pytest.approx(1000 * made / n, rel=5e-3)
    assert line["B each"] == "24"
    assert float(line["faults/1,000 swap-ins"]) == 0
    tabling.show(found)
    assert capsys.readouterr().out.count("Allocated and freed, aged (counted objects") == len(found["provenance"]["runs"])


def test_the_report_has_the_table(small: Path, tmp_path: Path) -> None:
    dse.compare(str(small), ["direct", "swap_table_p4"], counted_only=True, results=tmp_path)
    document = runs.document(storing.load_run(tmp_path, "last"))
    (table,) = (part for section in document.sections for part in section.parts if getattr(part, "title", "").startswith("Allocated"))
    assert {"xa_node", "swap table"} <= {row["object"] for row in table.rows}


def test_nothing_waits_where_nothing_faults() -> None:
    pr = probe.make("count")
    pr.tally[int(probe.ALLOC_LOG) + demand.ZAPPED * allocs.ROW + 1] = 1000
    pr.tally[int(probe.ALLOC_LOG) + demand.MOVED * allocs.ROW + 1] = 9
    side = SimpleNamespace(name="direct", named=naming.parse("direct"))
    assert allocating.waiting(side, "aged", pr, {"xa_node": 576}) == []
    pr.tally[demand.SWAP_IN * int(probe.COLUMNS)] = 3
    (row,) = allocating.waiting(side, "aged", pr, {"xa_node": 576})
    assert row["value"] == pytest.approx(3 * 576 * 10_000_000 / 6_200)
