"""Moves of the lower bound: the data is copied, and one word is written when the folio goes. Swapoff visits what is there, nothing else."""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import LOW32, U0, U1
from kernels.compiling.jit import called, inner, u
from kernels.designs.oracle import words
from kernels.designs.oracle.own import S_HIGH
from kernels.life import lifecycle, moves, steps
from kernels.life.page_io import keep_content
from kernels.memory import DIRTY, F_TOKEN, F_VALUE, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word
from kernels.structures import cluster as cl


@inner
def backend_of(st, v):  # type: ignore[no-untyped-def]
    """Backend that has the data of word `v`; MEMORY for a zero page or a folio alone."""
    place = words.place_of(st, v)
    if words.is_slot(place):
        return words.device_in(place)
    return codes.ZSWAP if words.tag_of(place) == words.COMPRESSED else codes.MEMORY


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run the next step: a locked folio; the data to another place; end of writeback."""
    txn, n, v, f = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_ENTRY], st.txn[t + w.T_FOLIO]
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        return hold(st, pr, t, v)
    if n == U1:
        return change(st, pr, f, v, txn[t + w.T_TARGET])
    lifecycle.writeback_end(st, pr, f)
    return codes.MOVED


@called
def hold(st, pr, t, v):  # type: ignore[no-untyped-def]
    """Check the move and enter a locked folio."""
    source, target = st.txn[t + w.T_AUX], st.txn[t + w.T_TARGET]
    if target == codes.ZSWAP or target == source or backend_of(st, v) != source:
        return codes.WRONG_BACKEND
    if words.lookup(st, pr, v) != U0:
        return codes.BUSY
    f = w.folio_new(st, st.txn[t] - U1 & LOW32)
    if f == U0 or not words.read_begin(st, pr, v, f):
        if f != U0:
            w.folio_free(st, f)
        return codes.BUSY
    f_set(st, f, LOCKED)
    st.folio[f_word(f, F_VALUE)] = v
    st.txn[t + w.T_FOLIO] = f
    return codes.STEPPED


@called
def change(st, pr, f, v, target):  # type: ignore[no-untyped-def]
    """Read the data, write it to a slot of the target, and let the folio remember that."""
    why = codes.MOVED_AWAY if words.count_is_zero(st, v) else U0
    new = words.slot_take(st, target) if why == U0 else U0
    if why == U0 and new == U0:
        why = codes.FULL
    if why != U0:
        return moves.give_up(st, pr, f, why)
    words.read_end(st, pr, v, f)
    keep_content(st, words.slot_index(st, new), st.folio[f_word(f, F_TOKEN)])
    words.release(st, pr, st.place[v])
    st.place[v] = new
    f_clear(st, f, LOCKED | DIRTY)
    f_set(st, f, WRITEBACK)
    return codes.STEPPED


@called
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """Bring every page on device `d` into memory, whatever the demand's target. Which they are is known."""
    if not cl.turn_off(st, d):
        return codes.DEVICE_OFF
    for i in range(U1, st.ctl[S_HIGH]):
        if words.is_slot(words.place_of(st, u(i))) and words.device_in(words.place_of(st, u(i))) == d and st.page_word[u(i)] != U0:
            st.ctl[control.S_SCANNED] += U1
            bring_in(st, pr, u(i))
    return cl.turned_off(st, d)


@called
def bring_in(st, pr, v):  # type: ignore[no-untyped-def]
    """Bring the page of word `v` into the swap cache, dirty, with no other place; a folio that is busy stays as it is."""
    f = words.lookup(st, pr, v)
    if f != U0 and f_is(st, f, LOCKED | WRITEBACK):
        return
    if f == U0:
        f = w.folio_new(st, U0)
        if f == U0 or not words.read_begin(st, pr, v, f):
            return
        st.folio[f_word(f, F_VALUE)] = v
        words.read_end(st, pr, v, f)
    words.release(st, pr, st.place[v])
    st.place[v] = U0
    f_set(st, f, DIRTY)
    if words.count_is_zero(st, v):
        steps.drop_unused(st, pr, f)
