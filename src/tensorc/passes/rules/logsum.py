"""Sums of exponentials, their logarithm and their shares: logaddexp, logsumexp, softmax, log_softmax."""

from __future__ import annotations

import math
from typing import cast

from tensorc.ir.core import Operation, Value
from tensorc.ir.definition import OpDefinition
from tensorc.ir.rewriter import Rewriter, pattern
from tensorc.ir.types import TensorType
from tensorc.ops import emit
from tensorc.ops.arithmetic import Add, Div, Sub
from tensorc.ops.attrs import AxesAttrs, PermAttrs
from tensorc.ops.composite import LogSoftmax, LogSumExp, Softmax
from tensorc.ops.indexing import Gather, Slice
from tensorc.ops.reductions import Sum
from tensorc.ops.transcendental import Exp, Log, Sigmoid
from tensorc.ops.views import BroadcastTo, ExpandDims, Reshape, Squeeze, Transpose
from tensorc.passes.fold import uniform
from tensorc.passes.rules.match import exponent, plus_one, replace, same

MOST_TERMS = 16
MOST_VIEWS = 8


@pattern(
    Log,
    law="log(e**x + e**y) = logaddexp(x, y), a constant c > 0 being e**log(c)",
    example="log(exp(x) + exp(y))",
    kind="stable",
)
def log_of_powers(op: Operation, rewriter: Rewriter) -> None:
    rest = plus_one(op.operands[0])
    if rest is not None and exponent(rest) is not None:
        return  # softplus
    terms = _summands(op.operands[0])
    if len(terms) < 2 or sum(uniform(t) is None for t in terms) < len(terms) - 1:
        return
    if not all(map(_is_power_or_positive, terms)):
        return
    found = [_exponent_or_log(t, rewriter) for t in terms]
    total = found[0]
    for x in found[1:]:
        total = emit.op(rewriter, "logaddexp", total, x)
    replace(op, rewriter, total)


def _summands(value: Value) -> list[Value]:
    """The terms of a sum of at most 16, left to right."""
    found: list[Value] = []
    todo = [value]
    while todo and len(found) < MOST_TERMS:
        term = todo.pop()
        added = term.defining(Add)
        if added is None:
            found.append(term)
        else:
            todo.extend(reversed(added.operands))
    return found if not todo else []


def _is_power_or_positive(term: Value) -> bool:
    number = uniform(term)
    return _behind_broadcast(term) is not None or (number is not None and 0 < number < math.inf)


def _exponent_or_log(term: Value, rewriter: Rewriter) -> Value:
    x, view = _behind_broadcast(term), term.defining(BroadcastTo)
    if x is None:
        return emit.full_like(rewriter, term, math.log(cast(float, uniform(term))))
    return x if view is None else rewriter.create(BroadcastTo, [x, *view.operands[1:]], view.attrs)[0]


def _behind_broadcast(term: Value) -> Value | None:
    """x if `term` is exp(x), or exp(x) broadcast."""
    view = term.defining(BroadcastTo)
    return exponent(term if view is None else view.operands[0])


@pattern(Log, law="log(sum(e**x)) = logsumexp(x)", example="log(sum(exp(x), 1))", kind="stable")
def log_of_sum(op: Operation, rewriter: Rewriter) -> None:
    total = op.operands[0].defining(Sum)
    x = None if total is None else exponent(total.operands[0])
    if total is not None and x is not None:
        replace(op, rewriter, emit.op(rewriter, "logsumexp", x, attrs=total.attrs))


