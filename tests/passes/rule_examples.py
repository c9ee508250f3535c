"""The examples of rewrite rules, `log(1.0 + exp(x))`, read twice: as IR, and as real arithmetic with mpmath.

Inputs: `x`, `y` of shape (n, 3), `v` of shape (3,), `s` of shape (), `e` of shape (0, 3); `n` is the unknown
extent. Numbers take the type of what they meet.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from tensorc.ir import builtin
from tensorc.ir.attributes import BoolAttr, DenseAttr, IntegerAttr
from tensorc.ir.builder import Builder
from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import NO_ATTRS, REGISTRY, Attrs
from tensorc.ir.types import ScalarType, TensorType, f32, f64, i8, i16, i32, i64
from tensorc.ir.types import index as index_type
from tensorc.ops import emit
from tensorc.ops.attrs import AxesAttrs, AxisAttrs, ConstantAttrs
from tensorc.ops.base import OpDef
from tensorc.ops.dtypes import to_dtype
from tensorc.ops.families import Pointwise
from tensorc.ops.index import RequireAttrs
from tensorc.ops.loops import arith

TYPES = {"f32": f32, "f64": f64, "i8": i8, "i16": i16, "i32": i32, "i64": i64}
SHAPES: dict[str, tuple[int | None, ...]] = {"x": (None, 3), "y": (None, 3), "v": (3,), "s": (), "e": (0, 3)}


@dataclass
class Sym:
    """A value being built, with Python's operators."""

    b: Builder
    value: Value

    def _lift(self, other: Any) -> Value:
        if isinstance(other, Sym):
            return other.value
        if self.value.type == index_type:
            constant = arith.ConstantAttrs(IntegerAttr(other, index_type))
            return self.b.create(arith.Constant, [], constant)[0]
        return emit.full_like(self.b, self.value, other)

    def _binary(self, name: str, other: Any, swap: bool = False) -> Sym:
        operands = [self.value, self._lift(other)]
        if self.value.type == index_type:
            if name == "eq":
                return Sym(self.b, self.b.create(arith.CmpI, operands, arith.PredicateAttrs(0))[0])
            definition: Any = {"add": arith.AddI, "mul": arith.MulI, "sub": arith.SubI}[name]
        else:
            definition = REGISTRY[f"tensorc.{name}"]
        return Sym(self.b, self.b.create(definition, operands[::-1] if swap else operands)[0])

    def __add__(self, o: Any) -> Sym:
        return self._binary("add", o)

    def __radd__(self, o: Any) -> Sym:
        return self._binary("add", o, True)

    def __sub__(self, o: Any) -> Sym:
        return self._binary("sub", o)

    def __rsub__(self, o: Any) -> Sym:
        return self._binary("sub", o, True)

    def __mul__(self, o: Any) -> Sym:
        return self._binary("mul", o)

    def __rmul__(self, o: Any) -> Sym:
        return self._binary("mul", o, True)

    def __truediv__(self, o: Any) -> Sym:
        return self._binary("div", o)

    def __rtruediv__(self, o: Any) -> Sym:
        return self._binary("div", o, True)

    def __pow__(self, o: Any) -> Sym:
        return self._binary("pow", o)

    def __gt__(self, o: Any) -> Sym:
        return self._binary("gt", o)

    def __lt__(self, o: Any) -> Sym:
        return self._binary("lt", o)

    def __eq__(self, o: object) -> Sym:  # type: ignore[override]
        return self._binary("eq", o)

    def __and__(self, o: Any) -> Sym:
        return self._binary("logical_and", o)

    def __neg__(self) -> Sym:
        return Sym(self.b, self.b.create(REGISTRY["tensorc.neg"], [self.value])[0])

    def __invert__(self) -> Sym:
        return Sym(self.b, self.b.create(REGISTRY["tensorc.logical_not"], [self.value])[0])


