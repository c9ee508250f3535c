"""Object code placed in memory: our loader does what LLVM's does, and refuses what is damaged."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorc as tc
from codegen_llvm.entry_bodies import plus_one, signature
from tensorc.codegen_llvm import elf, jit, llvm_loader, loading
from tensorc.codegen_llvm.elf import Malformed, Unknown
from tensorc.codegen_llvm.native import NativeBody, compile_object
from tensorc.codegen_llvm.objects import ObjectCode
from tensorc.ir.errors import InternalError
from tests.threads.process import run

pytestmark = pytest.mark.skipif(loading.native_machine() is None, reason="LLVM's loader serves this platform")
x86 = pytest.mark.skipif(loading.native_machine() != elf.X86_64, reason="machine code of x86-64")
REFUSED = (Malformed, Unknown, InternalError)


def programs() -> dict[str, tuple[list[Any], Any]]:
    x, y, i, u = tc.vector("x"), tc.vector("y"), tc.lvector("i"), tc.tensor("u", "uint8", (None,))
    a, b, c = tc.matrix("a"), tc.matrix("b"), tc.fmatrix("c")
    return {
        "chain": ([x, y], tc.exp(x) * y + 1),
        "huge arguments": ([x], tc.sin(x) + tc.tan(x * 1e30)),
        "powers": ([x, y], abs(x) ** y),
        "softmax": ([a], tc.nn.softmax(a)),
        "softmax gradient": ([a], tc.grad((tc.nn.softmax(a) * a).sum(), a)),
        "logsumexp gradient": ([a], tc.grad(tc.logsumexp(a), a)),
        "columns": ([c], c.sum(0)),
        "everything": ([a], a.sum()),
        "extremes": ([c], c.max(1)),
        "argmax": ([a], a.argmax(0)),
        "transpose": ([a], a.T + a.T * 2),
        "product": ([a, b], a @ b.T),
        "product and what follows": ([a, b], tc.nn.relu(a @ b.T) + 1),
        "float32": ([c], tc.tanh(c) * tc.erf(c)),
        "gather": ([x, i], x[i % 3]),
        "scatter": ([x, i], x[i % 3].add(1.0)),
        "division": ([i], i // 3 + i % 7),
        "integers": ([i, u], (i * 3).sum() + u.sum()),
        "casts": ([x], x.astype("int32")),
        "remainders": ([x, y], x % (abs(y) + 1)),
        "conditions": ([x, y], tc.where(x > y, x, -y)),
        "several": ([x, y], [x + y, (x * y).sum(), tc.exp(x)]),
        "a constant": ([x], x + np.arange(6.0)),
    }


def argument(variable: Any) -> Any:
    shape = (6,) * len(variable.type.shape)
    return (np.random.default_rng(1).normal(size=shape) * 3).astype(variable.dtype)


def bytes_of(result: Any) -> list[bytes]:
    return [r.tobytes() for r in (result if isinstance(result, list) else [result])]


@pytest.mark.parametrize("name", list(programs()))
def test_llvms_loader_gives_the_same_results(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, outputs = programs()[name]
    f = tc.function(inputs, outputs)
    arguments = [argument(v) for v in inputs]
    expected = bytes_of(f(*arguments))
    strided = [np.repeat(a, 2, axis=0)[::2] for a in arguments]
    again = bytes_of(f(*strided))
    bodies = dict(f.machine.bodies)
    assert all(type(body._code._owner) is mmap.mmap for body in bodies.values())
    monkeypatch.setattr(loading, "native_machine", lambda: None)
    for kind, body in bodies.items():
        f.machine.install(kind, NativeBody(body.object_code))
        assert type(f.machine.bodies[kind]._code._owner) is not mmap.mmap
    assert bytes_of(f(*arguments)) == expected
    assert bytes_of(f(*strided)) == again


KINDS = """
@words = internal global [2 x ptr] [ptr @first, ptr @second]
@zeros = internal global [64 x i64] zeroinitializer, align 64
@shared = global i64 5
@Py_OptimizeFlag = external global i32

