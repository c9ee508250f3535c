"""Run-time faults: what a failed check means, for the interpreter and for compiled code alike.

A fault carries two integers, `a` and `b`, whose meaning its kind gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tensorc.ir.errors import TensorcError, TensorcIndexError, TensorcOverflowError, TensorcValueError
from tensorc.ops.checks import short


@dataclass(frozen=True)
class FaultKind:
    """`text` is formatted with `op`, `a`, `b` and `axis`; where `a` is negative, `negative` is, if there is
    one, with `beyond` for a - b.
    """

    code: str
    text: str
    error: type[TensorcError] = TensorcValueError
    help: str | None = None
    negative: str | None = None


FAULTS: Final[dict[str, FaultKind]] = {
    "equal": FaultKind(
        "TC0251",
        "{op}: shapes differ on axis {axis}: {a} and {b}",
        help="the arrays must have equal extents there",
    ),
    "broadcast": FaultKind(
        "TC0252",
        "{op}: extents {a} and {b} do not broadcast together",
        help="shapes are lined up at the right, and extents that meet must be equal or 1",
    ),
    "broadcast-to": FaultKind(
        "TC0253",
        "{op}: extent {a} on axis {axis} cannot become {b}",
        help="an extent must be 1 or stay as it is",
    ),
    "reshape": FaultKind(
        "TC0254",
        "{op}: {a} elements cannot be arranged as {b}",
        help="the extents must multiply to the number of elements; one of them may be -1",
    ),
    "reshape-large": FaultKind(
        "TC0265",
        "{op}: {a} elements cannot be arranged in so many: an extent is {b}, and their product exceeds 2**63",
        help="the extents must multiply to the number of elements; one of them may be -1",
    ),
    "slice": FaultKind(
        "TC0255",
        "index {a} is out of bounds for axis {axis} with extent {b}",
        TensorcIndexError,
        help="indices count from 0, negative ones from the end",
        # the check sees positions counted from the start: one below 0 was an index from the end
        negative="index {beyond} is out of bounds for axis {axis} with extent {b}",
    ),
    "gather": FaultKind(
        "TC0256",
        "index {a} is out of bounds for axis {axis} with extent {b}",
        TensorcIndexError,
        help="indices count from 0, negative ones from the end; tc.clip(i, 0, n - 1) keeps them inside",
    ),
    "empty-reduction": FaultKind(
        "TC0257",
        "{op}: no value for an empty axis {axis}",
        help="check the extent first, or use sum/prod, which have one",
    ),
    "contracted": FaultKind(
        "TC0258",
        "{op}: rows of {a} elements on the left meet columns of {b} on the right",
        help=(
            "the last axis of the left array must be as long as the next-to-last of the right one (its only "
            "one, if it is a vector); x.T exchanges axes"
        ),
    ),
    "squeeze": FaultKind(
        "TC0259",
        "{op}: axis {axis} has extent {a}, not 1",
        help="only axes of extent 1 can be dropped; x[0] takes the first element of an axis",
    ),
    "extent": FaultKind(
        "TC0260",
        "{op}: an extent must not be negative, got {a}",
        help="tc.maximum(n, 0) keeps it from that",
    ),
    "declared": FaultKind("TC0261", "{op}: extents declared equal differ: {a} and {b}"),
    "replaced": FaultKind(
        "TC0263",
        "{op}: the value has extent {b}, the expression it replaces has {a}",
        help="replace the inputs it is computed from, or pass a value of the shape it has",
    ),
    "narrow": FaultKind(
        "TC0264",
        "integer {a} is out of bounds for the dtype it meets, whose limit is {b}",
        TensorcOverflowError,
        help="use a wider dtype, or pass a NumPy scalar, which has a dtype of its own",
    ),
    "length": FaultKind("TC0262", "{op}: the extent {a} is not the length {b}"),
}


def fault(kind: str, op_name: str, a: int, b: int, axis: int = -1) -> TensorcError:
    """The error of a failed run-time check. An unknown kind (a `require` the user named) is worded with its
    two values.
    """
    row = FAULTS.get(kind)
    if row is None:
        return TensorcValueError(f"{kind} does not hold: {a} and {b}", code="TC0250")
    text = row.text if row.negative is None or a >= 0 else row.negative
    shown = text.format(op=short(op_name), a=a, b=b, axis=axis, beyond=a - b)
    return row.error(shown, code=row.code, help=row.help)
