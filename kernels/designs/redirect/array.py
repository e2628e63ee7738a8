"""Arrays of redirects: a 32-bit word for each slot of a cluster says which slot of another device has the data, 0 for none.

A word has the device + 1 in its top three bits and the offset below: 2 TiB of a device. The array of a cluster is allocated with the first
move out of it and freed with its last slot. The header of a cluster has a pointer to it, which is `rtail` here: the number of the array,
which is the cluster's + 1, or 0. A word changes under the cluster's lock, with the folio locked that the swap cache has for the slot. So
a read, which has that folio, takes no lock to look at it.

The slot that has the data is taken from its device as any other. Its word in the device's swap table has the pointer tag of phase IV, and
is never the entry of a page. It is freed when the lock of the entry's cluster is dropped: two clusters may each have slots that stand in
for slots of the other, so that neither lock may nest in the other. Until then it hangs on a list of the task that frees it. The list is
kept in the table words of the slots; a kernel would have it on its stack, so nothing of it is counted.
"""

from __future__ import annotations

from kernels.compiling.constants import LOW32, U0, U1, U2
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CLUSTER_SHIFT
from kernels.designs.redirect import own
from kernels.designs.redirect.own import R_REDIRECT, S_ARRAYS, S_ARRAYS_PEAK, S_REDIRECTED, S_REDIRECTED_PEAK, S_WAITING, S_WAITING_END
from kernels.designs.swap_table import table as swap_table
from kernels.observing.probe import F_NONE, R_CLUSTER, allocated, chase, freed, step, touch, wrote
from kernels.structures import cluster as cl
from kernels.structures.cluster import CI_COUNT, ci_of, device_of, make_entry, slot_of

OFFSET_BITS = u(29)
OFFSET = (U1 << OFFSET_BITS) - U1
POINTER = swap_table.TAG  # the tag of a word of the swap table that is no page's
FOUND_BY_WORD = U1  # C_REVERSE


@inner
def word_of(entry):  # type: ignore[no-untyped-def]
    """Swap entry `entry` in 32 bits."""
    return (device_of(entry) + U1) << OFFSET_BITS | entry & OFFSET


@inner
def entry_in(word):  # type: ignore[no-untyped-def]
    """Swap entry in a word that is not 0."""
    return make_entry((word >> OFFSET_BITS) - U1, word & OFFSET)


@inner
def has_array(st, g):  # type: ignore[no-untyped-def]
    """True if the cluster of slot `g` has an array."""
    return st.rtail[g >> st.ctl[C_CLUSTER_SHIFT]] != 0


@inner
def at(st, g):  # type: ignore[no-untyped-def]
    """Index of the word of slot `g`, whose cluster has an array."""
    shift = st.ctl[C_CLUSTER_SHIFT]
    return u(st.rtail[g >> shift]) << shift | g & ((U1 << shift) - U1)


@called
def find(st, pr, g):  # type: ignore[no-untyped-def]
    """Word of slot `g`: the pointer in the header, and where it leads anywhere the array; 0 if the slot itself has the data."""
    step(pr, own.F_FIND)
    touch(pr, R_CLUSTER, ci_of(st, g) >> U1)
    word = U0
    if has_array(st, g):
        chase(pr, R_REDIRECT, at(st, g) >> U1)
        word = u(st.redirect[at(st, g)])
    step(pr, F_NONE)
    return word


@inner
def put_word(st, pr, g, word):  # type: ignore[no-untyped-def]
    """Write the word of slot `g`. The cluster's lock is held."""
    ctl = st.ctl
    ctl[S_REDIRECTED] += (U1 if word != U0 else U0) - (U1 if st.redirect[at(st, g)] != 0 else U0)
    ctl[S_REDIRECTED_PEAK] = max(ctl[S_REDIRECTED_PEAK], ctl[S_REDIRECTED])
    st.redirect[at(st, g)] = word
    wrote(pr, R_REDIRECT, at(st, g) >> U1)


@called
def array_new(st, pr, g):  # type: ignore[no-untyped-def]
    """Give the cluster of slot `g` a zeroed array. The cluster's lock is held."""
    ctl, shift = st.ctl, st.ctl[C_CLUSTER_SHIFT]
    st.rtail[g >> shift] = (g >> shift) + U1
    wrote(pr, R_CLUSTER, ci_of(st, g) >> U1)
    first = at(st, g) >> shift << shift
    for i in range(first, first + (U1 << shift)):
        st.redirect[u(i)] = 0
        wrote(pr, R_REDIRECT, u(i) >> U1)
    ctl[S_ARRAYS] += U1
    ctl[S_ARRAYS_PEAK] = max(ctl[S_ARRAYS_PEAK], ctl[S_ARRAYS])
    allocated(pr, own.A_REDIRECT)


