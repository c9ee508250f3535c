"""`scf`: structured control flow. Every region is one block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorc.ir.attributes import DenseArrayAttr
from tensorc.ir.core import Operation
from tensorc.ir.definition import Attrs, register
from tensorc.ir.types import Type, i1, index
from tensorc.ops.loops.base import (
    TERMINATOR,
    LoopOp,
    is_int,
    same_types,
    single_block,
    terminator_types,
    wrong_types,
)


@register
class Yield(LoopOp):
    """`scf.yield`: ends a region with its values."""

    name = "scf.yield"
    traits = TERMINATOR

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        return ()


@register
class Condition(LoopOp):
    """`scf.condition`: ends the first region of `scf.while`: go on if the first operand is true, with the
    other operands.
    """

    name = "scf.condition"
    traits = TERMINATOR

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if not operands or operands[0] != i1:
            raise wrong_types(cls.name, "i1 first", operands)
        return ()


@register
class Reduce(LoopOp):
    """`scf.reduce`: ends `scf.parallel`. Parallel loops of ours carry no values, so it has no operands."""

    name = "scf.reduce"
    traits = TERMINATOR

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if operands:
            raise wrong_types(cls.name, "no operands", operands)
        return ()


@register
class For(LoopOp):
    """`scf.for(lower, upper, step, init...)`: runs `iv = lower; iv < upper (signed); iv += step`, carrying
    values. `step` must be positive.
    """

    name = "scf.for"
    regions = 1

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        bounds = operands[:3]
        if len(bounds) != 3 or not is_int(bounds[0]) or any(t != bounds[0] for t in bounds):
            raise wrong_types(cls.name, "lower, upper and step of one integer or index type", bounds)
        return tuple(operands[3:])

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        carried = [v.type for v in op.operands[3:]]
        messages = single_block(op.regions[0], [op.operands[0].type, *carried], "scf.yield", "the loop body")
        return messages or same_types(
            terminator_types(op.regions[0]), carried, "values yielded by the loop body"
        )


@register
class If(LoopOp):
    """`scf.if(condition)`: a then region and an else region, which may be empty when there are no results."""

    name = "scf.if"
    regions = 2

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        if list(operands) != [i1]:
            raise wrong_types(cls.name, "one i1", operands)
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        results = [r.type for r in op.results]
        if results and not op.regions[1].blocks:
            return [f"{cls.name} with results must have an else region"]
        messages = []
        for region, what in zip(op.regions, ("the then region", "the else region"), strict=True):
            if what == "the else region" and not region.blocks:
                continue
            found = single_block(region, [], "scf.yield", what)
            messages += found or same_types(terminator_types(region), results, f"values yielded by {what}")
        return messages


@register
class While(LoopOp):
    """`scf.while(init...)`: the first region decides (`scf.condition`), the second is the body; results are
    what the last condition passed on.
    """

    name = "scf.while"
    regions = 2

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...] | None:
        return None

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        inits = [v.type for v in op.operands]
        results = [r.type for r in op.results]
        messages = single_block(op.regions[0], inits, "scf.condition", "the condition region")
        messages += single_block(op.regions[1], results, "scf.yield", "the body region")
        if messages:
            return messages
        messages += same_types(
            terminator_types(op.regions[0])[1:], results, "values passed on by the condition"
        )
        return messages + same_types(terminator_types(op.regions[1]), inits, "values yielded by the body")


@dataclass(frozen=True)
class ParallelAttrs(Attrs):
    operandSegmentSizes: DenseArrayAttr


@register
class Parallel(LoopOp):
    """`scf.parallel(lowers..., uppers..., steps...)`: iterations in any order, none reads what another
    writes.
    """

    name = "scf.parallel"
    attrs_type = ParallelAttrs
    regions = 1

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, ParallelAttrs)
        rank = len(operands) // 3
        if (
            rank == 0
            or any(t != index for t in operands)
            or attrs.operandSegmentSizes.values != (rank, rank, rank, 0)
        ):
            raise wrong_types(cls.name, "as many lower bounds as upper bounds as steps, all index", operands)
        return ()

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        return single_block(op.regions[0], [index] * (len(op.operands) // 3), "scf.reduce", "the loop body")
