"""Tables handed to compiled code as one pointer, to where each of them lies.

As tuples of arrays every call between two functions would copy two hundred numbers, and compiling would take minutes.
What is read of a table (its address and shape) does not change while compiled code runs: that is told to LLVM.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils, imputils, typing
from numba.core.datamodel import models
from numba.core.extending import register_model, typeof_impl, unbox
from numba.core.pythonapi import NativeValue
from numba.core.typing.templates import AttributeTemplate
from numba.np import arrayobj

WORDS = 3
"""Of each table: its address, and its shape (a column has one row)."""


class Held:
    """A NamedTuple of arrays, kept alive, with the words that compiled code reads."""

    def __init__(self, tables: Any) -> None:
        self.tables = tables
        rows = [(a.ctypes.data, *((1,) * (2 - a.ndim)), *a.shape) for a in tables]
        self.words = np.array(rows, np.int64).reshape(-1)
        self.address = self.words.ctypes.data
        fields = tuple(zip(tables._fields, tables, strict=True))
        self.kind = HeldType(
            type(tables).__name__, tuple((name, a.ndim, a.dtype.char == "d") for name, a in fields)
        )


class HeldType(types.Type):  # type: ignore[misc]
    """What numba knows of it: the name of the record; of each field its name, dimensions, and whether it is of floats."""

    def __init__(self, record: str, fields: tuple[tuple[str, int, bool], ...]) -> None:
        self.fields = fields
        super().__init__(name=f"Held[{record}, {fields}]")

    def table(self, name: str) -> tuple[int, types.Array]:
        """The place of a field and its array type."""
        for place, (field, dimensions, floats) in enumerate(self.fields):
            if field == name:
                return place, types.Array(types.float64 if floats else types.int64, dimensions, "C")
        raise AttributeError(name)


@register_model(HeldType)
class _Model(models.OpaqueModel):  # type: ignore[misc]
    """One pointer."""


@typeof_impl.register(Held)
def _typeof(held: Held, context: Any) -> HeldType:
    return held.kind


@unbox(HeldType)
def _unbox(kind: HeldType, held: Any, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(held, "address")
    address = c.unbox(types.intp, number)
    c.pyapi.decref(number)
    return NativeValue(c.builder.inttoptr(address.value, cgutils.voidptr_t), is_error=address.is_error)


@typing.templates.infer_getattr
class _Attributes(AttributeTemplate):  # type: ignore[misc]
    key = HeldType

    def generic_resolve(self, kind: HeldType, name: str) -> Any:  # type: ignore[override]
        return kind.table(name)[1]


@imputils.lower_getattr_generic(HeldType)
def _getattr(context: Any, builder: Any, kind: HeldType, value: Any, name: str) -> Any:
    place, array = kind.table(name)
    words = builder.bitcast(value, ir.IntType(64).as_pointer())
    address, rows, length = (_word(builder, words, WORDS * place + word) for word in range(WORDS))
    made = arrayobj.make_array(array)(context, builder)
    shape = [rows, length] if array.ndim == 2 else [length]
    size = context.get_constant(types.intp, 8)
    arrayobj.populate_array(
        made,
        data=builder.inttoptr(address, made.data.type),
        shape=cgutils.pack_array(builder, shape),
        strides=cgutils.pack_array(builder, [builder.mul(length, size), size][-array.ndim :]),
        itemsize=size,
        meminfo=None,
    )
    return made._getvalue()


def _word(builder: Any, words: Any, place: int) -> Any:
    read = builder.load(builder.gep(words, [ir.Constant(ir.IntType(32), place)]))
    read.set_metadata("invariant.load", builder.module.add_metadata([]))
    return read
