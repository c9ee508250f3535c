"""Constants of pow; coefficients lowest order first. Made by tools/minimax_power.py."""

# fmt: off
# 2 / ln 2 and a third of it, high + low
LOG2_FIRST = (float.fromhex("0x1.71547652b82fep+1"), float.fromhex("0x1.777d0ffda0d24p-55"))
LOG2_THIRD = (float.fromhex("0x1.ec709dc3a03fdp-1"), float.fromhex("0x1.d27f05548af0cp-55"))

# log2(m) / s in z = s^2, s = (m - 1) / (m + 1), sqrt(1/2) <= m <= sqrt(2), relative error: 2^-37.8
LOG2_SHORT = (
    float.fromhex("0x1.71547652bf007p+1"),
    float.fromhex("0x1.ec709d100e490p-1"),
    float.fromhex("0x1.27778218d2710p-1"),
    float.fromhex("0x1.a58c73cace5bcp-2"),
    float.fromhex("0x1.5cfd4a27aaae2p-2"),
)

# (log2(m) / s - c - c z / 3) / z^2, c = 2 / ln 2, error relative to log2(m) / s: 2^-73.2
LOG2_TAIL = (
    float.fromhex("0x1.2776c50ef9bfbp-1"),
    float.fromhex("0x1.a61762a7af21bp-2"),
    float.fromhex("0x1.484b13d674b2fp-2"),
    float.fromhex("0x1.0c9a85530678bp-2"),
    float.fromhex("0x1.c68eddb87741fp-3"),
    float.fromhex("0x1.8a0b542dc0bf0p-3"),
    float.fromhex("0x1.58de6d9be7023p-3"),
    float.fromhex("0x1.62dda1804c103p-3"),
)
