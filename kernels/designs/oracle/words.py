"""The word of a page: where its data is, how many PTEs hold the number of the word, and who owns it. Steps on it.

====== ==================================================================================================
bits   content
====== ==================================================================================================
0..27  offset of the slot, number of the compressed object, or folio in the swap cache
28..43 count of PTEs
44..57 memory cgroup
58..63 what bits 0..27 are: 0 nothing, device + 1 a slot of it, FOLIO, COMPRESSED, or ZERO (a zero page)
====== ==================================================================================================

While a folio is in the swap cache, the folio remembers the place (`place`), as it could in a word that every folio has. What an oracle
knows is not counted: which slot of a device is free (`spare`), which word is free, which pages are on a device. `bitmap`, `content` and
`size` are the model's own, for its checks: slots in use, the content of compressed and zero pages, lengths of compressed ones.
"""

from __future__ import annotations

from kernels import codes, control
from kernels.compiling.constants import LOW16, U0, U1, U6, U63
from kernels.compiling.jit import called, inner, u
from kernels.designs.oracle.own import R_WORD, S_FREE, S_HIGH, S_WORDS, S_WORDS_PEAK
from kernels.life import charging
from kernels.life.page_io import keep_content, read_zero
from kernels.memory import CACHED, DIRTY, F_ENTRY, F_TOKEN, F_VALUE, f_clear, f_is, f_set, f_word
from kernels.observing.allocations import A_ZOBJ
from kernels.observing.probe import R_DEV, R_ZOBJ, allocated, chase, freed, touch, wrote
from kernels.structures import cluster as cl
from kernels.structures import page_counter
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.zsmalloc import object_free, object_new

COUNT_AT, OWNER_AT, TAG_AT = u(28), u(44), u(58)
LOW28, LOW14 = (U1 << COUNT_AT) - U1, (U1 << u(14)) - U1
ONE = U1 << COUNT_AT
FOLIO, COMPRESSED, ZERO = u(29), u(30), u(31)  # tags beside those of devices
PLACE = ~((U1 << TAG_AT) - ONE)  # bits of a word that are not count and owner


@inner
def tag_of(word):  # type: ignore[no-untyped-def]
    """Tag of a word or of a place."""
    return word >> TAG_AT


@inner
def count_of(st, v):  # type: ignore[no-untyped-def]
    """PTEs that hold number `v`."""
    return st.page_word[v] >> COUNT_AT & LOW16


@inner
def owner_of(st, v):  # type: ignore[no-untyped-def]
    """Memory cgroup of word `v`."""
    return st.page_word[v] >> OWNER_AT & LOW14


@inner
def is_cached(st, v):  # type: ignore[no-untyped-def]
    """True if the swap cache has a folio for word `v`."""
    return tag_of(st.page_word[v]) == FOLIO


@inner
def is_slot(place):  # type: ignore[no-untyped-def]
    """True if `place` is a slot of a device."""
    return place != U0 and tag_of(place) < FOLIO


@inner
def device_in(place):  # type: ignore[no-untyped-def]
    """Device of a place that is a slot."""
    return tag_of(place) - U1


@inner
def place_of(st, v):  # type: ignore[no-untyped-def]
    """Where the data of word `v` is besides in a folio, as bits of a word; 0 for nowhere."""
    return st.place[v] if is_cached(st, v) else st.page_word[v] & PLACE


@inner
def store(st, pr, v, place):  # type: ignore[no-untyped-def]
    """Write word `v`, whose count and owner stay."""
    st.page_word[v] = st.page_word[v] & ~PLACE | place
    wrote(pr, R_WORD, v)


@inner
def slot_index(st, place):  # type: ignore[no-untyped-def]
    """Slot that `place` names, among those of all devices."""
    return st.dev[device_in(place) * cl.DEV_WORDS] + (place & LOW28)


@called
def slot_take(st, d):  # type: ignore[no-untyped-def]
    """Place of a free slot of device `d`, 0 if there is none. Nothing is counted: the oracle knows one."""
    row, ctl = d * cl.DEV_WORDS, st.ctl
    used, slots, base = st.dev[row + cl.D_USED], st.dev[row + cl.D_SLOTS], st.dev[row]
    if st.dev[row + cl.D_FLAGS] & cl.DEV_ON == U0 or used == slots:
        ctl[control.S_FULL] += U1
        return U0
    g = u(st.spare[base + slots - used - U1])
    st.dev[row + cl.D_USED] = used + U1
    ctl[control.S_NR_SWAP_PAGES] -= U1
    ctl[control.S_SLOTS] += U1
    ctl[control.S_SLOTS_PEAK] = max(ctl[control.S_SLOTS_PEAK], ctl[control.S_SLOTS])
    st.bitmap[g >> U6] |= U1 << (g & U63)
    return (d + U1) << TAG_AT | g - base


