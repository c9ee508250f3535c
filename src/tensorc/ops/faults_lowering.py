"""Faults that depend on data, at loop level: the access is clamped, and the error cell keeps the first site
and its smallest index.
"""

from __future__ import annotations

from tensorc.ir.attributes import StringAttr
from tensorc.ir.builtin import Func, arg_attributes, body
from tensorc.ir.core import Operation, Value
from tensorc.ir.types import i64
from tensorc.ops.loops import memref
from tensorc.ops.loops.builder import LoopBuilder

ERROR = "error"
"""`tensorc.kind` of the argument that is the error cell, `memref<4xi64>`: site (0: none), a, b, axis."""


def error_cell(b: LoopBuilder) -> Value:
    """The error cell of the function being built."""
    region = b.block.region
    op = None if region is None else region.parent
    while op is not None and not op.isa(Func):
        op = op.parent
    assert op is not None
    for arg in reversed(body(op).args):
        if arg_attributes(op, arg.index).get("tensorc.kind") == StringAttr(ERROR):
            return arg
    raise ValueError("the function has no error cell")


def record(b: LoopBuilder, op: Operation, bad: Value, a: Value, limit: Value, axis: Value) -> None:
    """Where `bad`, note the fault of `op` (`a`, `limit`, `axis`: index values) unless one is noted already.

    Call it in row-major order of the positions at fault: the first is kept.
    """
    cell = error_cell(b)
    with b.if_(bad), b.if_(b.cmpi("eq", b.load(cell, [0]), b.constant(0, i64))):
        number = op.attributes["tensorc.site"].value  # type: ignore[attr-defined]
        values = [b.constant(number, i64), *(b.index_cast(v, i64) for v in (a, limit, axis))]
        for place, value in enumerate(values):
            store = b.create_op(memref.Store, [value, cell, b.index(place)])
            for key, attribute in op.attributes.items() if place == 0 else ():
                if key.startswith("tensorc."):
                    store.set_attribute(key, attribute)
