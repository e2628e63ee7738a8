"""First lines of a sweep: who wins, how certain that is, whether yardsticks agree, what moves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dse.common import reading
from dse.sweeps import objectives as obj
from dse.sweeps.axes import text_of
from dse.sweeps.measure import EACH, SAID

Rows = Sequence[Mapping[str, Any]]
YARDSTICKS = {"by_lines": "lines", "by_locks": "locks", "by_bytes": "bytes"}
MOST = 4


def parsed(cell: Any) -> Any:
    """A cell of a stored table, which is JSON where it is not a scalar; what is no text is given back."""
    if not isinstance(cell, str):
        return cell
    try:
        return reading.parsed_json(cell)
    except ValueError:
        return None


def place(environment: Any) -> str:
    """Write an environment."""
    found = parsed(environment) or {}
    return ", ".join(f"{name} {text_of(value)}" for name, value in found.items()) or "everywhere"


def bare(design: str | None) -> str:
    """Name of a design without parameters."""
    return (design or "").partition("[")[0]


def several(n: int, what: str) -> str:
    """Write a number of things."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def tally(names: Sequence[str]) -> str:
    """Write who wins how often.

    Examples
    --------
    >>> tally(["direct", "swap_id", "direct"])
    'direct 2, swap_id 1'
    """
    counts = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    rest = sum(n for _, n in counts[MOST:])
    return ", ".join(f"{name} {n}" for name, n in counts[:MOST]) + (f", others {rest}" if rest else "")


def voting(winners: Rows) -> list[Mapping[str, Any]]:
    """Rows of environments that have a say: more than one design was compared there, and the baseline was tried if the space has it."""
    return [row for row in winners if row["runner_up"] and row.get("baseline") is not False]


def unheard(winners: Rows) -> int:
    """Number of environments that have no say because the baseline was not tried there."""
    return sum(row.get("baseline") is False for row in winners)


def silent(winners: Rows) -> list[str]:
    """Say how many environments with a result have no say, and why."""
    n = unheard(winners)
    alone = len(winners) - len(voting(winners)) - n
    said = [f"{alone:,} more with one design each {'are' if alone > 1 else 'is'} left out"] if alone else []
    return said + ([f"{n:,} more without the baseline {'have' if n > 1 else 'has'} no vote"] if n else [])


def open_(row: Mapping[str, Any]) -> bool:
    """Return True if another design that was tried may be cheaper."""
    return row["certain"] is False and (row.get("whole") is not False or bool(parsed(row["tied"])))


def sure(row: Mapping[str, Any]) -> str:
    """Write how certain the winner of an environment is, as a cell."""
    if row["certain"] is False and not open_(row):
        return among(row)
    return {True: "yes", False: "no"}.get(row["certain"], "-")


def among(row: Mapping[str, Any]) -> str:
    """Write among which of the designs a winner is the cheapest, where not everything was tried.

    Examples
    --------
    >>> among({"tried": 2, "of": 5}), among({"tried": 5, "of": 5})
    ('of 2/5', 'of tried')
    """
    return f"of {row['tried']}/{row['of']}" if row["tried"] < row["of"] else "of tried"


def lacking(rows: Rows) -> list[str]:
    """Say in how many environments not all designs were tried, or not all of their variants."""
    partly = [row for row in rows if row.get("whole") is False]
    designs = sum(row["tried"] < row["of"] for row in partly)
    said = [f"in {designs} of {len(rows)} not all designs were tried"] if designs else []
    return said + ([f"in {len(partly) - designs} of {len(rows)} not all variants were tried"] if len(partly) > designs else [])


def among_tried(about: Mapping[str, Any]) -> str:
    """Caution of what follows from a part of the space, as a phrase behind a comma; empty where all of it was tried, or is not known."""
    tried, size = about.get("covered"), about.get("size")
    return "" if tried is None or size is None or tried >= size else ", among what was tried"


def only_tried(about: Mapping[str, Any]) -> str:
    """The same caution as a sentence of its own, below a table."""
    return "Among what was tried; the sweep is partial." if among_tried(about) else ""


def partial(about: Mapping[str, Any], tables: Mapping[str, Rows], over: str = EACH) -> list[str]:
    """Say that a sweep is partial, and how much of its space it evaluated; nothing where that is all, or is not known."""
    tried, size, places = about.get("covered"), about.get("size"), about.get("places") or 0
    if tried is None or size is None or not among_tried(about):
        return []
    begun = len(tables["winners"]) + len(tables.get("missing", ())) if over == EACH else places
    where = f", in {begun:,} of {places:,} environments" if begun < places else ""
    return [f"PARTIAL: {tried:,} of {size:,} configurations were tried{where}; what was not may be cheaper."]