@called
def slot_give(st, place):  # type: ignore[no-untyped-def]
    """Free the slot that `place` names."""
    row, g = device_in(place) * cl.DEV_WORDS, slot_index(st, place)
    used = st.dev[row + cl.D_USED] - U1
    st.dev[row + cl.D_USED] = used
    st.spare[st.dev[row] + st.dev[row + cl.D_SLOTS] - used - U1] = g
    st.ctl[control.S_NR_SWAP_PAGES] += U1
    st.ctl[control.S_SLOTS] -= U1
    st.bitmap[g >> U6] &= ~(U1 << (g & U63))


@called
def compress(st, pr, v, size, token):  # type: ignore[no-untyped-def]
    """Place of a new compressed object, 0 where there are as many as may be. It has the number of the word."""
    ctl = st.ctl
    if ctl[control.S_ZE_LIVE] >= ctl[control.C_ZENTRIES]:
        return U0
    grown = object_new(ctl, size)
    common(pr, st, table.ZSWAP_STORE, v)
    if grown:
        common(pr, st, table.ZSPAGE_NEW, v)
    ctl[control.S_ZE_LIVE] += U1
    ctl[control.S_ZSTORED] += U1
    ctl[control.S_ZE_PEAK] = max(ctl[control.S_ZE_PEAK], ctl[control.S_ZE_LIVE])
    st.size[v], st.content[v] = size, token
    allocated(pr, A_ZOBJ)
    return COMPRESSED << TAG_AT | v


@called
def release(st, pr, place):  # type: ignore[no-untyped-def]
    """Free what `place` names: the object, the slot, or nothing."""
    tag = tag_of(place)
    if tag == COMPRESSED:
        common(pr, st, table.ZSWAP_FREE, place & LOW28)
        object_free(st.ctl, u(st.size[place & LOW28]))
        st.ctl[control.S_ZE_LIVE] -= U1
        st.ctl[control.S_ZSTORED] -= U1
        freed(pr, A_ZOBJ)
    elif tag == ZERO:
        st.ctl[control.S_ZERO_LIVE] -= U1
    elif place != U0:
        slot_give(st, place)


@inner
def lookup(st, pr, v):  # type: ignore[no-untyped-def]
    """Folio in the swap cache: the one look at the word."""
    chase(pr, R_WORD, v)
    return st.page_word[v] & LOW28 if is_cached(st, v) else U0


@inner
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """Charge the page and take a word for it; a folio that has one keeps it."""
    if f_is(st, f, CACHED):
        return st.folio[f_word(f, F_ENTRY)]
    if not charging.try_charge_swap(st, pr, memcg, U1):
        return U0
    ctl = st.ctl
    v = ctl[S_FREE]
    if v != U0:
        ctl[S_FREE] = st.place[v]
    else:
        v = ctl[S_HIGH]
        ctl[S_HIGH] = v + U1
    ctl[S_WORDS] += U1
    ctl[S_WORDS_PEAK] = max(ctl[S_WORDS_PEAK], ctl[S_WORDS])
    st.place[v] = U0
    st.page_word[v] = FOLIO << TAG_AT | memcg << OWNER_AT | f
    wrote(pr, R_WORD, v)
    enter(st, f, v)
    st.folio[f_word(f, F_VALUE)] = v
    return v


@inner
def enter(st, f, v):  # type: ignore[no-untyped-def]
    """Note in folio `f` which word it is the cache of."""
    st.folio[f_word(f, F_ENTRY)] = v
    f_set(st, f, CACHED)


@inner
def leave(st, f):  # type: ignore[no-untyped-def]
    """Note in folio `f` that it is the cache of none; the word of which it was."""
    v = st.folio[f_word(f, F_ENTRY)]
    st.folio[f_word(f, F_ENTRY)] = U0
    f_clear(st, f, CACHED)
    return v


@inner
def dup(st, pr, value, v):  # type: ignore[no-untyped-def]
    """Count one more PTE; false where 16 bits have no room for it."""
    if count_of(st, v) == LOW16:
        return False
    st.page_word[v] += ONE
    wrote(pr, R_WORD, v)
    return True


