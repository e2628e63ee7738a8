"""Head of a sweep: which design wins in which environments, how sure that is, what it is worth, what would change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dse import naming
from dse.reports.model import Bar, Head
from dse.sweeps import objectives as obj
from dse.sweeps import wording
from dse.sweeps.axes import text_of
from dse.sweeps.measure import EACH, SAID

Rows = Sequence[Mapping[str, Any]]
PATCHED = "*patched"
"""Mark of rows in which only designs that exist as patches or in a kernel were compared."""
TODAY = "swap_table_p4"
MOST = 4
"""Most groups that are named with their environments."""


@dataclass(frozen=True)
class Group:
    """Environments with the same verdict.

    Attributes
    ----------
    design : str
    certain : bool or None
        False: another design may be cheaper. None: no other design was evaluated.
    open : bool
        A design that was tried may be cheaper. Without it one that was not tried may be.
    rows : tuple of mapping
        The winners' rows.
    """

    design: str
    certain: bool | None
    open: bool
    rows: tuple[Mapping[str, Any], ...]

    def span(self, column: str, scale: float = 1.0, form: str = ",.0f") -> str:
        """Least and most of a column, once where they are written alike; ``-`` where it is not known."""
        known = [float(row[column]) * scale for row in self.rows if row.get(column) is not None]
        if not known:
            return "-"
        ends = [f"{value:{form}}" for value in (min(known), max(known))]
        return ends[0] if ends[0] == ends[1] else f"{ends[0]}..{ends[1]}"

    @property
    def among(self) -> str:
        """Among which designs the winner is the cheapest for certain, where not everything was tried; empty where all was."""
        partly = [row for row in self.rows if row.get("whole") is False]
        if not partly:
            return ""
        tried, of = sorted({int(row["tried"]) for row in partly}), max(int(row["of"]) for row in partly)
        ends = "..".join(str(n) for n in dict.fromkeys((tried[0], tried[-1])))
        return f"{ends} of {of} designs" if tried[0] < of else "the variants"

    @property
    def kinds(self) -> list[str]:
        """Kinds of figures that decided."""
        return list(dict.fromkeys(str(row["kind"]) for row in self.rows if row["kind"]))

    @property
    def rivals(self) -> list[str]:
        """Designs that may be cheaper, without parameters, the most frequent first."""
        names = [name for row in self.rows for name in dict.fromkeys(map(wording.bare, wording.parsed(row["tied"]) or ()))]
        return sorted(dict.fromkeys(names), key=lambda name: -names.count(name))


def grouped(winners: Rows) -> list[Group]:
    """Group environments by winner and certainty, the largest group first."""
    found: dict[tuple[str, bool | None, bool], list[Mapping[str, Any]]] = {}
    for row in winners:
        found.setdefault((str(row["design"]), row["certain"], wording.open_(row)), []).append(row)
    groups = [Group(*key, tuple(rows)) for key, rows in found.items()]
    return sorted(groups, key=lambda group: (-len(group.rows), group.design, not group.certain, group.open))


def where(group: Group, winners: Rows) -> str:
    """Say which environments a group has: the values of the axes on which it has not all.

    Returns
    -------
    str
        A phrase that goes on after the design. ``mostly`` comes first where other environments have these values too.
    """
    mine, every = ([wording.parsed(row["environment"]) or {} for row in rows] for rows in (group.rows, winners))
    held = {axis: dict.fromkeys(text_of(place.get(axis)) for place in mine) for axis in dict.fromkeys(a for place in every for a in place)}
    told = {axis: values for axis, values in held.items() if len(values) < len({text_of(place.get(axis)) for place in every})}
    if len(mine) == len(every):
        return "in all of them" if len(every) > 1 else "there"
    if not told:
        return "in some, which no axis tells apart"
    alike = sum(all(text_of(place.get(axis)) in values for axis, values in told.items()) for place in every)
    text = "where " + ", ".join(f"{axis} {' or '.join(values)}" for axis, values in told.items())
    return text if alike == len(mine) else f"mostly {text}"


def _row(group: Group, of: int) -> tuple[str, ...]:
    """Cells of a group."""
    status = naming.status_of(group.design).partition(",")[0].split(" in ")[0] or "-"
    sure = {True: "yes", False: "no", None: "alone"}[group.certain]
    if group.certain is False and not group.open:
        cells = list(dict.fromkeys(map(wording.among, group.rows)))
        sure = cells[0] if len(cells) == 1 else "of tried"
    margin = group.span("margin", 100.0, "+.0f")
    more = margin if margin == "-" else f"{margin} %"
    return (group.design, f"{len(group.rows)}/{of}", status, sure, group.span("value", form=",.4g"), group.span("bytes"), more)


def _bar(group: Group) -> Bar | None:
    """Cost of the next design beyond the winner's, in percent: mean, least and most of the environments."""
    known = [100 * row["margin"] for row in group.rows if row.get("margin") is not None]
    return Bar(sum(known) / len(known), min(known), max(known)) if known else None


