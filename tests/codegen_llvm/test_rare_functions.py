"""Rare functions in vector code: the loop stays vector code, and every lane gets its own result."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tensorc as tc
from benchmarks.scalar_loops import compile_loop
from tensorc.ir.types import f32, f64

NAMES = ["sin", "cos", "tan"]
OTHERS = ["power", "erf", "erfc"]
LIBRARY = re.compile(r"call\w*\s+\W?(sin|cos|tan|pow|erfc?)f?\b")
ELEMENTS = {"float32": f32, "float64": f64}


def compiled(name: str, dtype: str) -> tc.Function:
    x = tc.vector("x", dtype=dtype)
    return tc.function([x], tc.power(x, x) if name == "power" else getattr(tc, name)(x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_a_compiled_loop_is_vector_code_without_calls_of_the_library(name: str, dtype: str) -> None:
    f = compiled(name, dtype)
    f(np.ones(3, dtype))
    text = f.source("asm")
    if "zmm" not in text and "ymm" not in text:
        assert "xmm" not in text
        pytest.skip("not an x86-64 machine")
    assert not LIBRARY.search(text)
    assert len(re.findall(r"\tv\w*(?:mul|add|sub)\w*p[sd]\t.*%[yz]mm", text)) > 10


def test_registers_are_not_kept_free_for_a_rare_call() -> None:
    """The body of the loop up to the branch around the call neither saves nor restores anything."""
    f = compiled("sin", "float32")
    f(np.ones(3, "float32"))
    text = f.source("asm")
    if "zmm" not in text:
        pytest.skip("not a machine with AVX-512")
    blocks = re.split(r"^\.LBB\d+_\d+:", text, flags=re.MULTILINE)
    bodies = [block for block in blocks if len(re.findall("vfmadd.*zmm", block)) > 5]
    assert bodies
    assert not any("%rsp" in body for body in bodies)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_lanes_beyond_the_bound_do_not_change_their_neighbours(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-50, 50, 203).astype(dtype)
    mixed = x.copy()
    places = rng.choice(x.size, 40, replace=False)
    mixed[places] = np.where(rng.random(40) < 0.5, 1e30, -np.inf)
    f = compiled(name, dtype)
    got = f(mixed)
    alone = np.array([f(v)[0] for v in mixed.reshape(-1, 1)])
    np.testing.assert_array_equal(got, alone)
    kept = np.delete(np.arange(x.size), places)
    np.testing.assert_array_equal(got[kept], f(x)[kept])
    np.testing.assert_array_equal(got, compile_loop(name, ELEMENTS[dtype])(mixed))


def test_many_rare_functions_share_one_loop() -> None:
    x, y = tc.vector("x", dtype="float32"), tc.vector("y")
    f = tc.function([x, y], [tc.sin(x) + tc.cos(x) * tc.tan(y) + tc.cos(tc.sin(y)), tc.sin(y).sum()])
    rng = np.random.default_rng(1)
    a, b = rng.uniform(-1e6, 1e6, 100).astype(np.float32), rng.uniform(-9, 9, 100)
    b[[3, 50]] = 1e100, np.inf
    with np.errstate(invalid="ignore"):
        want = np.sin(a) + np.cos(a) * np.tan(b) + np.cos(np.sin(b))
    got, total = f(a, b)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
    assert np.isnan(total)


def test_programs_call_rare_functions_that_they_share() -> None:
    f = compiled("sin", "float64")
    assert f(np.array([1e22])) == compile_loop("sin", f64)(np.array([1e22]))
    text = f.source("llvm")
    assert re.search(r"^declare double @tensorc_rare_sin_f64\(", text, re.MULTILINE)
    assert not re.search(r"^define .*@tensorc_rare", text, re.MULTILINE)
