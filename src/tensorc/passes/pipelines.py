"""The compiler, top to bottom: which passes run, in which order, at each level. Order exists here only.

A function comes in as L0: `tensorc.*` ops on tensors, in the order the user's expressions were traced. It
leaves as L2: loops over buffers, in MLIR's own dialects, from which `codegen_llvm` writes LLVM IR. `tensorc
opt FILE -p O2 --print-after-all` shows every step.

    L0 tensors     canonicalize, cse, dce, stabilise, autodiff, decompose, specialize
    L1 kernels     fuse, bufferize
    L2 loops       lower-to-loops, expand-math, simplify, unroll, vectorize, carry, stream

A name stands for a class, which is imported when it is first needed.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

PASSES: Final = {
    # L0 -> L0
    "inline": "tensorc.passes.inline:Inline",
    "canonicalize": "tensorc.passes.canonicalize:Canonicalize",
    "cse": "tensorc.passes.cse:Cse",
    "dce": "tensorc.passes.dce:Dce",
    "stabilise": "tensorc.passes.stabilise:Stabilise",
    "autodiff": "tensorc.passes.autodiff:Autodiff",
    "specialize": "tensorc.passes.specialize:Specialize",
    "check-shapes": "tensorc.passes.check_shapes:CheckShapes",
    "decompose": "tensorc.passes.decompose:Decompose",
    # L0 -> L1 -> L2
    "fuse": "tensorc.passes.fuse:Fuse",
    "bufferize": "tensorc.passes.bufferize:Bufferize",
    "lower-to-loops": "tensorc.passes.lower_to_loops:LowerToLoops",
    # L2 -> L2
    "expand-math": "tensorc.passes.expand_math:ExpandMath",
    "simplify": "tensorc.passes.simplify:Simplify",
    "unroll": "tensorc.passes.unroll:Unroll",
    "vectorize": "tensorc.passes.vectorize:Vectorize",
    "carry": "tensorc.passes.carry:Carry",
    "stream": "tensorc.passes.stream:Stream",
    "map-gpu": "tensorc.passes.map_gpu:MapGpu",
}


def load(name: str) -> Any:
    """The class of a pass."""
    module, _, attribute = PASSES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


# Every level begins with the same two steps, so that all modes compute the same numbers.
_NUMBERS = (
    "inline,"  # one function, no calls between tensor functions
    "canonicalize,"  # constants folded, extents traced to arguments, x+y and y+x alike, nothing dead
    "stabilise,"  # log(1+exp(x)) is softplus(x), and its like: each form at least as close to the truth
    "canonicalize"
)

# Loops as they come: every op its own loop nest, any strides, extents of 1 found at run time.
_PLAIN = (
    "check-shapes,"  # every fact about extents that must hold at run time, once, with a number
    "decompose,"  # softmax, logsumexp, mean: their definitions
    "bufferize,"  # tensors become buffers, results are written in place; every op is told where to write
    "lower-to-loops,"  # scf.for, memref.load, arith, math
    "expand-math"  # exp, log, sin, erf, ...: polynomials in arith
)

# The same with kernels.
_FUSED = (
    "check-shapes,"
    "decompose,"
    "canonicalize,"
    "fuse,"  # elementwise chains, reductions and what consumes them become kernels with stages
    "bufferize,"
    "lower-to-loops,"
    "expand-math,"
    "simplify,"  # index arithmetic and constants of the loops
    "unroll,"  # loops of few, known iterations
    "vectorize,"  # loops whose iterations are independent: vectors of 512 bits
    "carry,"  # accumulators on the stack become values of loops
    "stream"  # stores of results that no loop reads again: past the caches, if they are large
)

# Loops as they come: what the others are judged by.
O0: Final = f"{_NUMBERS},{_PLAIN}"
# The generic body of the modes that optimise: any strides, extents of 1 found at run time; the one that is
# complete.
GENERIC: Final = f"{_NUMBERS},{_FUSED}"
# The fast body: arguments are taken to be contiguous and extents that meet to be equal; where that fails, the
# generic body answers.
O1: Final = f"{_NUMBERS},specialize,canonicalize,{_PLAIN},simplify"
O2: Final = f"{_NUMBERS},specialize,{_FUSED}"
# The same IR; LLVM works harder on it.
O3: Final = O2

# Gradients: `tc.grad` traces cost <- wrt and runs these around `autodiff`. Stabilising comes first: the
# derivative of 1/(1+exp(-x)) as written is inf/inf at x = -1000, that of sigmoid(x) is not.
GRAD_BEFORE: Final = "inline,canonicalize,stabilise"
GRAD_AFTER: Final = "canonicalize,stabilise,canonicalize"
GRAD: Final = f"{GRAD_BEFORE},autodiff,{GRAD_AFTER}"

PIPELINES: Final = {
    **{"O0": O0, "O1": O1, "O2": O2, "O3": O3, "fast": O3, "compile-fast": O1},
    "generic": GENERIC,
}
GENERIC_OF: Final = {"O0": "O0", "O1": "O0", "O2": "generic", "O3": "generic"}
"""The pipeline of a mode's generic body."""

_RULES: Final = tuple((m, n) for m in ("rules", "canonicalize", "stabilise") for n in ("CANONICAL", "STABLE"))


def own_sources(pipeline: str) -> bool:
    """Whether the package's own files say all that a pipeline does: no pass comes from elsewhere, and no rule
    was entered by hand. What they do not say must not decide code that other processes will use.
    """
    names = (word.partition("{")[0].strip() for word in PIPELINES[pipeline].split(","))
    if not all(PASSES[name].startswith("tensorc.") for name in names):
        return False
    rules = sys.modules.get("tensorc.passes.rules")
    if rules is None:  # nobody can have changed them yet
        return True
    loaded = ((sys.modules.get(f"tensorc.passes.{module}"), name) for module, name in _RULES)
    return all(getattr(module, name, rules.SHIPPED[name]) is rules.SHIPPED[name] for module, name in loaded)


def description(pipeline: str) -> str:
    """The passes of a pipeline, and what stands behind their names, as one text."""
    text = PIPELINES[pipeline]
    return f"{text} {' '.join(f'{k}={v}' for k, v in PASSES.items() if k in text)}"
