"""`vector`: memory and lanes of vectors of one axis. Arithmetic on vectors is `arith` and `math`, lane by
lane.

Lanes lie next to each other along the last axis of a buffer, which must be contiguous there. A masked access
touches memory in the lanes whose mask is true only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tensorc.ir.attributes import ArrayAttr, IntegerAttr, OpaqueAttr
from tensorc.ir.core import Operation
from tensorc.ir.definition import Attrs, register
from tensorc.ir.types import IntegerType, MemRefType, Type, VectorType, i1, index
from tensorc.ops.loops.base import (
    PURE,
    LoopOp,
    check_memref,
    lane,
    like,
    wrong_types,
)
from tensorc.ops.loops.memref import DYNAMIC

ANY: Final = OpaqueAttr("vector.kind<or>")


def vector_type(name: str, type: Type) -> VectorType:
    """`type` if it is a vector of one axis. Raises TensorcTypeError for any other type."""
    if not isinstance(type, VectorType) or len(type.shape) != 1:
        raise wrong_types(name, "a vector of one axis", [type])
    return type


def lanes(type: Type) -> int:
    """How many lanes a vector type of one axis has."""
    assert isinstance(type, VectorType)
    extent = type.shape[0]
    assert extent is not None
    return extent


def _check_place(name: str, buffer: Type, indices: Sequence[Type], vector: Type) -> MemRefType:
    """Where a vector's first lane lies. Raises TensorcTypeError."""
    memref = check_memref(name, buffer)
    if len(indices) != memref.rank or memref.rank == 0 or any(t != index for t in indices):
        raise wrong_types(name, f"{memref.rank} index operands for {memref}", indices)
    if memref.strides[-1] != 1:
        raise wrong_types(name, "a buffer whose last axis is contiguous", [memref])
    if vector_type(name, vector).element != memref.element:
        raise wrong_types(name, f"a vector of {memref.element}", [vector])
    return memref


@register
class Broadcast(LoopOp):
    """`vector.broadcast`: one scalar in every lane."""

    name = "vector.broadcast"
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        if len(operands) != 1:
            raise wrong_types(cls.name, "one scalar", operands)
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        source, target = op.operands[0].type, op.result.type
        fits = isinstance(target, VectorType) and len(target.shape) == 1 and target.element == source
        return [] if fits else [f"no broadcast from {source} to {target}"]


@register
class Step(LoopOp):
    """`vector.step`: 0, 1, 2, ... as `index`."""

    name = "vector.step"
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        if operands:
            raise wrong_types(cls.name, "no operands", operands)
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        kind = op.result.type
        return [] if lane(kind) == index and kind != index else [f"{cls.name} gives no {kind}"]


@register
class CreateMask(LoopOp):
    """`vector.create_mask(n)`: true in the first `n` lanes; none for `n` below 1, all beyond the width."""

    name = "vector.create_mask"
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        if list(operands) != [index]:
            raise wrong_types(cls.name, "one index", operands)
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        kind = op.result.type
        return [] if lane(kind) == i1 and kind != i1 else [f"{cls.name} gives no {kind}"]


@register
class Load(LoopOp):
    """`vector.load(buffer, indices...)`: neighbours along the last axis; undefined outside the extents."""

    name = "vector.load"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        if not operands:
            raise wrong_types(cls.name, "a memref and indices", operands)
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        buffer, *indices = (v.type for v in op.operands)
        _check_place(cls.name, buffer, indices, op.result.type)
        return []


@dataclass(frozen=True)
class StoreAttrs(Attrs):
    nontemporal: bool | None = None


@register
class Store(LoopOp):
    """`vector.store(value, buffer, indices...)`: the counterpart of `vector.load`. What is `nontemporal` is
    not expected to be read again soon; that is a hint, and changes no value.
    """

    name = "vector.store"
    attrs_type = StoreAttrs

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) < 2:
            raise wrong_types(cls.name, "a vector, a memref and indices", operands)
        _check_place(cls.name, operands[1], operands[2:], operands[0])
        return ()


@register
class MaskedLoad(LoopOp):
    """`vector.maskedload(buffer, indices..., mask, other)`: `vector.load` where the mask is true, else the
    lane of `other`.
    """

    name = "vector.maskedload"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) < 3 or operands[-2] != like(operands[-1], i1):
            raise wrong_types(cls.name, "a memref, indices, a mask and a vector", operands)
        _check_place(cls.name, operands[0], operands[1:-2], operands[-1])
        return (operands[-1],)


