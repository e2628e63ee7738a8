"""zsmalloc: what an object costs in the size classes of a pool.

mm/zsmalloc.c (6.12 to 7.2), 4 KiB pages. ``zs_malloc`` adds the handle of 8 bytes (``ZS_HANDLE_SIZE``) to the length of every object.
``get_size_class_index`` takes the next class: multiples of 16 from 32 on (``ZS_SIZE_CLASS_DELTA``, ``ZS_MIN_ALLOC_SIZE``).
``calculate_zspage_chain_size`` links up to 8 pages (``CONFIG_ZSMALLOC_CHAIN_SIZE``) to a zspage, as many as waste the fewest bytes, one
page where the class is a power of two. Classes with as many objects in as many pages are one (``can_merge``): 119 are left of 255.
An object costs pages / objects of its zspage, so that merging changes no cost. An object of more than 3,624 bytes finds its class above
3,632, where a zspage is one page with one object. With chains of at most 4 pages, the limit of kernels before 6.3, that was 3,264.

Left out: free objects in zspages that are not full, which depend on the order of stores and frees.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.compiling.constants import LOW16, U0, U4, U16
from kernels.compiling.jit import inner, u
from kernels.control import S_ZOBJ_BYTES, S_ZOBJ_PEAK, S_ZSPAGES, S_ZSPAGES_PEAK

PAGE, HANDLE, DELTA, SMALLEST, CHAIN = 4096, 8, 16, 32, 8
PART = 32
"""A zspage is counted in 2**PART parts, and an object has its share of them, rounded down."""
WHOLE, FRACTION = u(PART), u((1 << PART) - 1)
ROUND, LAST = u(HANDLE + DELTA - 1), u(PAGE // DELTA)


def zspage(size: int) -> tuple[int, int]:
    """Pages of a zspage of class `size` [B], and its objects.

    Examples
    --------
    >>> zspage(2208), zspage(3632), zspage(3648)
    ((6, 11), (8, 9), (1, 1))
    """
    pages = 1 if size & (size - 1) == 0 else min(range(1, CHAIN + 1), key=lambda n: n * PAGE % size)
    return pages, pages * PAGE // size


def table() -> NDArray[np.uint64]:
    """A word for each class, by size / 16: bytes of an object, rounded up, in bits 0..15; its part of a zspage in the others."""
    out = np.zeros(PAGE // DELTA + 1, np.uint64)
    for i in range(len(out)):
        pages, objects = zspage(max(SMALLEST, i * DELTA))
        out[i] = -(-pages * PAGE // objects) | (1 << PART) // objects << 16
    out.flags.writeable = False
    return out


CLASSES = table()


@inner
def class_word(length):  # type: ignore[no-untyped-def]
    """Word of the class of an object of `length` bytes."""
    return CLASSES[min(length + ROUND >> U4, LAST)] if length != U0 else U0


@inner
def class_bytes(length):  # type: ignore[no-untyped-def]
    """Bytes that an object of `length` bytes costs: its share of a zspage, rounded up."""
    return class_word(length) & LOW16


@inner
def object_new(ctl, length):  # type: ignore[no-untyped-def]
    """Count an object of `length` bytes; true where the zspages that there are have no room for it (``alloc_zspage``)."""
    word = class_word(length)
    ctl[S_ZOBJ_BYTES] += word & LOW16
    ctl[S_ZOBJ_PEAK] = max(ctl[S_ZOBJ_PEAK], ctl[S_ZOBJ_BYTES])
    before = ctl[S_ZSPAGES]
    ctl[S_ZSPAGES] = before + (word >> U16)
    ctl[S_ZSPAGES_PEAK] = max(ctl[S_ZSPAGES_PEAK], ctl[S_ZSPAGES])
    return ctl[S_ZSPAGES] + FRACTION >> WHOLE != before + FRACTION >> WHOLE


@inner
def object_free(ctl, length):  # type: ignore[no-untyped-def]
    """Count it no more."""
    word = class_word(length)
    ctl[S_ZOBJ_BYTES] -= word & LOW16
    ctl[S_ZSPAGES] -= word >> U16
