"""Rows of the experiment trace: what the guest's report says of each replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SINCE = ("pgmajfault", "pswpin", "pswpout", "swpin_zero", "swpout_zero", "zswpin", "zswpout", "zswpwb")
RENAMED = {
    "workingset_refault_anon": "refaults", "workingset_activate_anon": "activated", "workingset_restore_anon": "restored",
    "pgscan_anon": "scanned", "pgsteal_anon": "stolen",
}  # fmt: skip
LEVELS = ("anon", "pagetables", "kernel", "zswap", "zswapped", "swapcached", "oom")
"""Bytes of memory.stat at the end; how often reclaim gave up (memory.events)."""
COUNTS = ("swap_ins", "swap_outs", *SINCE, *RENAMED.values())
TRACE = ("trace", "backend", "lists", "repeat", "accesses", "limit", *COUNTS, *LEVELS)


def _turns(report: Iterable[str]) -> Iterator[tuple[list[str], int, dict[str, dict[str, int]]]]:
    """(parts of the step, repeat, values by stage and name) of each replay."""
    step: list[str] = []
    turn = 0
    values: dict[str, dict[str, int]] = {}
    for line in [*report, "step"]:
        word, _, rest = line.partition(" ")
        if word in ("step", "turn") and values:
            yield step, turn, values
            values = {}
        if word == "step":
            step = rest.split("-")
        elif word == "turn":
            turn = int(rest)
        elif word == "trace":
            stage, name, value = rest.split()
            values.setdefault(stage, {})[name] = int(value)


def trace_rows(report: Iterable[str], accesses: Mapping[str, int], limit: int) -> list[dict[str, Any]]:
    """Rows of the experiment trace.

    Parameters
    ----------
    report : iterable of str
        Lines of the guest.
    accesses : mapping
        Accesses by name of the trace.
    limit : int
        memory.max of the group [bytes].

    Returns
    -------
    list of dict
        A row for each repeat: differences of /proc/vmstat, bytes of memory.stat at the end. Counters that a kernel lacks are 0.
    """
    rows = []
    for (_, lists, backend, name, _), turn, values in _turns(report):
        before, after, level = (values.get(stage, {}) for stage in ("before", "after", "level"))
        found = {key: after.get(key, 0) - before.get(key, 0) for key in SINCE}
        found |= {short: after.get(key, 0) - before.get(key, 0) for key, short in RENAMED.items()}
        found["swap_ins"] = found["pswpin"] + found["swpin_zero"] + found["zswpin"]
        found["swap_outs"] = found["pswpout"] + found["swpout_zero"] + found["zswpout"] - found["zswpwb"]
        found |= {key: level.get(key, 0) for key in LEVELS}
        rows.append(
            {"trace": name, "backend": backend, "lists": lists, "repeat": turn, "accesses": accesses[name], "limit": limit, **found}
        )
    return rows


def spread(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean, least and most of swap-ins and swap-outs, and means of the other counts, over the repeats of each replay.

    Examples
    --------
    >>> row = dict.fromkeys(TRACE, 0) | {"trace": "zipf", "backend": "zero", "lists": "two"}
    >>> [made] = spread([row | {"swap_ins": 90}, row | {"swap_ins": 110}])
    >>> made["swap_ins"], made["swap_ins_least"], made["swap_ins_most"], made["repeats"]
    (100.0, 90, 110, 2)
    """
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["trace"], row["backend"], row["lists"]), []).append(row)
    made = []
    for (trace, backend, lists), of in groups.items():
        means = {key: sum(row[key] for row in of) / len(of) for key in (*COUNTS, *LEVELS)}
        ends = {
            f"{key}_{word}": pick(row[key] for row in of)
            for key in ("swap_ins", "swap_outs")
            for word, pick in (("least", min), ("most", max))
        }
        made.append({"trace": trace, "backend": backend, "lists": lists, "repeats": len(of), **means, **ends})
    return made
