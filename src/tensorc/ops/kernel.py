"""L1: fused kernels. `tensorc.kernel` holds stages (`tensorc.generic`) that share outer parallel axes;
`tensorc.yield` ends both regions.

A kernel has `outer` parallel axes followed by inner axes; every stage iterates over the outer axes alone, or
over outer and inner axes. Stage results with outer axes only are registers (one scalar an outer iteration),
results with inner axes are per-tile scratch unless the kernel yields them. Results with inner axes only are
combined over the outer iterations; the kernel yields them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorc.ir.attributes import ArrayAttr, StringAttr
from tensorc.ir.core import Block, Operation, Value
from tensorc.ir.definition import REGISTRY, Attrs, OpDefinition, Trait, register
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.types import MemRefType, ScalarType, ShapedType, TensorType, Type, index
from tensorc.ops.loops.base import register_type

UNIT_AXIS = -1
"""In a map: this axis of the value has extent 1 and no iteration axis."""


@dataclass(frozen=True)
class GenericAttrs(Attrs):
    """`rank` iteration axes; `maps`: per tensor operand, then per result, the iteration axis of each of its
    axes; `combiners`: per result the combiner (`Reduction.combiner`: "add", "maximum", ...) over the
    iteration axes its map leaves out, or "" for a plain result.
    """

    rank: int
    maps: tuple[tuple[int, ...], ...]
    combiners: ArrayAttr


@dataclass(frozen=True)
class KernelAttrs(Attrs):
    """`outer`: how many of the iteration axes are parallel and shared by all stages."""

    outer: int


def combiner_names(attrs: GenericAttrs) -> tuple[str, ...]:
    return tuple(a.value for a in attrs.combiners if isinstance(a, StringAttr))


@register
class Yield(OpDefinition):
    """`tensorc.yield(values...)`: ends the region of a kernel (tensors) or of a stage (scalars)."""

    name = "tensorc.yield"
    traits = frozenset({Trait.TERMINATOR})

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return ()


@register
class Generic(OpDefinition):
    """`tensorc.generic(extents..., tensors...)`: one stage of a kernel, as `linalg.generic`.

    The region takes the iteration indices and one scalar per tensor operand, and yields one scalar per
    result.

    - C1: the first `rank` operands are `index` extents, the others tensors with one map each.
    - C2: a map names iteration axes below `rank`, or -1 for an axis of extent 1; result maps are without
      repetition.
    - C3: a result without combiner has every iteration axis. C4: a combiner is one of a reduction op.
    """

    name = "tensorc.generic"
    attrs_type = GenericAttrs
    traits = frozenset({Trait.PURE})
    regions = 1

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        assert isinstance(attrs, GenericAttrs)
        inputs = operands[attrs.rank :]
        if len(operands) < attrs.rank or any(t != index for t in operands[: attrs.rank]):
            raise TensorcTypeError(f"tensorc.generic needs {attrs.rank} index extents first", code="TC0213")
        for operand, axes in zip(inputs, attrs.maps, strict=False):
            _check_map(operand, axes, attrs.rank)
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        attrs = op.attrs
        assert isinstance(attrs, GenericAttrs)
        inputs = op.operands[attrs.rank :]
        combiners = combiner_names(attrs)
        if len(attrs.maps) != len(inputs) + len(op.results) or len(combiners) != len(op.results):
            given = f"{len(attrs.maps)} maps and {len(combiners)} combiners"
            return [f"{given} for {len(inputs)} tensors and {len(op.results)} results"]
        messages = []
        for result, axes, combiner in zip(op.results, attrs.maps[len(inputs) :], combiners, strict=True):
            _check_map(result.type, axes, attrs.rank)
            if combiner and not known_combiner(combiner):
                messages.append(f"no reduction combines by {combiner!r}")
            used = [a for a in axes if a != UNIT_AXIS]
            if len(set(used)) != len(used):
                messages.append(f"result map {axes} names an iteration axis twice")
            if not combiner and len(used) != attrs.rank:
                messages.append(f"result map {axes} leaves out an iteration axis, and there is no combiner")
        return messages + _check_body(
            op, [*[index] * attrs.rank, *[_scalar(v) for v in inputs]], [_scalar(r) for r in op.results]
        )


@register
class Kernel(OpDefinition):
    """`tensorc.kernel(extents..., tensors...)`: stages fused over shared outer axes; sees nothing but its
    arguments.

    - C1: extents come first; the region's arguments have the operands' types (tensors for buffers).
    - C2: every op of the region is a stage, then `tensorc.yield`; before them there may be one product,
      `tensorc.matmul` of two arguments, with all iteration axes: its last axis is the last one, or no stage
      has inner axes.
    - C3: stages iterate over the `outer` first extents of the widest stage, or over all of its extents.
    - C4: a stage's results have all outer axes; or they have the inner axes alone, are combined over the
      outer ones, and no stage reads them.
    """

    name = "tensorc.kernel"
    attrs_type = KernelAttrs
    traits = frozenset({Trait.PURE, Trait.ISOLATED})
    regions = 1

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        if len(op.regions[0].blocks) != 1:
            return ["a kernel has one block"]
        block = op.regions[0].block
        if block.last is None or not block.last.isa(Yield):
            return ["a kernel's region ends in tensorc.yield"]
        messages = [
            f"{inner.name} is no stage"
            for inner in block
            if not inner.isa(Generic) and inner is not block.last and inner is not product_of(op)
        ]
        messages = messages or _check_extents(op)
        wanted = [_as_tensor(v.type) for v in [*op.operands, *op.results]]
        found = [a.type for a in block.args] + [v.type for v in block.last.operands]
        if len(wanted) != len(found) or any(not _agree(w, f) for w, f in zip(wanted, found, strict=True)):
            messages.append(
                f"operands and results ({_listed(wanted)}) do not fit the region's ({_listed(found)})"
            )
        return messages


def kernel_extents(op: Operation) -> list[list[int | Value]]:
    """The extents of each result of a kernel, as integers or operands of the kernel."""
    block = op.regions[0].block
    of_argument: dict[Value, Value] = dict(zip(block.args, op.operands, strict=False))
    out: list[list[int | Value]] = []
    for value in block.terminator.operands:
        stage = value.owner
        assert stage is not None
        attrs = stage.attrs
        assert isinstance(attrs, GenericAttrs) and isinstance(value.type, TensorType)
        inputs = len(stage.operands) - attrs.rank
        axes = attrs.maps[inputs + stage.results.index(value)]
        out.append(
            [
                _extent_on(stage, axis, of_argument) if extent is None else extent
                for extent, axis in zip(value.type.shape, axes, strict=True)
            ]
        )
    return out


def _extent_on(stage: Operation, axis: int, of_argument: Mapping[Value, Value]) -> int | Value:
    """A result's extent by its map; the type may have `?` on a unit axis, too."""
    return 1 if axis == UNIT_AXIS else of_argument[stage.operands[axis]]


