"""Eager rewrite: no layer; a move to another device patches every PTE that holds the page's entry (D18).

The PTE holds (type, offset), and everything underneath is what today's kernel has: the swap tables of phase IV. No lookup is added, so
faults and forks cost what they cost there. A move pays instead: it finds the PTEs by a record of the slot, 16 bytes that lead to an
anon_vma and an index, or by a scan of page tables. The record is written when a slot is taken and cleared when it is freed. It is the
yardstick for what a layer costs each lookup.
"""

from __future__ import annotations

from dataclasses import replace

from kernels.designs import direct
from kernels.designs.swap_table import design as swap_table
from kernels.life import registry as s

PAPER = "Moon and Kang, VSwap, Applied Sciences 15 (2025) 12049, doi.org/10.3390/app152212049 (migration, then PTEs are remapped)"
SOURCES = (PAPER, "mm/swapfile.c: unuse_pte (what a swapoff does to each PTE)", swap_table.P4, "mm/swap_table.h, mm/swapfile.c")
PARAMETERS = swap_table.parameters_of("4") | {
    "move": replace(direct.PARAMETERS["move"], values={"rewrite": 1}, default="rewrite"),
    "rewrite": replace(direct.PARAMETERS["rewrite"], default="owner"),
}


def build(config: s.Config) -> swap_table.SwapTable:
    """State for `config`, all slots free: that of the swap tables."""
    return swap_table.build(config)


s.register(
    replace(
        swap_table.TEMPLATE,
        name="eager_rewrite",
        build=build,
        title="swap tables (7.2); a move patches the PTEs, which an owner record finds",
        parameters=PARAMETERS,
        sources=SOURCES,
        notes="A move locks a folio in the swap cache of the old slot, takes a slot of the target and charges it. Then each PTE is looked "
        "up and patched: a count more for the new slot, a count less for the old one. The data is copied, the old slot freed. If a PTE "
        "still holds the old entry, or a count finds no room, the move is turned back. Writeback of zswap stays on the page's own slot and "
        "patches nothing. No kernel keeps the owner record: rmap of a swapped-out page is gone with its folio. Its 16 bytes a slot are "
        "those of a folio's mapping and index, and are this model's reading; they are allocated at swapon. The paper gathers pages of "
        "one device that lie scattered; its abstract does not say how PTEs are found; rewrite=scan looks at all page tables. A swapoff "
        f"is that of today's kernel. {swap_table.TEMPLATE.notes}",
        file=__file__,
        status="proposed in a paper (2025)",
    )
)
