"""Programs on integers, truth values and extents as terms of Z3, and proofs that two of them agree on every
input.

The meaning of each op is written down here a second time, from NumPy's documentation and MLIR's, and not
taken from the op classes. A tensor is two elements at any two places of it, together with its extents: enough
for elementwise ops, for views, and for reductions, which are taken to be of these two; anything else raises
`Unsupported`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import z3

from tensorc.ir import builtin
from tensorc.ir.attributes import BoolAttr, IntegerAttr
from tensorc.ir.core import BlockArgument, Operation, Value
from tensorc.ir.types import IndexType, IntegerType, ScalarType, TensorType, Type, i1
from tensorc.ops.families import Pointwise

LARGEST_EXTENT = 2**40
"""Extents are taken to be from 0 to this; indices beyond memory are no extents."""


class Unsupported(Exception):
    """A program that is not of integers, or has ops without a meaning here."""


@dataclass
class Tensor:
    """The elements at two places, and the extents as 64-bit terms."""

    elements: tuple[Any, ...]
    extents: tuple[Any, ...]


@dataclass
class Meaning:
    """What a function computes: its results, when it fails with an error of its own, and when it is
    undefined (a division of loops by zero).
    """

    results: list[Any] = field(default_factory=list)
    fails: list[Any] = field(default_factory=list)
    undefined: list[Any] = field(default_factory=list)


def width(type: Type) -> int:
    if isinstance(type, IndexType):
        return 64
    if isinstance(type, IntegerType):
        return type.width
    raise Unsupported(f"{type} is no type of integers")


def variable(name: str, type: Type) -> Any:
    return z3.Bool(name) if type == i1 else z3.BitVec(name, width(type))


def number(value: Any, type: Type) -> Any:
    return z3.BoolVal(bool(value)) if type == i1 else z3.BitVecVal(int(value), width(type))


def is_signed(type: ScalarType) -> bool:
    return isinstance(type, IntegerType) and not type.unsigned


# --- scalar arithmetic: MLIR's `arith` ----------------------------------------------------------------------


def _logic(bits: Callable[[Any, Any], Any], bools: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: bools(a, b) if z3.is_bool(a) else bits(a, b)


def divide(a: Any, b: Any, signed: bool = True) -> Any:
    """The quotient towards zero."""
    return a / b if signed else z3.UDiv(a, b)


def rest(a: Any, b: Any, signed: bool = True) -> Any:
    """The remainder that goes with it."""
    return z3.SRem(a, b) if signed else z3.URem(a, b)


def any_divide(a: Any, b: Any, signed: bool = True) -> Any:
    """Any function in place of `divide`: what holds for it holds for the quotient, and is found at once."""
    return z3.Function(f"quotient {signed} {a.size()}", a.sort(), a.sort(), a.sort())(a, b)


def any_rest(a: Any, b: Any, signed: bool = True) -> Any:
    """Any function with a rest of 0 by 1, in place of `rest`."""
    some = z3.Function(f"rest {signed} {a.size()}", a.sort(), a.sort(), a.sort())(a, b)
    return z3.If(b == 1, a - a, some)


ARITH: dict[str, Callable[[Any, Any], Any]] = {
    "addi": lambda a, b: a + b,
    "subi": lambda a, b: a - b,
    "muli": lambda a, b: a * b,
    "divsi": lambda a, b: divide(a, b),
    "remsi": lambda a, b: rest(a, b),
    "divui": lambda a, b: divide(a, b, False),
    "remui": lambda a, b: rest(a, b, False),
    "floordivsi": lambda a, b: floor_divide(a, b),
    "ceildivsi": lambda a, b: floor_divide(a, b) + z3.If(rest(a, b) != 0, one(a), a - a),
    "maxsi": lambda a, b: z3.If(a > b, a, b),
    "minsi": lambda a, b: z3.If(a < b, a, b),
    "maxui": lambda a, b: z3.If(z3.UGT(a, b), a, b),
    "minui": lambda a, b: z3.If(z3.ULT(a, b), a, b),
    "andi": _logic(lambda a, b: a & b, z3.And),
    "ori": _logic(lambda a, b: a | b, z3.Or),
    "xori": _logic(lambda a, b: a ^ b, z3.Xor),
    "shli": lambda a, b: a << b,
    "shrsi": lambda a, b: a >> b,
    "shrui": lambda a, b: z3.LShR(a, b),
}
_DIVISIONS = ("divsi", "remsi", "floordivsi", "ceildivsi")
_COMPARE: tuple[Callable[[Any, Any], Any], ...] = (
    lambda a, b: a == b,
    lambda a, b: a != b,
    lambda a, b: a < b,
    lambda a, b: a <= b,
    lambda a, b: a > b,
    lambda a, b: a >= b,
    z3.ULT,
    z3.ULE,
    z3.UGT,
    z3.UGE,
)


def one(a: Any) -> Any:
    return z3.BitVecVal(1, a.size())


def lowest(a: Any) -> Any:
    return z3.BitVecVal(1 << (a.size() - 1), a.size())


def floor_divide(a: Any, b: Any) -> Any:
    """Rounded down, for a divisor that is not 0."""
    q, r = divide(a, b), rest(a, b)
    return z3.If(z3.And(r != 0, (r < 0) != (b < 0)), q - 1, q)


def undefined(name: str, a: Any, b: Any) -> Any:
    """When `arith` gives no value."""
    if name in ("divui", "remui"):
        return b == 0
    if name in _DIVISIONS:
        return z3.Or(b == 0, z3.And(a == lowest(a), b == -1))
    if name in ("shli", "shrsi", "shrui"):
        return z3.UGE(b, z3.BitVecVal(b.size(), b.size()))
    return z3.BoolVal(False)


def _resize(x: Any, signed: bool, to: Type) -> Any:
    """An integer or truth value with another width."""
    if to == i1:
        return z3.Extract(0, 0, x) == 1
    bits = width(to)
    if z3.is_bool(x):
        return z3.If(x, z3.BitVecVal(-1 if signed else 1, bits), z3.BitVecVal(0, bits))
    if bits <= x.size():
        return z3.Extract(bits - 1, 0, x)
    return (z3.SignExt if signed else z3.ZeroExt)(bits - x.size(), x)


# --- elementwise ops: NumPy's functions ---------------------------------------------------------------------


def quotient(x: Any, y: Any, signed: bool) -> Any:
    """`numpy.floor_divide`: 0 by a zero divisor, the least integer by -1 stays."""
    if not signed:
        return z3.If(y == 0, y, divide(x, y, False))
    return z3.If(y == 0, y, z3.If(y == -1, -x, floor_divide(x, y)))


def remainder(x: Any, y: Any, signed: bool) -> Any:
    """`numpy.remainder`: the divisor's sign, 0 by a zero divisor."""
    if not signed:
        return z3.If(y == 0, y, rest(x, y, False))
    r = rest(x, y)
    return z3.If(z3.Or(y == 0, y == -1), x - x, z3.If(z3.And(r != 0, (r < 0) != (y < 0)), r + y, r))


