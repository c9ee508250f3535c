"""Copying IR: operations, regions and functions with a mapping of values, and inlining a function at a
call. Iterative.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.ir.builtin import Return, body
from tensorc.ir.core import Block, Operation, Region, Value
from tensorc.ir.location import NamedLocation


def clone_op(op: Operation, mapping: dict[Value, Value] | None = None) -> Operation:
    """A detached copy of `op` and everything inside it.

    Operands found in `mapping` are replaced, others stay; `mapping` is extended by the new results and block
    arguments.
    """
    values: dict[Value, Value] = {} if mapping is None else mapping
    copy = _shallow(op, values)
    todo = [(op, copy)]
    while todo:
        source, target = todo.pop()
        pairs: list[tuple[Operation, Operation]] = []
        for region in source.regions:
            target_region = _empty(region, values)
            target_region.parent = target
            target.regions.append(target_region)
            for block, target_block in zip(region.blocks, target_region.blocks, strict=True):
                for inner in block:
                    inner_copy = _shallow(inner, values)
                    target_block.append(inner_copy)
                    if inner.regions:
                        pairs.append((inner, inner_copy))
        todo.extend(reversed(pairs))
    return copy


def clone_region(region: Region, mapping: dict[Value, Value] | None = None) -> Region:
    """A copy of a region without parent; `mapping` as in `clone_op`."""
    values: dict[Value, Value] = {} if mapping is None else mapping
    copy = _empty(region, values)
    for block, target in zip(region.blocks, copy.blocks, strict=True):
        for op in block:
            target.append(clone_op(op, values))
    return copy


def clone_into(
    source: Block,
    arguments: Sequence[Value],
    target: Block,
    anchor: Operation | None = None,
    *,
    named: str | None = None,
) -> list[Value]:
    """Copy the operations of a block, without its terminator, before `anchor` in `target` (at its end when
    None).

    `arguments` stand for the block's arguments. Returns what stands for the terminator's operands. `named`
    wraps the locations of the copies: `loc("named"(...))`. Raises ValueError when the number or types of the
    arguments differ.
    """
    if [a.type for a in source.args] != [v.type for v in arguments]:
        raise ValueError("the arguments do not have the types of the block's arguments")
    terminator = source.terminator
    values: dict[Value, Value] = dict(zip(source.args, arguments, strict=True))
    for op in source:
        if op is terminator:
            break
        copy = clone_op(op, values)
        if named is not None:
            copy.location = NamedLocation(named, copy.location)
        target.insert_before(copy, anchor)
    return [values.get(v, v) for v in terminator.operands]


def inline_call(call: Operation, function: Operation) -> None:
    """Replace a `func.call` by a copy of the function's body.

    Raises ValueError on a declaration, or when the body does not end in `func.return`.
    """
    block = body(function)
    if block.last is None or not block.last.isa(Return):
        raise ValueError("the function's body does not end in func.return")
    assert call.block is not None
    results = clone_into(block, call.operands, call.block, call)
    for result, value in zip(call.results, results, strict=True):
        result.replace_all_uses_with(value)
    call.erase()


def _empty(region: Region, values: dict[Value, Value]) -> Region:
    """A region with the same blocks and arguments, without operations."""
    copy = Region()
    for block in region.blocks:
        target = copy.add_block(Block([a.type for a in block.args], [a.location for a in block.args]))
        values.update(zip(block.args, target.args, strict=True))
    return copy


def _shallow(op: Operation, values: dict[Value, Value]) -> Operation:
    """A copy without regions."""
    copy = Operation(
        op.name,
        op.definition,
        [values.get(v, v) for v in op.operands],
        [r.type for r in op.results],
        dict(op.attributes),
        (),
        op.location,
        op._attrs,
    )
    values.update(zip(op.results, copy.results, strict=True))
    return copy
