"""Run-time faults: what a failed check means, for the interpreter and for compiled code alike.

A fault carries two integers, `a` and `b`, whose meaning its kind gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tensorc.ir.errors import TensorcError, TensorcIndexError, TensorcValueError
from tensorc.ops.checks import short


@dataclass(frozen=True)
class FaultKind:
    """`text` is formatted with `op`, `a`, `b` and `axis`."""

    code: str
    text: str
    error: type[TensorcError] = TensorcValueError
    help: str | None = None


FAULTS: Final[dict[str, FaultKind]] = {
    "equal": FaultKind("TC0251", "{op}: shapes differ on axis {axis}: {a} and {b}"),
    "broadcast": FaultKind(
        "TC0252",
        "{op}: extents {a} and {b} do not broadcast together",
        help="an extent must equal the other or be 1",
    ),
    "broadcast-to": FaultKind(
        "TC0253",
        "{op}: extent {a} on axis {axis} cannot become {b}",
        help="an extent must be 1 or stay as it is",
    ),
    "reshape": FaultKind("TC0254", "{op}: {a} elements cannot be arranged as {b}"),
    "slice": FaultKind(
        "TC0255", "{op}: position {a} is outside axis {axis} of extent {b}", TensorcIndexError
    ),
    "gather": FaultKind(
        "TC0256", "{op}: index {a} is out of bounds for axis {axis} with extent {b}", TensorcIndexError
    ),
    "empty-reduction": FaultKind(
        "TC0257",
        "{op}: no value for an empty axis {axis}",
        help="check the extent first, or use sum/prod, which have one",
    ),
    "contracted": FaultKind(
        "TC0258",
        "{op}: contracted extents differ: {a} and {b}",
        help="the last extent on the left must equal the next-to-last on the right; x.T exchanges axes",
    ),
    "squeeze": FaultKind("TC0259", "{op}: axis {axis} has extent {a}, not 1"),
    "extent": FaultKind("TC0260", "{op}: an extent must not be negative, got {a}"),
    "declared": FaultKind("TC0261", "{op}: extents declared equal differ: {a} and {b}"),
    "replaced": FaultKind(
        "TC0263",
        "{op}: the value has extent {b}, the expression it replaces has {a}",
        help="replace the inputs it is computed from, or pass a value of the shape it has",
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
    return row.error(row.text.format(op=short(op_name), a=a, b=b, axis=axis), code=row.code, help=row.help)
