"""Invariants of the lower bound's words, read off the live arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse.testing import reading
from dse.testing.findings import CACHED, LOCKED, Findings, used_slots
from dse.testing.reading import Ints, ctl
from kernels import control
from kernels.designs.oracle import own, words
from kernels.life.arrays import device_rows


class Words(NamedTuple):
    """The words in use: their numbers, PTEs that hold them, owners, folios (0 none), and places by kind and payload."""

    number: Ints
    held: Ints
    owner: Ints
    folio: Ints
    tag: Ints
    payload: Ints


def field(values: NDArray[np.uint64], first: np.uint64, bits: int) -> Ints:
    """Some bits of words, as numbers."""
    found: Ints = (values >> first & np.uint64((1 << bits) - 1)).astype(np.int64)
    return found


def read(st: Any) -> Words:
    """Words in use of state `st`."""
    number = np.flatnonzero(st.page_word)
    word = st.page_word[number]
    cached = field(word, words.TAG_AT, 6) == int(words.FOLIO)
    place = np.where(cached, st.place[number], word)
    folio = np.where(cached, field(word, np.uint64(0), 28), 0)
    return Words(
        number, field(word, words.COUNT_AT, 16), field(word, words.OWNER_AT, 14), folio,
        field(place, words.TAG_AT, 6), field(place, np.uint64(0), 28),
    )  # fmt: skip


def slots_of(st: Any, found: Words) -> tuple[NDArray[np.bool_], Ints]:
    """Which words have a slot of a device, and the slots of these."""
    here = (found.tag > 0) & (found.tag < int(words.FOLIO))
    base = device_rows(st.dev)[:, 0].astype(np.int64)
    return here, base[found.tag[here] - 1] + found.payload[here]


def observed(st: Any) -> dict[str, Any]:
    """View that the twin is compared with."""
    found, names = read(st), {int(words.COMPRESSED): "zswap", int(words.ZERO): "zero", 0: "none"}
    kinds = [names.get(t, f"slot {p} of device {t - 1}") for t, p in zip(found.tag.tolist(), found.payload.tolist(), strict=True)]
    rows = zip(found.held.tolist(), (found.folio != 0).tolist(), found.owner.tolist(), kinds, strict=True)
    used, places = used_slots(st), reading.devices(st).items()
    return {
        "words": dict(zip(found.number.tolist(), rows, strict=True)),
        "used slots": {(d, int(i)) for d, (base, n) in places for i in np.flatnonzero(used[base : base + n])},
    }


def check(found: Findings, st: Any, folios: reading.Folios) -> None:
    """Counts equal PTEs, folio and word name each other, every place has one owner, every swapped page its content."""
    live = read(st)
    found.equal("words in use", len(live.number), ctl(st, own.S_WORDS))
    free = reading.linked(ctl(st, own.S_FREE), lambda v: st.place[v], ctl(st, own.S_HIGH))
    found.equal("words free and used", sorted([*free, *live.number.tolist()]), list(range(1, ctl(st, own.S_HIGH))))
    pages = np.flatnonzero((st.pte != 0) & (st.pte & np.uint64(1) == 0))
    values = (st.pte[pages] >> np.uint64(1)).astype(np.int64)
    found.none("PTEs that hold the number of a free word", pages[~np.isin(values, live.number)])
    found.equal("counts of words", live.held, np.bincount(values, minlength=len(st.page_word))[live.number])
    found.none("words that nothing refers to", live.number[(live.held == 0) & (live.folio == 0)])
    there = folios.flags & CACHED != 0
    expected = dict(zip(folios.entry[there].tolist(), folios.number[there].tolist(), strict=True))
    cached = live.folio != 0
    found.equal("folios of words", dict(zip(live.number[cached].tolist(), live.folio[cached].tolist(), strict=True)), expected)
    check_places(found, st, live)
    if ctl(st, control.C_TOKENS) and len(pages):
        check_content(found, st, pages, np.searchsorted(live.number, values), live)


def check_places(found: Findings, st: Any, live: Words) -> None:
    """Each slot belongs to one word; the others are spare, each once; objects and zero pages are as many as are counted."""
    _, slots = slots_of(st, live)
    used = used_slots(st)
    found.equal("owners of slots", np.bincount(slots, minlength=len(used)), used.astype(np.int64))
    for d, (base, n) in reading.devices(st).items():
        here = int(used[base : base + n].sum())
        found.equal(f"slots in use on device {d}", int(st.dev[d * 16 + 4]), here)
        spare = st.spare[base : base + n - here]
        found.equal(f"spare slots of device {d}", np.sort(spare), base + np.flatnonzero(~used[base : base + n]))
        found.equal(f"slots in use on device {d}, which is off", here * (int(st.dev[d * 16 + 5]) & 1 ^ 1), 0)
    found.equal("slots in use", ctl(st, control.S_SLOTS), int(used.sum()))
    stored = live.number[live.tag == int(words.COMPRESSED)]
    found.equal("compressed pages", len(stored), ctl(st, control.S_ZE_LIVE))
    found.equal("numbers of compressed pages", live.payload[live.tag == int(words.COMPRESSED)], stored)
    found.equal("zero pages", int((live.tag == int(words.ZERO)).sum()), ctl(st, control.S_ZERO_LIVE))


def sizes(st: Any) -> list[int]:
    """Lengths of compressed pages [B]."""
    live = read(st)
    found: list[int] = st.size[live.number[live.tag == int(words.COMPRESSED)]].tolist()
    return found


def check_content(found: Findings, st: Any, pages: Ints, at: Ints, live: Words) -> None:
    """The content of swapped pages is in the folio, or in the place of the word."""
    token = np.where(live.tag >= int(words.COMPRESSED), st.content[live.number].astype(np.int64), -1)
    here, slots = slots_of(st, live)
    token[here] = st.token[slots]
    folio, behind, table = live.folio[at], token[at] == st.truth[pages], st.folio.reshape(-1, 8)
    in_cache = (folio != 0) & (table[folio, 3].astype(np.int64) == st.truth[pages])
    locked = table[folio, 0] & np.uint64(LOCKED) != 0
    found.none("swapped pages whose content is lost", pages[~np.where(folio == 0, behind, in_cache | (locked & behind))])


def owners(st: Any) -> tuple[Ints, Ints]:
    """Swapped-out pages and the owners of their words."""
    pages = np.flatnonzero((st.pte != 0) & (st.pte & np.uint64(1) == 0))
    word = st.page_word[(st.pte[pages] >> np.uint64(1)).astype(np.int64)]
    return pages, field(word, words.OWNER_AT, 14)
