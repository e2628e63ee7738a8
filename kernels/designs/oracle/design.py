"""oracle: a lower bound that nobody can build, to show what no design can go below. It is no proposal.

The PTE leads to one word in one step. The word says where the data is, how many PTEs there are, and who owns it. It is all that is kept
of a page. Data that has moved is a word written. Whatever else a kernel would have to find out is known to the oracle and costs nothing:
free slots, free words, which pages a device has. No lock is taken but those that a fault and a reclaim hold anyway, of the page table
and of the folio.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels import control
from kernels.compiling.flat import U32Array, U64Array, aligned_zeros
from kernels.compiling.jit import outer
from kernels.designs.oracle import functions, moves, own, words
from kernels.life import arrays, folio_slots, replay
from kernels.life import registry as s
from kernels.life.layout import Objects
from kernels.structures import cluster as cl
from kernels.structures.common import table


class Oracle(arrays.World):
    """State of the lower bound; all but `page_word` is what the oracle knows, or the model's own."""

    page_word: U64Array
    place: U64Array
    spare: U32Array
    bitmap: U64Array
    content: U32Array
    size: U32Array


def build(config: s.Config) -> Oracle:
    """State for `config`, nothing swapped."""
    made = arrays.common(config)
    ctl = made["ctl"]
    ctl[int(control.C_ERA)], ctl[int(control.C_SYNC_BYPASS)] = table.ERAS.index("7.2"), 0
    n = config.pages + arrays.folios_of(config) + 4  # a word has a PTE, or a folio
    made |= arrays.device_tables(config, ctl, arrays.DISKS, n)
    ctl[int(control.C_ZENTRIES)] = config.slots.get("zswap", 0)
    slots = int(ctl[int(control.C_ALL_SLOTS)])
    spare = np.zeros(slots + 1, np.uint32)
    for row in arrays.device_rows(made["dev"]):
        base, room = int(row[int(cl.D_BASE)]), int(row[int(cl.D_SLOTS)])
        spare[base : base + room] = np.arange(base + room, base, -1, dtype=np.int64) - 1
    made |= {
        "page_word": aligned_zeros(n, np.uint64), "place": aligned_zeros(n, np.uint64), "spare": spare,
        "bitmap": aligned_zeros((slots >> 6) + 1, np.uint64), "content": aligned_zeros(n, np.uint32), "size": aligned_zeros(n, np.uint32),
    }  # fmt: skip
    return Oracle(**made)


STEPS = (
    "lookup", "claim", "dup", "put", "count_is_zero", "writeout", "evict", "read_begin", "read_end", "free_swap", "swap_full",
)  # fmt: skip
OPERATIONS: dict[str, Any] = {name: getattr(words, name) for name in STEPS} | {
    "claim_run": folio_slots.claim_each, "read_abort": words.read_abort, "move_step": moves.move_step, "swapoff": moves.swapoff,
}  # fmt: skip
s.bind(Oracle, OPERATIONS)


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="oracle",
        title="lower bound, no design: one word a page, nothing to find out and nothing to lock; cannot be built",
        state=Oracle,
        build=build,
        replay=run,
        layout=(
            s.Field(
                "page word",
                "place, count, owner",
                8,
                "page",
                "what has to be kept of a page, in one word: this model's choice",
                objects=Objects(own.S_WORDS, own.S_WORDS_PEAK),
            ),
        ),
        parameters={},
        locks=(),
        sources=("none: it is no proposal, but what this model lets no design do without",),
        notes="It cannot be built, and is never named as a winner: no word of all, layers or the default space includes it, and a question "
        "refuses it. It shows how far designs are from what a page needs at the least. It keeps count and owner of a page, and charges "
        "the owner, as these are promises to others. Free slots and free words are found, and a swapoff finds the pages of a device, at "
        "no cost. A count and a place change without a lock and without an atomic, though two PTEs may be under two locks. A compressed "
        "page is an object of zsmalloc and no zswap_entry; there is no LRU to write it back by. Common steps are those of 7.2. A shadow "
        "is kept of no page, so the word knows no refault distance. The folio of a page in the swap cache remembers where else the data "
        "is, in a word that it has.",
        file=__file__,
        own=own.OWN,
        function_of=functions.function_of,
        status="lower bound, cannot be built",
    )
)
