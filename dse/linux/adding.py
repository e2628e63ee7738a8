"""Addition of experiments to a record: the same kernel, guest and sizes, tables exchanged or added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dse.errors import BadInput
from dse.linux.experiments import EXPERIMENTS
from dse.linux.records import TABLES, Record

Tables = Mapping[str, Sequence[Mapping[str, Any]]]
SAME = (
    "image_digest", "config_digest", "qemu", "workload_digest", "plugin_digest", "groups_digest", "compressor", "pages", "operations",
    "background", "many", "memory", "slots", "machine", "options",
)  # fmt: skip
"""Origin that a record and its addition share."""
ALONE = ("fill",)
"""Experiments that no other one has to share the guest's program with: a later one may add them."""
LATER = "guests"
"""Origin of experiments that a later guest made than that of the record: digests of its program by experiment."""
ADDED = ("experiments", "command", "seconds")
"""Origin in which both are put together."""


def require_same(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> None:
    """Refuse an addition that another kernel, guest or size made.

    Raises
    ------
    BadInput
        With the first difference.
    """
    lacks = next((key for key in ADDED if key not in before), None)
    if lacks is not None:
        raise BadInput(f"record {name} cannot be added to: its provenance has no {lacks}")
    same = [key for key in SAME if key != "workload_digest" or not set(after["experiments"]) <= set(ALONE)]
    other = next((key for key in same if before.get(key) != after.get(key)), None)
    if other is not None:
        raise BadInput(f"record {name} cannot be added to: its {other} is {before.get(other)}, now it is {after.get(other)}")


def added(old: Record, tables: Tables, provenance: Mapping[str, Any]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Tables and origin of a record with an addition. Of the table ``trace`` only the traces that were replayed are exchanged.

    Examples
    --------
    >>> old = Record("a", {"experiments": ["fill", "trace"], "command": "one", "seconds": 1.5}, {"trace": [{"trace": "zipf"}], "fill": []})
    >>> tables, origin = added(old, {"trace": [{"trace": "scan"}]}, {"experiments": ["trace"], "command": "two", "seconds": 2.0})
    >>> tables["trace"], origin["command"], origin["seconds"]
    ([{'trace': 'zipf'}, {'trace': 'scan'}], 'one; two', 3.5)
    """
    replayed = {row["trace"] for row in tables.get("trace", ())}
    kept = [row for row in old.tables.get("trace", ()) if row["trace"] not in replayed]
    found = {**old.tables, **tables} | ({"trace": [*kept, *tables["trace"]]} if "trace" in tables else {})
    before = old.provenance
    done = {*before["experiments"], *provenance["experiments"]}
    origin = {
        **before, **provenance, "experiments": [name for name in EXPERIMENTS if name in done],
        "traces": {**before.get("traces", {}), **provenance.get("traces", {})}, "command": f"{before['command']}; {provenance['command']}",
        "seconds": round(before["seconds"] + provenance["seconds"], 1), **_guests(before, provenance),
    }  # fmt: skip
    return {name: list(found[name]) for name in TABLES if name in found}, origin


def _guests(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Digest of the guest's program that made the record, and of those that made single experiments of it."""
    first = before.get("workload_digest")
    guests = {**before.get(LATER, {}), **dict.fromkeys(after["experiments"], after.get("workload_digest"))}
    other = {name: digest for name, digest in guests.items() if digest != first}
    return {"workload_digest": first} | ({LATER: other} if other or LATER in before else {})
