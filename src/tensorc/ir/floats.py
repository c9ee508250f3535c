"""Exact text and bits of floating-point numbers at every width the IR has, without NumPy for the narrow
ones it lacks (bf16).
"""

from __future__ import annotations

import math
import struct

import numpy as np

from tensorc.ir.types import FloatType

# Format name -> (bits of precision, least exponent of a normal number, greatest exponent). IEEE 754-2019,
# table 3.5; bf16 is binary32 with 8 bits of precision.
_FORMATS = {"f16": (11, -14, 15), "bf16": (8, -126, 127), "f32": (24, -126, 127), "f64": (53, -1022, 1023)}
_STRUCT = {"f16": ("<e", "<H"), "f32": ("<f", "<I"), "f64": ("<d", "<Q")}


def round_to(value: float, type: FloatType) -> float:
    """`value` rounded to nearest even at the width of `type`; too large gives inf, NaN keeps sign and
    leading payload.
    """
    if type.name == "f64" or value == 0 or math.isinf(value):
        return value
    if math.isnan(value):
        return from_bits(bits_of(value, type), type)
    precision, least, greatest = _FORMATS[type.name]
    if abs(value) >= 2.0 ** (greatest + 1):
        return math.copysign(math.inf, value)
    exponent = max(math.frexp(value)[1] - precision, least - precision + 1)
    rounded = math.ldexp(round(math.ldexp(value, -exponent)), exponent)
    return math.copysign(math.inf if abs(rounded) >= 2.0 ** (greatest + 1) else rounded, value)


def bits_of(value: float, type: FloatType) -> int:
    """The bit pattern of `value`, which must be representable (or NaN)."""
    if math.isnan(value):
        return _narrow_nan(value, type)
    if type.name == "bf16":
        return int(struct.unpack("<I", struct.pack("<f", value))[0]) >> 16
    number, bits = _STRUCT[type.name]
    return int(struct.unpack(bits, struct.pack(number, value))[0])


def from_bits(bits: int, type: FloatType) -> float:
    mantissa_bits = _FORMATS[type.name][0] - 1
    exponent_mask = (1 << (type.width - 1 - mantissa_bits)) - 1
    mantissa = bits & ((1 << mantissa_bits) - 1)
    if (bits >> mantissa_bits) & exponent_mask == exponent_mask and mantissa:
        wide = (bits >> (type.width - 1)) << 63 | 0x7FF << 52 | mantissa << (52 - mantissa_bits)
        return float(struct.unpack("<d", struct.pack("<Q", wide))[0])
    if type.name == "bf16":
        return float(struct.unpack("<f", struct.pack("<I", bits << 16))[0])
    number, unsigned = _STRUCT[type.name]
    return float(struct.unpack(number, struct.pack(unsigned, bits))[0])


def _narrow_nan(value: float, type: FloatType) -> int:
    wide = int(struct.unpack("<Q", struct.pack("<d", value))[0])
    mantissa_bits = _FORMATS[type.name][0] - 1
    mantissa = (wide & ((1 << 52) - 1)) >> (52 - mantissa_bits)
    exponent = ((1 << (type.width - 1 - mantissa_bits)) - 1) << mantissa_bits
    # A payload that lies wholly in the dropped bits would turn the NaN into an infinity.
    return (wide >> 63) << (type.width - 1) | exponent | (mantissa or 1 << (mantissa_bits - 1))


def text_of(value: float, type: FloatType) -> str:
    """Decimal where reading it back at this width gives the same bits, the bit pattern `0x7FC00000`
    otherwise.
    """
    if math.isfinite(value):
        decimal = str(np.float32(value)) if type.name == "f32" else repr(float(value))
        mantissa, e, exponent = decimal.partition("e")
        decimal = (mantissa if "." in mantissa else mantissa + ".0") + e + exponent
        if struct.pack("<d", round_to(float(decimal), type)) == struct.pack("<d", value):
            return decimal
    return f"0x{bits_of(value, type):0{type.width // 4}X}"