declare i64 @imaxabs(i64)
declare ptr @PyErr_Occurred()
define internal i64 @first(i64 %x) noinline {
  %r = call i64 @imaxabs(i64 %x)
  ret i64 %r
}
define internal i64 @second(i64 %x) noinline {
  %r = mul i64 %x, 3
  ret i64 %r
}
define i64 @through(i64 %n, i64 %x) {
  %p = getelementptr [2 x ptr], ptr @words, i64 0, i64 %n
  %f = load volatile ptr, ptr %p
  %r = call i64 %f(i64 %x)
  ret i64 %r
}
define i64 @count(i64 %n) {
  %p = getelementptr [64 x i64], ptr @zeros, i64 0, i64 %n
  %old = load i64, ptr %p
  %new = add i64 %old, 1
  store i64 %new, ptr %p
  %s = load i64, ptr @shared
  %r = mul i64 %new, %s
  ret i64 %r
}
define i64 @outside() {
  %e = call ptr @PyErr_Occurred()
  %none = icmp eq ptr %e, null
  %flag = load i32, ptr @Py_OptimizeFlag
  %wide = zext i32 %flag to i64
  %n = zext i1 %none to i64
  %r = add i64 %wide, %n
  ret i64 %r
}
define double @choose(i32 %k, double %x) {
  switch i32 %k, label %other [ i32 0, label %a
    i32 1, label %b
    i32 2, label %c
    i32 3, label %d
    i32 4, label %e ]
a:
  ret double 1.5
b:
  %y = fmul double %x, %x
  ret double %y
c:
  %z = call double @llvm.fabs.f64(double %x)
  ret double %z
d:
  %m = frem double %x, 3.0
  ret double %m
e:
  ret double 2.5e300
other:
  ret double -1.0
}
declare double @llvm.fabs.f64(double)
"""
EXPORTS = ("through", "count", "outside", "choose")
LONG = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
TWO = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
NONE = ctypes.PYFUNCTYPE(ctypes.c_int64)
CHOOSE = ctypes.PYFUNCTYPE(ctypes.c_double, ctypes.c_int32, ctypes.c_double)


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("own", [True, False])
def test_every_kind_of_reference(level: int, own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of addresses, zeros, data, jump tables, constants, functions and data of libraries, what only
    the code generator calls (`fmod`).
    """
    if not own:
        monkeypatch.setattr(loading, "native_machine", lambda: None)
    code = loading.load(jit.compile_text(KINDS, level=level, exports=EXPORTS))
    assert (type(code._owner) is mmap.mmap) == own
    assert [TWO(code["through"])(n, -7) for n in (0, 1)] == [7, -21]
    assert [LONG(code["count"])(n) for n in (3, 3, 63)] == [5, 10, 5]
    assert NONE(code["outside"])() == 1 + sys.flags.optimize
    chosen = [CHOOSE(code["choose"])(k, -4.5) for k in range(6)]
    assert chosen == [1.5, 20.25, 4.5, -1.5, 2.5e300, -1.0]