@called
def set_word(st, pr, g, word):  # type: ignore[no-untyped-def]
    """Redirect slot `g` to the slot that `word` names, none if it is 0, in one section; the word before."""
    step(pr, own.F_SET)
    ci = cl.lock_cluster(st, pr, g)
    if not has_array(st, g):
        array_new(st, pr, g)
    before = u(st.redirect[at(st, g)])
    put_word(st, pr, g, word)
    cl.unlock_cluster(st, pr, ci)
    step(pr, F_NONE)
    return before


@inner
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Mark slot `g` as in phase IV; the array of the cluster goes with its last slot."""
    last = not used and st.cluster[ci_of(st, g) + CI_COUNT] == 1
    swap_table.slot_mark(st, pr, g, used)
    if last and has_array(st, g):
        st.rtail[g >> st.ctl[C_CLUSTER_SHIFT]] = 0
        wrote(pr, R_CLUSTER, ci_of(st, g) >> U1)
        st.ctl[S_ARRAYS] -= U1
        freed(pr, own.A_REDIRECT)


@inner
def stand_in(st, b, entry):  # type: ignore[no-untyped-def]
    """Make the word of fresh slot `b` a pointer. It is part of the section that took the slot, which has counted this write."""
    st.table[swap_table.at(st, b)] = POINTER | (word_of(entry) << U2 if st.ctl[own.C_REVERSE] == FOUND_BY_WORD else U0)


@inner
def is_stand_in(st, b):  # type: ignore[no-untyped-def]
    """True if slot `b` has the data of another slot."""
    return st.table[swap_table.at(st, b)] & swap_table.TAG == POINTER


@inner
def backing_drop(st, pr, g, n):  # type: ignore[no-untyped-def]
    """Take the redirects off `n` slots of one cluster that are about to be freed. Its lock is held, so their slots have to wait."""
    if has_array(st, g):
        for i in range(n):
            touch(pr, R_REDIRECT, at(st, g + u(i)) >> U1)
            word = u(st.redirect[at(st, g + u(i))])
            if word != U0:
                put_word(st, pr, g + u(i), U0)
                wait(st, slot_of(st, entry_in(word)))


@called
def wait(st, b):  # type: ignore[no-untyped-def]
    """Put slot `b` at the end of the list of those that wait to be freed."""
    last = st.ctl[S_WAITING_END]
    st.table[swap_table.at(st, b)] = POINTER
    if last == U0:
        st.ctl[S_WAITING] = b + U1
    else:
        st.table[swap_table.at(st, last - U1)] = POINTER | (b + U1) << U2
    st.ctl[S_WAITING_END] = b + U1


@inner
def next_waiting(st, b):  # type: ignore[no-untyped-def]
    """Slot + 1 that waits behind slot `b`."""
    return st.table[swap_table.at(st, b)] >> U2 & LOW32


@called
def free_waiting(st, pr):  # type: ignore[no-untyped-def]
    """Free the slots that wait, those in a row of one cluster together. No lock is held."""
    size = U1 << st.ctl[C_CLUSTER_SHIFT]
    first = st.ctl[S_WAITING]
    st.ctl[S_WAITING] = st.ctl[S_WAITING_END] = U0
    while first != U0:
        b, n = first - U1, U1
        behind = next_waiting(st, b)
        while behind == b + n + U1 and (b + n) & (size - U1) != U0:
            behind = next_waiting(st, b + n)
            n += U1
        slots_free(st, pr, b, n)
        first = behind


@called
def slots_free(st, pr, b, n):  # type: ignore[no-untyped-def]
    """Free `n` slots of one cluster from `b` on that had the data of others."""
    step(pr, own.F_FREE)
    ci = cl.lock_cluster(st, pr, b)
    cl.slots_release(st, pr, device_at(st, b), b, n)
    cl.unlock_cluster(st, pr, ci)
    step(pr, F_NONE)


@inner
def device_at(st, b):  # type: ignore[no-untyped-def]
    """Device that slot `b` is of: the kernel knows it from the redirect."""
    found = U0
    for d in range(4):
        base = st.dev[u(d) * cl.DEV_WORDS]
        if b >= base and b < base + st.dev[u(d) * cl.DEV_WORDS + cl.D_SLOTS]:
            found = u(d)
    return found
