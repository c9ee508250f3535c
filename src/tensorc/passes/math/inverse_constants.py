"""Coefficients, lowest order first, and split constants. Made by tools/minimax_inverse.py."""

# fmt: off
# x = high + low, each rounded to the format
PI_F32 = (float.fromhex("0x1.921fb60000000p+1"), float.fromhex("-0x1.777a5c0000000p-24"))
PI_F64 = (float.fromhex("0x1.921fb54442d18p+1"), float.fromhex("0x1.1a62633145c07p-53"))
HALF_PI_F32 = (float.fromhex("0x1.921fb60000000p+0"), float.fromhex("-0x1.777a5c0000000p-25"))
HALF_PI_F64 = (float.fromhex("0x1.921fb54442d18p+0"), float.fromhex("0x1.1a62633145c07p-54"))
LOG10E_F32 = (float.fromhex("0x1.bcb7b20000000p-2"), float.fromhex("-0x1.5b235e0000000p-27"))
LOG10E_F64 = (float.fromhex("0x1.bcb7b1526e50ep-2"), float.fromhex("0x1.95355baaafad3p-57"))
LOG10_2_BELOW_F32 = (float.fromhex("0x1.3441340000000p-2"), float.fromhex("0x1.09f7a00000000p-26"))
LOG10_2_BELOW_F64 = (float.fromhex("0x1.34413509f79fep-2"), float.fromhex("0x1.e623e2566b02ep-55"))

# (sinh r - r) / r^3 in z = r^2 for |r| <= ln(2)/2, error relative to sinh r: 2^-34.1
SINH_F32 = (
    float.fromhex("0x1.5555560000000p-3"),
    float.fromhex("0x1.110fe20000000p-7"),
    float.fromhex("0x1.a28eb60000000p-13"),
)

# (sinh r - r) / r^3 in z = r^2 for |r| <= ln(2)/2, error relative to sinh r: 2^-64.8
SINH_F64 = (
    float.fromhex("0x1.5555555555555p-3"),
    float.fromhex("0x1.111111111130ap-7"),
    float.fromhex("0x1.a01a019f14708p-13"),
    float.fromhex("0x1.71de3e30257e1p-19"),
    float.fromhex("0x1.ae56c197f7089p-26"),
    float.fromhex("0x1.73810b91962d8p-33"),
)

# (cosh r - 1) / r^2 in z = r^2 for |r| <= ln(2)/2, error relative to cosh r: 2^-33.2
COSH_F32 = (
    float.fromhex("0x1.0000000000000p-1"),
    float.fromhex("0x1.5554e20000000p-5"),
    float.fromhex("0x1.6d53fc0000000p-10"),
)

# (cosh r - 1) / r^2 in z = r^2 for |r| <= ln(2)/2, error relative to cosh r: 2^-70.0
COSH_F64 = (
    float.fromhex("0x1.0000000000000p-1"),
    float.fromhex("0x1.5555555555558p-5"),
    float.fromhex("0x1.6c16c16c14fe6p-10"),
    float.fromhex("0x1.a01a01ad8d5fcp-16"),
    float.fromhex("0x1.27e4cbe27ee9fp-22"),
    float.fromhex("0x1.1f8c3bdfd32b0p-29"),
)

# (1 - r cot r) / r^2 in z = r^2 for |r| <= pi/4, error relative to cot r: 2^-27.3
COT_F32 = (
    float.fromhex("0x1.5555420000000p-2"),
    float.fromhex("0x1.6c28d40000000p-6"),
    float.fromhex("0x1.12c4480000000p-9"),
    float.fromhex("0x1.0439da0000000p-12"),
)

# (1 - r cot r) / r^2 in z = r^2 for |r| <= pi/4, error relative to cot r: 2^-57.0
COT_F64 = (
    float.fromhex("0x1.555555555556dp-2"),
    float.fromhex("0x1.6c16c16c11043p-6"),
    float.fromhex("0x1.1566abc3efeeap-9"),
    float.fromhex("0x1.bbd776a1c2205p-13"),
    float.fromhex("0x1.66a96e5de47cbp-16"),
    float.fromhex("0x1.227257e21861bp-19"),
    float.fromhex("0x1.d8ceadb94dd8ap-23"),
    float.fromhex("0x1.68ecc5ebca698p-26"),
    float.fromhex("0x1.ab68f4b1a95bep-29"),
)

