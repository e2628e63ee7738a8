"""Figures of a calibration, and the table that `dse compare --parameters` reads."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dse.calibrating.checking import FEWEST_REPEATS, KINDS
from dse.calibrating.session import Sample
from dse.errors import CheckFailed
from dse.measuring import stats
from dse.modelling import tables

Row = dict[str, Any]
HEAD = """# Latencies of the host's own kernel, timed by dse calibrate. dse compare --parameters reads them.
# A changed file is refused as long as it has its digest.
"""
LEAST_NS = 1.0


def figures(samples: Sequence[Sample]) -> list[Row]:
    """Make a row for each kind and direction.

    Parameters
    ----------
    samples : sequence of Sample
        All repeats of all kinds.

    Returns
    -------
    list of dict
        ``kind``, ``direction`` (out, in), ``ns`` (median over repeats of their medians, the clock's own time taken off), ``low`` and
        ``high`` (quartiles of single faults), ``lo`` and ``hi`` (95 % interval of the median), ``mean``, ``repeats``, ``discarded``,
        ``over_zero`` (median of the paired differences to pages of zeros), ``over_zero_lo``, ``over_zero_hi``, ``why`` (reason of the
        first discarded repeat).
    """
    rows = []
    medians = {(s.kind, way, s.repeat): _median(s, way) for s in samples if not s.wrong for way in ("out", "in") if _of(s, way)}
    for kind in dict.fromkeys(s.kind for s in samples):
        mine = [s for s in samples if s.kind == kind]
        good = [s for s in mine if not s.wrong]
        why = next((s.wrong for s in mine if s.wrong), "")
        for way in ("out", "in"):
            if not any(_of(s, way) for s in mine):
                continue
            row: Row = {"kind": kind, "direction": way, **_spread([s for s in good if _of(s, way)], way)}
            row |= _over_zero(kind, way, medians) | {"discarded": len(mine) - len(good), "why": why}
            rows.append(row)
    return rows


def _of(sample: Sample, way: str) -> list[int]:
    return sample.out if way == "out" else sample.into


def _median(sample: Sample, way: str) -> float:
    """Median time of a repeat without that of the clock [ns]."""
    return max(LEAST_NS, float(np.median(_of(sample, way)) - np.median(sample.own)))


def _spread(good: Sequence[Sample], way: str) -> Row:
    """Median, quartiles and interval; empty figures where too few repeats count."""
    if len(good) < FEWEST_REPEATS:
        return {**dict.fromkeys(("ns", "low", "high", "lo", "hi", "mean")), "repeats": len(good)}
    single = np.concatenate([np.asarray(_of(s, way), np.float64) - float(np.median(s.own)) for s in good])
    medians = np.array([_median(s, way) for s in good])
    at = stats.paired_difference(medians, np.zeros(len(medians)), serial=True)
    low, high = (float(x) for x in np.quantile(single, [0.25, 0.75]))
    low, high = max(LEAST_NS, min(low, at.value)), max(high, at.value)
    return {
        "ns": at.value, "low": low, "high": high, "lo": at.lo, "hi": at.hi, "mean": float(single.mean()), "repeats": len(good),
    }  # fmt: skip


def _over_zero(kind: str, way: str, medians: Mapping[tuple[str, str, int], float]) -> Row:
    """Paired difference to pages of zeros, repeat by repeat."""
    pairs = [
        (ns, medians["zero", way, repeat])
        for (other, direction, repeat), ns in medians.items()
        if (other, direction) == (kind, way) and ("zero", way, repeat) in medians
    ]
    if kind in ("zero", "first") or len(pairs) < FEWEST_REPEATS:
        return {"over_zero": None, "over_zero_lo": None, "over_zero_hi": None}
    at = stats.paired_difference([ns for ns, _ in pairs], [zero for _, zero in pairs], serial=True)
    return {"over_zero": at.value, "over_zero_lo": at.lo, "over_zero_hi": at.hi}


def parameters(rows: Sequence[Row], about: Mapping[str, Any]) -> dict[str, Row]:
    """Rows of the parameter table.

    Raises
    ------
    CheckFailed
        No kind that has a parameter was measured.
    """
    found = {}
    for row in rows:
        name = KINDS[row["kind"]].parameter
        if not name or row["direction"] != "in" or row["ns"] is None:
            continue
        compressor = about.get(f"{row['kind']}_compressor")
        source = f"dse calibrate on Linux {about['kernel']}, {about['cpu']}, {about['date']}"
        note = (
            f"{KINDS[row['kind']].text}{f' ({compressor})' if compressor else ''}; median of {row['repeats']} repeats, "
            f"95 % {row['lo']:.0f}..{row['hi']:.0f} ns; low and high are quartiles of single faults, one after the other, nothing between"
        )
        found[name] = {"low": row["low"], "typical": row["ns"], "high": row["high"], "source": source, "note": note}
    if not found:
        why = next((row["why"] for row in rows if row["why"]), "no kind with a parameter was asked for (zero, zswap, zram)")
        raise CheckFailed(f"no latency was measured: {why}")
    return found


def document(rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """The table as TOML, with its digest.

    Parameters
    ----------
    rows : sequence of dict
        From :func:`figures`.
    about : mapping
        Provenance: kernel, cpu, date, command, repeats, pages and so on. Values are text, numbers, booleans.
    """
    lines = [f"version = {tables.VERSION}", ""]
    for name, row in parameters(rows, about).items():
        lines += [f'[parameters."{name}"]', *_pairs(row), ""]
    lines += ["[provenance]", *_pairs(about), ""]
    for row in rows:
        lines += ["[[measured]]", *_pairs(row), ""]
    text = "\n".join(lines)
    digest = tables.digest_of(tomllib.loads(text))
    return f'{HEAD}digest = "{digest}"\n{text}'


def _pairs(values: Mapping[str, Any]) -> list[str]:
    """Lines of a TOML table. What is None is left out."""
    return [f"{key} = {_value(value)}" for key, value in values.items() if value is not None]


def _value(value: Any) -> str:
    """A TOML value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, int):
        return str(value)
    return json.dumps(str(value)).replace("\x7f", "\\u007f")
