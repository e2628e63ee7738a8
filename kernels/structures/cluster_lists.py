"""Lists of the clusters of a device: links in the headers, heads in the device's words (kernels.structures.cluster)."""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U2, U4, U6, U8
from kernels.compiling.jit import called, u
from kernels.observing.lock import L_CLUSTER, trylock
from kernels.observing.probe import R_CLUSTER, R_DEV, wrote
from kernels.structures.slots import list_at

CI_WORDS, CI_LIST, CI_NEXT, CI_PREV = U8, U2, U4, U6


@called
def list_del(st, pr, d, c):  # type: ignore[no-untyped-def]
    """Take cluster `c` off the list it is on. The caller holds the device lock."""
    ci, dev = st.cluster, st.dev
    which = u(ci[c * CI_WORDS + CI_LIST])
    if which == U0:
        return
    at = list_at(st, d, which)
    before, after = u(ci[c * CI_WORDS + CI_PREV]), u(ci[c * CI_WORDS + CI_NEXT])
    if before == U0:
        dev[at] = after
    else:
        ci[(before - U1) * CI_WORDS + CI_NEXT] = after
        wrote(pr, R_CLUSTER, (before - U1) * U4)
    if after == U0:
        dev[at + U1] = before
    else:
        ci[(after - U1) * CI_WORDS + CI_PREV] = before
        wrote(pr, R_CLUSTER, (after - U1) * U4)
    wrote(pr, R_DEV, at)
    ci[c * CI_WORDS + CI_LIST] = 0


@called
def list_add_tail(st, pr, d, c, which):  # type: ignore[no-untyped-def]
    """Append cluster `c` to list `which` of device `d`. The caller holds the device lock."""
    ci, dev = st.cluster, st.dev
    at = list_at(st, d, which)
    last = dev[at + U1]
    ci[c * CI_WORDS + CI_LIST] = which
    ci[c * CI_WORDS + CI_NEXT] = 0
    ci[c * CI_WORDS + CI_PREV] = last
    if last == U0:
        dev[at] = c + U1
    else:
        ci[(last - U1) * CI_WORDS + CI_NEXT] = c + U1
        wrote(pr, R_CLUSTER, (last - U1) * U4)
    dev[at + U1] = c + U1
    wrote(pr, R_DEV, at)
    wrote(pr, R_CLUSTER, c * U4)


@called
def lockable(st, pr, c):  # type: ignore[no-untyped-def]
    """First cluster of a list from `c` - 1 on whose lock is to be had at once, and take it (``isolate_lock_cluster``); it + 1, or 0."""
    while c != U0 and not trylock(pr, st.cluster, (c - U1) * CI_WORDS, L_CLUSTER):
        c = u(st.cluster[(c - U1) * CI_WORDS + CI_NEXT])
    return c
