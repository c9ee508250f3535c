"""arcsinh, arccosh and arctanh.

Near the zero of the function a polynomial keeps the relative accuracy; beyond, arcsinh and arccosh are the
logarithm of u = x + sqrt(x^2 +- 1) in two parts (J.-M. Muller, Elementary Functions, 3rd ed., section 11.4,
for the cancellation that this avoids). What the rounding of the root lost, d = (x^2 +- 1 - s^2) / (2 s),
moves the logarithm by d / u; with w = 1/u = +-(s - x) this is +-d' w^2 / (1 +- w^2) for d' = x^2 +- 1 - s^2,
and needs no division.
"""

from __future__ import annotations

from tensorc.ops.scalar import S, ScalarBuilder
from tensorc.passes.math.inverse_constants import (
    ACOSH_F32,
    ACOSH_F64,
    ASINH_F32,
    ASINH_F64,
    ATANH_F32,
    ATANH_F64,
)
from tensorc.passes.math.logarithm import add_exponent, log1p_remainder, split
from tensorc.passes.math.scalars import (
    BINARY32,
    INF,
    NAN,
    Format,
    at_most,
    exponent_field,
    fast_two_sum,
    format_of,
    horner,
)

INVERSE_TERM = {1.0: -0.73, -1.0: 1.17}
"""1 / (1 + w^2) is about 1 - 0.73 w^2 for w <= 0.62, 1 / (1 - w^2) about 1 + 1.17 w^2 for w <= 0.39."""


def large(fmt: Format) -> float:
    """From here on log(2 x) is off by 1 / (4 x^2), less than 1/16 of its ulp; w would have no digits."""
    return 2.0 ** (fmt.digits // 2)


def log_of_sum(b: ScalarBuilder[S], x: S, capped: S, root: S, residue: S, one: float) -> S:
    """log(x + sqrt(x^2 + one)) for x >= 1/2: `root` is rounded, `residue` is capped^2 + one - root^2."""
    fmt = format_of(x)
    unit = b.constant(1.0, fmt.type)
    beyond = b.cmpf("ogt", x, b.constant(large(fmt), fmt.type))
    bigger, smaller = (root, capped) if one > 0 else (capped, root)
    u, u_low = fast_two_sum(b, bigger, smaller)
    w = b.subf(bigger, smaller)
    w_square = b.mulf(w, w)
    factor = b.mulf(w_square, b.fma(w_square, b.constant(INVERSE_TERM[one], fmt.type), unit))
    correction = b.fma(u_low, w, b.mulf(residue, factor))
    correction = b.select(beyond, b.constant(0.0, fmt.type), correction)
    parts = split(b, b.select(beyond, x, u))
    k = b.select(beyond, b.addf(parts.k, unit), parts.k)
    f = b.subf(parts.m, unit)
    return add_exponent(b, k, f, b.addf(log1p_remainder(b, f), correction))


def asinh(b: ScalarBuilder[S], x: S) -> S:
    """arcsinh x. arcsinh(+-0) = +-0, arcsinh(+-inf) = +-inf."""
    fmt = format_of(x)
    one = b.constant(1.0, fmt.type)
    magnitude = b.absf(x)
    capped = at_most(b, magnitude, 2.0 * large(fmt))
    square = b.fma(capped, capped, one)
    root = b.sqrt(square)
    # 1 - square is exact wherever 1 counts.
    residue = b.addf(b.fma(b.negf(root), root, square), b.fma(capped, capped, b.subf(one, square)))
    far = log_of_sum(b, magnitude, capped, root, residue, 1.0)
    z = b.mulf(capped, capped)
    coefficients = ASINH_F32 if fmt is BINARY32 else ASINH_F64
    near = b.fma(b.mulf(capped, z), horner(b, z, coefficients), capped)
    result = b.select(b.cmpf("olt", magnitude, b.constant(0.5, fmt.type)), near, far)
    return b.copysign(result, x)


def acosh(b: ScalarBuilder[S], x: S) -> S:
    """arccosh x. arccosh(1) = 0, arccosh(inf) = inf, NaN below 1."""
    fmt = format_of(x)
    one = b.constant(1.0, fmt.type)
    capped = at_most(b, x, 2.0 * large(fmt))
    # x - 1 is exact near 1.
    d = b.subf(capped, one)
    near = b.cmpf("olt", capped, b.constant(1.5, fmt.type))
    product = b.mulf(capped, capped)
    square = b.subf(product, one)
    root = b.sqrt(b.select(near, b.addf(d, d), square))
    # product - 1 is exact wherever 1 counts.
    residue = b.addf(b.fma(b.negf(root), root, square), b.fma(capped, capped, b.negf(product)))
    far = log_of_sum(b, x, capped, root, residue, -1.0)
    coefficients = ACOSH_F32 if fmt is BINARY32 else ACOSH_F64
    close = b.fma(b.mulf(root, d), horner(b, d, coefficients), root)
    return b.select(near, close, far)


def atanh(b: ScalarBuilder[S], x: S) -> S:
    """arctanh x. arctanh(+-0) = +-0, arctanh(+-1) = +-inf, NaN where |x| > 1.

    (1 + |x|) / (1 - |x|) = 2^k n / d with n / d between 0.8 and 1.75, and log(n / d) = 2 arctanh(s) with s =
    (n - d) / (n + d): one division. For k = 0, that is |x| < 1/4, s is |x|.
    """
    fmt = format_of(x)
    zero, one, half = (b.constant(v, fmt.type) for v in (0.0, 1.0, 0.5))
    digits = b.constant(fmt.digits, fmt.bits)
    magnitude = b.absf(x)
    n, n_low = fast_two_sum(b, one, magnitude)
    d, d_low = fast_two_sum(b, one, b.negf(magnitude))
    # The difference of the bits is close to that of the logarithms; 2 * bias keeps it positive. A quarter
    # rounds it, so that k = 1 begins where k ln 2 and log(n / d) cancel little.
    offset = b.constant((2 * fmt.bias << fmt.digits) + (1 << (fmt.digits - 2)), fmt.bits)
    ratio = b.addi(b.subi(b.bitcast(n, fmt.bits), b.bitcast(d, fmt.bits)), offset)
    biased = b.shrui(ratio, digits)
    power = exponent_field(b, b.subi(biased, b.constant(fmt.bias, fmt.bits)), fmt)
    pasted = b.ori(biased, b.constant((fmt.bias + fmt.digits) << fmt.digits, fmt.bits))
    k = b.subf(b.bitcast(pasted, fmt.type), b.constant(2.0**fmt.digits + 2 * fmt.bias, fmt.type))
    scaled = b.mulf(d, power)
    difference = b.addf(b.subf(n, scaled), b.fma(b.negf(power), d_low, n_low))
    quotient = b.divf(difference, b.addf(n, scaled))
    s = b.select(b.cmpf("oeq", k, zero), magnitude, quotient)
    z = b.mulf(s, s)
    rest = b.mulf(b.mulf(s, z), horner(b, z, ATANH_F32 if fmt is BINARY32 else ATANH_F64))
    result = add_exponent(b, b.mulf(k, half), s, rest)
    result = b.select(b.cmpf("oeq", magnitude, one), b.constant(INF, fmt.type), result)
    result = b.select(b.cmpf("ogt", magnitude, one), b.constant(NAN, fmt.type), result)
    return b.copysign(result, x)
