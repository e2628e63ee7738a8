"""Prefetch for coming demands, and along the run of a zap, in replays where nothing is observed (probe ``Off``).

Consecutive demands concern pages far apart. A serial replay waits for one cache miss
after the other: at 2^20 pages more than half of its time. A replay that builds a state
or counts replies need not wait. Under a probe that counts or times nothing is fetched,
and no address is computed: memory is left as the earlier operations left it.

A zap walks PTEs in order, and what they lead to may lie anywhere. The kernel prefetches nothing there; the replay does, as for demands.

The loads that find an address hit cached data (upper levels of trees). A prefetch may be stale, and changes nothing but time.
"""

from __future__ import annotations

from kernels import memory as w
from kernels.compiling.atomic import prefetch
from kernels.compiling.constants import U0, U1, U2, U32
from kernels.compiling.jit import inner, operation, u
from kernels.life.steps import fetch_behind, fetch_entry, fetch_near
from kernels.memory import CACHED, F_ENTRY, F_VALUE
from kernels.observing.probe import Count, Off, Timed, Trace
from kernels.observing.shared import Shared

FAR, NEAR, NEXT = u(12), u(8), u(4)  # demands ahead; 4 and 8 were equal within noise at 2^20 pages, 16 and 32 slower


ALONG, BEHIND = u(16), u(8)  # PTEs ahead in a run: what leads to an entry, and so many PTEs later the entry itself


@operation
def look_ahead(pr, st, words, i, n):  # type: ignore[no-untyped-def]
    """Prefetch for the demands behind demand `i` of `n`, of which `words` holds two words each."""


@inner
def fetch(pr, st, words, i, n):  # type: ignore[no-untyped-def]
    """Prefetch the PTE, then the folio or the object of its value, then the object behind a cached folio's value, or the entry."""
    if i + FAR >= n:
        return
    prefetch(st.pte, words[(i + FAR) * U2] >> U32)
    pte = st.pte[words[(i + NEAR) * U2] >> U32]
    if pte & U1 != U0:
        prefetch(st.folio, (pte >> U1) * w.FOLIO_WORDS)
    elif pte != U0:
        fetch_near(st, pr, pte >> U1)
    pte = st.pte[words[(i + NEXT) * U2] >> U32]
    if pte & U1 == U0 and pte != U0:
        fetch_entry(st, pr, pte >> U1)
    elif pte != U0 and st.folio[w.f_word(pte >> U1, F_VALUE)] != U0 and w.f_is(st, pte >> U1, CACHED):
        fetch_near(st, pr, st.folio[w.f_word(pte >> U1, F_VALUE)])
        fetch_behind(st, pr, st.folio[w.f_word(pte >> U1, F_ENTRY)])


@operation
def look_along(pr, st, page, i, seen, count):  # type: ignore[no-untyped-def]
    """Prefetch for the PTEs behind PTE `i` of a run of `count` from `page` on; return the first that was not looked at, `seen` or more."""


@inner
def fetch_along(pr, st, page, i, seen, count):  # type: ignore[no-untyped-def]
    """Prefetch the folio or the object of the values up to ALONG PTEs ahead, and the entries of those BEHIND PTEs before."""
    seen = max(seen, i)
    while seen < min(i + ALONG, count):
        pte = st.pte[page + seen]
        if pte & U1 != U0:
            prefetch(st.folio, (pte >> U1) * w.FOLIO_WORDS)
        elif pte != U0:
            fetch_near(st, pr, pte >> U1)
        pte = st.pte[page + seen - BEHIND] if seen >= i + BEHIND else U0
        if pte & U1 == U0 and pte != U0:
            fetch_entry(st, pr, pte >> U1)
        seen += U1
    return seen


@inner
def nothing_along(pr, st, page, i, seen, count):  # type: ignore[no-untyped-def]
    """Do nothing: observed replays run on the memory as it is."""
    return seen


@inner
def nothing(pr, st, words, i, n):  # type: ignore[no-untyped-def]
    """Do nothing: observed replays run on the memory as it is."""
    return


look_ahead.register(Off, fetch)
look_along.register(Off, fetch_along)
for _cls in (Count, Timed, Trace, Shared):
    look_ahead.register(_cls, nothing)
    look_along.register(_cls, nothing_along)
