"""The share of swap-ins that saw swap full: counted, shown, and no finding where designs lie on different sides of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dse
import kernels.designs  # noqa: F401 - registers
from dse import scenario
from dse.measuring import fullness
from dse.measuring.run import rows_of
from dse.reports import tabling
from kernels import demand, memory
from kernels.life import registry as state
from kernels.observing import probe

SLOTS = 64
PAIR = ["direct", "swap_id"]
NATIVE = "swap_id[zswap=native]"  # its zswap pages tie up no slot of a disk


@pytest.mark.interpreted
@pytest.mark.parametrize("name", ["direct", "swap_table_p4", "swap_id", "swap_desc", "vswap_v6"])
@pytest.mark.parametrize("used", [32, 34])
def test_swap_ins_are_counted_where_more_than_half_of_the_slots_are_used(name: str, used: int) -> None:
    """The slot of the page that comes in is still used while its cache copy is decided about."""
    design, pr, pages = state.REGISTRY[name], probe.make("count"), range(used)
    st = design.build(state.Config(pages=SLOTS, slots={"ssd": SLOTS}, cluster_shift=4, forks=False))
    rows = [demand.pack(demand.FAULT, page, flags=demand.WRITE) for page in pages]
    rows += [demand.pack(demand.RECLAIM, page, backend=demand.SSD, payload=4096, flags=demand.DIRTY) for page in pages]
    rows += [demand.pack(demand.FAULT, 0)]
    design.replay(st, pr, np.array(rows, np.uint64), np.zeros(len(rows), np.uint8))
    row = rows_of(pr)[demand.SWAP_IN]
    assert (row[0], row[probe.METRICS.index("saw_full")]) == (1, used > SLOTS // 2)


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("name", "backend", "charged"),
    [("direct", demand.ZSWAP, True), ("ghost", demand.ZSWAP, True), ("swap_table_p4", demand.SSD, True), ("swap_id", demand.ZSWAP, True),
     ("swap_desc", demand.ZSWAP, True), ("vswap_v6", demand.ZSWAP, False), ("vswap_v6", demand.SSD, True)],
)  # fmt: skip
@pytest.mark.parametrize("used", [3, 4])
def test_swap_ins_are_counted_where_half_of_the_limit_of_their_cgroup_is_used(name: str, backend: int, charged: bool, used: int) -> None:
    """``mem_cgroup_swap_full``: 2 * usage >= max, here 8 pages; a cache copy goes then. Far from half of the slots are used."""
    design, pr = state.REGISTRY[name], probe.make("count")
    st = design.build(state.Config(pages=SLOTS, slots={"ssd": SLOTS, "zswap": SLOTS}, cluster_shift=4, forks=False, swap_max=8))
    rows = [demand.pack(demand.FAULT, page, flags=demand.WRITE) for page in range(used)]
    rows += [demand.pack(demand.RECLAIM, page, backend=backend, payload=900, flags=demand.DIRTY) for page in range(used)]
    rows += [demand.pack(demand.FAULT, 0)]
    design.replay(st, pr, np.array(rows, np.uint64), np.zeros(len(rows), np.uint8))
    row = rows_of(pr)[demand.SWAP_IN]
    seen = charged and used == 4
    assert [row[probe.METRICS.index(what)] for what in ("n", "saw_full", "saw_memcg_full")] == [1, 0, seen]
    folio = int(st.pte[0]) >> 1
    kept = not seen and (name, backend) != ("vswap_v6", demand.ZSWAP)  # a page that no slot backs leaves the cache when it is mapped
    assert bool(st.folio[folio * 8] & np.uint64(memory.CACHED)) == kept


def test_designs_on_different_sides_are_told_apart() -> None:
    assert fullness.apart(0.9, 0.01) == fullness.apart(0.01, 0.9) != ""
    for pair in ((0.9, 0.06), (0.5, 0.01), (0.01, 0.02), (None, 0.9)):
        assert fullness.apart(*pair) == ""


@pytest.fixture(scope="module")
def scarce(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many slots as pages: swap is full where zswap pages tie up a slot each, and only there."""
    path = tmp_path_factory.mktemp("scenario") / "scarce.toml"
    text = small.read_text(encoding="utf-8").replace("slots = 2.0", "slots = 1.0").replace("zswap_share = 0.2", "zswap_share = 0.4")
    path.write_text(text.replace("rate = 0.3", "rate = 0.0"))
    return path


