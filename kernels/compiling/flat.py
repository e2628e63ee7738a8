"""The state of a design as one pointer: a class whose fields are flat arrays, passed to kernels as a table of their addresses.

A NamedTuple of 20 arrays reaches each helper as 140 scalars. The compiler packs and unpacks them at every call of every inlined helper,
and one replay took more than ten minutes to compile. A :class:`Flat` reaches it as one pointer to a read-only table of (address, length).
The loads of the table are marked invariant, so that they are hoisted and not repeated after stores.
"""

from __future__ import annotations

import hashlib
import itertools
import operator
from typing import Any, ClassVar, TypeVar, get_type_hints

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing import signature
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_builtin,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)  # fmt: skip
from numpy.typing import NDArray

U8Array = NDArray[np.uint8]
U16Array = NDArray[np.uint16]
U32Array = NDArray[np.uint32]
U64Array = NDArray[np.uint64]
_DTYPES: dict[Any, type[np.generic]] = {U8Array: np.uint8, U16Array: np.uint16, U32Array: np.uint32, U64Array: np.uint64}


Scalar = TypeVar("Scalar", bound=np.generic)


def aligned_zeros(n: int, dtype: type[Scalar]) -> NDArray[Scalar]:
    """Zeroed array whose data starts at a multiple of 2 MiB when it is large (NumPy itself starts at 16 mod 64)."""
    size = n * np.dtype(dtype).itemsize
    align, least = (2 << 20, 4 << 20) if size >= 1 << 20 else (64, 0)  # NumPy asks for huge pages from 4 MiB on
    raw = np.zeros(max(size, least) + align, np.uint8)
    start = -raw.ctypes.data % align
    return raw[start : start + size].view(dtype)


class Flat:
    """Base of states and probes: every annotated field is a contiguous array of fixed dtype.

    Parameters
    ----------
    **arrays : numpy.ndarray
        One for each field, of the dtype of its annotation; no two overlap.

    Raises
    ------
    TypeError
        A field is missing or unknown, an array has another dtype or is not contiguous, or two overlap.
    """

    fields: ClassVar[dict[str, type[np.generic]]] = {}

    def __init_subclass__(cls) -> None:
        hints = get_type_hints(cls)
        cls.fields = {name: _DTYPES[hint] for name, hint in hints.items() if name != "fields" and hint in _DTYPES}

    def __init__(self, **arrays: NDArray[Any]) -> None:
        if set(arrays) != set(self.fields):
            wrong = sorted(set(arrays) ^ set(self.fields))
            msg = f"{type(self).__name__}: fields missing or unknown: {', '.join(wrong)}"
            raise TypeError(msg)
        self._table = np.zeros(2 * len(self.fields), np.uint64)
        for i, (name, dtype) in enumerate(self.fields.items()):
            array = arrays[name]
            if array.dtype != dtype or not array.flags.c_contiguous or array.ndim != 1:
                msg = f"{type(self).__name__}.{name}: needs a contiguous {np.dtype(dtype)} vector, not {array.dtype}{array.shape}"
                raise TypeError(msg)
            setattr(self, name, array)
            self._table[2 * i : 2 * i + 2] = array.ctypes.data, len(array)
        self._address = int(self._table.ctypes.data)
        places = sorted((array.ctypes.data, array.nbytes, name) for name, array in arrays.items() if array.nbytes)
        for (start, size, one), (after, _, other) in itertools.pairwise(places):
            if start + size > after:
                msg = f"{type(self).__name__}: {one} and {other} overlap"
                raise TypeError(msg)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.fields}


class FlatType(types.Type):  # type: ignore[misc]
    """Numba's type of a :class:`Flat` subclass."""

    def __init__(self, cls: type[Flat]) -> None:
        self.instance_class = cls
        layout = ",".join(f"{n}:{np.dtype(d)}" for n, d in cls.fields.items())
        digest = hashlib.sha256(f"{cls.__module__}.{cls.__qualname__}[{layout}]".encode()).hexdigest()
        super().__init__(name=f"{cls.__name__}{digest[:8]}")  # short, as it is in the name of every compiled function


