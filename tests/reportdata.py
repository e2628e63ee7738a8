"""A stored run and a stored study whose figures follow from a few lines, so that reports can be tested without replaying anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dse import storing
from dse.storing import studies

DESIGNS = ("direct", "swap_id", "swap_desc")
RATES = (0.0, 0.5, 1.0)
MIXES = ({"zswap": 1.0}, {"zswap": 0.5, "ssd": 0.5})
OPS = ("swap_out", "swap_in", "move")


def store_run(results: Path, *, timed: bool = True) -> str:
    """Store a comparison: swap_id 1.5 times as slow at swap-in, swap_desc inconclusive."""
    rows = []
    for i, design in enumerate(DESIGNS):
        for op in OPS:
            rows.append(storing.figure(design, op, "demands", "counted", "demands", 1000, stat="total", age="aged"))
            rows.append(storing.figure(design, op, "lines", "counted", "lines", 4.25 + i, stat="mean", age="aged"))
            rows.append(storing.figure(design, op, "locked_sections", "counted", "sections", 2.0 + i / 2, stat="mean", age="aged"))
            if timed:
                rows.append(storing.figure(design, op, "ns", "measured", "ns", 100.0 + 50 * i, stat="p50", age="aged"))
        rows.append(storing.figure(design, "page", "swapped_pages", "counted", "pages", 500))
        rows.append(storing.figure(design, "page", "bytes_per_page_allocated", "counted", "B", 20.5 + i, stat="mean"))
        if i:
            tax: dict[str, Any] = {"stat": "mean", "age": "aged", "baseline": "direct", "count": None}
            rows.append(storing.figure(design, "lifetime", "tax_lines", "counted", "lines", 2.0 * i, **tax))
        if i and timed:
            status = ("slower: interval above 1", "inconclusive: within the noise")[i - 1]
            more = {"lo": 1.4 - i / 4, "hi": 1.9 - i / 4, "n": 16, "age": "aged", "baseline": "direct", "status": status}
            rows.append(storing.figure(design, "swap_in", "ratio", "measured", "x", 1.75 - i / 4, stat="mean", **more))
    ledger = [
        {"design": d, "structure": "swap_map", "static_bytes": 8, "dynamic_bytes": 16, "header_bytes": 0, "allocated_bytes": 4096,
         "peak_bytes": 4096, "in_total": True, "status": "ok"}
        for d in DESIGNS
    ]  # fmt: skip
    provenance = {
        "command": "dse compare <script>", "designs": ",".join(DESIGNS), "scenario": "made up", "label": "made up, moves.rate=0.3",
        "scenario_json": json.dumps({"backend": {"mix": {"zswap": 0.7, "ssd": 0.3}}}), "trace": "zipf & more", "seed": 1,
        "aa_ratio": 1.0 if timed else None, "aa_lo": 0.97 if timed else None, "aa_hi": 1.04 if timed else None, "timed": timed,
        "demands": 12345, "verified_demands": 99, "not_modelled": "readahead", "counters_hash": storing.counters_hash(rows),
        "cpu": "<b>a CPU</b>", "code_digest": "c0de",
    }  # fmt: skip
    return storing.write_run(results, rows, ledger, provenance)


def cost(design: str, rate: float, mix: dict[str, float]) -> float:
    """Lines a lifetime: a layer costs 3 more and saves 6 a move, on zswap alone only 2 a move."""
    layer = DESIGNS.index(design)
    saved = 2.0 if mix == MIXES[0] else 6.0
    return 20.0 + 8.0 * rate + (0.0 if not layer else 2.0 + layer - saved * rate)


def store_study(results: Path, name: str = "made-up-s1", **tables: Any) -> str:
    """Store a study of 18 configurations; `tables` replace its own."""
    trials, winners, breakeven = [], [], []
    for mix in MIXES:
        for rate in RATES:
            place = {"moves.rate": rate, "backend.mix": mix}
            costs = {d: cost(d, rate, mix) for d in DESIGNS}
            best, second = sorted(DESIGNS, key=lambda d: costs[d])[:2]
            winners.append({
                "environment": place, "design": best, "params": {"design": best}, "margin": costs[second] / costs[best] - 1,
                "objective": "lifetime", "value": costs[best], "runner_up": second, "designs": 3, "layer": best != "direct",
            })  # fmt: skip
            for design in DESIGNS:
                nbytes = 10.0 + DESIGNS.index(design)
                values = {"lifetime": costs[design], "bytes_per_page": nbytes, "move": None if not rate else 2.0 * rate}
                trials += [
                    {"number": len(trials) // 3, "design": design, "environment": place, "params": {"design": design}, "status": "ok",
                     "feasible": True, "front": design == best, "objective": o, "kind": "counted", "unit": "lines/lifetime", "value": v,
                     "key": "k"}
                    for o, v in values.items()
                ]  # fmt: skip
        curve = [[r, min(cost(d, r, mix) for d in DESIGNS[1:]), cost("direct", r, mix)] for r in RATES]
        above = mix != MIXES[0]
        breakeven.append({
            "design": "any layer", "against": "any without", "environment": {"backend.mix": mix}, "rate": 0.5 if above else None,
            "status": "above" if above else "never", "curve": curve,
        })  # fmt: skip
    sensitivity = [
        {"axis": axis, "role": role, "objective": "lifetime", "importance": share, "groups": 6, "flips": flips}
        for axis, role, share, flips in (
            ("design", "choice", 0.2, 0), ("moves.rate", "environment", 0.7, 4), ("backend.mix", "environment", 0.1, 1),
        )
    ]  # fmt: skip
    regret = [{
        "design": "swap_id", "params": {"design": "swap_id"}, "environments": 6, "of": 6, "mean": 0.05, "worst": 0.15,
        "worst_environment": {"moves.rate": 0.0}, "objective": "lifetime",
    }]  # fmt: skip
    confirmed = [{
        "design": "swap_id", "baseline": "direct", "environment": {"moves.rate": 1.0}, "op": "swap_in", "kind": "measured", "unit": "x",
        "value": 1.5, "lo": 1.4, "hi": 1.6, "n": 16, "status": "slower: interval above 1", "host": "a host", "run": "r",
    }]  # fmt: skip
    provenance = {
        "created": "2026-11-24T00:00:00Z", "command": "dse sweep made-up", "space": "made-up", "sampler": "exhaustive", "seed": 1,
        "trials": 18, "objectives": ["lifetime", "bytes_per_page", "move"], "winner": "lifetime", "baseline": "direct",
        "code_digest": "c0de",
    }  # fmt: skip
    made = {"trials": trials, "params": [], "winners": winners, "breakeven": breakeven, "sensitivity": sensitivity, "regret": regret,
            "confirmed": confirmed, "provenance": [provenance], **tables}  # fmt: skip
    settings = {"version": studies.VERSION, "study": name, "space": {}, "sampler": "random", "seed": 1, "trials": 1, "code_digest": ""}
    studies.write_settings(results, name, settings)
    studies.write_tables(results, name, made)
    return name


def store_both(results: Path) -> Path:
    """Store the run and the study."""
    store_run(results)
    store_study(results)
    return results


def run_name(results: Path) -> str:
    return storing.run_names(results)[-1]
