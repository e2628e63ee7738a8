"""Memory of a twin: folios, page tables, the rings of pages that descend from one page; and the steps in which designs differ.

It knows nothing of arrays. Every page has a content token, and a page that reads another one than it must raises at once.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from dse.testing.twins.parts import Folio, Phase, Swapped
from kernels import demand
from kernels.life.registry import Config

Pte = Folio | Swapped | None


class Memory:
    """Spaces, page tables and folios of one replay, and the steps that a design fills in.

    A twin of a design of one's own derives from :class:`dse.testing.twins.life.Life`, which adds the demands, or from
    :class:`dse.testing.twins.swapfile.Swapfile`, which adds swap devices whose slots have counts and caches. It overrides the steps at
    the end of this class.

    Parameters
    ----------
    config : Config
        Sizes of the state that the design builds, with every parameter's control word.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.pte: dict[int, Folio | Swapped] = {}
        self.truth: dict[int, int] = {}
        self.rings: dict[int, list[int]] = {}  # page -> the ring it is in (one list for all its members)
        self.phases: dict[tuple[str, int], Phase] = {}
        self.folios: set[Folio] = set()
        self.tokens = 0
        self.moves = 0
        self.charged: Counter[int] = Counter()

    # -- folios and page tables ---------------------------------------------------------------

    def memcg(self, page: int) -> int:
        return int(self.config.memcg[page >> self.config.space_shift])

    def try_charge(self, memcg: int, n: int = 1) -> bool:
        """Charge `n` pages to the swap of `memcg`, unless it would be beyond its limit."""
        if self.config.swap_max and self.charged[memcg] + n > self.config.swap_max:
            return False
        self.charged[memcg] += n
        return True

    def memcg_full(self, folio: Folio, page: int | None = None) -> bool:
        """Has the memory cgroup of `folio` used half of its swap limit? `page`: a PTE that maps it, where that is known."""
        return bool(self.config.swap_max) and 2 * self.charged[self.memcg(folio.page if page is None else page)] >= self.config.swap_max

    def folio(self, page: int) -> Folio:
        folio = Folio(page)
        self.folios.add(folio)
        return folio

    def release(self, folio: Folio) -> None:
        assert folio.maps == 0, "a mapped folio was freed"
        assert not folio.cached, "a folio was freed that is still in the swap cache"
        self.folios.remove(folio)

    def fresh(self, page: int) -> None:
        """`page` maps a new folio with new content."""
        folio = self.folio(page)
        self.write(page, folio)
        self.map(page, folio)

    def write(self, page: int, folio: Folio) -> None:
        """New content: from now on `page` must read this."""
        self.tokens += 1
        folio.token = self.truth[page] = self.tokens & 0xFFFF_FFFF
        folio.dirty = True

    def map(self, page: int, folio: Folio) -> None:
        assert self.truth[page] == folio.token, f"page {page} must read {self.truth[page]}, not {folio.token}"
        self.pte[page] = folio
        folio.maps += 1

    def unmap_one(self, page: int, folio: Folio, pte: Pte) -> None:
        folio.maps -= 1
        if pte is None or isinstance(pte, Folio):
            del self.pte[page]
        else:
            self.pte[page] = pte

    def orphan(self, folio: Folio) -> None:
        """A reference to `folio` went away: free it if it was the last."""
        if folio.maps == 0 and not folio.busy and (not folio.cached or self.free_swap(folio)):
            self.release(folio)

    # -- the ring of PTEs that descend from one page --------------------------------------------

    def kin(self, page: int) -> list[int]:
        ring = self.rings.get(page, [page])
        at = ring.index(page)
        return ring[at:] + ring[:at]

    def join(self, parent: int, child: int) -> None:
        self.leave(child)
        ring = self.rings.setdefault(parent, [parent])
        ring.insert(ring.index(parent) + 1, child)
        self.rings[child] = ring

    def leave(self, page: int) -> None:
        ring = self.rings.pop(page, [page])
        ring.remove(page)

    # -- the demand that no task waits for -------------------------------------------------------

    def read_ahead(self, page: int) -> int:
        """Read a page that no task waits for into the swap cache."""
        pte = self.pte.get(page)
        if not isinstance(pte, Swapped):
            return demand.NOT_SWAPPED
        entry, folio = self.resolve(pte.value), self.folio(page)
        folio.value = pte.value
        code = demand.READ_AHEAD
        if not self.read_begin(entry, folio):
            code = demand.IN_CACHE if self.lookup(entry) is not None else demand.BUSY
        elif folio.bypass:
            self.read_abort(entry, folio)
            code = demand.REFUSED
        if code == demand.READ_AHEAD:
            self.read_end(entry, folio)
        else:
            self.release(folio)
        return code

    # -- steps of a design ------------------------------------------------------------------------

    def resolve(self, value: Any) -> Any:
        """The entry behind a PTE's value."""
        raise NotImplementedError

    def same(self, value: Any, entry: Any) -> bool:
        """Does the value still lead to the entry?"""
        raise NotImplementedError

    def read_same(self, value: Any, entry: Any) -> bool:
        """The same before a read."""
        return self.same(value, entry)

    def still(self, value: Any, entry: Any) -> bool:
        """After the read: is the value the one that was read, or given out anew?"""
        return True

    def lookup(self, entry: Any) -> Folio | None:
        """The cached folio."""
        raise NotImplementedError

    def claim(self, folio: Folio, page: int, memcg: int, backend: int, cpu: int) -> Any:
        """A value for the PTEs of `folio`, None if there is none to be had."""
        raise NotImplementedError

    def claim_run(self, folios: list[Folio], page: int, memcg: int, backend: int, cpu: int) -> list[Any] | None:
        """Values for the PTEs of the pages of a large folio from `page` on, None if each page has to go alone."""
        return None

    def claim_each(self, folios: list[Folio], page: int, memcg: int, backend: int, cpu: int) -> list[Any] | None:
        """:meth:`claim_run` for a design whose values need not lie side by side: one by one."""
        values = [self.claim(folio, page + i, memcg, backend, cpu) for i, folio in enumerate(folios)]
        return None if None in values else values

    def unclaim(self, folio: Folio, value: Any) -> None:
        """No PTE was written."""
        raise NotImplementedError

    def dup(self, value: Any, entry: Any) -> bool:
        """One PTE more."""
        raise NotImplementedError

    def put(self, value: Any, entry: Any) -> str:
        """One PTE less: "held" by others, "cached" only, or "freed"."""
        raise NotImplementedError

    def unused(self, entry: Any) -> bool:
        """No PTE holds the value of `entry`."""
        raise NotImplementedError

    def writeout(self, folio: Folio, value: Any, backend: int, size: int, zero: bool, cpu: int) -> int:
        """Store the content; 0 or why not."""
        raise NotImplementedError

    def evict(self, folio: Folio) -> None:
        """An unmapped, clean folio leaves the cache."""
        raise NotImplementedError

    def read_begin(self, entry: Any, folio: Folio) -> bool:
        """Enter the cache to read; False if somebody is there or the entry is gone."""
        raise NotImplementedError

    def read_end(self, entry: Any, folio: Folio) -> None:
        """The content arrives."""
        raise NotImplementedError

    def read_done(self, value: Any, entry: Any, folio: Folio) -> None:
        """The fault is over: let go of what its read held."""

    def read_abort(self, entry: Any, folio: Folio) -> None:
        """Undo read_begin."""
        raise NotImplementedError

    def free_swap(self, folio: Folio) -> bool:
        """Drop cache and backing if no PTE needs them."""
        raise NotImplementedError

    def swap_full(self, entry: Any) -> bool:
        """Is a cache copy not worth keeping?"""
        raise NotImplementedError

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        """The next step of a move."""
        raise NotImplementedError

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        """Empty a device."""
        raise NotImplementedError
