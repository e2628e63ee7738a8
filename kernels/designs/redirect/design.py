"""Redirect: the PTE keeps its swap entry for good; when data moves, a word in an array of its cluster names the slot (Chris Li, 2026; D4).

Everything is as in the swap tables of phase IV: count, owner, zero bit and swap cache stay with the entry. What a cluster has besides is a
pointer to an array of 4 bytes a slot (kernels/designs/redirect/array.py), which exists once data has moved out of the cluster. A swap-in
whose cluster has one looks there. A host on which nothing moves pays for the pointer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from kernels import control
from kernels.compiling.flat import U32Array, aligned_zeros
from kernels.compiling.jit import outer
from kernels.designs import direct
from kernels.designs.redirect import array, functions, own
from kernels.designs.redirect import moves as redirect_moves
from kernels.designs.redirect import steps as redirect_steps
from kernels.designs.swap_table import design as swap_table
from kernels.life import arrays, replay
from kernels.life import registry as s
from kernels.life.layout import Arrays, Objects, where
from kernels.structures import cluster as cl

HEADER = 56  # bytes of struct swap_cluster_info of phase IV, with one pointer more


class Redirect(swap_table.SwapTable):
    """State of the swap tables of phase IV, pointers to arrays of redirects, and these."""

    rtail: U32Array
    redirect: U32Array


def build(config: s.Config) -> Redirect:
    """State for `config`, all slots free, no array."""
    made = arrays.common(config)
    made |= swap_table.table_arrays(config, made["ctl"], phase="4")
    clusters = len(made["cluster"]) // int(cl.CI_WORDS)
    made |= {"rtail": aligned_zeros(clusters, np.uint32), "redirect": aligned_zeros((clusters + 1) << config.cluster_shift, np.uint32)}
    return Redirect(**made)


OPERATIONS: dict[str, Any] = (
    swap_table.OPERATIONS
    | {name: getattr(redirect_steps, name) for name in ("writeout", "write_page", "read_end", "retire", "put_run")}
    | {name: getattr(array, name) for name in ("slot_mark", "backing_drop")}
    | {name: getattr(redirect_moves, name) for name in ("move_step", "swapoff")}
)
s.bind(Redirect, OPERATIONS)

MAIL = f"{own.MAIL} (February 2026, linux-mm, on v3 of virtual swap: 8 B a slot, 4 B more only for slots that are redirected)"
AGAIN = "CACePvbVvzh8PcF47hz+MfFu3tta5vh3oD+WpGxEL_-NrzYZG3Q@mail.gmail.com (the same thread)"
LAYOUT = (
    *(row for row in where(direct.without_owners(swap_table.LAYOUT), {"phase": "4"}, known=True) if row.structure != "cluster headers"),
    s.Field(
        "redirect array", "slot of another device that has the data", 2048, "extend", f"{own.MAIL}: 4 B a slot that is redirected; ours",
        objects=Objects(own.S_ARRAYS, own.S_ARRAYS_PEAK), arrays=Arrays(("redirect",), 0, 512),
    ),
    s.Field("cluster headers", "swap_cluster_info, pointer", HEADER, "cluster", f"mm/swap.h of 7.2, one pointer more; {own.MAIL}"),
)  # fmt: skip
PARAMETERS = {
    "reverse": s.Parameter(
        int(own.C_REVERSE), {"scan": 0, "word": array.FOUND_BY_WORD.item()}, "scan",
        "how a swapoff finds the entries whose data its device has: it scans all arrays, or the words of its slots name them",
    ),
}  # fmt: skip


def check(st: Any) -> Iterable[str]:
    """Words name slots that stand in, each of another device and each once; nothing waits; an array is there for a cluster in use."""
    count = {entry: int(st.ctl[int(getattr(own, entry))]) for entry in ("S_ARRAYS", "S_REDIRECTED", "S_WAITING", "S_WAITING_END")}
    size = 1 << int(st.ctl[int(control.C_CLUSTER_SHIFT)])
    used = st.cluster.reshape(-1, int(cl.CI_WORDS))[:, int(cl.CI_COUNT)]
    there = np.flatnonzero(st.rtail)
    for what, have, want in (
        ("arrays of redirects", count["S_ARRAYS"], len(there)),
        ("numbers of arrays", st.rtail[there].tolist(), (there + 1).tolist()),
        ("arrays of clusters without slots", there[used[there] == 0].tolist(), []),
        ("redirects", count["S_REDIRECTED"], np.count_nonzero(st.redirect.reshape(-1, size)[there + 1])),
        ("slots that wait to be freed", count["S_WAITING"] + count["S_WAITING_END"], 0),
    ):
        if have != want:
            yield f"{what}: {have} should be {want}"


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="redirect",
        title="swap tables (7.2); a moved page's entry stays, a word of its cluster names the slot",
        state=Redirect,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=PARAMETERS,
        locks=swap_table.TEMPLATE.locks,
        sources=(MAIL, AGAIN, swap_table.P4, "mm/swap_table.h, mm/swapfile.c, mm/zswap.c of Linux 7.2 underneath"),
        notes="The mail gives the bytes: 8 a slot, and 4 more for a slot that is redirected. No layout, no locks and no functions were "
        "written down; what follows is this model's reading. The 4 bytes are in an array for a whole cluster, 2 KiB, which stays until the "
        "last slot of the cluster is freed. The target is a slot of its device as any other, with a word of the swap table there (and its "
        "2 bytes of the memcg table), so it is found to be in use; it is not charged a second time. The slot of the entry stays taken: a "
        "moved page ties up two. A new write of a page goes to zswap or to the slot of its entry, and frees the target. A move back home "
        "does the same. A zero page has no data and does not move. The redirect is looked at before zswap. A read looks without a lock, as "
        "it has the folio locked in the swap cache. The target is freed after the lock of the entry's cluster, never inside of it. "
        "Writeback of zswap stays on the page's own slot and needs no redirect. Swapoff of the device of entries walks the page tables, as "
        "today. For entries whose data it has, reverse=scan looks at all arrays, and reverse=word lets the words of the device's swap "
        f"table name them, at no further byte. {swap_table.TEMPLATE.notes}",
        file=__file__,
        own=own.OWN,
        function_of=functions.function_of,
        check=check,
        status="proposed in mails (February 2026)",
    )
)
