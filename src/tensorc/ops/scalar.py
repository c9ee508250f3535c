"""Scalar code: the builder protocol that scalar bodies are written against, and the table of math functions.

A scalar body works on register types: signless integers (`ui32` is `i32`, signedness is in the op chosen),
`i1` for bool, `f32`, `f64`.
No instruction may be undefined or poison on any input; the guards live in the bodies, in `ops/guards.py`.

The table has one row per math function. Adding a function is one row here, and an expansion in `passes/math`
if it should vectorise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from tensorc.ir.types import Type


class ScalarValue(Protocol):
    @property
    def type(self) -> Type: ...


S = TypeVar("S", bound=ScalarValue)


class ScalarBuilder(Protocol[S]):
    """One method per MLIR op, named after its mnemonic."""

    def constant(self, value: Any, type: Type) -> S: ...

    def addf(self, a: S, b: S) -> S: ...
    def subf(self, a: S, b: S) -> S: ...
    def mulf(self, a: S, b: S) -> S: ...
    def divf(self, a: S, b: S) -> S: ...
    def remf(self, a: S, b: S) -> S: ...
    def negf(self, a: S) -> S: ...
    def maximumf(self, a: S, b: S) -> S: ...
    def minimumf(self, a: S, b: S) -> S: ...
    def addi(self, a: S, b: S) -> S: ...
    def subi(self, a: S, b: S) -> S: ...
    def muli(self, a: S, b: S) -> S: ...
    def divsi(self, a: S, b: S) -> S: ...
    def divui(self, a: S, b: S) -> S: ...
    def remsi(self, a: S, b: S) -> S: ...
    def remui(self, a: S, b: S) -> S: ...
    def maxsi(self, a: S, b: S) -> S: ...
    def minsi(self, a: S, b: S) -> S: ...
    def maxui(self, a: S, b: S) -> S: ...
    def minui(self, a: S, b: S) -> S: ...
    def andi(self, a: S, b: S) -> S: ...
    def ori(self, a: S, b: S) -> S: ...
    def xori(self, a: S, b: S) -> S: ...
    def shli(self, a: S, b: S) -> S: ...
    def shrsi(self, a: S, b: S) -> S: ...
    def shrui(self, a: S, b: S) -> S: ...
    def cmpf(self, predicate: str, a: S, b: S) -> S: ...
    def cmpi(self, predicate: str, a: S, b: S) -> S: ...
    def select(self, condition: S, a: S, b: S) -> S: ...
    def extsi(self, a: S, type: Type) -> S: ...
    def extui(self, a: S, type: Type) -> S: ...
    def trunci(self, a: S, type: Type) -> S: ...
    def extf(self, a: S, type: Type) -> S: ...
    def truncf(self, a: S, type: Type) -> S: ...
    def sitofp(self, a: S, type: Type) -> S: ...
    def uitofp(self, a: S, type: Type) -> S: ...
    def fptosi(self, a: S, type: Type) -> S: ...
    def fptoui(self, a: S, type: Type) -> S: ...
    def bitcast(self, a: S, type: Type) -> S: ...
    def index_cast(self, a: S, type: Type) -> S: ...
    def absf(self, a: S) -> S: ...
    def floor(self, a: S) -> S: ...
    def ceil(self, a: S) -> S: ...
    def trunc(self, a: S) -> S: ...
    def roundeven(self, a: S) -> S: ...
    def sqrt(self, a: S) -> S: ...
    def copysign(self, a: S, b: S) -> S: ...
    def fma(self, a: S, b: S, c: S) -> S: ...
    def call(self, symbol: str, args: Sequence[S], result: Type) -> S: ...


@dataclass(frozen=True)
class ScalarFunction:
    """A math function of `f32`/`f64` scalars.

    `mlir` is the mnemonic in the `math` dialect, or None: then a body calls `@tensorc_<name>_<type>`. `libm`
    is the C library's double
    function (`<libm>f` for f32), or None where only an expansion exists. `ulp` is the largest error of
    compiled code in units in the last place.
    """

    name: str
    reference: Callable[..., Any]
    mlir: str | None
    libm: str | None
    ulp: float
    arity: int = 1

    def symbol(self, type: Type) -> str:
        return f"tensorc_{self.name}_{type}"


def _special(name: str) -> Callable[..., Any]:
    def reference(*xs: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*xs)

    return reference


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) without overflow; below 0 as exp(x) / (1 + exp(x)), which keeps subnormal results."""
    x = np.asarray(x)
    small = np.exp(-np.abs(x))
    return (np.where(x < 0, small, x.dtype.type(1)) / (x.dtype.type(1) + small))[()]


