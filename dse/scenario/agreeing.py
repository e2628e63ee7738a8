"""Rules of a scenario that concern several keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dse.errors import BadInput

Where = Callable[[tuple[str, ...]], str]
LATER = ("hdd", "zram")
"""Devices that hold a page only where the mix or the tiers say so; pages in zswap may have slots of the SSD."""
FOLIO_POLICIES = ("lru", "clock", "active-inactive")
"""Policies whose lists have large folios, and pages that were read ahead."""


def agree(sections: Mapping[str, Any], where: Where) -> None:
    """Check the rules that concern several keys.

    Parameters
    ----------
    sections : mapping
        The sections, checked key by key.
    where : callable
        Function from the path of a key to the place that a message begins with.

    Raises
    ------
    BadInput
        Keys that do not go together.
    """
    workload, backend, moves, swapoff = (sections[name] for name in ("workload", "backend", "moves", "swapoff"))
    if workload.trace is not None and workload.generator is not None:
        raise BadInput(f"{where(('workload', 'generator'))}give workload.trace or workload.generator, not both")
    if workload.trace is None and workload.generator is None:
        raise BadInput(f"{where(('workload',))}[workload] needs trace or generator")
    if backend.placement is not None and backend.mix:
        raise BadInput(f"{where(('backend', 'mix'))}give backend.placement or backend.mix, not both")
    if backend.mix and abs(sum(backend.mix.values()) - 1.0) > 1e-6:
        raise BadInput(f"{where(('backend', 'mix'))}backend.mix sums to {sum(backend.mix.values()):.15g}, not 1")
    if backend.zero_share + backend.incompressible_share > 1.0:
        raise BadInput(f"{where(('backend', 'incompressible_share'))}backend.zero_share + backend.incompressible_share is above 1")
    if len(moves.tiers) == 1 or len(set(moves.tiers)) != len(moves.tiers):
        raise BadInput(f"{where(('moves', 'tiers'))}moves.tiers are at least two different backends")
    if sections["memory"].limit <= 0:
        raise BadInput(f"{where(('memory', 'limit'))}memory.limit is above 0")
    if sections["memory"].limit > 1 and sections["memory"].limit % 1:
        text = f"{sections['memory'].limit:g} is no whole number of pages, and no share of the workload's pages (at most 1)"
        raise BadInput(f"{where(('memory', 'limit'))}memory.limit {text}")
    _agree_on_folios(sections, where)
    _agree_on_readahead(sections, where)
    if swapoff.device is not None and swapoff.device == swapoff.target:
        raise BadInput(f"{where(('swapoff', 'target'))}swapoff.device and swapoff.target are both {swapoff.target}")
    if swapoff.device in LATER and backend.mix and not backend.mix.get(swapoff.device) and swapoff.device not in moves.tiers:
        raise BadInput(f"{where(('swapoff', 'device'))}no page is ever on {swapoff.device}: backend.mix and moves.tiers do not have it")


def _plain_stage(key: str, sections: Mapping[str, Any], at: str) -> None:
    """Refuse `key`, which stands at `at`, with generations, forks or a closed loop."""
    memory = sections["memory"]
    if memory.policy not in FOLIO_POLICIES:
        raise BadInput(f"{at}{key} needs memory.policy {', '.join(FOLIO_POLICIES)}, not {memory.policy}")
    if sections["workload"].generator == "fork":
        raise BadInput(f"{at}{key} needs a workload without forks, not the generator fork")
    if memory.loop == "closed":
        raise BadInput(f"{at}{key} needs memory.loop open, not closed")


def _agree_on_folios(sections: Mapping[str, Any], where: Where) -> None:
    """Refuse large folios where the stage has none."""
    if sections["folio"].orders:
        _plain_stage("folio.orders", sections, where(("folio", "orders")))


def _agree_on_readahead(sections: Mapping[str, Any], where: Where) -> None:
    """Refuse readahead where the stage has none."""
    if not sections["readahead"].page_cluster:
        return
    backend, at = sections["backend"], where(("readahead", "page_cluster"))
    _plain_stage("readahead.page_cluster", sections, at)
    if "hdd" in (backend.disk, backend.placement) or backend.mix.get("hdd") or backend.hdd_slots:
        raise BadInput(f"{at}readahead.page_cluster needs backends without a hard disk, for which Linux reads ahead by slots")
    for section, name in (("folio", "orders"), ("moves", "rate"), ("swapoff", "device")):
        if getattr(sections[section], name):
            raise BadInput(f"{at}readahead.page_cluster and {section}.{name} do not go together yet")
