"""`autodiff`: reverse-mode derivatives of a function, by the `vjp` rules of its ops in reverse order.

Three things that are not the same:

- *disconnected*: the result does not depend on the argument at all, or only through its shape, or behind
  `stop_gradient`;
- *zero*: it depends, but nothing flows: through comparisons, integers, `zero_grad`, a branch not taken;
- *undefined*: a gradient arrives at an op that has none. An error that names the op, its place and the
  reason.

Forward mode is reverse mode applied twice (`jvp`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from tensorc.ir import builtin
from tensorc.ir.attributes import Attribute
from tensorc.ir.builder import Builder
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation, Value
from tensorc.ir.errors import TensorcTypeError, TensorcValueError
from tensorc.ir.location import NamedLocation
from tensorc.ir.types import FloatType, TensorType
from tensorc.ops import emit
from tensorc.ops.base import OpDef
from tensorc.ops.gradients import StopGradient
from tensorc.passes import manager, pipelines

SEEDS = ("one", "argument")


@dataclass(frozen=True)
class Autodiff:
    """Append the gradients of the results of every function with a body, with respect to the arguments `wrt`.

    wrt       numbers of float arguments; one gradient each, in this order, zeros where nothing flows
    seed      `one`: there is one differentiated result, a float scalar, whose own cotangent is 1; `argument`:
              the cotangents of the results are
              further arguments, after the others
    results   numbers of the results to differentiate (default: all that are floats)
    only      return the gradients without the original results
    """

    name: ClassVar[str] = "autodiff"
    wrt: tuple[int, ...] = (0,)
    seed: str = "one"
    results: tuple[int, ...] = ()
    only: bool = False

    def run(self, module: Operation) -> None:
        if self.seed not in SEEDS:
            raise TensorcValueError(
                f"autodiff: seed={self.seed} is neither {' nor '.join(SEEDS)}", code="TC0510"
            )
        for function in builtin.functions(module):
            if function.regions[0].blocks:
                differentiate(function, self.wrt, seed=self.seed, results=self.results, only=self.only)


@dataclass(frozen=True)
class Derived:
    """A function of gradients, and for each wanted argument whether the results depend on it."""

    func: Operation
    connected: tuple[bool, ...]


def gradient_function(function: Operation, wrt: Sequence[int], *, seeded: bool = False) -> Derived:
    """The gradients of `function` (left as it is) by the pipeline `GRAD`.

    The new function takes the same arguments, and with `seeded` a cotangent for every float result; it
    returns the gradients of the connected arguments of `wrt`, in order. Raises as `differentiate`.
    """
    module = builtin.new_module()
    copy = clone_op(function)
    module.regions[0].block.append(copy)
    manager.run(module, "inline", QUIET)
    links = connected(copy, wrt)
    wanted = tuple(number for number, linked in zip(wrt, links, strict=True) if linked)
    before, after = pipelines.GRAD_BEFORE, pipelines.GRAD_AFTER
    manager.run(module, before, QUIET)
    differentiate(copy, wanted, seed="argument" if seeded else "one", only=True)
    manager.run(module, after, QUIET)
    copy.detach()
    return Derived(copy, links)


QUIET = manager.Options(reproducer=False)


def connected(function: Operation, wrt: Sequence[int], results: Sequence[int] = ()) -> tuple[bool, ...]:
    """For each argument of `wrt`, whether a result (of `results`, or any float one) depends on its value."""
    block = builtin.body(function)
    targets = _differentiated(function, results)
    reached: set[Value] = set(targets)
    # Backwards: what the results depend on.
    for op in reversed(list(block)):
        if any(result in reached for result in op.results) and not op.isa(StopGradient):
            reached.update(v for v in op.operands if isinstance(v.type, TensorType))
    return tuple(block.args[number] in reached for number in wrt)


def differentiate(
    function: Operation,
    wrt: Sequence[int],
    *,
    seed: str = "one",
    results: Sequence[int] = (),
    only: bool = False,
) -> None:
    """Change `function` so that it returns gradients too (`only`: alone); see `Autodiff` for the options.

    Raises TensorcTypeError (TC0511) when an argument or result is not a float tensor, or without seeds not a
    scalar; TensorcTypeError (TC0512) naming the op when a gradient arrives at one that has none;
    TensorcValueError (TC0510) for numbers out of range.
    """
    block = builtin.body(function)
    outputs = _differentiated(function, results)
    inputs = [_argument(function, number) for number in wrt]
    returned = block.terminator
    b = Builder.before(returned)
    cotangents: dict[Value, Value] = {}
    if seed == "one" and len(outputs) != 1:
        raise TensorcTypeError(
            f"autodiff: @{builtin.symbol_name(function)} has {len(outputs)} float results, not one",
            code="TC0511",
            location=function.location,
            help="choose one with results=..., or give cotangents with seed=argument",
        )
    for output in outputs:
        _accumulate(b, cotangents, output, _seed(function, b, output, seed))
    _propagate(b, block_ops(function), _active(function, inputs), cotangents)
    gradients = [cotangents.get(x) or emit.zeros_like(b, x) for x in inputs]
    returned.set_operands([*([] if only else returned.operands), *gradients])
    _update_signature(function)


def block_ops(function: Operation) -> list[Operation]:
    """The ops of a function's body without its return."""
    return list(builtin.body(function))[:-1]