def ir_namespace(b: Builder, element: ScalarType, inputs: dict[str, Value]) -> dict[str, Any]:
    """What the names in an example mean as IR."""

    def make(name: str, *operands: Any, attrs: Attrs = NO_ATTRS) -> Sym:
        return Sym(b, b.create(REGISTRY[f"tensorc.{name}"], [o.value for o in operands], attrs)[0])

    def pointwise(name: str) -> Callable[..., Sym]:
        return lambda *xs: make(name, *xs)

    def over(name: str) -> Callable[..., Sym]:
        return lambda x, *axes: make(name, x, attrs=AxesAttrs(axes))

    def shaped(rule: Callable[..., Value]) -> Callable[..., Sym]:
        return lambda x, *e: Sym(b, rule(b, x.value, [i.value if isinstance(i, Sym) else i for i in e]))

    def constant(numbers: Sequence[float]) -> Sym:
        array = np.array(numbers, to_dtype(element))
        return make("constant", attrs=ConstantAttrs(DenseAttr(TensorType(array.shape, element), array)))

    def require(condition: bool, x: Sym) -> Sym:
        zero = index(0).value
        known = b.create(arith.Constant, [], arith.ConstantAttrs(BoolAttr(condition)))[0]
        b.create(REGISTRY["tensorc.require"], [known, zero, zero], RequireAttrs("equal"))
        return x

    def index(number: int) -> Sym:
        return Sym(b, b.create(arith.Constant, [], arith.ConstantAttrs(IntegerAttr(number, index_type)))[0])

    def expand_dims(x: Sym, *axes: int) -> Sym:
        return make("expand_dims", x, attrs=AxesAttrs(axes))

    def explicit(name: str) -> Callable[..., Sym]:
        from tensorc.ops import index as extents

        def build(x: Sym, *e: Any) -> Sym:
            shape, operands = extents.entries([i.value if isinstance(i, Sym) else i for i in e])
            return Sym(
                b, b.create(REGISTRY[f"tensorc.{name}"], [x.value, *operands], emit.ShapeAttrs(shape))[0]
            )

        return build

    def cast(x: Sym, to: Any) -> Sym:
        return make("cast", x, attrs=emit.CastAttrs(element if to is f64 else to))

    names: dict[str, Any] = {n: Sym(b, v) for n, v in inputs.items()}
    names |= TYPES
    for name, definition in REGISTRY.items():
        if issubclass(definition, Pointwise):
            names[name.removeprefix("tensorc.")] = pointwise(name.removeprefix("tensorc."))
    names |= {n: over(n) for n in ("sum", "prod", "mean", "softmax", "log_softmax", "logsumexp", "squeeze")}
    names |= {n: explicit(n) for n in ("broadcast_to", "reshape", "sum_to")}
    names |= {
        "amax": over("max"),
        "argmax": lambda x, axis: make("argmax", x, attrs=AxisAttrs(axis)),
        "transpose": lambda x, *perm: make("transpose", x, attrs=emit.PermAttrs(perm)),
        "expand_dims": expand_dims,
        "full_like": lambda x, c: Sym(b, emit.full_like(b, x.value, c)),
        "constant": constant,
        "cast": cast,
        "dim": lambda x, axis: make("dim", x, attrs=AxisAttrs(axis)),
        "index": index,
        "require": require,
        "true": True,
        **{n: pointwise(n) for n in ("from_index", "to_index", "broadcast_extents")},
    }
    return names


def build(example: str, element: ScalarType) -> Operation:
    """A module with `@f` of the inputs the example names, in the order of `SHAPES`."""
    used = [n for n in SHAPES if n in names_in(example)]
    module = builtin.new_module()
    types = [TensorType(SHAPES[n], element) for n in used]
    function = builtin.new_function("f", types, [])
    module.regions[0].block.append(function)
    block = builtin.body(function)
    b = Builder.at_end(block)
    inputs = dict(zip(used, block.args, strict=True))
    namespace = ir_namespace(b, element, dict(inputs))
    if "n" in names_in(example):
        namespace["n"] = namespace["dim"](namespace["x"], 0)
    result = eval(example, {"__builtins__": {}}, namespace)
    b.create_op(builtin.Return, [result.value])
    builtin.set_signature(function, types, [result.value.type])
    return module


