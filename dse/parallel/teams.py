"""States and probes of threads that share one state, and that state when they have ended, as one thread would have left it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from kernels import control
from kernels import memory as w
from kernels.compiling.flat import aligned_zeros
from kernels.designs.swap_desc import own as swap_desc_own
from kernels.designs.vswap import own as vswap_own
from kernels.designs.vswap_rfc import own as rfc_own
from kernels.designs.vswap_rfc.space import SPLIT
from kernels.designs.zram import own as zram_own
from kernels.life.registry import Config, Design
from kernels.observing import probe
from kernels.observing import shared as sh
from kernels.own import RANKS, Own, Word
from kernels.structures import blocks, nodes, page_counter, zswap
from kernels.structures.cluster import CI_WORDS
from kernels.structures.xarray import NODE_WORDS

Words = NDArray[np.uint64]
SPARE = 64
"""Folios, and zswap entries, of a thread beyond two for each of its pages."""
SPARE_NODES = 1 << 14
"""Nodes of a pool for each thread, beyond twice those that one thread needs: chunks, and what waits for a grace period."""
LEAST_SHIFT = 6
"""Least slots of a cluster, as a power of two: a word of a bitmap has 64."""
CPU_WORDS = {control.S_FREES_CPU: None, vswap_own.S_CPU: "vmem"}
"""Control words that say which CPU runs, with the field of the states that have them; None where all have."""


class Numbers(NamedTuple):
    """Numbered objects with a free list: the field, its control words, words of an object, its link, whether the limit is given out."""

    field: str
    free: np.uint64
    high: np.uint64
    limit: np.uint64
    words: int
    link: int
    inclusive: bool


def numbers(st: Any) -> list[Numbers]:
    """Objects of a state of which each thread has a range."""
    found = [Numbers("folio", control.S_FOLIO_FREE, control.S_FOLIO_HIGH, control.C_FOLIOS, int(w.FOLIO_WORDS), int(w.F_LINK), False)]
    if "element" not in st.fields:
        found.append(Numbers("ze", control.S_ZE_FREE, control.S_ZE_HIGH, control.C_ZENTRIES, int(zswap.ZE_WORDS), 0, True))
    if "desc" in st.fields:
        own = swap_desc_own
        found.append(Numbers("desc", own.S_DESC_FREE, own.S_DESC_HIGH, own.C_DESCS, int(st.ctl[int(own.C_STRIDE)]), 0, True))
    if "descriptors" in st.fields:
        stride = int(st.ctl[int(rfc_own.C_RSTRIDE)])
        link = int(stride == int(SPLIT))
        found.append(Numbers("descriptors", rfc_own.S_RDESC_FREE, rfc_own.S_RDESC_HIGH, rfc_own.C_RDESCS, stride, link, True))
    return found


@dataclass
class Team:
    """Threads on one state.

    Attributes
    ----------
    st : Flat
        The state as one thread sees it; it is right after :meth:`settle`.
    states, probes : list
        Of each thread.
    begun : list of uint64[words]
        Control words of each thread as they were in the beginning.
    own : Own
        Names of the design.
    """

    st: Any
    states: list[Any]
    probes: list[Any]
    begun: list[Words]
    own: Own

    @property
    def threads(self) -> int:
        """Number of threads."""
        return len(self.states)

    def forget(self) -> None:
        """Forget what the probes have seen so far."""
        for one in self.probes:
            one.tally[:] = one.ticks[:] = one.waits[:] = 0

    def settle(self) -> list[str]:
        """Put together what the threads kept apart; return what went wrong on the way."""
        joint = self.probes[0].joint
        total = joint.copy()
        for one, begun in zip(self.states, self.begun, strict=True):
            total += one.ctl - begun
        for kind in numbers(self.st):
            _gather(self, kind, total)
        total[int(control.S_NEXT_TOKEN)] = max(int(one.ctl[int(control.S_NEXT_TOKEN)]) for one in self.states)
        for word, has in CPU_WORDS.items():
            if has is None or has in self.st.fields:
                total[int(word)] = 0
        if "element" in self.st.fields:  # each thread has noted the most of its own
            pages = -(-int(total[int(control.S_ZOBJ_BYTES)]) // 4096)
            total[int(zram_own.S_USED_MAX)] = max(int(total[int(zram_own.S_USED_MAX)]), pages)
        words = {word.name: word.number for word in self.own.all(Word).values()}
        for name, number in words.items():
            now = words.get(name.removesuffix("_PEAK"))
            if name.endswith("_PEAK") and now is not None:
                total[number] = max(total[number], total[now])
        self.st.ctl[:] = total
        rows = _counters(self.st)
        usage, mark = rows[:, int(page_counter.P_USAGE)], rows[:, int(page_counter.P_WATERMARK)]
        np.maximum(mark, usage, out=mark)  # racy by intent
        if "blink" in self.st.fields:
            _blocks(self.st)
        short = [name for name in pools(self.st) if _pool(getattr(self.st, name), self.threads)]
        return [f"{name}: no node was left" for name in short]


def pools(st: Any) -> list[str]:
    """Fields that are pools of nodes."""
    return [name for name in st.fields if name.endswith("pool")]


def build(design: Design, config: Config, pages: Sequence[int], *, queued: bool) -> Team:
    """Build a fresh state for as many threads as `pages` has numbers, of the pages that each owns, with `queued` locks or plain ones.

    Raises
    ------
    BadInput
        Clusters are so small that two share a word of a bitmap.
    """
    if config.cluster_shift < LEAST_SHIFT:
        raise BadInput(f"threads need clusters of at least {1 << LEAST_SHIFT} slots, not {1 << config.cluster_shift}")
    threads = len(pages)
    room = [2 * n + SPARE for n in pages]
    st = design.build(replace(config, cpus=max(threads, 1), folios=sum(room)))
    st = type(st)(**(st.arrays() | _widened(st, room, threads)))
    first = np.concatenate([[1], 1 + np.cumsum(room)]).astype(np.int64)
    for kind in numbers(st):
        st.ctl[int(kind.limit)] = int(first[-1]) - kind.inclusive
    st.ctl[int(control.C_CONT_LIMIT)] = _extends(st)
    joint, queue = st.ctl.copy(), aligned_zeros((threads * RANKS + 1) * 8, np.uint64)
    epochs = aligned_zeros(threads * 8, np.uint64)
    states, probes = [], []
    for t in range(threads):
        ctl = joint.copy()
        for kind in numbers(st):
            ctl[int(kind.high)], ctl[int(kind.limit)] = first[t], int(first[t + 1]) - kind.inclusive
        ctl[int(control.S_NEXT_TOKEN)] = t * ((1 << 32) // threads)
        own = aligned_zeros(sh.OWN_WORDS, np.uint64)
        own[:6] = t, threads, first[t], first[t + 1], 0, queued
        states.append(type(st)(**(st.arrays() | {"ctl": ctl, "parts": np.zeros_like(st.parts)})))
        probes.append(_probe(own, joint, queue, epochs))
    return Team(st, states, probes, [one.ctl.copy() for one in states], design.own)


def _probe(own: Words, joint: Words, queue: Words, epochs: Words) -> sh.Shared:
    """Probe of one thread."""
    return sh.Shared(
        tally=np.zeros(probe.TALLY_WORDS, np.uint64),
        ticks=np.zeros(probe.HIST_OPS * probe.TICK_BINS, np.uint64),
        waits=np.zeros(int(sh.SPOT_FIRST) + sh.SPOTS * int(sh.SPOT_WORDS), np.uint64),
        own=own, joint=joint, queue=queue, epochs=epochs,
    )  # fmt: skip


def _extends(st: Any) -> int:
    """Most continuation pages, or extend tables."""
    most = int(st.ctl[int(control.C_CONT_LIMIT)])
    return max(most, len(st.cluster) // int(CI_WORDS)) if "extend" in st.fields else most


def _larger(array: NDArray[Any], n: int) -> NDArray[Any]:
    """`array` with room for `n` elements, zeros behind."""
    if len(array) >= n:
        return array
    made = aligned_zeros(n, array.dtype.type)
    used = np.flatnonzero(array)
    last = int(used[-1]) + 1 if len(used) else 0
    made[:last] = array[:last]
    return made


def _widened(st: Any, room: Sequence[int], threads: int) -> dict[str, NDArray[Any]]:
    """Arrays that several threads need larger."""
    found: dict[str, NDArray[Any]] = {}
    for kind in numbers(st):
        found[kind.field] = _larger(getattr(st, kind.field), (sum(room) + 2) * kind.words)
    if "extend" in st.fields:
        found["extend"] = _larger(st.extend, (len(st.cluster) // int(CI_WORDS) + 1) << int(st.ctl[int(control.C_CLUSTER_SHIFT)]))
    for name in pools(st):
        found[name] = _wide_pool(getattr(st, name), threads)
    return found


def _wide_pool(pool: Words, threads: int) -> Words:
    """A fresh pool with nodes for all threads, and a row for each behind them."""
    most = len(pool) // NODE_WORDS - 1
    end = -(-(2 * most + threads * SPARE_NODES + 1) // 8) * 8 * NODE_WORDS
    made = aligned_zeros(end + threads * nodes.row_words(threads), np.uint64)
    used = int(pool[int(nodes.P_HIGH)])
    made[:used] = pool[:used]
    made[int(nodes.P_END)] = end
    return made


def _counters(st: Any) -> Words:
    """Blocks of the memory cgroups, the root's first."""
    root = int(st.ctl[int(control.C_MEMCGS)])
    while int(st.memcgs[root + int(page_counter.P_PARENT)]):
        root = int(st.memcgs[root + int(page_counter.P_PARENT)])
    return st.memcgs[root:].reshape(-1, int(page_counter.WORDS))  # type: ignore[no-any-return]