# (asinh r - r) / r^3 in z = r^2 for |r| <= 1/2, error relative to asinh r: 2^-29.4
ASINH_F32 = (
    float.fromhex("-0x1.5555340000000p-3"),
    float.fromhex("0x1.3324600000000p-4"),
    float.fromhex("-0x1.6b885e0000000p-5"),
    float.fromhex("0x1.cce48e0000000p-6"),
    float.fromhex("-0x1.afa7de0000000p-7"),
)

# (asinh r - r) / r^3 in z = r^2 for |r| <= 1/2, error relative to asinh r: 2^-60.2
ASINH_F64 = (
    float.fromhex("-0x1.555555555553ep-3"),
    float.fromhex("0x1.3333333330256p-4"),
    float.fromhex("-0x1.6db6db6b75aaep-5"),
    float.fromhex("0x1.f1c71b9aa8124p-6"),
    float.fromhex("-0x1.6e8b8b48e8fe4p-6"),
    float.fromhex("0x1.1c4d1b8a32a22p-6"),
    float.fromhex("-0x1.c97165094b38ep-7"),
    float.fromhex("0x1.793811b0ea5fep-7"),
    float.fromhex("-0x1.384022e90649cp-7"),
    float.fromhex("0x1.e86022140e4e9p-8"),
    float.fromhex("-0x1.35bf760e2812cp-8"),
    float.fromhex("0x1.be9d2eb8276a9p-10"),
)

# (acosh(1 + d) / sqrt(2 d) - 1) / d for 0 <= d <= 1/2, error relative to acosh(1 + d): 2^-29.4
ACOSH_F32 = (
    float.fromhex("-0x1.5555340000000p-4"),
    float.fromhex("0x1.3324600000000p-6"),
    float.fromhex("-0x1.6b885e0000000p-8"),
    float.fromhex("0x1.cce48e0000000p-10"),
    float.fromhex("-0x1.afa7de0000000p-12"),
)

# (acosh(1 + d) / sqrt(2 d) - 1) / d for 0 <= d <= 1/2, error relative to acosh(1 + d): 2^-60.2
ACOSH_F64 = (
    float.fromhex("-0x1.555555555553ep-4"),
    float.fromhex("0x1.3333333330256p-6"),
    float.fromhex("-0x1.6db6db6b75aaep-8"),
    float.fromhex("0x1.f1c71b9aa8124p-10"),
    float.fromhex("-0x1.6e8b8b48e8fe4p-11"),
    float.fromhex("0x1.1c4d1b8a32a22p-12"),
    float.fromhex("-0x1.c97165094b38ep-14"),
    float.fromhex("0x1.793811b0ea5fep-15"),
    float.fromhex("-0x1.384022e90649cp-16"),
    float.fromhex("0x1.e86022140e4e9p-18"),
    float.fromhex("-0x1.35bf760e2812cp-19"),
    float.fromhex("0x1.be9d2eb8276a9p-22"),
)

# (atanh r - r) / r^3 in z = r^2 for |r| <= 0.273, error relative to atanh r: 2^-30.7
ATANH_F32 = (
    float.fromhex("0x1.5555460000000p-2"),
    float.fromhex("0x1.99a9320000000p-3"),
    float.fromhex("0x1.2222d60000000p-3"),
    float.fromhex("0x1.092c860000000p-3"),
)

# (atanh r - r) / r^3 in z = r^2 for |r| <= 0.273, error relative to atanh r: 2^-60.1
ATANH_F64 = (
    float.fromhex("0x1.555555555556dp-2"),
    float.fromhex("0x1.9999999993798p-3"),
    float.fromhex("0x1.24924928f3490p-3"),
    float.fromhex("0x1.c71c6eb55900bp-4"),
    float.fromhex("0x1.745db2cecc76ap-4"),
    float.fromhex("0x1.3b0129348a2a5p-4"),
    float.fromhex("0x1.126b14513d802p-4"),
    float.fromhex("0x1.c3dbdb558fe97p-5"),
    float.fromhex("0x1.30bea617d3e25p-4"),
)

