"""The scripts that measure the bars of sweeps: their results on small cases worked by hand."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import optuna
import pytest

import dse
from benchmarks import sweeping
from dse.errors import BadInput
from dse.sweeps import objectives, replaying, samplers, searching, space, workers

MADE = np.array([[0.0, 10.0], [5.0, 0.0], [1.0, 2.0], [8.0, 20.0]])
"""On the front: 0, 1, 2. Range of the first: 0 to 8, of the second: 0 to 20. Nadir of the front: 5 and 10, scaled 0.625 and 0.5."""


def test_the_whole_front_has_the_whole_volume() -> None:
    scored = replaying.Quality(MADE)
    assert scored.reference.tolist() == [5 / 8, 10 / 20]
    assert scored.whole == pytest.approx((5 - 1) / 8 * (10 - 2) / 20)
    assert scored.front == 3
    assert scored(MADE) == pytest.approx(1.0)


@pytest.mark.parametrize(("numbers", "share"), [((0, 1), 0.0), ((2,), 1.0), ((3,), 0.0), ((), 0.0)])
def test_shares_of_the_volume(numbers: tuple[int, ...], share: float) -> None:
    assert replaying.Quality(MADE)(MADE[list(numbers)]) == pytest.approx(share)


def test_a_front_without_volume_scores_nothing() -> None:
    assert np.isnan(replaying.Quality(MADE[:2])(MADE))
    assert sweeping.row("median hypervolume, default sampler", "counted", float("nan"))["verdict"] == "missed"


@pytest.fixture(scope="module")
def recorded() -> replaying.Recorded:
    return sweeping.stored()


def test_search_quality_on_the_stored_table(recorded: replaying.Recorded) -> None:
    """Bar of docs/sweeps.md with fewer seeds: a twentieth of the evaluations finds 0.97 of the hypervolume and half of random's gap."""
    assert recorded.space.size >= 5000
    assert len(recorded.space.objectives) == 3
    budget = int(recorded.space.size * sweeping.SHARE)

    def median(name: str, seeds: int) -> float:
        return statistics.median(recorded.quality(recorded.search(name, budget, seed)) for seed in range(1, seeds + 1))

    chance = median("random", 5)
    assert 0.5 < chance < 0.9  # the bar tells a search from chance
    for name, seeds in (("nsga2", 3), (samplers.auto(recorded.space, budget), 1)):
        found = median(name, seeds)
        assert found >= 0.97, name
        assert found - chance >= 0.5 * (1.0 - chance), name


def test_the_gain_over_random_holds_in_each_environment(recorded: replaying.Recorded) -> None:
    apart = recorded.given(sweeping.GIVEN)
    assert (apart.space.places, apart.space.size) == (3, recorded.space.size)
    rows = sweeping.gained(recorded, int(recorded.space.size * sweeping.SHARE), 2)
    assert [row["figure"] for row in rows[:-1]] == [f"gain over random, {policy}" for policy in ("lru", "active-inactive", "clock")]
    assert rows[-1]["value"] == min(row["value"] for row in rows[:-1])
    assert rows[-1]["verdict"] == "holds", rows


