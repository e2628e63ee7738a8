"""Views of a twin and of the live arrays of its design, in the same words, and where they differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.testing import invariants_charges, invariants_ste, invariants_vswap, invariants_zram, reading, slotview
from dse.testing.findings import used_slots
from dse.testing.reading import ctl
from dse.testing.twins.life import Life
from dse.testing.twins.parts import SHADOW, Folio
from dse.testing.twins.swapfile import Swapfile
from kernels import control
from kernels.designs.swap_id import own as swap_id_own


def expected(twin: Life) -> dict[str, Any]:
    """Pages, folios and backing as the twin has them."""
    labels: dict[Any, int] = {}

    def label(kind: str, key: Any) -> tuple[str, int]:
        return kind, labels.setdefault((kind, id(key) if kind == "folio" else key), len(labels))

    ptes: list[Any] = []
    for page in range(twin.config.pages):
        pte = twin.pte.get(page)
        if pte is None:
            ptes.append(None)
        elif isinstance(pte, Folio):
            flags = pte.locked | pte.dirty << 1 | pte.writeback << 2 | pte.cached << 3 | pte.bypass << 4
            ptes.append((*label("folio", pte), pte.maps, flags, pte.token))
        else:
            ptes.append(label("swap", pte.value))
    out = {"ptes": ptes, "folios": len(twin.folios), "phases": len(twin.phases), "moves": twin.moves}
    out["truth"] = {page: twin.truth[page] for page in twin.pte}
    out["charged"] = {memcg: n for memcg, n in twin.charged.items() if memcg and n}
    if isinstance(twin, Swapfile):
        out["continuation"] = twin.pages.used
        out["zswap"], out["zswap bytes"] = len(twin.zswap.live), twin.zswap.nbytes
        out["slots"] = {
            (n, offset): (s.count, s.busy, s.memcg, s.zero, s.zswap is not None, cache_kind(s.cache))
            for n, device in twin.devices.items()
            for offset, s in device.slots.items()
        }
    out.update(twin.more())
    return out


def cache_kind(cache: Any) -> str:
    return "folio" if isinstance(cache, Folio) else "shadow" if cache == SHADOW else "none"


def observed(st: Any, twin: type[Life]) -> dict[str, Any]:
    """Pages, folios and backing, read off the arrays of state `st`; what only this design has is read by its `twin`."""
    labels: dict[Any, int] = {}
    table = st.folio.reshape(-1, 8)
    ptes: list[Any] = []
    for pte in st.pte.tolist():
        if pte == 0:
            ptes.append(None)
        elif pte & 1:
            f = pte >> 1
            word = int(table[f, 0])
            key = "folio", labels.setdefault(("folio", f), len(labels))
            ptes.append((*key, word >> 32, word & 0xFFFF_FFFF, int(table[f, 3])))
        else:
            ptes.append(("swap", labels.setdefault(("swap", pte), len(labels))))
    out = {"ptes": ptes, "folios": ctl(st, control.S_FOLIO_LIVE), "phases": ctl(st, control.S_PHASES), "moves": ctl(st, control.S_MOVES)}
    out["truth"] = {p: int(st.truth[p]) for p in np.flatnonzero(st.pte).tolist()}
    out["charged"] = invariants_charges.charged(st)
    if hasattr(st, "smap"):
        out["continuation"] = ctl(st, control.S_CONT_USED) + ctl(st, control.S_EXTENDS)
        out["slots"] = slots(st)
    if hasattr(st, "idhead"):
        found = reading.ids(st).items()
        out["ids"] = {i: ((e >> 58) - 1, e & (1 << 58) - 1) for i, e in found.items()}
        out["freed ids"], out["collisions"] = ctl(st, swap_id_own.S_ID_FREED), ctl(st, swap_id_own.S_ID_COLLISIONS)
        out["ids that never moved"], out["hand-over retries"] = (
            ctl(st, swap_id_own.S_ID_NEVER_MOVED),
            ctl(st, swap_id_own.S_HANDOVER_RETRIES),
        )
    if hasattr(st, "desc"):
        out["descriptors"] = reading.descriptors(st)
        used = used_slots(st)
        places = reading.devices(st).items()
        out["used slots"] = {(d, int(i)): True for d, (base, n) in places for i in np.flatnonzero(used[base : base + n])}
    if hasattr(st, "vmem"):
        out |= invariants_vswap.observed(st)
    if hasattr(st, "element"):
        out |= invariants_zram.observed(st)
    if hasattr(st, "table"):
        out["tables"] = ctl(st, control.S_TABLES)
    if hasattr(st, "ze"):
        out["zswap"], out["zswap bytes"] = ctl(st, control.S_ZE_LIVE), ctl(st, control.S_ZOBJ_BYTES)
    return out | twin.observed(st)


def slots(st: Any) -> dict[tuple[int, int], tuple[Any, ...]]:
    """Slots in use by device and offset."""
    out, view = {}, slotview.read(st)
    for d, (base, n) in reading.devices(st).items():
        zentry = reading.tree(st.ztree, base >> reading.TREE_SHIFT, st.zpool).items() | invariants_ste.compressed(st, d)
        for offset in np.flatnonzero(view.used[base : base + n]).tolist():
            g = base + offset
            kind = ("none", "folio", "shadow")[np.sign(view.cache[g])]
            out[d, offset] = (int(view.count[g]), bool(view.busy[g]), int(view.owner[g]), bool(view.zero[g]), offset in zentry, kind)
    return out


def difference(have: dict[str, Any], want: dict[str, Any]) -> list[str]:
    """Differences of two views, in words."""
    out = []
    for what, right in want.items():
        ours = have.get(what)
        if ours == right:
            continue
        if isinstance(right, dict) and isinstance(ours, dict):
            keys = [k for k in {**right, **ours} if ours.get(k) != right.get(k)]
            out += [f"{what} {k}: {ours.get(k)}, the twin says {right.get(k)}" for k in sorted(keys)[:3]]
        elif isinstance(right, list) and isinstance(ours, list):
            at = [i for i, (a, b) in enumerate(zip(ours, right, strict=True)) if a != b]
            out += [f"{what} {i}: {ours[i]}, the twin says {right[i]}" for i in at[:3]]
        else:
            out.append(f"{what}: {ours}, the twin says {right}")
    return out
