"""Generate the constants of `src/tensorc/passes/math/error_constants.py`: erf and erfc.

    python tools/minimax_erf.py            print the module
    python tools/minimax_erf.py --check    exit 1 unless the committed module is what this script prints
    python tools/minimax_erf.py --write    replace the committed module

Quotients N / D of polynomials: the least squares of w (N - f D) / D_before, from D_before = 1, each round
with the denominator of the one before (C. K. Sanathanan and J. Koerner, Transfer function synthesis as a
ratio of two complex polynomials, IEEE Transactions on Automatic Control 8, 1963). Then D is rounded, and N
fitted to f D as in `tools/minimax_inverse.py`, so that it absorbs the rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mpmath
from minimax import Real, Row, hexed, run, to_format, worst
from minimax_inverse import fit
from mpmath import mpf

TARGET = Path(__file__).resolve().parent.parent / "src/tensorc/passes/math/error_constants.py"
SMALL = mpf("1e-25")
ROUNDS = 8


@dataclass(frozen=True)
class Quotient:
    """Approximate `function` on [0, high] by polynomials of these degrees, the error weighed by `weight`."""

    name: str
    comment: str
    function: Real
    weight: Real
    high: mpf
    over: int
    under: int
    single: bool

    def points(self) -> list[mpf]:
        """Chebyshev points of s = 2 a / (a + 4): dense near 0, where the functions bend."""
        count = 4 * (self.over + self.under + 1)
        half = self.high / (self.high + 4)
        near = [half - half * mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * count)) for i in range(count)]
        return [4 * s / (2 - s) for s in near]


def denominator(q: Quotient) -> list[float]:
    """The coefficients of D, lowest order first and 1, representable in the target format."""
    points = q.points()
    values = [q.function(x) for x in points]
    before = [mpf(1)] * len(points)
    found = [mpf(1)]
    for _ in range(ROUNDS):
        scales = [q.weight(x) / d for x, d in zip(points, before, strict=True)]
        system, right = mpmath.matrix(len(points), q.over + q.under + 1), mpmath.matrix(len(points), 1)
        for i, (x, value, scale) in enumerate(zip(points, values, scales, strict=True)):
            for j in range(q.over + 1):
                system[i, j] = scale * x**j
            for j in range(q.under):
                system[i, q.over + 1 + j] = -scale * value * x ** (j + 1)
            right[i] = scale * value
        solution = mpmath.lu_solve(system.T * system, system.T * right)
        found = [mpf(1), *(solution[q.over + 1 + j] for j in range(q.under))]
        before = [mpmath.polyval(found[::-1], x) for x in points]
    return [to_format(c, q.single) for c in found]


def numerator(q: Quotient, under: list[float]) -> Row:
    """What N must be for this D."""
    exact = [mpf(c) for c in reversed(under)]

    def wanted(a: mpf) -> mpf:
        return q.function(a) * mpmath.polyval(exact, a)

    def weight(a: mpf) -> mpf:
        return q.weight(a) / mpmath.polyval(exact, a)

    return Row(q.name, q.comment, wanted, weight, mpf(0), q.high, q.over, q.single)


def slope() -> mpf:
    """The derivative of log erfc at 0."""
    return -2 / mpmath.sqrt(mpmath.pi)


def log_tail(a: mpf) -> mpf:
    """(log(erfc(a)) - slope a) / a^2."""
    if a < SMALL:
        return -(slope() ** 2) / 2
    return (mpmath.log(mpmath.erfc(a)) - slope() * a) / a**2


def log_weight(a: mpf) -> mpf:
    """d erf / erf for an error d of log_tail: erf = 1 - e^(a slope + a^2 log_tail)."""
    return -a / slope() if a < SMALL else a**2 * mpmath.erfc(a) / mpmath.erf(a)


def scaled(a: mpf) -> mpf:
    """erfc(a) e^(a^2) (1 + 2 a): between 1 and 1.3."""
    return mpmath.erfc(a) * mpmath.exp(a * a) * (1 + 2 * a)


def scaled_tail(a: mpf) -> mpf:
    """(scaled(a) - 1) / a."""
    return 2 + slope() if a < SMALL else (scaled(a) - 1) / a


def scaled_weight(a: mpf) -> mpf:
    """d erfc / erfc for an error d of scaled_tail."""
    return a / scaled(a)


def quotients() -> list[Quotient]:
    """The approximations in use; the ends are those at which `passes/math/error.py` clamps."""
    near = "(log(erfc(a)) - c a) / a^2 for 0 <= a <= {}, c = -2 / sqrt(pi), error relative to erf(a)"
    far = "(erfc(a) e^(a^2) (1 + 2 a) - 1) / a for 0 <= a <= {}, error relative to erfc(a)"
    made = []
    for tag, single, end, over, under in (("F32", True, "3.95", 3, 3), ("F64", False, "5.9", 7, 7)):
        text = near.format(end)
        made.append(Quotient(f"ERF_{tag}", text, log_tail, log_weight, mpf(end), over, under, single))
    for tag, single, end, over, under in (("F32", True, "10.2", 4, 5), ("F64", False, "27.3", 9, 10)):
        text = far.format(end)
        made.append(Quotient(f"ERFC_{tag}", text, scaled_tail, scaled_weight, mpf(end), over, under, single))
    return made


def module_text() -> str:
    """The whole module."""
    out = [
        '"""Constants of erf and erfc: quotients N / D, lowest order first. Made by tools/minimax_erf.py."""',
        "",
        "# fmt: off",
        "# -2 / sqrt(pi), high + low",
    ]
    for tag, single in (("F32", True), ("F64", False)):
        high = to_format(slope(), single)
        out.append(f"SLOPE_{tag} = ({hexed(high)}, {hexed(to_format(slope() - mpf(high), single))})")
    for quotient in quotients():
        below = denominator(quotient)
        row = numerator(quotient, below)
        above = fit(row)
        bits = float(mpmath.log(worst(row, above), 2))
        out += ["", f"# {quotient.comment}: 2^{bits:.1f}"]
        for suffix, coefficients in (("N", above), ("D", below)):
            out += [f"{quotient.name}_{suffix} = (", *(f"    {hexed(c)}," for c in coefficients), ")"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    raise SystemExit(run(TARGET, module_text, __doc__ or ""))