def stages(op: Operation) -> list[Operation]:
    """The stages of a kernel, in order."""
    return [inner for inner in op.regions[0].block if inner.isa(Generic)]


def product_of(op: Operation) -> Operation | None:
    """The product with which a kernel begins, if it does."""
    first = op.regions[0].block.first
    return first if first is not None and first.name == "tensorc.matmul" else None


def _check_map(type: Type, axes: Sequence[int], rank: int) -> None:
    if not isinstance(type, ShapedType) or type.rank != len(axes):
        raise TensorcTypeError(f"tensorc.generic: map {list(axes)} does not fit {type}", code="TC0213")
    if any(a != UNIT_AXIS and not 0 <= a < rank for a in axes):
        raise TensorcTypeError(
            f"tensorc.generic: map {list(axes)} outside {rank} iteration axes", code="TC0213"
        )


def _check_body(op: Operation, args: Sequence[Type], results: Sequence[Type]) -> list[str]:
    if len(op.regions[0].blocks) != 1:
        return ["a stage has one block"]
    block: Block = op.regions[0].block
    if [a.type for a in block.args] != list(args):
        return [f"the body takes ({_listed([a.type for a in block.args])}), must take ({_listed(args)})"]
    if block.last is None or not block.last.isa(Yield):
        return ["the body ends in tensorc.yield"]
    found = [v.type for v in block.last.operands]
    return (
        []
        if found == list(results)
        else [f"the body yields ({_listed(found)}), must yield ({_listed(results)})"]
    )


def _check_extents(op: Operation) -> list[str]:
    """C3 and C4 of a kernel."""
    assert isinstance(op.attrs, KernelAttrs)
    outer, found = op.attrs.outer, stages(op)
    spaces = [tuple(stage.operands[: stage.attrs.rank]) for stage in found]  # type: ignore[attr-defined]
    widest = max(spaces, key=len, default=())
    if not 0 <= outer <= len(widest):
        return [f"{outer} outer axes for stages of at most {len(widest)}"]
    if any(space not in (widest, widest[:outer]) for space in spaces):
        return [f"a stage iterates neither over the {outer} outer extents nor over those of the widest stage"]
    return [
        f"result map {list(axes)} of a stage leaves out one of the {outer} outer axes"
        for stage in found
        for result, axes in zip(stage.results, _result_maps(stage), strict=True)
        if not set(range(outer)) <= set(axes) and not _is_across(result, axes, outer, len(widest))
    ]


def _is_across(result: Value, axes: Sequence[int], outer: int, rank: int) -> bool:
    """Whether a result is combined over the outer axes, for nobody inside."""
    stage = result.owner
    assert stage is not None and isinstance(stage.attrs, GenericAttrs)
    combined = bool(combiner_names(stage.attrs)[stage.results.index(result)])
    inner = set(range(outer, rank))
    return combined and bool(inner) and set(axes) - {UNIT_AXIS} == inner and not _is_read(result)


def _is_read(value: Value) -> bool:
    return any(user.isa(Generic) for user in value.users)


def _result_maps(stage: Operation) -> tuple[tuple[int, ...], ...]:
    assert isinstance(stage.attrs, GenericAttrs)
    return stage.attrs.maps[len(stage.operands) - stage.attrs.rank :]


def known_combiner(name: str) -> bool:
    """Whether a reduction op combines by this name."""
    return any(getattr(definition, "combiner", None) == name for definition in REGISTRY.values())


def _scalar(value: Value) -> ScalarType:
    assert isinstance(value.type, ShapedType)
    return register_type(value.type.element)


def _as_tensor(type: Type) -> Type:
    return TensorType(type.shape, type.element) if isinstance(type, MemRefType) else type


def _agree(wanted: Type, found: Type) -> bool:
    if isinstance(wanted, TensorType) and isinstance(found, TensorType):
        pairs = zip(wanted.shape, found.shape, strict=False)
        return wanted.rank == found.rank and all(w is None or f is None or w == f for w, f in pairs)
    return wanted == found


def _listed(types: Sequence[Type]) -> str:
    return ", ".join(map(str, types))
