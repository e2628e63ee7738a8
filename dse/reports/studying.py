"""The report of a sweep: the answer in words, fronts, winners, break-even, bytes, sensitivity, regret."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from dse.ledgers import ledger
from dse.reports import charts
from dse.reports.page import Report, Section
from dse.sweeps import objectives, studies
from dse.sweeps.analysing import ANY, RATE
from dse.sweeps.space import text_of

FILLS = (0.0, 0.05, 0.25, 0.5, 0.75, 1.0)
LEDGER_SLOTS = 8_388_608
LEDGER_MIX = "zswap=0.7,ssd=0.2,zero=0.1"
MOST_ENVIRONMENTS, MOST_CURVES, MOST_ROWS = 64, 6, 200
Row = dict[str, Any]


class Study:
    """A stored study, its JSON columns read."""

    def __init__(self, results: str | Path, name: str) -> None:
        self.name = studies.find(results, name)
        self.tables = studies.read_tables(results, self.name)
        if not self.tables["trials"]:
            self.tables["trials"] = []
        for rows in self.tables.values():
            for row in rows:
                for key in ("environment", "params", "worst_environment", "curve"):
                    if isinstance(row.get(key), str):
                        row[key] = json.loads(row[key])
        self.about: Row = self.tables["provenance"][0] if self.tables["provenance"] else {}
        self.objectives: list[str] = json.loads(self.about.get("objectives") or "[]")
        self.trials = self._trials()
        self.designs = list(dict.fromkeys(t["design"].partition("[")[0] for t in self.trials))

    def _trials(self) -> list[Row]:
        """A row a trial, values by objective."""
        found: dict[int, Row] = {}
        for row in self.tables["trials"]:
            trial = found.setdefault(row["number"], {k: row[k] for k in ("number", "design", "environment", "status", "feasible", "front")})
            trial.setdefault("values", {})[row["objective"]] = row["value"]
        return list(found.values())

    def series(self, design: str) -> int:
        """Number of a design's colour and shape."""
        return self.designs.index(design.partition("[")[0])


def place(environment: Row, without: tuple[str, ...] = ()) -> str:
    """An environment in words."""
    return ", ".join(f"{k.partition('.')[2]} {text_of(v) or 'default'}" for k, v in environment.items() if k not in without) or "everywhere"


def answer(study: Study) -> list[str]:
    """The answer in words."""
    about, won = study.about, study.tables["winners"]
    layers = [w for w in won if w["layer"]]
    said = [f"{len(study.trials):,} configurations of {about.get('space')}, {about.get('sampler')}, seed {about.get('seed')}."]
    if won:
        by = defaultdict(list)
        for w in won:
            by[w["design"].partition("[")[0]].append(w["margin"] or 0.0)
        parts = [
            f"{name} in {len(m)} (by {min(m):.1%} to {max(m):.1%})" for name, m in sorted(by.items(), key=lambda item: -len(item[1]))
        ]  # fmt: skip
        said.append(
            f"By {about.get('winner')} cost, of {len(won)} environments a layer between page tables and slots wins {len(layers)}. "
            f"Winners: {'; '.join(parts)}."
        )
    for row in [r for r in study.tables["breakeven"] if r["design"] == ANY]:
        what = {
            "above": f"pays above {row['rate'] or 0:.3g} moves per swapped lifetime", "always": "pays at every migration rate tried",
            "below": f"pays below {row['rate'] or 0:.3g} moves per swapped lifetime", "never": "pays at no migration rate tried",
        }[row["status"]]  # fmt: skip
        said.append(f"At {place(row['environment'])}: a layer {what}.")
    if len(said) > 8:
        said = [*said[:8], f"(and {len(said) - 8} environments more, below)"]
    if study.tables["regret"]:
        best = study.tables["regret"][0]
        said.append(
            f"Least regret as a fixed choice: {best['design']}, {best['worst']:.1%} above the best in its worst environment, "
            f"{best['mean']:.1%} on average."
        )
    return said


