"""Steps of the first two posted versions of virtual swap (mm/vswap.c and its callers in mm/memory.c, mm/swap_state.c, on Linux 6.14).

A swap-in of a page in zswap walks the map of slots so often:

=========================== ============================================ =================================
function                    what                                         locks
=========================== ============================================ =================================
``vswap_tryget``            a reference                                  none, an atomic
``swp_entry_to_swp_slot``   the device                                   of the descriptor
``vswap_disk_backed``       has it one?                                  of the descriptor
``swap_swapcount``          ``__read_swap_cache_async``                  none
``swapcache_prepare``       the swap cache among the references          none, an atomic (v1: two)
``vswap_folio_backed``      has another task it in memory?               of the descriptor
``lookup_swap_cgroup_id``   the owner                                    none
``swap_zeromap_batch``      is it zero-filled?                           of the descriptor
``vswap_store_folio``       release the backing; name the folio          of the descriptor, twice
``swap_free_nr``            a PTE less                                   none, an atomic (v1: two)
``folio_swapped``           may the cache copy go?                       none
``vswap_put``               the reference back                           none, an atomic
=========================== ============================================ =================================

Swap cache and zswap have xarrays of their own, one for all virtual slots. A page that was read from zswap keeps its virtual slot, backed
by the folio alone. The reference of ``vswap_tryget`` is given back where the fault lowers the count: nothing else runs in between.
"""

from __future__ import annotations

from kernels import control
from kernels.compiling.constants import LOW32, U0, U1, U2, U63
from kernels.compiling.jit import called, inner, u
from kernels.designs.vswap_rfc import backing as b
from kernels.designs.vswap_rfc import own
from kernels.designs.vswap_rfc import space as v
from kernels.designs.vswap_rfc.own import R_RDESC, R_SPACE_NODE
from kernels.life import steps
from kernels.life.page_io import read_slot, read_zero
from kernels.memory import BYPASS, CACHED, DIRTY, F_ENTRY, F_TOKEN, F_VALUE, f_clear, f_is, f_set, f_word
from kernels.observing.atomics import atomic_add
from kernels.observing.probe import F_CACHE_CLEAR, F_NONE, F_SWAPCOUNT, R_ZTREE, alone, chase, step, touch
from kernels.structures import cluster as cl
from kernels.structures import page_counter as pc
from kernels.structures import swap_cache, zswap
from kernels.structures import xarray as xa
from kernels.structures.cluster import device_of
from kernels.structures.common import table
from kernels.structures.common.steps import common


@called
def reference(st, pr, value, function):  # type: ignore[no-untyped-def]
    """Take or give back the reference of a fault (``vswap_tryget``, ``vswap_put``): a walk and an atomic; nothing is kept."""
    step(pr, function)
    d = v.find(st, pr, value)
    if d != U0:
        word = v.at(st, d) + v.D_REFS
        atomic_add(pr, R_RDESC, word, st.descriptors, word, U0)
    step(pr, F_NONE)
    return d != U0


@called
def lookup(st, pr, value):  # type: ignore[no-untyped-def]
    """``trylock_swapoff``, which asks for the device, and ``swap_cache_get_folio``."""
    if not reference(st, pr, value, own.F_TRYGET):
        return U0
    v.ask(st, pr, value, own.F_SLOT)
    v.ask(st, pr, value, own.F_DISK_BACKED)
    step(pr, own.F_CACHE)
    f = b.folio_of(st, pr, value)
    step(pr, F_NONE)
    return f


@called
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """``folio_alloc_swap`` and ``add_to_swap_cache``: a virtual slot, no physical one yet. A folio that still has one keeps it."""
    if f_is(st, f, CACHED):
        return st.folio[f_word(f, F_VALUE)]
    value = v.alloc(st, pr, cpu)
    if value != U0:
        b.record(st, pr, value, memcg)
        step(pr, own.F_FOLIO)
        d = v.find(st, pr, value)
        alone(pr, True)  # no lock: nobody knows the slot yet
        v.back_with(st, pr, d, v.FOLIO, U0)
        alone(pr, False)
        step(pr, F_NONE)
        cache_add(st, pr, value, f)
        st.folio[f_word(f, F_VALUE)] = value
    return value


@called
def cache_add(st, pr, value, f):  # type: ignore[no-untyped-def]
    """``add_to_swap_cache``: enter folio `f` as the cache of `value`."""
    swap_cache.insert_in(st, pr, v.shard_of(st, value), v.index_of(value), f)
    st.folio[f_word(f, F_ENTRY)] = value
    f_set(st, f, CACHED)


