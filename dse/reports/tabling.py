"""The tables of ``dse compare``, and the paragraph that says what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dse import naming
from dse.common import output, reading
from dse.measuring.figures import FULL, MEMCG_FULL, Figures, percent
from dse.reports import ahead, closed, exits, footnotes, whole
from dse.reports.precision import precision
from dse.storing import Figure

SHOWN = ("swap_out", "writeback_end", "swap_in", "cache_hit", "clean_drop", "fork", "cow", "zap", "move", "swapoff", "read_ahead")
HEADLINE = ("swap_out", "swap_in", "zap", "move")
Line = dict[str, str]
"""A line of a table by column."""
TAXES = (("tax lines", "tax_lines"), ("tax locks", "tax_locked_sections"), ("tax atomics", "tax_atomics"), ("tax B", "tax_bytes"))
"""Counted columns of the table of layers: name and metric."""
About = Mapping[str, Any]
"""Provenance of a variant."""
COMMON = "lines_common"
COUNTED = (
    ("lines", "lines"), ("lines common", COMMON), ("locks", "locked_sections"), ("atomics", "atomics"),
    ("structures written", "structures_written"),
)  # fmt: skip


def _interval(row: Figure | None) -> str:
    """Write a ratio with its interval."""
    if row is None or row["value"] is None:
        return "-"
    return f"{row['value']:.2f} [{row['lo']:.2f}, {row['hi']:.2f}]"


def _tax_ns(row: Figure | None) -> str:
    """Write a tax in nanoseconds with its interval, or that it is no more than noise, or inconclusive."""
    if row is None or row["value"] is None:
        return "-"
    if row["lo"] is None:  # stored by an older version
        return f"{row['value']:+.1f}"
    if row["status"] == "ok":
        return f"{row['value']:+.0f} [{row['lo']:+.0f}, {row['hi']:+.0f}]"
    return "inconclusive" if _finding(row) == "inconclusive" else "noise"


def _beyond(figures: Figures, design: str, op: str, age: str) -> str:
    """Write a 99th percentile that the histogram does not reach."""
    row = figures.row(design, op, "ns", stat="p99", age=age)
    return "-" if row is None else str(row["status"]).partition(" ns")[0].replace("above ", ">")


def _finding(row: Figure | None) -> str:
    return "" if row is None else str(row["status"]).partition(":")[0]


def _filled(table: Sequence[Line], empty: Mapping[str, str] = MappingProxyType({})) -> list[Line]:
    """The columns of a table in which some line says something, which ``-`` and the `empty` text of a column do not."""
    known = {name for line in table for name, text in line.items() if text not in ("-", empty.get(name))}
    return [{name: text for name, text in line.items() if name in known} for line in table]


def states(rows: Sequence[Figure]) -> list[str]:
    """States of the caches in which aged ratios were measured, in order; one empty name where nothing was timed."""
    return list(dict.fromkeys(row["state"] or "" for row in rows if row["metric"] == "ratio" and row["age"] == "aged")) or [""]


def headline(rows: Sequence[Figure], designs: Sequence[str]) -> list[Line]:
    """Every layer against every design that it may stand on: aged operations, and what a swapped lifetime costs more.

    There is a line for each state of the caches; what is counted stands in the first.
    """
    figures, known = Figures(rows), states(rows)
    timed = any(row["metric"] == "ratio" for row in rows)
    out = []
    for design in filter(naming.is_layer, designs):
        for base in naming.rivals(design, designs):
            for state in known:
                line = {"layer": design, "against": base}
                if timed:
                    named = {op: figures.row(design, op, "ratio", stat="mean", age="aged", against=base, state=state) for op in HEADLINE}
                    line |= {"caches": state or "-", **{op: _interval(row) for op, row in named.items()}}
                    tax = figures.row(design, "lifetime", "tax_ns", stat="mean", age="aged", against=base, state=state)
                    line["tax ns"] = _tax_ns(tax)
                for name, metric in TAXES:
                    value = figures.value(design, "lifetime", metric, stat="mean", age="aged", against=base)
                    line[name] = "-" if value is None or state != known[0] else f"{value:+.1f}"
                out.append(line)
    return _filled(out)


def operations(rows: Sequence[Figure], designs: Sequence[str], age: str) -> list[Line]:
    """The table of operations: for each operation a row a design."""
    figures = Figures(rows)
    others, more = naming.references(designs)[1:], states(rows)[1:]

    def times(op: str, age: str, design: str, base: str) -> str:
        return _interval(figures.row(design, op, "ratio", stat="mean", age=age, against=base))

    out = []
    for op in SHOWN:
        for design in designs:
            if figures.value(design, op, "demands", stat="total", age=age) is None:
                continue
            ratio = figures.row(design, op, "ratio", stat="mean", age=age, against=designs[0])
            ns = figures.value(design, op, "ns", stat="p50", age=age)
            line = {"operation": op, "design": design}
            alone = "1 (baseline)" if design == designs[0] else "-"
            if any(row["metric"] == "ns" for row in rows):
                p99 = figures.value(design, op, "ns", stat="p99", age=age)
                above = _beyond(figures, design, op, age)
                line |= {
                    "ns p50": "-" if ns is None else f"{ns:,.0f}", "ns p99": above if p99 is None else f"{p99:,.0f}",
                    "ratio": _interval(ratio) if ratio is not None else alone,
                    **{
                        state: _interval(figures.row(design, op, "ratio", stat="mean", age=age, against=designs[0], state=state))
                        for state in more
                    },
                    "finding": _finding(ratio),
                    **{
                        f"x {base}": "1" if design == base else times(op, age, design, base) for base in others
                    },
                    "of a fault": percent(figures.value(design, op, "share_of_fault", age=age)),
                    "of zswap": percent(figures.value(design, op, "share_of_zswap_read", age=age)),
                    "of SSD": percent(figures.value(design, op, "share_of_ssd_read", age=age)),
                }  # fmt: skip
            for name, metric in COUNTED:
                if metric == COMMON and not any(row["metric"] == COMMON for row in rows):
                    continue  # a run from before
                value = figures.value(design, op, metric, stat="mean", age=age)
                line[name] = "-" if value is None else f"{value:.2f}"
            out.append(line)
    return out


def pages(rows: Sequence[Figure], designs: Sequence[str]) -> list[Line]:
    """The table of pages: bytes, slots, IDs, tax, a row a design."""
    figures = Figures(rows)
    out = []
    for design in designs:

        def page(metric: str, stat: str = "", digits: int = 1, design: str = design) -> str:
            value = figures.value(design, "page", metric, stat=stat)
            return "-" if value is None else f"{value:,.{digits}f}"

        def tax(metric: str, design: str = design) -> str:
            value = figures.value(design, "lifetime", metric, stat="mean", age="aged", against=designs[0])
            return "-" if value is None else f"{value:+.1f}"

        out.append({
            "design": design, "B/page static": page("bytes_per_page_static", "mean"),
            "B/page dynamic": page("bytes_per_page_dynamic", "mean"),
            "B/page allocated": page("bytes_per_page_allocated", "mean"), "B/page at the peak": page("bytes_per_page_peak", "max"),
            "saw swap full": percent(figures.value(design, "swap_in", FULL, stat="mean", age="aged")),
            "saw memcg full": percent(figures.value(design, "swap_in", MEMCG_FULL, stat="mean", age="aged")),
            "slots tied up": page("slots_tied_up", digits=0), "must agree": page("structures_per_page", digits=0),
            "IDs never moved": percent(figures.value(design, "page", "ids_never_moved_share")),
            "tax ns": _tax_ns(figures.row(design, "lifetime", "tax_ns", stat="mean", age="aged", against=designs[0])),
            "tax lines": tax("tax_lines"), "tax B": tax("tax_bytes"),
        })  # fmt: skip
    limited = any(line["saw memcg full"] != "-" for line in out)
    return out if limited else [{name: text for name, text in line.items() if name != "saw memcg full"} for line in out]


def allocated(rows: Sequence[Figure], designs: Sequence[str], age: str) -> list[Line]:
    """The table of allocations: what reclaim, faults and moves have to allocate, the backend's own left out."""
    from dse.measuring.allocating import slug
    from dse.modelling.allocations import BACKEND, FAULT, MOVE, OTHER, RECLAIM, classes

    figures = Figures(rows)
    logged = [row for row in rows if row["age"] == age and row["metric"].startswith(("allocated_", "freed_"))]

    def per_thousand(design: str, metric: str, of: str, ops: Sequence[str] | None = None) -> str:
        n = figures.value(design, of, "demands", stat="total", age=age) if of != "swap_out" else whole.pages_out(figures, design, age)
        mine = [row for row in logged if row["design"] == design and row["metric"] == metric]
        total = sum(row["value"] or 0.0 for row in mine if ops is None or row["op"] in ops)
        return f"{1000 * total / n:.3g}" if n else "-"

    out = []
    for design in designs:
        seen = {row["metric"] for row in logged if row["design"] == design}
        for name, metric in ((name, f"allocated_{slug(name)}") for name in classes(naming.parse(design).design)):
            if metric not in seen or name in BACKEND:
                continue
            nbytes = figures.value(design, "page", f"object_bytes_{slug(name)}")
            waits = figures.value(design, "page", f"rcu_waiting_bytes_{slug(name)}", stat="mean", age=age)
            out.append({
                "design": design, "object": name, "B each": "-" if nbytes is None else f"{nbytes:,.0f}",
                "reclaim/1,000 swap-outs": per_thousand(design, metric, "swap_out", RECLAIM),
                "faults/1,000 swap-ins": per_thousand(design, metric, "swap_in", FAULT),
                "moves/1,000 moves": per_thousand(design, metric, "move", MOVE),
                "others/1,000 swap-outs": per_thousand(design, metric, "swap_out", OTHER),
                "freed/1,000 swap-outs": per_thousand(design, f"freed_{slug(name)}", "swap_out"),
                "waits for RCU B": "-" if waits is None else f"{waits:,.0f}",
            })  # fmt: skip
    return _filled(out, {"others/1,000 swap-outs": "0"})


