"""Constants of erf and erfc; coefficients lowest order first. Made by tools/minimax_erf.py."""

# fmt: off
# F(a) = erfc(a) e^(a^2) (1 + 2 a)
# -2 / sqrt(pi), high + low
SLOPE_F32 = (float.fromhex("-0x1.20dd760000000p+0"), float.fromhex("0x1.f7ac920000000p-25"))
SLOPE_F64 = (float.fromhex("-0x1.20dd750429b6dp+0"), float.fromhex("-0x1.1ae3a914fed80p-56"))

# (log(erfc(a)) - c a) / a^2 for 0 <= a <= 3.95, c = -2 / sqrt(pi), error relative to erf(a): 2^-30.5
ERF_F32 = (
    float.fromhex("-0x1.45f3080000000p-1"),
    float.fromhex("-0x1.a4f3c60000000p-4"),
    float.fromhex("0x1.393d520000000p-6"),
    float.fromhex("0x1.07ceae0000000p-12"),
    float.fromhex("-0x1.d76b140000000p-10"),
    float.fromhex("0x1.84447e0000000p-11"),
    float.fromhex("-0x1.5fb6580000000p-13"),
    float.fromhex("0x1.683bec0000000p-16"),
    float.fromhex("-0x1.44e7340000000p-20"),
)

# (log(erfc(a)) - c a) / a^2 for 0 <= a <= 5.9, c = -2 / sqrt(pi), error relative to erf(a): 2^-55.0
ERF_F64 = (
    float.fromhex("-0x1.45f306dc9c8c7p-1"),
    float.fromhex("-0x1.a4f4e2a1aa5dfp-4"),
    float.fromhex("0x1.396685908e55cp-6"),
    float.fromhex("0x1.b6b6a29ad5f60p-13"),
    float.fromhex("-0x1.bca69325cb3afp-10"),
    float.fromhex("0x1.35664c19e667ap-11"),
    float.fromhex("-0x1.b2a33216be899p-16"),
    float.fromhex("-0x1.0e2d2809fd19ap-14"),
    float.fromhex("0x1.f002acab93b21p-16"),
    float.fromhex("-0x1.a719b114f0fcbp-19"),
    float.fromhex("-0x1.a748bfc2645c6p-19"),
    float.fromhex("0x1.1407fd2cbe2afp-19"),
    float.fromhex("-0x1.3a0861debd8dap-21"),
    float.fromhex("0x1.5880134fd2e81p-26"),
    float.fromhex("0x1.09beb3c236a5ep-24"),
    float.fromhex("-0x1.1cf5ae980b4b2p-25"),
    float.fromhex("0x1.64442c9328a65p-27"),
    float.fromhex("-0x1.3816938cf038cp-29"),
    float.fromhex("0x1.8ceae2b06221ep-32"),
    float.fromhex("-0x1.6a1d8bc858c20p-35"),
    float.fromhex("0x1.c37eab9ae398cp-39"),
    float.fromhex("-0x1.595d70744eb62p-43"),
    float.fromhex("0x1.e9977e04dccd2p-49"),
)

# (F(a) - 1) / s in s - 3/2, s = 2 a / (a + 4), a <= 10.5, error relative to erfc(a): 2^-25.8
ERFC_F32 = (
    float.fromhex("0x1.d3ea900000000p-4"),
    float.fromhex("-0x1.296b7a0000000p-3"),
    float.fromhex("0x1.f94d080000000p-4"),
    float.fromhex("-0x1.5d24b40000000p-4"),
    float.fromhex("0x1.dfbcb80000000p-5"),
    float.fromhex("-0x1.12c4fe0000000p-6"),
    float.fromhex("0x1.0818300000000p-5"),
    float.fromhex("0x1.3bc3180000000p-7"),
    float.fromhex("0x1.421ffc0000000p-7"),
    float.fromhex("0x1.ba1ac80000000p-11"),
)

# (F(a) - 1) / s in s - 3/2, s = 2 a / (a + 4), a <= 27.5, error relative to erfc(a): 2^-54.1
ERFC_F64 = (
    float.fromhex("0x1.d3ea31ba45f2dp-4"),
    float.fromhex("-0x1.29728ff6b86ddp-3"),
    float.fromhex("0x1.f8848a154013dp-4"),
    float.fromhex("-0x1.62a0650592775p-4"),
    float.fromhex("0x1.b4929895d2404p-5"),
    float.fromhex("-0x1.de71c3598fe17p-6"),
    float.fromhex("0x1.d28a2acc42a3ep-7"),
    float.fromhex("-0x1.8f56f2d05ce8cp-8"),
    float.fromhex("0x1.22a0dbf17c10ap-9"),
    float.fromhex("-0x1.4ddf5e2e5c8bdp-11"),
    float.fromhex("0x1.d76f22a470236p-14"),
    float.fromhex("0x1.46fb5b651721ap-17"),
    float.fromhex("-0x1.0ff374d4c2559p-16"),
    float.fromhex("0x1.9ac60ceaacba1p-18"),
    float.fromhex("-0x1.9e3df552da82fp-25"),
    float.fromhex("-0x1.c8143488c70e4p-22"),
    float.fromhex("0x1.29a5568256521p-23"),
    float.fromhex("-0x1.76b25e2f1d566p-22"),
    float.fromhex("-0x1.46db392edb9ddp-22"),
    float.fromhex("-0x1.6f1d0b1f5823cp-24"),
    float.fromhex("-0x1.25bf088ffced1p-27"),
)
