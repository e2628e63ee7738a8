"""The private names of Numba that compilation uses, each with its expected shape.

:mod:`kernels.compiling.pipeline` and :mod:`kernels.compiling.linking` replace some of them and rely on the others. No release of
Numba promises to keep them, so they are looked up here when kernels are imported. Where one has another shape, nothing is replaced, one
line says so, and kernels are compiled the ordinary way (:mod:`kernels.compiling.plain`). ``DSE_PLAIN_NUMBA=1`` asks for the same.

A shape is ``class``, ``value``, ``property``, ``callable``, the names of a function's parameters (``=`` after those with a default), or
``= NAME``, the object that is known under another name. ``uses`` lists further names in the code of a function: attributes of ``self``.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Mapping
from typing import Any

VARIABLE = "DSE_PLAIN_NUMBA"
SAID = "DSE_PLAIN_NUMBA_SAID"
"""Environment variable that is set once the line is written, so that child processes do not repeat it."""

LEAN: dict[str, str] = {
    # replaced by pipeline.install
    "numba.core.types.functions:BaseFunction.get_call_type": "(self, context, args, kws)",
    "numba.core.typing.context:BaseContext.resolve_function_type": "(self, func, args, kws)",
    "numba.core.typing.context:BaseContext.refresh": "(self)",
    "numba.core.byteflow:Flow._run_handle_exception": "(self, runner, state)",
    "numba.core.postproc:PostProcessor.run": "(self, emit_dels=, extend_lifetimes=) uses func_ir blocks generator_info canonicalize_cfg",
    "numba.core.ir:Inst._rec_list_vars": "(self, val) uses _rec_list_vars list_vars",
    "numba.core.event:install_timer": "(kind, callback)",
    "numba.core.event:trigger_event": "(kind, data=)",
    "numba.core.event:start_event": "(kind, data=)",
    "numba.core.event:end_event": "(kind, data=, exc_details=)",
    "numba.core.errors:new_error_context": "(fmt_, *args, **kwargs)",
    "numba.core.typeinfer:new_error_context": "= numba.core.errors:new_error_context",
    "numba.core.lowering:new_error_context": "= numba.core.errors:new_error_context",
    "numba.core.errors:WarningsFixer.catch_warnings": "(self, filename=, lineno=)",
    "numba.core.interpreter:Interpreter.post_process": "(self, peepholes, func_ir)",
    "numba.core.base:BaseContext.get_abi_sizeof": "(self, ty)",
    "numba.core.base:BaseContext.insert_user_function": "(self, func, fndesc, libs=) uses user_function",
    "numba.core.base:BaseContext.refresh": "(self)",
    "numba.core.base:user_function": "(fndesc, libs)",
    "numba.core.utils:pysignature": "callable",
    # relied on by pipeline
    "numba.core.base:BaseContext.declare_function": "(self, module, fndesc)",
    "numba.core.base:BaseContext.get_returned_value": "(self, builder, ty, val)",
    "numba.core.base:BaseContext.target_data": "property",
    "numba.core.bytecode:FunctionIdentity.from_function": "(cls, pyfunc) uses func func_qualname is_generator",
    "numba.core.bytecode:ByteCode.exception_entries": "value",
    "numba.core.byteflow:Flow.__init__": "(self, bytecode) uses _bytecode",
    "numba.core.byteflow:State.in_with": "(self)",
    "numba.core.byteflow:State.advance_pc": "(self)",
    "numba.core.callconv:CPUCallConv._get_arg_packer": "(self, argtypes)",
    "numba.core.callconv:CPUCallConv._get_excinfo_argument": "(self, func)",
    "numba.core.callconv:CPUCallConv.get_function_type": "(self, restype, argtypes) uses _get_arg_packer",
    "numba.core.cgutils:alloca_once": "(builder, ty, size=, name=, zfill=)",
    "numba.core.compiler:CompilerBase": "class",
    "numba.core.compiler:CompilerBase.__init__": "(self, typingctx, targetctx, library, args, return_type, flags, locals)",
    "numba.core.compiler:CompilerBase.define_pipelines": "(self)",
    "numba.core.compiler:Flags.no_cpython_wrapper": "value",
    "numba.core.compiler_machinery:FunctionPass": "class",
    "numba.core.compiler_machinery:PassManager": "class",
    "numba.core.compiler_machinery:PassManager.__init__": "(self, pipeline_name)",
    "numba.core.compiler_machinery:PassManager.add_pass": "(self, pss, description=)",
    "numba.core.compiler_machinery:PassManager.finalize": "(self)",
    "numba.core.compiler_machinery:register_pass": "(mutates_CFG, analysis_only)",
    "numba.core.cpu:CPUContext.call_conv": "property",
    "numba.core.errors:NumbaError": "class",
    "numba.core.errors:TypingError": "class",
    "numba.core.errors:UnsupportedError": "class",
    "numba.core.errors:WarningsFixer": "class",
    "numba.core.funcdesc:FunctionDescriptor.__init__":
        "(self, native, modname, qualname, unique_name, doc, typemap, restype, calltypes, args, kws, mangler=, argtypes=, inline=, "
        "noalias=, env_name=, global_dict=, abi_tags=, uid=)",
    "numba.core.ir:Inst": "class",
    "numba.core.ir:Inst.list_vars": "(self)",
    "numba.core.ir:Assign.__init__": "(self, value, target, loc)",
    "numba.core.ir:Assign": "class",
    "numba.core.ir:Expr": "class",
    "numba.core.ir:Expr.__init__": "(self, op, loc, **kws)",
    "numba.core.ir:FreeVar": "class",
    "numba.core.ir:FreeVar.__init__": "(self, index, name, value, loc)",
    "numba.core.ir:Global": "class",
    "numba.core.ir:Global.__init__": "(self, name, value, loc)",
    "numba.core.ir:Var": "class",
    "numba.core.ir:Raise": "class",
    "numba.core.ir:StaticRaise": "class",
    "numba.core.ir:DynamicRaise": "class",
    "numba.core.ir:Block.find_insts": "(self, cls=)",
    "numba.core.ir_utils:build_definitions": "(blocks, definitions=)",
    "numba.core.ir_utils:replace_vars": "(blocks, vardict)",
    "numba.core.transforms:canonicalize_cfg": "(blocks)",
    "numba.core.typed_passes:NativeLowering": "class",
    "numba.core.typed_passes:NoPythonBackend": "class",
    "numba.core.typed_passes:NopythonTypeInference": "class",
    "numba.core.typed_passes:PreLowerStripPhis": "class",
    "numba.core.types.functions:BaseFunction": "class",
    "numba.core.untyped_passes:FixupArgs": "class",
    "numba.core.untyped_passes:IRProcessing": "class",
    "numba.core.untyped_passes:ReconstructSSA": "class",
    "numba.core.untyped_passes:TranslateByteCode": "class",
    # replaced by linking.install
    "numba.core.codegen:JITCPUCodegen._library_class": "= numba.core.codegen:JITCodeLibrary",
    "numba.core.codegen:JITCPUCodegen.set_env": "(self, env_name, env) uses _engine get_global_value_address",
    # relied on by linking
    "numba.core.cgutils:normalize_ir_text": "(text)",
    "numba.core.codegen:CPUCodegen._init": "(self, llvm_module) uses _engine _data_layout _library_class",
    "numba.core.codegen:CPUCodegen._module_pass_manager": "(self, **kwargs)",
    "numba.core.codegen:CPUCodeLibrary.__init__": "(self, codegen, name) uses _linking_libraries _final_module",
    "numba.core.codegen:CodeLibrary.__init__": "(self, codegen, name) uses _codegen",
    "numba.core.codegen:JITCPUCodegen": "class",
    "numba.core.codegen:JITCodeLibrary": "class",
    "numba.core.codegen:JITCodeLibrary._ensure_finalized": "(self) uses _finalized finalize",
    "numba.core.codegen:JITCodeLibrary._optimize_final_module": "(self) uses _codegen _module_pass_manager _final_module run",
    "numba.core.codegen:JITCodeLibrary._raise_if_finalized": "(self) uses _finalized",
    "numba.core.codegen:JITCodeLibrary.add_ir_module": "(self, ir_module)",
    "numba.core.codegen:JITCodeLibrary.finalize": "(self) uses _linking_libraries _get_module_for_linking _optimize_final_module",
    "numba.core.codegen:JITCodeLibrary.get_pointer_to_function": "(self, name) uses _ensure_finalized",
    "numba.core.dispatcher:Dispatcher.get_overload": "(self, sig)",
    "numba.core.itanium_mangler:mangle": "(ident, argtys, abi_tags=, uid=)",
    "numba.core.types.functions:Dispatcher.get_call_type": "(self, context, args, kws)",
    "numba.core.typing.templates:AbstractTemplate": "class",
    "numba.core.typing.templates:infer_global": "(val=, typ=, **kwargs)",
}  # fmt: skip
"""The names that pipeline and linking replace or rely on."""

CACHING: dict[str, str] = {
    "numba.core.caching:Cache.__init__": "(self, py_func) uses _cache_file",
    "numba.core.caching:Cache._index_key": "(self, sig, codegen) uses _py_func",
    "numba.core.caching:CacheImpl.__init__": "(self, py_func) uses CACHE_LOCATOR_CLASSES from_function",
    "numba.core.caching:FunctionCache": "class",
    "numba.core.caching:IndexDataCacheFile": "class",
    "numba.core.caching:IndexDataCacheFile.__init__": "(self, cache_path, filename_base, source_stamp) uses _cache_path",
    "numba.core.caching:IndexDataCacheFile.save": "(self, key, data)",
    "numba.core.caching:IndexDataCacheFile._dump": "(self, obj)",
    "numba.core.caching:IndexDataCacheFile._save_data": "(self, name, data) uses _dump _data_path",
    "numba.core.caching:IndexDataCacheFile._save_index": "(self, overloads) uses _dump _index_path",
    "numba.core.caching:IndexDataCacheFile._load_data": "(self, name) uses _data_path",
    "numba.core.caching:IndexDataCacheFile._load_index": "(self) uses _source_stamp",
    "numba.core.caching:IndexDataCacheFile.load": "(self, key)",
    "numba.core.caching:_CacheLocator": "class",
    "numba.core.caching:_CacheLocator.ensure_cache_path": "(self) uses get_cache_path",
    "numba.core.caching:_CacheLocator.from_function": "(cls, py_func, py_file)",
    "numba.core.caching:_CacheLocator.get_cache_path": "(self)",
    "numba.core.caching:_CacheLocator.get_disambiguator": "(self)",
    "numba.core.caching:_CacheLocator.get_source_stamp": "(self)",
    "numba.core.caching:_CacheLocator.get_suitable_cache_subpath": "(cls, py_file)",
    "numba.core.config:CACHE_DIR": "value",
    "numba.core.config:CACHE_LOCATOR_CLASSES": "value",
    "numba.core.dispatcher:Dispatcher.enable_caching": "(self) uses _cache",
}
"""The names that :mod:`kernels.compiling.caches` relies on.

