"""Constants of sin and cos, lowest order first. Made by tools/minimax_circular.py."""

# fmt: off
# pi = high + middle + low, rounded to the format, high below pi; 1 / pi, rounded to it
PI_F32 = (
    float.fromhex("0x1.921fb40000000p+1"),
    float.fromhex("0x1.4442d20000000p-23"),
    float.fromhex("-0x1.ee59da0000000p-49"),
)
INVERSE_PI_F32 = float.fromhex("0x1.45f3060000000p-2")
PI_F64 = (
    float.fromhex("0x1.921fb54442d18p+1"),
    float.fromhex("0x1.1a62633145c07p-53"),
    float.fromhex("-0x1.f1976b7ed8fbcp-109"),
)
INVERSE_PI_F64 = float.fromhex("0x1.45f306dc9c883p-2")

# 63 zeros and then the binary places of 1 / pi, 32 each
INVERSE_PI_BITS = (
    0x00000000,
    0x00000000,
    0xA2F9836E,
    0x4E441529,
    0xFC2757D1,
    0xF534DDC0,
    0xDB629599,
    0x3C439041,
    0xFE5163AB,
    0xDEBBC561,
    0xB7246E3A,
    0x424DD2E0,
    0x06492EEA,
    0x09D1921C,
    0xFE1DEB1C,
    0xB129A73E,
    0xE88235F5,
    0x2EBB4484,
    0xE99C7026,
    0xB45F7E41,
    0x3991D639,
    0x835339F4,
    0x9C845F8B,
    0xBDF9283B,
    0x1FF897FF,
    0xDE05980F,
    0xEF2F118B,
    0x5A0A6D1F,
    0x6D367ECF,
    0x27CB09B7,
    0x4F463F66,
    0x9E5FEA2D,
    0x7527BAC7,
    0xEBE5F17B,
    0x3D0739F7,
    0x8A5292EA,
    0x6BFB5FB1,
    0x1F8D5D08,
    0x56033046,
)

# (sin r - r) / r^3 in z = r^2 for |r| <= pi/2, error relative to sin r: 2^-27.2
SIN_F32 = (
    float.fromhex("-0x1.55554c0000000p-3"),
    float.fromhex("0x1.110ed60000000p-7"),
    float.fromhex("-0x1.9f6fbc0000000p-13"),
    float.fromhex("0x1.5db31a0000000p-19"),
)

# (sin r - r) / r^3 in z = r^2 for |r| <= pi/2, error relative to sin r: 2^-61.5
SIN_F64 = (
    float.fromhex("-0x1.5555555555555p-3"),
    float.fromhex("0x1.11111111110c7p-7"),
    float.fromhex("-0x1.a01a01a014c00p-13"),
    float.fromhex("0x1.71de3a5294648p-19"),
    float.fromhex("-0x1.ae6454cdfa19bp-26"),
    float.fromhex("0x1.6123cb3b392fbp-33"),
    float.fromhex("-0x1.ae43036684e4fp-41"),
    float.fromhex("0x1.88243b27a981dp-49"),
)
