"""``dse.validate``: the models against what was published, one row for each yardstick."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from dse import published
from dse.common import output
from dse.errors import BadInput, unknown
from dse.measuring import warming
from dse.yardsticks import PLANS, Bench, Plan, judge
from dse.yardsticks.bench import has
from dse.yardsticks.judging import NOT_REPRODUCIBLE, Judged


def said(figures: list[dict[str, Any]]) -> str | None:
    """Our figures in one line: those of one quantity and of several designs that agree once."""
    values: dict[str, list[str]] = {}
    for figure in figures:
        values.setdefault(figure["quantity"], []).append(output.number(float(figure["ours"])))
    parts = [f"{quantity} {' / '.join(dict.fromkeys(numbers))}" for quantity, numbers in values.items()]
    return "; ".join(parts) or None


def judged(plan: Plan, expected: list[published.Expected], bench: Bench) -> Judged:
    """Read the figures of a yardstick and hold them against the published ones."""
    ours = plan.read(bench)
    if plan.cannot:
        values = {e.quantity: e for e in expected}
        figures: list[dict[str, object]] = [
            {"quantity": f"{where}", "where": where, "published": values[quantity].value, "ours": value, "unit": "", "tolerance": "report",
             "holds": None}
            for quantity, found in ours.items() for where, value in found.items()
        ]  # fmt: skip
        return Judged(NOT_REPRODUCIBLE, plan.cannot, figures)
    skipped = [name for name in plan.timed if name not in ours]
    return judge(expected, ours, plan.missing, skipped)


def validate(only: list[str] | None = None, *, counted_only: bool = False, slots: int | None = None) -> dict[str, Any]:
    """Hold the models against the published yardsticks.

    Figures are read off live structures: states of 2^23 slots (32 GiB) that fill through replay.

    Parameters
    ----------
    only : list of str, optional
        Ids of yardsticks, default all.
    counted_only : bool
        Leave out what needs a clock; the verdicts are then those of the counted parts.
    slots : int, optional
        Slots of the device of the curves, for tests: published tables are of 2^23.

    Returns
    -------
    dict
        ``rows``: for each yardstick id, kind (exact, ratio, trend), check, published, ours, tolerance, verdict (holds, falls short,
        not reproducible, design missing), reason, source, and ``figures``, the single comparisons.

    Raises
    ------
    BadInput
        An unknown id.
    """
    sticks = {stick.id: stick for stick in published.yardsticks()}
    for name in only or ():
        if name not in sticks:
            raise BadInput(unknown("yardstick", name, sticks))
    chosen = [stick for stick in sticks.values() if not only or stick.id in only]
    expected: dict[str, list[published.Expected]] = defaultdict(list)
    for figure in published.expected():
        expected[figure.id].append(figure)
    bench = Bench(counted_only) if slots is None else Bench(counted_only, slots)
    curves = [curve for stick in chosen for curve in PLANS[stick.id].curves]
    warming.warm([(design, "off") for design, _ in curves if has(design)])
    bench.prepare(curves)
    rows = []
    with output.Progress("yardsticks", len(chosen)) as progress:
        for stick in chosen:
            found = judged(PLANS[stick.id], expected[stick.id], bench)
            rows.append(
                {"id": stick.id, "kind": stick.kind, "check": stick.check, "published": stick.expected, "ours": said(found.figures),
                 "tolerance": stick.tolerance, "verdict": found.verdict, "reason": found.reason, "source": stick.source,
                 "figures": found.figures}
            )  # fmt: skip
            progress.step(detail=stick.id)
    return {"rows": rows}