def names_in(example: str) -> set[str]:
    found = set(compile(example, "<example>", "eval").co_names)
    return found | ({"x"} if "n" in found else set())


# --- real arithmetic


def _safe(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function on object arrays; undefined and complex values are NaN."""

    def one(*xs: Any) -> Any:
        try:
            value = function(*xs)
        except (ValueError, ZeroDivisionError, OverflowError):
            return mpmath.nan
        return mpmath.nan if isinstance(value, mpmath.mpc) else value

    return lambda *xs: np.frompyfunc(one, len(xs), 1)(*xs)


def _log(x: Any) -> Any:
    return -mpmath.inf if x == 0 else mpmath.log(x)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


class Real(np.ndarray):  # type: ignore[type-arg]
    """An object array of mpmath numbers whose quotients by zero are NaN."""

    def __truediv__(self, other: Any) -> Any:
        return _safe(operator.truediv)(self, other).view(Real)

    def __rtruediv__(self, other: Any) -> Any:
        return _safe(operator.truediv)(other, self).view(Real)


def _reals(function: Callable[..., Any]) -> Callable[..., Any]:
    applied = _safe(function)
    return lambda *xs: np.asarray(applied(*xs), object).view(Real)


def _keep(x: Any, axes: tuple[int, ...]) -> Any:
    return np.sum(x, axis=axes, keepdims=True).view(Real)


def real_namespace() -> dict[str, Any]:
    """What the names mean in real arithmetic."""
    exp, log = _reals(mpmath.exp), _reals(_log)

    def softmax(x: Any, *axes: int) -> Any:
        return exp(x) / _keep(exp(x), axes)

    return {
        "exp": exp,
        "log": log,
        "log1p": _reals(lambda x: _log(1 + x)),
        "expm1": _reals(lambda x: mpmath.exp(x) - 1),
        "sqrt": _reals(mpmath.sqrt),
        "sigmoid": _reals(_sigmoid),
        "softplus": _reals(lambda x: _log(1 + mpmath.exp(x))),
        "erf": _reals(mpmath.erf),
        "erfc": _reals(mpmath.erfc),
        "abs": _reals(abs),
        "sin": _reals(mpmath.sin),
        "cos": _reals(mpmath.cos),
        "where": lambda c, x, y: np.where(c, x, y).astype(object).view(Real),
        "prod": lambda x, *axes: np.prod(x, axis=axes).view(Real),
        "amax": lambda x, *axes: np.max(x, axis=axes).view(Real),
        "sum": lambda x, *axes: np.sum(x, axis=axes).view(Real),
        "expand_dims": lambda x, *axes: np.expand_dims(x, axes),
        "broadcast_to": lambda x, *shape: np.broadcast_to(np.asarray(x, object), shape).view(Real),
        "transpose": lambda x, *perm: np.transpose(x, perm),
        "reshape": lambda x, *shape: np.reshape(x, shape),
        "full_like": lambda x, c: np.full(x.shape, mpmath.mpf(c), object).view(Real),
        "softmax": softmax,
        "log_softmax": lambda x, *axes: log(softmax(x, *axes)),
        "logsumexp": lambda x, *axes: log(np.sum(exp(x), axis=axes).view(Real)),
    }


def real_value(example: str, inputs: dict[str, Any], precision: int) -> Any:
    """The example in real arithmetic, as an array of mpmath numbers."""
    with mpmath.workprec(precision):
        names = {n: _reals(mpmath.mpf)(a.astype(object)) for n, a in inputs.items()}
        names |= real_namespace()
        names["n"] = inputs["x"].shape[0] if "x" in inputs else 0
        return eval(example, {"__builtins__": {}}, names)


def is_tensor_op(definition: object) -> bool:
    return isinstance(definition, type) and issubclass(definition, OpDef)