def test_no_finding_where_swap_was_full_for_one_alone(scarce: Path, quick: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    found = dse.compare(str(scarce), ["direct", NATIVE], **quick)
    share = {row["design"]: row["value"] for row in found["rows"] if row["metric"] == fullness.METRIC and row["age"] == "aged"}
    assert share["direct"] > fullness.MOST
    assert share[NATIVE] < fullness.HARDLY
    ratios = [row for row in found["rows"] if row["metric"] == "ratio" and row["age"] == "aged" and row["op"] != "first_touch"]
    assert ratios
    assert all(str(row["status"]).startswith("inconclusive: swap was full for") for row in ratios)
    taxes = [row for row in found["rows"] if row["metric"] == "tax_ns" and row["age"] == "aged"]
    assert taxes
    assert all(tabling._tax_ns(row) == "inconclusive" for row in taxes)
    tabling.show(found)
    out = capsys.readouterr().out
    assert "saw swap full" in out
    assert "Most swap-ins of direct saw swap full" in out


def test_a_swap_limit_that_only_slots_for_zswap_pages_reach(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Slot designs charge pages in zswap, virtual swap does not: half of the limit is used in one, hardly anything in the other."""
    text = small.read_text(encoding="utf-8").replace("rate = 0.3", "rate = 0.0").replace("zswap_share = 0.2", "zswap_share = 1.0")
    path = tmp_path / "limited.toml"
    path.write_text(text.replace("limit = 0.4", "limit = 0.4\nswap_max = 1.0"))
    found = dse.compare(str(path), ["direct", "vswap_v6"], counted_only=True)
    metrics = (fullness.METRIC, fullness.MEMCG_METRIC)
    share = {(row["design"], row["metric"]): row["value"] for row in found["rows"] if row["metric"] in metrics and row["age"] == "aged"}
    assert share["direct", fullness.METRIC] == share["vswap_v6", fullness.METRIC] == 0.0
    assert share["direct", fullness.MEMCG_METRIC] > fullness.MOST
    assert share["vswap_v6", fullness.MEMCG_METRIC] < fullness.HARDLY
    tabling.show(found)
    out = capsys.readouterr().out
    assert "saw memcg full" in out
    assert "Most swap-ins of direct saw swap full" in out


def test_swap_is_full_for_every_design_of_the_second_headline(capsys: pytest.CaptureFixture[str]) -> None:
    case = scenario.load("swap-full").but(workload__pages_at_least=1, workload__copies=2, workload__accesses=60_000)
    found = dse.compare(case, ["direct", "vswap_v6"], counted_only=True)
    share = {row["design"]: row["value"] for row in found["rows"] if row["metric"] == fullness.METRIC and row["age"] == "aged"}
    assert min(share.values()) > fullness.MOST
    assert not any(row["op"] == "full" for row in found["rows"])
    tabling.show(found)
    out = capsys.readouterr().out
    assert "Most swap-ins of every design saw swap full" in out
    assert "saw memcg full" not in out


def test_findings_are_made_where_no_design_is_full(small: Path, quick: dict[str, float]) -> None:
    found = dse.compare(str(small), PAIR, **quick)
    assert not any("swap was full" in str(row["status"]) for row in found["rows"])
    assert {row["kind"] for row in found["rows"] if row["metric"] == fullness.METRIC} == {"counted"}
