"""LLVM text to code in memory, and where its symbols come from."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
import textwrap
from math import erf
from pathlib import Path

import numpy as np
import pytest

import tensorc as tc
from codegen_llvm.entry_bodies import make, matmul, plus_one, signature
from tensorc.codegen_llvm import entry, entry_layout, jit, loading
from tensorc.codegen_llvm.abi import ArraySpec, Signature
from tensorc.codegen_llvm.native import compile_body, exports_of, packed_text
from tensorc.codegen_llvm.runtime_symbols import address_of, scipy_extension
from tensorc.ir.errors import InternalError
from tests.threads.process import run

SUM = """
define double @total(ptr %p, i64 %n) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i.next, %body ]
  %s = phi double [ 0.0, %entry ], [ %s.next, %body ]
  %go = icmp slt i64 %i, %n
  br i1 %go, label %body, label %exit
body:
  %q = getelementptr double, ptr %p, i64 %i
  %x = load double, ptr %q
  %y = call double @weight(double %x)
  %s.next = fadd double %s, %y
  %i.next = add i64 %i, 1
  br label %head
exit:
  ret double %s
}
"""
WEIGHT = """
declare double @erf(double)
define double @weight(double %x) {
  %e = call double @erf(double %x)
  ret double %e
}
"""
Total = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p, ctypes.c_int64)


def run_fresh(code: str) -> str:
    """The output of Python code in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "TENSORC_CACHE": "0"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_every_level_computes_the_same(level: int) -> None:
    code = loading.load(jit.compile_text(SUM + WEIGHT, level=level, exports=["total"]))
    x = np.linspace(-1, 1, 9) + 0.25
    assert Total(code["total"])(x.ctypes.data, x.size) == sum(erf(v) for v in x)


def test_object_files_that_call_each_other() -> None:
    first = jit.compile_text(SUM + "declare double @weight(double)\n", level=1)
    second = jit.compile_text(WEIGHT, level=0)
    assert first.imports == ("weight",)
    assert second.imports == ("erf",)
    code = loading.load(first, second)
    assert set(code.addresses) == {"total", "weight"}
    assert Total(code["total"])(np.zeros(3).ctypes.data, 3) == 0


@pytest.mark.parametrize(
    "text",
    [
        "define i32 @f() {",
        "define i32 @f() {\n  ret i64 1\n}",
        "define i32 @g() {\n  ret i32 1\n}",
        "no text",
    ],
)
def test_text_that_llvm_rejects(text: str) -> None:
    with pytest.raises(InternalError):
        jit.compile_text(text, level=1, exports=["f"])


def test_invalid_levels_and_names() -> None:
    with pytest.raises(ValueError, match="level"):
        jit.compile_text(WEIGHT, level=4)
    with pytest.raises(ValueError, match="name"):
        compile_body('f"', plus_one(), signature(1, 1), level=1)


def test_a_missing_symbol_is_named() -> None:
    text = (
        "declare i32 @tensorc_no_such_thing()\ndefine i32 @f() {\n  %r = call i32 @tensorc_no_such_thing()\n"
    )
    text += "  ret i32 %r\n}\n"
    with pytest.raises(InternalError, match="tensorc_no_such_thing"):
        loading.load(jit.compile_text(text, level=1))
    with pytest.raises(InternalError, match="dnosuch"):
        address_of("tensorc_blas_dnosuch")


def test_texts_of_a_body() -> None:
    exports = exports_of("f")
    text = packed_text("f", plus_one(), signature(1, 1))
    assert "define i32 @f(" in text
    optimised = jit.optimised_text(text, level=3, exports=exports)
    assert "f.packed" in optimised
    assert "f.packed" in jit.assembly(text, level=3, exports=exports)


def test_a_body_keeps_its_vector_width() -> None:
    """Attributes of a function that is inlined are lost, and with them the width it asks for."""
    head = "@f(ptr %x, ptr %y, ptr %err) "
    text = plus_one().replace(f"{head}{{", f'{head}"prefer-vector-width"="512" {{')
    assert "512" in text
    packed = packed_text("f", text, signature(1, 1))
    optimised = jit.optimised_text(packed, level=3, exports=exports_of("f"))
    assert "@f(" not in optimised
    attributes = re.search(r"define .*@f.packed\(.*#(\d+)", optimised)
    assert attributes is not None
    assert '"prefer-vector-width"="512"' in next(
        line for line in optimised.splitlines() if line.startswith(f"attributes #{attributes[1]} ")
    )


def test_llvm_leaves_loops_as_they_are() -> None:
    """Vector code is `passes/vectorize.py`'s business; what does not change in a loop leaves it as machine
    code.
    """
    texts = [jit.optimised_text(INVARIANT, level=level) for level in (0, 1, 2, 3)]
    assert not any(" x double>" in text for text in texts)
    code = [jit.assembly(INVARIANT, level=level) for level in (1, 2, 3)]
    loops = [re.search(r"(\.LBB\w+):(?:(?!\.LBB).)*?\tj\w+\t\1", text, re.DOTALL) for text in code]
    assert all(loop is not None and "div" not in loop[0] for loop in loops)


