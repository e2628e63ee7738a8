"""The report of a comparison: operation costs with intervals, bytes, tax, provenance and noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dse import naming, storing
from dse.errors import BadInput
from dse.reports import charts
from dse.reports.page import Report, Section
from dse.reports.studying import ledger_section

OPS = ("swap_out", "writeback_end", "swap_in", "cache_hit", "clean_drop", "fork", "cow", "zap", "move", "swapoff")
Row = dict[str, Any]


def _of(rows: list[Row], metric: str, **more: str) -> list[Row]:
    return [r for r in rows if r["metric"] == metric and all((r.get(k) or "") == v for k, v in more.items())]


def _ratios(run: storing.Run, designs: list[str]) -> list[Section]:
    """Times against the baseline, with intervals."""
    rows = [r for r in _of(run.ops, "ratio", age="aged") if r["value"] is not None and r["lo"] is not None]
    if not rows:
        return []
    rows.sort(key=lambda r: (OPS.index(r["op"]) if r["op"] in OPS else 99, designs.index(r["design"])))
    marks = [(f"{r['op']} {r['design']}", r["lo"], r["value"], r["hi"], designs.index(r["design"])) for r in rows]
    table = [{k: r[k] for k in ("op", "design", "baseline", "value", "lo", "hi", "n", "status")} for r in rows]
    noise = f"A/A (the baseline against itself): {run.provenance.get('aa_lo')} to {run.provenance.get('aa_hi')}. " if run.provenance.get(
        "aa_lo") is not None else ""  # fmt: skip
    return [
        Section(
            "Time against the baseline", "measured", f"{noise}Fenced, aged; 95 % intervals of paired ratios; the line is equality.",
            charts.intervals(marks, f"times {rows[0]['baseline']}", "ratios", 1.0), charts.legend(designs), table,
        )
    ]  # fmt: skip


def _lines(run: storing.Run, designs: list[str]) -> Section:
    """Lines of each operation."""
    rows = _of(run.ops, "lines", stat="mean", age="aged") or _of(run.ops, "lines", stat="mean")
    rows = [r for r in rows if r["value"] is not None and r["op"] in OPS]
    rows.sort(key=lambda r: (OPS.index(r["op"]), designs.index(r["design"])))
    parts = [(f"{r['op']} {r['design']}", [(r["design"], r["value"])]) for r in rows]
    table = [{"operation": r["op"], "design": r["design"], "lines": r["value"], "occurrences": r["n"]} for r in rows]
    return Section(
        "What an operation touches", "counted", "Distinct 64-byte lines, mean over the aged window.",
        charts.bars(parts, designs, "lines", "lines by operation"), charts.legend(designs), table,
    )  # fmt: skip


def _bytes(run: storing.Run, designs: list[str]) -> Section:
    """Allocated bytes by structure."""
    rows = [r for r in run.ledger if r["allocated_bytes"]]
    names = list(dict.fromkeys(r["structure"] for r in rows))
    parts = [(d, [(r["structure"], r["allocated_bytes"] / 2**20) for r in rows if r["design"] == d]) for d in designs]
    table = [
        {"design": r["design"], "structure": r["structure"], "static B": r["static_bytes"], "dynamic B": r["dynamic_bytes"],
         "allocated B": r["allocated_bytes"], "peak B": r["peak_bytes"]}
        for r in rows
    ]  # fmt: skip
    return Section(
        "Byte ledger of the live states", "counted", "Allocated MiB at the end of the stream.",
        charts.bars(parts, names, "MiB", "bytes by structure") if names else "", charts.legend(names), table,
    )  # fmt: skip


def report(results: str | Path, name: str) -> Report:
    """Make the report of a run.

    Raises
    ------
    BadInput
        No such run, or one that does not say what it compared.
    """
    run = storing.load_run(results, name)
    about = run.provenance
    if not about.get("designs"):
        raise BadInput(f"run {run.name} does not say which designs it compared")
    from dse import tabling

    extra = json.loads(about.get("extra") or "{}")
    full = {**extra, **{k: v for k, v in about.items() if v is not None}}
    full.setdefault("timed", bool(_of(run.ops, "ns")))
    for key, value in (("demands", 0), ("verified_demands", 0), ("not_modelled", "")):
        full.setdefault(key, value)
    said = tabling.paragraph(run.ops, full, str(about.get("command")))
    designs = naming.split(str(about["designs"]))
    parts = [*_ratios(run, designs), _lines(run, designs), _bytes(run, designs), ledger_section(designs)]
    modelled = [r for r in run.ops if r["kind"] == "modelled" and r["value"] is not None and (r.get("age") or "aged") == "aged"]
    if modelled:
        rows = [{k: r[k] for k in ("op", "design", "metric", "value", "lo", "hi")} for r in modelled]
        parts.append(Section("Share of a fault and of a backend's latency", "modelled", "Constants without queueing.", rows=rows))
    keys = ("command", "created", "scenario", "scenario_digest", "trace", "trace_digest", "seed", "counters_hash", "code_digest", "commit",
            "cpu", "cores", "kernel", "clock_source", "packages", "aa_ratio", "aa_lo", "aa_hi", "not_modelled")  # fmt: skip
    label = full.get("label") or about.get("scenario")
    return Report(f"Run {run.name}: {label}", said.split("\n"), parts, [(k, str(about.get(k))) for k in keys])
