"""Placement of a page: its content class, zswap's pool and limit, the disk behind it.

The content class of a page is a function of (page, number of its content): zero-filled,
incompressible, or a compressed size. Sizes follow a triangular distribution (the sum of
two uniform ones) of mean 4096 / compression_ratio, half to one and a half times the
mean. The model is declared, not measured: only the mean and a spread of sizes matter
here.

zswap (mm/zswap.c): the pool counts objects with their share of a zspage, in pages. Once it has reached
its limit it rejects every store until it has shrunk below the share ``shrink_to``. The
shrinker writes back the oldest stores. A rejected page goes to the disk, or, without
writeback, stays resident. A page that was read from a disk and not changed goes back to
that disk. Left out: fragmentation of zspages, same-filled pages other than zero, the
shrinker's second chance (every entry is referenced when stored, so the first round only
rotates).
"""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import BYTE, LOW16, LOW32, U0, U1, U3, U16, U32, U48
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.lists import pop, push
from kernels.reclaim.state import (
    C_DEST,
    C_DISK,
    C_INCOMPRESSIBLE,
    C_KEY,
    C_MOVE_BATCH,
    C_POOL_ACCEPT,
    C_POOL_LIMIT,
    C_REJECT_ABOVE,
    C_SHARES,
    C_SIZE_LOW,
    C_SIZE_WIDTH,
    C_WRITEBACK,
    C_ZERO,
    HOME,
    N_POOL_PEAK,
    N_REJECTED_FULL,
    N_REJECTED_SIZE,
    N_WRITEBACKS,
    NONE,
    NOWHERE,
    PAGE_BYTES,
    S_POOL_BYTES,
    S_POOL_FULL,
    ZSWAP_RING,
    count,
    count_pages,
    emit,
    most,
    name_of,
    pool_pages,
)
from kernels.structures.zsmalloc import class_bytes
from kernels.traces.generate import mix


@inner
def content(st, o, version):  # type: ignore[no-untyped-def]
    """Word of 64 bits that stands for content number `version` of page `o`."""
    return mix(st.ctl[C_KEY] + (o | version << U32))


@inner
def fresh(st, o):  # type: ignore[no-untyped-def]
    """Word of 64 bits that stands for a new content of page `o`."""
    return content(st, o, u(st.version[o]) + U1 & BYTE)


@inner
def compressed(st, bits):  # type: ignore[no-untyped-def]
    """Compressed size of the content `bits` [B], a whole page if it does not compress."""
    more = mix(bits)
    if more & LOW32 < st.ctl[C_INCOMPRESSIBLE]:
        return PAGE_BYTES
    return st.ctl[C_SIZE_LOW] + (st.ctl[C_SIZE_WIDTH] * ((more >> U32 & LOW16) + (more >> U48)) >> U16)


@inner
def stored_bytes(st, o):  # type: ignore[no-untyped-def]
    """Bytes of the present content of page `o` in zswap's pool."""
    return class_bytes(compressed(st, content(st, o, u(st.version[o]))))


@inner
def drawn(st, bits):  # type: ignore[no-untyped-def]
    """Backend that is drawn for the content `bits`: thresholds of 32 random bits."""
    d = U0
    while d < U3 and bits >> U32 >= st.ctl[C_SHARES + d]:
        d += U1
    return d


@inner
def accepts(st, size, n):  # type: ignore[no-untyped-def]
    """``zswap_check_limits`` and the test of the compressed size [B], the largest of `n` pages that are stored together."""
    ctl, pages = st.ctl, pool_pages(st)
    if pages >= ctl[C_POOL_LIMIT]:
        ctl[S_POOL_FULL] = U1
    elif pages <= ctl[C_POOL_ACCEPT]:
        ctl[S_POOL_FULL] = U0
    if ctl[S_POOL_FULL] != U0:
        count_pages(st, N_REJECTED_FULL, n)
        return False
    if size > ctl[C_REJECT_ABOVE]:
        count_pages(st, N_REJECTED_SIZE, n)
        return False
    return True


@inner
def place(st, bits, zero, home):  # type: ignore[no-untyped-def]
    """Backend and compressed size [B] of a page that leaves.

    `home` still has its data (NOWHERE: no backend has). NOWHERE: the page stays.
    """
    d = st.ctl[C_DEST + (drawn(st, bits) if home == NOWHERE else home)]
    if zero or d == NOWHERE:
        return d, U0
    if d != codes.ZSWAP and d != codes.ZRAM:
        return d, PAGE_BYTES
    size = compressed(st, bits)
    if d == codes.ZSWAP and not accepts(st, size, U1):
        return (st.ctl[C_DISK] if st.ctl[C_WRITEBACK] != U0 else NOWHERE), PAGE_BYTES
    return d, size


@inner
def place_folio(st, o, n):  # type: ignore[no-untyped-def]
    """Backend of a folio of `n` pages from `o` on that leaves, mean compressed size [B], True if all is zero. NOWHERE: it stays.

    All of it goes to the backend that the content of its first page draws (``zswap_store``: all pages or none). No backend has its
    data: a large folio comes of a first touch.
    """
    ctl = st.ctl
    d, zero, largest, total = ctl[C_DEST + drawn(st, fresh(st, o))], True, U0, U0
    for i in range(n):
        bits = fresh(st, o + u(i))
        size = compressed(st, bits)
        zero = zero and bits & LOW32 < ctl[C_ZERO]
        largest, total = max(largest, size), total + size
    if zero or d == NOWHERE:
        return d, U0, zero
    if d != codes.ZSWAP and d != codes.ZRAM:
        return d, PAGE_BYTES, zero
    if d == codes.ZSWAP and not accepts(st, largest, n):
        return (ctl[C_DISK] if ctl[C_WRITEBACK] != U0 else NOWHERE), PAGE_BYTES, zero
    return d, total // n, zero


@inner
def pool_add(st, o, size):  # type: ignore[no-untyped-def]
    """Add page `o`, compressed to `size` bytes, to zswap's pool."""
    st.ctl[S_POOL_BYTES] += class_bytes(size)
    most(st, N_POOL_PEAK, pool_pages(st))
    push(st, st.zswap, ZSWAP_RING, o)


@called
def shrink_pool(st):  # type: ignore[no-untyped-def]
    """``shrink_worker``: write a full pool back from its tail, up to a batch at a time, until it accepts again."""
    ctl = st.ctl
    if ctl[S_POOL_FULL] == U0 or ctl[C_WRITEBACK] == U0 or ctl[C_DISK] == NOWHERE:
        return
    for _ in range(ctl[C_MOVE_BATCH]):
        if pool_pages(st) <= ctl[C_POOL_ACCEPT]:
            return
        o = pop(st, st.zswap, ZSWAP_RING)
        if o == NONE:
            return
        ctl[S_POOL_BYTES] -= stored_bytes(st, o)
        st.state[o] = u(st.state[o]) | ctl[C_DISK] << HOME
        emit(st, codes.MOVE, name_of(st, o), codes.ZSWAP, U0, ctl[C_DISK])
        count(st, N_WRITEBACKS)
