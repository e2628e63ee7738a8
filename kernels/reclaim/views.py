"""Sizes of the two lists as reclaim sees them: the statistics of a memory cgroup as they were at their last flush.

``lruvec_page_state`` reads figures that are flushed every two seconds (FLUSH_TIME, mm/memcontrol.c) or when somebody reads
memory.stat. `memory.flush` gives that period in accesses; 0: reclaim sees the present figures. Sizes to scan are always exact
(``lruvec_lru_size``).
"""

from __future__ import annotations

from kernels.compiling.constants import U0
from kernels.compiling.jit import inner
from kernels.reclaim.state import (
    C_FLUSH,
    C_RATIO,
    S_ACTIVATIONS,
    S_ACTIVE,
    S_FLUSHED,
    S_RESIDENT,
    S_TIME,
    V_ACTIVATIONS,
    V_ACTIVE,
    V_INACTIVE,
)


@inner
def look(st):  # type: ignore[no-untyped-def]
    """Take over the present figures if they are due."""
    ctl = st.ctl
    if ctl[C_FLUSH] != U0:
        if ctl[S_TIME] < ctl[S_FLUSHED]:
            return
        ctl[S_FLUSHED] = (ctl[S_TIME] // ctl[C_FLUSH]) * ctl[C_FLUSH] + ctl[C_FLUSH]
    ctl[V_INACTIVE] = ctl[S_RESIDENT] - ctl[S_ACTIVE]
    ctl[V_ACTIVE] = ctl[S_ACTIVE]
    ctl[V_ACTIVATIONS] = ctl[S_ACTIVATIONS]


@inner
def inactive_is_low(st):  # type: ignore[no-untyped-def]
    """``inactive_is_low``."""
    look(st)
    return st.ctl[V_INACTIVE] * st.ctl[C_RATIO] < st.ctl[V_ACTIVE]