def _sentence(figures: Figures, design: str, base: str, timed: bool) -> str:
    """Say what one design costs against the baseline."""
    lines = figures.value(design, "lifetime", "tax_lines", stat="mean", age="aged", against=base)
    nbytes = figures.value(design, "lifetime", "tax_bytes", stat="mean", age="aged", against=base)
    text = f"{design}: {lines or 0:+.1f} lines a lifetime"
    text += f" and {nbytes:+.1f} allocated bytes a swapped page" if nbytes is not None else ""
    text += f" against {base}"
    never = figures.value(design, "page", "ids_never_moved_share")
    if never is not None:
        text += f", paid also for the {percent(never)} of IDs that never moved"
    row = figures.row(design, "swap_in", "ratio", stat="mean", age="aged", against=base)
    if timed and row is not None and row["value"] is not None:
        share = figures.value(design, "swap_in", "share_of_fault", age="aged")
        base_share = figures.value(base, "swap_in", "share_of_fault", age="aged")
        more = (share or 0.0) - (base_share or 0.0)
        text += f"; a swap-in takes {_in_states(figures, design, base)} times as long ({_finding(row)}), "
        text += f"{more * 100:+.2g} % of a whole fault (modelled)"
    return text + "."


def _in_states(figures: Figures, design: str, base: str) -> str:
    """Write the ratio of an aged swap-in, by state of the caches where there are several."""
    known = states(figures.rows)
    said = {
        state: _interval(figures.row(design, "swap_in", "ratio", stat="mean", age="aged", against=base, state=state)) for state in known
    }
    return " and ".join(f"{text} ({state})" for state, text in said.items()) if len(known) > 1 else said[known[0]]