def _shift(x: Any, y: Any, signed: bool, left: bool) -> Any:
    over = z3.UGE(y, z3.BitVecVal(y.size(), y.size()))
    if left:
        return z3.If(over, x - x, x << y)
    if not signed:
        return z3.If(over, x - x, z3.LShR(x, y))
    return z3.If(over, z3.If(x < 0, z3.BitVecVal(-1, x.size()), x - x), x >> y)


def _less(x: Any, y: Any, signed: bool) -> Any:
    if z3.is_bool(x):
        return z3.And(z3.Not(x), y)
    return x < y if signed else z3.ULT(x, y)


def _abs(x: Any, signed: bool) -> Any:
    return z3.If(x < 0, -x, x) if signed else x


def _sign(x: Any, signed: bool) -> Any:
    positive = z3.If(x == 0, x - x, one(x))
    return z3.If(x < 0, z3.BitVecVal(-1, x.size()), positive) if signed else positive


def _power(x: Any, y: Any, signed: bool) -> Any:
    exponent = z3.simplify(y)
    if not z3.is_bv_value(exponent) or exponent.as_long() > 3:
        raise Unsupported("powers other than 0 to 3")
    result = one(x)
    for _ in range(exponent.as_long()):
        result = result * x
    return result


TENSOR: dict[str, Callable[..., Any]] = {
    "add": lambda s, x, y: z3.Or(x, y) if z3.is_bool(x) else x + y,
    "sub": lambda s, x, y: x - y,
    "mul": lambda s, x, y: z3.And(x, y) if z3.is_bool(x) else x * y,
    "neg": lambda s, x: -x,
    "square": lambda s, x: x * x,
    "abs": lambda s, x: _abs(x, s),
    "sign": lambda s, x: _sign(x, s),
    "floor_div": lambda s, x, y: quotient(x, y, s),
    "mod": lambda s, x, y: remainder(x, y, s),
    "pow": lambda s, x, y: _power(x, y, s),
    "maximum": lambda s, x, y: z3.If(_less(x, y, s), y, x),
    "minimum": lambda s, x, y: z3.If(_less(y, x, s), y, x),
    "eq": lambda s, x, y: x == y,
    "ne": lambda s, x, y: x != y,
    "lt": lambda s, x, y: _less(x, y, s),
    "le": lambda s, x, y: z3.Not(_less(y, x, s)),
    "gt": lambda s, x, y: _less(y, x, s),
    "ge": lambda s, x, y: z3.Not(_less(x, y, s)),
    "where": lambda s, c, x, y: z3.If(c, x, y),
    "logical_and": lambda s, x, y: z3.And(x, y),
    "logical_or": lambda s, x, y: z3.Or(x, y),
    "logical_xor": lambda s, x, y: z3.Xor(x, y),
    "logical_not": lambda s, x: z3.Not(x),
    "bitwise_and": lambda s, x, y: ARITH["andi"](x, y),
    "bitwise_or": lambda s, x, y: ARITH["ori"](x, y),
    "bitwise_xor": lambda s, x, y: ARITH["xori"](x, y),
    "bitwise_not": lambda s, x: z3.Not(x) if z3.is_bool(x) else ~x,
    "left_shift": lambda s, x, y: _shift(x, y, s, True),
    "right_shift": lambda s, x, y: _shift(x, y, s, False),
}