def finding(groups: Sequence[Group], winners: Rows, objective: str) -> list[str]:
    """Say who wins where, as sentences."""
    out = []
    for group in groups[:MOST]:
        seconds = [wording.bare(row["runner_up"]) for row in group.rows]
        before = f"before {max(dict.fromkeys(seconds), key=seconds.count)}"
        if group.open:
            sure = f"undecided: {' or '.join(group.rivals[:2]) or 'others'} may be cheaper"
        else:
            sure = f"for certain {before}" if group.certain else f"{before}, among {group.among} tried"
        out.append(f"{naming.shortened(group.design)} {where(group, winners)} ({len(group.rows)} of {len(winners)}, {sure})")
    rest = sum(len(group.rows) for group in groups[MOST:])
    return [f"Cheapest by {objective}: " + "; ".join(out) + (f"; others in {rest}" if rest else "") + "."] if out else []


def caution(winners: Rows, patched: Rows) -> list[str]:
    """Say which winners were described in words only, and who wins among designs that exist as patches or in a kernel.

    Parameters
    ----------
    winners, patched : sequences of mappings
        Winners of all designs, and of those for which :func:`dse.naming.proposed` is False.
    """
    words = [name for name in dict.fromkeys(wording.bare(row["design"]) for row in winners) if naming.proposed(name)]
    if not words:
        return []
    names = " and ".join(words)
    n = sum(naming.proposed(wording.bare(row["design"])) for row in winners)
    status = "; ".join(dict.fromkeys(naming.status_of(name) for name in words))
    text = f"No verdict on {names}, cheapest in {n}: only {status}, modelled with the few steps that the text names; what it leaves out "
    out = [f"{text}costs nothing here."]
    if patched:
        counts = wording.tally([wording.bare(row["design"]) for row in patched])
        open_ = sum(map(wording.open_, patched))
        rivals = [name for group in grouped(patched) for name in group.rivals]
        sure = "among those tried" if wording.lacking(patched) else "for certain"
        said = f"undecided in {open_}, where {' or '.join(list(dict.fromkeys(rivals))[:2])} may be cheaper" if open_ else sure
        out.append(f"With patches, cheapest: {counts} ({said}).")
    return out


def head(tables: Mapping[str, Rows], about: Mapping[str, Any], objective: str, over: str = EACH, more: Sequence[str] = ()) -> Head | None:
    """Head of a sweep.

    Parameters
    ----------
    tables : mapping
        ``winners``, ``patched``, ``missing``, ``orders``, ``breakeven``, ``moves``: results of :func:`dse.sweep`, or
        the tables of a stored study.
    about : mapping
        Its provenance.
    objective : str
        The deciding objective.
    over : str
        Measure over environments (:mod:`dse.sweeps.measure`).
    more : sequence of str
        Next commands.

    Returns
    -------
    Head or None
        None where no design won anything.
    """
    winners = wording.voting(tables["winners"])
    if not winners:
        return None
    patched = wording.voting(tables.get("patched", ()))
    groups = grouped(winners)
    kind = ", ".join(dict.fromkeys(k for group in groups for k in group.kinds)) or obj.kind(objective)
    unit = obj.unit(objective)
    places = about.get("places") or len(winners)
    each = f"in each of {wording.several(len(winners), 'environment')}"
    each = f"in {len(winners):,} of {places:,} environments" if len(winners) < places else each
    asked = each if over == EACH else f"over all environments ({SAID[over]})"
    told = caution(winners, patched)
    partly, missing = wording.partial(about, tables, over), wording.without(tables.get("missing", ()), about.get("places"))
    rows, bars = [_row(g, len(winners)) for g in groups], [_bar(g) for g in groups]
    if told:
        below = grouped(patched)
        rows += [(name, f"{n}*", *cells) for name, n, *cells in (_row(g, len(patched)) for g in below)]
        bars += [_bar(g) for g in below]
    columns = (
        ("winner", ""), ("wins in", PATCHED * bool(told and patched)), ("status", ""), ("sure", ""), (objective, unit),
        ("memory", "B a page"), ("next", "costs more"),
    )  # fmt: skip
    digest = ", ".join(f"{name} {str(about[key])[:16]}" for name, key in (("space", "space_digest"), ("code", "code_digest"))
                       if about.get(key))  # fmt: skip
    return Head(
        f"Which design is the cheapest {asked} of {about.get('space') or 'the space'}?",
        (*partly, *finding(groups, winners, f"{objective} ({kind})"), *missing, *told), columns, tuple(rows), tuple(bars), 6,
        "Bars: what the best of another design costs more, in percent, from the least to the most of the environments.", (), (),
        _sure(winners, kind, wording.silent(tables["winners"])), tuple(_changes(tables, winners, objective, wording.among_tried(about))),
        ((f"Next: {', '.join(more)}",) if more else ()) + (f"Repeat: {about.get('command')}" + f" ({digest})" * bool(digest),),
    )  # fmt: skip


