"""Pages of several address spaces: objects, fork, copy on write, unmap. Also swapoff, which visits every page as well.

With forks an *object* is a content. One or more PTEs map it or hold its swap entry.
Lists, limit and placement deal with objects. A swapped-out object is in no PTE. A fault
brings it in for one PTE; the others fault later (without charge while it is resident).

Simplified: a write to a shared object that is swapped out gives the writer a new object
and leaves the old one in place (its copy in the swap cache is not charged). An object
in memory that no PTE maps any more stays on its list until it is reclaimed. A fork
copies only the PTEs that the child does not have yet.
"""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import BYTE, LOW32, U0, U1, U16, U24, U32
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.folios import freed_whole
from kernels.reclaim.lists import touched
from kernels.reclaim.migration import before_fault, moves_on
from kernels.reclaim.placement import stored_bytes
from kernels.reclaim.reclaim import make_room
from kernels.reclaim.residence import entered, removed
from kernels.reclaim.state import (
    C_AHEAD,
    C_CPUS,
    C_DEST,
    C_DISK,
    C_FORKS,
    C_PAGES,
    C_SHIFT,
    C_SPARE,
    CHANGED,
    DIRTY,
    HOME,
    N_COWS,
    N_FAULTS,
    N_FIRST,
    N_FORKS,
    N_RESIDENT_PEAK,
    N_SWAP_INS,
    N_UNMAPS,
    NOWHERE,
    PRESENT,
    PROTECTED,
    RESIDENT,
    S_CPU,
    S_OBJECT_FREE,
    S_OBJECT_HIGH,
    S_POOL_BYTES,
    S_RESIDENT,
    S_SWAPPED,
    S_TIME,
    SWAPPED,
    ZEROED,
    count,
    emit,
    most,
    order_of,
)

SLICE = U16  # accesses, as a power of 2, after which a space moves to the next CPU


@inner
def run_on(st, page):  # type: ignore[no-untyped-def]
    """Choose the CPU for the demands of an access to `page`: that of its space, which moves to the next CPU now and then."""
    st.ctl[S_CPU] = ((page >> st.ctl[C_SHIFT]) + (st.ctl[S_TIME] >> SLICE)) % st.ctl[C_CPUS]


@inner
def emit_fault(st, page, o, s, write):  # type: ignore[no-untyped-def]
    """Emit FAULT on `page`, whose object `o` has state `s`. A move that it interrupts comes around it, the fault that waited after it."""
    source, to = NOWHERE, NOWHERE
    count(st, N_FAULTS)
    if s & (RESIDENT | SWAPPED) == SWAPPED:
        count(st, N_SWAP_INS)
        if moves_on(st) and s & ZEROED == U0:
            source, to = before_fault(st, o, page)
    emit(st, codes.FAULT, page, U0, U0, write * codes.WRITE << U24)
    if to != NOWHERE:
        emit(st, codes.MOVE_END, page, source, U0, to)
        emit(st, codes.FAULT, page, U0, U0, write * codes.WRITE << U24)  # avoided, where the first one did not meet a locked folio


@inner
def leave_backend(st, o, s):  # type: ignore[no-untyped-def]
    """Take object `o`, which is swapped out in state `s`, off its backend."""
    st.ctl[S_SWAPPED] -= U1
    if s >> HOME == codes.ZSWAP and s & ZEROED == U0:
        st.ctl[S_POOL_BYTES] -= stored_bytes(st, o)


@inner
def load(st, o, write):  # type: ignore[no-untyped-def]
    """Make object `o`, new or swapped out, resident."""
    s = u(st.state[o])
    if s & SWAPPED != U0:
        leave_backend(st, o, s)
        entered(st, o, s >> HOME << HOME | write * CHANGED)
    else:
        count(st, N_FIRST)
        entered(st, o, CHANGED)
    most(st, N_RESIDENT_PEAK, st.ctl[S_RESIDENT])


@inner
def hit(st, o, write):  # type: ignore[no-untyped-def]
    """Note an access to resident object `o` through a PTE that maps it."""
    s = u(st.state[o])
    now = touched(st, o, s) | write * (DIRTY | CHANGED)
    if now != s:
        st.state[o] = now


@inner
def release(st, o):  # type: ignore[no-untyped-def]
    """Drop object `o`, whose last reference went away."""
    s = u(st.state[o])
    if s & RESIDENT != U0:
        removed(st, o, s, U1)
    elif s & SWAPPED != U0:
        leave_backend(st, o, s)
    st.state[o] = U0
    if st.ctl[C_AHEAD] != U0:
        st.ahead[o] = U0
    if moves_on(st):
        st.left[o] = U0


@inner
def attach(st, page):  # type: ignore[no-untyped-def]
    """Give `page` a new object; return its number."""
    ctl = st.ctl
    o = ctl[S_OBJECT_FREE]
    if o != U0:
        o -= U1
        ctl[S_OBJECT_FREE] = u(st.pos[o])
    else:
        o = ctl[S_OBJECT_HIGH]
        ctl[S_OBJECT_HIGH] = o + U1
    st.object[page] = o + U1
    st.refs[o] = U1
    st.first[o] = page
    st.kin[page << U1] = page
    st.kin[(page << U1) + U1] = page
    return o