def stands_on(design: str, designs: Sequence[str]) -> str:
    """Return the design that a sentence compares a design with: its base where that is compared too, else the first design.

    Examples
    --------
    >>> stands_on("swap_id[base=swap_table_p4]", ["direct", "swap_table_p4"]), stands_on("swap_id", ["direct", "swap_table_p4"])
    ('swap_table_p4', 'direct')
    """
    base = naming.base_of(design)
    return base if base is not None and base in designs else designs[0]


def _times(run: About) -> str:
    """Say how times were taken, and the noise of the session."""
    if run.get("aa_lo") is None:
        return "nothing was timed"
    span = f"{run['aa_lo']:.3f}..{run['aa_hi']:.3f}"
    return (
        f"times fenced, {_between(run)} between operations, locks real and uncontended, states of all designs alive between chunks; the "
        f"same design against itself ranges over {span} (A/A, 95 % intervals of all operations on swapped pages)"
    )


def _between(run: About) -> str:
    """Say what happened between two timed operations."""
    read = f"{run.get('footprint_kib')} KiB read"
    said = {"hot": "nothing", "footprint": read, "cold": "the data flushed from the caches"}
    return " or ".join(said[str(state)] for state in run.get("states") or [run.get("state", "hot")])


def _fullness(figures: Figures, designs: Sequence[str]) -> list[str]:
    """Say for which designs swap was full: where they differ in it, and where it was full for all."""
    from dse.measuring.fullness import MOST, apart

    halves = {
        design: [figures.value(design, "swap_in", metric, stat="mean", age="aged") for metric in (FULL, MEMCG_FULL)] for design in designs
    }
    shares = {design: max((x for x in found if x is not None), default=None) for design, found in halves.items()}
    known = [share for share in shares.values() if share is not None]
    if known and min(known) > MOST:
        return ["Most swap-ins of every design saw swap full (half of the slots, or of swap.max, used) and dropped the cache copy."]
    if not known or not apart(max(known), min(known)):
        return []
    full = [design for design, share in shares.items() if share is not None and share > MOST]
    return [
        (
            f"Most swap-ins of {', '.join(full)} saw swap full (half of the slots, or of swap.max, used) and dropped the cache copy,"
            " hardly any of another design did: that is a matter of the slots or the limit given, and no finding is made between the two."
        )
    ]


