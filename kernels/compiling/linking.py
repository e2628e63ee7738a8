"""Compilation in seconds: helpers are only linked, and the whole kernel is optimised once.

Numba optimises every helper for itself, links it into its caller, and optimises that again. A helper ten calls deep is optimised
ten times, together with everything inlined into it. One replay of some 140 helpers took four minutes that way. Here a library
without a wrapper, which Python cannot call, is neither optimised nor given to the execution engine. The library of an entry point
links all libraries that it reaches, makes their functions internal, and is optimised as one module by LLVM's own inliner.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

import llvmlite.binding as ll
from numba.core import cgutils, codegen, types
from numba.core.typing.templates import AbstractTemplate

from kernels.compiling import flushing, ours

WRAPPERS = ("_ZN7cpython", "cfunc.")
PLAIN = re.compile("11Off[0-9a-f]{8}")
"""Part of a symbol whose probe is of class ``Off``: the class, with eight digits that tell classes apart."""
FLUSHING = re.compile("13Flush[0-9a-f]{8}")
"""The same of class ``Flush``: what such a module loads and stores is flushed from the caches (:mod:`kernels.compiling.flushing`)."""


class DeferredLibrary(codegen.JITCodeLibrary):  # type: ignore[misc]
    """A library of Numba's that is optimised only where it is an entry point."""

    helper = False
    _final_module: Any
    _linking_libraries: list[Any]

    def add_ir_module(self, ir_module: Any) -> None:
        """Take in a module. The module of a helper is not optimised."""
        names = [name for name, value in ir_module.globals.items() if getattr(value, "blocks", None)]
        mine = self.helper or any(ours.prefix_of(name) in ours.SYMBOLS for name in names)
        self.helper = mine and not any(name.startswith(WRAPPERS) for name in names)
        if not mine:
            super().add_ir_module(ir_module)
            return
        self._raise_if_finalized()
        module = ll.parse_assembly(cgutils.normalize_ir_text(str(ir_module)))
        module.name, module.data_layout = ir_module.name, self._codegen._data_layout
        self._final_module.link_in(module)

    def finalize(self) -> None:
        """Link and optimise an entry point; leave a helper unchanged."""
        if self.helper:
            self._raise_if_finalized()
            self._finalized = True
            return
        self._linking_libraries = reachable(self._linking_libraries)
        super().finalize()

    def get_pointer_to_function(self, name: str) -> int:
        """Address of a function, 0 where the library is a helper and has none."""
        self._ensure_finalized()
        return 0 if self.helper else int(super().get_pointer_to_function(name))

    def _optimize_final_module(self) -> None:
        mark(self._final_module)
        manager, builder = self._codegen._module_pass_manager()
        manager.run(self._final_module, builder)  # no cheap pass before it: there are no reference counts to prune
        if any(FLUSHING.search(fn.name) for fn in self._final_module.functions if not fn.is_declaration):
            name, layout = self._final_module.name, self._final_module.data_layout
            self._final_module = ll.parse_assembly(flushing.flushed(str(self._final_module)))
            self._final_module.name, self._final_module.data_layout = name, layout


def mark(module: Any) -> None:
    """Make our functions in a linked module internal, and tell LLVM which to inline and which not."""
    plain = any(PLAIN.search(fn.name) for fn in module.functions if not fn.is_declaration)
    for fn in module.functions:
        if fn.is_declaration or fn.linkage != ll.Linkage.linkonce_odr:
            continue
        name = fn.name
        prefix = ours.prefix_of(name)
        if prefix in ours.SYMBOLS:
            fn.linkage = ll.Linkage.internal
            fn.add_function_attribute("mustprogress")
            if plain and prefix in ours.INLINED:
                fn.add_function_attribute("alwaysinline")
            elif prefix in ours.APART:
                fn.add_function_attribute("noinline")


def reachable(libraries: list[Any]) -> list[Any]:
    """All libraries that `libraries` link, directly or through helpers; callers first, as the linker takes only referenced symbols."""
    order: dict[Any, None] = {}
    open_: list[tuple[Any, bool]] = [(library, False) for library in reversed(libraries)]
    seen: set[int] = set()
    while open_:
        library, done = open_.pop()
        if done:
            order[library] = None
        elif id(library) not in seen:
            seen.add(id(library))
            open_.append((library, True))
            if getattr(library, "helper", False):
                open_ += [(below, False) for below in library._linking_libraries]
    return list(reversed(order))


def dispatch_on_class(operation: Any, table: dict[type, Any]) -> type[AbstractTemplate]:
    """Template that types a call of `operation` as one of the function that `table` has for the class of the first argument.

    Numba's ``overload`` would compile that function a second time, and look at its signature and defaults at every call.
    """
    compiled: dict[Any, Any] = {}

    class Dispatch(AbstractTemplate):  # type: ignore[misc]
        key = operation

        def generic(self, args: Any, kws: Any) -> Any:
            impl = ours.of_class(table, getattr(args[0], "instance_class", type(None)))
            if impl is None:
                return None
            signature: Any = types.Dispatcher(impl).get_call_type(self.context, args, kws)
            compiled[impl, signature.args] = impl.get_overload(signature)
            return signature

        def get_impl_key(self, signature: Any) -> Any:
            impl = ours.of_class(table, signature.args[0].instance_class)
            return compiled[impl, signature.args]

    return Dispatch


def install() -> None:
    """Install this way of linking for all later compilations of this process."""
    codegen.JITCPUCodegen._library_class = DeferredLibrary
    codegen.JITCPUCodegen.set_env = _set_env


def _set_env(self: Any, env_name: str, env: Any) -> None:
    """Give a function its environment (constants of Python objects); helpers are not in the engine and use none."""
    address = self._engine.get_global_value_address(env_name)
    if address:
        ctypes.c_void_p.from_address(address).value = ctypes.c_void_p(id(env)).value