def _pareto(study: Study) -> tuple[Section, Row]:
    """The Pareto fronts, with controls."""
    names = list(dict.fromkeys([*study.objectives, str(study.about.get("winner"))]))
    titles = [f"{n} [{objectives.unit(n)}]" for n in names]
    places = list(dict.fromkeys(place(t["environment"]) for t in study.trials))
    fit = [t for t in study.trials if t["feasible"]]
    points = [
        {"d": t["design"], "s": study.series(t["design"]), "e": places.index(place(t["environment"])), "v": [t["values"].get(n) for n in names]}
        for t in fit
    ]  # fmt: skip
    x, y = 0, names.index("bytes_per_page") if "bytes_per_page" in names[1:] else min(1, len(names) - 1)
    series: dict[str, list[tuple[float, float, str]]] = {d: [] for d in study.designs}
    for t in [t for t in fit if t["front"]]:
        a, b = t["values"].get(names[x]), t["values"].get(names[y])
        if a is not None and b is not None:
            series[t["design"].partition("[")[0]].append((a, b, f"{t['design']}, {place(t['environment'])}"))
    kinds = {objectives.kind(n) for n in study.objectives}
    front = [
        {"trial": t["number"], "design": t["design"], **{k: text_of(v) for k, v in t["environment"].items()}, **t["values"]}
        for t in fit if t["front"]
    ]  # fmt: skip

    def select(name: str, label: str, options: list[str], chosen: int, every: str = "") -> str:
        first = f'<option value="">{every}</option>' if every else ""
        items = "".join(
            f'<option value="{i}"{" selected" if i == chosen and not every else ""}>{charts.escape(o)}</option>' for i, o in enumerate(options)
        )
        return f'<label>{label} <select id="{name}">{first}{items}</select></label>'

    controls = (
        f"<p>{select('px', 'across', titles, x)}{select('py', 'up', titles, y)}{select('pe', 'environment', places, -1, 'all')}</p>"
        '<p class="note" id="pn" role="status"></p>'
    )
    part = Section(
        "Pareto front", " and ".join(sorted(kinds)),
        f"{len(front)} of {len(study.trials)} trials are on the front of all {len(study.objectives)} objectives (the table). The chart shows "
        "two objectives at a time with their own front; the arrow keys walk along it.",
        charts.scatter(series, titles[x], titles[y], "Pareto front", "pareto"), charts.legend(study.designs), front[:MOST_ROWS], controls,
    )  # fmt: skip
    return part, {"points": points, "titles": titles, "places": places, "shapes": charts.SHAPES}


def _winners(study: Study) -> Section:
    """The winners map: the migration rate across, or the first axis where nothing moves."""
    won = study.tables["winners"][:MOST_ENVIRONMENTS]
    axes = list(dict.fromkeys(axis for w in won for axis in w["environment"]))
    across = RATE if RATE in axes else axes[0] if axes else ""
    cells = {(text_of(w["environment"].get(across, "")), place(w["environment"], (across,))): w for w in won}
    columns, rows = list(dict.fromkeys(c for c, _ in cells)), list(dict.fromkeys(r for _, r in cells))

    def one(column: str, row: str) -> tuple[int, str, str] | None:
        w = cells.get((column, row))
        if w is None:
            return None
        margin = "" if w["margin"] is None else f"+{w['margin']:.1%}"
        return study.series(w["design"]), margin, f"{place(w['environment'])}: {w['design']} at {charts.number(w['value'])}, {margin}"

    table = [
        {**{k: text_of(v) for k, v in w["environment"].items()}, "winner": w["design"], w["objective"]: w["value"], "margin": w["margin"],
         "runner-up": w["runner_up"]}
        for w in study.tables["winners"]
    ]  # fmt: skip
    used = [d for d in study.designs]
    return Section(
        "Who wins where", objectives.kind(str(study.about.get("winner"))),
        f"The cheapest design by {study.about.get('winner')} in each environment; the figure is what the best of another design costs more.",
        charts.grid(columns, rows, one, "winners map", across, ""), charts.legend(used), table,
    )  # fmt: skip


def _breakeven(study: Study) -> list[Section]:
    """Break-even curves of any layer against any design without."""
    out = []
    rows = study.tables["breakeven"]
    table = [
        {**{k: text_of(v) for k, v in r["environment"].items()}, "layer": r["design"], "against": r["against"], "pays": r["status"],
         "rate": r["rate"]}
        for r in rows
    ]  # fmt: skip
    kind = objectives.kind(str(study.about.get("winner")))
    for row in [r for r in rows if r["design"] == ANY][:MOST_CURVES]:
        curves = {"best with a layer": [(c[0], c[1]) for c in row["curve"]], "best without": [(c[0], c[2]) for c in row["curve"]]}
        where = place(row["environment"])
        chart = charts.lines(
            curves, "moves per swapped lifetime", f"{study.about.get('winner')} [{objectives.unit(str(study.about.get('winner')))}]",
            f"break-even at {where}", row["rate"],
        )  # fmt: skip
        out.append(Section(f"Break-even at {where}", kind, "", chart, charts.legend(list(curves)), table if not out else ()))
    if rows and not out:
        out.append(Section("Break-even", kind, "", rows=table))
    return out