@inner
def put(st, pr, value, v):  # type: ignore[no-untyped-def]
    """Count one PTE less. The last one frees everything, unless the swap cache has a folio."""
    st.page_word[v] -= ONE
    wrote(pr, R_WORD, v)
    if count_of(st, v) != U0:
        return U0
    if is_cached(st, v):
        return U1
    free(st, pr, v)
    return u(2)


@called
def free(st, pr, v):  # type: ignore[no-untyped-def]
    """Free word `v` and what it names; uncharge its owner."""
    release(st, pr, place_of(st, v))
    charging.uncharge_swap(st, pr, owner_of(st, v), U1)
    st.page_word[v] = U0
    wrote(pr, R_WORD, v)
    st.place[v] = st.ctl[S_FREE]
    st.ctl[S_FREE] = v
    st.ctl[S_WORDS] -= U1


@inner
def count_is_zero(st, v):  # type: ignore[no-untyped-def]
    """True if no PTE holds number `v`."""
    return count_of(st, v) == U0


@called
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """Store the folio. The folio remembers the place, which is written to the word when the folio goes."""
    v, token = st.folio[f_word(f, F_ENTRY)], st.folio[f_word(f, F_TOKEN)]
    place = st.place[v]
    if zero or backend == codes.ZSWAP or not is_slot(place) or device_in(place) != backend:
        release(st, pr, place)
        st.place[v] = U0
        if zero:
            place = ZERO << TAG_AT
            st.content[v] = token
            st.ctl[control.S_ZERO_LIVE] += U1
        else:
            place = compress(st, pr, v, size, token) if backend == codes.ZSWAP else slot_take(st, backend)
        if place == U0:
            return codes.REACTIVATED
    st.place[v] = place
    if is_slot(place):
        keep_content(st, slot_index(st, place), token)
    return U0


@inner
def evict(st, pr, f):  # type: ignore[no-untyped-def]
    """Write the place to the word in the folio's stead; with no PTE left everything is freed."""
    v = leave(st, f)
    store(st, pr, v, st.place[v])
    if count_of(st, v) == U0:
        free(st, pr, v)


@inner
def read_begin(st, pr, v, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` into the word; the folio remembers the place."""
    if is_cached(st, v) or count_of(st, v) == U0:
        return False
    page_counter.from_id(st, pr, owner_of(st, v))
    st.place[v] = st.page_word[v] & PLACE
    store(st, pr, v, FOLIO << TAG_AT | f)
    enter(st, f, v)
    return True


@inner
def read_abort(st, pr, v, f):  # type: ignore[no-untyped-def]
    """Take the folio out of the word again."""
    leave(st, f)
    store(st, pr, v, st.place[v])


@called
def read_end(st, pr, v, f):  # type: ignore[no-untyped-def]
    """Read the place. A compressed object goes when it is read, so the folio is dirty."""
    place = st.place[v]
    tag, token = tag_of(place), u(st.content[v])
    if tag == COMPRESSED:
        chase(pr, R_ZOBJ, v << u(9))
        common(pr, st, table.ZSWAP_LOAD, v)
        release(st, pr, place)
        st.place[v] = U0
        f_set(st, f, DIRTY)
    elif tag == ZERO:
        read_zero(st, pr, token)
    else:
        chase(pr, R_DEV, device_in(place) * cl.DEV_WORDS)
        common(pr, st, table.DISK_IN, U0)
        token = u(st.token[slot_index(st, place)]) if st.ctl[control.C_TOKENS] != U0 else U0
    st.folio[f_word(f, F_TOKEN)] = token


@inner
def free_swap(st, pr, f):  # type: ignore[no-untyped-def]
    """Free the word if only the swap cache holds it; the folio is then dirty."""
    v = st.folio[f_word(f, F_ENTRY)]
    touch(pr, R_WORD, v)
    if count_of(st, v) != U0:
        return False
    leave(st, f)
    free(st, pr, v)
    f_set(st, f, DIRTY)
    return True


@inner
def swap_full(st, v):  # type: ignore[no-untyped-def]
    """Tell if more than half of all slots is used, or the device behind word `v` is synchronous."""
    place = place_of(st, v)
    return (is_slot(place) and cl.is_synchronous(st, device_in(place))) or cl.swap_full(st)
