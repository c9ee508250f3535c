"""Programs that compilers of expressions are slow on, by their size n: deep, wide, shared, views of views."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import tensorc as tc

Program = tuple[list[Any], Any]
"""Inputs, and one scalar output."""


def _repeat(step: Callable[[Any, Any], Any], n: int) -> Program:
    x = tc.matrix("x")
    y = functools.reduce(lambda value, _: step(value, x), range(n), x)
    return [x], tc.sum(y)


def _wide_sum(n: int) -> Program:
    xs = [tc.vector(f"x{k % 7}_{k}") if k < 7 else None for k in range(7)]
    terms = [xs[k % 7] * float(k + 2) for k in range(n)]
    return xs, tc.sum(functools.reduce(operator.add, terms))


def _products_of_sums(n: int) -> Program:
    a, b, c = tc.vector("a"), tc.vector("b"), tc.vector("c")
    factors = [(a + float(k)) * 0.5 + (b if k % 2 else c) for k in range(n)]
    return [a, b, c], tc.sum(functools.reduce(operator.mul, factors))


def _concatenation(n: int) -> Program:
    x = tc.vector("x")
    return [x], tc.sum(tc.concatenate([x * float(k + 2) for k in range(n)]))


def _softmaxes(n: int) -> Program:
    return _repeat(lambda y, x: tc.exp(y) / tc.sum(tc.exp(y), axis=1, keepdims=True), n)


def _broadcasts(n: int) -> Program:
    return _repeat(lambda y, x: tc.broadcast_to(y[None], (1, x.shape[0], x.shape[1]))[0] + x, n)


def _reshapes(n: int) -> Program:
    return _repeat(lambda y, x: tc.reshape(tc.reshape(y, (-1,)), (x.shape[0], x.shape[1])), n)


def _branches(n: int) -> Program:
    return _repeat(lambda y, x: tc.where(y > 0, y, tc.where(y > x, x, -y)), n)


PROGRAMS: dict[str, Callable[[int], Program]] = {
    "additions": functools.partial(_repeat, lambda y, x: y + x),
    "signs": functools.partial(_repeat, lambda y, x: -y),
    "transposes": functools.partial(_repeat, lambda y, x: y.T),
    "branches": _branches,
    "logarithms of powers": functools.partial(_repeat, lambda y, x: tc.log(tc.exp(y))),
    "squares": functools.partial(_repeat, lambda y, x: y * y),
    "doublings": functools.partial(_repeat, lambda y, x: y + y),
    "wide sum": _wide_sum,
    "products of sums": _products_of_sums,
    "concatenation": _concatenation,
    "softmaxes": _softmaxes,
    "broadcasts": _broadcasts,
    "reshapes": _reshapes,
}
