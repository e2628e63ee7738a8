"""The rule ``share``: the reads beside which the time that a design adds is small."""

from __future__ import annotations

from collections.abc import Sequence

from dse.asking.agreeing import grouped, sign, state_of
from dse.asking.points import Point
from dse.asking.saying import Said, written
from dse.asking.studies import STATE, Rule, Study
from dse.common import output
from dse.modelling import latency
from dse.naming import shortened

READS = ("zswap", "zram", "ssd", "hdd")
"""Backends that a verdict is given for."""
DIGITS = 3
UNDECIDED = "undecided"


def share(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """Read beside which each design's additional time is at most the limit, and a yes or no for every backend; none where it adds none.

    Parameters
    ----------
    study : Study
        Its points are nanoseconds beyond the baseline's.
    rule : Rule
        Its limit is the share of a read.
    points : sequence of Point
    """
    last = None if not study.values or study.axis == STATE else study.values[-1]
    groups = {design: group for (at, design), group in grouped(study, points).items() if at == last and design != study.designs[0]}
    order = sorted(groups, key=lambda design: -(groups[design][0].value or 0.0))
    figures = {design: _said(study, rule, groups[design]) for design in order}
    dearer = [design for design in order if _dearer(groups[design])]
    doubtful = [design for design in order if any(p.status != "ok" or p.value is None for p in groups[design])]
    cheaper = [design for design in order if design not in dearer and design not in doubtful]
    parts = [figures[design] for design in dearer]
    parts += [f"not dearer: {', '.join(figures[design] for design in cheaper)}"] if cheaper else []
    parts += [f"not settled: {', '.join(figures[design] for design in doubtful)}"] if doubtful else []
    table = [row for design in order for row in _rows(study, rule, groups[design], design in dearer)]
    return Said(
        "inconclusive" if doubtful and len(doubtful) == len(order) else "number", {study.designs[0]: "0"} | figures,
        (*order, study.designs[0]), len(doubtful), len(order), "; ".join(parts), tuple(table), line="; ".join(parts[:1]),
        caption=f"{rule.unit}: more than with {study.designs[0]}; yes: below {_percent(rule)} of a read", note=_reads(),
    )  # fmt: skip


def _dearer(group: Sequence[Point]) -> bool:
    """True if it costs more in every state of the caches."""
    return all(p.status == "ok" and sign(p, 0.0) == 1 for p in group)


def _percent(rule: Rule) -> str:
    return f"{100 * rule.limit:g} %"


def _read(ns: float, rule: Rule) -> str:
    """The read of which some nanoseconds are the limit."""
    return f"{output.number(ns / rule.limit / 1000.0, DIGITS)} us"


def word(rule: Rule, group: Sequence[Point], backend: str) -> str:
    """``yes``, ``no`` or undecided: is the time below the limit of a typical read from a backend, in every state, by its interval?"""
    most = rule.limit * latency.backend_read(backend).typical
    spans = [(p.value if p.lo is None else p.lo, p.value if p.hi is None else p.hi) for p in group]
    if all(hi is not None and hi <= most for _, hi in spans):
        return "yes"
    return "no" if all(lo is not None and lo > most for lo, _ in spans) else UNDECIDED


def _said(study: Study, rule: Rule, group: Sequence[Point]) -> str:
    """Outcome of a design in words."""
    name, p = shortened(group[0].design), group[0]
    unit = f" {rule.unit}" if rule.unit else ""
    others = [q for q in group[1:] if q.value is not None]
    if p.value is None:
        return f"{name} ({p.status})"
    if not _dearer(group):
        more = "".join(f", {written(q.value, rule, signed=True)} {state_of(study, q)}" for q in others)
        return f"{name} {written(p.value, rule, p.lo, p.hi, signed=True)}{unit}{more}"
    beside = "".join(f", {state_of(study, q)} {written(q.value, rule, signed=True)}{unit}: {_read(q.value or 0.0, rule)}" for q in others)
    words = {backend: word(rule, group, backend) for backend in READS}
    by = [f"{kind} for {', '.join(b for b in READS if words[b] == kind)}" for kind in ("yes", "no", UNDECIDED) if kind in words.values()]
    text = f"{name} {written(p.value, rule, p.lo, p.hi, signed=True)}{unit}, below {_percent(rule)} where a read takes over "
    return f"{text}{_read(p.value, rule)}{f' ({beside[2:]})' if beside else ''}: {', '.join(by)}"


def _rows(study: Study, rule: Rule, group: Sequence[Point], dearer: bool) -> list[dict[str, str]]:
    """Rows of the answer's table, one a state of the caches. A design that is not dearer has no read and no yes or no."""
    out = []
    for p in group:
        mark = "" if p.status == "ok" else " ?"
        row = {"design": shortened(p.design)} | ({"caches": state_of(study, p)} if state_of(study, p) else {})
        row |= {rule.unit or "more": written(p.value, rule, p.lo, p.hi, signed=True) + mark}
        row |= {f"{_percent(rule)} of": _read(p.value, rule) if dearer and p.value is not None else "-"}
        out.append(row | {backend: word(rule, [p], backend).replace(UNDECIDED, "?") if dearer else "-" for backend in READS})
    return out


def _reads() -> str:
    """The reads that the words rest on."""
    found = [latency.backend_read(backend) for backend in READS]

    def us(ns: float) -> str:
        return output.number(ns / 1000.0, DIGITS)

    said = ", ".join(
        f"{read.name.partition('.')[0]} {us(read.typical)} us"
        + (f" ({us(read.low)} to {us(read.high)})" if read.low != read.high else "")
        + ("" if read.verdict else ", without readahead")
        for read in found
    )
    return f"Yes and no are of typical reads (docs/parameters.md): {said}."
