"""Memory kernels and FMA chains in LLVM text, as wide as the machine: a peer of its own, so that floors do
not depend on what they judge. Reads, copies, triads (also past the caches), and independent chains of fused
multiply-adds.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Barrier, Thread
from typing import Any

import llvmlite.binding as llvm
import numpy as np

BLOCK = 256
"""Bytes a loop step: four vectors of 512 bits."""
CHAINS = 14
FMA_STEPS = 200_000
PASS_BYTES = 5e7
"""A pass moves at least this much, so that starting it (threads too) costs nothing beside it."""
SPELLED = {"float32": ("float", "f32", 4), "float64": ("double", "f64", 8)}


def vector_bits() -> int:
    """The widest floating vectors of this machine."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 512
    return 256 if features.get("avx2") else 128


def memory_kernel(name: str, reads: int, writes: bool, streaming: bool, bits: int) -> str:
    """`void name(a, b, c, bytes)`: read `reads` of a, b, add them, write c."""
    vector, step = f"<{bits // 32} x float>", bits // 8
    hint = ", !nontemporal !0" if streaming else ""
    count = BLOCK // step
    lines = [
        f"define <{bits // 32} x float> @{name}(ptr %a, ptr %b, ptr %c, i64 %n) {{",
        "entry:",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [0, %entry], [%next, %loop]",
    ]
    carried = [f"  %s{k} = phi {vector} [zeroinitializer, %entry], [%t{k}, %loop]" for k in range(count)]
    body = []
    for k in range(count):
        offset = f"  %o{k} = add i64 %i, {k * step}"
        body += [offset, f"  %pa{k} = getelementptr i8, ptr %a, i64 %o{k}"]
        body += [f"  %x{k} = load {vector}, ptr %pa{k}, align {step}"]
        value = f"%x{k}"
        if reads == 2:
            body += [
                f"  %pb{k} = getelementptr i8, ptr %b, i64 %o{k}",
                f"  %y{k} = load {vector}, ptr %pb{k}, align {step}",
            ]
            body += [f"  %z{k} = fadd {vector} {value}, %y{k}"]
            value = f"%z{k}"
        body += (
            [f"  %t{k} = fadd {vector} %s{k}, {value}"]
            if not writes
            else [f"  %t{k} = fadd {vector} zeroinitializer, %s{k}"]
        )
        if writes:
            body += [f"  %pc{k} = getelementptr i8, ptr %c, i64 %o{k}"]
            body += [f"  store {vector} {value}, ptr %pc{k}, align {step}{hint}"]
    end = [
        f"  %next = add i64 %i, {BLOCK}",
        "  %more = icmp ult i64 %next, %n",
        "  br i1 %more, label %loop, label %done",
        "done:",
        *[
            f"  %r{k} = fadd {vector} %t{k}, {'zeroinitializer' if k == 0 else f'%r{k - 1}'}"
            for k in range(count)
        ],
        f"  ret {vector} %r{count - 1}",
        "}",
    ]
    return "\n".join([*lines, *carried, *body, *end])


def fma_kernel(dtype: str, bits: int) -> str:
    """`vector fma_DTYPE(steps)`: CHAINS independent chains of fused multiply-adds."""
    scalar, suffix, size = SPELLED[dtype]
    lanes = bits // 8 // size
    vector, call = f"<{lanes} x {scalar}>", f"@llvm.fma.v{lanes}{suffix}"
    factor = f"<{', '.join([f'{scalar} 0.5'] * lanes)}>"
    phis = [f"  %s{k} = phi {vector} [{factor}, %entry], [%t{k}, %loop]" for k in range(CHAINS)]
    steps = [
        f"  %t{k} = call {vector} {call}({vector} %s{k}, {vector} {factor}, {vector} {factor})"
        for k in range(CHAINS)
    ]
    sums = [
        f"  %r{k} = fadd {vector} %t{k}, {'zeroinitializer' if k == 0 else f'%r{k - 1}'}"
        for k in range(CHAINS)
    ]
    return "\n".join(
        [
            f"declare {vector} {call}({vector}, {vector}, {vector})",
            f"define {vector} @fma_{dtype}(ptr %a, ptr %b, ptr %c, i64 %n) {{",
            "entry:",
            "  br label %loop",
            "loop:",
            "  %i = phi i64 [0, %entry], [%next, %loop]",
            *phis,
            *steps,
            "  %next = add i64 %i, 1",
            "  %more = icmp ult i64 %next, %n",
            "  br i1 %more, label %loop, label %done",
            "done:",
            *sums,
            f"  ret {vector} %r{CHAINS - 1}",
            "}",
        ]
    )