@pattern(Log, law="log(softmax(x)) = log_softmax(x)", example="log(softmax(x, 1))", kind="stable")
def log_of_softmax(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(Softmax)
    if inner is not None:
        rewriter.replace_op(op, LogSoftmax, inner.operands, inner.attrs)


@pattern(Exp, law="e**log_softmax(x) = softmax(x)", example="exp(log_softmax(x, 1))", kind="stable")
def power_of_log_softmax(op: Operation, rewriter: Rewriter) -> None:
    inner = op.operands[0].defining(LogSoftmax)
    if inner is not None:
        rewriter.replace_op(op, Softmax, inner.operands, inner.attrs)


_VIEWS = (BroadcastTo, ExpandDims, Squeeze, Reshape, Transpose, Slice, Gather)


@pattern(
    Log,
    law="log of a view = view of the log, where that log has a stable form",
    example="log(transpose(softmax(x, 1), 1, 0))",
    kind="stable",
)
def log_of_view(op: Operation, rewriter: Rewriter) -> None:
    view = op.operands[0].owner
    if view is None or view.definition not in _VIEWS or not _has_stable_log(view.result):
        return
    inside = emit.log(rewriter, view.operands[0])
    assert view.definition is not None
    replace(op, rewriter, rewriter.create(view.definition, [inside, *view.operands[1:]], view.attrs)[0])


def _has_stable_log(value: Value) -> bool:
    for _ in range(MOST_VIEWS):
        owner = value.owner
        if owner is None:
            return False
        if owner.definition not in _VIEWS:
            powers = owner.definition is Sum and exponent(owner.operands[0]) is not None
            return powers or owner.definition in (Softmax, Sigmoid, Exp)
        value = owner.operands[0]
    return False


@pattern(
    Div,
    law="e**x / sum(e**x) = softmax(x)",
    example="exp(x) / broadcast_to(expand_dims(sum(exp(x), 1), 1), n, 3)",
    kind="stable",
)
def quotient_is_softmax(op: Operation, rewriter: Rewriter) -> None:
    powers, total = op.operands
    x = exponent(powers)
    reduction = None if x is None else spread_reduction(total, Sum)
    if reduction is not None and x is not None and same(reduction.operands[0], powers):
        replace(op, rewriter, emit.op(rewriter, "softmax", x, attrs=reduction.attrs))


@pattern(
    Sub,
    law="x - logsumexp(x) = log_softmax(x)",
    example="x - broadcast_to(expand_dims(logsumexp(x, 1), 1), n, 3)",
    kind="stable",
)
def difference_is_log_softmax(op: Operation, rewriter: Rewriter) -> None:
    x, total = op.operands
    reduction = spread_reduction(total, LogSumExp)
    if reduction is not None and same(reduction.operands[0], x):
        replace(op, rewriter, emit.op(rewriter, "log_softmax", x, attrs=reduction.attrs))


def spread_reduction(value: Value, definition: type[OpDefinition]) -> Operation | None:
    """The reduction whose result, repeated along the axes it dropped and in its place along the others, is
    `value`.
    """
    axes: list[int | None] = list(range(cast(TensorType, value.type).rank))
    rank = len(axes)
    for _ in range(MOST_VIEWS):
        op = value.owner
        if op is None:
            return None
        if op.definition is definition:
            return op if _in_place(op, axes, rank) else None
        moved = _through(op, axes)
        if moved is None:
            return None
        axes, value = moved, op.operands[0]
    return None


def _in_place(reduction: Operation, axes: list[int | None], rank: int) -> bool:
    """Whether axis k of the reduced tensor stands at `axes[k]`: dropped ones nowhere, kept ones in their
    order.
    """
    dropped = cast(AxesAttrs, reduction.attrs).axes
    if cast(TensorType, reduction.operands[0].type).rank != rank:
        return False
    kept = iter(range(rank - len(dropped)))
    return axes == [None if axis in dropped else next(kept) for axis in range(rank)]


def _through(op: Operation, axes: list[int | None]) -> list[int | None] | None:
    """Axes of a view's result as axes of its operand (None: repeated), or None for any other op."""
    if op.definition is BroadcastTo:
        source = cast(TensorType, op.operands[0].type)
        lead = cast(TensorType, op.result.type).rank - source.rank
        return [None if a is None or a < lead or _repeats(op, a, lead) else a - lead for a in axes]
    if op.definition is ExpandDims:
        new = cast(AxesAttrs, op.attrs).axes
        return [None if a is None or a in new else a - sum(n < a for n in new) for a in axes]
    if op.definition is Squeeze:
        gone = cast(AxesAttrs, op.attrs).axes
        kept = [a for a in range(cast(TensorType, op.operands[0].type).rank) if a not in gone]
        return [None if a is None else kept[a] for a in axes]
    if op.definition is Transpose:
        perm = cast(PermAttrs, op.attrs).perm
        return [None if a is None else perm[a] for a in axes]
    return None


def _repeats(op: Operation, axis: int, lead: int) -> bool:
    """Whether a broadcast repeats along this axis by its types: from 1 to something else."""
    source = cast(TensorType, op.operands[0].type).shape[axis - lead]
    return source == 1 and cast(TensorType, op.result.type).shape[axis] != 1


PATTERNS = (
    log_of_powers,
    log_of_sum,
    log_of_softmax,
    power_of_log_softmax,
    log_of_view,
    quotient_is_softmax,
    difference_is_log_softmax,
)
