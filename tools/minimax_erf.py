"""Generate the constants of `src/tensorc/passes/math/error_constants.py`: erf and erfc.

    python tools/minimax_erf.py            print the module
    python tools/minimax_erf.py --check    exit 1 unless the committed module is what this script prints
    python tools/minimax_erf.py --write    replace the committed module

The polynomials are fitted as in `tools/minimax_inverse.py`: both functions are analytic well beyond the
intervals.
"""

from __future__ import annotations

from pathlib import Path

import mpmath
from minimax import Row, hexed, run, to_format, worst
from minimax_inverse import fit
from mpmath import mpf

TARGET = Path(__file__).resolve().parent.parent / "src/tensorc/passes/math/error_constants.py"
SMALL = mpf("1e-25")
CENTRE = mpf("1.5")


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


def argument(v: mpf) -> mpf:
    """The a with v + CENTRE = 2 a / (a + 4)."""
    return 4 * (v + CENTRE) / (2 - v - CENTRE)


def scaled_tail(v: mpf) -> mpf:
    """(scaled(a) - 1) / s."""
    s = v + CENTRE
    return 2 * (2 + slope()) if s < SMALL else (scaled(argument(v)) - 1) / s


def scaled_weight(v: mpf) -> mpf:
    """d erfc / erfc for an error d of scaled_tail."""
    return (v + CENTRE) / scaled(argument(v))


def rows() -> list[Row]:
    """The polynomials in use; the ends are those at which `passes/math/error.py` clamps."""
    near = "(log(erfc(a)) - c a) / a^2 for 0 <= a <= {}, c = -2 / sqrt(pi), error relative to erf(a)"
    far = "(F(a) - 1) / s in s - 3/2, s = 2 a / (a + 4), a <= {}, error relative to erfc(a)"
    made = []
    for tag, single, full, degree in (("F32", True, "3.95", 8), ("F64", False, "5.9", 22)):
        text, end = near.format(full), mpf(full)
        made.append(Row(f"ERF_{tag}", text, log_tail, log_weight, mpf(0), end, degree, single))
    for tag, single, gone, degree in (("F32", True, "10.5", 9), ("F64", False, "27.5", 20)):
        text, end = far.format(gone), 2 * mpf(gone) / (mpf(gone) + 4) - CENTRE
        made.append(Row(f"ERFC_{tag}", text, scaled_tail, scaled_weight, -CENTRE, end, degree, single))
    return made


def module_text() -> str:
    """The whole module."""
    out = [
        '"""Constants of erf and erfc; coefficients lowest order first. Made by tools/minimax_erf.py."""',
        "",
        "# fmt: off",
        "# F(a) = erfc(a) e^(a^2) (1 + 2 a)",
        "# -2 / sqrt(pi), high + low",
    ]
    for tag, single in (("F32", True), ("F64", False)):
        high = to_format(slope(), single)
        out.append(f"SLOPE_{tag} = ({hexed(high)}, {hexed(to_format(slope() - mpf(high), single))})")
    for row in rows():
        coefficients = fit(row)
        bits = float(mpmath.log(worst(row, coefficients), 2))
        out += ["", f"# {row.comment}: 2^{bits:.1f}", f"{row.name} = ("]
        out += [f"    {hexed(c)}," for c in coefficients]
        out.append(")")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    raise SystemExit(run(TARGET, module_text, __doc__ or ""))
