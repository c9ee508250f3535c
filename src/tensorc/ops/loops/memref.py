"""`memref`: buffers. Index operands are `index`; extents, strides and offsets known at compile time stand in
the types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tensorc.ir.attributes import DenseArrayAttr, IntegerAttr
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import Attrs, register
from tensorc.ir.types import Extent, MemRefType, ScalarType, StridedLayout, Type, i32, index
from tensorc.ops.loops.base import PURE, LoopOp, check_memref, wrong_types

DYNAMIC: Final = -(1 << 63)
"""MLIR's sentinel for "given by an operand" in `static_offsets`, `static_sizes`, `static_strides`."""


def segments(*sizes: int) -> DenseArrayAttr:
    """`operandSegmentSizes`."""
    return DenseArrayAttr(i32, sizes)


def memref_type(
    element: ScalarType,
    shape: Sequence[Extent],
    strides: Sequence[int | None] | None = None,
    offset: int | None = 0,
) -> MemRefType:
    """A memref type; strides that are row-major contiguous with offset 0 (or None) give no layout, so that
    equal layouts are equal types.
    """
    plain = MemRefType(tuple(shape), element)
    if strides is None or (offset == 0 and tuple(strides) == plain.strides and None not in plain.strides):
        return plain
    return MemRefType(tuple(shape), element, StridedLayout(tuple(strides), offset))


@dataclass(frozen=True)
class AllocAttrs(Attrs):
    operandSegmentSizes: DenseArrayAttr
    alignment: int | None = None


class _Allocation(LoopOp):
    attrs_type = AllocAttrs

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        assert isinstance(attrs, AllocAttrs)
        if any(t != index for t in operands) or attrs.operandSegmentSizes.values != (len(operands), 0):
            raise wrong_types(cls.name, "one index per dynamic extent", operands)
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        kind = op.result.type
        if not isinstance(kind, MemRefType) or kind.layout is not None:
            return [f"{cls.name} must give a memref without layout, gives {kind}"]
        dynamic = sum(extent is None for extent in kind.shape)
        return (
            []
            if len(op.operands) == dynamic
            else [f"{kind} needs {dynamic} extents, {len(op.operands)} given"]
        )


@register
class Alloc(_Allocation):
    """`memref.alloc(dynamic extents...)`: a fresh buffer, contents undefined, aligned to 64 bytes."""

    name = "memref.alloc"


@register
class Alloca(_Allocation):
    """`memref.alloca`: a fresh buffer of static extents that lives until the function returns; one per op,
    also inside loops.
    """

    name = "memref.alloca"

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        messages = super().verify(op)
        return messages or (
            ["memref.alloca must have static extents: use memref.alloc"] if op.operands else []
        )


@register
class Dealloc(LoopOp):
    """`memref.dealloc(buffer)`: ends the life of what `memref.alloc` gave."""

    name = "memref.dealloc"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) != 1:
            raise wrong_types(cls.name, "one memref", operands)
        check_memref(cls.name, operands[0])
        return ()


def _check_indices(name: str, memref: MemRefType, indices: Sequence[Type]) -> None:
    if len(indices) != memref.rank or any(t != index for t in indices):
        raise wrong_types(name, f"{memref.rank} index operands for {memref}", indices)


@register
class Load(LoopOp):
    """`memref.load(buffer, indices...)`: undefined outside the extents."""

    name = "memref.load"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if not operands:
            raise wrong_types(cls.name, "a memref and indices", operands)
        memref = check_memref(cls.name, operands[0])
        _check_indices(cls.name, memref, operands[1:])
        return (memref.element,)


@register
class Store(LoopOp):
    """`memref.store(value, buffer, indices...)`: undefined outside the extents."""

    name = "memref.store"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) < 2:
            raise wrong_types(cls.name, "a value, a memref and indices", operands)
        memref = check_memref(cls.name, operands[1])
        if operands[0] != memref.element:
            raise wrong_types(cls.name, f"a value of type {memref.element}", operands[:1])
        _check_indices(cls.name, memref, operands[2:])
        return ()


@dataclass(frozen=True)
class PrefetchAttrs(Attrs):
    """`localityHint`: an i32, 3 for the nearest cache, 0 for none."""

    isWrite: bool
    localityHint: IntegerAttr
    isDataCache: bool


@register
class Prefetch(LoopOp):
    """`memref.prefetch(buffer, indices...)`: the element will be read soon, if there is one: the place may
    lie outside the extents.
    """

    name = "memref.prefetch"
    attrs_type = PrefetchAttrs

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if not operands:
            raise wrong_types(cls.name, "a memref and indices", operands)
        _check_indices(cls.name, check_memref(cls.name, operands[0]), operands[1:])
        return ()


