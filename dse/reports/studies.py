"""The report of a study: front, winners, break-even, sensitivity, regret."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from dse.reports.model import Cell, Cloud, Document, Map, Part, Plot, Range, Ranges, Section, Series, Table, short

RATE = "moves.rate"
MOST_CURVES, MOST_REGRETS, WEAK_MOST = 6, 12, 4000
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
    if isinstance(value, Mapping):
        return ",".join(f"{name}={share:g}" for name, share in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def place(environment: Mapping[str, Any], without: str = "") -> str:
    """Write an environment."""
    return ", ".join(f"{name} {said(value)}" for name, value in environment.items() if name != without) or "everywhere"


def parsed(text: Any) -> dict[str, Any]:
    """Read a cell that is JSON; an empty one where it is not."""
    try:
        found = json.loads(text or "{}")
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def bare(design: str) -> str:
    """Name of a design without parameters."""
    return design.partition("[")[0]


class Study:
    """Stored tables of a study, sorted for showing: designs that win come first, so that their colours differ."""

    def __init__(self, name: str, tables: Tables) -> None:
        self.name, self.tables = name, tables
        found = list(tables.get("provenance") or [{}])
        self.about: Mapping[str, Any] = found[0] if found else {}
        self.trials = tables["trials"]
        wins = Counter(bare(row["design"]) for row in tables["winners"])
        wins.update(Counter({bare(row["design"]): 0 for row in self.trials}))
        fronts = Counter(bare(row["design"]) for row in self.trials if row["front"])
        base = bare(str(self.about.get("baseline") or ""))
        self.designs = sorted(wins, key=lambda name: (name != base, -wins[name], -fronts[name], name))
        self.objectives: list[str] = list(dict.fromkeys(row["objective"] for row in self.trials))
        self.kinds = {row["objective"]: row["kind"] for row in self.trials}
        self.units = {row["objective"]: row["unit"] for row in self.trials}
        self.winner = str(self.about.get("winner") or (self.objectives[0] if self.objectives else ""))

    def group(self, design: str) -> int:
        """Colour and marker of a design."""
        return self.designs.index(bare(design)) if bare(design) in self.designs else 0

    def named(self, objective: str) -> str:
        """An objective with its unit."""
        return f"{objective} [{self.units.get(objective, '')}]"


def several(n: int, what: str) -> str:
    """A number of things."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def winning(study: Study) -> str:
    """Who wins where: of the environments in which more than one design was evaluated, for alone nobody wins."""
    compared = [row for row in study.tables["winners"] if row["margin"] is not None]
    alone = len(study.tables["winners"]) - len(compared)
    if not compared:
        return f"In none of {several(alone, 'environment')} was more than one design evaluated, so that none wins."
    wins = Counter(bare(row["design"]) for row in compared)
    ranked = ", ".join(f"{name} in {n}" for name, n in wins.most_common(4))
    layered, more = sum(bool(row["layer"]) for row in compared), f" ({alone:,} more with one design each are left out)" if alone else ""
    return (
        f"By {study.winner}, the cheapest in {several(len(compared), 'environment')}: {ranked}. "
        f"A layer of indirection wins in {layered} of {len(compared)}{more}."
    )


def answer(study: Study) -> list[str]:
    """Say in words what the study found."""
    numbers = {row["number"] for row in study.trials}
    failed = {row["number"] for row in study.trials if row["status"] != "ok"}
    front = {row["number"] for row in study.trials if row["front"]}
    fell = f" ({len(failed):,} of them infeasible or failed)" if failed else ""
    over = ", ".join(parsed_list(study.about.get("objectives")) or study.objectives)
    text = f"{len(numbers):,} configurations of {len(study.designs)} designs{fell}; {len(front):,} are on the Pareto front of {over}"
    out = [f"{text}, all minimised."]
    if study.tables["winners"]:
        out.append(winning(study))
    overall = [row for row in study.tables["breakeven"] if row["design"] == "any layer"]
    if overall:
        counts = Counter(row["status"] for row in overall)
        rates = sorted(row["rate"] for row in overall if row["status"] == "above" and row["rate"] is not None)
        text = f"Best layer against best design without, over {several(len(overall), 'condition')}: "
        words = {"always": "pays at every migration rate", "never": "never pays", "below": "pays below a rate only"}
        said_ = [f"{words[status]} in {n}" for status, n in counts.items() if status in words]
        if rates:
            reach = f"{short(rates[0])}" if rates[0] == rates[-1] else f"{short(rates[0])} to {short(rates[-1])}"
            said_.insert(0, f"pays from {reach} moves per swapped lifetime on in {len(rates)}")
        out.append(text + ", ".join(said_) + ".")
    whole = [row for row in study.tables["regret"] if row["environments"] == row["of"]]
    if whole and whole[0]["of"] > 1:  # in one environment the best is the best
        best = whole[0]
        out.append(
            f"The fixed choice with the least regret is {best['design']}: {best['mean']:.1%} above the best of each environment on "
            f"average, {best['worst']:.1%} at worst ({place(parsed(best['worst_environment']))})."
        )
    return out


