"""Parallel coordinates of a study: design, choices and objectives of the configurations of an environment, a line each."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dse.reports.model import Parallel, Part
from dse.sweeps import wording

MOST, WEAK_MOST, AXES_MOST = 4, 150, 9
"""Environments, dominated configurations of each and axes that are drawn, at most."""
MISSING = "(none)"
"""Choice that a design does not have."""
Drawn = tuple[str, int]
Rows = Sequence[Mapping[str, Any]]


def parallels(
    trials: Rows, objectives: Mapping[str, str], kinds: str, drawn: Callable[[str], Drawn], where: Callable[[str], str]
) -> list[Part]:
    """Make the figures of environments, evenly spread over all.

    Parameters
    ----------
    trials : sequence of mapping
        Rows of the table ``trials``.
    objectives : mapping of str to str
        Names of the objectives by what the figure calls them.
    kinds : str
        Kinds of the figures.
    drawn : callable
        Name in the legend and colour of a design with its parameters.
    where : callable
        Words for an environment.

    Returns
    -------
    list of Parallel
        Of environments with a front.
    """
    places: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in trials:
        if row["status"] == "ok":
            one = places[row["environment"]].setdefault(row["number"], {"row": row, "values": {}})
            one["values"][row["objective"]] = row["value"]
    found = {place: one for place, one in places.items() if any(made["row"]["front"] for made in one.values())}
    more = f" {MOST} of {len(found):,} environments." if len(found) > MOST else ""
    picked = [list(found)[round(i * (len(found) - 1) / max(1, MOST - 1))] for i in range(MOST)] if more else list(found)
    return [_one(where(place), list(found[place].values()), objectives, kinds, drawn, more) for place in picked]


def choices(made: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Choices in which configurations of the front differ, with all values that are drawn; those with the most on the front first."""
    every: dict[str, dict[str, None]] = defaultdict(dict)
    front: dict[str, dict[str, None]] = defaultdict(dict)
    names = dict.fromkeys(name for one in made for name in one["choices"])
    for one in made:
        for name in names:
            value = one["choices"].get(name, MISSING)
            every[name][value] = None
            if one["row"]["front"]:
                front[name][value] = None
    kept = sorted((name for name in names if len(front[name]) > 1), key=lambda name: (name != "design", -len(front[name])))
    return {name: sorted(every[name], key=lambda text: (text != MISSING, text)) for name in kept}


def _one(
    title: str, made: list[dict[str, Any]], objectives: Mapping[str, str], kinds: str, drawn: Callable[[str], Drawn], more: str
) -> Parallel:
    """Figure of one environment."""
    for one in made:
        found = wording.parsed(one["row"]["params"])
        known = found if isinstance(found, dict) else {}
        text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in known.items() if name != "design"}
        one["choices"] = {"design": one["row"]["design"].partition("[")[0], **text}
    weak = [one for one in made if not one["row"]["front"]]
    step = max(1, -(-len(weak) // WEAK_MOST))
    shown = weak[step - 1 :: step] + [one for one in made if one["row"]["front"]]
    axes = dict(list(choices(shown).items())[: max(0, AXES_MOST - len(objectives))])
    lines = []
    for one in shown:
        name, group = drawn(one["row"]["design"])
        values = [*(one["choices"].get(axis, MISSING) for axis in axes), *(one["values"].get(objective) for objective in objectives)]
        lines.append({"name": name, "group": group, "values": values, "front": bool(one["row"]["front"]), "label": one["row"]["design"]})
    note = f"Each line is a configuration; strong ones are on the front, and least is best.{more}"
    note += f" Of {len(weak):,} dominated configurations every {step}th is drawn." if step > 1 else ""
    named = [*axes.items(), *((text, []) for text in objectives.values())]
    return Parallel(f"Parallel coordinates: {title}", kinds, named, lines, note)