def repeated(name: str, result: str) -> str:
    """`void name_times(a, b, c, n, times)`: a call from Python costs more than a pass over a few KiB."""
    return "\n".join(
        [
            f"define void @{name}_times(ptr %a, ptr %b, ptr %c, i64 %n, i64 %times) {{",
            "entry:",
            "  br label %loop",
            "loop:",
            "  %i = phi i64 [0, %entry], [%next, %loop]",
            f"  %r = call {result} @{name}(ptr %a, ptr %b, ptr %c, i64 %n) noinline",
            "  %next = add i64 %i, 1",
            "  %more = icmp ult i64 %next, %times",
            "  br i1 %more, label %loop, label %done",
            "done:",
            # The vector is stored once at the end, or the loads would be dead.
            f"  store {result} %r, ptr @sink, align 4",
            "  ret void",
            "}",
        ]
    )


@dataclass(frozen=True)
class Kernel:
    """A compiled kernel; `streams` arrays are touched, each byte of each once."""

    call: Callable[..., Any]
    streams: int


MEMORY = {
    "read": (1, False, False),
    "copy": (1, True, False),
    "triad": (2, True, False),
    "stream": (2, True, True),
}


def module_text(bits: int) -> str:
    texts = [memory_kernel(name, reads, writes, nt, bits) for name, (reads, writes, nt) in MEMORY.items()]
    texts += [repeated(name, f"<{bits // 32} x float>") for name in MEMORY]
    for dtype, (scalar, _, size) in SPELLED.items():
        texts += [fma_kernel(dtype, bits), repeated(f"fma_{dtype}", f"<{bits // 8 // size} x {scalar}>")]
    return "\n\n".join(["@sink = global [64 x i8] zeroinitializer", *texts, "!0 = !{i32 1}"])


def compiled(bits: int) -> tuple[Any, dict[str, Kernel]]:
    """The engine (keep it alive) and its kernels."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2)
    module = llvm.parse_assembly(module_text(bits))
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    prototype = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, integer, integer)
    names = [*MEMORY, *(f"fma_{d}" for d in SPELLED)]
    streams = {name: reads + writes for name, (reads, writes, _) in MEMORY.items()}
    kernels = {
        n: Kernel(prototype(engine.get_function_address(f"{n}_times")), streams.get(n, 0)) for n in names
    }
    return engine, kernels


def aligned(size: int) -> Any:
    """`size` bytes on a page boundary, touched."""
    whole = np.ones(size // 4 + 1024, dtype=np.float32)
    skip = -whole.ctypes.data % 4096 // 4
    return whole[skip : skip + size // 4]


class Peer:
    """Answers `bandwidth` and `peak`; the arithmetic is in `floors.py`."""

    def __init__(self, threads: int, variant: str = "") -> None:
        self.count, self.bits = threads, vector_bits()
        self.engine, self.kernels = compiled(self.bits)

    def versions(self) -> dict[str, str]:
        return {"llvmlite": llvm.__dict__.get("__version__", ""), "vector_bits": str(self.bits)}

    def together(self, action: Callable[[int], object]) -> float:
        """Seconds that `action(thread)` takes on all threads at once."""
        if self.count == 1:
            start = time.perf_counter()
            action(0)
            return time.perf_counter() - start
        gate = Barrier(self.count + 1)

        def body(index: int) -> None:
            gate.wait()
            action(index)

        workers = [Thread(target=body, args=(i,)) for i in range(self.count)]
        for t in workers:
            t.start()
        gate.wait()
        start = time.perf_counter()
        for t in workers:
            t.join()
        return time.perf_counter() - start

    def bandwidth(self, footprint: int, seconds: float = 0.02) -> dict[str, float]:
        """Bytes a second of each kernel, when its arrays take `footprint` bytes together: the best of
        passes.
        """
        return {name: self.one_bandwidth(self.kernels[name], footprint, seconds) for name in MEMORY}

    def one_bandwidth(self, kernel: Kernel, footprint: int, seconds: float) -> float:
        part = max(BLOCK, footprint // (kernel.streams * self.count) // BLOCK * BLOCK)
        arrays = [[aligned(part).ctypes for _ in range(3)] for _ in range(self.count)]
        where = [[a.data for a in row] for row in arrays]
        moved = part * kernel.streams
        repeats = max(1, int(PASS_BYTES / moved))

        def body(index: int) -> None:
            kernel.call(*where[index], part, repeats)

        best, end = 0.0, time.perf_counter() + seconds
        for passes in range(1000):
            best = max(best, moved * self.count * repeats / self.together(body))
            if passes >= 3 and time.perf_counter() > end:
                break
        return best

    def peak(self, dtype: str, seconds: float = 0.02) -> float:
        """Floating operations a second in chains of fused multiply-adds; the best of passes."""
        kernel, lanes = self.kernels[f"fma_{dtype}"], self.bits // 8 // SPELLED[dtype][2]
        done = 2 * lanes * CHAINS * FMA_STEPS * self.count
        best, end = 0.0, time.perf_counter() + seconds
        for passes in range(1000):
            best = max(best, done / self.together(lambda _: kernel.call(None, None, None, FMA_STEPS, 1)))
            if passes >= 3 and time.perf_counter() > end:
                break
        return best
