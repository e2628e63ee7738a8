"""Unsigned 64-bit constants of all kernels; :func:`kernels.compiling.jit.u` says why plain integers do not serve."""

from __future__ import annotations

from kernels.compiling.jit import u

U0, U1, U2, U3, U4, U5, U6, U7, U8 = (u(i) for i in range(9))
U9, U10, U14, U16, U24, U32, U48, U58 = (u(i) for i in (9, 10, 14, 16, 24, 32, 48, 58))
U63, U73 = u(63), u(73)
BYTE = u(0xFF)
LOW16 = u(0xFFFF)
LOW24 = u(0xFF_FFFF)
LOW32 = u(0xFFFF_FFFF)
ONES = u(0xFFFF_FFFF_FFFF_FFFF)
