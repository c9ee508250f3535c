"""Views at buffer level: how view ops read their operand's buffer through other extents and strides.

`sizes` are the operand's extents and `shape` the result's, as `int | Value`; extents known to be equal are
the same object.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.ir.core import Value
from tensorc.ir.types import MemRefType
from tensorc.ops.loops.builder import LoopBuilder

Index = int | Value


def same(a: Index, b: Index) -> bool:
    """Whether two extents are known to be equal."""
    return a is b or (isinstance(a, int) and isinstance(b, int) and a == b)


def is_one(a: Index) -> bool:
    return isinstance(a, int) and a == 1


def is_contiguous(buffer: Value) -> bool:
    """Whether a buffer is known to be row-major from the start of its allocation."""
    kind = buffer.type
    return isinstance(kind, MemRefType) and kind.layout is None


def broadcast(b: LoopBuilder, buffer: Value, sizes: Sequence[Index], shape: Sequence[Index]) -> Value:
    """Stride 0 along new axes and wherever an extent is 1, at run time if it is not known before."""
    _, offset, _, strides = b.metadata(buffer)
    lead = len(shape) - len(sizes)
    stepping = [_repeated(b, *at) for at in zip(sizes, shape[lead:], strides, strict=True)]
    return b.reinterpret_cast(buffer, offset, shape, [*[0] * lead, *stepping])


def _repeated(b: LoopBuilder, size: Index, extent: Index, stride: Index) -> Index:
    if is_one(size):
        return 0
    if same(size, extent):
        return stride
    return b.select(b.cmpi("eq", b.index(size), b.index(1)), b.index(0), b.index(stride))


def permute(b: LoopBuilder, buffer: Value, perm: Sequence[int]) -> Value:
    _, offset, sizes, strides = b.metadata(buffer)
    return b.reinterpret_cast(buffer, offset, [sizes[a] for a in perm], [strides[a] for a in perm])


def reshape(b: LoopBuilder, buffer: Value, sizes: Sequence[Index], shape: Sequence[Index]) -> Value | None:
    """The same elements under other extents; None where that needs a copy."""
    if is_contiguous(buffer):
        return contiguous(b, buffer, shape)
    kept = [k for k, n in enumerate(sizes) if not is_one(n)]
    wanted = [k for k, n in enumerate(shape) if not is_one(n)]
    if len(kept) != len(wanted) or not all(
        same(sizes[i], shape[j]) for i, j in zip(kept, wanted, strict=True)
    ):
        return None
    _, offset, _, strides = b.metadata(buffer)
    steps: list[Index] = [1] * len(shape)
    for source, target in zip(kept, wanted, strict=True):
        steps[target] = strides[source]
    return b.reinterpret_cast(buffer, offset, shape, steps)


def contiguous(b: LoopBuilder, buffer: Value, shape: Sequence[Index]) -> Value:
    """A row-major buffer under another shape of as many elements."""
    assert isinstance(buffer.type, MemRefType)
    strides: list[Index] = []
    step: Index = 1
    for extent in reversed(shape):
        strides.insert(0, step)
        step = b.mul(step, extent)
    view = b.reinterpret_cast(buffer, 0, shape, strides)
    return b.cast(
        view, MemRefType(tuple(e if isinstance(e, int) else None for e in shape), buffer.type.element)
    )


def expand(b: LoopBuilder, buffer: Value, axes: Sequence[int]) -> Value:
    """New axes of extent 1 at the positions `axes` of the result."""
    _, offset, sizes, strides = b.metadata(buffer)
    shape = list(sizes)
    if is_contiguous(buffer):
        for axis in sorted(axes):
            shape.insert(axis, 1)
        return contiguous(b, buffer, shape)
    steps = list(strides)
    for axis in sorted(axes):
        shape.insert(axis, 1)
        steps.insert(axis, 1)
    return b.reinterpret_cast(buffer, offset, shape, steps)


def drop(b: LoopBuilder, buffer: Value, axes: Sequence[int]) -> Value:
    """Without the axes `axes`, each of extent 1."""
    _, offset, sizes, strides = b.metadata(buffer)
    kept = [a for a in range(len(sizes)) if a not in axes]
    shape = [sizes[a] for a in kept]
    if is_contiguous(buffer):
        return contiguous(b, buffer, shape)
    return b.reinterpret_cast(buffer, offset, shape, [strides[a] for a in kept])


def section(
    b: LoopBuilder, buffer: Value, starts: Sequence[Index], shape: Sequence[Index], steps: Sequence[int]
) -> Value:
    """Every `steps[k]`-th element from `starts[k]` on, `shape[k]` of them."""
    _, offset, _, strides = b.metadata(buffer)
    for start, stride in zip(starts, strides, strict=True):
        offset = b.add(offset, b.mul(start, stride))
    return b.reinterpret_cast(
        buffer, offset, shape, [b.mul(s, step) for s, step in zip(strides, steps, strict=True)]
    )
