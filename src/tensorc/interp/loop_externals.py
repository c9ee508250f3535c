"""External functions of the loop interpreter: the C library by name, the `tensorc_*` functions, BLAS."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tensorc.interp.loop_memory import LoopError, View
from tensorc.ir.definition import REGISTRY
from tensorc.ir.types import f32, f64, i8, i16, i32, i64
from tensorc.ops.loops.claims import CLAIM
from tensorc.ops.loops.math import MathOp
from tensorc.ops.scalar import FUNCTIONS, INTEGER_FUNCTIONS

_BLAS = "tensorc_blas_"


def external(symbol: str) -> Callable[..., Any] | None:
    """The implementation of an external function, or None. Scalars arrive as NumPy scalars, buffers as
    `View`s.
    """
    if symbol.startswith(_BLAS):
        return _blas(symbol.removeprefix(_BLAS))
    return _functions().get(symbol)


@cache
def _functions() -> dict[str, Callable[..., Any]]:
    """C library functions by both names, and the `tensorc_<name>_<type>` functions of the scalar table."""
    table: dict[str, Callable[..., Any]] = {"fmod": np.fmod, "fmodf": np.fmod}
    table[CLAIM] = lambda work: 0  # the outputs have memory of their own
    for row in FUNCTIONS.values():
        names = [row.symbol(f32), row.symbol(f64)]
        if row.libm is not None:
            names += [row.libm, f"{row.libm}f"]
        table.update(dict.fromkeys(names, row.reference))
    for row in INTEGER_FUNCTIONS.values():
        table.update(dict.fromkeys([row.symbol(t) for t in (i8, i16, i32, i64)], row.reference))
    for definition in REGISTRY.values():
        if issubclass(definition, MathOp) and definition.symbol is not None:
            names = [definition.symbol, f"{definition.symbol}f"]
            table.update(dict.fromkeys(names, definition.function))
    return table


def _blas(name: str) -> Callable[..., Any] | None:
    return {"dgemm": _gemm, "sgemm": _gemm}.get(name)


def _gemm(
    transa: Any,
    transb: Any,
    m: Any,
    n: Any,
    k: Any,
    alpha: Any,
    a: View,
    lda: Any,
    b: View,
    ldb: Any,
    beta: Any,
    c: View,
    ldc: Any,
) -> None:
    """C := alpha op(A) op(B) + beta C, column-major (Dongarra et al. 1990, ACM TOMS 16(1), xGEMM)."""
    m, n, k, lda, ldb, ldc = (int(v) for v in (m, n, k, lda, ldb, ldc))
    if m == 0 or n == 0:
        return
    left = _operand(a, transa, m, k, lda, "A")
    right = _operand(b, transb, k, n, ldb, "B")
    target, written = c.matrix(m, n, _leading(ldc, m, "C"))
    product = alpha * (left @ right)
    if beta != 0:
        if written is not None and not written.all():
            raise LoopError("C is read before it is written", None)
        product = product + beta * target
    target[...] = product
    if written is not None:
        written[...] = True


def _leading(leading: int, rows: int, what: str) -> int:
    if leading < max(1, rows):
        raise LoopError(f"leading dimension {leading} of {what} is below {rows}", None)
    return leading


def _operand(view: View, transpose: Any, rows: int, columns: int, leading: int, what: str) -> Any:
    flag = chr(int(transpose) & 0xFF).upper()
    if flag not in "NTC":
        raise LoopError(f"transpose flag {flag!r} of {what}", None)
    stored = (rows, columns) if flag == "N" else (columns, rows)
    matrix, written = view.matrix(*stored, _leading(leading, stored[0], what))
    if written is not None and not written.all():
        raise LoopError(f"{what} is read before it is written", None)
    return matrix if flag == "N" else matrix.T
