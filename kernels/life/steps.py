"""The interface of a design: the steps in which designs differ. Everything else is :mod:`kernels.life.lifecycle`.

A design implements the steps marked ``required``; the body of an ``optional`` one is its default. ``kernels.life.registry.bind`` takes
the implementations by name. `st` is the state, `pr` the probe, `f` a folio, `cpu` the CPU that runs the demand, `value` the content of a
PTE, `entry` the design's handle of the metadata behind it (*direct*: the same; *swap_id*: the swap entry that the ID maps to;
*swap_desc*: the descriptor). A step may change what the design keeps, the words F_ENTRY and F_VALUE and the flags of its folio, nothing
else: PTEs, map counts and folios are the life cycle's.

=============== ============================================================================================
demand          steps, in order
=============== ============================================================================================
every           on_cpu; fetch_near, fetch_entry, fetch_behind ahead of it, where nothing is observed
FAULT           resolve, lookup; on a hit: same, swap_full, put, free_swap
                on a miss: read_begin, read_same (read_abort, resolve again), read_end, still, swap_full, put, free_swap, read_done
RECLAIM         claim, dup for each PTE, count_is_zero (unclaim), then evict if the copy is clean, else writeout
RECLAIM_END     evict
of an order     claim_run, dup for each PTE, writeout_run, evict_run; where claim_run finds no run, each page as above
FORK            resolve, dup for each PTE
UNMAP           run_limit, put_run (by default: resolve, put, lookup, swap_full, free_swap for each PTE)
MOVE, its parts resolve, move_step until it says that the move is over
COW, SWAPOFF    free_swap, swapoff
READAHEAD       resolve, read_begin, read_same (read_abort), read_end, read_done; lookup where read_begin finds no room for a read
=============== ============================================================================================

`publish` and `retire` are the hooks of a layer in ``claim`` and in the free path of :mod:`kernels.life.swapfile`. Slots of a device are
the second interface (:mod:`kernels.structures.slots`), for designs that use clusters or :mod:`kernels.life.swapfile`.
"""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.functions import optional, required
from kernels.compiling.jit import inner, u
from kernels.life.charging import folio_swap_full
from kernels.memory import LOCKED, WRITEBACK, f_is, folio_free, mapcount
from kernels.observing import shared

ZERO_LOCKED, ZERO_UNLOCKED, FREE_LOCKED, FREE_UNLOCKED = (u(i) for i in range(4))  # moments of retire


@optional
def on_cpu(st, cpu):  # type: ignore[no-untyped-def]
    """Note that the demand that follows runs on `cpu`, where lookups have state for each CPU."""


@optional
def resolve(st, pr, value):  # type: ignore[no-untyped-def]
    """Return the entry behind `value`, 0 if there is none: the lookup that a layer adds. Default: the PTE holds the entry itself."""
    return value


@required
def lookup(st, pr, entry):  # type: ignore[no-untyped-def]
    """Return the folio in the swap cache for `entry`, 0 if none."""


