"""Copying scalar bodies and regions."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.ir.builder import Builder
from tensorc.ir.core import Block, Operation, Region, Value


def clone_region(region: Region) -> Region:
    """A copy of a region that sees nothing outside itself."""
    return _clone(region, {})


def _clone(region: Region, mapping: dict[Value, Value]) -> Region:
    copied = Region()
    for block in region.blocks:
        new = copied.add_block(Block([a.type for a in block.args], [a.location for a in block.args]))
        mapping.update(zip(block.args, new.args, strict=True))
        for op in block:
            new.append(_copy(op, mapping))
    return copied


def _copy(op: Operation, mapping: dict[Value, Value]) -> Operation:
    regions = [_clone(r, mapping) for r in op.regions]  # nesting of regions, not of the graph
    types = [r.type for r in op.results]
    new = Operation(
        op.name, op.definition, [mapping.get(v, v) for v in op.operands], types, dict(op.attributes), regions, op.location
    )
    mapping.update(zip(op.results, new.results, strict=True))
    return new


def inline(b: Builder, block: Block, args: Sequence[Value]) -> list[Value]:
    """Copy a block's ops to `b` with its arguments replaced; returns the operands of its terminator."""
    mapping: dict[Value, Value] = dict(zip(block.args, args, strict=True))
    last = block.terminator
    for op in block:
        if op is not last:
            b.block.insert_before(_copy(op, mapping), b.anchor)
    return [mapping.get(v, v) for v in last.operands]
