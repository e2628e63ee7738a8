"""Replay loop of all designs: decode a demand, run it, record the observation. Each design file ends in a cached entry that calls it."""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import BYTE, LOW16, LOW24, LOW32, U0, U1, U2, U3, U8, U16, U24, U32
from kernels.compiling.jit import called, inner, u
from kernels.compiling.words import words_of
from kernels.demand import REASON_BASE
from kernels.life import faults, folios, lifecycle, readahead
from kernels.life.prefetch import look_ahead
from kernels.life.steps import move_step, on_cpu, resolve, swapoff
from kernels.observing.probe import PTES, begin, bump, finish

REASONS = u(REASON_BASE)
BEGIN_STEPS = U1  # steps of a move that MOVE_BEGIN runs when the demand names none


@called
def run_steps(st, pr, t, cpu, n):  # type: ignore[no-untyped-def]
    """Run up to `n` steps of the move in record `t` (0: to its end); close the record when the move is over."""
    left = n
    while True:
        code = move_step(st, pr, t, cpu)
        if code != codes.STEPPED:
            w.txn_end(st, t)
            st.ctl[control.S_MOVES] += U1 if code == codes.MOVED else U0
            return code
        if n != U0:
            left -= U1
            if left == U0:
                return codes.STEPPED


@called
def move(st, pr, kind, page, backend, target, cpu, count):  # type: ignore[no-untyped-def]
    """MOVE and its phases."""
    t = w.txn_find(st, w.TX_MOVE, page)
    if kind == codes.MOVE_STEP or kind == codes.MOVE_END:
        if t == w.NO_TXN:
            return codes.NO_BEGIN
        return run_steps(st, pr, t, cpu, U0 if kind == codes.MOVE_END else max(U1, count))
    if t != w.NO_TXN or not w.txn_room(st):
        return codes.BUSY
    pte = w.read_pte(st, pr, page)
    if pte == U0 or pte & U1 != U0:
        return codes.NOT_SWAPPED
    t = w.txn_new(st, w.TX_MOVE, page, U0, pte >> U1, resolve(st, pr, pte >> U1))
    st.txn[t + w.T_TARGET] = target
    st.txn[t + w.T_AUX] = backend
    begin(pr)  # the walk from the PTE only names the page: the mover has its entry in hand
    steps = U0
    if kind == codes.MOVE_BEGIN:
        steps = count if count != U0 else BEGIN_STEPS
    return run_steps(st, pr, t, cpu, steps)


@called
def folio(st, pr, kind, order, page, backend, size, flags, cpu, count):  # type: ignore[no-untyped-def]
    """RECLAIM of a large folio: as a whole, or page by page; of one page where no such folio fits. Nothing else has an order."""
    if kind != codes.RECLAIM and kind != codes.RECLAIM_BEGIN:
        return codes.NOTHING
    if not folios.fits(st, kind, order):
        return lifecycle.reclaim(st, pr, page, backend, size, flags, cpu, count, kind == codes.RECLAIM_BEGIN)
    first = page >> order << order
    code = folios.reclaim_whole(st, pr, first, order, backend, size, flags, cpu)
    if code == codes.FOLIO_SPLIT:
        for part in range(U1 << order):
            one = lifecycle.reclaim(st, pr, first + u(part), backend, size, flags, cpu, count, False)
            code = one if one >= REASONS else code
        if code == codes.FOLIO_SPLIT:
            bump(pr, PTES, U1 << order)
    return code


@inner
def rare(st, pr, kind, page, backend, payload, flags, cpu, count):  # type: ignore[no-untyped-def]
    """Run a demand that is not on the hot path."""
    if kind == codes.FAULT_END:
        return faults.fault_end(st, pr, page)
    if kind > BYTE:
        return folio(st, pr, kind & BYTE, kind >> U8, page, backend, payload, flags, cpu, count)
    if kind >= codes.MOVE and kind <= codes.MOVE_END:
        return move(st, pr, kind, page, backend, payload, cpu, count)
    if kind == codes.FORK:
        return lifecycle.fork(st, pr, page, count, payload)
    if kind == codes.UNMAP:
        return lifecycle.zap(st, pr, page, count)
    if kind == codes.COW:
        return lifecycle.cow(st, pr, page)
    if kind == codes.SWAPOFF:
        return swapoff(st, pr, backend, payload, cpu)
    if kind == codes.READAHEAD:
        return readahead.read_ahead(st, pr, page)
    return codes.NOTHING


@inner
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay `demands` (uint64[n, 2]) on state `st` under probe `pr`; write the reply codes to `replies` (uint8[n])."""
    words, codes_of, n = words_of(demands), words_of(replies), u(len(demands))
    for i in range(len(demands)):
        look_ahead(pr, st, words, u(i), n)
        word, more = words[U2 * u(i)], words[U2 * u(i) + U1]
        kind, page = word & LOW16, word >> U32  # with the order of a large folio, so that those are told apart where the rare ones are
        backend, cpu = word >> U16 & BYTE, word >> U24 & BYTE
        count, arg = more & LOW32, more >> U32
        on_cpu(st, cpu)
        begin(pr)
        if kind == codes.FAULT or kind == codes.FAULT_BEGIN:
            cut = U0 if kind == codes.FAULT else (U1 if count == U1 else U3 if count == U2 else U2)
            code = faults.fault(st, pr, page, arg >> U24, cut)
        elif kind == codes.RECLAIM or kind == codes.RECLAIM_BEGIN:
            code = lifecycle.reclaim(st, pr, page, backend, arg & LOW24, arg >> U24, cpu, count, kind == codes.RECLAIM_BEGIN)
        elif kind == codes.RECLAIM_END:
            code = lifecycle.reclaim_end(st, pr, page)
        else:
            code = rare(st, pr, kind, page, backend, arg & LOW24, arg >> U24, cpu, count)
        finish(pr, code)
        codes_of[u(i)] = code