@optional
def same(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Tell, under the folio lock, if `value` still leads to `entry`. Default: it leads nowhere else."""
    return True


@optional
def read_same(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Tell the same of a folio in the swap cache that is not read yet; :func:`still` is asked after it. Default: as :func:`same`."""
    return same(st, pr, value, entry)


@optional
def still(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Tell if a PTE that holds `value` again after the read holds the same one, not one freed and given out anew. Default: it does."""
    return True


@required
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """Enter `f` into the swap cache and return the value for its PTEs: a new one, or the one it has. 0: none left."""


@optional
def unclaim(st, pr, f, value):  # type: ignore[no-untyped-def]
    """Take back what lives only as long as PTEs hold `value`: the unmap wrote it into none. Default: nothing does."""


@required
def dup(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Count one more PTE that holds `value`. False: there was no room for the count."""


@required
def put(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Count one PTE less and free what nothing holds any more. 0: other PTEs do; 1: the swap cache does; 2: it was freed."""


@required
def count_is_zero(st, entry):  # type: ignore[no-untyped-def]
    """Tell if no PTE holds the value of `entry`."""


@required
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """Store the content of `f`, `size` bytes if compressed, on `backend`. Return 0, or the reply code for want of a place."""


@required
def evict(st, pr, f):  # type: ignore[no-untyped-def]
    """Take `f`, unmapped and clean, out of the swap cache (a shadow stays) and free what nothing holds any more."""


@required
def read_begin(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Enter `f` into the swap cache for `entry`. False: the entry is gone or somebody is faster."""


@required
def read_end(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Read the content of `entry` into `f`."""


@optional
def read_done(st, pr, value, entry, f):  # type: ignore[no-untyped-def]
    """Let go of what a read has held until its fault is over: the PTE was mapped, or has changed. Default: nothing was."""


@required
def read_abort(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Undo :func:`read_begin`."""


@required
def free_swap(st, pr, f):  # type: ignore[no-untyped-def]
    """Drop `f` from the swap cache, with its slot, if no PTE holds the value (``folio_free_swap``). True: it was dropped."""


@optional
def swap_full(st, entry):  # type: ignore[no-untyped-def]
    """Tell if cache copies are not worth keeping (``vm_swap_full``, a synchronous device). Default: they are."""
    return False


@optional
def run_limit(st, value):  # type: ignore[no-untyped-def]
    """Return how many contiguous values from `value` on a zap may put in one go. Default: one, no batching."""
    return U1


@optional
def put_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """Count one PTE less for each of `n` values from `value` on; cache copies that nothing needs go too. Default: one by one."""
    for i in range(n):
        entry = resolve(st, pr, value + u(i))
        if put(st, pr, value + u(i), entry) == U1:
            f = lookup(st, pr, entry)
            if f != U0 and (mapcount(st, f) == U0 or swap_full(st, entry) or folio_swap_full(st, pr, f)):
                drop_unused(st, pr, f)


@optional
def claim_run(st, pr, order, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """Enter the folios of 2^`order` pages from `page` on, one large folio, into the swap cache, and note the value for each PTE.

    ``parts`` has a pair of words for each page: its folio, and where the step leaves the value. False: no run is to be had, or not all
    values are; folios that have entries keep them, and the pages are taken one by one. Default: the design takes single pages only.
    """
    return False


@optional
def writeout_run(st, pr, n, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """:func:`writeout` of the `n` folios of ``parts``. A folio for which there is no place stays: its word in ``parts`` becomes 0, and
    the reply code is returned. Default: one by one.
    """
    why = U0
    for i in range(n):
        lost = writeout(st, pr, st.parts[u(i) * U2], st.parts[u(i) * U2 + U1], backend, size, zero, cpu)
        if lost != U0:
            why = lost
            st.parts[u(i) * U2] = U0
    return why


@optional
def write_page(st, pr, f, g, backend, size, zero):  # type: ignore[no-untyped-def]
    """:func:`writeout` of a page of a large folio to slot `g`, once its zero bit is written. Only :mod:`kernels.life.folio_slots` asks."""
    return codes.REACTIVATED


@optional
def evict_run(st, pr, n):  # type: ignore[no-untyped-def]
    """:func:`evict` of the `n` folios of ``parts``, all of which PTEs hold. Asked where none of them stays; the default, one by one, serves
    where some do: 0 stands for such a one.
    """
    for i in range(n):
        if st.parts[u(i) * U2] != U0:
            evict(st, pr, st.parts[u(i) * U2])


@optional
def publish(st, pr, f, entry, cpu):  # type: ignore[no-untyped-def]
    """Return the value that PTEs will hold for `entry`, cached as `f`; 0: none to be had. Default, without a layer: the entry."""
    return entry


@optional
def publish_run(st, pr, entry, n, cpu):  # type: ignore[no-untyped-def]
    """Note in ``parts`` the value of each page of a large folio with contiguous entries from `entry` on; false if there are not enough.

    Default: :func:`publish` for each.
    """
    whole = True
    for i in range(n):
        value = publish(st, pr, st.parts[u(i) * U2], entry + u(i), cpu)
        st.parts[u(i) * U2 + U1] = value
        whole = whole and value != U0
    return whole


@optional
def retire(st, pr, value, entry, moment):  # type: ignore[no-untyped-def]
    """Free `value` if this is its moment: count 0 or slot freed, under the cluster lock or after it. Default: nothing to free."""


@optional
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run the next step of the move in record `t`: STEPPED, MOVED, or the reason why it was backed out. Default: REFUSED."""
    return codes.REFUSED


@optional
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """Bring every page of device `d` to `target` and reply. Default: REFUSED."""
    return codes.REFUSED


@optional
def fetch_near(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch what leads from `value` to its entry, or the entry's metadata where nothing leads there. Default: nothing."""


@optional
def fetch_entry(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch the metadata of the entry behind `value`; :func:`fetch_near` came before. Default: nothing."""


@optional
def fetch_behind(st, pr, entry):  # type: ignore[no-untyped-def]
    """Prefetch the metadata of `entry` of a cached folio, where :func:`fetch_near` fetches only what names it. Default: nothing."""


@inner
def drop_unused(st, pr, f):  # type: ignore[no-untyped-def]
    """``__try_to_reclaim_swap``: drop cached folio `f`, whose count fell to 0, unless somebody uses it, or it is of another thread."""
    if shared.mine(pr, f) and not f_is(st, f, LOCKED | WRITEBACK) and free_swap(st, pr, f) and mapcount(st, f) == U0:
        folio_free(st, f)


NAMES = tuple(name for name, value in list(globals().items()) if hasattr(value, "default"))
"""Names of the steps."""
