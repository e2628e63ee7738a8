"""Words of a contiguous array, read through a bare pointer: no strides, and no reload after a store to a state.

Numba multiplies the index of a row by a stride that it loads. It also takes any store for one that may change the array.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numpy.typing import NDArray

from kernels.compiling.atomic import machine
from kernels.compiling.flat import FieldType


@intrinsic
def _pointer(typingctx: Any, array: Any) -> Any:
    if not isinstance(array, types.Array) or array.layout != "C":
        message = f"words_of needs a contiguous array, not {array}"
        raise TypingError(message)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return FieldType(f"words{array.ndim}", array.dtype.bitwidth)(array), codegen


def words_of(array: NDArray[Any]) -> NDArray[Any]:
    """View a contiguous array of unsigned integers as its words, row after row.

    Parameters
    ----------
    array : numpy.ndarray
        Demands, uint64[n, 2], or replies, uint8[n].

    Returns
    -------
    numpy.ndarray
        The same memory, of one dimension. In compiled code it is a pointer without a length.

    Raises
    ------
    TypingError
        The array is not contiguous (compiled code).
    """
    return array.reshape(-1)


@machine(words_of)
def _words_of(array: Any) -> Any:
    return lambda array: _pointer(array)  # noqa: PLW0108 - numba needs a Python function