def moved(figures: Figures, base: str, run: About) -> list[str]:
    """Say what the rate of moves that was asked for came to, and what still moves where none was."""
    try:
        asked = float(reading.parsed_json(run["scenario_json"])["moves"]["rate"])
    except (KeyError, TypeError, ValueError):
        return []
    out, moves = (
        sum(figures.value(base, op, "demands", stat="total", age="aged") or 0.0 for op in ops)
        for ops in (("swap_out", "clean_drop"), ("move",))
    )
    if not out or not (asked or moves):
        return []
    if not asked:
        return [f"Nothing was asked to move, and zswap's own writeback still moved {moves / out:.2g} pages for each page that went out."]
    return [f"moves.rate={asked:g} was asked for; {moves / out:.2g} moves a page that went out happened, zswap's writeback included."]


def _turnovers(run: About) -> str:
    """Age of the last window in words."""
    turnover, asked = float(run.get("turnover", 0.0)), float(run.get("warm_turnover", 0.0))
    few = f", fewer than the {asked:g} that count as aged" if turnover < asked else ""
    return f"{turnover:.1f} turnovers of the swapped pages{few}"


def paragraph(rows: Sequence[Figure], run: About, command: str) -> str:
    """Say in words what the tables of one variant mean, and under which conditions."""
    figures = Figures(rows)
    from dse.naming import split

    designs = split(str(run["designs"]))
    base = designs[0]
    timed = bool(run["timed"])
    said = [_sentence(figures, design, stands_on(design, designs), timed) for design in designs[1:]]
    open_ = [
        f"{row['op']} of {row['design']} against {row['baseline']} ({row['age']})"
        for row in rows
        if row["metric"] == "ratio" and row["op"] in SHOWN and str(row["status"]).startswith("incon")
    ]
    if open_:
        said.append(f"Inconclusive, {len(open_)} of the ratios: {', '.join(open_[:4])}{' ...' if len(open_) > 4 else ''}.")
    said += [text for text in (precision(run), footnotes.latencies(run)) if text]
    said += _fullness(figures, designs)
    said += moved(figures, base, run)
    avoided = figures.value(base, "avoided", "demands", stat="total") or 0
    swapped = figures.value(base, "page", "swapped_pages") or 0
    said.append(
        f"{closed.named(run)} ({avoided:,.0f} faults avoided on {base}); pages swapped out at the end: {swapped:,.0f}; "
        f"fresh: right after the first page went out, aged: at the end of {run['demands']:,} demands, after {_turnovers(run)}; "
        f"{_times(run)}. Not modelled: {run['not_modelled']}. "
        f"Content tokens were checked on {run['verified_demands']:,} demands a design: none lost."
    )
    said.append(f"Counters {run['counters_hash'][:16]}, from: {command}")
    return " ".join(said)


