"""What each family of destination-passing ops is as a kernel for the emitter."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.ir.clone import clone_into
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import IntegerType, MemRefType, ScalarType, ShapedType, Type, i64, index
from tensorc.ops.families import Pointwise, Reduction, axes_of
from tensorc.ops.kernel import Generic, GenericAttrs, KernelAttrs, combiner_names, product_of, stages
from tensorc.ops.loops.fold import constant_value
from tensorc.ops.loops.memref import ReinterpretCast, view_parts
from tensorc.ops.loops.nests import cells
from tensorc.passes.fuse_kernel import count
from tensorc.passes.fuse_weights import op_weight
from tensorc.passes.lowering.kernel import emit_kernel
from tensorc.passes.lowering.nest import Access, Index, Lowerer, store
from tensorc.passes.lowering.products import PRODUCT, emit_product
from tensorc.passes.lowering.space import Body, Earlier, Result, Space, Stage
from tensorc.passes.lowering.sums import Combiner, reduction_for


def element(kind: Type) -> ScalarType:
    assert isinstance(kind, ShapedType)
    return kind.element


def access(buffer: Value, axes: Sequence[int], kind: ScalarType) -> Access:
    """An access; axes of stride 0 are moved by no iteration axis."""
    found = list(axes)
    op = buffer.defining(ReinterpretCast)
    if op is not None:
        for place, stride in enumerate(view_parts(op)[2]):
            if _is_zero(stride):
                found[place] = -1
    assert isinstance(buffer.type, MemRefType)
    for place, extent in enumerate(buffer.type.shape):
        if extent == 1:
            found[place] = -1
    return Access(buffer, tuple(found), kind)


def _is_zero(stride: Index) -> bool:
    if isinstance(stride, int):
        return stride == 0
    return bool(constant_value(stride) == 0)


def pointwise(b: Lowerer, op: Operation, kinds: Sequence[Type]) -> None:
    """`kinds`: the operands' types at tensor level."""
    definition = op.definition
    assert definition is not None and issubclass(definition, Pointwise)
    elements = [element(k) for k in kinds]
    *ins, out = op.operands
    rank = len(b.dims(out))

    def body(b: Lowerer, indices: Sequence[Index], xs: Sequence[Value]) -> list[Value]:
        return [definition.scalar(b, elements, *xs)]

    inputs = tuple(access(v, range(rank), e) for v, e in zip(ins, elements, strict=False))
    result = Result(elements[-1], out=access(out, range(rank), elements[-1]))
    emit_kernel(b, Space(b.dims(out), rank, [Stage(False, inputs, body, (result,))]))


def copy(b: Lowerer, op: Operation) -> None:
    """A `memref.copy` as a kernel."""
    source, target = op.operands
    kind, rank = element(target.type), len(b.dims(target))
    result = Result(kind, out=access(target, range(rank), kind))
    stage = Stage(False, (access(source, range(rank), kind),), lambda b, indices, xs: [xs[0]], (result,))
    emit_kernel(b, Space(b.dims(target), rank, [stage]))


def reduction(b: Lowerer, op: Operation, kinds: Sequence[Type]) -> None:
    definition = op.definition
    assert definition is not None and issubclass(definition, Reduction)
    reduce(b, op.operands[0], op.operands[1], axes_of(op.attrs), definition, element(kinds[0]))


def reduce(
    b: Lowerer, source: Value, out: Value, axes: Sequence[int], definition: type[Reduction], kind: ScalarType
) -> None:
    """Combine the axes `axes` of a buffer."""
    extents = b.dims(source)
    order = [a for a in range(len(extents)) if a not in axes] + sorted(axes)
    outer = len(extents) - len(axes)
    place = {old: new for new, old in enumerate(order)}
    inputs = (access(source, [place[a] for a in range(len(extents))], kind),)
    result = Result(kind, Combiner(definition, kind), access(out, range(outer), kind))
    stage = Stage(bool(axes), inputs, lambda b, indices, xs: [xs[0]], (result,))
    emit_kernel(b, Space([extents[a] for a in order], outer, [stage]))


def sum_to(b: Lowerer, op: Operation, kinds: Sequence[Type]) -> None:
    """Every axis that may be summed becomes two: one of the target's extent, one that has the source's extent
    if the target's is 1 and extent 1 otherwise; both have the source's stride. Then it is a plain sum over
    the second ones.
    """
    source, *_, out = op.operands
    _, offset, sizes, strides = b.metadata(source)
    targets = b.dims(out)
    lead = len(sizes) - len(targets)
    shape, steps = list(sizes[:lead]), list(strides[:lead])
    axes = list(range(lead))
    for size, stride, target in zip(sizes[lead:], strides[lead:], targets, strict=True):
        if isinstance(target, int) and target != 1:
            rest: Index = 1
        elif isinstance(target, int):
            rest = size
        else:
            rest = b.select(b.cmpi("eq", target, b.index(1)), b.index(size), b.index(1))
        shape.append(target)
        steps.append(stride)
        if rest != 1 or isinstance(rest, Value):
            axes.append(len(shape))
            shape.append(rest)
            steps.append(stride)
    view = b.reinterpret_cast(source, offset, shape, steps)
    reduce(b, view, out, axes, reduction_for("add"), element(kinds[0]))


