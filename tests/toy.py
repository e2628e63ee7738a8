"""A design from outside the package, for tests/test_toy.py and README: direct with a hint for each slot, which every lookup reads.

A hint is an object of one line or three, allocated when a slot gets its page and found through an xarray under a lock of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kernels import control
from kernels.compiling.constants import U0, U1, U3
from kernels.compiling.flat import U64Array
from kernels.compiling.jit import called, inner, outer, u
from kernels.designs import direct
from kernels.life import arrays, replay, steps, swapfile
from kernels.life import registry as s
from kernels.life.layout import Objects, Tree
from kernels.observing.lock import lock, unlock
from kernels.observing.probe import allocated, freed, touch, wrote
from kernels.own import Own
from kernels.structures import xarray as xa
from kernels.structures.cluster import slot_of

# 1. Names of its own: they are counted, locked, swept and explained under these.
OWN = Own("toy")
C_LINES = OWN.parameter("C_LINES", "cache lines of a hint")
S_HINTS = OWN.state("S_HINTS", "hints in use")
S_HINTS_PEAK = OWN.statistic("S_HINTS_PEAK", "most hints in use")
R_TREE = OWN.region("hint tree", "hint tree", function="hint_find", guards="hint lock")
R_NODE = OWN.region("hint node", "hint tree", function="hint_find", guards="hint lock")
R_HINT = OWN.region("hint", "hint", function="hint_read", guards="hint lock")
L_HINT = OWN.lock("hint lock", inside="zswap tree xa_lock")
A_HINT = OWN.allocation("hint", ("hint",), rcu=True, source="tests/toy.py")
LINE = u(8)  # words of 8 bytes
SPAN = 1 << arrays.TREE_SHIFT  # slots of 64 MiB, which share a tree
SHIFT, MASK = u(arrays.TREE_SHIFT), u(SPAN - 1)


# 2. The state: that of direct, and a tree.
class Toy(direct.Direct):
    """State of the toy."""

    hhead: U64Array
    hpool: U64Array


def build(config: s.Config) -> Toy:
    """State for `config`, all slots free."""
    below = direct.build(config).arrays()
    trees = max(1, int(below["ctl"][int(control.C_ALL_SLOTS)]) >> arrays.TREE_SHIFT)
    nodes = trees * arrays.worst_nodes(SPAN, SPAN)
    return Toy(**below, hhead=xa.new_heads(trees), hpool=xa.new_pool(nodes))


# 3. The steps in which it differs.
@inner
def lookup(st, pr, entry):  # type: ignore[no-untyped-def]
    """Read the hint, then look into the swap cache."""
    g = slot_of(st, entry)
    if xa.load(st.hhead, g >> SHIFT, st.hpool, pr, R_TREE, R_NODE, g & MASK) != U0:
        for i in range(st.ctl[C_LINES]):
            touch(pr, R_HINT, (g * U3 + u(i)) * LINE)
    return swapfile.lookup(st, pr, entry)


@called
def publish(st, pr, f, entry, cpu):  # type: ignore[no-untyped-def]
    """Give the slot of `entry` a hint, unless it has one."""
    g = slot_of(st, entry)
    lock(pr, st.hhead, (g >> SHIFT) * xa.HEAD_WORDS + xa.H_LOCK, L_HINT)
    if xa.store(st.hhead, g >> SHIFT, st.hpool, pr, R_TREE, R_NODE, g & MASK, xa.mk_value(g)) == U0:
        allocated(pr, A_HINT)
        wrote(pr, R_HINT, g * U3 * LINE)
        st.ctl[S_HINTS] += U1
        st.ctl[S_HINTS_PEAK] = max(st.ctl[S_HINTS_PEAK], st.ctl[S_HINTS])
    unlock(pr, st.hhead, (g >> SHIFT) * xa.HEAD_WORDS + xa.H_LOCK, L_HINT)
    return entry


@called
def retire(st, pr, value, entry, moment):  # type: ignore[no-untyped-def]
    """Free the hint with its slot."""
    if moment == steps.FREE_LOCKED:
        g = slot_of(st, entry)
        lock(pr, st.hhead, (g >> SHIFT) * xa.HEAD_WORDS + xa.H_LOCK, L_HINT)
        if xa.erase(st.hhead, g >> SHIFT, st.hpool, pr, R_TREE, R_NODE, g & MASK) != U0:
            freed(pr, A_HINT)
            st.ctl[S_HINTS] -= U1
        unlock(pr, st.hhead, (g >> SHIFT) * xa.HEAD_WORDS + xa.H_LOCK, L_HINT)


STEPS: dict[str, Any] = direct.OPERATIONS | {
    "lookup": lookup,
    "publish": publish,
    "retire": retire,
    "run_limit": steps.run_limit.default,  # direct zaps a run of slots in one go, without `retire`
    "put_run": steps.put_run.default,
}
s.bind(Toy, STEPS)

# 4. Bytes, parameters, invariants.
HINTS = Objects(S_HINTS, S_HINTS_PEAK)
LAYOUT = (
    *direct.LAYOUT,
    s.Field("hint", "a guess", 64, "live if lines=1", "tests/toy.py", objects=HINTS),
    s.Field("hint", "a guess", 192, "live if lines=3", "tests/toy.py", objects=HINTS),
    s.Field("hint tree", "xarray entry", 8, "live", "tests/toy.py", tree=Tree("masked", "hhead", "hpool")),
)
PARAMETERS = {**direct.PARAMETERS, "lines": s.Parameter(int(C_LINES), {"1": 1, "3": 3}, "1", "cache lines of a hint")}


def check(state: Any) -> Iterable[str]:
    """Every hint belongs to a slot in use."""
    hints, slots = int(state.ctl[int(S_HINTS)]), int(state.ctl[int(control.S_SLOTS)])
    if hints > slots:
        yield f"{hints} hints for {slots} slots"


# 5. Its own cached entry, and the registration.
@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="toy",
        title="direct with a hint for each slot",
        state=Toy,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=PARAMETERS,
        locks=("cluster", "device", "swap cache xa_lock", "zswap tree xa_lock", "hint lock", "zswap LRU", "continuation"),
        sources=("tests/toy.py",),
        notes="It shows what a design from outside gets.",
        file=__file__,
        own=OWN,
        check=check,
    )
)