def show(found: dict[str, Any]) -> None:
    """Print a comparison: for each variant its tables, the designs with a recorded kernel, and the paragraph."""
    from dse.grounding.marks import said
    from dse.naming import split

    command = found["provenance"]["command"]
    for number, run in enumerate(found["provenance"]["runs"]):
        rows = [row for row in found["rows"] if row["scenario"] == run["label"]]
        designs = split(run["designs"])
        if number:
            output.write("")
        output.write(f"{run['label']}: {run['trace']}, seed {run['seed']}\n{footnotes.statuses(designs)}")
        layers = headline(rows, designs)
        if layers and len(naming.references(designs)) > 1:
            kinds = "ratios, ns: measured; lines, locks, B: counted"
            output.write(f"\nLayers against what they may stand on (aged; {kinds}; tax: what a lifetime costs more)")
            output.emit(layers, "table")
        shares = "shares: modelled" + (f", {run['parameters']['said']}" if run.get("parameters") else "")
        for age in ("fresh", "aged"):
            table = operations(rows, designs, age)
            if table:
                output.write(f"\nPer operation, {age} (lines, locks, structures: counted means; ns: measured; {shares})")
                output.emit(table, "table")
                for text in footnotes.tails(rows, designs, SHOWN, age):
                    output.write(text)
        if run.get("loop") == "closed":
            output.write("\nMemory and faults in a closed loop (counted pages, faults; resident: as many as fit, a mean over the accesses)")
            output.emit(closed.table(Figures(rows), designs), "table")
        large = whole.table(rows, designs, whole.asked_of(run))
        if large:
            output.write("\nLarge folios on their way out, by the page, aged (counted)")
            output.emit(large, "table")
        before = ahead.table(rows, designs)
        if before:
            output.write("\nReadahead, by the page, aged (counted)")
            output.emit(before, "table")
        _zap(rows, designs, run)
        table = allocated(rows, designs, "aged")
        if table:
            kinds = "counted objects, without the backend's own" + "; waits for RCU: modelled, a mean for one CPU" * bool(run["timed"])
            output.write(f"\nAllocated and freed, aged ({kinds})")
            output.emit(table, "table")
        output.write("\nPer swapped page at the end (counted, tax ns: measured; tax: what a lifetime out, written, in costs more)")
        output.emit(pages(rows, designs), "table")
        kernels = said(designs)
        if kernels:
            output.write("\n" + kernels)
        output.write("\n" + paragraph(rows, run, command))
        output.write(footnotes.WORDS)


def _zap(rows: Sequence[Figure], designs: Sequence[str], run: About) -> None:
    """Print the table of zap by PTE, and what the exit of the process costs."""
    gib = exits.leaving(run)
    table = exits.table(rows, designs, gib, states(rows))
    if table:
        output.write("\nZap, by PTE, aged (ns, s: measured; the rest: counted)")
        output.emit(table, "table")
    for text in exits.lines(rows, run):
        output.write(text)
