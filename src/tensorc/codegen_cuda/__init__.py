"""GPU kernels: L2 with `gpu.launch` to NVVM IR to PTX, without a GPU.

`emitter.py` the subclass of the LLVM emitter that writes kernels; `nvvm.py` the compiler (numba-cuda's
libNVVM, an optional extra). Imports what is left
of it: `ir`, `ops`, `passes`, `codegen_llvm`. Launching kernels and device memory are not here yet.
"""

from tensorc.codegen_cuda.emitter import emit_kernels
from tensorc.codegen_cuda.nvvm import ptx

__all__ = ["emit_kernels", "ptx"]
