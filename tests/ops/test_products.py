"""Matrix products of many shapes and layouts through the compiler, beside NumPy."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest

import tensorc as tc
from tensorc.codegen_llvm import emitter, jit, libraries, loading, runtime_symbols
from tensorc.ops import product_kernels, product_library
from tests.threads.pool_support import compiling_with, pool_of

DTYPES = ("float32", "float64", "int8", "int64", "uint16", "bool")
ROWS, COLUMNS, TERMS = (0, 1, 3, 8, 9, 21), (0, 1, 5, 16, 17, 33, 70, 200), (0, 1, 16, 40, 300)


@cache
def compiled(dtype: str, form: str) -> Any:
    x, y = tc.matrix("x", dtype=dtype), tc.matrix("y", dtype=dtype)
    value = {"xy": lambda: x @ y, "xyT": lambda: x @ y.T, "xTy": lambda: x.T @ y, "xTyT": lambda: x.T @ y.T}
    return tc.function([x, y], value[form]())


def sample(rng: Any, dtype: str, *shape: int) -> Any:
    if dtype == "bool":
        return rng.random(shape) < 0.2
    return (rng.standard_normal(shape) * 50).astype("int64").astype(dtype)


def layouts(x: Any, y: Any) -> Any:
    """The same product of operands that lie differently in memory."""
    yield "xy", x, y
    yield "xyT", x, np.ascontiguousarray(y.T)
    yield "xTy", np.ascontiguousarray(x.T), y
    yield "xTyT", np.ascontiguousarray(x.T), np.ascontiguousarray(y.T)
    yield "xy", x[::-1, ::-1].copy()[::-1, ::-1], y[::-1].copy()[::-1]
    yield "xy", np.repeat(x, 2, axis=1)[:, ::2], np.asfortranarray(y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_edge_of_tiles_and_every_layout(dtype: str) -> None:
    # Whole numbers: floats are exact, too, in whatever order they are added.
    rng = np.random.default_rng(7)
    shapes = [(m, n, k) for m in ROWS for n in COLUMNS for k in TERMS]
    long = [(1, 200, 40), (1, 4200, 270), (21, 1, 300), (1, 1, 300), (65, 9, 20), (127, 40, 270), (129, 3, 5)]
    for m, n, k in [*rng.permutation(shapes)[:60].tolist(), *long]:
        x, y = sample(rng, dtype, m, k), sample(rng, dtype, k, n)
        expected = x @ y
        for form, left, right in layouts(x, y):
            found = compiled(dtype, form)(left, right)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected, f"{form} {m} {n} {k}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_right_sides_are_packed(dtype: str) -> None:
    # Beyond each edge of tiles, panels, groups of panels, blocks of rows and of columns of the left side.
    rng = np.random.default_rng(8)
    for m, k, n in ((40, 1100, 520), (131, 270, 545), (17, 2049, 30), (300, 300, 300)):
        x, y = sample(rng, dtype, m, k), sample(rng, dtype, k, n)
        for form, left, right in layouts(x, y):
            np.testing.assert_array_equal(compiled(dtype, form)(left, right), x @ y, f"{form} {m} {k} {n}")
    element = {"float32": "f32", "float64": "f64"}[dtype]
    assert f"tensorc_matmul_{element}" in compiled(dtype, "xy").source("llvm")
    assert f"@tensorc_pack_{element}" in libraries.text_of(f"matmul-{element}")


def test_packing_does_not_show() -> None:
    rng = np.random.default_rng(14)
    x, y = rng.standard_normal((40, 2100)), rng.standard_normal((2100, 70))
    whole = compiled("float64", "xy")(x, y)
    thin = compiled("float64", "xy")(x[3:19].copy(), y)  # too few rows to pack anything
    np.testing.assert_array_equal(thin, whole[3:19])
    np.testing.assert_array_equal(compiled("float64", "xTy")(np.ascontiguousarray(x.T), y), whole)
    np.testing.assert_array_equal(compiled("float64", "xyT")(x, np.ascontiguousarray(y.T)), whole)


@pytest.mark.parametrize("form", ["xy", "xyT", "xTy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_error_no_worse_than_numpys(dtype: str, form: str) -> None:
    rng = np.random.default_rng(9)
    for m, n, k in ((5, 40, 3000), (1, 200, 5000), (1, 1500, 3000), (30, 1, 5000), (12, 12, 70)):
        x, y = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
        x[:, ::2] *= x.dtype.type(1e4)
        truth = np.matmul(x.astype(np.longdouble), y.astype(np.longdouble))
        size = np.matmul(abs(x).astype(np.longdouble), abs(y).astype(np.longdouble))
        left = np.ascontiguousarray(x.T) if form == "xTy" else x
        right = np.ascontiguousarray(y.T) if form == "xyT" else y
        ours = np.max(abs(compiled(dtype, form)(left, right) - truth) / size)
        numpys = np.max(abs(x @ y - truth) / size)
        assert ours <= max(1.5 * numpys, np.finfo(dtype).eps)


@pytest.mark.parametrize("form", ["xy", "xyT", "xTy"])
def test_special_values_stay_in_their_rows_and_columns(form: str) -> None:
    x, y = np.ones((9, 40), np.float32), np.ones((40, 35), np.float32)
    x[2, 3], y[5, 34], x[8, 39], y[39, 0] = np.nan, np.inf, -np.inf, 0
    left = np.ascontiguousarray(x.T) if form == "xTy" else x
    right = np.ascontiguousarray(y.T) if form == "xyT" else y
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(compiled("float32", form)(left, right), x @ y)


def test_an_element_does_not_depend_on_its_tile() -> None:
    rng = np.random.default_rng(10)
    x, y = rng.standard_normal((21, 300)), rng.standard_normal((300, 45))
    f = compiled("float64", "xy")
    whole = f(x, y)
    for m, n in ((3, 45), (8, 17), (20, 9), (13, 32)):
        np.testing.assert_array_equal(f(x[:m].copy(), y[:, :n].copy()), whole[:m, :n])
    wide = rng.standard_normal((300, 1100))
    row = f(x[:1].copy(), wide)
    for start, stop in ((0, 600), (512, 700), (1090, 1100)):
        np.testing.assert_array_equal(f(x[:1].copy(), wide[:, start:stop].copy()), row[:, start:stop])
    np.testing.assert_array_equal(f(x[:2].copy(), wide)[:1], row)


def test_sums_are_vectors_in_registers() -> None:
    exports = product_library.exports("matmul-f32")
    code = jit.optimised_text(libraries.text_of("matmul-f32"), level=1, exports=exports)
    assert "@llvm.fma.v16f32" in code
    assert "x float> zeroinitializer, %" in code or "phi <16 x float>" in code


def test_batches_broadcast() -> None:
    rng = np.random.default_rng(11)
    x, y = tc.tensor3("x"), tc.matrix("y")
    a, b = sample(rng, "float64", 5, 9, 20), sample(rng, "float64", 20, 18)
    np.testing.assert_array_equal(tc.function([x, y], x @ y)(a, b), a @ b)
    np.testing.assert_array_equal(
        tc.function([x, y], y.T @ x.transpose(0, 2, 1))(a, b), b.T @ a.transpose(0, 2, 1)
    )


def test_gradient_of_a_matrix_that_a_batch_has_in_common_is_one_product() -> None:
    rng = np.random.default_rng(15)
    x, w = tc.tensor4("x"), tc.matrix("w")
    f = tc.function([x, w], tc.grad(tc.sum((x @ w) ** 2), [x, w]))
    a, b = rng.standard_normal((3, 2, 7, 5)), rng.standard_normal((5, 4))
    g = 2 * (a @ b)
    found = f(a, b)
    np.testing.assert_allclose(found[0], g @ b.T, rtol=1e-12)
    np.testing.assert_allclose(found[1], a.reshape(-1, 5).T @ g.reshape(-1, 4), rtol=1e-12)
    products = re.findall(r' = "tensorc.matmul"\(.*-> (.*)', f.source("fused"))
    assert sorted(products) == ["tensor<?x?x?x?xf64>"] * 2 + ["tensor<?x?xf64>"]
    for empty in ((0, 2, 7, 5), (3, 2, 0, 5), (3, 2, 7, 0)):
        a, b = np.ones(empty), np.ones((empty[-1], 4))
        np.testing.assert_array_equal(f(a, b)[1], np.zeros(b.shape))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Begin anew with no library loaded, and with options of the emitter: `fresh(options)`."""
    uncached = runtime_symbols.address_of.__wrapped__
    monkeypatch.setattr(loading, "address_of", uncached)
    monkeypatch.setenv("TENSORC_CACHE", "0")

    def begin(**options: Any) -> None:
        monkeypatch.setattr(libraries, "_loaded", {})
        chosen = emitter.EmitterOptions(libraries.vector_width(), polls=True, **options)
        monkeypatch.setattr(libraries, "host_options", lambda: chosen)

    return begin


