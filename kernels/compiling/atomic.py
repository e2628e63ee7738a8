"""Machine operations that Numba lacks: atomics, fences, the cycle counter, count of trailing zeros.

Each is an ``@intrinsic`` behind a plain function. The intrinsic is an LLVM instruction, not inline assembly, so that cached
code loads in a fresh process. The function's Python body serves the interpreted mode, which has one thread and no clock.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from kernels.compiling import ours
from kernels.compiling.flat import FieldType
from kernels.compiling.jit import INNER
from kernels.compiling.machine import X86

_I64 = ir.IntType(64)


def _element(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    if isinstance(array_type, FieldType):
        return builder.gep(array, [index])
    view = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, view, [index])


def _scalar(array: Any) -> Any:
    """Numba's type of the words in memory."""
    return getattr(types, f"uint{array.bits}") if isinstance(array, FieldType) else array.dtype


def _rmw(name: str, ordering: str = "seq_cst") -> Any:
    """Intrinsic for the read-modify-write `name` of LLVM: a locked instruction on x86. It returns the value before."""

    @intrinsic
    def call(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            ptr = _element(context, builder, signature.args[0], args[0], args[1])
            return builder.atomic_rmw(name, ptr, args[2], ordering)

        return _scalar(array)(array, types.uint64, _scalar(array)), codegen

    return call


_xchg, _swap = _rmw("xchg", "acq_rel"), _rmw("xchg")
_add, _sub, _or, _and = (_rmw(name) for name in ("add", "sub", "or", "and"))


@intrinsic
def _release(typingctx: Any, array: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ptr = _element(context, builder, signature.args[0], args[0], args[1])
        width = context.get_value_type(_scalar(signature.args[0]))
        builder.store_atomic(ir.Constant(width, 0), ptr, "release", width.width // 8)
        return context.get_dummy_value()

    return types.void(array, types.uint64), codegen


@intrinsic
def _acquire(typingctx: Any, array: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ptr = _element(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(ptr, "acquire", ptr.type.pointee.width // 8)

    return _scalar(array)(array, types.uint64), codegen


@intrinsic
def _compare(typingctx: Any, array: Any, index: Any, expected: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ptr = _element(context, builder, signature.args[0], args[0], args[1])
        return builder.extract_value(builder.cmpxchg(ptr, args[2], args[3], "seq_cst", "seq_cst"), 0)

    return _scalar(array)(array, types.uint64, _scalar(array), _scalar(array)), codegen


def _nullary(name: str) -> Any:
    @intrinsic
    def call(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            fn = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), name)
            builder.call(fn, [])
            return context.get_dummy_value()

        return types.void(), codegen

    return call


_lfence = _nullary("llvm.x86.sse2.lfence")
_mfence = _nullary("llvm.x86.sse2.mfence")
_pause = _nullary("llvm.x86.sse2.pause")


@intrinsic
def _cycles(typingctx: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        fn = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_I64, []), "llvm.readcyclecounter")
        return builder.call(fn, [])

    return types.uint64(), codegen


@intrinsic
def _cttz(typingctx: Any, word: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), codegen


@intrinsic
def _fetch_ahead(typingctx: Any, array: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ptr = builder.bitcast(_element(context, builder, signature.args[0], args[0], args[1]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [ptr.type, *[ir.IntType(32)] * 3])
        fn = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(fn, [ptr, *(ir.Constant(ir.IntType(32), x) for x in (1, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.uint64), codegen


def machine(fn: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Have `fn` compiled as the function that the decorated one chooses by the types of the arguments."""

    def choosing(choose: Callable[..., Any]) -> Any:
        @functools.wraps(choose)
        def chosen(*args: Any) -> Any:
            implementation = choose(*args)
            ours.enter(implementation)
            return implementation

        return overload(fn, jit_options=INNER, strict=False)(chosen)

    return choosing


def prefetch(array: Any, index: np.uint64) -> None:
    """Prefetch the cache line of ``array[index]`` for a write (``prefetchw``); only the time changes. A replay writes most of them."""


@machine(prefetch)
def _prefetch(array: Any, index: Any) -> Any:
    return lambda array, index: _fetch_ahead(array, np.uint64(index))


def ctz(word: np.uint64) -> np.uint64:
    """Number of trailing zero bits of a 64-bit word; 64 for zero."""
    w = int(word)
    return np.uint64((w & -w).bit_length() - 1 if w else 64)


@machine(ctz)
def _ctz(word: Any) -> Any:
    return lambda word: _cttz(np.uint64(word))


def take(locks: NDArray[Any], index: np.uint64) -> None:
    """Take the spin lock in ``locks[index]`` (0 free, 1 held), as an uncontended test-and-set."""
    locks[index] = 1


@machine(take)
def _take(locks: Any, index: Any) -> Any:
    one = getattr(np, str(_scalar(locks)))(1)

    def spin(locks: Any, index: Any) -> None:
        while _xchg(locks, index, one) == one:
            cpu_relax()

    return spin


def drop(locks: NDArray[Any], index: np.uint64) -> None:
    """Release the spin lock in ``locks[index]``."""
    locks[index] = 0


@machine(drop)
def _drop(locks: Any, index: Any) -> Any:
    return lambda locks, index: _release(locks, index)  # noqa: PLW0108 - numba needs a Python function


def cpu_relax() -> None:
    """Hint of a spinning loop (``pause`` on x86)."""


@machine(cpu_relax)
def _cpu_relax() -> Any:
    return (lambda: _pause()) if X86 else (lambda: None)  # noqa: PLW0108 - numba needs a Python function


def read_clock() -> np.uint64:
    """Cycle counter between two load fences [ticks]: nothing moves across it (24 ns on the reference machine)."""
    return np.uint64(time.perf_counter_ns())


@machine(read_clock)
def _read_clock() -> Any:
    def x86() -> Any:
        _lfence()
        t = _cycles()
        _lfence()
        return t

    return x86 if X86 else (lambda: _cycles())  # noqa: PLW0108 - numba needs a Python function


def drain() -> None:
    """Wait until every store is visible and every load is done (mfence + lfence): ends a timed operation."""


@machine(drain)
def _drain() -> Any:
    def x86() -> None:
        _mfence()
        _lfence()

    return x86 if X86 else (lambda: None)


def load_fence() -> None:
    """Wait until every load is done (lfence): the next operation does not overlap with the last."""


@machine(load_fence)
def _load_fence() -> Any:
    return (lambda: _lfence()) if X86 else (lambda: None)  # noqa: PLW0108 - numba needs a Python function


def fetch_add(array: NDArray[Any], index: np.uint64, value: np.uint64) -> np.uint64:
    """Atomic add; returns the value before."""
    old = np.uint64(array[index])
    array[index] += value
    return old


@machine(fetch_add)
def _fetch_add(array: Any, index: Any, value: Any) -> Any:
    return lambda array, index, value: _add(array, index, value)  # noqa: PLW0108 - numba needs a Python function


def fetch_sub(array: NDArray[Any], index: np.uint64, value: np.uint64) -> np.uint64:
    """Atomic subtraction; returns the value before."""
    old = np.uint64(array[index])
    array[index] -= value
    return old


@machine(fetch_sub)
def _fetch_sub(array: Any, index: Any, value: Any) -> Any:
    return lambda array, index, value: _sub(array, index, value)  # noqa: PLW0108 - numba needs a Python function


def fetch_or(array: NDArray[Any], index: np.uint64, value: np.uint64) -> np.uint64:
    """Atomic or (``set_bit``); returns the value before."""
    old = np.uint64(array[index])
    array[index] = old | value
    return old


@machine(fetch_or)
def _fetch_or(array: Any, index: Any, value: Any) -> Any:
    return lambda array, index, value: _or(array, index, value)  # noqa: PLW0108 - numba needs a Python function


def fetch_and(array: NDArray[Any], index: np.uint64, value: np.uint64) -> np.uint64:
    """Atomic and (``clear_bit``); returns the value before."""
    old = np.uint64(array[index])
    array[index] = old & value
    return old


@machine(fetch_and)
def _fetch_and(array: Any, index: Any, value: Any) -> Any:
    return lambda array, index, value: _and(array, index, value)  # noqa: PLW0108 - numba needs a Python function


def exchange(array: NDArray[Any], index: np.uint64, value: np.uint64) -> np.uint64:
    """Atomic exchange; returns the value before."""
    old = np.uint64(array[index])
    array[index] = value
    return old


@machine(exchange)
def _exchange(array: Any, index: Any, value: Any) -> Any:
    return lambda array, index, value: _swap(array, index, value)  # noqa: PLW0108 - numba needs a Python function


def compare_exchange(array: NDArray[np.uint64], index: np.uint64, expected: np.uint64, value: np.uint64) -> np.uint64:
    """Put `value` where `expected` is, in one atomic; return the value before."""
    old = np.uint64(array[index])
    if old == expected:
        array[index] = value
    return old


@machine(compare_exchange)
def _compare_exchange(array: Any, index: Any, expected: Any, value: Any) -> Any:
    return lambda array, index, expected, value: _compare(array, index, expected, value)  # noqa: PLW0108 - numba needs a Python function


def load_acquire(array: NDArray[np.uint64], index: np.uint64) -> np.uint64:
    """Load a word that others write: anew each time, and nothing behind it comes before it."""
    return np.uint64(array[index])


@machine(load_acquire)
def _load_acquire(array: Any, index: Any) -> Any:
    return lambda array, index: _acquire(array, index)  # noqa: PLW0108 - numba needs a Python function


def ticks() -> np.uint64:
    """Cycle counter without a fence [ticks]: cheap, and what is around it may move across."""
    return np.uint64(time.perf_counter_ns())


@machine(ticks)
def _ticks() -> Any:
    return lambda: _cycles()  # noqa: PLW0108 - numba needs a Python function
