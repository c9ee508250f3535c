"""Running a loop-level function, by its ABI (docs/design/architecture.md, section 6), in the interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tensorc.cli.errors import wrong_file
from tensorc.cli.levels import bind
from tensorc.interp.loop_memory import LoopError
from tensorc.interp.loops import LoopInterpreter
from tensorc.ir.builtin import function_type, lookup
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.types import MemRefType, Type, i32, i64, index
from tensorc.ops.loops.base import numpy_dtype
from tensorc.passes import sites

if TYPE_CHECKING:
    from tensorc.ir.core import Operation

Array = np.ndarray[Any, np.dtype[Any]]
_OK, _FAILED, _ASSUMPTION = 0, 1, 2
_CELL: Final = MemRefType((4,), i64)
_LARGEST: Final = 1 << 40


class LoopRunner:
    """`@NAME` of a loop-level module as a callable: arrays in, arrays out.

    `@NAME_shapes` says how large the outputs are. Raises TensorcValueError where the module does not keep to
    the ABI and for whatever the interpreter finds wrong with the code, at the op.
    """

    def __init__(self, module: Operation, name: str, max_steps: int) -> None:
        self.module, self.name = module, name
        self._interpreter = LoopInterpreter(module, max_steps=max_steps)
        self._main, self._shapes = _function(module, name), _function(module, f"{name}_shapes")
        _check_abi(name, self._main, self._shapes)

    def __call__(self, given: Sequence[Array]) -> list[Array]:
        parameters = function_type(self._main).inputs
        inputs = len(function_type(self._shapes).inputs) - 2
        types = parameters[:inputs]
        values = bind(self._main, types, given)
        arguments = [
            _scalar(a, t, f"argument {k} of @{self.name}")
            for k, (a, t) in enumerate(zip(values, types, strict=True))
        ]
        outputs = self._outputs(arguments, parameters[inputs:-1])
        cell = np.zeros(4, np.int64)
        code = self._call(self.name, [*arguments, *outputs, cell], inputs)
        self._check(code, cell)
        return outputs

    def _outputs(self, arguments: Sequence[Any], types: Sequence[Type]) -> list[Array]:
        memrefs = [t for t in types if isinstance(t, MemRefType)]
        extents, cell = np.zeros(sum(t.rank for t in memrefs), np.int64), np.zeros(4, np.int64)
        code = self._call(f"{self.name}_shapes", [*arguments, cell, extents], len(arguments))
        self._check(code, cell)
        outputs, first = [], 0
        for type in memrefs:
            shape = tuple(int(n) for n in extents[first : first + type.rank])
            first += type.rank
            if any(n < 0 for n in shape) or np.prod([float(n) for n in shape]) > _LARGEST:
                raise TensorcValueError(
                    f"@{self.name}_shapes gives an output the shape {list(shape)}", code="TC0904"
                )
            outputs.append(np.zeros(shape, numpy_dtype(type.element)))
        return outputs

    def _call(self, name: str, arguments: Sequence[Any], read_only: int) -> int:
        try:
            return int(self._interpreter.call(name, arguments, read_only))
        except LoopError as error:
            place = None if error.op is None else error.op.location
            subject = f"@{self.name}" if error.op is None else error.op.name
            raise TensorcValueError(f"{subject}: {error.what}", code="TC0904", location=place) from None
        except ValueError as error:
            raise TensorcValueError(str(error), code="TC0904") from None

    def _check(self, code: int, cell: Array) -> None:
        if code == _OK:
            return
        if code == _FAILED:
            found = {site.number: site for site in sites.collect(self.module)}.get(int(cell[0]))
            if found is not None:
                raise found.error(int(cell[1]), int(cell[2]))
        if code == _ASSUMPTION:
            raise TensorcValueError(
                f"@{self.name} is a specialised body and these arguments do not fit its assumptions",
                code="TC0904",
                help="lower without the pass specialize (pipeline O0) for a body that takes every argument",
            )
        raise TensorcValueError(f"@{self.name} returned {code}, error cell {cell.tolist()}", code="TC0904")


def _function(module: Operation, name: str) -> Operation:
    found = lookup(module, name)
    if found is None or not found.regions[0].blocks:
        raise wrong_file(
            f"there is no function @{name} with a body",
            "a loop-level function @f comes with @f_shapes, which computes the extents of its outputs",
        )
    return found


def _check_abi(name: str, main: Operation, shapes: Operation) -> None:
    first, second = function_type(main), function_type(shapes)
    inputs = len(second.inputs) - 2
    kept = (
        inputs >= 0
        and first.results == second.results == (i32,)
        and second.inputs == (*first.inputs[:inputs], _CELL, MemRefType((None,), index))
        and first.inputs[-1:] == (_CELL,)
        and len(first.inputs) > inputs
        and all(isinstance(t, MemRefType) for t in first.inputs[inputs:])
    )
    if not kept:
        raise TensorcTypeError(
            f"@{name}{first} and @{name}_shapes{second} are not a pair of loop-level functions",
            code="TC0904",
            location=main.location,
            help="they are @f(inputs, outputs, error: memref<4xi64>) -> i32 and "
            "@f_shapes(inputs, error: memref<4xi64>, extents: memref<?xindex>) -> i32",
        )


def _scalar(array: Array, type: Type, what: str) -> Any:
    if isinstance(type, MemRefType):
        return array
    if array.ndim or array.dtype.kind not in "biu":
        raise TensorcTypeError(
            f"{what}: needs a 0-d integer array, got {array.dtype}{list(array.shape)}", code="TC0281"
        )
    return int(array)