def without(missing: Rows, places: int | None) -> list[str]:
    """Say how many environments have no result, and why.

    Parameters
    ----------
    missing : sequence of mappings
        From :func:`dse.sweeps.covering.without_result`. Reasons that differ in figures alone are told once.
    places : int or None
        Environments of the space.
    """
    if not missing:
        return []
    alike: dict[str, list[str]] = {}
    for row in missing:
        alike.setdefault(re.sub(r"\d[\d.,_]*", "#", str(row["reason"])), []).append(str(row["reason"]))
    groups = sorted(alike.values(), key=lambda reasons: (-len(reasons), reasons[0]))
    said = [
        reasons[0] + " and the like" * (len(set(reasons)) > 1) + f" (in {len(reasons)})" * (len(groups) > 1) for reasons in groups
    ]  # fmt: skip
    several_ = "have" if len(missing) > 1 else "has"
    of = several(places or len(missing), "environment")
    return [f"{len(missing):,} of {of} {several_} no result: {'; '.join(said[:MOST])}{'; ...' * (len(said) > MOST)}."]


def fallen(trials: Rows) -> tuple[str, int]:
    """Say how many trials have no figures, and how many are beyond a constraint; with the number of the others."""
    numbers = {row["number"] for row in trials}
    failed = {row["number"] for row in trials if row["status"] != "ok"}
    beyond = {row["number"] for row in trials if not row["feasible"]} - failed
    parts = [f"{len(some):,} {what}" for some, what in ((failed, "of them infeasible or failed"), (beyond, "beyond a constraint")) if some]
    return f" ({', '.join(parts)})" * bool(parts), len(numbers - failed - beyond)


def nobody(winners: Rows) -> str:
    """Say why no design wins anything."""
    n = unheard(winners)
    if n:
        return f"No design wins: in {several(n, 'environment')} the baseline was not tried, and without it there is no vote."
    return "No environment has more than one design, so that none wins."


def winning(winners: Rows, objective: str, over: str = EACH) -> list[str]:
    """Say who wins by the deciding objective, how certain that is, and how often a layer does."""
    compared, left = voting(winners), silent(winners)
    if not compared and unheard(winners):
        return [nobody(winners)]
    if not compared:
        return [f"In none of {several(len(winners), 'environment')} was more than one design evaluated, so that none wins."]
    kinds = Counter(str(row["kind"] or obj.kind(objective)) for row in compared)
    kind = ", ".join(f"{name} in {n}" for name, n in kinds.most_common()) if len(kinds) > 1 else next(iter(kinds))
    if over != EACH:
        row = compared[0]
        return [f"Judged by {SAID[over]}, {row['design']} is the cheapest by {objective} ({kind}); {_certainty(compared)}."]
    layers = sum(bool(row["layer"]) for row in compared)
    more = f" ({'; '.join(left)})" if left else ""
    text = f"By {objective} ({kind}), the cheapest in {several(len(compared), 'environment')}: "
    text += tally([bare(row["design"]) for row in compared])
    return [f"{text}. A layer of indirection wins in {layers} of {len(compared)}{more}; {_certainty(compared)}."]


def _certainty(compared: Rows) -> str:
    """Say in how many environments another design may be cheaper."""
    doubtful, untried = [row for row in compared if open_(row)], lacking(compared)
    if not doubtful:
        within = "within the uncertainty of the times" if any(row["kind"] in ("modelled", "measured") for row in compared) else "as counted"
        tried = " that was tried" if untried else ""
        text = f"{within}, no other design{tried} may be cheaper" + (" in any of them" if len(compared) > 1 else "")
        return "; ".join([text, *untried])
    tied = Counter(bare(name) for row in doubtful for name in dict.fromkeys(bare(n) for n in parsed(row["tied"]) or ()))
    names = ", ".join(name for name, _ in tied.most_common(MOST))
    if len(compared) == 1:
        return "; ".join([f"undecided: {names} may be cheaper", *untried])
    return "; ".join([f"undecided in {len(doubtful)}, where {names} may be cheaper", *untried])


