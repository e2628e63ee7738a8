"""Numba's work for each function and statement, reduced to the parts that kernels need.

A replay has some 200 functions with 8,500 statements in all, and Numba is written for functions that come one by one.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import types as types_of_python
from collections.abc import Callable
from typing import Any

from numba.core import (
    base,
    byteflow,
    cgutils,
    compiler,
    errors,
    event,
    interpreter,
    ir,
    ir_utils,
    lowering,
    postproc,
    transforms,
    typed_passes,
    typeinfer,
    types,
    untyped_passes,
    utils,
)
from numba.core.compiler_machinery import FunctionPass, PassManager, register_pass
from numba.core.typing import context as typing_context

from kernels.compiling import ours
from kernels.compiling.flat import FieldType, FlatType


def is_ours(identity: Any) -> bool:
    """Tell whether a function, by its identity, went through our decorators."""
    return ours.is_ours(identity.func.__module__, identity.func_qualname)


def of_module(module: Any, load: Any) -> Any:
    """The global that `load`, an attribute of `module`, stands for."""
    if not hasattr(module, load.attr):
        raise errors.TypingError(f"{module.__name__} has no {load.attr}", load.loc)
    return ir.Global(f"{module.__name__}.{load.attr}", getattr(module, load.attr), load.loc)


@register_pass(mutates_CFG=False, analysis_only=False)
class ShareGlobals(FunctionPass):  # type: ignore[misc]
    """Load each global once, on entry: constants are a third of the statements of a kernel, and each is typed and lowered.

    An attribute of a module (``w.F_PAGE``) is a global too.
    """

    _name = "share_globals"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        """Move the first load of a global to the entry block and let later ones refer to it."""
        blocks = state.func_ir.blocks
        first: dict[tuple[type, str], Any] = {}
        same: dict[str, Any] = {}
        modules: dict[str, Any] = {}
        for block in blocks.values():
            kept = []
            for statement in list[Any](block.body):
                value: Any = getattr(statement, "value", None)
                if isinstance(value, ir.Expr) and value.op == "getattr" and value.value.name in modules:
                    value = statement.value = of_module(modules[value.value.name], value)
                is_load = isinstance(statement, ir.Assign) and isinstance(value, (ir.Global, ir.FreeVar))
                if not is_load or not statement.target.name.startswith("$"):  # x = U0 loads into x itself
                    kept.append(statement)
                    continue
                if isinstance(value.value, types_of_python.ModuleType):
                    modules[statement.target.name] = value.value
                    continue
                earlier: Any = first.setdefault((type(value), value.name), statement)
                if earlier is not statement:
                    same[statement.target.name] = earlier.target
            block.body = kept
        blocks[min(blocks)].body[:0] = first.values()
        ir_utils.replace_vars(blocks, same)
        state.func_ir._definitions = ir_utils.build_definitions(blocks)
        return True


@register_pass(mutates_CFG=False, analysis_only=True)
class RaiseNothing(FunctionPass):  # type: ignore[misc]
    """Refusal of functions that raise, catch or yield: callers of a kernel do not check for it (:func:`_plain_call`)."""

    _name = "raise_nothing"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        """Look for generators, try-blocks and statements that raise."""
        at = state.func_ir.loc
        if state.func_id.is_generator:
            raise errors.UnsupportedError("a kernel returns; it yields nothing", at)
        if getattr(state.bc, "exception_entries", ()):
            raise errors.UnsupportedError("a kernel catches nothing: it has no try-block and no with-block", at)
        for block in state.func_ir.blocks.values():
            for statement in block.find_insts((ir.Raise, ir.StaticRaise, ir.DynamicRaise)):
                raise errors.UnsupportedError("a kernel replies with a code; it raises nothing", statement.loc)
        return False


class LeanCompiler(compiler.CompilerBase):  # type: ignore[misc]
    """Numba's pipeline without the passes for closures, with-blocks, literals, array expressions and parallel loops."""

    def __init__(self, *args: Any) -> None:
        flags = args[5]
        Registries.settled = flags.no_cpython_wrapper  # a helper: its caller's compilation has looked
        try:
            super().__init__(*args)
        finally:
            Registries.settled = False

    def define_pipelines(self) -> list[PassManager]:
        """The passes in order."""
        pm = PassManager("lean")
        for name, what in (
            ("TranslateByteCode", "bytecode"), ("FixupArgs", "arguments"), ("IRProcessing", "control flow"),
        ):  # fmt: skip
            pm.add_pass(getattr(untyped_passes, name), what)
        pm.add_pass(RaiseNothing, "raise nothing")
        pm.add_pass(ShareGlobals, "share globals")
        pm.add_pass(untyped_passes.ReconstructSSA, "SSA")
        pm.add_pass(typed_passes.NopythonTypeInference, "types")
        pm.add_pass(typed_passes.PreLowerStripPhis, "strip phis")
        pm.add_pass(typed_passes.NativeLowering, "lowering")
        pm.add_pass(typed_passes.NoPythonBackend, "backend")
        pm.finalize()
        return [pm]


_call_type = types.functions.BaseFunction.get_call_type


def _remembered(self: Any, context: Any, args: Any, kws: Any) -> Any:
    """Signature of an operation on integers, states and their fields, resolved once; otherwise some 30 templates are tried each time."""
    if kws or not all(isinstance(a, (types.Integer, types.Boolean, FlatType, FieldType)) for a in args):
        return _call_type(self, context, args, kws)
    known = self.__dict__.setdefault("_remembered", {})
    if args not in known:
        known[args] = _call_type(self, context, args, kws)
    return known[args]


_function_type = typing_context.BaseContext.resolve_function_type


