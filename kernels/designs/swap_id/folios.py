"""IDs of a large folio: one by one, or with ``runs=aligned`` 2^order in a row, in one locked section of the tree.

A run begins at a multiple of its length, so that the IDs of a folio of 64 pages or fewer lie in one leaf. It is taken behind the run before
it, around the end of the ID space. Where no stretch is free in so many tries, or the folio has IDs already, its pages get IDs one by one.
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_id import own
from kernels.designs.swap_id.hooks import link
from kernels.designs.swap_id.layer import TRIES, lock_ids, unlock_ids
from kernels.designs.swap_id.own import F_ID_ALLOC, R_ID, R_ID_NODE
from kernels.life import steps
from kernels.memory import F_VALUE, f_word
from kernels.structures import idalloc
from kernels.structures import xarray as xa

one_by_one = steps.publish_run.default


@inner
def multiple(index, n):  # type: ignore[no-untyped-def]
    """The first multiple of `n`, a power of two, from `index` on."""
    return (index + n - U1) & ~(n - U1)


@called
def run_alloc(st, pr, entry, n):  # type: ignore[no-untyped-def]
    """First of `n` IDs in a row that map to the entries from `entry` on; 0 if no stretch was found."""
    ctl, found = st.ctl, U0
    lock_ids(st, pr, F_ID_ALLOC)
    at = multiple(max(U1, ctl[own.S_ID_RUN]), n)
    for _ in range(TRIES):
        if at + n - U1 > ctl[own.C_ID_LIMIT]:
            at = n
        busy = idalloc.next_index(st.idhead, st.idpool, pr, R_ID, R_ID_NODE, at)
        if busy == xa.NOT_FOUND or busy >= at + n:
            found = at if at + n - U1 <= ctl[own.C_ID_LIMIT] else U0
            break
        at = multiple(busy + U1, n)
    for i in range(n if found != U0 else U0):
        xa.store(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, found + u(i), xa.mk_value(entry + u(i)))
    unlock_ids(st, pr)
    if found != U0:
        ctl[own.S_ID_RUN] = found + n
        ctl[own.S_ID_LIVE] += n
        ctl[own.S_ID_PEAK] = max(ctl[own.S_ID_PEAK], ctl[own.S_ID_LIVE])
    return found


@called
def publish_run(st, pr, entry, n, cpu):  # type: ignore[no-untyped-def]
    """Give the pages of a large folio, which have no IDs, a run of them, or an ID each."""
    first = run_alloc(st, pr, entry, n) if st.ctl[own.C_ID_RUNS] != U0 else U0
    if first == U0:
        return one_by_one(st, pr, entry, n, cpu)
    for i in range(n):
        value = first + u(i)
        st.folio[f_word(st.parts[u(i) * U2], F_VALUE)] = st.parts[u(i) * U2 + U1] = value
        link(st, pr, value, entry + u(i))
    return True
