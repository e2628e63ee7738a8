"""``dse.validate``: the models against published figures (Y rows) and against recorded kernels (K rows)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dse import published
from dse.errors import BadInput, unknown
from dse.grounding import declared, judging
from dse.yardsticks import validating


def validate(only: Sequence[str] | None = None, *, counted_only: bool = False) -> dict[str, Any]:
    """Hold the models against what was published, and against the shipped records of kernels.

    Parameters
    ----------
    only : sequence of str, optional
        Ids such as Y05 or K31; ``Y`` and ``K`` stand for all of a kind. Default: all.
    counted_only : bool
        Leave out what needs a clock.

    Returns
    -------
    dict
        ``rows``: for each row id, kind (exact, ratio, trend; kernel), check, published (of a K row: the kernel's), ours, tolerance,
        verdict, reason, source, ``figures``. ``kernel``: counts of K rows and figures, and of those within their tolerance.

    Raises
    ------
    BadInput
        An unknown id.
    """
    names = list(only or ("Y", "K"))
    known = ["Y", "K", *(stick.id for stick in published.yardsticks()), *(row.id for row in declared.asked())]
    for name in names:
        if name not in known:
            raise BadInput(unknown({"Y": "yardstick", "K": "K row"}.get(name[:1], "row"), name, known))
    sticks = [name for name in names if not name.startswith("K")]
    asked = [name for name in names if name.startswith("K") and name != "K"]
    kernel = judging.rows(None if "K" in names else asked) if asked or "K" in names else []
    rows = validating.validate(None if "Y" in sticks else sticks, counted_only=counted_only)["rows"] if sticks else []
    return {"rows": rows + kernel, "kernel": judging.tally(kernel)}
