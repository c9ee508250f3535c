"""The loop level (L2): a strict subset of upstream MLIR, names, operand order and attributes included.

`arith.py casts.py math.py` scalars; `vector.py` lanes; `scf.py` control flow; `memref.py` buffers; `gpu.py`
grids; `fold.py` constants; `builder.py` the `LoopBuilder` that lowerings use; `base.py` what the classes
share. `func.*` and `builtin.module` are in `tensorc.ir.builtin`. Imports `ir` only.

Adding an op: a class here, a row or method in `codegen_llvm/emitter*.py`, and, unless it is a `ScalarOp` (its
`evaluate` slot is enough), a method in `interp/loops.py`.

Error codes: `TC0610` operand types, `TC0611` attributes.
"""

from tensorc.ops.loops import arith, casts, gpu, math, memref, scf, vector
from tensorc.ops.loops.builder import LoopBuilder

__all__ = ["LoopBuilder", "arith", "casts", "gpu", "math", "memref", "scf", "vector"]