@inner
def detach(st, page, o):  # type: ignore[no-untyped-def]
    """Take `page` off object `o`."""
    after, before = u(st.kin[page << U1]), u(st.kin[(page << U1) + U1])
    st.kin[before << U1] = after
    st.kin[(after << U1) + U1] = before
    if st.first[o] == page:
        st.first[o] = after
    st.object[page] = U0
    st.flags[page] = U0
    st.refs[o] = u(st.refs[o]) - U1
    if st.refs[o] == U0:
        release(st, o)
        st.pos[o] = st.ctl[S_OBJECT_FREE]
        st.ctl[S_OBJECT_FREE] = o + U1


@inner
def copied(st, page, o):  # type: ignore[no-untyped-def]
    """Give `page` a copy of its own in place of the shared object `o`."""
    detach(st, page, o)
    new = attach(st, page)
    entered(st, new, CHANGED)
    st.flags[page] = PRESENT
    most(st, N_RESIDENT_PEAK, st.ctl[S_RESIDENT])


@called
def write_protected(st, page, o):  # type: ignore[no-untyped-def]
    """Write to `page`, which maps object `o` read-only. False: making room took the object away."""
    shared = st.refs[o] > U1
    if shared:
        make_room(st)
        if st.flags[page] & PRESENT == U0:
            return False
    emit(st, codes.COW, page, U0, U0, U0)
    count(st, N_COWS)
    if shared:
        copied(st, page, o)
    else:
        st.flags[page] = PRESENT
        st.state[o] = touched(st, o, u(st.state[o])) | CHANGED
    return True


@called
def access(st, page, write):  # type: ignore[no-untyped-def]
    """Access `page` of a workload with forks."""
    if st.object[page] == U0:
        make_room(st)
        o = attach(st, page)
        emit_fault(st, page, o, U0, write)
        load(st, o, write)
        st.flags[page] = PRESENT
        return
    o = u(st.object[page]) - U1
    flags = u(st.flags[page])
    if flags & PRESENT != U0:
        if write == U0 or flags & PROTECTED == U0:
            hit(st, o, write)
            return
        if write_protected(st, page, o):
            return
    copy = write != U0 and st.refs[o] > U1
    if copy or st.state[o] & RESIDENT == U0:
        make_room(st)
    s = u(st.state[o])
    emit_fault(st, page, o, s, write)
    if copy:
        copied(st, page, o)
        return
    if s & RESIDENT != U0:
        st.state[o] = touched(st, o, s) | write * CHANGED
    else:
        load(st, o, write)
    st.flags[page] = PRESENT | (PROTECTED if st.refs[o] > U1 else U0)


@called
def fork(st, page, run, child):  # type: ignore[no-untyped-def]
    """Copy the PTEs of a run into the child space."""
    shift = st.ctl[C_SHIFT]
    for i in range(run):
        p = page + u(i)
        c = child << shift | p & (U1 << shift) - U1
        if st.object[p] == U0 or st.object[c] != U0:
            continue
        o = u(st.object[p]) - U1
        after = u(st.kin[p << U1])
        st.kin[p << U1], st.kin[(c << U1) + U1] = c, p
        st.kin[c << U1], st.kin[(after << U1) + U1] = after, c
        st.object[c] = o + U1
        st.refs[o] = u(st.refs[o]) + U1
        if st.flags[p] & PRESENT != U0:
            st.flags[p] = st.flags[c] = PRESENT | PROTECTED


@called
def unmap(st, page, run):  # type: ignore[no-untyped-def]
    """Clear the PTEs of a run."""
    forks = st.ctl[C_FORKS] != U0
    for i in range(run):
        p = page + u(i)
        if forks:
            if st.object[p] != U0:
                detach(st, p, u(st.object[p]) - U1)
        elif st.state[p] != U0 and (order_of(st, p) == U0 or not freed_whole(st, p, page, run)):
            release(st, p)


@inner
def map_all(st, o):  # type: ignore[no-untyped-def]
    """Map object `o` again from every PTE of it."""
    if st.ctl[C_FORKS] == U0:
        return
    p = first = u(st.first[o])
    while True:
        st.flags[p] = PRESENT | (PROTECTED if st.refs[o] > U1 else U0)
        p = u(st.kin[p << U1])
        if p == first:
            return


@called
def swapoff(st, device, target):  # type: ignore[no-untyped-def]
    """Take every page off the device. Nothing goes there any more; the spare disk takes its place if there is one."""
    ctl = st.ctl
    if ctl[C_DISK] == device:
        ctl[C_DISK] = ctl[C_SPARE]
    for d in range(4):
        if ctl[C_DEST + u(d)] == device:
            ctl[C_DEST + u(d)] = ctl[C_DISK]
    most_objects = ctl[S_OBJECT_HIGH] if ctl[C_FORKS] != U0 else ctl[C_PAGES]
    for i in range(most_objects):
        o = u(i)
        s = u(st.state[o])
        if s & (RESIDENT | SWAPPED) != SWAPPED or s >> HOME != device:
            continue
        if moves_on(st):
            st.left[o] = U0
        if target == codes.MEMORY:
            load(st, o, U1)
            map_all(st, o)
        else:
            st.state[o] = s & u(0x3F) | target << HOME


@called
def mapping(st, word, more):  # type: ignore[no-untyped-def]
    """Pass a mapping event of the workload on and follow it."""
    kind, page, run, arg = word & BYTE, word >> U32, more & LOW32, more >> U32
    run_on(st, page)
    emit(st, kind, page, word >> U16 & BYTE, run, arg)
    if kind == codes.FORK:
        count(st, N_FORKS)
        fork(st, page, run, arg)
    elif kind == codes.UNMAP:
        count(st, N_UNMAPS)
        unmap(st, page, run)
    elif kind == codes.SWAPOFF:
        swapoff(st, word >> U16 & BYTE, arg)
