"""Large folios on swap tables: what one slot does in a locked section of its own, a run of slots of one cluster does in one."""

from __future__ import annotations

from kernels.compiling.constants import U2
from kernels.compiling.jit import called, u
from kernels.designs.swap_table.own import C_PHASE
from kernels.designs.swap_table.table import CACHED, KEPT, P2, P4, SHADOW, at, owner_set, word_xchg, zero_set
from kernels.observing.probe import F_NONE, F_ZERO, step
from kernels.structures import swap_map
from kernels.structures.cluster import ci_of, lock_cluster, unlock_cluster


@called
def charge_run(st, pr, g, n, memcg):  # type: ignore[no-untyped-def]
    """Record the owner of `n` slots from `g` on; the memcg table is written under the lock of its cluster (``__swap_cgroup_set``)."""
    locked = st.ctl[C_PHASE] == P4
    if locked:
        lock_cluster(st, pr, g)
    for i in range(n):
        owner_set(st, pr, g + u(i), memcg)
    if locked:
        unlock_cluster(st, pr, ci_of(st, g))


@called
def zero_mark_run(st, pr, g, n, zero):  # type: ignore[no-untyped-def]
    """Write the zero bits of `n` slots from `g` on, from phase 4 on in one section (``swap_zeromap_folio_set``, ``_clear``)."""
    if st.ctl[C_PHASE] < P4:
        for i in range(n):
            swap_map.zero_mark(st, pr, g + u(i), zero)
        return
    step(pr, F_ZERO)
    ci = lock_cluster(st, pr, g)
    for i in range(n):
        zero_set(st, pr, g + u(i), zero)
    unlock_cluster(st, pr, ci)
    step(pr, F_NONE)


@called
def cache_insert_run(st, pr, g, n):  # type: ignore[no-untyped-def]
    """``swap_cache_add_folio`` of a large folio. From phase 2 on it is part of the section that took the slots."""
    alone = st.ctl[C_PHASE] < P2
    if alone:
        lock_cluster(st, pr, g)
    for i in range(n):
        word = st.table[at(st, g + u(i))] & KEPT | CACHED | st.parts[u(i) * U2] << U2
        if alone:
            word_xchg(st, pr, g + u(i), word)
        else:
            st.table[at(st, g + u(i))] = word
    if alone:
        unlock_cluster(st, pr, ci_of(st, g))


@called
def cache_remove_run(st, pr, g, n):  # type: ignore[no-untyped-def]
    """``__swap_cache_del_folio`` of a large folio in phase 1; later it is one section with its successor (``flag_clear``)."""
    if st.ctl[C_PHASE] < P2:
        ci = lock_cluster(st, pr, g)
        for i in range(n):
            word_xchg(st, pr, g + u(i), SHADOW)
        unlock_cluster(st, pr, ci)


STEPS = {step.__name__: step for step in (charge_run, zero_mark_run, cache_insert_run, cache_remove_run)}
