"""The scripts that measure the bars of sweeps: what they compute, on small cases worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import dse
from benchmarks import sweeping
from dse.errors import BadInput
from dse.sweeps.analysing import Trial
from dse.sweeps.space import Configuration


def trial(number: int, *values: float | None, ok: bool = True) -> Trial:
    configuration = Configuration("direct", {}, {}, "{}")
    return Trial(number, configuration, f"k{number}", "ok" if ok else "failed", dict(zip("ab", values, strict=True)))


MADE = [trial(0, 0.0, 10.0), trial(1, 5.0, 0.0), trial(2, 1.0, 2.0), trial(3, 8.0, 20.0), trial(4, 0.0, 0.0, ok=False)]
"""On the front: 0, 1, 2. Range of a: 0 to 8, of b: 0 to 20. Nadir of the front: a 5, b 10, scaled 0.625, 0.5."""


def test_the_whole_front_has_the_whole_volume() -> None:
    scaled = sweeping.Scaled(MADE, "ab")
    assert scaled.reference.tolist() == [5 / 8, 10 / 20]
    assert scaled.all == pytest.approx((5 - 1) / 8 * (10 - 2) / 20)
    assert scaled(MADE) == pytest.approx(1.0)


@pytest.mark.parametrize(("numbers", "share"), [((0, 1), 0.0), ((2,), 1.0), ((3,), 0.0), ((4,), 0.0), ((), 0.0)])
def test_shares_of_the_volume(numbers: tuple[int, ...], share: float) -> None:
    assert sweeping.Scaled(MADE, "ab")([MADE[i] for i in numbers]) == pytest.approx(share)


def test_a_front_without_volume_scores_nothing() -> None:
    with pytest.raises(BadInput, match="has 2 points, none better than its nadir in every objective"):
        sweeping.Scaled(MADE[:2], "ab")


@pytest.mark.parametrize(("value", "met"), [(0.97, True), (0.9699, False)])
def test_bars_from_below(value: float, met: bool) -> None:
    assert sweeping.row("median hypervolume, best sampler", "counted", value)["met"] is met


@pytest.mark.parametrize(("value", "met"), [(1.0, True), (1.01, False)])
def test_bars_from_above(value: float, met: bool) -> None:
    assert sweeping.row("overhead a trial beyond ask + tell [ms]", "measured", value)["met"] is met


def test_every_bar_is_measured() -> None:
    text = Path(sweeping.__file__).read_text().partition("Row = dict")[2]
    assert all(f'row("{name}"' in text for name in sweeping.BARS)


def test_rows_that_are_asked_are_stored_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweeping.store_rows(tmp_path, 40_000)
    found = dse.query(sweeping.PRESET_SQL, results=tmp_path)
    assert found.shape == (64, 4)
    assert dse.query("SELECT COUNT(*) AS n FROM ops", results=tmp_path)["n"].to_list() == [40_000]
    assert not capsys.readouterr().err  # nothing was skipped


def test_unknown_part(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["sweeping", "--only", "qality"])
    assert sweeping.main() == 2
    assert "did you mean 'quality'" in capsys.readouterr().err
