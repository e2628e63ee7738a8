"""The size classes of zsmalloc and the slabs, against published costs and what unmodified kernels were measured to take."""

from __future__ import annotations

import naive_reclaim as naive
import numpy as np
import pytest

import dse
from dse.modelling import sizes
from dse.testing.twins import parts
from kernels.compiling.jit import outer
from kernels.structures import zsmalloc

HALF_RANDOM, PAGES = 2213, 65_536


def lzo_of_a_half_random_page() -> int:
    """Bytes that lib/lzo/lzo1x_compress.c (``lzo1x_1_do_compress``) makes of 2,048 random bytes and 2,048 zeros.

    Random bytes match nothing, so the step grows by 1 in 32 bytes. The second step into the zeros matches the first one. A match grows by
    8 bytes and ends within 20 bytes of the end; what follows is copied.
    """
    at, zeros = 4, 0
    while zeros < 2 or at < 2048:
        zeros += at >= 2048
        if zeros == 2:
            break
        at += 1 + (at >> 5)
    end = at + 4
    while end < 4096 - 20:
        end += 8
    run = 1 + -(-(at - 18) // 255)  # the count of copied bytes
    match = 1 + -(-(end - at - 33) // 255) + 2  # length and distance
    return run + at + match + 1 + (4096 - end) + 3


def test_half_random_pages_take_what_the_kernel_was_measured_to_take() -> None:
    # measured on unmodified kernels: 65,536 such pages in 146.4 MB under lzo on 6.12 to 7.3; 8,192 of them in 745 zspages on 7.2
    assert lzo_of_a_half_random_page() == HALF_RANDOM
    rows = {row["structure"]: row for row in dse.ledger("direct", 2 * PAGES, 0.5, "zswap", HALF_RANDOM)["rows"]}
    assert rows["zsmalloc objects"]["allocated_bytes"] == pytest.approx(146.4e6, rel=0.001)  # the bar is 2 %
    apart = (rows["zs_handle"]["allocated_bytes"] + rows["zspage"]["allocated_bytes"]) / PAGES
    assert apart == pytest.approx(13.2, abs=0.1)
    few = {row["structure"]: row for row in dse.ledger("direct", PAGES, 0.125, "zswap", HALF_RANDOM)["rows"]}
    assert (few["zs_handle"]["objects"], few["zspage"]["objects"]) == (8192, 745)


@pytest.mark.parametrize(
    ("length", "nbytes", "of"),
    [(100, 112, (7, 256)), (111, 128, (1, 32)), (1024, 1057, (8, 31)), (2048, 2184.5, (8, 15)), (3255, 3276.8, (4, 5)),
     (3624, 3640.9, (8, 9)), (3625, 4096, (1, 1)), (4000, 4096, (1, 1)), (4096, 4096, (1, 1))],
)  # fmt: skip
def test_costs_equal_those_of_another_port_of_the_kernel(length: int, nbytes: float, of: tuple[int, int]) -> None:
    # the table "cost per page" of quetschn's plan, checked there against Documentation/mm/zsmalloc.rst (mm/zsmalloc.c at 986c24e0fe44)
    size = -(-(length + 8) // 16) * 16
    assert zsmalloc.zspage(min(size, 4096)) == of
    assert sizes.class_bytes(length) - nbytes == pytest.approx(0.5, abs=0.51)


def test_classes_after_merging() -> None:
    assert len({zsmalloc.zspage(size) for size in range(32, 4097, 16)}) == 119
    assert [zsmalloc.zspage(size) for size in (3632, 3648)] == [(8, 9), (1, 1)]  # zsmalloc.rst: huge from 3,632 on with chains of 8


def test_every_place_has_the_same_rule() -> None:
    @outer
    def compiled(out):  # type: ignore[no-untyped-def]
        for length in range(len(out)):
            out[length] = zsmalloc.class_word(out[length])

    words = np.arange(4097, dtype=np.uint64)
    compiled(words)
    for length in range(1, 4097):
        nbytes, part = sizes.class_of(length)
        assert (nbytes, part) == (int(words[length]) & 0xFFFF, int(words[length]) >> 16)
        assert nbytes == parts.class_bytes(length) == naive.class_bytes(length)
        assert part == (1 << 32) // parts.zspage(length)[1]
    assert sizes.class_of(0) == (0, 0)
    assert words[0] == 0


def test_whole_zspages_are_counted_exactly() -> None:
    for length in (20, 1575, 2213, 3625):
        part, objects = sizes.class_of(length)[1], parts.zspage(length)[1]
        assert [sizes.zspages(n * part) for n in (0, 1, objects, objects + 1, 1 << 20)] == [0, 1, 1, 2, -(-(1 << 20) // objects)]


@pytest.mark.parametrize(
    ("size", "pages", "objects"),
    [(584, 2, 14), (56, 1, 73), (8, 1, 512), (72, 1, 56), (1024, 2, 8), (2048, 4, 8), (64, 1, 64), (16, 1, 256)],
)
def test_slabs_are_as_slabinfo_shows_them(size: int, pages: int, objects: int) -> None:
    # /proc/slabinfo of Debian's 7.2 on one CPU: radix_tree_node, zswap_entry and zspage, zs_handle, vmap_area, kmalloc-1k, -2k, -64, -16
    assert sizes.slab_of(size) == (pages * 4096, objects)


def test_nodes_take_whole_slabs() -> None:
    assert [sizes.node_bytes(n) for n in (0, 1, 14, 15, 56)] == [0, 8192, 8192, 16384, 32768]