def elementwise(name: str, elements: Sequence[ScalarType], result: ScalarType, *xs: Any) -> Any:
    """An elementwise op on generic elements."""
    width(result)
    if name == "cast":
        if result == i1:
            return xs[0] if z3.is_bool(xs[0]) else xs[0] != 0
        return _resize(xs[0], is_signed(elements[0]) and elements[0] != i1, result)
    if name not in TENSOR:
        raise Unsupported(f"tensorc.{name} has no meaning on integers")
    return TENSOR[name](is_signed(elements[-1]), *xs)


# --- programs -----------------------------------------------------------------------------------------------


class Reader:
    """Reads a function; arguments of one name are one input."""

    def __init__(self) -> None:
        self.meaning = Meaning()
        self.assumptions: list[Any] = []
        self._values: dict[Value, Any] = {}

    def read(self, function: Operation) -> Meaning:
        for arg in builtin.body(function).args:
            self._values[arg] = self._argument(arg)
        for op in builtin.body(function):
            if op.isa(builtin.Return):
                self.meaning.results = [self._values[v] for v in op.operands]
                break
            self._visit(op)
        return self.meaning

    def _argument(self, arg: BlockArgument) -> Any:
        if not isinstance(arg.type, TensorType):
            return variable(f"arg{arg.index}", arg.type)
        extents = []
        for axis, known in enumerate(arg.type.shape):
            name = f"extent of arg{arg.index} along {axis}"
            extents.append(z3.BitVec(name, 64) if known is None else z3.BitVecVal(known, 64))
        self.assumptions += [z3.And(e >= 0, e <= LARGEST_EXTENT) for e in extents]
        names = [f"arg{arg.index} {place}" for place in (("here", "there") if arg.type.rank else ("",))]
        elements = [variable(name.strip(), arg.type.element) for name in names]
        return Tensor((elements[0], elements[-1]), tuple(extents))

    def _visit(self, op: Operation) -> None:
        operands = [self._values[v] for v in op.operands]
        dialect, _, name = op.name.partition(".")
        if dialect == "arith":
            self._values[op.result] = self._arith(op, name, operands)
        elif op.definition is not None and issubclass(op.definition, Pointwise):
            types = [v.type.element for v in op.operands if isinstance(v.type, TensorType)]
            self._values[op.result] = Tensor(
                tuple(
                    elementwise(name, types, _element(op.result), *xs)
                    for xs in zip(*[x.elements for x in operands], strict=True)
                ),
                operands[0].extents,
            )
        else:
            made = self._other(op, name, operands)
            if op.results:
                self._values[op.result] = made

    def _arith(self, op: Operation, name: str, operands: list[Any]) -> Any:
        attrs: Any = op.attrs
        if name == "constant":
            assert isinstance(attrs.value, IntegerAttr | BoolAttr)
            return number(attrs.value.value, op.result.type)
        if name == "select":
            return z3.If(*operands)
        if name == "cmpi":
            if z3.is_bool(operands[0]):
                operands = [z3.If(x, z3.BitVecVal(1, 1), z3.BitVecVal(0, 1)) for x in operands]
            return _COMPARE[attrs.predicate](*operands)
        if name in ("extsi", "extui", "trunci", "index_cast", "index_castui"):
            return _resize(operands[0], name in ("extsi", "index_cast"), op.result.type)
        if name not in ARITH:
            raise Unsupported(op.name)
        self.meaning.undefined.append(undefined(name, *operands))
        return ARITH[name](*operands)

    def _other(self, op: Operation, name: str, operands: list[Any]) -> Any:
        attrs: Any = op.attrs
        if name == "constant":
            array = attrs.value.value
            if array.size == 0 or (array != array.flat[0]).any():
                raise Unsupported("a constant of different numbers")
            extents = tuple(z3.BitVecVal(e, 64) for e in array.shape)
            return Tensor((number(array.flat[0], _element(op.result)),) * 2, extents)
        if name == "dim":
            return operands[0].extents[attrs.axis]
        if name == "from_index":
            return Tensor((operands[0],) * 2, ())
        if name == "to_index":
            return _resize(operands[0].elements[0], is_signed(_element(op.operands[0])), IndexType())
        if name == "broadcast_extents":
            a, b = operands
            self.meaning.fails.append(z3.Not(z3.Or(a == b, a == 1, b == 1)))
            return z3.If(b == 1, a, b)
        if name in ("require", "assume"):
            self.meaning.fails.append(z3.Not(operands[0]))
            return None
        if name in REDUCTIONS:
            return _reduce(name, is_signed(_element(op.result)), operands[0], attrs.axes)
        return self._view(name, attrs, operands)

    def _view(self, name: str, attrs: Any, operands: list[Any]) -> Any:
        x, *given = operands
        if name == "transpose":
            return Tensor(x.elements, tuple(x.extents[axis] for axis in attrs.perm))
        if name == "squeeze":
            return Tensor(x.elements, tuple(e for axis, e in enumerate(x.extents) if axis not in attrs.axes))
        if name == "expand_dims":
            rest = iter(x.extents)
            rank = len(x.extents) + len(attrs.axes)
            unit = z3.BitVecVal(1, 64)
            return Tensor(x.elements, tuple(unit if k in attrs.axes else next(rest) for k in range(rank)))
        if name not in ("broadcast_to", "reshape"):
            raise Unsupported(f"tensorc.{name}")
        left = iter(given)
        target = tuple(next(left) if e == -1 else z3.BitVecVal(e, 64) for e in attrs.shape)
        self._fits(name, x.extents, target)
        return Tensor(x.elements, target)

    def _fits(self, name: str, source: Sequence[Any], target: Sequence[Any]) -> None:
        """Views fail where the shapes do not go together, or an extent is negative."""
        self.meaning.fails += [e < 0 for e in target]
        if name == "reshape":
            self.meaning.fails.append(_product(source) != _product(target))
            return
        for e, wanted in zip(reversed(source), reversed(target), strict=False):
            self.meaning.fails.append(z3.And(e != wanted, e != 1))


