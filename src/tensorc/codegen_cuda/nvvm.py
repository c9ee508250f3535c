"""NVVM IR text to PTX by libNVVM, as numba-cuda finds and drives it. No GPU or driver is needed."""

from __future__ import annotations

import re
from typing import Any

from tensorc.codegen_cuda.emitter import emit_kernels
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation
from tensorc.ir.errors import InternalError, TensorcValueError
from tensorc.ops.loops import gpu
from tensorc.passes.map_gpu import MapGpu

INSTALL = 'pip install "tensorc[cuda]"'


def ptx(module: Operation, arch: str = "sm_90") -> str:
    """The PTX of all parallel loops of an L2 module for one architecture (`sm_80`, `sm_90`, ...).

    A module without `gpu.launch` is mapped first (on a copy). Raises TensorcValueError when there is nothing
    to map, when the architecture is malformed or not supported by the installed libNVVM, and when numba-cuda
    is not installed.
    """
    number = re.fullmatch(r"(?:sm|compute)_(\d{2,3}[af]?)", arch)
    if number is None:
        raise TensorcValueError(
            f"architecture {arch!r} is not of the form sm_90", code="TC0604", help="use sm_90"
        )
    library = _library()
    if not _launches(module):
        module = clone_op(module)
        MapGpu().run(module)
    if not _launches(module):
        raise TensorcValueError(
            "no loop of this function is parallel: nothing to run on a GPU", code="TC0605"
        )
    layout: str = library.NVVM().data_layout
    return _compile(library, emit_kernels(module, layout), f"compute_{number.group(1)}")


def _launches(module: Operation) -> bool:
    return any(op.isa(gpu.Launch) for op in module.walk())


def _library() -> Any:
    try:
        from numba.cuda.cudadrv import nvvm

        nvvm.NVVM()  # type: ignore[no-untyped-call]
    except ImportError as error:
        raise _missing("numba-cuda is not installed") from error
    except Exception as error:  # numba raises kinds of its own when no libNVVM is found
        raise _missing(f"numba-cuda finds no libNVVM ({str(error).splitlines()[0]})") from error
    return nvvm


def _missing(what: str) -> TensorcValueError:
    return TensorcValueError(f"PTX needs libNVVM, but {what}", code="TC0606", help=INSTALL)


def _compile(library: Any, text: str, arch: str) -> str:
    try:
        # Results must not change with the target: no contraction, no flush to zero, IEEE division and root.
        compiled = library.compile_ir(text, arch=arch, fma=0, ftz=0, prec_div=1, prec_sqrt=1)
    except Exception as error:  # the kind raised differs between numba-cuda's versions
        if "INVALID_OPTION" in str(error) or "unsupported option" in str(error):
            raise TensorcValueError(
                f"the installed libNVVM has no target {arch}",
                code="TC0604",
                help="use sm_80, sm_90 or sm_100",
            ) from error
        raise InternalError(f"libNVVM refuses the kernels: {error}\n{text}") from error
    return bytes(compiled).rstrip(b"\0").decode()