@register
class Dim(LoopOp):
    """`memref.dim(buffer, axis)`: an extent; undefined when the axis is not below the rank."""

    name = "memref.dim"
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) != 2 or operands[1] != index:
            raise wrong_types(cls.name, "a memref and an index", operands)
        check_memref(cls.name, operands[0])
        return (index,)


@dataclass(frozen=True)
class ReinterpretCastAttrs(Attrs):
    operandSegmentSizes: DenseArrayAttr
    static_offsets: tuple[int, ...]
    static_sizes: tuple[int, ...]
    static_strides: tuple[int, ...]


@register
class ReinterpretCast(LoopOp):
    """`memref.reinterpret_cast(buffer, offset?, sizes..., strides...)`: another view of the whole allocation.

    The offset counts from the start of the allocation, not from the source's offset. Static numbers stand in
    the attributes.
    """

    name = "memref.reinterpret_cast"
    attrs_type = ReinterpretCastAttrs
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        assert isinstance(attrs, ReinterpretCastAttrs)
        if not operands or any(t != index for t in operands[1:]):
            raise wrong_types(cls.name, "a memref and index operands", operands)
        check_memref(cls.name, operands[0])
        groups = (attrs.static_offsets, attrs.static_sizes, attrs.static_strides)
        counts = tuple(sum(v == DYNAMIC for v in group) for group in groups)
        if attrs.operandSegmentSizes.values != (1, *counts) or len(operands) != 1 + sum(counts):
            raise wrong_types(cls.name, f"{counts} dynamic offset, sizes, strides", operands[1:])
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        kind = op.result.type
        if not isinstance(kind, MemRefType):
            return [f"{cls.name} must give a memref, gives {kind}"]
        attrs = op.attrs
        assert isinstance(attrs, ReinterpretCastAttrs)
        stated = ((kind.offset,), kind.shape, kind.strides)
        given = (attrs.static_offsets, attrs.static_sizes, attrs.static_strides)
        for what, types, values in zip(("offset", "sizes", "strides"), stated, given, strict=True):
            if len(types) != len(values):
                return [f"{len(values)} {what} for {kind}"]
            if any(t is not None and t != v for t, v in zip(types, values, strict=True)):
                return [f"{what} {list(values)} do not agree with {kind}"]
        return []


def view_parts(op: Operation) -> tuple[int | Value, list[int | Value], list[int | Value]]:
    """Offset, sizes and strides of a `memref.reinterpret_cast`, integers where they are static."""
    attrs = op.attrs
    assert isinstance(attrs, ReinterpretCastAttrs)
    dynamic = iter(op.operands[1:])
    groups = [
        [next(dynamic) if v == DYNAMIC else v for v in group]
        for group in (attrs.static_offsets, attrs.static_sizes, attrs.static_strides)
    ]
    return groups[0][0], groups[1], groups[2]


@register
class ExtractStridedMetadata(LoopOp):
    """`memref.extract_strided_metadata(buffer)` → base buffer (rank 0, start of the allocation), offset,
    sizes..., strides...
    """

    name = "memref.extract_strided_metadata"
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) != 1:
            raise wrong_types(cls.name, "one memref", operands)
        memref = check_memref(cls.name, operands[0])
        base = MemRefType((), memref.element, None, memref.space)
        return (base, *[index] * (1 + 2 * memref.rank))


@register
class Copy(LoopOp):
    """`memref.copy(source, target)`: element by element; equal extents, no overlap."""

    name = "memref.copy"

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if len(operands) != 2:
            raise wrong_types(cls.name, "two memrefs", operands)
        source, target = (check_memref(cls.name, t) for t in operands)
        if source.element != target.element or not compatible(source.shape, target.shape):
            raise wrong_types(cls.name, "memrefs of one element type and shape", operands)
        return ()


def compatible(a: Sequence[int | None], b: Sequence[int | None]) -> bool:
    """Equal rank, and equal wherever both are static."""
    return len(a) == len(b) and all(x is None or y is None or x == y for x, y in zip(a, b, strict=True))


@register
class Cast(LoopOp):
    """`memref.cast(buffer)`: the same view under a type that knows more or fewer extents, strides, offset;
    undefined if the type is untrue.
    """

    name = "memref.cast"
    traits = PURE

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        if len(operands) != 1:
            raise wrong_types(cls.name, "one memref", operands)
        check_memref(cls.name, operands[0])
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        source, target = op.operands[0].type, op.result.type
        assert isinstance(source, MemRefType)
        if (
            not isinstance(target, MemRefType)
            or source.element != target.element
            or source.space != target.space
        ):
            return [f"no cast from {source} to {target}"]
        agree = compatible(source.shape, target.shape) and compatible(source.strides, target.strides)
        return (
            []
            if agree and compatible([source.offset], [target.offset])
            else [f"no cast from {source} to {target}"]
        )
