"""Rare functions: results that the fast form of a function does not reach, made again from the argument.

An expansion ends in `call @tensorc_rare_<name>_<type>(x, fast result)`. The function, which `expand-math`
defines in the module, gives the fast result back unless |x| is beyond a bound, and only then takes the long
way. Vector code compares a whole vector at once and branches around the rest (`LANEWISE` in
`ops/loops/nests.py`), so that the long way may be long. Programs of one process share the machine code of
these functions (`codegen_llvm/libraries.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tensorc.ir.types import FloatType
from tensorc.passes.math.huge import huge_cos, huge_sin, huge_tan
from tensorc.passes.math.scalars import BINARY32, BINARY64
from tensorc.passes.math.trigonometric import REACH


@dataclass(frozen=True)
class Rare:
    """`value(builder, x)` is the result where |x| > `bound`, in the format `type`."""

    type: FloatType
    bound: float
    value: Callable[..., Any]


RARE: dict[str, Rare] = {
    f"tensorc_rare_{name}_{fmt.type}": Rare(fmt.type, REACH[fmt.digits], value)
    for name, value in (("sin", huge_sin), ("cos", huge_cos), ("tan", huge_tan))
    for fmt in (BINARY32, BINARY64)
}
"""By the name of the function."""