# (atan r - r) / r^3 in z = r^2 for |r| <= 1, error relative to atan r: 2^-28.2
ATAN_F32 = (
    float.fromhex("-0x1.55553a0000000p-2"),
    float.fromhex("0x1.9991000000000p-3"),
    float.fromhex("-0x1.24177a0000000p-3"),
    float.fromhex("0x1.c0317e0000000p-4"),
    float.fromhex("-0x1.5709ba0000000p-4"),
    float.fromhex("0x1.d6de140000000p-5"),
    float.fromhex("-0x1.f722e60000000p-6"),
    float.fromhex("0x1.5d871a0000000p-7"),
    float.fromhex("-0x1.c7dc840000000p-10"),
)

# (atan r - r) / r^3 in z = r^2 for |r| <= 1, error relative to atan r: 2^-57.3
ATAN_F64 = (
    float.fromhex("-0x1.555555555551dp-2"),
    float.fromhex("0x1.9999999994b2ap-3"),
    float.fromhex("-0x1.249249235b8ddp-3"),
    float.fromhex("0x1.c71c7177f1d86p-4"),
    float.fromhex("-0x1.745d112838a0ep-4"),
    float.fromhex("0x1.3b1360a94707cp-4"),
    float.fromhex("-0x1.110e21d2aa6f8p-4"),
    float.fromhex("0x1.e1b97f3da4f64p-5"),
    float.fromhex("-0x1.ae55096997cb9p-5"),
    float.fromhex("0x1.82bb6365a8f4dp-5"),
    float.fromhex("-0x1.5952abd1e9b9ep-5"),
    float.fromhex("0x1.2b8aa9f506f5cp-5"),
    float.fromhex("-0x1.e7f86ec5a95ebp-6"),
    float.fromhex("0x1.65cb8622058a2p-6"),
    float.fromhex("-0x1.c2ff51fdfd16cp-7"),
    float.fromhex("0x1.d14dfd9d85a16p-8"),
    float.fromhex("-0x1.73a83b984ef2fp-9"),
    float.fromhex("0x1.aac07ebff3d86p-11"),
    float.fromhex("-0x1.37417a0ff51ecp-13"),
    float.fromhex("0x1.af3c2a9a965ccp-17"),
)

# (asin r - r) / r^3 in z = r^2 for |r| <= 1/2, error relative to asin r: 2^-27.5
ASIN_F32 = (
    float.fromhex("0x1.5555ca0000000p-3"),
    float.fromhex("0x1.3301820000000p-4"),
    float.fromhex("0x1.74880a0000000p-5"),
    float.fromhex("0x1.8bbe180000000p-6"),
    float.fromhex("0x1.59d3140000000p-5"),
)

# (asin r - r) / r^3 in z = r^2 for |r| <= 1/2, error relative to asin r: 2^-59.7
ASIN_F64 = (
    float.fromhex("0x1.5555555555578p-3"),
    float.fromhex("0x1.333333332df4cp-4"),
    float.fromhex("0x1.6db6db7228e7cp-5"),
    float.fromhex("0x1.f1c71a8c1d4bap-6"),
    float.fromhex("0x1.6e8bdfea85995p-6"),
    float.fromhex("0x1.1c49dc3c954cdp-6"),
    float.fromhex("0x1.ca21956ede84ep-7"),
    float.fromhex("0x1.7573ac6263649p-7"),
    float.fromhex("0x1.61a7c6fde9d96p-7"),
    float.fromhex("0x1.df35931f8f8bcp-9"),
    float.fromhex("0x1.65cab5aa083a8p-6"),
    float.fromhex("-0x1.5b418337669a6p-6"),
    float.fromhex("0x1.0c5a6483e7875p-5"),
)

# m^(-1/3) for sqrt(1/2) <= m <= sqrt(2), relative error: 2^-11.7
CBRT_F32 = (
    float.fromhex("0x1.ba16960000000p+0"),
    float.fromhex("-0x1.4625580000000p+0"),
    float.fromhex("0x1.6742c80000000p-1"),
    float.fromhex("-0x1.3d01760000000p-3"),
)

# m^(-1/3) for sqrt(1/2) <= m <= sqrt(2), relative error: 2^-19.8
CBRT_F64 = (
    float.fromhex("0x1.0db801c90fee5p+1"),
    float.fromhex("-0x1.9131baddec215p+1"),
    float.fromhex("0x1.193fc8363014ep+2"),
    float.fromhex("-0x1.fe04d6eb69f5dp+1"),
    float.fromhex("0x1.1afdbf1733da0p+1"),
    float.fromhex("-0x1.5e5e1656a4248p-1"),
    float.fromhex("0x1.7319aed130b14p-4"),
)
