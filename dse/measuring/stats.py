"""Paired ratios with their intervals, the noise of a session, and the verdict on a ratio.

The estimate of a ratio is the median of the paired ratios (of their logarithms, so that 2 and 1/2 weigh alike). Its
interval is the percentile bootstrap over pairs. Successive chunks of one stream resemble each other, and say less than as
many independent ones. Their interval is widened as if the correlation of neighbours made their number smaller.

The A/A ratio is the same figure where both sides of a pair are the same design. Its distance from 1 is the noise of the
session, and no finer difference is claimed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
CONFIDENCE = 0.95
FLOOR_NS = 30.0
"""Least time that gives a ratio, on one side at least: the clock reads in steps of ten nanoseconds."""
AA_WIDEST = 1.25
"""An A/A interval wider than this factor carries only ratios beyond the square of the noise."""
BLOCK = 1 << 22
FEWEST_SERIAL, MOST_CORRELATED = 8, 0.9
"""Fewest values from which a correlation of neighbours is estimated, and the largest estimate that is used."""

Finding = Literal["faster", "slower", "same", "inconclusive"]


@dataclass(frozen=True)
class Interval:
    """A ratio with its interval.

    Attributes
    ----------
    ratio, lo, hi : float
        Median ratio and the ends of its confidence interval.
    n : int
        Number of pairs.
    """

    ratio: float
    lo: float
    hi: float
    n: int

    def within(self, low: float, high: float) -> bool:
        """Tell whether the whole interval lies in ``low..high``."""
        return low <= self.lo and self.hi <= high

    def holds(self, value: float) -> bool:
        """Tell whether `value` is in the interval."""
        return self.lo <= value <= self.hi

    @property
    def width(self) -> float:
        """Upper end divided by lower end, 1 for a point."""
        return self.hi / self.lo


@dataclass(frozen=True)
class Verdict:
    """Verdict on a ratio, with its reason."""

    finding: Finding
    reason: str


@dataclass(frozen=True)
class Difference:
    """A difference with its interval, in the unit of the compared values."""

    value: float
    lo: float
    hi: float
    n: int


def _medians(values: NDArray[np.float64], resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Medians of `resamples` samples with replacement, in blocks of bounded memory."""
    n = values.size
    out = np.empty(resamples)
    step = max(1, BLOCK // n)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        out[start:stop] = np.median(values[rng.integers(0, n, size=(stop - start, n))], axis=1)
    return out


def widening(values: NDArray[np.float64]) -> float:
    """Factor by which an interval is widened, 1 or more, because neighbours in `values` resemble each other.

    The lag-1 correlation r of n values, corrected for its bias in short series, leaves n (1 - r) / (1 + r) independent ones.

    Examples
    --------
    >>> widening(np.array([1.0, -1.0] * 8)), widening(np.ones(16))
    (1.0, 1.0)
    """
    n, apart = values.size, values - values.mean()
    spread = float(apart @ apart)
    if n <= FEWEST_SERIAL or spread <= 0.0:
        return 1.0
    found = float(apart[1:] @ apart[:-1]) / spread
    r = min(max((n * found + 1.0) / (n - 4.0), 0.0), MOST_CORRELATED)
    return math.sqrt((1.0 + r) / (1.0 - r))


def _interval(values: NDArray[np.float64], seed: int, resamples: int, confidence: float, serial: bool) -> tuple[float, float, float]:
    """Median and the ends of its interval."""
    medians = _medians(values, resamples, np.random.default_rng(seed))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(medians, [tail, 1.0 - tail])
    middle, factor = float(np.median(values)), widening(values) if serial else 1.0
    return middle, middle - factor * (middle - float(low)), middle + factor * (float(high) - middle)


def paired_difference(candidate: ArrayLike, baseline: ArrayLike, *, seed: int = 0, serial: bool = False) -> Difference:
    """Estimate the additional time of the candidate against the baseline: the median of the paired differences.

    Parameters
    ----------
    candidate, baseline : array_like
        Times of the same chunks on the two sides, pair by pair.
    seed : int
        Seed of the bootstrap.
    serial : bool
        The pairs follow each other in one stream.

    Examples
    --------
    >>> paired_difference([20.0, 22.0, 18.0], [10.0, 12.0, 8.0])
    Difference(value=10.0, lo=10.0, hi=10.0, n=3)
    """
    values = np.asarray(candidate, np.float64) - np.asarray(baseline, np.float64)
    value, low, high = _interval(values, seed, RESAMPLES, CONFIDENCE, serial)
    return Difference(value, low, high, values.size)


def paired_ratio(
    candidate: ArrayLike,
    baseline: ArrayLike,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    serial: bool = False,
) -> Interval:
    """Estimate the ratio of the candidate's time to the baseline's.

    Parameters
    ----------
    candidate, baseline : array_like
        Times of the same chunks on the two sides, pair by pair, above 0.
    seed : int
        Seed of the bootstrap.
    resamples : int
        Bootstrap samples.
    confidence : float
        Level of the interval.
    serial : bool
        The pairs follow each other in one stream, so that neighbours may resemble each other.

    Returns
    -------
    Interval
        Median of the paired ratios and its percentile bootstrap interval.

    Raises
    ------
    ValueError
        When the sides differ in length, have fewer than two pairs, or hold values that are no positive numbers.

    Examples
    --------
    >>> paired_ratio([20.0, 22.0, 18.0], [10.0, 11.0, 9.0])
    Interval(ratio=2.0, lo=2.0, hi=2.0, n=3)
    """
    over = np.asarray(candidate, dtype=np.float64)
    under = np.asarray(baseline, dtype=np.float64)
    if over.shape != under.shape or over.ndim != 1:
        raise ValueError(f"pairs need two equally long lists, got shapes {over.shape} and {under.shape}")
    if over.size < 2:
        raise ValueError(f"{over.size} pairs are too few for an interval")
    if not (np.isfinite(over).all() and np.isfinite(under).all() and (over > 0).all() and (under > 0).all()):
        raise ValueError("times must be positive numbers")
    logs = np.log(over / under)
    middle, low, high = _interval(logs, seed, resamples, confidence, serial)
    return Interval(math.exp(middle), math.exp(low), math.exp(high), over.size)


def aa_noise(intervals: list[Interval]) -> Interval:
    """Summarise the A/A ratios of a session into the widest claim they allow.

    Parameters
    ----------
    intervals : list of Interval
        One A/A ratio per design or operation; ratio and interval of each should hold 1.

    Returns
    -------
    Interval
        The ratio furthest from 1, and the outermost ends.
    """
    if not intervals:
        raise ValueError("no A/A ratio was measured")
    worst = max(intervals, key=lambda i: abs(math.log(i.ratio)))
    lo, hi = min(i.lo for i in intervals), max(i.hi for i in intervals)
    return Interval(worst.ratio, lo, hi, sum(i.n for i in intervals))


def verdict(
    ratio: Interval,
    aa: Interval,
    *,
    threshold: float = 0.05,
    candidate_ns: float = math.inf,
    baseline_ns: float = math.inf,
    halves: tuple[float, float] = (math.nan, math.nan),
) -> Verdict:
    """Give the verdict on a ratio.

    Parameters
    ----------
    ratio : Interval
        Candidate over baseline.
    aa : Interval
        The A/A ratio of the same session.
    threshold : float
        Two designs count as the same when the interval lies within 1/(1+threshold)..1+threshold.
    candidate_ns, baseline_ns : float
        The times themselves: below 30 ns on both sides nothing is concluded.
    halves : (float, float)
        The ratio in the first and in the second half of the pairs: on different sides of 1 nothing is concluded.

    Returns
    -------
    Verdict
        faster, slower, same or inconclusive, with the reason.
    """
    if candidate_ns < FLOOR_NS and baseline_ns < FLOOR_NS:
        return Verdict("inconclusive", f"both sides take less than {FLOOR_NS:g} ns, too near the clock's step")
    shown = f"{ratio.ratio:.3f} [{ratio.lo:.3f}, {ratio.hi:.3f}], A/A {aa.lo:.3f}..{aa.hi:.3f}"
    wide = aa.width > AA_WIDEST
    if not wide and ratio.within(1.0 / (1.0 + threshold), 1.0 + threshold):
        return Verdict("same", f"{shown}, within {threshold:.0%}")
    noise = max(1.0 / aa.lo, aa.hi, 1.0) ** (2 if wide else 1)
    if ratio.lo > noise or ratio.hi < 1.0 / noise:
        if (halves[0] - 1.0) * (halves[1] - 1.0) < 0.0:
            return Verdict("inconclusive", f"{halves[0]:.3f} in the first half of the window, {halves[1]:.3f} in the second: {shown}")
        return Verdict("slower" if ratio.lo > noise else "faster", shown)
    if wide:
        return Verdict("inconclusive", f"the same design against itself ranges over {aa.lo:.3f}..{aa.hi:.3f}")
    why = "the interval holds 1" if ratio.holds(1.0) else "the difference is no larger than the noise"
    return Verdict("inconclusive", f"{why}: {shown}")


def agreed(found: Mapping[str, Verdict]) -> Verdict:
    """Join the verdicts on one ratio in several states of the caches: a finding holds only where all of them agree.

    Parameters
    ----------
    found : mapping of Verdict
        By state.

    Examples
    --------
    >>> agreed({"footprint": Verdict("slower", "1.6"), "cold": Verdict("slower", "1.2")})
    Verdict(finding='slower', reason='footprint 1.6; cold 1.2')
    >>> agreed({"footprint": Verdict("slower", "1.6"), "cold": Verdict("same", "1.0")})
    Verdict(finding='inconclusive', reason='footprint and cold do not agree: footprint slower, 1.6; cold same, 1.0')
    >>> agreed({"footprint": Verdict("slower", "1.6"), "cold": Verdict("inconclusive", "3 pairs")})
    Verdict(finding='inconclusive', reason='not settled in cold: footprint slower, 1.6; cold inconclusive, 3 pairs')
    """
    if len(found) == 1:
        return next(iter(found.values()))
    findings = {verdict.finding for verdict in found.values()}
    if len(findings) == 1:
        return Verdict(findings.pop(), "; ".join(f"{state} {verdict.reason}" for state, verdict in found.items()))
    said = "; ".join(f"{state} {verdict.finding}, {verdict.reason}" for state, verdict in found.items())
    open_ = [state for state, verdict in found.items() if verdict.finding == "inconclusive"]
    if len(findings) == 2 and open_:
        return Verdict("inconclusive", f"not settled in {' and '.join(open_)}: {said}")
    return Verdict("inconclusive", f"{' and '.join(found)} do not agree: {said}")


def histogram_quantiles(counts: ArrayLike, edges: ArrayLike, quantiles: ArrayLike) -> NDArray[np.float64]:
    """Read quantiles off a histogram, interpolating inside the bin.

    Parameters
    ----------
    counts : array_like of int
        Events per bin.
    edges : array_like
        Edges of the bins, one more than there are bins, rising.
    quantiles : array_like
        Shares from 0 to 1, such as 0.5 and 0.99.

    Returns
    -------
    numpy.ndarray
        One value per quantile; NaN when nothing was counted.

    Examples
    --------
    >>> histogram_quantiles([10, 0, 10], [0, 10, 20, 30], [0.5, 0.75, 1.0]).tolist()
    [10.0, 25.0, 30.0]
    """
    held = np.asarray(counts, dtype=np.float64)
    bounds = np.asarray(edges, dtype=np.float64)
    wanted = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
    if bounds.shape != (held.size + 1,):
        raise ValueError(f"{held.size} bins need {held.size + 1} edges, got {bounds.size}")
    if (held < 0).any() or ((wanted < 0) | (wanted > 1)).any():
        raise ValueError("counts must not be negative, quantiles must be from 0 to 1")
    total = held.sum()
    if total == 0:
        return np.full(wanted.shape, np.nan)
    running = np.cumsum(held)
    rank = wanted * total
    full = np.flatnonzero(held)
    place = full[np.minimum(np.searchsorted(running[full], rank, side="left"), full.size - 1)]
    inside = (rank - (running[place] - held[place])) / held[place]
    return np.asarray(bounds[place] + np.clip(inside, 0.0, 1.0) * (bounds[place + 1] - bounds[place]))
