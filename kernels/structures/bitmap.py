"""Bitmap of the slots of disks: a set bit is a slot in use. Designs have it that keep nothing else about a slot."""

from __future__ import annotations

from kernels.compiling.atomic import ctz
from kernels.compiling.constants import U0, U1, U6, U63
from kernels.compiling.jit import inner
from kernels.observing.probe import R_BITMAP, touch, wrote


@inner
def first_free(st, pr, first, end):  # type: ignore[no-untyped-def]
    """First slot in `first` .. `end` - 1 whose bit is not set, plus 1; 0 if there is none. A word is read at a time."""
    g = first
    while g < end:
        touch(pr, R_BITMAP, g >> U6)
        free_bits = ~st.bitmap[g >> U6] >> (g & U63)
        if free_bits != U0:
            g += ctz(free_bits)
            return g + U1 if g < end else U0
        g = ((g >> U6) + U1) << U6
    return U0


@inner
def mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Set or clear the bit of slot `g`."""
    bit = U1 << (g & U63)
    st.bitmap[g >> U6] = st.bitmap[g >> U6] | bit if used else st.bitmap[g >> U6] & ~bit
    wrote(pr, R_BITMAP, g >> U6)
