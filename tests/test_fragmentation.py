"""Fragmentation of runs: the selftest's demands are those of its author's run, and what is split stands as it was published."""

from __future__ import annotations

import itertools
import json

import pytest

from dse import cli, published
from dse.yardsticks import folios, fragmentation
from dse.yardsticks.folios import Mix
from dse.yardsticks.fragmentation import EMPTY, POLICIES, ROUNDS
from kernels.life import lone

FIGURES = {row["id"]: row for row in published.rows("figures")}
POSTED = POLICIES["as posted"]
PRINTED = {
    "aligned": [(32, 192), (0, 231), (0, 227)],
    "mixed": [(233, 0), (131, 101), (71, 155), (55, 168), (35, 191), (25, 199), (23, 205), (9, 219), (13, 213), (12, 216), (16, 213),
              (10, 210), (16, 212), (12, 212), (15, 211), (15, 200), (9, 220)],
    "mixed, small": [(233, 0), (97, 135), (42, 192), (19, 214), (12, 213), (11, 217), (9, 214), (8, 213), (2, 223), (2, 228), (4, 214),
                     (5, 226), (3, 212), (0, 222), (3, 222), (4, 223)],
}  # fmt: skip
"""Folios out whole and split, by round, in 20240730-swap-allocator-v5-0-cb9c148b9297@kernel.org."""


def ours(name: str, policy: tuple[str, bool]) -> list[tuple[int, int]]:
    stream = folios.selftest(aligned="aligned" in name, small="small" in name, rounds=ROUNDS[name])
    return fragmentation.sent(stream, fragmentation.replies(stream, policy, fragmentation.SLOTS), 4)


@pytest.mark.parametrize("name", PRINTED)
def test_as_many_folios_leave_memory_in_each_round_as_were_printed(name: str) -> None:
    """Demands follow from rand() of glibc alone, so that they are those of the published run, to the last folio."""
    assert [whole + split for whole, split in ours(name, POSTED)] == [whole + split for whole, split in PRINTED[name]]


def test_empty_clusters_only_is_the_published_run() -> None:
    """One free cluster is left, for 32 folios; after that every folio is split."""
    found = ours("aligned", EMPTY)
    assert found == PRINTED["aligned"]
    assert [round(share, 2) for share in fragmentation.shares(found)] == [float(FIGURES[f"F{n:04}"]["value"]) for n in (793, 794, 795)]


@pytest.mark.parametrize(("name", "first"), [("mixed", 800), ("mixed, small", 817)])
@pytest.mark.parametrize("policy", fragmentation.JUDGED)
def test_every_round_is_within_six_points_of_the_published_one(name: str, first: int, policy: str) -> None:
    found = fragmentation.series(name, POLICIES[policy])
    printed = [float(FIGURES[f"F{first + n:04}"]["value"]) for n in range(len(found))]
    assert max(abs(a - b) for a, b in zip(found, printed, strict=True)) < 6.0


def test_another_seed_is_another_run_with_the_same_shape() -> None:
    stream = folios.selftest(aligned=False, small=False, rounds=8, seed=2)
    found = fragmentation.sent(stream, fragmentation.replies(stream, POSTED, fragmentation.SLOTS), 4)
    assert [whole + split for whole, split in found] != [whole + split for whole, split in PRINTED["mixed"][:8]]
    shares = fragmentation.shares(found)
    assert shares[:5] == sorted(shares[:5])
    assert min(shares[5:]) > 85


def test_a_build_names_pages_that_it_has_and_runs_that_are_aligned() -> None:
    mix = Mix(jobs=6, folios=900, phase=300)
    stream = folios.build(mix, 1)
    assert (stream.rows == folios.build(mix, 1).rows).all()
    words = stream.rows[:, 0]
    page, order = (words >> 32).astype(int), (words >> 8 & 0xFF).astype(int)
    out = (words & 0xFF).astype(int) == lone.OUT
    assert (page % (1 << order) == 0).all()
    assert (page + (1 << order)).max() <= stream.pages == mix.jobs * mix.job_pages
    assert set(order[out].tolist()) >= {0, 2, 3, 4, 5}
    counts = [int((order[out] == n).sum()) for n in folios.ORDERS]
    assert sum(counts[:4]) > 5 * sum(counts[4:])


def test_every_size_falls_back_more_without_lists_for_its_order() -> None:
    found = fragmentation.build(Mix(jobs=35, folios=9000), seeds=1, slots=1 << 15)
    for where in fragmentation.JUDGED:
        assert all(bare >= share for bare, share in zip(found["empty-only"], found[where], strict=True))
        assert found[where][0] < found[where][-1]


def test_the_yardstick_holds_and_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "Y30", "--format", "json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["rows"]
    assert row["verdict"] == "holds"
    figures = {(f["quantity"], f["where"]): f["ours"] for f in row["figures"]}
    for where in fragmentation.JUDGED:
        sizes = [figures[f"build, order {order}", where] for order in folios.NAMES]
        assert all(a < b for a, b in itertools.pairwise(sizes[3:]))
        assert max(sizes[:4]) < sizes[4] + 1.0
    assert figures["order-affine with aligned use, today", "since 6.18"] > 5.4


def test_a_policy_without_fragmented_clusters_falls_short(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The yardstick can fail: empty clusters only, under the name of the posted series."""
    monkeypatch.setitem(POLICIES, "as posted", EMPTY)
    assert cli.main(["validate", "Y30"]) == 1
    assert "falls short" in capsys.readouterr().out
