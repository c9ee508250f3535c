"""Kernels reach PTX without a GPU, and `ptxas` takes them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tensorc import codegen_cuda
from tensorc.codegen_cuda.emitter import captured, emit_kernels
from tensorc.ir.clone import clone_op
from tensorc.ir.errors import InternalError, TensorcValueError
from tensorc.ir.types import f32, f64
from tensorc.ops.loops import gpu, memref
from tensorc.ops.loops.memref import memref_type
from tensorc.passes.expand_math import SHARED, ExpandMath
from tensorc.passes.map_gpu import MapGpu
from tests.codegen_cuda import kernels

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
KERNELS = {
    "elementwise": kernels.elementwise,
    "row_reduction": kernels.row_reduction,
    "nested": kernels.nested,
    "silu": kernels.silu,
    "softmax": kernels.softmax,
}


def needs_nvvm():
    try:
        codegen_cuda.ptx(kernels.elementwise())
    except TensorcValueError as error:
        if error.code == "TC0606":
            pytest.skip(error.message)
        raise


def assemble(text: str, arch: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`ptxas`, NVIDIA's wheel beside this Python or on the path; one too old for the PTX does not count."""
    candidates = [*map(str, Path(sys.prefix).glob("lib/python*/site-packages/nvidia/cu*/bin/ptxas"))]
    candidates += filter(None, [shutil.which("ptxas")])
    source = folder / "kernel.ptx"
    source.write_text(text)
    for program in candidates:
        command = [program, f"-arch={arch}", str(source), "-o", str(folder / "kernel.cubin")]
        answer = subprocess.run(command, capture_output=True, text=True)
        if "Unsupported .version" not in answer.stderr:
            return answer
    pytest.skip("no ptxas, or too old a one: pip install nvidia-cuda-nvcc")


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("expand", [False, True], ids=["libdevice", "polynomials"])
def test_ptxas_takes_every_kernel(name, arch, expand, tmp_path):
    needs_nvvm()
    module = KERNELS[name]()
    if expand:
        ExpandMath().run(module)
    text = codegen_cuda.ptx(module, arch)
    assert f".target {arch}" in text
    assert ".entry f_kernel0(" in text
    answer = assemble(text, arch, tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert assemble(text.replace("st.global", "st.nowhere"), arch, tmp_path).returncode != 0, (
        "it accepts anything"
    )


def test_no_contraction_no_flush_and_ieee_division():
    needs_nvvm()
    module = kernels.elementwise()
    ExpandMath().run(module)
    fused = kernels.function([kernels.VECTOR] * 2, multiply_add)
    for text in (codegen_cuda.ptx(module), codegen_cuda.ptx(fused)):
        assert ".ftz" not in text
        assert ".approx" not in text
    assert "fma.rn" not in codegen_cuda.ptx(fused)
    assert re.search(r"(div|rcp)\.rn\.f32", codegen_cuda.ptx(module))


def multiply_add(b, x, y):
    manager, loop = kernels.parallel(b, b.dim(y, 0))
    value = b.load(x, [loop.iv])
    b.store(b.addf(b.mulf(value, value), value), y, [loop.iv])
    manager.__exit__(None, None, None)


def every_replaced_op(b, x, y):
    """The ops that LLVM 7 lacks or libdevice provides."""
    manager, loop = kernels.parallel(b, b.dim(y, 0))
    v = b.load(x, [loop.iv])
    for name in (
        "negf",
        "absf",
        "floor",
        "ceil",
        "trunc",
        "round",
        "roundeven",
        "sqrt",
        "rsqrt",
        "erf",
        "cbrt",
    ):
        v = getattr(b, name)(v)
    for name in ("maximumf", "minimumf", "remf", "copysign", "powf", "atan2"):
        v = getattr(b, name)(v, b.load(x, [loop.iv]))
    v = b.call("erfcf" if v.type == f32 else "erfc", [b.fma(v, v, v)], v.type)
    n = loop.iv
    for name in ("maxsi", "minsi", "maxui", "minui", "floordivsi", "ceildivsi"):
        n = getattr(b, name)(n, b.index(3))
    n = b.addi(b.absi(n), b.addi(b.ctpop(n), b.addi(b.ctlz(n), b.cttz(n))))
    b.store(b.addf(v, b.sitofp(b.index_cast(n, kernels.i64), v.type)), y, [loop.iv])
    manager.__exit__(None, None, None)


@pytest.mark.parametrize("element", [f32, f64], ids=str)
def test_every_op_with_a_spelling_of_its_own(element):
    needs_nvvm()
    buffer = memref_type(element, [None])
    text = codegen_cuda.ptx(kernels.function([buffer, buffer], every_replaced_op))
    assert ".entry f_kernel0(" in text


def test_parameters_are_pointers_and_the_numbers_types_do_not_tell():
    module = clone_op(kernels.row_reduction())
    MapGpu().run(module)
    text = emit_kernels(module, "e")
    (head,) = re.findall(r"define void @f_kernel0\((.*)\) nounwind", text)
    kinds = [p.rsplit(" ", 1)[0] for p in head.split(", ")]
    assert kinds.count("double addrspace(1)*") == 2
    assert set(kinds) == {"double addrspace(1)*", "i64"}
    launch = next(op for op in module.walk() if op.isa(gpu.Launch))
    assert len(captured(launch)) == len(set(captured(launch)))


def test_what_a_kernel_cannot_call_is_refused():
    def calls(b, y):
        manager, loop = kernels.parallel(b, b.dim(y, 0))
        b.store(b.call("tensorc_nosuch_f64", [b.load(y, [loop.iv])], f64), y, [loop.iv])
        manager.__exit__(None, None, None)

    module = kernels.function([memref_type(f64, [None])], calls)
    MapGpu().run(module)
    with pytest.raises(InternalError, match="@tensorc_nosuch_f64"):
        emit_kernels(module, "e")


def test_what_a_kernel_allocates_moves_out_of_it_unless_its_size_changes():
    def allocates(changing):
        def make(b, y):
            manager, loop = kernels.parallel(b, b.dim(y, 0))
            b.dealloc(b.alloc(f64, [b.addi(loop.iv, loop.iv) if changing else 4]))
            manager.__exit__(None, None, None)

        return kernels.function([memref_type(f64, [None])], make)

    module = allocates(changing=False)
    MapGpu().run(module)
    (launch,) = (op for op in module.walk() if op.isa(gpu.Launch))
    assert not any(op.isa(memref.Alloc) for op in launch.walk())
    emit_kernels(module, "e")
    with pytest.raises(TensorcValueError, match="size changes from iteration to iteration"):
        MapGpu().run(allocates(changing=True))


@pytest.mark.parametrize("arch", ["90", "sm_9", "gfx90a", ""])
def test_a_malformed_architecture_is_refused(arch):
    with pytest.raises(TensorcValueError, match="TC0604"):
        codegen_cuda.ptx(kernels.elementwise(), arch)


def test_an_unknown_architecture_and_nothing_to_map():
    needs_nvvm()
    with pytest.raises(TensorcValueError, match="no target compute_10"):
        codegen_cuda.ptx(kernels.elementwise(), "sm_10")
    with pytest.raises(TensorcValueError, match="TC0605"):
        codegen_cuda.ptx(kernels.function([], lambda b: None))


def test_without_numba_cuda_the_message_has_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba.cuda.cudadrv", None)
    with pytest.raises(TensorcValueError, match="TC0606") as caught:
        codegen_cuda.ptx(kernels.elementwise())
    assert 'pip install "tensorc[cuda]"' in str(caught.value)
    assert "libNVVM" in str(caught.value).splitlines()[0]


@pytest.mark.parametrize("element", [f32, f64], ids=str)
def test_rare_functions_come_with_the_kernels_that_call_them(element, tmp_path):
    def sines(b, x, y):
        manager, loop = kernels.parallel(b, b.dim(y, 0))
        b.store(b.tan(b.sin(b.sin(b.load(x, [loop.iv])))), y, [loop.iv])
        manager.__exit__(None, None, None)

    needs_nvvm()
    buffer = memref_type(element, [None])
    module = kernels.function([buffer, buffer], sines)
    ExpandMath().run(module)
    text = codegen_cuda.ptx(module, "sm_80")
    assert "__nv_sin" not in text
    answer = assemble(text, "sm_80", tmp_path)
    assert answer.returncode == 0, answer.stderr


def test_functions_used_often_come_once_with_what_they_call(tmp_path):
    def sines(b, x, y):
        manager, loop = kernels.parallel(b, b.dim(y, 0))
        value = b.load(x, [loop.iv])
        for _ in range(SHARED + 1):
            value = b.exp(b.sin(value))
        b.store(value, y, [loop.iv])
        manager.__exit__(None, None, None)

    needs_nvvm()
    buffer = memref_type(f64, [None])
    module = kernels.function([buffer, buffer], sines)
    ExpandMath().run(module)
    mapped = clone_op(module)
    MapGpu().run(mapped)
    defined = re.findall(r"define internal double @tensorc_(\w+)_f64", emit_kernels(mapped, "e-p:64:64:64"))
    assert sorted(defined) == ["math_exp", "math_sin", "rare_sin", "step_scaled"]
    answer = assemble(codegen_cuda.ptx(module, "sm_80"), "sm_80", tmp_path)
    assert answer.returncode == 0, answer.stderr
