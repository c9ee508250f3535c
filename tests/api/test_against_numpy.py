"""The functions, operators and indexing of `tc` against NumPy: same values, same dtype, same shape, in the
fastest and the plainest mode.
"""

import numpy as np
import pytest

import tensorc as tc

RNG = np.random.default_rng(0)
M = RNG.normal(size=(3, 4))
N = RNG.normal(size=(4, 3))
V = RNG.normal(size=4)
C = RNG.normal(size=(2, 3, 4))
INTS = RNG.integers(-5, 6, (3, 4))
IDX = np.array([2, 0, -1, 0])

# name -> (function of the module `m` (tc or np) and operands, operands)
CASES = {
    "add": (lambda m, a, b: a + b, (M, V)),
    "radd": (lambda m, a: 1 + a, (M,)),
    "numpy on the left": (lambda m, a: np.ones(4) + a, (M,)),
    "numpy matmul on the left": (lambda m, a: np.ones((2, 3)) @ a, (M,)),
    "np.exp": (lambda m, a: np.exp(a), (M,)),
    "np.where": (lambda m, a: np.where(a > 0, a, 0), (M,)),
    "np.sum": (lambda m, a: np.sum(a, axis=0), (M,)),
    "np.add.reduce": (lambda m, a: np.add.reduce(a, axis=1), (M,)),
    "divide ints": (lambda m, a: a / 3, (INTS,)),
    "floor divide by zero": (lambda m, a: a // (a - a), (INTS,)),
    "mod": (lambda m, a: a % 3, (INTS,)),
    "power": (lambda m, a: a**2, (INTS,)),
    "float power": (lambda m, a: abs(a) ** 1.5, (M,)),
    "compare": (lambda m, a: (a > 0) & (a < 1), (M,)),
    "equal": (lambda m, a: a == 2, (INTS,)),
    "invert": (lambda m, a: ~(a > 0), (M,)),
    "shift": (lambda m, a: (a << 2) >> 1, (INTS,)),
    "mixed dtypes": (lambda m, a, b: a * b, (INTS.astype(np.int8), M.astype(np.float32))),
    "int8 overflow": (lambda m, a: a * 100, (INTS.astype(np.int8),)),
    "weak float": (lambda m, a: a * 2.5, (M.astype(np.float32),)),
    "bool arithmetic": (lambda m, a: (a > 0) + (a > 1), (M,)),
    "exp of int": (lambda m, a: m.exp(a), (INTS,)),
    "sqrt": (lambda m, a: m.sqrt(a), (abs(M),)),
    "maximum": (lambda m, a, b: m.maximum(a, b), (M, V)),
    "logaddexp": (lambda m, a, b: m.logaddexp(a, b), (M, V)),
    "round": (lambda m, a: m.round(a * 10), (M,)),
    "round decimals": (lambda m, a: m.round(a, 2), (M,)),
    "sign": (lambda m, a: m.sign(a), (INTS,)),
    "isnan": (lambda m, a: m.isnan(a / a), (INTS.astype(float),)),
    "sum": (lambda m, a: a.sum(), (M,)),
    "sum axis": (lambda m, a: a.sum(axis=(0, 2)), (C,)),
    "sum keepdims": (lambda m, a: a.sum(axis=1, keepdims=True), (C,)),
    "sum int8": (lambda m, a: a.sum(), (INTS.astype(np.int8),)),
    "sum bool": (lambda m, a: (a > 0).sum(axis=0), (M,)),
    "prod": (lambda m, a: a.prod(axis=-1), (M,)),
    "max": (lambda m, a: a.max(axis=0), (M,)),
    "min": (lambda m, a: m.min(a), (INTS,)),
    "any": (lambda m, a: (a > 1).any(axis=1), (M,)),
    "all": (lambda m, a: (a > -10).all(), (M,)),
    "argmax": (lambda m, a: a.argmax(axis=1), (M,)),
    "argmin flat": (lambda m, a: m.argmin(a), (M,)),
    "mean": (lambda m, a: a.mean(axis=1), (M,)),
    "mean of ints": (lambda m, a: m.mean(a, axis=0), (INTS,)),
    "var": (lambda m, a: a.var(axis=0), (M,)),
    "std ddof": (lambda m, a: a.std(axis=1, ddof=1), (M,)),
    "matmul": (lambda m, a, b: a @ b, (M, N)),
    "matvec": (lambda m, a, b: a @ b, (M, V)),
    "vecmat": (lambda m, a, b: m.matmul(a, b), (V, N)),
    "inner": (lambda m, a: m.dot(a, a), (V,)),
    "batched matmul": (lambda m, a, b: a @ b, (C, N)),
    "integer matmul": (lambda m, a: a @ a.T, (INTS,)),
    "transposed matmul": (lambda m, a, b: a.T @ b.T, (M, N)),
    "tensordot": (lambda m, a, b: m.tensordot(a, b, axes=([2], [0])), (C, N)),
    "outer": (lambda m, a: m.outer(a, a), (V,)),
    "transpose": (lambda m, a: a.transpose(2, 0, 1), (C,)),
    "swapaxes": (lambda m, a: a.swapaxes(0, 1), (C,)),
    "reshape": (lambda m, a: a.reshape(4, -1), (C,)),
    "reshape symbolic": (lambda m, a: a.reshape((a.shape[0] * a.shape[1], -1)), (C,)),
    "ravel": (lambda m, a: a.T.ravel(), (M,)),
    "concatenate": (lambda m, a, b: m.concatenate([a, b.T], axis=0), (M, N)),
    "stack": (lambda m, a: m.stack([a, a * 2], axis=1), (M,)),
    "broadcast_to": (lambda m, a: m.broadcast_to(a, (2, 4)), (V,)),
    "where": (lambda m, a: m.where(a > 0, a, -1), (M,)),
    "clip": (lambda m, a: m.clip(a, -0.5, 0.5), (M,)),
    "astype": (lambda m, a: (a * 10).astype("int32"), (M,)),
    "index": (lambda m, a: a[1], (M,)),
    "negative index": (lambda m, a: a[-1, -2], (M,)),
    "slice": (lambda m, a: a[1:, ::2], (M,)),
    "negative step": (lambda m, a: a[::-1, 3:0:-2], (M,)),
    "slice past the end": (lambda m, a: a[1:100, -100:2], (M,)),
    "empty slice": (lambda m, a: a[2:1], (M,)),
    "newaxis": (lambda m, a: a[:, None, 1:], (M,)),
    "ellipsis": (lambda m, a: a[..., 0], (C,)),
    "integer array": (lambda m, a: a[IDX], (M[[0, 1, 2]],)),
    "integer array, axis 1": (lambda m, a: a[:, IDX], (M,)),
    "two integer arrays": (lambda m, a: a[IDX, np.array([0, 1, 2, 3])], (M,)),
    "broadcast integer arrays": (lambda m, a: a[np.array([[0], [2]]), IDX], (M,)),
    "separated arrays": (lambda m, a: a[np.array([0, 1]), :, np.array([2, 3])], (C,)),
    "array and integer": (lambda m, a: a[IDX % 2, 1], (C,)),
    "array and slice": (lambda m, a: a[1:, IDX % 3], (C,)),
    "list index": (lambda m, a: a[[0, 2]], (M,)),
    "constant mask": (lambda m, a: a[np.array([True, False, True])], (M,)),
    "take": (lambda m, a: m.take(a, IDX, axis=1), (M,)),
    "eye": (lambda m, a: m.eye(3) + a[:, :3], (M,)),
    "arange": (lambda m, a: m.arange(4) * a, (V,)),
    "zeros_like": (lambda m, a: m.zeros_like(a) + m.ones_like(a), (INTS,)),
    "expand_dims": (lambda m, a: m.expand_dims(a, (0, 3)), (C[0],)),
    "squeeze": (lambda m, a: m.squeeze(a[None], 0), (M,)),
    "chain of broadcasts": (lambda m, a, b: (a[:, None, :] - b[None, :, :]) ** 2, (M, M[:2])),
}


@pytest.mark.parametrize("mode", ["O0", "fast"])
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_numpy(name, mode):
    function, operands = CASES[name]
    symbols = [tc.tensor(f"x{i}", a.dtype, (None,) * a.ndim) for i, a in enumerate(operands)]
    f = tc.function(symbols, function(tc, *symbols), mode=mode, on_unused_input="ignore")
    with np.errstate(all="ignore"):
        expected = np.asarray(function(np, *operands))
    got = f(*operands)
    assert isinstance(got, np.ndarray)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-13 if got.dtype == np.float64 else 1e-6)