def parsed_list(text: Any) -> list[str]:
    """Read a cell that is a JSON list of names."""
    try:
        found = json.loads(text or "[]")
    except (TypeError, ValueError):
        return []
    return [str(item) for item in found] if isinstance(found, list) else []


def cloud(study: Study) -> Cloud | None:
    """Every configuration over the objectives; beyond 4,000 only every n-th of those that are not on the front."""
    by: dict[int, dict[str, Any]] = {}
    for row in study.trials:
        if row["status"] == "ok":
            one = by.setdefault(row["number"], {"row": row, "values": {}})
            one["values"][row["objective"]] = row["value"]
    if not by:
        return None
    weak = sum(not one["row"]["front"] for one in by.values())
    step = max(1, -(-weak // WEAK_MOST))
    points, seen = [], 0
    for number, one in sorted(by.items()):
        row = one["row"]
        if not row["front"]:
            seen += 1
            if seen % step:
                continue
        values = [one["values"].get(name) for name in study.objectives]
        figures = ", ".join(f"{n} {short(v)}" for n, v in zip(study.objectives, values, strict=True) if v is not None)
        state = "on the front" if row["front"] else "dominated" if row["feasible"] else "violates a constraint"
        label = f"{row['design']} at {place(parsed(row['environment']))}: {figures} ({state}, trial {number})"
        name = bare(row["design"])
        points.append({"name": name, "group": study.group(name), "values": values, "front": row["front"], "label": label})
    points.sort(key=lambda p: (p["group"], not p["front"]))
    note = "Large: on the front over all objectives at once, so that some lie above another's two." + (
        f" Of {weak:,} dominated configurations every {step}th is drawn." if step > 1 else ""
    )
    kinds = ", ".join(dict.fromkeys(study.kinds.values()))
    last = study.objectives.index("bytes_per_page") if "bytes_per_page" in study.objectives else min(1, len(study.objectives) - 1)
    first = 0 if last else min(1, len(study.objectives) - 1)
    return Cloud("Configurations and the Pareto front", kinds, [study.named(n) for n in study.objectives], points, (first, last), note)


def _columns(environments: Sequence[Mapping[str, Any]]) -> str:
    """The axis that runs across: the migration rate, else the one with the most values."""
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
    """Who wins which environment."""
    rows = [(parsed(row["environment"]), row) for row in study.tables["winners"]]
    if not rows:
        return None
    across = _columns([environment for environment, _ in rows])
    columns = [said(v) for v in sorted({json.dumps(e.get(across)): e.get(across) for e, _ in rows}.values(), key=_rank)]
    cells: dict[str, dict[str, Cell]] = defaultdict(dict)
    for environment, row in rows:
        other, gap = bare(row["runner_up"] or ""), row["margin"]
        margin = "alone" if gap is None else f"by {gap:.1%} over {other}" if gap >= TIE else f"even with {other}"
        cells[place(environment, across)][said(environment.get(across))] = Cell(row["design"], study.group(row["design"]), margin)
    title = f"Winners by {study.winner}"
    kind = study.kinds.get(study.winner, "counted")
    body = [(name, [found.get(column) for column in columns]) for name, found in sorted(cells.items())]
    return Map(title, kind, "environment", across, columns, body, "Margin: what the best of any other design costs more, as a share.")


def curves(study: Study) -> list[Part]:
    """Cost over migration rate, best layer against best without, a chart for each condition; all break-even points as a table."""
    parts: list[Part] = []
    for row in study.tables["breakeven"]:
        if row["design"] != "any layer" or len(parts) >= MOST_CURVES:
            continue
        points = json.loads(row["curve"] or "[]")
        series = [
            Series(name, group, [p[0] for p in points], [p[i] for p in points], line=True)
            for i, (name, group) in enumerate((("best with a layer", 0), ("best without", 1)), 1)
        ]
        words = {
            "above": f"A layer pays above {short(row['rate'] or 0)} moves per lifetime.", "always": "A layer is cheaper at every rate.",
            "never": "A layer is never cheaper.", "below": f"A layer pays below {short(row['rate'] or 0)} moves per lifetime only.",
        }  # fmt: skip
        title, kind = place(parsed(row["environment"])), study.kinds.get(study.winner, "counted")
        parts.append(Plot(title, kind, "moves per swapped lifetime", study.named(study.winner), series, words.get(row["status"], "")))
    rows = [
        {"conditions": place(parsed(row["environment"])), "layer": row["design"], "against": row["against"],
         "pays": f"{row['status']} {short(row['rate'])}" if row["rate"] is not None else row["status"]}
        for row in study.tables["breakeven"]
    ]  # fmt: skip
    return [*parts, Table("Break-even points", study.kinds.get(study.winner, "counted"), rows)] if rows else parts


def sensitivity(study: Study) -> list[Part]:
    """Importance of each axis for each objective, and which of them flip the verdict."""
    found = study.tables["sensitivity"]
    blocks = []
    for objective in dict.fromkeys(row["objective"] for row in found):
        rows = [row for row in found if row["objective"] == objective and row["importance"] is not None]
        rows.sort(key=lambda row: -row["importance"])
        block = [Range(row["axis"], 0 if row["role"] == "choice" else 1, row["importance"]) for row in rows]
        if block:
            blocks.append((study.named(objective), block))
    parts: list[Part] = []
    note = "Variance left when this axis alone varies, as a share of all (total effect). Round: ours to choose; square: given to us."
    if blocks:
        parts.append(Ranges("Importance of axes", "counted", "share of the variance", blocks, note=note))
    flips = [
        {"axis": row["axis"], "role": row["role"], "objective": row["objective"], "flips": row["flips"], "of": row["groups"]}
        for row in found if row["flips"]
    ]  # fmt: skip
    flips.sort(key=lambda row: -row["flips"])
    note = "A flip: of configurations that differ in this axis alone, a layer beats the best without at one value and not at another."
    return [*parts, Table("What flips the verdict on layers", "counted", flips, note)] if parts else []


def regret(study: Study) -> list[Part]:
    """Table of what a fixed choice loses."""
    rows = [
        {"design": row["design"], "environments": f"{row['environments']} of {row['of']}", "mean": f"{row['mean']:.1%}",
         "worst": f"{row['worst']:.1%}", "worst in": place(parsed(row["worst_environment"]))}
        for row in study.tables["regret"][:MOST_REGRETS]
    ]  # fmt: skip
    return [Table("Regret of a fixed choice", study.kinds.get(study.winner, "counted"), rows)] if rows else []


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


def document(name: str, tables: Tables) -> Document:
    """Make the report of a study.

    Parameters
    ----------
    name : str
        The study.
    tables : mapping
        Its tables: trials, winners, breakeven, sensitivity, regret, confirmed, provenance.

    Returns
    -------
    Document
        Front, winners, break-even, sensitivity, regret, confirmations, ledger, provenance.
    """
    from dse.reports.runs import fill_curves

    study = Study(name, {"winners": [], "breakeven": [], "sensitivity": [], "regret": [], "confirmed": [], **tables})
    front, map_ = cloud(study), winners(study)
    bytes_ = fill_curves(study.designs, {"zswap": 1.0})
    sections = [
        Section("Pareto front", "", [] if front is None else [front]),
        Section("Who wins where", "", [] if map_ is None else [map_]),
        Section("Where a layer pays", "Cost over how often a page's data moves while it is swapped out.", curves(study)),
        Section("Confirmed by timing", "Measured afterwards; nothing measured steered the search.", confirmed(study)),
        Section("What matters", "", sensitivity(study)),
        Section("Regret", "", regret(study)),
        Section("Bytes", "", [] if bytes_ is None else [bytes_]),
    ]
    about = study.about
    keys = (
        "study", "created", "command", "space", "space_digest", "sampler", "seed", "trials", "wanted", "evaluated", "seconds", "host",
        "code_digest", "commit", "packages", "objectives", "winner", "baseline", "document",
    )  # fmt: skip
    provenance = {key: about.get(key) for key in keys}
    timed = "in the runs of the confirmations" if study.tables["confirmed"] else "nothing was timed: counted and modelled figures"
    provenance["A/A noise"] = timed
    title = f"{about.get('space') or name}: what a layer costs and where it pays"
    return Document(name, title, answer(study), study.designs, [s for s in sections if s.parts], provenance)