def ledger_section(designs: list[str]) -> Section:
    """Counted bytes a slot over the fill level, in closed form."""
    series: dict[str, list[tuple[float, float]]] = {}
    table = []
    for design in designs[: charts.COLOURS]:
        try:
            books = [ledger(design, LEDGER_SLOTS, fill, LEDGER_MIX) for fill in FILLS]
        except Exception as error:  # noqa: BLE001 - a design without a closed form is said, not hidden
            table.append({"design": design, "status": f"{type(error).__name__}: {error}"})
            continue
        series[design] = [(fill, book["total_bytes"] / 2**20) for fill, book in zip(FILLS, books, strict=True)]
        table.append({"design": design, **{f"{fill:.0%}": mib for fill, mib in series[design]}})
    return Section(
        "Bytes over fill level", "counted",
        f"Counted bytes (MiB) of all structures of a 32 GiB device, {LEDGER_MIX}, in closed form; cluster headers left out.",
        charts.lines(series, "fill", "MiB", "bytes over fill level") if series else "", charts.legend(list(series)), table,
    )  # fmt: skip


def _sensitivity(study: Study) -> Section:
    """Importance of each axis for each objective, and flips."""
    rows = study.tables["sensitivity"]
    names = list(dict.fromkeys(r["objective"] for r in rows))
    axes = list(dict.fromkeys(r["axis"] for r in rows))
    by = {(r["axis"], r["objective"]): r for r in rows}
    parts = [(axis, [(n, by[axis, n]["importance"] or 0.0) for n in names if (axis, n) in by]) for axis in axes]
    table = [
        {"axis": axis, "role": next(r["role"] for r in rows if r["axis"] == axis),
         **{n: by[axis, n]["importance"] if (axis, n) in by else None for n in names},
         "flips": sum(by[axis, n]["flips"] or 0 for n in names if (axis, n) in by)}
        for axis in axes
    ]  # fmt: skip
    flips = sorted((t for t in table if t["flips"]), key=lambda t: -t["flips"])
    words = "What is left of an objective's variance when only this axis varies (total effect), stacked over objectives. "
    words += "The verdict on layers flips with: " + (", ".join(f"{t['axis']} ({t['flips']} times)" for t in flips) or "no axis") + "."
    return Section("Sensitivity", "counted", words, charts.bars(parts, names, "share of variance", "sensitivity"), charts.legend(names), table)


def _regret(study: Study) -> Section:
    rows = [
        {"design": r["design"], "environments": f"{r['environments']} of {r['of']}", "mean": f"{r['mean']:.2%}", "worst": f"{r['worst']:.2%}",
         "worst in": place(r["worst_environment"])}
        for r in study.tables["regret"][:20]
    ]  # fmt: skip
    return Section("Regret of a fixed choice", "counted", "What a choice costs above the best of each environment.", rows=rows)


def _confirmed(study: Study) -> list[Section]:
    rows = [r for r in study.tables["confirmed"] if r["value"] is not None]
    if not rows:
        return []
    marks = [
        (f"{r['op']} {r['design']}", r["lo"], r["value"], r["hi"], study.series(r["design"]))
        for r in rows if r["lo"] is not None and r["hi"] is not None
    ]  # fmt: skip
    table = [{k: r[k] for k in ("design", "baseline", "op", "value", "lo", "hi", "n", "status", "host", "run")} for r in rows]
    return [
        Section(
            "Timed confirmation", "measured", "Time against the baseline in interleaved pairs on one host, 95 % intervals; the line is equality.",
            charts.intervals(marks, "times the baseline", "confirmation", 1.0) if marks else "", charts.legend(study.designs), table,
        )
    ]  # fmt: skip


def report(results: str | Path, name: str) -> Report:
    """Make the report of a study."""
    study = Study(results, name)
    pareto, data = _pareto(study)
    won = list(dict.fromkeys(w["design"] for w in study.tables["winners"]))
    picked = list(dict.fromkeys([str(study.about.get("baseline") or "direct"), *won, *study.designs]))
    parts = [pareto, _winners(study), *_breakeven(study), ledger_section(picked), _sensitivity(study), _regret(study), *_confirmed(study)]
    failed: dict[str, int] = defaultdict(int)
    for t in study.trials:
        if t["status"] != "ok":
            failed[t["status"]] += 1
    if failed:
        rows = [{"status": k, "trials": n} for k, n in sorted(failed.items(), key=lambda item: -item[1])]
        parts.append(Section("What could not be evaluated", "counted", "These are results, too.", rows=rows))
    keys = ("command", "created", "space", "space_digest", "sampler", "seed", "trials", "evaluated", "seconds", "code_digest", "commit",
            "host", "packages")  # fmt: skip
    provenance = [(k, str(study.about.get(k))) for k in keys]
    provenance.append(("noise", "nothing was timed" if not study.tables["confirmed"] else "see the runs of the timed confirmation"))
    script = (Path(__file__).parent / "pareto.js").read_text(encoding="utf-8")
    return Report(f"Sweep {study.name}", answer(study), parts, provenance, {"pareto": data}, script)


