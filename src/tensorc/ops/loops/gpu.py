"""`gpu`: a grid of blocks of threads. The kernel is the region of `gpu.launch`; it may use values from
outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorc.ir.attributes import DenseArrayAttr
from tensorc.ir.core import Operation
from tensorc.ir.definition import Attrs, register
from tensorc.ir.types import Type, index
from tensorc.ops.loops.base import TERMINATOR, LoopOp, single_block, wrong_types

SEGMENTS = (0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
"""`operandSegmentSizes` of a launch without asynchronous dependencies, clusters or shared memory."""


@dataclass(frozen=True)
class LaunchAttrs(Attrs):
    operandSegmentSizes: DenseArrayAttr
    workgroup_attributions: int = 0


@register
class Launch(LoopOp):
    """`gpu.launch(grid x, y, z, block x, y, z)`: runs its region once for each thread of each block.

    The region takes block ids, thread ids, grid sizes and block sizes (x, y, z each).
    """

    name = "gpu.launch"
    attrs_type = LaunchAttrs
    regions = 1

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        assert isinstance(attrs, LaunchAttrs)
        if list(operands) != [index] * 6 or attrs.operandSegmentSizes.values != SEGMENTS:
            raise wrong_types(cls.name, "three grid sizes and three block sizes, all index", operands)
        return ()

    @classmethod
    def verify(cls, op: Operation) -> list[str]:
        return single_block(op.regions[0], [index] * 12, Terminator.name, "the kernel")


@register
class Terminator(LoopOp):
    """`gpu.terminator`: ends the region of `gpu.launch`."""

    name = "gpu.terminator"
    traits = TERMINATOR

    @classmethod
    def infer(cls, operands: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
        if operands:
            raise wrong_types(cls.name, "no operands", operands)
        return ()