def agreement(winners: Rows, orders: Rows, objective: str, tried: str = "") -> list[str]:
    """Say where lines, locks or bytes name another winner, and which designs they order the other way round; `tried` is a caution."""
    compared = voting(winners)
    out = []
    names = {name: key for key, name in YARDSTICKS.items()}
    apart = {
        name: [row for row in compared if row.get(key) and bare(row[key]) != bare(row["design"])]
        for name, key in names.items()
    }  # fmt: skip
    said = [
        f"by {name} another design wins in {len(rows)} ({tally([bare(row[names[name]]) for row in rows])})"
        for name, rows in apart.items() if rows
    ]  # fmt: skip
    if said:
        out.append(f"Yardsticks disagree{tried}: of {several(len(compared), 'environment')}, {'; '.join(said)}.")
    winning_ = {bare(row["design"]) for row in compared}
    for row in sorted(orders, key=lambda row: winning_.isdisjoint((row["design"], row["other"])))[:2]:
        costs, counts = parsed(row["costs"]), parsed(row["counts"])
        unit = obj.unit(objective).partition("/")[0]
        out.append(
            f"By {row['by']} {row['other']} is cheaper than {row['design']} in {row['environments']} of {row['of']}, by {objective} it is "
            f"dearer: {counts[1]:.4g} against {counts[0]:.4g} {row['by']}, {costs[1]:,.4g} against {costs[0]:,.4g} {unit} "
            f"({place(row['environment'])})."
        )
    return out


def moving(moves: Rows) -> list[str]:
    """Say which rates of moves were delivered for those that were asked for, and what still moves where none was."""
    if not moves:
        return []
    by: dict[float, list[float]] = {}
    for row in moves:
        by.setdefault(row["asked"], []).append(row["delivered"])
    pairs = [
        f"{asked:g} gives {min(got):.2g}" + (f" to {max(got):.2g}" if f"{max(got):.2g}" != f"{min(got):.2g}" else "")
        for asked, got in sorted(by.items())
    ]  # fmt: skip
    out = [f"moves.rate asked and delivered (moves a page that goes out, zswap's writeback among them): {', '.join(pairs)}."]
    still = [row for row in moves if not row["asked"] and row["delivered"] > 0]
    if still:
        out.append(
            f"At moves.rate=0 zswap's own writeback still moves pages in {several(len(still), 'environment')}, up to "
            f"{max(row['delivered'] for row in still):.2g} for each page that goes out (backend.writeback=false stops it)."
        )
    return out


def paying(breakeven: Rows, objective: str, tried: str = "") -> list[str]:
    """Say from which delivered rate of moves on the best layer beats the best design without one, and whether lines say the same.

    `tried` is the caution of :func:`among_tried`.
    """
    out = []
    for name in dict.fromkeys([objective, obj.yardstick(objective, obj.LINES)]):
        overall = [row for row in breakeven if row["design"] == "any layer" and (row["objective"] or objective) == name]
        if not overall:
            continue
        counts = Counter(row["status"] for row in overall)
        rates = sorted(row["rate"] for row in overall if row["status"] == "above" and row["rate"] is not None)
        words = {"always": "pays at every rate", "never": "never pays", "below": "pays below a rate only"}
        said = [f"{words[status]} in {n}" for status, n in counts.items() if status in words]
        if rates:
            reach = f"{rates[0]:.3g}" if f"{rates[0]:.3g}" == f"{rates[-1]:.3g}" else f"{rates[0]:.3g} to {rates[-1]:.3g}"
            said.insert(0, f"pays from {reach} moves a page that goes out on in {len(rates)}")
        where = several(len(overall), "condition")
        asked = " (rates asked for, not delivered)" if any(row["axis"] == "asked" for row in overall) else ""
        out.append(f"By {name}, best layer against best design without, over {where}{tried}: {', '.join(said)}{asked}.")
    return out


def first_lines(tables: Mapping[str, Rows], about: Mapping[str, Any], objective: str, over: str = EACH) -> list[str]:
    """The answer of a sweep in words.

    Parameters
    ----------
    tables : mapping
        Results of :func:`dse.sweep`, or the tables of a stored study.
    about : mapping
        Its provenance.
    objective, over : str
        The deciding objective, and the measure over environments.
    """
    winners, before = tables["winners"], partial(about, tables, over)
    missing, tried = without(tables.get("missing", ()), about.get("places")), among_tried(about)
    if not winners:
        return [*before, *missing]
    return [
        *before, *winning(winners, objective, over), *missing, *agreement(winners, tables.get("orders", ()), objective, tried),
        *paying(tables["breakeven"], objective, tried), *moving(tables.get("moves", ())),
    ]  # fmt: skip