def softplus(x: Any) -> Any:
    """log(1 + exp(x)) without overflow; NaN and infinities as IEEE limits."""
    return np.logaddexp(x, np.zeros((), np.asarray(x).dtype))


def log1mexp(x: Any) -> Any:
    """log(1 - exp(x)) for x <= 0, NaN above; Mächler, "Accurately computing log(1 - exp(-|a|))", 2012, eq.
    (7).
    """
    x = np.asarray(x)
    near = x > x.dtype.type(-0.6931471805599453)
    return np.where(
        near, np.log(-np.expm1(np.where(near, x, -1))), np.log1p(-np.exp(np.where(near, -1, x)))
    ).astype(x.dtype)[()]


FUNCTIONS: Final[dict[str, ScalarFunction]] = {
    row.name: row
    for row in (
        ScalarFunction("exp", np.exp, "exp", "exp", 2),
        ScalarFunction("exp2", np.exp2, "exp2", "exp2", 2),
        ScalarFunction("expm1", np.expm1, "expm1", "expm1", 2),
        ScalarFunction("log", np.log, "log", "log", 2),
        ScalarFunction("log2", np.log2, "log2", "log2", 2),
        ScalarFunction("log10", np.log10, "log10", "log10", 2),
        ScalarFunction("log1p", np.log1p, "log1p", "log1p", 2),
        ScalarFunction("sin", np.sin, "sin", "sin", 2),
        ScalarFunction("cos", np.cos, "cos", "cos", 2),
        ScalarFunction("tan", np.tan, "tan", "tan", 2),
        ScalarFunction("tanh", np.tanh, "tanh", "tanh", 2),
        ScalarFunction("sinh", np.sinh, "sinh", "sinh", 2),
        ScalarFunction("cosh", np.cosh, "cosh", "cosh", 2),
        ScalarFunction("asinh", np.arcsinh, "asinh", "asinh", 2),
        ScalarFunction("acosh", np.arccosh, "acosh", "acosh", 2),
        ScalarFunction("atanh", np.arctanh, "atanh", "atanh", 2),
        ScalarFunction("asin", np.arcsin, "asin", "asin", 2),
        ScalarFunction("acos", np.arccos, "acos", "acos", 2),
        ScalarFunction("atan", np.arctan, "atan", "atan", 2),
        ScalarFunction("atan2", np.arctan2, "atan2", "atan2", 2, arity=2),
        ScalarFunction("cbrt", np.cbrt, "cbrt", "cbrt", 2),
        ScalarFunction("hypot", np.hypot, None, "hypot", 2, arity=2),
        ScalarFunction("erf", _special("erf"), "erf", "erf", 2),
        ScalarFunction("erfc", _special("erfc"), None, "erfc", 2),
        ScalarFunction("sigmoid", sigmoid, None, None, 2),
        ScalarFunction("softplus", softplus, None, None, 2),
        ScalarFunction("log1mexp", log1mexp, None, None, 2),
        ScalarFunction("logaddexp", np.logaddexp, None, None, 2, arity=2),
        ScalarFunction("pow", np.power, "powf", "pow", 2, arity=2),
    )
}


def ipow(x: Any, y: Any) -> Any:
    """x**y of signed integers, wrapping; for negative y, 1 / x**-y rounded towards zero (0 for x = 0)."""
    x, y = np.asarray(x), np.asarray(y)
    positive = np.power(x, np.where(y < 0, 0, y).astype(x.dtype))
    unit = np.where(x == 1, 1, np.where(x == -1, np.where(y & 1 != 0, -1, 1), 0))
    return np.where(y < 0, unit, positive).astype(x.dtype)[()]


def upow(x: Any, y: Any) -> Any:
    """x**y of integers held in signed arrays but read as unsigned, wrapping."""
    x, y = np.asarray(x), np.asarray(y)
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    return np.power(x.view(unsigned), y.view(unsigned)).view(x.dtype)[()]


INTEGER_FUNCTIONS: Final[dict[str, ScalarFunction]] = {
    row.name: row
    for row in (
        ScalarFunction("ipow", ipow, None, None, 0, arity=2),
        ScalarFunction("upow", upow, None, None, 0, arity=2),
    )
}
"""Functions of signless integers, called as `@tensorc_<name>_<iN>`; `expand-math` makes loops of them."""


def apply(s: Any, name: str, *xs: S) -> S:
    """The value of a table function in a scalar body."""
    row = FUNCTIONS.get(name) or INTEGER_FUNCTIONS[name]
    if row.mlir is not None:
        result: S = getattr(s, row.mlir)(*xs)
        return result
    called: S = s.call(row.symbol(xs[0].type), list(xs), xs[0].type)
    return called
