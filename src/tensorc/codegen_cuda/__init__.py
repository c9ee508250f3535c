"""GPU kernels: L2 with `gpu.launch` to NVVM IR to PTX, without a GPU.

`emitter.py` the subclass of the LLVM emitter that writes kernels; `nvvm.py` the compiler (numba-cuda's
libNVVM, an optional extra). Imports what is left of it: `ir`, `ops`, `passes`, `codegen_llvm`. Launching
kernels and device memory are not here yet.

Error codes: `TC0604` architecture, `TC0605` nothing to map, `TC0606` no libNVVM (`map-gpu` itself: `TC0602`
block size, `TC0603` shared scratch).
"""

from tensorc.codegen_cuda.emitter import emit_kernels
from tensorc.codegen_cuda.nvvm import ptx

__all__ = ["emit_kernels", "ptx"]