def test_the_stored_table_is_of_the_space(recorded: replaying.Recorded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert samplers.auto(recorded.space, 10) == sweeping.DEFAULT
    first = next(recorded.space.every())
    with workers.Evaluator(tmp_path) as evaluator:
        measures = evaluator([first])[0]
    exact = {name: objectives.value(name, measures) for name in recorded.space.objectives}
    assert recorded.look_up(first)["values"] == pytest.approx(exact, rel=0.2)  # of some version of the kernels: near, not equal
    monkeypatch.setattr(sweeping, "SPACE", "default")
    with pytest.raises(BadInput, match=r"wide.parquet is of other axes than space default has now: make it anew"):
        sweeping.stored()
    with pytest.raises(BadInput, match="has 1,590 configurations, 5 objectives, got"):
        replaying.Recorded.of(space.load("default"), MADE)


def test_repeating_a_search_asks_the_same(recorded: replaying.Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "TRIALS", 60)
    for name in ("random", "nsga2", "tpe"):
        search = searching.Search(recorded.space, name, 1, 60, recorded.evaluate, quiet=True, figure=replaying.figure)
        search.run()
        assert search.proposer is not None
        asked = search.proposer.searches[0].study.get_trials()
        storage = optuna.storages.InMemoryStorage()
        assert sweeping.repeated(recorded.space, name, asked, storage) == 60
        again = storage.get_all_trials(0)
        assert [t.params for t in again] == [t.params for t in asked]
        assert [t.values for t in again] == [t.values for t in asked]


@pytest.mark.parametrize(("name", "module", "trials"), [("sobol", "scipy", 64), ("halton", "scipy", 64), ("gp", "torch", 17)])
def test_samplers_of_extras(recorded: replaying.Recorded, name: str, module: str, trials: int) -> None:
    pytest.importorskip(module, reason=f"{module} is not installed: pip install 'swapdse[qmc,gp]'")
    found, again = (recorded.search(name, trials, seed=3) for _ in range(2))
    assert [t.key for t in found] == [t.key for t in again]
    assert len({t.key for t in found}) == trials
    if name in samplers.QMC:  # spread evenly: every half of an axis has its half of the points, but for those asked again
        first = [t.configuration.environment.get("memory.batch", t.configuration.choice.get("memory.batch")) for t in found]
        assert all(trials / 3 - 8 <= first.count(value) <= trials / 3 + 8 for value in (8, 32, 128))


def test_one_write_a_generation(recorded: replaying.Recorded) -> None:
    written = sweeping.writes(recorded.space, recorded)
    assert (written["value"], written["verdict"]) == (1, "holds")


@pytest.mark.parametrize(("value", "verdict"), [(0.97, "holds"), (0.9699, "missed")])
def test_bars_from_below(value: float, verdict: str) -> None:
    assert sweeping.row("median hypervolume, default sampler", "counted", value)["verdict"] == verdict


@pytest.mark.parametrize(("value", "verdict"), [(1.0, "holds"), (1.01, "missed")])
def test_bars_from_above(value: float, verdict: str) -> None:
    assert sweeping.row("overhead a trial beyond ask + tell [ms]", "measured", value)["verdict"] == verdict


def test_every_bar_is_measured() -> None:
    text = Path(sweeping.__file__).read_text(encoding="utf-8").partition("\nRow = dict")[2]
    assert all(f'row("{name}"' in text for name in sweeping.BARS)


def test_rows_that_are_asked_are_stored_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweeping.store_rows(tmp_path, 40_000)
    found = dse.query(sweeping.PRESET_SQL, results=tmp_path)
    assert found.shape == (64, 4)
    assert dse.query("SELECT COUNT(*) AS n FROM ops", results=tmp_path)["n"].to_list() == [40_000]
    assert not capsys.readouterr().err  # nothing was skipped


@pytest.mark.parametrize(("arguments", "said"), [(["qality"], "did you mean 'quality'"), (["query", "--store"], "--store wants all parts")])
def test_bad_arguments(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweeping.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_section_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "sweeps.md"
    page.write_text(f"before\n{sweeping.BEGIN}\noutdated\n{sweeping.END}\nafter\n")
    monkeypatch.setattr(sweeping, "PAGE", page)
    rows = [sweeping.row("replay look-ups/s", "measured", 123456.7, "batches"), sweeping.row("other", "counted", 0.98765)]
    sweeping.store(sweeping.section(rows, 12.0))
    text = page.read_text()
    assert text.startswith("before\n" + sweeping.BEGIN)
    assert text.endswith(sweeping.END + "\nafter\n")
    assert "outdated" not in text
    assert "| replay look-ups/s | measured | 123,457 | >= 100000 | holds | batches |" in text
    assert sweeping.BEGIN in (sweeping.ROOT / "docs" / "sweeps.md").read_text()