@inner
def unclaim(st, pr, f, value):  # type: ignore[no-untyped-def]
    """Keep the slot with the cached folio, as no PTE was written."""
    return


@called
def dup(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """``swap_duplicate``: a walk and an atomic; the count does not overflow."""
    step(pr, own.F_DUP_NR)
    v.count_up(st, pr, v.find(st, pr, value))
    step(pr, F_NONE)
    return True


@called
def put(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """``swap_free`` at the end of a fault, and the reference of the fault."""
    step(pr, own.F_FREE_NR)
    left = v.count_down(st, pr, v.find(st, pr, value))
    step(pr, F_NONE)
    if left == U2:
        free(st, pr, value)
    else:
        reference(st, pr, value, own.F_PUT)
    return left


@called
def free(st, pr, value):  # type: ignore[no-untyped-def]
    """``vswap_free`` of a slot that nothing holds: shadow, backing, owner, the slot itself, each found anew."""
    step(pr, own.F_FREE)
    d = v.find(st, pr, value)
    swap_cache.remove_in(st, pr, v.shard_of(st, value), v.index_of(value), False)
    step(pr, F_NONE)
    b.release(st, pr, value)
    b.unrecord(st, pr, value)
    v.release_slot(st, pr, value, d)


@inner
def run_limit(st, value):  # type: ignore[no-untyped-def]
    """Number of slots from `value` on in its leaf of the map."""
    return U63 + U1 - (value & U63)


@called
def put_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """``free_swap_and_cache_nr``: one walk to the leaf, an atomic a slot; then folios that the swap cache alone holds go."""
    step(pr, own.F_ZAP)
    slot, kept = xa.find_slot(st.slothead, v.shard_of(st, value), st.slotpool, pr, own.R_SPACE, R_SPACE_NODE, v.index_of(value)), U0
    for i in range(n):
        step(pr, own.F_ZAP)
        touch(pr, R_SPACE_NODE, slot + u(i))
        d = st.slotpool[slot + u(i)] >> U2
        chase(pr, R_RDESC, v.at(st, d))
        left = v.count_down(st, pr, d)
        step(pr, F_NONE)
        if left == U2:
            free(st, pr, value + u(i))
        kept += U1 if left == U1 else U0
    for i in range(n if kept != U0 else U0):
        d = v.look(st, pr, value + u(i), own.F_CACHE_ONLY)
        if d != U0 and v.is_cached(st, d) and v.count_of(st, d) == U0:
            f = b.folio_of(st, pr, value + u(i))
            if f != U0:
                steps.drop_unused(st, pr, f)


@called
def count_is_zero(st, value):  # type: ignore[no-untyped-def]
    """True if no PTE holds `value`."""
    return v.count_of(st, v.peek(st, value)) == U0


@called
def let_go(st, pr, value):  # type: ignore[no-untyped-def]
    """``swapcache_clear``: the swap cache has let go of `value`; free it if nothing holds it."""
    step(pr, F_CACHE_CLEAR)
    last = v.cache_unpin(st, pr, v.find(st, pr, value))
    step(pr, F_NONE)
    if last:
        free(st, pr, value)


@called
def uncache(st, pr, f, shadow, function):  # type: ignore[no-untyped-def]
    """Take folio `f` out of the swap cache, in the kernel's `function`; a `shadow` takes its place, or nothing."""
    value = st.folio[f_word(f, F_ENTRY)]
    step(pr, function)
    swap_cache.remove_in(st, pr, v.shard_of(st, value), v.index_of(value), shadow)
    step(pr, F_NONE)
    f_clear(st, f, CACHED)
    st.folio[f_word(f, F_ENTRY)] = U0
    let_go(st, pr, value)


@inner
def evict(st, pr, f):  # type: ignore[no-untyped-def]
    """``__remove_mapping``: a shadow takes the place of the folio; the slot goes if nothing else holds it."""
    uncache(st, pr, f, True, own.F_REMOVE)


@called
def bypasses(st, pr, value):  # type: ignore[no-untyped-def]
    """Tell if a read goes around the swap cache: from a synchronous device, which asks for the count, for a single PTE."""
    d = v.peek(st, value)
    if d == U0 or v.type_of(st, d) != v.SWAPFILE or not cl.is_synchronous(st, device_of(st.descriptors[v.at(st, d)])):
        return False
    v.look(st, pr, value, F_SWAPCOUNT)
    return st.ctl[control.C_SYNC_BYPASS] != U0 and v.count_of(st, d) == U1


@inner
def read_begin(st, pr, value, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` into the swap cache for `value`, or go around the swap cache. False: the slot is gone or somebody was faster."""
    return begin(st, pr, value, f, bypasses(st, pr, value))


@called
def begin(st, pr, value, f, bypass):  # type: ignore[no-untyped-def]
    """``__read_swap_cache_async``, or with `bypass` what a fault does in its place: claim the slot, find the owner, add the folio."""
    if not bypass:
        step(pr, own.F_CACHE)
        b.folio_of(st, pr, value)
        v.look(st, pr, value, F_SWAPCOUNT)
    step(pr, own.F_CLAIM)
    d = v.find(st, pr, value)
    ok = d != U0 and v.count_of(st, d) != U0 and not v.is_cached(st, d)
    if ok:
        v.cache_pin(st, pr, d)
    step(pr, F_NONE)
    if ok:
        if not bypass:
            v.ask(st, pr, value, own.F_FOLIO_BACKED)
        v.look(st, pr, value, own.F_CGROUP)
        pc.from_id(st, pr, v.owner_of(st, d))
        if bypass:
            f_set(st, f, BYPASS)
            st.folio[f_word(f, F_ENTRY)] = value
        else:
            cache_add(st, pr, value, f)
    return ok


@inner
def read_abort(st, pr, value, f):  # type: ignore[no-untyped-def]
    """Take the folio out of the swap cache again."""
    if f_is(st, f, BYPASS):
        read_done(st, pr, value, value, f)
    else:
        uncache(st, pr, f, False, own.F_UNCACHE)


@called
def read_done(st, pr, value, entry, f):  # type: ignore[no-untyped-def]
    """``swapcache_clear``: a folio that went around the swap cache lets go of the slot."""
    if f_is(st, f, BYPASS):
        f_clear(st, f, BYPASS)
        f_set(st, f, DIRTY)
        st.folio[f_word(f, F_ENTRY)] = U0
        let_go(st, pr, value)


@called
def read_end(st, pr, value, f):  # type: ignore[no-untyped-def]
    """``swap_read_folio``. A zswap entry goes when it is loaded, so that the folio is dirty and backs the slot."""
    d = v.ask(st, pr, value, own.F_ZEROMAP)
    if v.type_of(st, d) == v.ZERO:
        st.folio[f_word(f, F_TOKEN)] = read_zero(st, pr, st.descriptors[v.at(st, d)] & LOW32)
        return
    z = zswap_load(st, pr, value, f)
    if z != U0:
        b.settle(st, pr, value, v.FOLIO, U0, own.F_STORE_FOLIO)
        zswap.entry_free(st, pr, z)
        f_set(st, f, DIRTY)
    else:
        read_device(st, pr, value, f)


@called
def zswap_load(st, pr, value, f):  # type: ignore[no-untyped-def]
    """``zswap_load``: take the entry of `value` out of the tree and decompress it; 0 if zswap has none. The entry is still to be freed."""
    step(pr, own.F_LOAD)
    common(pr, st, table.TREE, f)
    touch(pr, R_ZTREE, v.shard_of(st, value) * xa.HEAD_WORDS)
    z = U0
    if not f_is(st, f, BYPASS):
        z = b.zswap_take(st, pr, value)
    elif st.ztree[v.shard_of(st, value) * xa.HEAD_WORDS + xa.H_ENTRY] != U0:
        z = zswap.find_in(st, pr, v.shard_of(st, value), v.index_of(value))
    if z != U0:
        st.folio[f_word(f, F_TOKEN)] = zswap.entry_read(st, pr, z) & LOW32
    step(pr, F_NONE)
    return z


@called
def read_device(st, pr, value, f):  # type: ignore[no-untyped-def]
    """Read `value` from its slot; the device and the sector are asked for one after the other."""
    v.ask(st, pr, value, own.F_SLOT)
    d = v.ask(st, pr, value, own.F_SLOT)
    st.folio[f_word(f, F_TOKEN)] = read_slot(st, pr, st.descriptors[v.at(st, d)])


@called
def free_swap(st, pr, f):  # type: ignore[no-untyped-def]
    """``folio_free_swap``: if no PTE holds the slot, uncache and free it; the folio is then dirty."""
    value = st.folio[f_word(f, F_ENTRY)]
    v.look(st, pr, value, own.F_SWAPPED)
    if not count_is_zero(st, value):
        return False
    uncache(st, pr, f, False, own.F_UNCACHE)
    f_set(st, f, DIRTY)
    return True


@inner
def swap_full(st, value):  # type: ignore[no-untyped-def]
    """``mem_cgroup_swap_full``, which knows slots of devices only."""
    return cl.swap_full(st)
