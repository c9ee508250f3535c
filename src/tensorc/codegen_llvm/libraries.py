"""Machine code that all functions of a process share: compiled, or taken from the object cache, when code is
loaded that calls it, and kept for as long as the process lives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tensorc.codegen_llvm import cache, jit, loading
from tensorc.codegen_llvm.host import host

if TYPE_CHECKING:
    from tensorc.codegen_llvm.emitter import EmitterOptions
    from tensorc.codegen_llvm.objects import ObjectCode

_LEVEL: Final = 1
"""Of LLVM's optimisation: more took half as long again, and gained nothing in code built as vectors."""
_loaded: dict[str, loading.Code] = {}


def address_of(symbol: str) -> int:
    """Of a function of `product_library` or `transposition`. Raises KeyError for another name."""
    with jit.compiling():
        if symbol not in _loaded:
            _loaded[symbol], _ = cache.obtain(
                lambda: ["library", symbol, str(vector_width())],  # what builds it are sources of ours
                symbol,
                "shared by functions",
                lambda: (_compile(symbol),),
                lambda parts: loading.load(*parts, exports=[symbol]),
            )
        return _loaded[symbol][symbol]


def _compile(symbol: str) -> ObjectCode:
    return jit.compile_text(text_of(symbol), level=_LEVEL, exports=[symbol])


def text_of(symbol: str) -> str:
    """The LLVM IR of a library's function and of what belongs to it alone."""
    from tensorc.codegen_llvm import emitter
    from tensorc.ops import product_kernels, product_library, transposition

    if symbol in transposition.symbols():
        return emitter.emit(transposition.module_of(symbol, vector_width() or 256), host_options())
    registers = (max if vector_width() == 512 else min)(product_kernels.TILES)
    return emitter.emit(product_library.module_of(symbol, registers), host_options())


def host_options() -> EmitterOptions:
    """How code for this process is emitted."""
    from tensorc.codegen_llvm.emitter import EmitterOptions
    from tensorc.codegen_llvm.emitter_parallel import THRESHOLD

    width = vector_width()
    return EmitterOptions(width, polls=True, parallel_work=THRESHOLD, avx512=width == 512)


def vector_width() -> int | None:
    """512-bit vectors where the machine has them: LLVM prefers 256 by default, which measured slower."""
    return 512 if "+avx512f" in host().features.split(",") else None
