"""Builds functions out of registry samples: what the contract tests share. No op is named here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tensorc.ops
from tensorc.interp.tensor import run
from tensorc.ir import builtin
from tensorc.ir.builder import Builder
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import REGISTRY
from tensorc.ir.types import FloatType, TensorType, Type, i1, index
from tensorc.ops import emit
from tensorc.ops.base import OpDef, Sample
from tensorc.ops.dtypes import from_dtype

assert tensorc.ops
OPS: list[type[OpDef]] = sorted((d for d in REGISTRY.values() if issubclass(d, OpDef)), key=lambda d: d.name)
DIFFERENTIABLE = [d for d in OPS if d.not_differentiable is None]


def type_of(operand: Any, dynamic: bool = False) -> Type:
    if isinstance(operand, bool):
        return i1
    if isinstance(operand, int):
        return index
    shape = (None,) * operand.ndim if dynamic else operand.shape
    return TensorType(shape, from_dtype(operand.dtype))


def function_of(definition: type[OpDef], sample: Sample, dynamic: bool = False) -> Operation:
    """A function of the sample's operands that returns the op's results (and nothing for an op that has
    none).
    """
    types = [type_of(x, dynamic) for x in sample.operands]
    results = definition.infer(types, sample.attrs)
    assert results is not None
    function = builtin.new_function("f", types, results)
    block = builtin.body(function)
    b = Builder.at_end(block)
    made = b.create(definition, block.args, sample.attrs)
    b.create_op(builtin.Return, made)
    return function


def float_operands(sample: Sample) -> list[int]:
    return [
        k for k, x in enumerate(sample.operands) if isinstance(type_of(x), TensorType) and x.dtype.kind == "f"
    ]


def fits(cotangent: Type, primal: Type) -> bool:
    """A cotangent has its primal's type, but may know more extents."""
    assert isinstance(cotangent, TensorType)
    assert isinstance(primal, TensorType)
    pairs = zip(cotangent.shape, primal.shape, strict=True)
    return cotangent.element == primal.element and all(None in p or p[0] == p[1] for p in pairs)


def backward(b: Builder, block_ops: Sequence[Operation], seeds: dict[Value, Value]) -> dict[Value, Value]:
    """Reverse mode over straight-line ops by their vjp rules; cotangents by value."""
    cotangents = dict(seeds)
    for op in reversed(block_ops):
        definition = op.definition
        if not any(r in cotangents for r in op.results):
            continue
        assert definition is not None
        assert issubclass(definition, OpDef), op.name
        assert definition.not_differentiable is None, op.name
        given = [cotangents.get(r) or emit.zeros_like(b, r) for r in op.results]
        found = definition.vjp(b, op, given)
        assert len(found) == len(op.operands), op.name
        for operand, c in zip(op.operands, found, strict=True):
            if c is None or not isinstance(emit.element(operand), FloatType):
                continue
            assert fits(c.type, operand.type), (op.name, c.type, operand.type)
            cotangents[operand] = emit.add(b, cotangents[operand], c) if operand in cotangents else c
    return cotangents


class Derivative:
    """f and its derivatives at a sample, as functions of arrays, built once: forward, vjp, jvp (by
    transposing the vjp), and vjp of the vjp.
    """

    def __init__(self, definition: type[OpDef], sample: Sample, dynamic: bool = False) -> None:
        self.definition, self.sample = definition, sample
        self.wrt = float_operands(sample)
        self.types = [type_of(x, dynamic) for x in sample.operands]
        self.result = definition.infer(self.types, sample.attrs)[0]  # type: ignore[index]
        assert isinstance(self.result, TensorType)
        self.forward = function_of(definition, sample, dynamic)

    def _start(self, extra: Sequence[Type]) -> tuple[Operation, Builder, list[Value], Operation]:
        function = builtin.new_function("g", [*self.types, *extra], [])
        block = builtin.body(function)
        b = Builder.at_end(block)
        args: list[Value] = list(block.args)
        op = b.create_op(self.definition, args[: len(self.types)], self.sample.attrs)
        return function, b, args, op

    @staticmethod
    def _end(function: Operation, b: Builder, results: Sequence[Value]) -> Operation:
        b.create_op(builtin.Return, results)
        builtin.set_signature(
            function, [a.type for a in builtin.body(function).args], [r.type for r in results]
        )
        return function

    def _gradients(self, b: Builder, op: Operation, args: Sequence[Value], seed: Value) -> list[Value]:
        cotangents = backward(b, [op], {op.result: seed})
        return [cotangents.get(args[k]) or emit.zeros_like(b, args[k]) for k in self.wrt]

    def vjp(self) -> Operation:
        """(operands, c) -> one cotangent for each float operand."""
        function, b, args, op = self._start([self.result])
        return self._end(function, b, self._gradients(b, op, args, args[-1]))

    def jvp(self) -> Operation:
        """(operands, c, tangents) -> the tangent of the result: the vjp is linear in c, so its transpose."""
        function, b, args, op = self._start([self.result, *(self.types[k] for k in self.wrt)])
        c, tangents = args[len(self.types)], args[len(self.types) + 1 :]
        gradients = self._gradients(b, op, args, c)
        ops = list(builtin.body(function))
        seeds: dict[Value, Value] = {}
        for g, t in zip(gradients, tangents, strict=True):
            seeds[g] = emit.add(b, seeds[g], t) if g in seeds else t
        cotangents = backward(b, ops, seeds)
        return self._end(function, b, [cotangents.get(c) or emit.zeros_like(b, c)])

    def second(self) -> Operation:
        """(operands, c, tangents) -> gradient of <vjp(operands, c), tangents> with respect to the float
        operands.
        """
        function, b, args, op = self._start([self.result, *(self.types[k] for k in self.wrt)])
        c, tangents = args[len(self.types)], args[len(self.types) + 1 :]
        gradients = self._gradients(b, op, args, c)
        ops = list(builtin.body(function))
        seeds: dict[Value, Value] = {}
        for g, t in zip(gradients, tangents, strict=True):
            seeds[g] = emit.add(b, seeds[g], t) if g in seeds else t
        cotangents = backward(b, ops, seeds)
        return self._end(
            function, b, [cotangents.get(args[k]) or emit.zeros_like(b, args[k]) for k in self.wrt]
        )


def perturbed(operands: Sequence[Any], wrt: Sequence[int], tangents: Sequence[Any], step: float) -> list[Any]:
    moved = list(operands)
    for k, t in zip(wrt, tangents, strict=True):
        moved[k] = moved[k] + step * t
    return moved


def central(
    f: Callable[[Sequence[Any]], list[Any]],
    operands: Sequence[Any],
    wrt: Sequence[int],
    tangents: Sequence[Any],
) -> list[Any]:
    """Central differences with Richardson's correction: error of order step**4."""
    found = []
    for step in (1e-3, 5e-4):
        high, low = f(perturbed(operands, wrt, tangents, step)), f(perturbed(operands, wrt, tangents, -step))
        found.append([(h - lo) / (2 * step) for h, lo in zip(high, low, strict=True)])
    return [(4 * fine - coarse) / 3 for coarse, fine in zip(*found, strict=True)]


def random_like(x: Any, seed: int) -> Any:
    return np.asarray(np.random.default_rng(seed).uniform(-1, 1, np.shape(x)))


def evaluate(function: Operation, args: Sequence[Any]) -> list[Any]:
    return run(function, args)


def label(definition: type[OpDef]) -> str:
    return definition.name.removeprefix("tensorc.")
