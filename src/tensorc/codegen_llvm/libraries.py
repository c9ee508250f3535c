"""Machine code that all functions of a process share: compiled, or taken from the object cache, when code is
loaded that calls it, and kept for as long as the process lives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tensorc.codegen_llvm import cache, jit, loading
from tensorc.codegen_llvm.host import host

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import EmitterOptions

_LEVEL: Final = 1
"""Of LLVM's optimisation: more took half as long again, and gained nothing in code built as vectors."""
_RARE: Final = "tensorc_rare_"
_loaded: dict[str, loading.Code] = {}


def address_of(symbol: str) -> int:
    """Of a function of `product_library` or `transposition`, or a rare one (`passes/math/rare.py`). Raises
    KeyError for another name.
    """
    from tensorc.ops import product_library, transposition

    alone = symbol.startswith(_RARE) or symbol in transposition.symbols()
    key = symbol if alone else product_library.symbols()[symbol]
    exports = [symbol] if alone else product_library.exports(key)
    with jit.compiling():
        if key not in _loaded:
            _loaded[key], _ = cache.obtain(
                lambda: ["library", key, str(vector_width())],  # what builds it are sources of ours
                key,
                "shared by functions",
                lambda: (jit.compile_text(text_of(key), level=_LEVEL, exports=exports),),
                lambda parts: loading.load(*parts, exports=exports),
            )
        return _loaded[key][symbol]


def text_of(key: str) -> str:
    """The LLVM IR of one of `product_library.objects()`, of a function of `transposition`, or of a rare one.
    """
    from tensorc.codegen_llvm import emitter
    from tensorc.ops import product_kernels, product_library, transposition
    from tensorc.passes import expand_math

    if key.startswith(_RARE):
        return emitter.emit(expand_math.rare_module(key))
    if key in transposition.symbols():
        return emitter.emit(transposition.module_of(key, vector_width() or 256), host_options())
    registers = (max if vector_width() == 512 else min)(product_kernels.TILES)
    return emitter.emit(product_library.module_of(key, registers), host_options())


def host_options() -> EmitterOptions:
    """How code for this process is emitted."""
    from tensorc.codegen_llvm.emitter import EmitterOptions
    from tensorc.codegen_llvm.emitter_parallel import THRESHOLD

    width = vector_width()
    return EmitterOptions(width, polls=True, parallel_work=THRESHOLD, avx512=width == 512, shared=True)


def vector_width() -> int | None:
    """512-bit vectors where the machine has them: LLVM prefers 256 by default, which measured slower."""
    return 512 if "+avx512f" in host().features.split(",") else None
