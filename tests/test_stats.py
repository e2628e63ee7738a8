"""Ratios and their intervals, verdicts, quantiles, the parameter table, the machine."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.common import machine
from dse.errors import BadInput
from dse.measuring import stats
from dse.measuring.provenance import origin
from dse.measuring.stats import Interval, histogram_quantiles, paired_ratio, verdict
from dse.modelling.latency import PARAMETERS, backend_read, frame, parameter, share

AA = Interval(1.0, 0.99, 1.01, 32)


@pytest.mark.parametrize("pairs", [16, 64])
def test_the_interval_covers_the_true_ratio(pairs: int) -> None:
    rng = np.random.default_rng(7)
    trials, true, held = 400, 1.3, 0
    for trial in range(trials):
        drift = np.exp(rng.normal(0.0, 0.5, pairs))  # noise that both sides of a pair share cancels
        over = 100 * true * drift * np.exp(rng.standard_t(4, pairs) * 0.03)
        under = 100 * drift * np.exp(rng.standard_t(4, pairs) * 0.03)
        held += paired_ratio(over, under, seed=trial, resamples=400).holds(true)
    assert 0.91 <= held / trials <= 0.985


def test_more_pairs_narrow_the_interval() -> None:
    rng = np.random.default_rng(3)
    over, under = np.exp(rng.normal(0.1, 0.05, 256)), np.exp(rng.normal(0.0, 0.05, 256))
    assert paired_ratio(over, under).width < paired_ratio(over[:16], under[:16]).width
    assert paired_ratio(over, under) == paired_ratio(over, under)
    assert paired_ratio(over, under).ratio == pytest.approx(1 / paired_ratio(under, over).ratio)


@pytest.mark.parametrize("serial", [False, True])
def test_correlated_pairs_widen_the_interval(serial: bool) -> None:
    """First-order series with a correlation of 0.6: taken as independent, the interval holds the truth too seldom."""
    rng = np.random.default_rng(11)
    pairs, trials, held = 33, 300, 0
    for trial in range(trials):
        noise = rng.normal(0.0, 0.05, pairs + 20)
        for i in range(1, noise.size):
            noise[i] += 0.6 * noise[i - 1]
        held += paired_ratio(100 * np.exp(noise[20:]), np.full(pairs, 100.0), seed=trial, resamples=300, serial=serial).holds(1.0)
    assert 0.90 < held / trials < 0.98 if serial else held / trials < 0.80


def test_independent_pairs_are_hardly_widened() -> None:
    rng = np.random.default_rng(4)
    factors = [stats.widening(rng.normal(size=33)) for _ in range(200)]
    assert min(factors) == 1.0
    assert np.mean(factors) < 1.2


def test_differences_and_their_interval() -> None:
    rng = np.random.default_rng(2)
    under = rng.uniform(100, 200, 60)
    found = stats.paired_difference(under + 7 + rng.normal(0, 1, 60), under, serial=True)
    assert found.lo < 7 < found.hi
    assert found.hi - found.lo < 2
    assert found.n == 60


def test_noise_counts_to_either_side() -> None:
    lopsided = Interval(1.03, 1.01, 1.06, 32)  # it says that 6 % happen by chance, whichever way
    assert verdict(Interval(0.96, 0.95, 0.97, 16), lopsided, threshold=0.01).finding == "inconclusive"
    assert verdict(Interval(0.92, 0.91, 0.93, 16), lopsided).finding == "faster"


def test_halves_that_disagree_conclude_nothing() -> None:
    slower = Interval(1.2, 1.1, 1.3, 16)
    assert verdict(slower, AA, halves=(1.1, 1.4)).finding == "slower"
    found = verdict(slower, AA, halves=(1.3, 0.9))
    assert found.finding == "inconclusive"
    assert "first half" in found.reason


def test_the_blocks_of_the_bootstrap_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).uniform(1, 2, 50)
    whole = paired_ratio(values, values[::-1])
    monkeypatch.setattr(stats, "BLOCK", 1000)
    assert paired_ratio(values, values[::-1]) == whole


@pytest.mark.parametrize(
    ("over", "under", "says"),
    [
        ([1.0, 2.0], [1.0], "equally long"),
        ([1.0], [1.0], "too few"),
        ([1.0, 0.0], [1.0, 1.0], "positive"),
        ([1.0, math.nan], [1.0, 1.0], "positive"),
        ([[1.0]], [[1.0]], "equally long"),
    ],
)
def test_refused_pairs(over: list[float], under: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        paired_ratio(over, under)


@given(st.lists(st.floats(0.1, 1e6), min_size=2, max_size=40), st.floats(0.01, 100))
def test_scaling_one_side_scales_the_ratio(times: list[float], factor: float) -> None:
    found = paired_ratio(np.array(times) * factor, times, resamples=50)
    assert found.lo == pytest.approx(factor)
    assert found.ratio == pytest.approx(factor)


@pytest.mark.parametrize(
    ("ratio", "aa", "finding"),
    [
        (Interval(1.5, 1.4, 1.6, 16), AA, "slower"),
        (Interval(0.7, 0.65, 0.75, 16), AA, "faster"),
        (Interval(1.0, 0.98, 1.02, 16), AA, "same"),
        (Interval(1.1, 0.9, 1.3, 16), AA, "inconclusive"),
        (Interval(1.5, 1.4, 1.6, 16), Interval(1.0, 0.8, 1.2, 16), "inconclusive"),  # noise 1.25, its square 1.5625
        (Interval(1.7, 1.6, 1.8, 16), Interval(1.0, 0.8, 1.2, 16), "slower"),
        (Interval(0.6, 0.55, 0.63, 16), Interval(1.0, 0.8, 1.2, 16), "faster"),
        (Interval(1.0, 0.99, 1.01, 16), Interval(1.0, 0.8, 1.2, 16), "inconclusive"),
        (Interval(1.08, 1.02, 1.12, 16), Interval(1.0, 0.95, 1.06, 16), "inconclusive"),
    ],
)
def test_verdicts(ratio: Interval, aa: Interval, finding: str) -> None:
    said = verdict(ratio, aa)
    assert said.finding == finding
    assert said.reason


def test_no_ratio_near_the_step_of_the_clock() -> None:
    ratio = Interval(2.0, 1.9, 2.1, 16)
    assert verdict(ratio, AA, candidate_ns=20, baseline_ns=10).finding == "inconclusive"
    assert verdict(ratio, AA, candidate_ns=40, baseline_ns=20).finding == "slower"


def test_noise_of_a_session() -> None:
    noise = stats.aa_noise([Interval(1.01, 0.98, 1.03, 8), Interval(0.97, 0.95, 1.0, 8)])
    assert noise == Interval(0.97, 0.95, 1.03, 16)
    with pytest.raises(ValueError, match="no A/A"):
        stats.aa_noise([])


def test_quantiles() -> None:
    edges = np.arange(0, 110, 10)
    counts = np.full(10, 100)
    assert histogram_quantiles(counts, edges, [0, 0.5, 0.99, 1]).tolist() == [0, 50, 99, 100]
    assert histogram_quantiles([0, 5, 0], [0, 1, 2, 3], 0.0).tolist() == [1.0]
    assert histogram_quantiles([0, 5, 0], [0, 1, 2, 3], 1.0).tolist() == [2.0]
    assert np.isnan(histogram_quantiles([0, 0], [0, 1, 2], [0.5])).all()
    for bad in (([1], [0], [0.5]), ([-1], [0, 1], [0.5]), ([1], [0, 1], [1.5])):
        with pytest.raises(ValueError, match=r"edges|negative"):
            histogram_quantiles(*bad)


@given(st.lists(st.floats(0, 99.99), min_size=1, max_size=300), st.floats(0, 1))
def test_quantiles_are_within_a_bin_of_the_sample(values: list[float], q: float) -> None:
    edges = np.arange(0, 101)
    counts = np.histogram(values, edges)[0]
    found = histogram_quantiles(counts, edges, [q])[0]
    exact = np.quantile(values, q, method="inverted_cdf")
    assert exact - 1 <= found <= exact + 1


def test_the_parameter_table() -> None:
    for name, row in PARAMETERS.items():
        assert row.name == name
        assert 0 <= row.low <= row.typical <= row.high
        assert row.source
        assert row.note
    assert backend_read("ssd").typical == 80_000
    assert backend_read("zero").typical == 0
    assert not backend_read("hdd").verdict
    assert frame().at("low") == 3_300
    assert share(36.0, frame())[0] == pytest.approx(0.01)
    assert share(1.0, backend_read("zero"))[0] == math.inf
    assert all("without queueing" in backend_read(b).note for b in ("zswap", "ssd", "hdd", "zram"))
    with pytest.raises(BadInput, match=r"did you mean 'ssd\.read'"):
        parameter("sdd.read")


def test_the_machine() -> None:
    found = origin()
    assert found["cpu"]
    assert found["cores"] >= 1
    assert {"numba", "numpy", "polars"} <= set(found["packages"])
    assert len(found["code_digest"]) == 64
    assert found["memory_bytes"] > 0


def test_room_is_checked_first() -> None:
    machine.require_memory(1, "this")
    with pytest.raises(BadInput, match=r"2\^40 pages needs 1024\.0 GiB of memory, .* GiB are available"):
        machine.require_memory(1 << 40, "2^40 pages")
