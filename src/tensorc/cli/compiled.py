"""Tensor functions of a file as compiled functions: what `tc.function` does, from text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tensorc.api.arguments import Parameter
from tensorc.api.build import Build
from tensorc.api.function import compile_program
from tensorc.api.modes import as_mode
from tensorc.api.program import Outputs, Program
from tensorc.api.trace import Traced
from tensorc.cli.levels import name_of, parameter_name
from tensorc.ir.attributes import StringAttr
from tensorc.ir.builtin import Call, function_type, functions
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.types import TensorType
from tensorc.ops.dtypes import ALL
from tensorc.ops.index import Assume
from tensorc.passes import manager

if TYPE_CHECKING:
    from tensorc.cli.arrays import Array

_SYMBOL = re.compile(r"[A-Za-z_$.][\w$.-]*", re.ASCII)


def program_of(module: Operation, function: Operation) -> Program:
    """A function of a module, its calls inlined, as a program whose every parameter is an argument."""
    kind = function_type(function)
    for type in (*kind.inputs, *kind.results):
        if not isinstance(type, TensorType) or type.element not in ALL:
            raise TensorcTypeError(
                f"@{name_of(function)} has a parameter or result of type {type}, which machine code has not",
                code="TC0906",
                location=function.location,
                help=f"it has tensors of {', '.join(map(str, ALL))}; --mode interp may run others",
            )
    if any(op.isa(Call) for op in function.walk()):
        module = clone_op(module)
        manager.run(module, "inline")
        function = next(f for f in functions(module) if name_of(f) == name_of(function))
    name = name_of(function)
    if _SYMBOL.fullmatch(name) is None:  # MLIR takes any string, an object file does not
        name, function = "main", clone_op(function)
        function.set_attribute("sym_name", StringAttr(name))
    parameters = tuple(
        Parameter(parameter_name(function, k), t)
        for k, t in enumerate(kind.inputs)
        if isinstance(t, TensorType)
    )
    traced = Traced(function, (), (), ())
    return Program(name, parameters, Outputs("list"), len(kind.results), (), traced, ())


def build_of(module: Operation, function: Operation, mode: str) -> Build:
    """The stages of a function in a mode."""
    return Build(program_of(module, function), as_mode(mode))


def compile_function(module: Operation, function: Operation, mode: str) -> Any:
    """Machine code for a function: a callable from arrays to a list of arrays.

    Raises TensorcValueError for a specialised function: where an assumption fails, no other body can answer.
    """
    for op in function.walk():
        if op.isa(Assume):
            raise TensorcValueError(
                f"@{name_of(function)} is specialised: compiled by itself, it could not answer every call",
                code="TC0906",
                location=op.location,
                help="run it with --mode interp, or run the text before the pass specialize",
            )
    compiled = compile_program(program_of(module, function), as_mode(mode))

    def call(*arrays: Array) -> list[Array]:
        return list(compiled(*arrays))

    return call