def test_a_long_loop_is_tidy_machine_code() -> None:
    """One address a buffer and iteration (what lies ahead is at a distance from it), no stack traffic for the
    counter, one jump a round.
    """
    x = tc.vector("x")
    y = x
    for _ in range(40):
        y = (y * 0.5 + x) * y - 0.25
    text = tc.function([x], y).source("llvm")
    loop = next(b for b in re.split(r"\n\n", text) if "masked.store" in b)
    assert len(re.findall(r"getelementptr double, ptr %\w+, i64 %", loop)) == 2
    assert len(re.findall(r"^  br ", loop, re.MULTILINE)) == 1
    assert "alloca" not in text[text.index(".loop0(ptr noalias") :].split("\n}")[0]


INVARIANT = """
define void @f(ptr %x, i64 %n, double %a) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %b = fdiv double 1.0, %a
  %p = getelementptr double, ptr %x, i64 %i
  store double %b, ptr %p
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


def test_no_absolute_addresses_in_machine_code() -> None:
    matrix = ArraySpec(np.dtype(np.float64), (None, None))
    code = compile_body("f", matmul(), Signature((matrix, matrix), (matrix,)), level=2).object_code
    assert "tensorc_blas_dgemm" in code.imports
    assert address_of("tensorc_blas_dgemm").to_bytes(8, "little") not in code.data
    assert b"tensorc_blas_dgemm" in code.data


def test_scratch_memory() -> None:
    alloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)(entry.library()["tensorc_alloc"])
    free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(entry.library()["tensorc_free"])
    for size in (0, 1, 63, 64, 65, 1 << 20):
        memory = alloc(size)
        assert memory
        assert memory % 64 == 0
        ctypes.memset(memory, 1, size)
        free(memory)
    for size in (-1, -(1 << 63), (1 << 63) - 1, 1 << 55):
        assert alloc(size) is None
    free(None)


def test_blas_comes_without_scipy_linalg_and_leaves_it_importable() -> None:
    out = run_fresh("""
        import sys
        from tensorc.codegen_llvm.runtime_symbols import address_of
        first = address_of("tensorc_blas_dgemm")
        print("scipy.linalg" in sys.modules, first != 0)
        import scipy.linalg, scipy.linalg.blas
        from scipy.linalg import cython_blas
        import numpy as np
        print(scipy.linalg.blas.dgemm(1.0, np.eye(2), np.eye(2)).trace())
        print(cython_blas is sys.modules["scipy.linalg.cython_blas"])
        from tensorc.codegen_llvm.runtime_symbols import scipy_extension
        print(scipy_extension("cython_blas") is cython_blas)
    """)
    assert out.split() == ["False", "True", "2.0", "True", "True"]


@pytest.mark.parametrize(("given", "expected"), [("1", "1"), ("", "as it was")])
def test_blas_runs_on_as_many_threads_as_the_variable_says(given: str, expected: str) -> None:
    out = run_fresh(f"""
        import ctypes, os
        os.environ["TENSORC_NUM_THREADS"] = {given!r}
        from tensorc.codegen_llvm.runtime_symbols import address_of, scipy_extension
        library = ctypes.CDLL(scipy_extension("cython_blas").__file__)
        count = getattr(library, "scipy_openblas_get_num_threads", None)
        before = count() if count else 0
        address_of("tensorc_blas_dgemm")
        after = count() if count else 0
        told = after if {given!r} or after != before else "as it was"
        print(told if count else "no OpenBLAS")
    """)
    assert out.strip() in (expected, "no OpenBLAS")


def test_scipy_imported_first_is_used() -> None:
    import scipy.linalg.cython_lapack as lapack

    assert scipy_extension("cython_lapack") is lapack
    assert address_of("tensorc_lapack_dpotrf") != 0


def test_importing_costs_no_llvm() -> None:
    assert (
        run_fresh("""
        import sys
        import tensorc.codegen_llvm.native
        print([m for m in ("llvmlite", "scipy") if m in sys.modules])
    """)
        == "[]"
    )


def test_an_unfinished_entry_text_is_noticed() -> None:
    names = entry_layout.names(entry.FunctionBase)
    with pytest.raises(KeyError):
        entry.expand("  %x = get i64, %ctx, NO_SUCH_FIELD\n", names)
    with pytest.raises(KeyError):
        entry.expand("$NO_SUCH_NUMBER", names)


def test_code_of_dropped_functions_is_freed() -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")

    def executable() -> int:
        return sum(
            " r-xp " in line and line.rstrip().endswith(" 0") for line in maps.read_text().splitlines()
        )

    body = compile_body("f", plus_one(), signature(1, 1), level=0)
    before = executable()
    kept = [loading.load(body.object_code) for _ in range(50)]
    grown = executable()
    kept.clear()
    assert grown >= before
    assert executable() <= before + 5
    assert make(plus_one(), signature(1, 1))(np.ones(1)).tolist() == [2]


def test_code_that_is_rejected_leaves_nothing_that_crashes_later() -> None:
    """A collector frees what an error holds in any order: a module after the context it lies in, too."""
    run(
        r'''
from tensorc.codegen_llvm import jit
from tensorc.ir.errors import InternalError
text = """define i32 @f(i1 %c) {
  br i1 %c, label %a, label %b
a:
  %x = add i32 1, 2
  br label %b
b:
  ret i32 %x
}
"""
for k in range(30):
    kept = []
    try:
        jit.compile_text(text, level=0)
    except InternalError as error:
        error.kept = kept
        kept.append(error)
    else:
        raise SystemExit("it was accepted")
    del kept
gc.collect()
'''
    )
