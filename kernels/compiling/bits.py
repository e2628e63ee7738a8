"""Operations on the bits of a word that Numba lacks."""

from __future__ import annotations

from kernels.compiling.constants import U1, U2, U8
from kernels.compiling.jit import inner, u


@inner
def popcount(word):  # type: ignore[no-untyped-def]
    """Number of set bits of a 64-bit word (the usual SWAR sum)."""
    w = word - ((word >> U1) & u(0x5555555555555555))
    w = (w & u(0x3333333333333333)) + ((w >> U2) & u(0x3333333333333333))
    w = (w + (w >> u(4))) & u(0x0F0F0F0F0F0F0F0F)
    w = w + (w >> U8)
    w = w + (w >> u(16))
    return (w + (w >> u(32))) & u(0x7F)


@inner
def top_bit(word):  # type: ignore[no-untyped-def]
    """Number of the highest set bit; of 0 that of the lowest as well."""
    w = word | U1
    for shift in (U1, U2, u(4), U8, u(16), u(32)):
        w |= w >> shift
    return popcount(w) - U1


@inner
def low_bit(word):  # type: ignore[no-untyped-def]
    """Number of the lowest set bit of a word that is not 0."""
    return popcount((word & (~word + U1)) - U1)
