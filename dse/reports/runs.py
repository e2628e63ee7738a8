"""Report of a run: cost of each design per operation and per page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dse import naming, storing
from dse.common import hints, reading
from dse.common.options import RESULTS
from dse.errors import BadInput
from dse.grounding import marks
from dse.measuring.figures import Figures
from dse.reports import ahead, closed, exits, footnotes, heads, tabling, whole
from dse.reports.answer import screen
from dse.reports.model import Document, Head, Part, Plot, Range, Ranges, Section, Series, Table

POINTS = 33
SLOTS = 1 << 23
AGES = ("aged", "fresh")
MIB = 1 << 20
COUNTED_PER_OP = (("lines", "distinct 64-byte lines an operation"), ("locked_sections", "locked sections an operation"))
KERNELS = "Designs with a recorded kernel"
Rows = Sequence[storing.Figure]


def known(texts: Sequence[str]) -> list[str]:
    """Designs of the run that are still registered."""
    out = []
    for text in texts:
        try:
            out.append(naming.parse(text).text)
        except BadInput:
            continue
    return out


def fill_curves(designs: Sequence[str], mix: Mapping[str, float], slots: int = SLOTS) -> Plot | None:
    """Metadata over fill level, allocated bytes in closed form, of 32 GiB of swap; None where no design is known any more."""
    from dse.modelling.bookkeeping import COMPRESSED
    from dse.modelling.ledger import closed

    series: list[Series] = []
    for text in known(designs):
        named = naming.parse(text)
        fills = [i / (POINTS - 1) for i in range(POINTS)]
        books = [closed(named.design, named.values, slots, fill, mix, COMPRESSED) for fill in fills]
        series.append(
            Series(text, designs.index(text) if text in designs else len(series), [100 * f for f in fills],
                   [book.allocated_bytes / MIB for book in books], line=True, marked=False)
        )  # fmt: skip
    if not series:
        return None
    shares = ", ".join(f"{name} {share:.0%}" for name, share in mix.items() if share)
    return Plot(
        "Byte ledger over fill level", "counted", "slots in use [%]", "metadata allocated [MiB]", series,
        f"Closed form, {slots * 4096 / (1 << 30):g} GiB of swap, {shares}; without compressed data and zswap_entry, filled densely.",
    )  # fmt: skip


def _mix(provenance: Mapping[str, Any]) -> dict[str, float]:
    """Backend mix of the scenario, zswap where it has none."""
    try:
        mix = reading.parsed_json(provenance["scenario_json"])["backend"]["mix"]
        return {str(name): float(share) for name, share in mix.items()} or {"zswap": 1.0}
    except (TypeError, ValueError, KeyError, AttributeError):
        return {"zswap": 1.0}


def _operations(rows: Rows, designs: Sequence[str], metric: str, unit: str) -> Ranges | None:
    """Means of a counted metric, for every operation."""
    figures = Figures(rows)
    blocks = []
    for op in tabling.SHOWN:
        values = [(i, d, figures.value(d, op, metric, stat="mean", age="aged")) for i, d in enumerate(designs)]
        block = [Range(d, i, v) for i, d, v in values if v is not None]
        if block and any(r.value for r in block):
            blocks.append((op, block))
    return Ranges(f"{metric.replace('_', ' ')} of operations", "counted", unit, blocks) if blocks else None


def _ratios(rows: Rows, designs: Sequence[str], age: str) -> Ranges | None:
    """Measured ratios to the baseline, with intervals, by operation and state of the caches."""
    base, states = designs[0] if designs else "the baseline", tabling.states(rows)
    blocks = []
    for op in tabling.SHOWN:
        for state in states:
            block = []
            for row in rows:
                named = (row["op"], row["metric"], row["age"], row["baseline"])
                if named != (op, "ratio", age, base) or row["value"] is None or (row["state"] or "") != state:
                    continue
                said = f"{row['value']:.2f} {str(row['status']).partition(':')[0]}"
                block.append(Range(row["design"], _group(designs, row["design"]), row["value"], row["lo"], row["hi"], said))
            if block:
                blocks.append((f"{op} ({state})" if len(states) > 1 else op, block))
    note = "Chunk by chunk in interleaved pairs, 95 % bootstrap interval; what is within the session's A/A noise is inconclusive."
    title = f"time of operations as a multiple of {base}'s, {age}"
    return Ranges(title, "measured", f"times {base}", blocks, 1.0, note) if blocks else None


def _group(designs: Sequence[str], text: str) -> int:
    return designs.index(text) if text in designs else 0


def _structures(ledger: Sequence[storing.Structure]) -> Table:
    """Bytes of every structure at the end of the stream."""
    rows = [
        {"design": row["design"], "structure": row["structure"], "static B": row["static_bytes"], "dynamic B": row["dynamic_bytes"],
         "allocated B": row["allocated_bytes"], "peak B": row["peak_bytes"], "in the sums": row["in_total"]}
        for row in ledger if row["allocated_bytes"] or row["peak_bytes"]
    ]  # fmt: skip
    return Table("Structures of the live states at the end", "counted", rows)


def answer(run: storing.Run) -> list[str]:
    """Answer of a run: the paragraph of compare, or the note that there is none."""
    about = _about(run)
    try:
        text = tabling.paragraph(run.ops, about, str(about.get("command") or ""))
    except (KeyError, TypeError):
        text = f"{len(run.ops):,} figures of {run.provenance.get('designs') or 'no design'}; the run is no comparison of designs."
    findings, conditions, rest = text.partition(closed.named(about))
    return [part.strip() for part in (findings, conditions + rest) if part.strip()]


def _about(run: storing.Run) -> dict[str, Any]:
    """Provenance together with the keys in ``extra``."""
    try:
        extra = reading.parsed_json(run.provenance.get("extra") or "{}")
    except ValueError:
        extra = {}
    return {**run.provenance, **(extra if isinstance(extra, dict) else {})}


def opening(run: storing.Run, about: Mapping[str, Any], results: str | Path) -> Head | None:
    """Head of a run under `results`: the first screen of ``dse compare`` for its one variant; None for what is no comparison."""
    label = str(about.get("label") or run.name)
    stored = {**about, "label": label, "run": run.name}
    rows = [{**row, "scenario": label} for row in run.ops]
    whole = {"command": about.get("command") or "", "counters_hash": about.get("counters_hash") or "", "runs": [stored]}
    try:
        found = heads.of_answer(screen({"rows": rows, "provenance": whole}))
    except (KeyError, TypeError, IndexError):
        return None
    repeat = f"Repeat: {whole['command']} (counters of {label}: {str(whole['counters_hash'])[:16]})"
    words = ("report", run.name, "--format", "text", "--full"), ("rerun", run.name)
    more = [hints.command("dse", *some, results=results) for some in words]
    return replace(found, again=(f"Next: {', '.join(more)}", repeat))


def document(run: storing.Run, results: str | Path = RESULTS) -> Document:
    """Make the report of a run.

    Parameters
    ----------
    run : Run
        Result of :func:`dse.storing.load_run`.

    Returns
    -------
    Document
        Costs with intervals, ledger, provenance.
    """
    about = _about(run)
    designs = naming.split(str(run.provenance.get("designs") or "")) if run.provenance.get("designs") else []
    designs = designs or list(dict.fromkeys(row["design"] for row in run.ops))
    timed: list[Part] = [chart for age in AGES if (chart := _ratios(run.ops, designs, age)) is not None]
    rows = run.ops
    tables: list[Part] = [
        Table(f"Operations, {age}", "counted, measured, modelled", found, " ".join(footnotes.tails(rows, designs, tabling.SHOWN, age)))
        for age in AGES
        if (found := tabling.operations(rows, designs, age))
    ]
    zapped = exits.table(rows, designs, exits.leaving(about), tabling.states(rows))
    tables += [Table("Zap, by PTE, aged", "counted, measured", zapped, " ".join(exits.lines(rows, about)))] if zapped else []
    large = whole.table(rows, designs, whole.asked_of(about))
    tables += [Table("Large folios on their way out, by the page, aged", "counted", large)] if large else []
    before = ahead.table(rows, designs)
    tables += [Table("Readahead, by the page, aged", "counted", before)] if before else []
    if about.get("loop") == "closed":
        tables.insert(0, Table("Memory and faults in a closed loop", "counted", closed.table(Figures(rows), designs)))
    drawn = (_operations(run.ops, designs, metric, unit) for metric, unit in COUNTED_PER_OP)
    counted: list[Part] = [chart for chart in drawn if chart is not None]
    curves = fill_curves(designs, _mix(run.provenance))
    ledger: list[Part] = [] if curves is None else [curves]
    allocated = tabling.allocated(rows, designs, "aged")
    ledger += [Table("Allocated and freed, aged", "counted, modelled", allocated)] if allocated else []
    ledger += [
        Table("Swapped pages at the end", "counted, measured", tabling.pages(rows, designs), footnotes.WORDS),
        _structures(run.ledger),
    ]
    layers = tabling.headline(rows, designs) if len(naming.references(designs)) > 1 else []
    head: list[Part] = [Table("Layers against what they may stand on, aged", "counted, measured", layers)] if layers else []
    known_kernels = marks.marks(designs)
    recorded: list[Part] = [Table(KERNELS, "counted", known_kernels, marks.said(designs))] if known_kernels else []
    costs = head + timed + counted + tables + recorded
    sections = [Section("Operation costs", "", costs)] if costs else []
    keys = (
        "run", "created", "command", "label", "scenario_digest", "trace", "trace_digest", "stream_digest", "seed", "loop", "designs",
        "counters_hash", "code_digest", "commit", "cpu", "cores", "kernel", "clock_source", "python", "packages", "not_modelled",
    )  # fmt: skip
    provenance = {name: about.get(name) for name in keys}
    provenance["parameter table"] = (about.get("parameters") or {}).get("said") or "shipped"
    provenance["A/A noise of the session"] = (
        "nothing was timed" if about.get("aa_lo") is None
        else f"{about.get('aa_ratio') or 1:.3f} [{about['aa_lo']:.3f}, {about['aa_hi']:.3f}]"
    )  # fmt: skip
    title = f"{about.get('label') or run.name}: what each design costs"
    return Document(
        run.name, title, answer(run), designs, [*sections, Section("Bytes", "", ledger)], provenance, opening(run, about, results)
    )