def _product(extents: Sequence[Any]) -> Any:
    """Products of extents as whole numbers: they must not wrap."""
    total = z3.IntVal(1)
    for e in extents:
        total = total * z3.BV2Int(e, is_signed=True)
    return total


def _element(value: Value) -> ScalarType:
    assert isinstance(value.type, TensorType)
    return value.type.element


REDUCTIONS = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum"}


def _reduce(name: str, signed: bool, x: Tensor, axes: Sequence[int]) -> Tensor:
    """Of the two elements; of none where an extent along the axes is known to be 0."""
    kept = tuple(e for axis, e in enumerate(x.extents) if axis not in axes)
    if not axes:
        return x
    if any(z3.is_bv_value(x.extents[axis]) and x.extents[axis].as_long() == 0 for axis in axes):
        if name not in ("sum", "prod"):
            raise Unsupported(f"{name} of nothing")
        nothing = z3.BitVecVal(name == "prod", x.elements[0].size())
        return Tensor((nothing, nothing), kept)
    both = TENSOR[REDUCTIONS[name]](signed, *x.elements)
    return Tensor((both, both), kept)


# --- proofs -------------------------------------------------------------------------------------------------


def counterexample(before: Operation, after: Operation, milliseconds: int = 60_000) -> str | None:
    """An input on which two functions differ, with what each gives, or None: there is none.

    Where the program before is undefined anything may follow. Raises Unsupported, also when no answer is
    found in the time given.
    """
    first, second = Reader(), Reader()
    old, new = first.read(before), second.read(after)
    assumptions = [*first.assumptions, z3.Not(z3.Or(*old.undefined)), *_declared_equal(before, first)]
    failing = (z3.Or(*old.fails), z3.Or(*new.fails))
    agreed = [z3.Not(z3.Or(*new.undefined)), failing[0] == failing[1]]
    # Without reductions the second place is the first one by other names.
    places = 2 if any(op.name.removeprefix("tensorc.") in REDUCTIONS for op in before.walk()) else 1
    pairs = zip(old.results, new.results, strict=True)
    equal = z3.And(*[condition for x, y in pairs for condition in _equal(x, y, places)])
    solver = z3.Solver()
    solver.set("timeout", milliseconds)
    solver.add(*assumptions, z3.Not(z3.And(*agreed, z3.Or(failing[0], equal))))
    answer = solver.check()
    if answer == z3.unsat:
        return None
    if answer == z3.unknown:
        raise Unsupported(f"no proof and no counterexample: {solver.reason_unknown()}")
    return _describe(solver.model(), old, new, failing)


