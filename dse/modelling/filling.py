"""Live states filled through replay, from which the ledger of a yardstick is read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.common import machine
from dse.modelling import ledger as books
from dse.modelling.sizes import Ledger
from kernels import demand
from kernels.life import registry as state
from kernels.observing import probe

BLOCK = 1 << 18  # pages a block of demands
COMPRESSED = 1575
FOLIOS = 256  # in memory at once: every page goes out right after its first touch
BYTES_A_SLOT = 200  # PTE, zswap entry, nodes, maps and tables of the model, at most


def pairs(first: int, last: int, backend: int, flags: int = 0, compressed: int = COMPRESSED) -> NDArray[np.uint64]:
    """Demands that touch the pages `first` .. ``last - 1`` and swap each out, as `compressed` bytes: ``uint64[2 * (last - first), 2]``."""
    touch, out = demand.pack(demand.FAULT, 0), demand.pack(demand.RECLAIM, 0, backend=backend, payload=compressed, flags=flags)
    page = np.arange(first, last, dtype=np.uint64) << np.uint64(32)
    block = np.empty((2 * len(page), 2), np.uint64)
    block[0::2, 0], block[0::2, 1] = page | np.uint64(touch[0]), touch[1]
    block[1::2, 0], block[1::2, 1] = page | np.uint64(out[0]), out[1]
    return block


def run(kind: int, pages: NDArray[np.uint64], **fields: int) -> NDArray[np.uint64]:
    """One demand of `kind` for each of `pages` (uint64[n]): ``uint64[n, 2]``; `fields` as for :func:`kernels.demand.pack`."""
    word = demand.pack(kind, 0, **fields)
    block = np.empty((len(pages), 2), np.uint64)
    block[:, 0], block[:, 1] = pages << np.uint64(32) | np.uint64(word[0]), word[1]
    return block


class Filled:
    """Live state whose pages go out one after the other.

    Parameters
    ----------
    text : str
        The design, ``NAME[param=value,...]``.
    slots : int
        Slots of the disk.
    backend : str
        Target of the pages: zswap in front of an SSD, or a disk.
    pages : int, optional
        Most pages. Default: one a slot.
    """

    def __init__(self, text: str, slots: int, backend: str = "zswap", pages: int | None = None, **more: Any) -> None:
        self.named = naming.parse(text)
        self.backend = backend
        sizes = {backend: slots}
        if backend == "zswap" and not books.is_virtual(self.named.design) and not books.is_native(self.named.values):
            sizes["ssd"] = slots  # the disk behind it, whose slots its pages tie up
        pages = slots if pages is None else pages
        machine.require_memory(max(pages, 1) * BYTES_A_SLOT, f"a live state of {self.named.text} with {pages:,} pages")
        settings: dict[str, Any] = {"folios": FOLIOS, "tokens": False, "forks": False, "cpus": 1, **more}
        self.state = self.named.design.build(state.Config(pages=pages, slots=sizes, parameters=self.named.control, **settings))
        self.used = 0

    def replay(self, block: NDArray[np.uint64], pr: Any = None) -> NDArray[np.uint8]:
        """Replay demands and return their reply codes."""
        replies = np.zeros(len(block), np.uint8)
        self.named.design.replay(self.state, probe.make("off") if pr is None else pr, block, replies)
        return replies

    def fill(self, pages: int, flags: int = 0, pr: Any = None, compressed: int = COMPRESSED) -> None:
        """Swap pages out until `pages` of them are in swap.

        Raises
        ------
        RuntimeError
            The design does something else with one of them. The figure would not be that of a dense fill.
        """
        while self.used < pages:
            last = min(pages, self.used + BLOCK)
            replies = self.replay(pairs(self.used, last, demand.BACKENDS.index(self.backend), flags, compressed), pr)
            if not (np.all(replies[0::2] == demand.FIRST_TOUCH) and np.all(replies[1::2] == demand.SWAP_OUT)):
                raise RuntimeError(f"{self.named.text}: a page between {self.used} and {last} was not swapped out")
            self.used = last

    def ledger(self) -> Ledger:
        """The ledger read off the arrays as they are now."""
        return books.live(self.named.design, self.named.values, self.state)
