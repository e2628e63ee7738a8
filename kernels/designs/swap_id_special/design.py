"""swap_id_special: swap IDs only for devices that pages move away from ("non-leaf"); PTEs of others hold the swap entry (D3s).

The steps are those of *swap_id* and of *direct*, chosen by the value (kernels/designs/swap_id_special/kinds.py).
"""

from __future__ import annotations

from dataclasses import replace

from kernels import control
from kernels.compiling.jit import outer
from kernels.designs import direct
from kernels.designs.swap_id import design as swap_id
from kernels.designs.swap_id import functions, hooks
from kernels.designs.swap_id_special import kinds, own
from kernels.designs.swap_table import design as swap_table
from kernels.life import registry as s
from kernels.life import replay
from kernels.life.layout import Tree

SPECIAL = {"none": 0, "zswap": 1, "ssd": 2, "zswap+ssd": 3, "all": 15}
"""Devices by name, as bits of their numbers (kernels.demand.BACKENDS)."""


class SwapIdSpecial(swap_id.SwapId):
    """State of *swap_id*."""


class SwapIdSpecialOnTable(swap_id.SwapIdOnTable):
    """The same on the swap tables as merged (phase 4)."""


def state_of(config: s.Config) -> type[SwapIdSpecial | SwapIdSpecialOnTable]:
    """Class of the state, by the base of the layer."""
    return SwapIdSpecialOnTable if config.parameters["C_BASE"] else SwapIdSpecial


def build(config: s.Config) -> SwapIdSpecial | SwapIdSpecialOnTable:
    """State for `config`, all slots and IDs free."""
    return state_of(config)(**swap_id.state_arrays(config))


s.bind(SwapIdSpecial, direct.OPERATIONS | kinds.LAYER)
s.bind(SwapIdSpecialOnTable, swap_table.OPERATIONS | kinds.LAYER)
for _cls in (SwapIdSpecial, SwapIdSpecialOnTable):
    hooks.bind(_cls)

REDIRECT = "Chris Li, 2023-03-02, linux-mm (msg330720 of the archive at mail.spinics.net)"
PARAMETERS = {
    "special": s.Parameter(int(own.C_SPECIAL), SPECIAL, "zswap", "devices whose pages have IDs, as pages move away from there"),
    **{name: parameter for name, parameter in swap_id.PARAMETERS.items() if name != "runs"},  # its values are of two kinds
    "zswap": replace(swap_id.PARAMETERS["zswap"], default="native"),
    "move": s.Parameter(int(control.C_MOVE), {"reswap": 0, "refuse": 2}, "reswap", "how a page without an ID changes device"),
}


def id_rows() -> tuple[s.Field, ...]:
    """Rows of the ID tree: entries for pages on special devices."""
    found = []
    for special, mask in SPECIAL.items():
        names = () if special == "all" else tuple(special.split("+"))
        for shape, policy in (("one", "lowest|percpu|cyclic"), ("slots", "reuse")):
            per = f"page if special={special} and policy={policy}"
            if mask:
                found.append(
                    s.Field("ID tree", "xarray entry", 8, per, swap_id.ID_SOURCE, Tree(shape, "idhead", "idpool", 1), devices=names)
                )
    return tuple(found)


LAYOUT = (*swap_id.BASES, *id_rows())


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="swap_id_special",
        title="swap ID in the PTE for devices that pages move away from, else the swap entry (Chris Li)",
        state=SwapIdSpecial,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=PARAMETERS,
        locks=("cluster", "second cluster", "device", "swap cache xa_lock", "zswap tree xa_lock", "ID allocator", "ID xa_lock", "zswap LRU",
               "continuation"),
        sources=(REDIRECT, *swap_id.SOURCES),
        notes="Chris Li would limit the indirection to swap devices that are no leaf. By default that is zswap, with an entry space of its "
        "own (zswap=native): pages move on from there to a disk. special=ssd is an SSD with a disk below it. A PTE holds an ID or a swap "
        "entry, which has its device in its top bits; each step that gets a value tests that, and reads no memory for it. Pages that go "
        "straight to a disk pay for no tree. A page that moved keeps its ID, on whatever device. Where no ID is left a page of a special "
        "device gets an entry. It is pinned then: nothing but what pages without a layer have takes it elsewhere (move=). A swapoff to "
        "another device visits the IDs first. Only if slots are left does it scan page tables. special=all is swap_id. "
        "A zap can meet a move in the window of swap_id (docs/schedules.md).",
        file=__file__,
        status="proposed in a mail of 2023",
        own=own.OWN,
        base="direct",
        function_of=functions.function_of,
        state_of=state_of,
    )
)  # fmt: skip
