"""Report of a study: front, winners, break-even, sensitivity, regret."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dse.common import hints
from dse.common.options import RESULTS
from dse.reports import environments
from dse.reports.model import Cell, Cloud, Document, Map, Part, Plot, Range, Ranges, Section, Series, Table, short
from dse.reports.parallels import parallels
from dse.sweeps import wording
from dse.sweeps.axes import text_of
from dse.sweeps.measure import EACH, SAID
from dse.sweeps.wording import bare, several

RATE = "moves.rate"
MOST_CLOUDS, MOST_VARIANTS = 6, 14
MOST_CURVES, MOST_REGRETS, WEAK_MOST = 6, 12, 4000
CERTAIN = (
    "Margin: what the best of any other design costs more, as a share. Undecided: another design may be cheaper, within what a dependent "
    "load and an atomic may cost, or within the interval of the measurement. Of 2/5 (designs), of tried: what was not tried may be cheaper."
)
TIE = 0.0005  # a margin that would be written 0.0 %
Rows = Sequence[Mapping[str, Any]]
Tables = Mapping[str, Rows]


def said(value: Any) -> str:
    """Write a value of an axis.

    Examples
    --------
    >>> said({"zswap": 0.5, "ssd": 0.5}), said(0.25), said("cyclic")
    ('zswap=0.5,ssd=0.5', '0.25', 'cyclic')
    """
    return text_of(value)


def place(environment: Mapping[str, Any], without: str = "") -> str:
    """Write an environment."""
    return ", ".join(f"{name} {said(value)}" for name, value in environment.items() if name != without) or "everywhere"


def column(environment: Mapping[str, Any], without: str = "") -> tuple[str, str]:
    """Name and cell of the column of environments in a table: axes and values, each once.

    Examples
    --------
    >>> column({"moves.rate": 0.5, "backend.mix": {"ssd": 1.0}}), column({})
    (('moves.rate; backend.mix', '0.5; ssd=1'), ('environment', 'everywhere'))
    """
    held = {name: said(value) for name, value in environment.items() if name != without}
    return "; ".join(held) or "environment", "; ".join(held.values()) or "everywhere"


def parsed(text: Any) -> dict[str, Any]:
    """Read a cell that is JSON; return an empty one if it is not."""
    found = wording.parsed(text or "{}")
    return found if isinstance(found, dict) else {}


class Study:
    """Stored tables of a study, sorted for showing: designs that win come first, so that their colours differ.

    A legend names a variant with its parameters; of many variants only the base is kept, which other designs are drawn under.
    """

    def __init__(self, name: str, tables: Tables) -> None:
        self.name, self.tables = name, tables
        found = list(tables.get("provenance") or [{}])
        self.about: Mapping[str, Any] = found[0] if found else {}
        self.trials = tables["trials"]
        variants = list(dict.fromkeys(row["design"] for row in self.trials))
        self.short = len(variants) > MOST_VARIANTS
        wins = Counter(self.legend(row["design"]) for row in tables["winners"])
        wins.update(Counter({self.legend(text): 0 for text in variants}))
        fronts = Counter(self.legend(row["design"]) for row in self.trials if row["front"])
        base = str(self.about.get("baseline") or "")
        self.designs = sorted(wins, key=lambda name: (name != base, -wins[name], -fronts[name], name))
        every = list(dict.fromkeys(row["objective"] for row in self.trials))
        self.objectives: list[str] = parsed_list(self.about.get("objectives")) or every
        self.kinds = {row["objective"]: row["kind"] for row in self.trials}
        self.units = {row["objective"]: row["unit"] for row in self.trials}
        self.winner = str(self.about.get("winner") or (self.objectives[0] if self.objectives else ""))
        self.over = str(parsed(self.about.get("over")).get("measure") or EACH)

    def legend(self, design: str) -> str:
        """Name under which a variant is drawn."""
        if not self.short:
            return design
        base = next((item for item in design.partition("[")[2].rstrip("]").split(",") if item.startswith("base=")), None)
        return f"{bare(design)}[{base}]" if base else bare(design)

    def group(self, design: str) -> int:
        """Colour and marker of a design."""
        name = self.legend(design)
        return self.designs.index(name) if name in self.designs else 0

    def named(self, objective: str) -> str:
        """Write an objective with its unit."""
        return f"{objective} [{self.units.get(objective, '')}]"


def answer(study: Study) -> list[str]:
    """Answer of a study, in words."""
    numbers = {row["number"] for row in study.trials}
    fell, fit = wording.fallen(study.trials)
    over = ", ".join(study.objectives)
    fronts = {row["environment"] for row in study.trials if row["front"]}
    counted = {row["number"] for row in study.trials if row["front"]}
    text = f"{len(numbers):,} configurations of {several(len({bare(row['design']) for row in study.trials}), 'design')}{fell}"
    out = wording.first_lines(study.tables, study.about, study.winner, study.over)
    if study.over != EACH:
        out.append(f"{text}; the front of {over} is one over all environments, {SAID[study.over]}; all minimised.")
    elif counted:
        out.append(f"{text}; {len(counted):,} are on the Pareto fronts of {over} in {several(len(fronts), 'environment')}, all minimised.")
    else:
        out.append(f"{text}; {'no Pareto front of an environment is stored' if fit else 'none is on a Pareto front'}.")
    tried = wording.among_tried(study.about)
    whole = [row for row in study.tables["regret"] if row["environments"] == row["of"]]
    if whole and whole[0]["of"] > 1:  # with one environment the best is the winner
        best = whole[0]
        out.append(
            f"The fixed choice with the least regret{tried}{',' * bool(tried)} is {best['design']}: {best['mean']:.1%} above the best of "
            f"each environment on average, {best['worst']:.1%} at worst ({place(parsed(best['worst_environment']))})."
        )
    return out


def parsed_list(text: Any) -> list[str]:
    """Read a cell that is a JSON list of names."""
    found = wording.parsed(text or "[]")
    return [str(item) for item in found] if isinstance(found, list) else []


def clouds(study: Study) -> list[Part]:
    """Configurations over the objectives, a cloud for each environment: costs in different ones are not compared."""
    places: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in study.trials:
        if row["status"] == "ok":
            one = places[row["environment"]].setdefault(row["number"], {"row": row, "values": {}})
            one["values"][row["objective"]] = row["value"]
    more = f" The first {MOST_CLOUDS} of {len(places):,} environments." if len(places) > MOST_CLOUDS else ""
    return [_cloud(study, place(parsed(where)), found, more) for where, found in list(places.items())[:MOST_CLOUDS]]


def _cloud(study: Study, where: str, by: Mapping[int, Mapping[str, Any]], more: str) -> Cloud:
    """One environment; beyond 4,000 only every n-th configuration of those that are not on the front."""
    weak = [number for number in sorted(by) if not by[number]["row"]["front"]]
    step = max(1, -(-len(weak) // WEAK_MOST))
    shown = set(weak[step - 1 :: step]) | (by.keys() - set(weak))
    points = []
    for number in sorted(shown):
        row, found = by[number]["row"], by[number]["values"]
        values = [found.get(name) for name in study.objectives]
        figures = ", ".join(f"{n} {short(v)}" for n, v in zip(study.objectives, values, strict=True) if v is not None)
        state = "on the front" if row["front"] else "dominated" if row["feasible"] else "violates a constraint"
        label = f"{row['design']}: {figures} ({state}, trial {number})"
        points.append({
            "name": study.legend(row["design"]), "group": study.group(row["design"]), "values": values, "front": bool(row["front"]),
            "label": label, "design": row["design"],
        })  # fmt: skip
    points.sort(key=lambda p: (p["group"], not p["front"]))
    what = "over all environments" if study.over != EACH else "of this environment"
    note = f"Large: on the front {what}, over all objectives at once, so that some lie above another's two.{more}"
    note += f" Of {len(weak):,} dominated configurations every {step}th is drawn." if step > 1 else ""
    kinds = ", ".join(dict.fromkeys(study.kinds.get(name, "counted") for name in study.objectives))
    last = study.objectives.index("bytes_per_page") if "bytes_per_page" in study.objectives else min(1, len(study.objectives) - 1)
    first = 0 if last else min(1, len(study.objectives) - 1)
    title = f"Configurations and the Pareto front: {where}"
    return Cloud(title, kinds, [study.named(n) for n in study.objectives], points, (first, last), note)


def across(study: Study) -> list[Part]:
    """Configurations as lines across their choices and objectives, a figure for each environment."""
    kinds = ", ".join(dict.fromkeys(study.kinds.get(name, "counted") for name in study.objectives))

    def drawn(design: str) -> tuple[str, int]:
        return study.legend(design), study.group(design)

    return parallels(study.trials, {n: study.named(n) for n in study.objectives}, kinds, drawn, lambda text: place(parsed(text)))


def _columns(environments: Sequence[Mapping[str, Any]]) -> str:
    """Axis that runs across: the migration rate, else the one with the most values."""
    counts: dict[str, set[str]] = defaultdict(set)
    for environment in environments:
        for name, value in environment.items():
            counts[name].add(said(value))
    if RATE in counts:
        return RATE
    return max(counts, key=lambda name: len(counts[name])) if counts else ""


def _rank(value: Any) -> tuple[int, float, str]:
    """Order numbers by size, the rest as text."""
    return (0, float(value), "") if isinstance(value, (int, float)) else (1, 0.0, said(value))


def winners(study: Study) -> Map | None:
    """Map the winner of each environment."""
    rows = [(parsed(row["environment"]), row) for row in study.tables["winners"]]
    if not rows:
        return None
    across = _columns([environment for environment, _ in rows])
    columns = [said(v) for v in sorted({json.dumps(e.get(across)): e.get(across) for e, _ in rows}.values(), key=_rank)]
    cells: dict[str, dict[str, Cell]] = defaultdict(dict)
    for environment, row in rows:
        other, gap = bare(row["runner_up"] or ""), row["margin"]
        if gap is None:
            margin = f"measured, before {other}" if other else "alone"
        else:
            margin = f"by {gap:.1%} over {other}" if gap >= TIE else f"even with {other}"
        margin += "" if row["certain"] is not False else ", undecided" if wording.open_(row) else f", {wording.among(row)}"
        cells[column(environment, across)[1]][said(environment.get(across))] = Cell(row["design"], study.group(row["design"]), margin)
    title = f"Winners by {study.winner}"
    kind = study.kinds.get(study.winner, "counted")
    body = [(name, [found.get(column) for column in columns]) for name, found in sorted(cells.items())]
    name = column(rows[0][0], across)[0]
    return Map(title, kind, name, across, columns, body, CERTAIN)


def yardsticks(study: Study) -> list[Part]:
    """Tabulate the winners with their certainty, bytes, and who wins by other yardsticks."""
    rows = [
        {**dict([column(parsed(row["environment"]))]), "winner": row["design"], "by": row["kind"], study.winner: row["value"],
         "gap": "-" if row["gap"] is None else f"{short(row['gap'])} [{short(row['lo'])}, {short(row['hi'])}]",
         "certain": wording.sure(row), "B/page": row["bytes"], "by lines": row["by_lines"],
         "by locks": row["by_locks"], "by bytes": row["by_bytes"]}
        for row in study.tables["winners"] if row["kind"] is not None
    ]  # fmt: skip
    note = f"Gap: what the best of another design costs more, {study.units.get(study.winner, '')}, with the least and the most it may be."
    kinds = list(dict.fromkeys(str(row["by"]) for row in rows))
    if len(kinds) == 1:
        rows = [{name: cell for name, cell in row.items() if name != "by"} for row in rows]
    return [Table("Winners and other yardsticks", ", ".join(kinds), rows, note)] if rows else []


def points_of(text: Any) -> list[list[Any]]:
    """Read a cell that is a JSON list of a rate and two costs each; return an empty one if it is not."""
    try:
        return [[float(p[0]), *(None if v is None else float(v) for v in (p[1], p[2]))] for p in wording.parsed(text or "[]")]
    except (TypeError, ValueError, LookupError):
        return []


def curves(study: Study) -> list[Part]:
    """Draw cost over migration rate, best layer against best without, a chart for each condition; list break-even points in a table."""
    parts: list[Part] = []
    tried = wording.only_tried(study.about)
    for row in study.tables["breakeven"]:
        if row["design"] != "any layer" or len(parts) >= MOST_CURVES or (row["objective"] or study.winner) != study.winner:
            continue
        points = points_of(row["curve"])
        series = [
            Series(name, group, [p[0] for p in points], [p[i] for p in points], line=True)
            for i, (name, group) in enumerate((("best with a layer", 0), ("best without", 1)), 1)
        ]
        unit = "moves a page that goes out (delivered)" if row["axis"] != "asked" else "moves asked for a swapped lifetime"
        words = {
            "above": f"A layer pays above {short(row['rate'] or 0)} {unit}.", "always": "A layer is cheaper at every rate.",
            "never": "A layer is never cheaper.", "below": f"A layer pays below {short(row['rate'] or 0)} {unit} only.",
        }  # fmt: skip
        title, kind = place(parsed(row["environment"])), study.kinds.get(study.winner, "counted")
        parts.append(Plot(title, kind, unit, study.named(study.winner), series, f"{words.get(row['status'], '')} {tried}".strip()))
    rows = [
        {"by": row["objective"] or study.winner, **dict([column(parsed(row["environment"]))]), "layer": row["design"],
         "against": row["against"],
         "pays": f"{row['status']} {short(row['rate'])}" if row["rate"] is not None else row["status"]}
        for row in study.tables["breakeven"]
    ]  # fmt: skip
    kinds = ", ".join(dict.fromkeys(study.kinds.get(row["by"], "counted") for row in rows))
    return [*parts, Table("Break-even points, by delivered rate of moves", kinds, rows, tried)] if rows else parts


def sensitivity(study: Study) -> list[Part]:
    """Importance of each axis for each objective, and which of them flip the verdict."""
    found = study.tables["sensitivity"]
    blocks = []
    for objective in dict.fromkeys(row["objective"] for row in found):
        shares: dict[str, list[float]] = defaultdict(list)
        for row in found:
            if row["objective"] == objective and row["importance"] is not None and row["role"] == "choice":
                shares[row["axis"]].append(row["importance"])
        ranked = sorted(shares.items(), key=lambda item: -sum(item[1]) / len(item[1]))
        block = [Range(axis, 0, sum(known) / len(known), min(known), max(known)) for axis, known in ranked]
        if block:
            blocks.append((study.named(objective), block))
    parts: list[Part] = []
    note = (
        "Variance left when this choice alone varies, as a share of all in that environment (total effect): mean, and least to most of the "
        "environments."
    )
    kinds = ", ".join(dict.fromkeys(study.kinds.get(row["objective"], "counted") for row in found))
    if blocks:
        parts.append(Ranges("Importance of choices", kinds, "share of an environment's variance", blocks, note=note))
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in found:
        both = sums[row["axis"], row["role"], row["objective"]]
        both[0] += row["flips"]
        both[1] += row["groups"]
    flips: list[dict[str, Any]] = [
        {"axis": axis, "role": role, "objective": objective, "flips": n, "of": groups}
        for (axis, role, objective), (n, groups) in sums.items() if n
    ]  # fmt: skip
    flips.sort(key=lambda row: -int(row["flips"]))
    note = "A flip: of configurations that differ in this axis alone, a layer beats the best without at one value and not at another."
    return (
        [*parts, Table("What flips the verdict on layers", "counted", flips, f"{note} {wording.only_tried(study.about)}".strip())]
        if parts or flips
        else []
    )


def regret(study: Study) -> list[Part]:
    """Tabulate the loss of a fixed choice."""
    rows = [
        {"design": row["design"], "environments": f"{row['environments']} of {row['of']}", "mean": f"{row['mean']:.1%}",
         "worst": f"{row['worst']:.1%}", "worst in": place(parsed(row["worst_environment"]))}
        for row in study.tables["regret"][:MOST_REGRETS]
    ]  # fmt: skip
    return (
        [Table("Regret of a fixed choice", study.kinds.get(study.winner, "counted"), rows, wording.only_tried(study.about))] if rows else []
    )


def confirmed(study: Study) -> list[Part]:
    """Timed confirmations, compared within a host only."""
    hosts: dict[str, dict[str, list[Range]]] = defaultdict(lambda: defaultdict(list))
    for row in study.tables.get("confirmed", []):
        if row["value"] is None or row["unit"] != "x":
            continue
        text = f"{row['value']:.2f} {str(row['status']).partition(':')[0]}"
        hosts[row["host"]][f"{row['op']} ({place(parsed(row['environment']))})"].append(
            Range(row["design"], study.group(row["design"]), row["value"], row["lo"], row["hi"], text)
        )
    parts: list[Part] = [
        Ranges(f"Timed on {host}", "measured", "times the baseline", list(blocks.items()), 1.0, "Interleaved pairs, 95 % interval.")
        for host, blocks in hosts.items()
    ]
    open_ = [
        {"design": row["design"], "operation": row["op"], "environment": place(parsed(row["environment"])), "why": row["status"],
         "host": row["host"]}
        for row in study.tables.get("confirmed", []) if row["value"] is None
    ]  # fmt: skip
    return [*parts, Table("Timed without a figure", "measured", open_)] if open_ else parts


def document(name: str, tables: Tables, results: str | Path = RESULTS) -> Document:
    """Make the report of a study.

    Parameters
    ----------
    name : str
        The study.
    tables : mapping
        Its tables: trials, winners, breakeven, sensitivity, regret, confirmed, provenance.
    results : path
        Folder that it is stored in, for the commands that are hinted at.

    Returns
    -------
    Document
        Front, winners, break-even, sensitivity, regret, confirmations, ledger, provenance.
    """
    from dse.reports.runs import fill_curves

    empty: Tables = {key: [] for key in ("winners", "patched", "orders", "moves", "breakeven", "sensitivity", "regret", "confirmed")}
    study = Study(name, {**empty, **tables})
    map_ = winners(study)
    bytes_ = fill_curves(study.designs, {"zswap": 1.0})
    sections = [
        Section("Who wins where", "", [] if map_ is None else [map_, *yardsticks(study)]),
        Section("Pareto fronts", "", clouds(study)),
        Section("Choices and objectives", "", across(study)),
        Section("Where a layer pays", "Cost over how often a page's data moves while it is swapped out.", curves(study)),
        Section("Confirmed by timing", "Measured afterwards; nothing measured steered the search.", confirmed(study)),
        Section("What matters", "", sensitivity(study)),
        Section("Regret", "", regret(study)),
        Section("Bytes", "", [] if bytes_ is None else [bytes_]),
    ]
    about = study.about
    keys = (
        "study", "created", "command", "space", "space_digest", "sampler", "seed", "trials", "wanted", "evaluated", "seconds", "host",
        "code_digest", "commit", "packages", "objectives", "winner", "baseline", "over", "environments", "places", "size", "covered",
        "document",
    )  # fmt: skip
    provenance = {key: about.get(key) for key in keys}
    timed = "in the runs of the confirmations" if study.tables["confirmed"] else "nothing was timed: counted and modelled figures"
    provenance["A/A noise"] = timed
    title = f"{about.get('space') or name}: what a layer costs and where it pays"
    words = ("report", name, "--format", "text", "--full"), ("sweep", "--resume", name)
    more = [hints.command("dse", *some, results=results) for some in words]
    head = environments.head(study.tables, about, study.winner, study.over, more)
    return Document(name, title, answer(study), study.designs, [s for s in sections if s.parts], provenance, head)