@x86
def test_calls_of_what_is_far_away() -> None:
    """A call reaches 2 GiB; what lies beyond is called through a word and a jump."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype, libc.mmap.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long],
    )
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    text = "declare i64 @imaxabs(i64)\n"
    text += "define i64 @f(i64 %x) {\n  %r = call i64 @imaxabs(i64 %x)\n  ret i64 %r\n}\n"
    data = jit.compile_text(text, level=1).data
    for hint in (0x30000000, 0x100000000000):
        far = libc.mmap(hint, 4096, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        answer = b"\x48\x8d\x47\x29\xc3"  # lea rax, [rdi + 41]; ret
        ctypes.memmove(far, answer, len(answer))
        assert libc.mprotect(far, 4096, 5) == 0
        owner, found = loading.place([data], elf.X86_64, {"imaxabs": far})
        assert abs(far - found["f"]) > 1 << 31
        assert LONG(found["f"])(1) == 42
        del owner


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_nothing_is_writable_and_executable() -> None:
    compiled = jit.compile_text(KINDS, level=2, exports=EXPORTS)
    code = loading.load(compiled, exports=[*EXPORTS, "shared"])
    lines = [line.split()[:2] for line in Path("/proc/self/maps").read_text().splitlines()]
    spans = [(*(int(end, 16) for end in span.split("-")), rights) for span, rights in lines]

    def rights_at(address: int) -> str:
        return next(rights for start, end, rights in spans if start <= address < end)

    assert isinstance(code._owner, mmap.mmap)
    first = code["count"] // mmap.PAGESIZE * mmap.PAGESIZE - mmap.PAGESIZE
    found = {rights_at(page) for page in range(first, first + len(code._owner), mmap.PAGESIZE)}
    assert found == {"r--p", "r-xp", "rw-p"}
    assert rights_at(code["count"]) == "r-xp"
    assert rights_at(code["shared"]) == "rw-p"
    assert rights_at(code["count"] - mmap.PAGESIZE) == "r--p"


def test_what_our_loader_does_not_know_is_left_to_llvm() -> None:
    code = loading.load(jit.compile_text("define weak i64 @f(i64 %x) {\n  ret i64 %x\n}\n", level=1))
    assert type(code._owner) is not mmap.mmap
    assert LONG(code["f"])(3) == 3


def test_the_same_symbol_twice_and_code_of_another_machine() -> None:
    code = jit.compile_text("define i64 @f(i64 %x) {\n  ret i64 %x\n}\n", level=1)
    with pytest.raises(InternalError, match="twice"):
        loading.load(code, code)
    other = bytearray(code.data)
    other[18:20] = struct.pack("<H", 243)
    with pytest.raises(InternalError, match="machine"):
        loading.load(ObjectCode(bytes(other), code.exports, code.imports))


# ---------------------------------------------------------------------------------------------------- damage


def samples() -> list[bytes]:
    return [
        jit.compile_text(KINDS, level=2).data,
        compile_object("f", plus_one(), signature(1, 1), level=1).data,
    ]


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    return samples()


BOUND = {name: 0x7F0000000000 for name in ("imaxabs", "PyErr_Occurred", "Py_OptimizeFlag", "fmod")}
MACHINE = loading.native_machine() or 0


def try_to_place(data: bytes) -> None:
    """Whatever it is, it is placed or refused."""
    with contextlib.suppress(*REFUSED):
        loading.place([data], MACHINE, BOUND)


def test_every_truncation_is_refused(files: list[bytes]) -> None:
    for data in files:
        for length in range(len(data)):
            with pytest.raises((Malformed, Unknown)):
                elf.read(data[:length])


def test_a_call_too_far_even_for_its_stub(files: list[bytes]) -> None:
    (section,) = [s for s in elf.read(files[0]).sections.values() if s.executable]
    calls = [k for k, r in enumerate(elf.RELOCATION.iter_unpack(section.relocations[0])) if r[1] in (4, 283)]
    records = bytes(section.relocations[0])
    at = files[0].index(records) + 24 * calls[0] + 16
    damaged = bytearray(files[0])
    for addend in (1 << 40, -(1 << 63), 1 << 31):
        damaged[at : at + 8] = struct.pack("<q", addend)
        with pytest.raises(Unknown, match="reach"):
            loading.place([bytes(damaged)], MACHINE, BOUND)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_damaged_files_are_placed_or_refused(data: st.DataObject) -> None:
    """Bits, numbers in headers and tables, bytes anywhere: nothing is written or read outside."""
    original = _files()[data.draw(st.integers(0, 1))]
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        width = data.draw(st.sampled_from([1, 2, 4, 8]))
        tables = data.draw(st.sampled_from(_places(original)))
        at = min(tables + data.draw(st.integers(0, 64)), len(damaged) - width)
        value = data.draw(st.one_of(st.integers(0, (1 << 8 * width) - 1), st.sampled_from([0, 1, 1 << 63])))
        damaged[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    try_to_place(bytes(damaged))


_made: list[list[bytes]] = []


def _files() -> list[bytes]:
    if not _made:
        _made.append(samples())
    return _made[0]


def _places(data: bytes) -> list[int]:
    """Where header, sections, symbols and relocations begin."""
    (table,) = struct.unpack_from("<Q", data, 40)
    (count,) = struct.unpack_from("<H", data, 60)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * n) for n in range(count)]
    records = [h[4] + k * 24 for h in headers if h[1] in (2, 4) for k in range(h[5] // 24)]
    return [0, *(table + 64 * n for n in range(count)), *records]


# ------------------------------------------------------------------------------------- processes and threads


def test_a_thousand_functions_leave_nothing_behind() -> None:
    out = run(
        """
        from tensorc.codegen_llvm import jit, loading
        text = "define i64 @f(i64 %x) {\\n  %y = mul i64 %x, %x\\n  ret i64 %y\\n}\\n"
        code = jit.compile_text(text, level=1)
        def maps():
            return len(open("/proc/self/maps").readlines())
        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        kept = [loading.load(code) for _ in range(1000)]
        kept.clear()
        before = maps(), resident()
        for _ in range(3):
            kept = [loading.load(code) for _ in range(1000)]
            kept.clear()
        print(maps() - before[0], resident() - before[1])
        """
    )
    places, grown = map(int, out.split())
    assert places <= 2
    assert grown < 1 << 20


def test_threads_that_load_at_the_same_time() -> None:
    run(
        """
        import ctypes
        from tensorc.codegen_llvm import jit, loading
        text = "define i64 @f(i64 %x) {\\n  %y = mul i64 %x, NUMBER\\n  ret i64 %y\\n}\\n"
        codes = [jit.compile_text(text.replace("NUMBER", str(n)), level=1) for n in range(8)]
        def work(n):
            for _ in range(100):
                code = loading.load(codes[n])
                assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code["f"])(7) == 7 * n
        together(*[lambda n=n: work(n) for n in range(8)])
        """
    )


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_code_is_there_after_a_fork_and_can_be_loaded() -> None:
    run(
        """
        x = tc.vector("x")
        f = tc.function([x], x * 2)
        assert f(np.ones(3)).tolist() == [2, 2, 2]
        child = os.fork()
        if child == 0:
            old, new = f(np.ones(3)), tc.function([x], x * 3)(np.ones(2))
            os._exit(0 if old.tolist() == [2, 2, 2] and new.tolist() == [3, 3] else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert f(np.ones(3)).tolist() == [2, 2, 2]
        """
    )


def test_llvms_loader_names_what_is_wrong() -> None:
    load: Callable[..., Any] = llvm_loader.load
    with pytest.raises(InternalError, match="loading"):
        load([b"not an object file"], {}, ["f"])
