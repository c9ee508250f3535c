"""Minimax coefficients, lowest order first, and split constants. Made by tools/minimax.py."""

# fmt: off
# x = high + low, each rounded to the format
LN2_F32 = (float.fromhex("0x1.62e4300000000p-1"), float.fromhex("-0x1.05c6100000000p-29"))
LN2_F64 = (float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.abc9e3b39803fp-56"))
LN2_BELOW_F32 = (float.fromhex("0x1.62e42e0000000p-1"), float.fromhex("0x1.efa39e0000000p-25"))
LN2_BELOW_F64 = (float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.abc9e3b39803fp-56"))
LOG2E_F32 = (float.fromhex("0x1.7154760000000p+0"), float.fromhex("0x1.4ae0c00000000p-26"))
LOG2E_F64 = (float.fromhex("0x1.71547652b82fep+0"), float.fromhex("0x1.777d0ffda0d24p-56"))

# (e^r - 1 - r) / r^2 for |r| <= ln(2)/2, error relative to expm1(r): 2^-26.1
EXP_F32 = (
    float.fromhex("0x1.0000000000000p-1"),
    float.fromhex("0x1.5554b60000000p-3"),
    float.fromhex("0x1.5555b40000000p-5"),
    float.fromhex("0x1.1224300000000p-7"),
    float.fromhex("0x1.6c5ce40000000p-10"),
)

# (e^r - 1 - r) / r^2 for |r| <= ln(2)/2, error relative to expm1(r): 2^-55.2
EXP_F64 = (
    float.fromhex("0x1.0000000000000p-1"),
    float.fromhex("0x1.555555555553ep-3"),
    float.fromhex("0x1.5555555553ae0p-5"),
    float.fromhex("0x1.1111111118d00p-7"),
    float.fromhex("0x1.6c16c17a10c0dp-10"),
    float.fromhex("0x1.a01a0171c17b0p-13"),
    float.fromhex("0x1.a019b3598ba6ap-16"),
    float.fromhex("0x1.71de970b6fd6ep-19"),
    float.fromhex("0x1.2897b2c7fcfdbp-22"),
    float.fromhex("0x1.ae4a279866f24p-26"),
)

# (2^r - 1 - r ln 2) / r^2 for |r| <= 1/2, error relative to 2^r: 2^-28.3
EXP2_F32 = (
    float.fromhex("0x1.ebfbdc0000000p-3"),
    float.fromhex("0x1.c6af880000000p-5"),
    float.fromhex("0x1.3b2de00000000p-7"),
    float.fromhex("0x1.5f04460000000p-10"),
    float.fromhex("0x1.416be20000000p-13"),
)

# (2^r - 1 - r ln 2) / r^2 for |r| <= 1/2, error relative to 2^r: 2^-57.9
EXP2_F64 = (
    float.fromhex("0x1.ebfbdff82c5a1p-3"),
    float.fromhex("0x1.c6b08d704a042p-5"),
    float.fromhex("0x1.3b2ab6fba0771p-7"),
    float.fromhex("0x1.5d87fe78c442cp-10"),
    float.fromhex("0x1.4309130dd340dp-13"),
    float.fromhex("0x1.ffcbfbc3fe68ap-17"),
    float.fromhex("0x1.62bfc9c4f8d98p-20"),
    float.fromhex("0x1.b5265a200bef2p-24"),
    float.fromhex("0x1.e6181b93d0658p-28"),
    float.fromhex("0x1.e7bd16cf9e26dp-32"),
)

# (log(1+f) - f) / f^2 for sqrt(1/2) <= 1+f <= sqrt(2), error relative to log(1+f): 2^-27.3
LOG_F32 = (
    float.fromhex("-0x1.0000000000000p-1"),
    float.fromhex("0x1.5555540000000p-2"),
    float.fromhex("-0x1.00022a0000000p-2"),
    float.fromhex("0x1.99a02c0000000p-3"),
    float.fromhex("-0x1.54716a0000000p-3"),
    float.fromhex("0x1.22d6a80000000p-3"),
    float.fromhex("-0x1.0d8b3e0000000p-3"),
    float.fromhex("0x1.0576460000000p-3"),
    float.fromhex("-0x1.38d4920000000p-4"),
)

# (2 atanh(s) - 2 s) / s^3 in z = s^2 for |s| <= (sqrt(2)-1)^2, error relative to 2 s: 2^-59.4
ATANH_F64 = (
    float.fromhex("0x1.5555555555595p-1"),
    float.fromhex("0x1.999999997eec1p-2"),
    float.fromhex("0x1.24924942d1ed6p-2"),
    float.fromhex("0x1.c71c514855305p-3"),
    float.fromhex("0x1.7466689259064p-3"),
    float.fromhex("0x1.399d545bbe48ep-3"),
    float.fromhex("0x1.2f33ab8dc3bc7p-3"),
)