Without them nothing is cached: Numba's own cache does not see edits of helpers.
"""


def found(name: str) -> Any:
    """The object that a name, ``module:attribute.attribute``, stands for.

    Raises
    ------
    AttributeError, ImportError
        There is none.
    """
    module, _, path = name.partition(":")
    place: Any = importlib.import_module(module)
    for part in path.split("."):
        place = inspect.getattr_static(place, part) if inspect.isclass(place) else getattr(place, part)
    return place.__func__ if isinstance(place, (staticmethod, classmethod)) else place


def parameters(fn: Any) -> str:
    """Names of a function's parameters, in the notation of a shape."""
    stars: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    names = inspect.signature(fn).parameters.values()
    return "(" + ", ".join(stars.get(p.kind, "") + p.name + ("=" if p.default is not p.empty else "") for p in names) + ")"


def _kind(thing: Any) -> str:
    """Word of the shapes for an object."""
    if inspect.isclass(thing):
        return "class"
    return "property" if isinstance(thing, property) else "callable" if callable(thing) else "value"


def difference(name: str, shape: str) -> str:
    """Say how a name of Numba differs from its shape; empty where it does not."""
    want, _, uses = shape.partition(" uses ")
    try:
        thing = found(name)
        if want.startswith("= "):
            return "" if thing is found(want[2:]) else f"{name} is no longer {want[2:]}"
        have = parameters(thing) if want.startswith("(") else _kind(thing)
    except (AttributeError, ImportError):
        return f"{name} is missing"
    except (TypeError, ValueError):
        return f"{name} is no function with parameters {want}"
    if have != want and want != "value":
        return f"{name} is {have}, not {want}"
    code = getattr(inspect.unwrap(thing), "__code__", None)
    lacks = sorted(set(uses.split()) - set(code.co_names if code else ()))
    return f"{name} no longer uses {', '.join(lacks)}" if lacks else ""


def first_difference(table: Mapping[str, str]) -> str:
    """Describe the first name of a table whose shape differs; empty where none does."""
    return next(filter(None, (difference(name, shape) for name, shape in table.items())), "")


def reason() -> str:
    """Give the reason for compiling kernels the ordinary way; empty where there is none."""
    if os.environ.get(VARIABLE, "0") not in ("", "0"):
        return f"{VARIABLE} is set"
    other = first_difference(LEAN)
    return f"Numba {importlib.import_module('numba').__version__}: {other}" if other else ""


def say(why: str, uncached: str) -> None:
    """Write the line that compilation is slow, with the reason, once for this process and its children."""
    if not (why or uncached) or os.environ.get(SAID):
        return
    os.environ[SAID] = "1"
    parts = [f"kernels are compiled the ordinary way, which takes some six times as long ({why})"] if why else []
    parts += [f"compiled kernels are not kept ({uncached})"] if uncached else []
    sys.stderr.write(f"swapdse: {'; '.join(parts)}\n")
    sys.stderr.flush()