def kernel(b: Lowerer, op: Operation, kinds: Sequence[Type]) -> None:
    """A fused kernel: its stages read the kernel's operands or earlier stages."""
    block = op.regions[0].block
    attrs = op.attrs
    assert isinstance(attrs, KernelAttrs)
    found = stages(op)
    outs = list(op.operands[len(block.args) :])
    buffers: dict[Value, Value] = dict(zip(block.args, op.operands, strict=False))
    targets: dict[Value, Value] = dict(zip(block.terminator.operands, outs, strict=True))
    numbers: dict[Value, Earlier] = {
        r: Earlier(s, k) for s, stage in enumerate(found) for k, r in enumerate(stage.results)
    }
    widest = max(found, key=lambda s: s.attrs.rank)  # type: ignore[attr-defined]
    rank = widest.attrs.rank  # type: ignore[attr-defined]
    extents: list[Index] = [_extent(buffers[v]) for v in widest.operands[:rank]]
    space = Space(extents, attrs.outer)
    product = product_of(op)
    if product is not None:
        numbers[product.result] = PRODUCT
    for stage in found:
        space.stages.append(_stage(stage, attrs.outer, buffers, targets, numbers))
    if product is None:
        emit_kernel(b, space)
        return
    x, y = (buffers[v] for v in product.operands)
    emit_product(b, x, y, element(product.result.type), _place_of(product.result), space)


def _place_of(product: Value) -> tuple[int, ...]:
    """The iteration axes of a product, as all stages read it."""
    stage = next(user for user in product.users if user.isa(Generic))
    attrs = stage.attrs
    assert isinstance(attrs, GenericAttrs)
    return attrs.maps[stage.operands.index(product) - attrs.rank]


def _extent(value: Value) -> Index:
    known = constant_value(value)
    return value if known is None else int(known)


def _stage(
    stage: Operation,
    outer: int,
    buffers: dict[Value, Value],
    targets: dict[Value, Value],
    numbers: dict[Value, Earlier],
) -> Stage:
    attrs = stage.attrs
    assert isinstance(attrs, GenericAttrs)
    operands = stage.operands[attrs.rank :]
    inputs = tuple(
        numbers[v] if v in numbers else access(buffers[v], axes, element(v.type))
        for v, axes in zip(operands, attrs.maps, strict=False)
    )
    results = []
    for value, axes, name in zip(
        stage.results, attrs.maps[len(operands) :], combiner_names(attrs), strict=True
    ):
        kind = element(value.type)
        combiner = Combiner(reduction_for(name), kind) if name else None
        out = access(targets[value], axes, kind) if value in targets else None
        kept = any(user.isa(Generic) for user in value.users)
        over_rows = bool(name) and not set(range(outer)) <= set(axes)
        results.append(Result(kind, combiner, out, kept, over_rows))
    indexed = any(arg.has_uses for arg in stage.regions[0].block.args[: attrs.rank])
    weight = sum(op_weight(inner.name) for inner in stage.regions[0].block)
    return Stage(attrs.rank > outer, inputs, _body(stage, attrs.rank), tuple(results), indexed, weight)


def _body(stage: Operation, rank: int) -> Body:
    block = stage.regions[0].block

    def body(b: Lowerer, indices: Sequence[Index], xs: Sequence[Value]) -> list[Value]:
        # Merged axes leave fewer indices, but only where no body uses them.
        used = [b.index(indices[k] if arg.has_uses else 0) for k, arg in enumerate(block.args[:rank])]
        return clone_into(block, [*used, *xs], b.block, b.anchor)

    return body


def constant(b: Lowerer, op: Operation, kinds: Sequence[Type]) -> None:
    """Element by element: there are at most 16."""
    (out,) = op.operands
    array = op.attributes["value"].value  # type: ignore[attr-defined]
    kind = element(kinds[0])
    register = IntegerType(kind.width) if isinstance(kind, IntegerType) else kind
    target = Access(out, tuple(range(array.ndim)), kind)
    flat = array.reshape(-1)
    for number in range(flat.size):
        indices: list[Index] = []
        rest = number
        for extent in reversed(array.shape):
            rest, at = divmod(rest, extent)
            indices.insert(0, at)
        store(b, b.constant(flat[number], register), target, indices)


def iota(b: Lowerer, op: Operation, kinds: Sequence[Type]) -> None:
    out = op.operands[-1]
    kind = element(kinds[-1])
    axis: int = op.attrs.axis  # type: ignore[attr-defined]
    with cells(b, b.dims(out)) as indices:
        store(
            b, count(b, b.index(indices[axis]), kind), Access(out, tuple(range(len(indices))), kind), indices
        )


def from_index(b: Lowerer, op: Operation, kinds: Sequence[Type]) -> None:
    b.store(b.index_cast(op.operands[0], i64), op.operands[1])


def to_index(b: Lowerer, op: Operation, kinds: Sequence[Type]) -> Value:
    """The only op on buffers with a result."""
    kind = element(kinds[0])
    value = b.load(op.operands[0])
    assert isinstance(kind, IntegerType)
    return b.index_castui(value, index) if kind.unsigned else b.index_cast(value, index)
