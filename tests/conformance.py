"""The conformance suite: what every registered design must pass, importable by whoever writes a new one.

    from tests import conformance
    conformance.compare("my_design", streams.TINY, seed=1, demands=5000)

Everything goes through the design's ``replay``. A design whose twin is missing passes the rest: invariants, integrity, leaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kernels.designs  # noqa: F401 - registers
from kernels import control, demand
from kernels.designs.swap_id import own as swap_id_own
from kernels.life import registry as state
from kernels.observing import probe
from tests import invariants, invariants_vswap, reading, slotview, streams
from tests.reading import ctl
from tests.twins import TWINS, twin
from tests.twins.life import Life
from tests.twins.parts import SHADOW, Folio
from tests.twins.swapfile import Swapfile


class Mismatch(AssertionError):
    """A design differs from its twin or breaks an invariant; the message holds the shortest demand list found."""


@dataclass
class Run:
    """A design with its state and probe, and its twin if there is one."""

    design: state.Design
    st: Any
    probe: Any
    twin: Life | None

    @classmethod
    def of(cls, name: str, world: streams.World, *, count: bool = True, **parameters: int) -> Run:
        design = state.REGISTRY[name]
        config = world.config(**parameters)
        return cls(design, design.build(config), probe.make("count" if count else "off"), twin(name, config))

    def replay(self, demands: streams.Block) -> NDArray[np.uint8]:
        """Replies of the design alone."""
        replies = np.zeros(len(demands), np.uint8)
        self.design.replay(self.st, self.probe, np.ascontiguousarray(demands), replies)
        return replies

    def both(self, demands: streams.Block) -> None:
        """Replay on design and twin; replies, states and invariants must agree."""
        replies = self.replay(demands)
        if self.twin is not None:
            for i, (word, more) in enumerate(demands.tolist()):
                want = self.twin.demand(word, more)
                if replies[i] != want:
                    raise Mismatch(f"demand {i}: {streams.text(demands[i])} -> {reply(replies[i])}, the twin says {reply(want)}")
        self.check()

    def check(self) -> None:
        wrong = invariants.check(self.design.name, self.st, self.probe)
        if self.twin is not None:
            wrong = difference(observed(self), expected(self.twin)) + wrong
        if wrong:
            raise Mismatch("; ".join(wrong[:6]))

    def finish(self) -> None:
        """End every phase, unmap everything, swap every device off: nothing may be left."""
        for demands in (reading.finishing(self.st), reading.emptying(self.st)):
            if demands:
                self.both(streams.block(*demands))
        wrong = invariants.check_empty(self.st)
        off = [demand.pack(demand.SWAPOFF, 0, backend=b, payload=demand.MEMORY) for b in range(4)]
        self.both(streams.block(*off))
        if ctl(self.st, control.S_CONT_USED):
            wrong.append(f"{ctl(self.st, control.S_CONT_USED)} continuation pages left after swapoff")
        if wrong:
            raise Mismatch("left at the end: " + "; ".join(wrong))


def reply(code: int) -> str:
    code = int(code)
    return demand.OPS[code] if code < demand.REASON_BASE else demand.REASONS[code - demand.REASON_BASE]


def expected(twin: Life) -> dict[str, Any]:
    """What the twin says about pages, folios and backing."""
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


def observed(run: Run) -> dict[str, Any]:
    """The same read off the live arrays."""
    st = run.st
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
        used = invariants.used_slots(st)
        places = reading.devices(st).items()
        out["used slots"] = {(d, int(i)): True for d, (base, n) in places for i in np.flatnonzero(used[base : base + n])}
    if hasattr(st, "vmem"):
        out |= invariants_vswap.observed(st)
    if hasattr(st, "table"):
        out["tables"] = ctl(st, control.S_TABLES)
    if hasattr(st, "ze"):
        out["zswap"], out["zswap bytes"] = ctl(st, control.S_ZE_LIVE), ctl(st, control.S_ZOBJ_BYTES)
    return out


def slots(st: Any) -> dict[tuple[int, int], tuple[Any, ...]]:
    """Slots in use by device and offset."""
    out, view = {}, slotview.read(st)
    for d, (base, n) in reading.devices(st).items():
        zentry = reading.tree(st.ztree, base >> reading.TREE_SHIFT, st.zpool).items()
        for offset in np.flatnonzero(view.used[base : base + n]).tolist():
            g = base + offset
            kind = ("none", "folio", "shadow")[np.sign(view.cache[g])]
            out[d, offset] = (int(view.count[g]), bool(view.busy[g]), int(view.owner[g]), bool(view.zero[g]), offset in zentry, kind)
    return out


def difference(have: dict[str, Any], want: dict[str, Any]) -> list[str]:
    """Where two views differ."""
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


def chunks(demands: streams.Block, size: int) -> Iterator[streams.Block]:
    for at in range(0, len(demands), size):
        yield demands[at : at + size]


def compare(name: str, world: streams.World, seed: int, demands: int, *, every: int = 256, **parameters: int) -> Run:
    """Random demands on design and twin, compared every `every` demands, then emptied; raises a Mismatch with a short demand list."""
    stream = streams.random_demands(world, demands, seed)
    run = Run.of(name, world, **parameters)
    try:
        for part in chunks(stream, every):
            run.both(part)
        run.finish()
    except Exception as error:
        raise Mismatch(f"{name} in world {world.name!r}, seed {seed}, {parameters or 'default'}: {error}\n"
                       f"{shortest(name, world, stream, parameters)}") from error  # fmt: skip
    return run


def fails(name: str, world: streams.World, stream: streams.Block, parameters: dict[str, int], every: int = 1) -> str:
    """Message of the failure that `stream` causes on a fresh state, empty if there is none."""
    run = Run.of(name, world, **parameters)
    try:
        for part in chunks(stream, every):
            run.both(part)
        run.finish()
    except Exception as error:  # noqa: BLE001 - whatever the twin trips over
        return f"{type(error).__name__}: {error}"
    return ""


def shortest(name: str, world: streams.World, stream: streams.Block, parameters: dict[str, int], tries: int = 400) -> str:
    """Shrink a failing stream: drop halves, quarters ... of it while it still fails."""
    size = max(1, len(stream) // 2)
    while size and tries:
        at = 0
        while at < len(stream) and tries:
            tries -= 1
            less = np.concatenate([stream[:at], stream[at + size :]])
            if len(less) and fails(name, world, less, parameters, every=64):
                stream = less
            else:
                at += size
        size //= 2
    why = fails(name, world, stream, parameters)
    lines = "\n".join("  " + streams.text(r) for r in stream[:60])
    return f"{len(stream)} demands show it ({why}):\n{lines}"


def names() -> list[str]:
    """Registered designs."""
    return sorted(state.REGISTRY)


def has_twin(name: str) -> bool:
    return name in TWINS
