"""Nodes of the swap cache that hold nothing but shadows: ``shadow_nodes`` of mm/workingset.c, a list_lru with a lock of its own.

``workingset_update_node`` is called with the tree's lock held whenever entries or values
of a node change (mm/swap_state.c up to 6.17: ``xas_set_update``). A node whose entries
are all values is on the list, so that a shrinker may free it with its shadows. Swap
tables have no nodes. The list hangs on the nodes' own words: 3 and 4 are
``private_list``, a link names the word of the neighbour's links. Its head, lock and
length are words of the pool's header.

The model has one list. In the kernel there is one for each NUMA node and memory cgroup
that a node is charged to; nodes of the swap cache are charged to none, so that they are
all on the root's (``init_swap_address_space`` sets no XA_FLAGS_ACCOUNT).
"""

from __future__ import annotations

from kernels.compiling.constants import BYTE, U0, U1, U3, U8, U16, U24, U73
from kernels.compiling.jit import called, inner, u
from kernels.observing.lock import L_SHADOWS, lock, unlock
from kernels.observing.probe import F_NONE, F_WORKINGSET, R_SHADOWS, step, touch, wrote

LINKS = U3  # of a node: next, previous; 0 while it is on no list
HEAD, LENGTH, LOCK = U8, u(10), u(11)  # of the pool's header: next and previous of the list, nodes on it, its lock
COUNTER, SLAB, SLAB_NODES = U8, U16, u(14) * U73  # R_SHADOWS: a line each for the list, WORKINGSET_NODES, and every slab page of nodes


@inner
def update(pool, pr, rn, node, count, values):  # type: ignore[no-untyped-def]
    """``workingset_update_node``: a node that is to have `count` entries, `values` of them shadows, joins the list or leaves it."""
    listed = pool[node + LINKS] != U0
    if listed != (count != U0 and count == values):
        if listed:
            leave(pool, pr, rn, node)
        else:
            join(pool, pr, rn, node)


@inner
def updated(pool, pr, rn, node):  # type: ignore[no-untyped-def]
    """:func:`update` for a node whose header says what it has now."""
    update(pool, pr, rn, node, pool[node] >> U16 & BYTE, pool[node] >> U24 & BYTE)


@inner
def begin(pool, pr, node):  # type: ignore[no-untyped-def]
    """Take the list's lock; ``virt_to_page`` and ``mem_cgroup_from_slab_obj`` have read the page of the node's slab before."""
    step(pr, F_WORKINGSET)
    touch(pr, R_SHADOWS, SLAB + node // SLAB_NODES * U8)
    lock(pr, pool, LOCK, L_SHADOWS)
    wrote(pr, R_SHADOWS, U0)


@inner
def end(pool, pr):  # type: ignore[no-untyped-def]
    """Release the list's lock and count the node (``__inc_node_page_state``, ``__dec_node_page_state``)."""
    unlock(pr, pool, LOCK, L_SHADOWS)
    wrote(pr, R_SHADOWS, COUNTER)
    step(pr, F_NONE)


@inner
def relink(pool, pr, rn, at, word, to):  # type: ignore[no-untyped-def]
    """Write `to` into link `word` of the neighbour at `at`; the list's own links share its line."""
    pool[at + word] = to
    if at == HEAD:
        wrote(pr, R_SHADOWS, U0)
    else:
        wrote(pr, rn, at)


@called
def join(pool, pr, rn, node):  # type: ignore[no-untyped-def]
    """``list_lru_add_obj``: to the end of the list."""
    begin(pool, pr, node)
    here, last = node + LINKS, pool[HEAD + U1]
    pool[here] = HEAD
    pool[here + U1] = last
    wrote(pr, rn, here)
    relink(pool, pr, rn, last, U0, here)
    pool[HEAD + U1] = here
    pool[LENGTH] += U1
    end(pool, pr)


@called
def leave(pool, pr, rn, node):  # type: ignore[no-untyped-def]
    """``list_lru_del_obj``."""
    begin(pool, pr, node)
    here = node + LINKS
    after, before = pool[here], pool[here + U1]
    relink(pool, pr, rn, before, U0, after)
    relink(pool, pr, rn, after, U1, before)
    pool[here] = U0
    pool[here + U1] = U0
    wrote(pr, rn, here)
    pool[LENGTH] -= U1
    end(pool, pr)


def most_nodes(pages: int) -> int:
    """Nodes that the shrinker leaves on the list (``count_shadow_nodes``: an eighth of the pages, XA_CHUNK_SHIFT - 3).

    Parameters
    ----------
    pages : int
        Pages of the NUMA node, or on the LRU lists and in slabs of the memory cgroup whose list is shrunk.
    """
    return pages >> 3