TYPES: dict[type[Flat], FlatType] = {}
"""The type of each class, made once: building its name takes longer than a short replay."""


@typeof_impl.register(Flat)
def _typeof(value: Flat, context: Any) -> FlatType:
    cls = type(value)
    if cls not in TYPES:
        TYPES[cls] = FlatType(cls)
    return TYPES[cls]


@register_model(FlatType)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: FlatType) -> None:
        super().__init__(manager, kind, ir.IntType(64))


@unbox(FlatType)
def _unbox(kind: FlatType, value: Any, context: Any) -> NativeValue:
    address = context.pyapi.object_getattr_string(value, "_address")
    native = context.pyapi.long_as_ulonglong(address)
    context.pyapi.decref(address)
    return NativeValue(native, is_error=cgutils.is_not_null(context.builder, context.pyapi.err_occurred()))


class FieldType(types.Type):  # type: ignore[misc]
    """Numba's type of a field: a bare pointer. Every element is read and written as uint64."""

    def __init__(self, name: str, bits: int) -> None:
        self.field, self.bits = name, bits
        super().__init__(name=f"Field({name}, uint{bits})")


@register_model(FieldType)
class _FieldModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: FieldType) -> None:
        super().__init__(manager, kind, ir.IntType(kind.bits).as_pointer())


@infer_getattr
class _Attributes(AttributeTemplate):  # type: ignore[misc]
    key = FlatType

    def generic_resolve(self, kind: FlatType, name: str) -> FieldType | None:
        dtype = kind.instance_class.fields.get(name)
        return None if dtype is None else FieldType(name, 8 * np.dtype(dtype).itemsize)


@lower_getattr_generic(FlatType)
def _getattr(context: Any, builder: Any, kind: FlatType, value: Any, name: str) -> Any:
    word = ir.IntType(64)
    table = builder.inttoptr(value, word.as_pointer())
    at = ir.Constant(word, 2 * list(kind.instance_class.fields).index(name))
    load = builder.load(builder.gep(table, [at]))
    load.set_metadata("invariant.load", builder.module.add_metadata([]))
    dtype = kind.instance_class.fields[name]
    return builder.inttoptr(load, ir.IntType(8 * np.dtype(dtype).itemsize).as_pointer())


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], FieldType) and isinstance(args[1], types.Integer):
            return signature(types.uint64, args[0], types.uint64)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], FieldType) and isinstance(args[1], types.Integer):
            return signature(types.none, args[0], types.uint64, types.uint64)
        return None


def _tag(module: Any, kind: FieldType) -> Any:
    """Metadata of type-based alias analysis: no two fields overlap, so that a store to one forces no reload of others."""
    tags: dict[str, Any] = module.__dict__.setdefault("_tags_of_fields", {})
    if kind.field not in tags:
        root, zero = module.add_metadata([ir.MetaDataString(module, "swapdse")]), ir.Constant(ir.IntType(64), 0)
        node = module.add_metadata([ir.MetaDataString(module, kind.field), root, zero])
        tags[kind.field] = module.add_metadata([node, node, zero])
    return tags[kind.field]


@lower_builtin(operator.getitem, FieldType, types.uint64)
def _getitem(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    value = builder.load(builder.gep(args[0], [args[1]]))
    value.set_metadata("tbaa", _tag(builder.module, sig.args[0]))
    return value if sig.args[0].bits == 64 else builder.zext(value, ir.IntType(64))


@lower_builtin(operator.setitem, FieldType, types.uint64, types.uint64)
def _setitem(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    bits = sig.args[0].bits
    value = args[2] if bits == 64 else builder.trunc(args[2], ir.IntType(bits))
    store = builder.store(value, builder.gep(args[0], [args[1]]))
    store.set_metadata("tbaa", _tag(builder.module, sig.args[0]))
    return context.get_dummy_value()