def _differentiated(function: Operation, results: Sequence[int]) -> list[Value]:
    returned = list(builtin.body(function).terminator.operands)
    for number in results:
        if not 0 <= number < len(returned):
            raise TensorcValueError(
                f"autodiff: there is no result {number}, the function has {len(returned)}", code="TC0510"
            )
        _check_float(f"result {number}", returned[number], function)
    return [returned[number] for number in results] if results else [v for v in returned if _is_float(v)]


def _argument(function: Operation, number: int) -> Value:
    args = builtin.body(function).args
    if not 0 <= number < len(args):
        raise TensorcValueError(
            f"autodiff: there is no argument {number}, the function has {len(args)}", code="TC0510"
        )
    _check_float(f"argument {number}", args[number], function)
    return args[number]


def _is_float(value: Value) -> bool:
    return isinstance(value.type, TensorType) and isinstance(value.type.element, FloatType)


def _check_float(what: str, value: Value, function: Operation) -> None:
    if not _is_float(value):
        raise TensorcTypeError(
            f"autodiff: {what} of @{builtin.symbol_name(function)} is {value.type}, not a float tensor",
            code="TC0511",
            location=function.location,
        )


def _seed(function: Operation, b: Builder, output: Value, seed: str) -> Value:
    type = cast(TensorType, output.type)
    if seed == "argument":
        return builtin.body(function).add_argument(type, function.location)
    if type.rank:
        raise TensorcTypeError(
            f"autodiff: the result to differentiate is {type}, not a scalar",
            code="TC0511",
            location=output.owner.location if output.owner is not None else function.location,
            help="reduce it first, or give cotangents with seed=argument",
        )
    return emit.ones_like(b, output)


def _active(function: Operation, inputs: Sequence[Value]) -> set[Value]:
    """The float values that depend on `inputs`: only they need cotangents."""
    active: set[Value] = set(inputs)
    for op in block_ops(function):
        if any(v in active for v in op.operands) and not op.isa(StopGradient):
            active.update(r for r in op.results if _is_float(r))
    return active


def _propagate(
    b: Builder, ops: Sequence[Operation], active: set[Value], cotangents: dict[Value, Value]
) -> None:
    """Carry cotangents from results to operands, last op first."""
    for op in reversed(ops):
        arrived = [cotangents.pop(r, None) for r in op.results]
        if all(g is None for g in arrived) or not any(v in active for v in op.operands):
            continue
        with b.located(NamedLocation(f"vjp({_short(op)})", op.location)):
            given = [
                g if g is not None else emit.zeros_like(b, r)
                for g, r in zip(arrived, op.results, strict=True)
            ]
            for operand, part in zip(op.operands, _vjp(b, op, given), strict=True):
                if part is not None and operand in active:
                    _accumulate(b, cotangents, operand, part)


def _vjp(b: Builder, op: Operation, cotangents: Sequence[Value]) -> Sequence[Value | None]:
    definition = op.definition
    try:
        if definition is not None and issubclass(definition, OpDef):
            return definition.vjp(b, op, cotangents)
    except NotImplementedError:
        pass
    reason = getattr(definition, "not_differentiable", None) or "it is no tensor op"
    raise TensorcTypeError(
        f"{_short(op)}: has no gradient: {reason}",
        code="TC0512",
        location=op.location,
        help="wrap it in stop_gradient(...) to treat it as a constant",
    )


def _accumulate(b: Builder, cotangents: dict[Value, Value], value: Value, part: Value) -> None:
    known = cotangents.get(value)
    cotangents[value] = part if known is None else emit.add(b, known, part)


def _short(op: Operation) -> str:
    return op.name.removeprefix("tensorc.")


def _update_signature(function: Operation) -> None:
    """Declare the arguments and results that the body now has."""
    block = builtin.body(function)
    old = len(builtin.function_type(function).inputs)
    attributes: list[dict[str, Attribute]] = [
        builtin.arg_attributes(function, number) if number < old else {} for number in range(len(block.args))
    ]
    types = [v.type for v in block.terminator.operands]
    builtin.set_signature(
        function, [a.type for a in block.args], types, attributes if any(attributes) else None
    )


def jvp(function: Operation, wrt: Sequence[int]) -> Operation:
    """Forward mode: a function of the same arguments and a tangent for each of `wrt`, that returns the
    tangents of the float results.

    The cotangents' gradient of the gradient (Christianson 1992; Townsend 2017): the vjp is linear in the
    cotangents, so its own vjp with respect to them, at any cotangents (here 0), is the jvp.
    """
    copy = clone_op(function)
    block = builtin.body(copy)
    outputs = _differentiated(copy, ())
    last = block.terminator.prev
    first, stop = len(block.args), len(block.args) + len(outputs)
    differentiate(copy, wrt, seed="argument", only=True)
    differentiate(copy, range(first, stop), seed="argument", only=True)
    b = Builder(block, block.first if last is None else last.next, function.location)
    for output in outputs:
        block.args[first].replace_all_uses_with(emit.zeros_like(b, output))
        block.erase_argument(first)
    _update_signature(copy)
    return copy