@register
class MaskedStore(LoopOp):
    """`vector.maskedstore(buffer, indices..., mask, value)`: `vector.store` where the mask is true."""

    name = "vector.maskedstore"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) < 3 or operands[-2] != like(operands[-1], i1):
            raise wrong_types(cls.name, "a memref, indices, a mask and a vector", operands)
        _check_place(cls.name, operands[0], operands[1:-2], operands[-1])
        return ()


def _check_spread(name: str, operands: Sequence[Type]) -> None:
    """Operands of a gather or scatter. Raises TensorcTypeError."""
    wanted = "a memref, indices, a vector of index, a mask and a vector"
    if len(operands) < 4:
        raise wrong_types(name, wanted, operands)
    *_, places, mask, values = operands
    if mask != like(values, i1) or places != like(values, index):
        raise wrong_types(name, wanted, operands)
    _check_place(name, operands[0], operands[1:-3], values)


@register
class Gather(LoopOp):
    """`vector.gather(buffer, indices..., places, mask, other)`: each lane from its own place, counted in
    elements from the element at `indices` along the last axis; the lane of `other` where the mask is false.
    """

    name = "vector.gather"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        _check_spread(cls.name, operands)
        return (operands[-1],)


@register
class Scatter(LoopOp):
    """`vector.scatter(buffer, indices..., places, mask, value)`: the counterpart of `vector.gather`; of lanes
    with one place the last is kept.
    """

    name = "vector.scatter"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        _check_spread(cls.name, operands)
        return ()


@dataclass(frozen=True)
class PositionAttrs(Attrs):
    static_position: tuple[int, ...] = (DYNAMIC,)


@register
class Extract(LoopOp):
    """`vector.extract(vector, position)`: one lane; undefined outside."""

    name = "vector.extract"
    attrs_type = PositionAttrs
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) != 2 or operands[1] != index:
            raise wrong_types(cls.name, "a vector and an index", operands)
        return (vector_type(cls.name, operands[0]).element,)


@register
class Insert(LoopOp):
    """`vector.insert(value, vector, position)`: the vector with one lane exchanged; undefined outside."""

    name = "vector.insert"
    attrs_type = PositionAttrs
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) != 3 or operands[2] != index:
            raise wrong_types(cls.name, "a scalar, a vector and an index", operands)
        if vector_type(cls.name, operands[1]).element != operands[0]:
            raise wrong_types(cls.name, "a scalar of the vector's type", operands)
        return (operands[1],)


@register
class Interleave(LoopOp):
    """`vector.interleave(a, b)`: a[0], b[0], a[1], b[1], ..."""

    name = "vector.interleave"
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) != 2 or operands[0] != operands[1]:
            raise wrong_types(cls.name, "two vectors of one type", operands)
        source = vector_type(cls.name, operands[0])
        return (VectorType((2 * lanes(source),), source.element),)


@dataclass(frozen=True)
class SliceAttrs(Attrs):
    offsets: ArrayAttr
    sizes: ArrayAttr
    strides: ArrayAttr

    @staticmethod
    def of(first: int, count: int) -> SliceAttrs:
        """`count` lanes from lane `first` on."""
        return SliceAttrs(*(ArrayAttr((IntegerAttr(n),)) for n in (first, count, 1)))

    def span(self) -> tuple[int, int] | None:
        """The first lane and how many; None for what is no run of lanes."""
        numbers = [a.elements for a in (self.offsets, self.sizes, self.strides)]
        if any(len(row) != 1 or not isinstance(row[0], IntegerAttr) for row in numbers):
            return None
        first, count, step = (row[0].value for row in numbers)  # type: ignore[attr-defined]
        return (first, count) if step == 1 and first >= 0 and count > 0 else None


@register
class ExtractStridedSlice(LoopOp):
    """`vector.extract_strided_slice(vector)`: neighbouring lanes as a shorter vector."""

    name = "vector.extract_strided_slice"
    attrs_type = SliceAttrs
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) != 1:
            raise wrong_types(cls.name, "one vector", operands)
        assert isinstance(attrs, SliceAttrs)
        source, span = vector_type(cls.name, operands[0]), attrs.span()
        if span is None or sum(span) > lanes(source):
            raise wrong_types(cls.name, "lanes of the vector, one after the other", operands)
        return (VectorType((span[1],), source.element),)


@dataclass(frozen=True)
class ReductionAttrs(Attrs):
    kind: OpaqueAttr = ANY


@register
class Reduction(LoopOp):
    """`vector.reduction <or>`: whether any lane of a mask is true."""

    name = "vector.reduction"
    traits = PURE
    attrs_type = ReductionAttrs

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) != 1 or vector_type(cls.name, operands[0]).element != IntegerType(1):
            raise wrong_types(cls.name, "a vector of i1", operands)
        if attrs != ReductionAttrs():
            raise wrong_types(cls.name, "kind <or>", operands)
        return (i1,)