@pytest.mark.parametrize("mode", ["O0", "fast"])
def test_strides_of_every_kind(mode):
    x = tc.tensor("x", "float64", (None, None))
    f = tc.function([x], x * 2 + x.sum(axis=0), mode=mode)
    base = RNG.normal(size=(6, 8))
    for view in (
        base,
        base.T,
        base[::-1],
        base[:, ::-1],
        base[::2, 1::3],
        np.asfortranarray(base),
        base[:0],
        base[:1],
        base[:, :1],
    ):
        np.testing.assert_allclose(f(view), view * 2 + view.sum(axis=0), rtol=1e-13)


@pytest.mark.parametrize("mode", ["O0", "fast"])
@pytest.mark.parametrize(
    "shapes", [((3, 4), (3, 4)), ((3, 4), (1, 4)), ((1, 4), (3, 1)), ((0, 4), (1, 4)), ((1, 1), (1, 1))]
)
def test_run_time_broadcasting_needs_no_recompilation(shapes, mode):
    a, b = tc.matrix("a"), tc.matrix("b")
    f = tc.function([a, b], [(a + b) * a, tc.grad((a * b).sum(), [a, b])[0]], mode=mode)
    x, y = RNG.normal(size=shapes[0]), RNG.normal(size=shapes[1])
    value, gradient = f(x, y)
    np.testing.assert_allclose(value, (x + y) * x)
    full = np.broadcast_to(y, np.broadcast_shapes(*shapes))
    axes = tuple(i for i, n in enumerate(x.shape) if n == 1 and full.shape[i] != 1)
    np.testing.assert_allclose(gradient, full.sum(axis=axes, keepdims=True))
