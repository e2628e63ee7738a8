"""The steps in which designs differ. A design registers one implementation of each; everything else is in :mod:`kernels.life.lifecycle`.

``value`` is what a PTE holds, ``entry`` the design's handle of the page's metadata behind it (direct: the same; swap_id: the swap
entry that the ID maps to; swap_desc: the descriptor). Steps are dispatched on the class of the state when a replay is compiled.
"""

from __future__ import annotations

from kernels.compiling.jit import inner, operation, u


@operation
def on_cpu(st, cpu):  # type: ignore[no-untyped-def]
    """The demand that follows runs on `cpu`: for designs whose lookups have per-CPU state."""


@operation
def resolve(st, pr, value):  # type: ignore[no-untyped-def]
    """The entry behind `value`, 0 if there is none. The lookup that a layer adds."""


@operation
def same(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Revalidate under the folio lock: does `value` still lead to `entry`?"""


@operation
def still(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """The PTE holds `value` again after the read: is it the same `value`, or one that was freed and given out anew meanwhile?"""


@operation
def lookup(st, pr, entry):  # type: ignore[no-untyped-def]
    """The folio in the swap cache for `entry`, 0 if none."""


@operation
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """Give folio `f` a swap value to write into PTEs: a new one, or what it still has. 0: none left."""


@operation
def unclaim(st, pr, f, value):  # type: ignore[no-untyped-def]
    """The unmap wrote `value` into no PTE at all: take back what lives only as long as PTEs hold it."""


@operation
def dup(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """One more PTE holds `value`. False: the count could not be raised."""


@operation
def put(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """One PTE less holds `value`; free what nothing holds any more. 0: other PTEs do; 1: none, but the swap cache; 2: it was freed."""


@operation
def run_limit(st, value):  # type: ignore[no-untyped-def]
    """Values from `value` on, of contiguous ones, that the zap of a page table may put in one go (1: no batching)."""


@operation
def put_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """One PTE less holds each of `n` values from `value` on; cache copies that nothing needs any more go too."""


@operation
def count_is_zero(st, entry):  # type: ignore[no-untyped-def]
    """True if no PTE holds the value of `entry`."""


@operation
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """Store the content of folio `f`. 0, or the reason why there was no place."""


@operation
def evict(st, pr, f):  # type: ignore[no-untyped-def]
    """Folio `f`, unmapped and clean, leaves the swap cache; free what nothing holds any more."""


@operation
def read_begin(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` into the swap cache for `entry`. False: the entry is gone or somebody is faster."""


@operation
def read_end(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Read the content of `entry` into folio `f`."""


@operation
def read_abort(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Undo :func:`read_begin`."""


@operation
def free_swap(st, pr, f):  # type: ignore[no-untyped-def]
    """``folio_free_swap``: drop the swap cache and its slot if no PTE holds the value. True if it was dropped."""


@operation
def swap_full(st, entry):  # type: ignore[no-untyped-def]
    """``vm_swap_full``, or a synchronous device: cache copies are not worth keeping."""


@operation
def publish(st, pr, f, entry, cpu):  # type: ignore[no-untyped-def]
    """The layer's hook in swap-out: the value that PTEs will hold for `entry`, cached as folio `f`. 0: none to be had."""


@operation
def retire(st, pr, value, entry, moment):  # type: ignore[no-untyped-def]
    """The layer's hook in the free path: the count fell to 0, or the slot is freed, with or without the cluster lock."""


@operation
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run the next step of the move in record `t`: STEPPED, MOVED, or the reason why it was backed out."""


@operation
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """Bring every page of device `d` to `target`."""


@operation
def fetch_near(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch what leads from `value`, which a PTE holds, to its entry, or what the entry consists of where nothing leads there."""


@operation
def fetch_entry(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch what the entry behind `value` consists of; :func:`fetch_near` came before."""


@operation
def fetch_behind(st, pr, entry):  # type: ignore[no-untyped-def]
    """Prefetch what `entry` of a cached folio consists of where :func:`fetch_near` leads only to what names it."""


@operation
def wide(st, g):  # type: ignore[no-untyped-def]
    """True if slot `g` belongs to a backend that counts in 32 bits."""


@inner
def any_cpu(st, cpu):  # type: ignore[no-untyped-def]
    """``on_cpu`` of a design whose lookups are the same on every CPU."""
    return


ZERO_LOCKED, ZERO_UNLOCKED, FREE_LOCKED, FREE_UNLOCKED = (u(i) for i in range(4))  # moments of retire

NAMES = (
    "on_cpu", "resolve", "same", "still", "lookup", "claim", "unclaim", "dup", "put", "run_limit", "put_run", "count_is_zero",
    "writeout", "evict", "read_begin", "read_end",
    "read_abort", "free_swap", "swap_full", "publish", "retire", "move_step", "swapoff", "wide", "fetch_near", "fetch_entry",
    "fetch_behind",
)  # fmt: skip