def _equal(x: Any, y: Any, places: int) -> list[Any]:
    if not isinstance(x, Tensor):
        return [x == y]
    elements = [a == b for a, b in zip(x.elements[:places], y.elements, strict=False)]
    return [*elements, *[a == b for a, b in zip(x.extents, y.extents, strict=True)]]


def _declared_equal(function: Operation, reader: Reader) -> list[Any]:
    """Elementwise ops on arguments need equal extents: inputs that break it are refused before the run."""
    found = []
    for op in builtin.body(function):
        if op.definition is not None and issubclass(op.definition, Pointwise):
            shapes = [reader._values[v].extents for v in op.operands]
            found += [a == b for s in shapes[1:] for a, b in zip(shapes[0], s, strict=True)]
    return found


def _describe(model: Any, old: Meaning, new: Meaning, failing: tuple[Any, Any]) -> str:
    inputs = ", ".join(f"{d.name()} = {model[d]}" for d in sorted(model.decls(), key=lambda d: d.name()))

    def shown(meaning: Meaning, fails: Any) -> str:
        if z3.is_true(model.eval(fails, model_completion=True)):
            return "an error"
        terms = [e for r in meaning.results for e in (r.elements if isinstance(r, Tensor) else (r,))]
        return ", ".join(str(model.eval(t, model_completion=True)) for t in terms)

    return f"{inputs or 'any input'}: before {shown(old, failing[0])}, after {shown(new, failing[1])}"