def _chain(first: int, links: NDArray[Any], most: int) -> list[int]:
    """Numbers of a free list; a list that runs in a circle is cut, and then fails an invariant."""
    found: list[int] = []
    while first and len(found) <= most:
        found.append(first)
        first = int(links[first])
    return found


def _gather(team: Team, kind: Numbers, total: Words) -> None:
    """One free list of all threads' lists, and of what lies below the highest number in use and was never given out."""
    links = getattr(team.st, kind.field)
    links = links[: len(links) // kind.words * kind.words].reshape(-1, kind.words)[:, kind.link]
    highs = [int(one.ctl[int(kind.high)]) for one in team.states]
    used = [high > int(begun[int(kind.high)]) for high, begun in zip(highs, team.begun, strict=True)]
    high = max((high for high, any_ in zip(highs, used, strict=True) if any_), default=1)
    free: list[int] = []
    for one, mine in zip(team.states, highs, strict=True):
        end = int(one.ctl[int(kind.limit)]) + kind.inclusive
        free += _chain(int(one.ctl[int(kind.free)]), links, len(links)) + list(range(mine, min(end, high)))
    total[int(kind.high)], total[int(kind.free)] = high, _linked(links, free)


def _linked(links: NDArray[Any], free: list[int]) -> int:
    """Link numbers to a list; its first, 0 if there is none."""
    if not free:
        return 0
    links[free[:-1]] = free[1:]
    links[free[-1]] = 0
    return free[0]


def _blocks(st: Any) -> None:
    """Free lists of the blocks of clusters, which have the numbers of their clusters."""
    headers = st.cluster.reshape(-1, int(CI_WORDS))
    links = st.blink.reshape(-1, 3)
    for kind, word in ((blocks.TABLE, blocks.CI_TABLE), (blocks.MEMCG, blocks.CI_MEMCG), (blocks.EXTEND, blocks.CI_EXTEND)):
        at = int(control.S_TABLE_FREE) + 4 * int(kind)
        used = headers[:, int(word)][headers[:, int(word)] != 0]
        high = int(used.max()) if len(used) else 0
        free = np.setdiff1d(np.arange(1, high + 1), used).tolist()
        st.ctl[at + int(blocks.HEAD)] = _linked(links[:, int(kind)], free)
        st.ctl[at + int(blocks.HIGH)] = high


def _pool(pool: Words, threads: int) -> bool:
    """One free list of a pool, its free nodes empty. True if it had too few nodes."""
    end, size = int(pool[int(nodes.P_END)]), nodes.row_words(threads)
    rows = pool[end : end + threads * size].reshape(threads, size)
    links = pool[1:]
    free: list[int] = []
    for row in rows:
        for head in (nodes.T_FREE, nodes.T_WAITING, nodes.T_LATE):
            free += _chain(int(row[int(head)]), links, end // NODE_WORDS)
        free += range(int(row[int(nodes.T_HIGH)]), int(row[int(nodes.T_END)]), NODE_WORDS)
    free = [node for node in free if node + NODE_WORDS <= end]
    for node in free:
        pool[node : node + NODE_WORDS] = 0
    short = bool(rows[:, int(nodes.T_SHORT)].any())
    pool[int(nodes.P_HIGH)] = min(int(pool[int(nodes.P_HIGH)]), end)
    pool[int(nodes.P_FREE)] = _linked(links, free)
    pool[int(nodes.P_USED)] += rows[:, int(nodes.T_USED)].sum()
    pool[int(nodes.P_PEAK)] = max(pool[int(nodes.P_PEAK)], pool[int(nodes.P_USED)])
    rows[:] = 0
    return short