def _known_function(self: Any, func: Any, args: Any, kws: Any) -> Any:
    """Type of a call. A call known to :func:`_remembered` skips the search for ``__call__`` of the operation's type."""
    known = not kws and isinstance(func, types.functions.BaseFunction) and func.__dict__.get("_remembered", {}).get(args)
    return known or _function_type(self, func, args, kws)


_post_process = postproc.PostProcessor.run


def _canonical(self: Any, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
    """Order of blocks. Numba also computes lifetimes, live variables and generators after each pass, which kernels do not need."""
    if emit_dels or not is_ours(self.func_ir.func_id):
        _post_process(self, emit_dels, extend_lifetimes)
        return
    self.func_ir.blocks = transforms.canonicalize_cfg(self.func_ir.blocks)
    self.func_ir.generator_info = None


def _list_vars(self: Any, value: Any) -> list[Any]:
    """Variables in a part of a statement. Nearly all parts are names, constants and places in the source."""
    kind = type(value)
    if kind is ir.Var:
        return [value]
    if kind is list or kind is tuple:
        return [x for part in value for x in _list_vars(self, part)]
    if kind is dict:
        return [x for part in value.values() for x in _list_vars(self, part)]
    found: list[Any] = value.list_vars() if isinstance(value, ir.Inst) else []
    return found


class ErrorContext:
    """Numba's ``new_error_context``, called for each typed or lowered statement. It formats its message only if there is an error."""

    __slots__ = ("args", "kws", "text")

    def __init__(self, text: str, *args: Any, **kws: Any) -> None:
        self.text, self.args, self.kws = text, args, kws

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, errors.NumbaError):
            with _new_error_context(self.text, *self.args, **self.kws):
                raise error


_errors: Any = errors
_new_error_context = _errors.new_error_context
_QUIET = contextlib.nullcontext()
_peepholes = interpreter.Interpreter.post_process


def _no_peepholes(self: Any, peepholes: Any, func_ir: Any) -> Any:
    """No repairs after reading the bytecode: kernels have no long argument lists, with-blocks, try-blocks or displays of dicts."""
    return func_ir if is_ours(func_ir.func_id) else _peepholes(self, peepholes, func_ir)


_handle_exception: Any = byteflow.Flow._run_handle_exception


def _no_exception(self: Any, runner: Any, state: Any) -> Any:
    """Bytecode reading without the look at each bytecode for its try-blocks, in functions that have none."""
    if self._bytecode.exception_entries or state.in_with():
        return _handle_exception(self, runner, state)
    return state.advance_pc()


_user_function = base.user_function


def _plain_call(fndesc: Any, libs: Any) -> Any:
    """Call without a check of its status, which took a third of the instructions that LLVM was given.

    Kernels raise nothing (:class:`RaiseNothing`) and do not return None for a value.
    """
    if not ours.is_ours(fndesc.modname, fndesc.qualname) or fndesc.restype.name.startswith("Option"):
        return _user_function(fndesc, libs)

    def call(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        fn, convention = context.declare_function(builder.module, fndesc), context.call_conv
        place = cgutils.alloca_once(builder, fn.args[0].type.pointee)
        packed = convention._get_arg_packer(fndesc.argtypes).as_arguments(builder, args)
        builder.call(fn, [place, convention._get_excinfo_argument(builder.function), *packed])
        return context.get_returned_value(builder, fndesc.restype, builder.load(place))

    call.signature, call.libs = fndesc.argtypes, tuple(libs)  # type: ignore[attr-defined]
    return call


_abi_sizeof = base.BaseContext.get_abi_sizeof
_sizes: dict[tuple[int, str], int] = {}


def _size_of(self: Any, kind: Any) -> int:
    """Size of an LLVM type, kept for all variables of the type: for each question LLVM has to read a module."""
    key = (id(self.target_data), str(kind))
    if key not in _sizes:
        _sizes[key] = _abi_sizeof(self, kind)
    return _sizes[key]


def _no_warning(self: Any, filename: Any = None, lineno: Any = None) -> Any:
    """No collection of warnings: typing kernels gives none."""
    return _QUIET


def _no_event(kind: str, *args: Any, **kws: Any) -> Any:
    """No events for passes and calls of LLVM, each of which Numba announces and times for all open compilations."""
    return _QUIET


class Registries:
    """Search for new declarations, left out for helpers. Numba searches all its modules before it compiles a function.

    The lowering of a caller itself looks for the declarations (intrinsics) of a helper's compilation.
    """

    settled = False

    @classmethod
    def once(cls, refresh: Callable[..., None]) -> Callable[..., None]:
        """`refresh`, except while the registries are settled."""

        @functools.wraps(refresh)
        def unless_settled(*args: Any) -> None:
            if not cls.settled:
                refresh(*args)

        return unless_settled


def install() -> None:
    """Install these replacements for all later compilations of this process."""
    types.functions.BaseFunction.get_call_type = _remembered  # type: ignore[method-assign]
    typing_context.BaseContext.resolve_function_type = _known_function
    byteflow.Flow._run_handle_exception = _no_exception
    postproc.PostProcessor.run = _canonical
    ir.Inst._rec_list_vars = _list_vars
    event.install_timer = event.trigger_event = event.start_event = event.end_event = _no_event
    modules: tuple[Any, ...] = (errors, typeinfer, lowering)
    for module in modules:
        module.new_error_context = ErrorContext
    _errors.WarningsFixer.catch_warnings = _no_warning
    interpreter.Interpreter.post_process = _no_peepholes
    base.BaseContext.get_abi_sizeof = _size_of
    base.user_function = _plain_call
    utils.pysignature = functools.cache(inspect.signature)
    base.BaseContext.refresh = Registries.once(base.BaseContext.refresh)
    typing_context.BaseContext.refresh = Registries.once(typing_context.BaseContext.refresh)
