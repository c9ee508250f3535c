"""Runs a tensor function on NumPy arrays through the op classes' references.

Shapes are checked by running inference again on the actual shapes, so a wrong program fails here with the
same words as at compile time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tensorc.ir import builtin
from tensorc.ir.attributes import ArrayAttr, IntegerAttr, StringAttr
from tensorc.ir.core import Operation, Value
from tensorc.ir.errors import InternalError, TensorcError, TensorcTypeError, TensorcValueError
from tensorc.ir.types import IndexType, TensorType, Type, i1
from tensorc.ops.base import OpDef
from tensorc.ops.dtypes import from_dtype, to_dtype
from tensorc.ops.faults import fault
from tensorc.ops.loops.base import ScalarOp

Argument = npt.ArrayLike | int
Result = Any
After = Callable[[Operation, Sequence[Any], Sequence[Any]], Sequence[Any]]
"""Sees an op with the contents of its operands and results; gives the contents the results shall have."""


@dataclass
class _Frame:
    """A function call in progress: values by SSA value, and where the results go in the caller."""

    ops: Iterator[Operation]
    caller: Operation | None
    env: dict[Value, Any] = field(default_factory=dict)
    left: dict[Value, int] = field(default_factory=dict)

    def define(self, value: Value, content: Any) -> None:
        uses = sum(1 for _ in value.uses)
        if uses:
            self.env[value] = content
            self.left[value] = uses

    def take(self, values: Sequence[Value]) -> list[Any]:
        """The contents of operands; a value is dropped after its last use: long chains need little memory."""
        contents = [self.env[v] for v in values]
        for v in values:
            self.left[v] -= 1
            if not self.left[v]:
                del self.env[v], self.left[v]
        return contents


def run(function: Operation, args: Sequence[Argument], after: After | None = None) -> list[Result]:
    """The results of `function` (a `func.func` with a body) on arrays; `index` arguments and results are
    `int`. `after` may watch the values of every op, or change them, as the fuzzer's error analysis does.

    Raises TensorcTypeError for arguments of the wrong number, dtype or rank, and the op's own error, with its
    location, when a run-time check fails.
    """
    frame = _enter(function, args, None)
    stack: list[_Frame] = []
    with np.errstate(all="ignore"):
        while True:
            op = next(frame.ops, None)
            if op is None:
                raise InternalError(f"function @{builtin.symbol_name(function)} ends without func.return")
            if op.isa(builtin.Return):
                results = frame.take(op.operands)
                if frame.caller is None:
                    return results
                caller, frame = frame.caller, stack.pop()
                _define_all(frame, caller, results)
            elif op.isa(builtin.Call):
                stack.append(frame)
                frame = _enter(_callee(op), frame.take(op.operands), op)
            else:
                operands = frame.take(op.operands)
                contents = _evaluate(op, operands)
                _define_all(frame, op, contents if after is None else after(op, operands, contents))


def _define_all(frame: _Frame, op: Operation, contents: Sequence[Any]) -> None:
    for value, content in zip(op.results, contents, strict=True):
        frame.define(value, content)


def _callee(call: Operation) -> Operation:
    module: Operation | None = call
    while module is not None and not module.isa(builtin.Module):
        module = module.parent
    attrs = call.attrs
    assert isinstance(attrs, builtin.CallAttrs)
    found = None if module is None else builtin.lookup(module, attrs.callee.name)
    if found is None:
        raise TensorcValueError(
            f"func.call: there is no function @{attrs.callee.name}", code="TC0280", location=call.location
        )
    return found


def _enter(function: Operation, args: Sequence[Any], caller: Operation | None) -> _Frame:
    name = builtin.symbol_name(function)
    if not function.regions[0].blocks:
        raise TensorcValueError(
            f"@{name} is a declaration: it has no body to run", code="TC0280", location=function.location
        )
    block = builtin.body(function)
    if len(args) != len(block.args):
        raise TensorcTypeError(
            f"@{name} takes {len(block.args)} arguments, got {len(args)}",
            code="TC0281",
            location=function.location,
        )
    frame = _Frame(iter(block), caller)
    contents = [
        _argument(f"@{name}, argument {k}", a, v.type)
        for k, (a, v) in enumerate(zip(args, block.args, strict=True))
    ]
    _check_declared(function, contents)
    for value, content in zip(block.args, contents, strict=True):
        frame.define(value, content)
    return frame


def _argument(what: str, content: Any, type: Type) -> Any:
    if isinstance(type, IndexType):
        return int(content)
    if type == i1:
        return bool(content)
    if not isinstance(type, TensorType):
        raise TensorcTypeError(f"{what}: {type} is not a tensor-level type", code="TC0281")
    array = np.asarray(content)
    if array.dtype != to_dtype(type.element) or array.ndim != type.rank:
        raise TensorcTypeError(
            f"{what}: needs {type}, got {array.dtype} of shape {array.shape}", code="TC0281"
        )
    if any(want is not None and want != have for want, have in zip(type.shape, array.shape, strict=True)):
        raise TensorcValueError(f"{what}: needs {type}, got shape {array.shape}", code="TC0282")
    return array


def _check_declared(function: Operation, contents: Sequence[Any]) -> None:
    """Extents that `tensorc.dims` declares equal, by name or by number."""
    known: dict[str, int] = {}
    for number, content in enumerate(contents):
        dims = builtin.arg_attributes(function, number).get("tensorc.dims")
        if not isinstance(dims, ArrayAttr):
            continue
        for entry, extent in zip(dims, content.shape, strict=False):
            wanted = extent
            if isinstance(entry, StringAttr):
                wanted = known.setdefault(entry.value, extent)
            elif isinstance(entry, IntegerAttr):
                wanted = entry.value
            if wanted != extent:
                raise fault("declared", builtin.symbol_name(function) or "", wanted, extent).at(
                    function.location
                )


def _evaluate(op: Operation, operands: Sequence[Any]) -> Sequence[Any]:
    definition = op.definition
    try:
        if definition is not None and issubclass(definition, OpDef):
            return _tensor_op(op, definition, operands)
        if definition is not None and issubclass(definition, ScalarOp):
            return [_scalar_op(op, definition, operands)]
    except TensorcError as error:
        raise error.at(op.location) from None
    raise TensorcTypeError(
        f"the tensor interpreter does not run {op.name}", code="TC0283", location=op.location
    )


def _tensor_op(op: Operation, definition: type[OpDef], operands: Sequence[Any]) -> Sequence[Any]:
    # Inference on the actual shapes is the check of every shape fact that was unknown when the op was built.
    definition.infer(
        [_actual(v.type, content) for v, content in zip(op.operands, operands, strict=True)], op.attrs
    )
    produced = definition.reference(op.attrs, *operands)
    contents = produced if isinstance(produced, tuple) else (produced,)
    return [_result(op, v.type, content) for v, content in zip(op.results, contents, strict=True)]


def _actual(type: Type, content: Any) -> Type:
    if not isinstance(type, TensorType):
        return type
    return TensorType(content.shape, from_dtype(content.dtype))


def _result(op: Operation, type: Type, content: Any) -> Any:
    if isinstance(type, IndexType):
        return int(content)
    assert isinstance(type, TensorType)
    array = np.asarray(content)
    fits = array.ndim == type.rank and all(
        w is None or w == h for w, h in zip(type.shape, array.shape, strict=True)
    )
    if not fits or array.dtype != to_dtype(type.element):
        raise InternalError(
            f"{op.name}: the reference gave {array.dtype}{list(array.shape)} where inference promised {type}"
        )
    return array


def _scalar_op(op: Operation, definition: type[ScalarOp], operands: Sequence[Any]) -> int | bool:
    xs = [np.bool_(x) if isinstance(x, bool) else np.int64(x) for x in operands]
    if not np.all(definition.defined(op.attrs, op.result.type, *xs)):
        raise TensorcValueError(
            f"{op.name} is not defined for {', '.join(map(str, operands))}", code="TC0284"
        )
    content = definition.evaluate(op.attrs, op.result.type, *xs)
    return bool(content) if op.result.type == i1 else int(content)
