"""The decorators of kernels: option sets, unsigned constants, dispatch by type.

Kernels are compiled by Numba with parts replaced (:mod:`kernels.compiling.pipeline`, :mod:`kernels.compiling.linking`), in seconds.
Where this release of Numba differs from the expected shape, or ``DSE_PLAIN_NUMBA=1`` is set, they are compiled the ordinary way
(:mod:`kernels.compiling.patches`). That takes some six times as long. The results are the same.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config, njit, types

from kernels.compiling import errors, ours, patches, plain

INTERPRETED = bool(config.DISABLE_JIT)
PLAIN = "" if INTERPRETED else patches.reason()
"""Reason that kernels are compiled the ordinary way, empty where they are not."""
UNCACHED = "" if INTERPRETED else patches.first_difference(patches.CACHING)
"""Reason that compiled kernels are not kept, empty where they are."""
LEAN = not INTERPRETED and not PLAIN

BASE: dict[str, Any] = plain.OPTIONS
CALLED: dict[str, Any] = BASE
patches.say(PLAIN, UNCACHED)
if LEAN:
    from numba.core.typing.templates import infer_global

    from kernels.compiling import linking, pipeline

    BASE = {**BASE, "_nrt": False, "no_cfunc_wrapper": True, "pipeline_class": pipeline.LeanCompiler}
    CALLED = {**BASE, "no_cpython_wrapper": True}
    linking.install()
    pipeline.install()
INNER: dict[str, Any] = CALLED
OUTER: dict[str, Any] = {**BASE, "cache": not UNCACHED}
if not UNCACHED:
    from kernels.compiling import caches

    caches.install("lean" if LEAN else "plain")


def _enter(fn: Callable[..., Any]) -> None:
    """Decorate `fn` for compilation our way, or the ordinary way."""
    ours.enter(fn)
    if PLAIN:
        plain.refuse(fn)


def inner(fn: Callable[..., Any]) -> Any:
    """Helper that is inlined into its caller: small, or on the hot path."""
    _enter(fn)
    return njit(**INNER)(fn)


def called(fn: Callable[..., Any]) -> Any:
    """Helper that stays a function of its own: large, rarely run, or called from very many places."""
    _enter(fn)
    ours.keep_apart(fn)
    return njit(**CALLED)(fn)


def hot(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a helper, below :func:`inner` or :func:`called`, as one that every swap-in or swap-out runs (:data:`ours.INLINED`)."""
    ours.keep_hot(fn)
    return fn


def outer(fn: Callable[..., Any]) -> Any:
    """Entry point called from Python and kept in the disk cache."""
    _enter(fn)
    ours.ENTRIES.add(fn)
    dispatcher = njit(**OUTER)(fn)
    if not INTERPRETED:
        dispatcher.compile = compiling(dispatcher.compile, fn)
        if not UNCACHED:
            caches.keep(dispatcher)
    return dispatcher


def compiling(compile_: Callable[..., Any], fn: Callable[..., Any]) -> Callable[..., Any]:
    """Run `compile_`, which compiles `fn`, and reduce a refusal to one line.

    Cyclic garbage collection is off meanwhile: it finds nothing and takes a tenth of the time.

    Raises
    ------
    BadDesign
        The function does not compile.
    """

    @functools.wraps(compile_)
    def compile_quietly(*args: Any) -> Any:
        was = gc.isenabled()
        gc.disable()
        try:
            return compile_(*args)
        except errors.refusals() as error:
            raise errors.BadDesign(errors.in_one_line(error, fn)) from error
        finally:
            if was:
                gc.enable()

    return compile_quietly


u = np.uint64
"""Unsigned 64-bit constant (Numba 0.68 types ``uint64 + 1`` as signed, which costs twice the time on overlapped loads)."""


def operation(fn: Callable[..., Any]) -> Any:
    """Make `fn` a generic operation, dispatched on the class of its first argument when it is compiled.

    ``fn.register(cls, impl)`` binds an implementation, itself an :func:`inner` or :func:`called` function. Under
    ``NUMBA_DISABLE_JIT=1`` the same table is asked at each call.
    """
    table: dict[type, Any] = {}

    @functools.wraps(fn)
    def generic(*args: Any) -> Any:
        impl = ours.of_class(table, type(args[0]))
        return impl(*args)

    if LEAN:
        infer_global(generic, types.Function(linking.dispatch_on_class(generic, table)))
    elif not INTERPRETED:
        plain.dispatch_on_class(generic, table)

    def register(cls: type, impl: Any) -> None:
        table[cls] = impl

    generic.register = register  # type: ignore[attr-defined]
    generic.table = table  # type: ignore[attr-defined]
    return generic