def _sure(winners: Rows, kind: str, silent: Sequence[str]) -> tuple[str, ...]:
    """Say how sure the winners are, and which environments are `silent`."""
    parts = [f"{sum(map(wording.open_, winners))} of {len(winners)} undecided", *wording.lacking(winners), *silent]
    text = f"Sure: {'; '.join(parts)}; "
    if "modelled" in kind:
        return (text + "times are modelled from counts (least and most a load and an atomic may cost); --confirm N times N designs.",)
    return (text + ("times are measured, with 95 % intervals." if kind == "measured" else "counts are exact."),)


def _changes(tables: Mapping[str, Rows], winners: Rows, objective: str, tried: str) -> list[str]:
    """Say what would change the answer: another yardstick, the rate of moves; `tried` is the caution of a partial sweep."""
    said = []
    for key, name in wording.YARDSTICKS.items():
        apart = [row for row in winners if row.get(key) and wording.bare(row[key]) != wording.bare(row["design"])]
        if apart:
            said.append(f"by {name} {wording.tally([_marked(row[key]) for row in apart])}")
    out = [f"What would change it{tried}: {'; '.join(said)}." if said else f"Lines, locks and bytes name the same winners{tried}."]
    rows = tables.get("breakeven", ())
    if any(naming.proposed(wording.bare(row["design"])) for row in winners):
        return out + moving(rows, objective, tried)
    return out + wording.paying(rows, objective, tried)[:1]


def _marked(design: str) -> str:
    """Name of a design, with a mark where it was only proposed."""
    name = wording.bare(design)
    return f"{name} (only proposed)" if naming.proposed(name) else name


def moving(breakeven: Rows, objective: str, tried: str = "") -> list[str]:
    """Say from which rate of moves each layer that exists as patches pays against today's kernel; `tried` is a caution.

    Returns
    -------
    list of str
        One sentence, or nothing where there is no such layer. A rate is in moves for each page that goes out, as delivered.
    """
    layers: dict[str, list[Mapping[str, Any]]] = {}
    for row in breakeven:
        name = wording.bare(str(row["design"]).partition(" on ")[0])
        if (
            row["against"] == TODAY
            and (row["objective"] or objective) == objective
            and naming.status_of(name)
            and not naming.proposed(name)
        ):
            layers.setdefault(str(row["design"]), []).append(row)
    said = [f"{name} {_pays(rows)}" for name, rows in layers.items()]
    return [f"If pages move while out, against {TODAY}{tried}: {'; '.join(said)}."] if said else []


def _pays(rows: Rows) -> str:
    """Say in how many conditions a layer pays from which rate on.

    Examples
    --------
    >>> _pays([{"status": "never", "rate": None}, {"status": "above", "rate": 0.25}])
    'pays above 0.25 moves a page in 1 of 2, never in 1'
    """
    counts = {status: sum(row["status"] == status for row in rows) for status in ("above", "below", "always", "never")}
    if counts["never"] == len(rows):
        return f"never pays (in {len(rows)})"
    if counts["always"] == len(rows):
        return f"always pays (in {len(rows)})"
    rates = sorted(float(row["rate"]) for row in rows if row["status"] == "above" and row["rate"] is not None)
    ends = [f"{rate:.2g}" for rate in (rates[0], rates[-1])] if rates else []
    parts = [f"pays above {'..'.join(dict.fromkeys(ends))} moves a page in {len(rates)} of {len(rows)}"] if rates else []
    return ", ".join([*parts, *(f"{status} in {n}" for status, n in counts.items() if status != "above" and n)])
