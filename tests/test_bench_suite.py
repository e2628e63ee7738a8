"""The benchmarks themselves, and the seeded regressions that the gate must find."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest

from benchmarks import counted, fixtures, memory, xarray
from dse import naming
from dse.benching import gate, launch, seeds, selftest
from dse.benching.families import TIMED_PATTERN
from dse.benching.results import Suite, suite_of
from dse.errors import BadInput, CheckFailed
from tests.benchdata import LINES, PEAK, ROOT

# the self-test ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [s for s in seeds.SEEDS if s.edit], ids=lambda s: s.name)
def test_seeds_apply_to_these_sources(seed: seeds.Seed, tmp_path: Path) -> None:
    for part in ("kernels", "benchmarks"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    assert seed.edit is not None
    seed.edit(tmp_path)
    changed = [p for p in tmp_path.rglob("*.py") if p.read_bytes() != (ROOT / p.relative_to(tmp_path)).read_bytes()]
    assert len(changed) == 1
    ast.parse(changed[0].read_text())


def test_a_seed_that_no_longer_applies_says_so(tmp_path: Path) -> None:
    (tmp_path / "kernels" / "structures").mkdir(parents=True)
    (tmp_path / "kernels" / "structures" / "cluster.py").write_text("")
    with pytest.raises(CheckFailed, match="adapt"):
        seeds.one_touch(tmp_path)


def test_the_self_test_can_fail() -> None:
    seed = seeds.SEEDS[0]
    rows = [{"status": kind, "benchmark": f"x.{name}"} for kind, name in seed.names]
    assert selftest.verdict(seed, 1, {"rows": rows}) == ""
    assert "ended with 0" in selftest.verdict(seed, 0, {"rows": []})
    assert "does not name" in selftest.verdict(seed, 1, {"rows": []})
    empty = next(s for s in seeds.SEEDS if s.name == "empty")
    assert "nothing has changed" in selftest.verdict(empty, 0, {"rows": rows})
    assert empty.times == 10
    with pytest.raises(BadInput, match="did you mean 'touch'"):
        selftest.chosen(["tuoch"])


# the benchmarks ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """Benchmarks of the working tree, found by asv's discovery."""
    from asv_runner._aux import update_sys_path
    from asv_runner.discovery import disc_benchmarks

    update_sys_path(str(ROOT / "benchmarks"))
    found = disc_benchmarks(str(ROOT / "benchmarks"))
    return suite_of([{"name": b.name, "params": b.params, "version": b.version, "unit": getattr(b, "unit", "")} for b in found])


def test_families_are_there_and_designs_are_enumerated(suite: Suite) -> None:
    lasts = [name.rpartition(".")[2].partition("_")[0] for name in suite.versions]
    assert lasts.count("time") >= 10
    assert lasts.count("track") >= 6
    assert lasts.count("peakmem") >= 1
    for name in (LINES, "designs.RoundTrip.time_round_trip", "memory.Bytes.track_bytes_counted", PEAK):
        assert {values[0].strip("'") for case, values in suite.cases if case == name} == set(naming.registry())
    sources = "".join((ROOT / "benchmarks" / f"{n}.py").read_text() for n in ("counted", "designs", "memory", "instructions"))
    assert not [name for name in naming.registry() if f'"{name}"' in sources]


def test_a_commit_that_lacks_a_design_keeps_the_numbers_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(launch.DESIGNS, "swap_desc,of_the_next_commit,direct")
    names = fixtures.designs()
    assert names == ["swap_desc", "of_the_next_commit", "direct"]
    assert fixtures.present(names) == ["swap_desc", "direct"]
    memory.Bytes().setup("direct", "ssd", 1 << 16)
    with pytest.raises(NotImplementedError):
        memory.Bytes().setup("of_the_next_commit", "ssd", 1 << 16)
    with pytest.raises(NotImplementedError):
        fixtures.World("of_the_next_commit", 1 << 10, "off")


def test_every_metric_is_a_cost_with_a_unit(suite: Suite) -> None:
    assert all(unit not in ("", "unit") for unit in suite.units.values())
    assert not [unit for unit in suite.units.values() if re.search(r"/s\b|per second|rate|hit", unit)]


def test_the_gated_set_is_small_and_covers_the_areas(suite: Suite) -> None:
    gated = gate.matching(suite, [TIMED_PATTERN], "").cases
    assert {name.partition(".")[0] for name, _ in gated} == {"designs", "xarray", "clusters", "counts", "reclaim", "generators", "parsing"}
    assert len(gated) <= 30 + 2 * len(naming.registry())
    assert not [case for case in gated if "16777216" in case[1]]


def test_counting_repeats_and_a_failure_is_of_one_design(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixtures, "MIDDLE", fixtures.SMALL)
    first, second = counted.counted("direct"), counted.counted("direct")
    assert first == second
    assert first[fixtures.SMALL]["swap_out"]["lines"] > 1
    assert "error" in counted.counted("nosuch")
    with pytest.raises(RuntimeError, match="nosuch"):
        counted.of({"nosuch": counted.counted("nosuch")}, "nosuch")
    with pytest.raises(NotImplementedError):
        counted.of({}, "direct")


def test_bytes_and_nodes() -> None:
    assert memory.Bytes().track_bytes_counted("direct", "zswap", 1 << 16) == pytest.approx(11.125)
    nodes = xarray.Nodes()
    nodes.setup(1 << 12, 64)
    assert nodes.track_nodes(1 << 12, 64) > 1.0
    assert nodes.track_nodes_half_erased(1 << 12, 64) < 0.6


def test_compiling_in_a_timed_body_is_an_error() -> None:
    warm = fixtures.Warm()
    warm.ready()
    warm.teardown()
    fixtures.WATCH.on_start(None)
    with pytest.raises(RuntimeError, match="1 kernels were compiled"):
        warm.teardown()


def test_a_world_of_refusals_is_an_error() -> None:
    world = fixtures.World("direct", 1 << 8, "count")
    pages = fixtures.scattered(1 << 8)
    assert sorted(pages.tolist()) == list(range(1 << 8))
    with pytest.raises(RuntimeError, match="did what is to be measured"):
        world.expect(fixtures.reclaims(pages), 4)


def test_the_version_follows_the_sources(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("1")
    first = fixtures.version(str(path))
    path.write_text("2")
    assert fixtures.version(str(path)) != first
