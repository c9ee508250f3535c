"""Constants of erf and erfc: quotients N / D, lowest order first. Made by tools/minimax_erf.py."""

# fmt: off
# -2 / sqrt(pi), high + low
SLOPE_F32 = (float.fromhex("-0x1.20dd760000000p+0"), float.fromhex("0x1.f7ac920000000p-25"))
SLOPE_F64 = (float.fromhex("-0x1.20dd750429b6dp+0"), float.fromhex("-0x1.1ae3a914fed80p-56"))

# (log(erfc(a)) - c a) / a^2 for 0 <= a <= 3.95, c = -2 / sqrt(pi), error relative to erf(a): 2^-30.5
ERF_F32_N = (
    float.fromhex("-0x1.45f3060000000p-1"),
    float.fromhex("-0x1.32bdee0000000p-1"),
    float.fromhex("-0x1.e787b80000000p-3"),
    float.fromhex("-0x1.2fff1e0000000p-5"),
)
ERF_F32_D = (
    float.fromhex("0x1.0000000000000p+0"),
    float.fromhex("0x1.8f2c8c0000000p-1"),
    float.fromhex("0x1.1ccc5e0000000p-2"),
    float.fromhex("0x1.301f640000000p-5"),
)

# (log(erfc(a)) - c a) / a^2 for 0 <= a <= 5.9, c = -2 / sqrt(pi), error relative to erf(a): 2^-58.5
ERF_F64_N = (
    float.fromhex("-0x1.45f306dc9c887p-1"),
    float.fromhex("-0x1.299402f2ac7ecp+0"),
    float.fromhex("-0x1.fcd7faa7fdaebp-1"),
    float.fromhex("-0x1.0179f06dd16e7p-1"),
    float.fromhex("-0x1.4652395e012d4p-3"),
    float.fromhex("-0x1.f8aeacc6b4e7dp-6"),
    float.fromhex("-0x1.a2df5b107f16ep-9"),
    float.fromhex("-0x1.ec4787ab31592p-14"),
)
ERF_F64_D = (
    float.fromhex("0x1.0000000000000p+0"),
    float.fromhex("0x1.aa1b7d48c13a3p+0"),
    float.fromhex("0x1.528c5e7095f81p+0"),
    float.fromhex("0x1.40e9190b15a96p-1"),
    float.fromhex("0x1.7e66d2f208e32p-3"),
    float.fromhex("0x1.168bcb04d93b8p-5"),
    float.fromhex("0x1.b3ea13b99e80dp-9"),
    float.fromhex("0x1.ec5e572c6aa2bp-14"),
)

# (erfc(a) e^(a^2) (1 + 2 a) - 1) / a for 0 <= a <= 10.2, error relative to erfc(a): 2^-27.5
ERFC_F32_N = (
    float.fromhex("0x1.be45200000000p-1"),
    float.fromhex("0x1.ac77980000000p-1"),
    float.fromhex("0x1.9111360000000p-2"),
    float.fromhex("0x1.8265ec0000000p-4"),
    float.fromhex("0x1.18b1900000000p-7"),
)
ERFC_F32_D = (
    float.fromhex("0x1.0000000000000p+0"),
    float.fromhex("0x1.3374100000000p+1"),
    float.fromhex("0x1.3d94280000000p+1"),
    float.fromhex("0x1.6660600000000p+0"),
    float.fromhex("0x1.c45db80000000p-2"),
    float.fromhex("0x1.1149c40000000p-4"),
)

# (erfc(a) e^(a^2) (1 + 2 a) - 1) / a for 0 <= a <= 27.3, error relative to erfc(a): 2^-54.0
ERFC_F64_N = (
    float.fromhex("0x1.be4515f7ac8fdp-1"),
    float.fromhex("0x1.a762029d8cebap+0"),
    float.fromhex("0x1.91f32c1e4553ep+0"),
    float.fromhex("0x1.e84216764472ap-1"),
    float.fromhex("0x1.9cf003a5e8505p-2"),
    float.fromhex("0x1.f4cf125971028p-4"),
    float.fromhex("0x1.b1dc0c8ceb8d0p-6"),
    float.fromhex("0x1.025e2a60515cap-8"),
    float.fromhex("0x1.7f0c058d0e9e6p-12"),
    float.fromhex("0x1.0a8903641058dp-16"),
)
ERFC_F64_D = (
    float.fromhex("0x1.0000000000000p+0"),
    float.fromhex("0x1.ab6df66eb9c59p+1"),
    float.fromhex("0x1.4bd1679608b1ap+2"),
    float.fromhex("0x1.3c46ea5aa00c7p+2"),
    float.fromhex("0x1.9b31bb6bfd3fbp+1"),
    float.fromhex("0x1.7e6b67c9882b4p+0"),
    float.fromhex("0x1.02e1f507a224dp-1"),
    float.fromhex("0x1.faee88c673b5fp-4"),
    float.fromhex("0x1.5a51904ea475bp-6"),
    float.fromhex("0x1.2daeafdd70ae5p-9"),
    float.fromhex("0x1.0384ffdd0b21fp-13"),
)