def test_functions_of_a_process_share_the_kernels(fresh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh()
    texts: list[str] = []
    compile_text = jit.compile_text

    def compile(text: str, **options: Any) -> Any:
        texts.append(text)
        return compile_text(text, **options)

    monkeypatch.setattr(jit, "compile_text", compile)
    x, y, v = (tc.matrix(n, dtype="float32") for n in "xyv")
    a = np.ones((3, 3), np.float32)
    tc.function([x, y], x @ y)(a, a)
    tc.function([x, y, v], (x @ y + 1) @ v)(a, a, a)
    kernels = [text for text in texts if "llvm.fma.v" in text]
    assert len(kernels) == 1
    assert len(texts) == 3, "two functions, and the library"
    assert all(len(text) < 30_000 for text in texts if text not in kernels)


def products(form: str) -> Any:
    x, y = tc.matrix("x"), tc.matrix("y")
    return tc.function([x, y], (x.T if form == "xTy" else x) @ (y.T if form == "xyT" else y))


SHAPES = (
    (3, 5, 7),
    (1, 40, 90),
    (40, 300, 1),
    (70, 300, 45),
    (130, 30, 2100),
    (31, 17, 33),
    (7, 100, 3),
    (40, 1300, 40),
)


def results(compiled_products: dict[str, Any]) -> Any:
    rng = np.random.default_rng(16)
    for m, k, n in SHAPES:
        x, y = rng.standard_normal((m, k)), rng.standard_normal((k, n))
        for form, f in compiled_products.items():
            left = np.ascontiguousarray(x.T) if form == "xTy" else x
            yield f(left, np.ascontiguousarray(y.T) if form == "xyT" else y)


def test_bits_depend_neither_on_registers_nor_on_the_memory_for_panels(
    fresh: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms = ("xy", "xyT", "xTy")
    fresh()
    expected = list(results({form: products(form) for form in forms}))
    usual = libraries.text_of("matmul-f64")
    monkeypatch.setattr(product_kernels, "TILES", {8: product_kernels.TILES[8]})
    monkeypatch.setattr(product_library, "PACKED", 1 << 18)
    monkeypatch.setattr(product_library, "ALL_PACKED", 1)
    fresh()
    for one, other in zip(results({form: products(form) for form in forms}), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert libraries.text_of("matmul-f64").count("llvm.fma.v8f64(") < usual.count("llvm.fma.v8f64(")


def test_a_kernel_whose_panels_would_be_too_many_packs_block_by_block(
    fresh: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh()
    monkeypatch.setattr(product_library, "ALL_PACKED", 1)
    rng = np.random.default_rng(17)
    x, y, z = tc.matrix("x"), tc.matrix("y"), tc.tensor3("z")
    f = tc.function([x, y], [tc.maximum(x @ y, 0), tc.max(x @ y, axis=1)])
    batch = tc.function([z, y], z @ y)
    for m, k, n in ((150, 1100, 530), (40, 70, 300)):
        a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
        product = compiled("float64", "xy")(a, b)
        for right in (b, np.asfortranarray(b)):
            positive, largest = f(a, right)
            np.testing.assert_array_equal(positive, np.maximum(product, 0))
            np.testing.assert_array_equal(largest, product.max(1))
        np.testing.assert_array_equal(batch(a.reshape(2, -1, k), b).reshape(m, n), product)


def test_bits_do_not_depend_on_threads(fresh: Any) -> None:
    rng = np.random.default_rng(12)
    forms = ("xy", "xyT", "xTy")
    fresh(parallel_work=None)
    alone = {form: products(form) for form in forms}
    fresh(parallel_work=0)
    shared = {form: products(form) for form in forms}
    text = libraries.text_of("matmul-f64")
    assert all(f"tensorc_{name}_f64.loop" in text for name in ("part", "pack"))
    assert "tensorc_vector_f64.loop" in libraries.text_of("vector-f64")
    large = [(300, 290, 300), (129, 520, 1100)]
    for m, n, k in (*large, (300, 17, 33), (9, 900, 33), (1, 900, 40), (900, 1, 40), (70, 65, 16), (0, 5, 3)):
        x, y = rng.standard_normal((m, k)), rng.standard_normal((k, n))
        for form in forms:
            left = np.ascontiguousarray(x.T) if form == "xTy" else x
            right = np.ascontiguousarray(y.T) if form == "xyT" else y
            with pool_of(3):
                np.testing.assert_array_equal(
                    shared[form](left, right), alone[form](left, right), f"{m} {n} {k}"
                )


def test_blocks_of_a_batch_are_shared() -> None:
    x, y = tc.tensor3("x"), tc.tensor3("y")
    with compiling_with(0):
        f = tc.function([x, y], x @ y)
        text = f.source("llvm")
    loops = re.findall(r"define internal i32 @(main\.loop\d+)\(.*?\n}", text, re.DOTALL)
    bodies = [text[text.index(f"@{name}(ptr noalias") :].split("\n}")[0] for name in loops]
    assert bodies
    assert all("@tensorc_block_f64(" in found for found in bodies)
    rng = np.random.default_rng(13)
    for batch, m, n, k in ((7, 5, 9, 20), (3, 40, 200, 130), (2, 70, 20, 90), (0, 2, 2, 2), (2, 0, 3, 3)):
        a, b = sample(rng, "float64", batch, m, k), sample(rng, "float64", batch, k, n)
        with pool_of(3):
            np.testing.assert_array_equal(f(a, b), a @ b)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
def test_a_vector_is_multiplied_like_a_matrix_of_one_column_or_row(dtype: str) -> None:
    """The library has a function for those that are known to be thin: the bits are those of the other."""
    rng = np.random.default_rng(16)
    x, v, w = tc.matrix("x", dtype=dtype), tc.vector("v", dtype=dtype), tc.matrix("w", dtype=dtype)
    thin, wide = tc.function([x, v], [x @ v, v @ x]), tc.function([x, w], x @ w)
    assert "tensorc_vector_" in thin.source("loops")
    assert "tensorc_matmul_" not in thin.source("loops")
    for n in (0, 1, 7, 65, 300):
        shape = 2 * n + 1, 2 * n + 1
        whole = rng.standard_normal(shape).astype(dtype) if "float" in dtype else sample(rng, dtype, *shape)
        square, strided = whole[:n, :n], whole[: 2 * n : 2, : 2 * n : 2]
        for a in (square.copy(), square.copy().T, square, strided):
            for b in (whole[-1, :n].copy(), whole[:n, -1], whole[0, : 2 * n : 2]):
                column, row = thin(a, b)
                assert column.tobytes() == wide(a, b[:, None]).tobytes()
                assert row.tobytes() == wide(b[None, :], a).tobytes()
