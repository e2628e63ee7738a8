"""Designs and settings that threads cannot run: code of the model that only one thread at a time may be in."""

from __future__ import annotations

from dse import naming
from dse.errors import BadInput

IDS = ("swap_id", "swap_id_off", "swap_id_rmap", "swap_id_special")
TABLES = ("swap_table_p1", "swap_table_p2", "swap_table_p3", "swap_table_p4", "swap_table_p4_pitched", "eager_rewrite", "ghost", "redirect")
SAFE = ("direct", *IDS, *TABLES, "swap_desc", "zram", "vswap_rfc1", "vswap_rfc2", "vswap_v3", "vswap_v6")
"""Designs that threads run."""
REASONS = {
    "oracle": "each step of this lower bound is one that nobody can build: nothing guards it",
    "vswap_ste": "virtual clusters are made and freed by steps of the model that take no lock",
    "vswap_all": "virtual clusters are made and freed by steps of the model that take no lock",
    "xswap": "the array grows and shrinks while others look at its clusters without a lock",
}
"""Why others do not."""
SETTINGS = {
    ("frees", "cache"): "the caches of freed slots of all CPUs are emptied by one of them, without the lock of each",
    ("lookup_cache", "on"): "who frees a virtual cluster takes it out of the lookup caches of other CPUs without a lock",
}
"""Settings that they do not run, and why."""


RUN = (*(name for name in SAFE if name != "vswap_v6"), "vswap_v6[lookup_cache=off]")
"""Designs that threads run, with the settings that they need: v6 of virtual swap has lookup caches unless told otherwise."""


def reason(named: naming.Named) -> str:
    """Why threads cannot run a design; empty if they can."""
    name = named.design.name
    if name not in SAFE:
        return REASONS.get(name, "nobody has looked at what its threads would share")
    return next((SETTINGS[pair] for pair in named.values.items() if pair in SETTINGS), "")


def refuse(named: naming.Named) -> None:
    """Refuse a design that threads cannot run.

    Raises
    ------
    BadInput
        With the reason.
    """
    why = reason(named)
    if why:
        raise BadInput(f"{named.text} does not run on threads: {why}")
