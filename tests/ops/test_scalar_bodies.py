"""Every scalar body on special values: NumPy's numbers, and nothing undefined on the way."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tensorc.ir.types import FloatType, IntegerType, ScalarType
from tensorc.ops.base import OpDef
from tensorc.ops.dtypes import integer_range, signless, to_dtype
from tensorc.ops.families import Pointwise, Reduction
from tensorc.ops.loops.base import numpy_dtype
from tests.ops.harness import OPS, label
from tests.ops.scalar_numpy import Lane, NumpyScalars

POINTWISE = [op for op in OPS if issubclass(op, Pointwise)]
REDUCTIONS = [op for op in OPS if issubclass(op, Reduction)]


def specials(element: ScalarType) -> Any:
    dtype = to_dtype(element)
    if isinstance(element, FloatType):
        info = np.finfo(dtype)
        edges = [2.0**p + d for p in (7, 8, 15, 16, 31, 32, 63, 64) for d in (-1, -0.5, 0, 1, 4096)]
        plain = [
            0.0,
            0.3,
            0.5,
            1,
            1.5,
            2,
            2.5,
            3,
            7,
            88.8,
            709.9,
            1e-5,
            1e20,
            info.max,
            info.tiny,
            info.smallest_subnormal,
            np.inf,
        ]
        plain += [np.nextafter(dtype.type(1), dtype.type(0)), *edges]
        found = np.array([*plain, *(-p for p in plain), np.nan], dtype)
        return found
    assert isinstance(element, IntegerType)
    least, greatest = integer_range(element)
    small = [0, 1, 2, 3, 5, 7, 8, 15, 16, 31, 32, 63, 64, 65, -1, -2, -3, -8]
    near = [least, least + 1, greatest, greatest - 1, greatest // 2]
    return np.array(sorted({v for v in [*small, *near] if least <= v <= greatest}), dtype)


def lanes(elements: tuple[ScalarType, ...]) -> list[Any]:
    """All combinations of special values."""
    rows = itertools.product(*[range(len(specials(e))) for e in elements])
    picked = np.array(list(rows)).T
    return [specials(e)[k] for e, k in zip(elements, picked, strict=True)]


def in_register(s: NumpyScalars, data: Any, element: ScalarType) -> Lane:
    register = signless(element)
    return s.lane(data.view(numpy_dtype(register)), register)


def run_body(
    op: type[Pointwise], elements: tuple[ScalarType, ...], result: ScalarType, data: list[Any]
) -> Any:
    s = NumpyScalars(data[0].shape)
    xs = [in_register(s, d, e) for d, e in zip(data, elements, strict=True)]
    with np.errstate(all="ignore"):
        out = op.scalar(s, (*elements, result), *xs)
    assert out.type == signless(result)
    return np.broadcast_to(out.data, data[0].shape).view(to_dtype(result))


def assert_same(got: Any, want: Any, data: list[Any], what: str) -> None:
    equal = (got == want) | ((got != got) & (want != want))
    if got.dtype.kind == "f":
        zeros = (got == 0) & (want == 0)
        equal &= ~zeros | (np.signbit(got) == np.signbit(want))
    wrong = [(*[d[k] for d in data], got[k], want[k]) for k in np.flatnonzero(~equal)[:8]]
    assert equal.all(), f"{what}: (operands, got, wanted) {wrong}"


@pytest.mark.parametrize("op", POINTWISE, ids=label)
def test_bodies_give_the_reference(op: type[Pointwise]) -> None:
    attributes: dict[tuple[ScalarType, ...], list[Any]] = {}
    for sample in op.samples():
        types = tuple(x.dtype for x in sample.operands)  # type: ignore[union-attr]
        attributes.setdefault(types, []).append(sample.attrs)  # type: ignore[arg-type]
    for element in op.accepts:
        elements = op.operand_elements(element)
        for attrs in dict.fromkeys(attributes[tuple(map(to_dtype, elements))]):  # type: ignore[index]
            data = lanes(elements)
            with np.errstate(all="ignore"):
                want = np.asarray(op.reference(attrs, *data))
            result = op.check_elements([tensor(e) for e in elements], attrs)
            got = run_body(op, elements, result, data)
            assert_same(got, want, data, f"{op.name} {elements} {attrs}")


def tensor(element: ScalarType) -> Any:
    from tensorc.ir.types import TensorType

    return TensorType((2,), element)


@pytest.mark.parametrize("op", REDUCTIONS, ids=label)
def test_combinations_give_the_reference(op: type[Reduction]) -> None:
    for element in op.accepts:
        x, y = lanes((element, element))
        s = NumpyScalars(x.shape)
        start = np.full(x.shape, op.initial(element))
        assert start.dtype == x.dtype
        with np.errstate(all="ignore"):
            acc = op.combine(s, element, in_register(s, start, element), in_register(s, x, element))
            acc = op.combine(s, element, acc, in_register(s, y, element))
            want = op.reference(_along_first(op), np.stack([x, y]))
        got = np.broadcast_to(acc.data, x.shape).view(x.dtype)
        # The neutral element of a float sum is +0, so a sum of negative zeros is +0, as NumPy's.
        assert_same(
            got + 0 if op.combiner == "add" else got,
            want + 0 if op.combiner == "add" else want,
            [x, y],
            op.name,
        )


def _along_first(op: type[OpDef]) -> Any:
    return op.attrs_type((0,))  # type: ignore[call-arg]


def test_division_and_powers_are_numpys() -> None:
    """NumPy itself, warnings aside, where the references above are NumPy's ufuncs only through the op
    classes.
    """
    least = np.iinfo(np.int32).min
    by_name = {op.name: op for op in POINTWISE}
    x = np.array([7, -7, least, 5, least], np.int32)
    y = np.array([0, 0, -1, -2, 1], np.int32)
    from tensorc.ir.types import i32

    floor = run_body(by_name["tensorc.floor_div"], (i32, i32), i32, [x, y])  # type: ignore[arg-type]
    assert floor.tolist() == [0, 0, least, -3, least]
    rest = run_body(by_name["tensorc.mod"], (i32, i32), i32, [x, y])  # type: ignore[arg-type]
    assert rest.tolist() == [0, 0, 0, -1, 0]
    base = np.array([2, 0, -1, 1, -2, 3], np.int32)
    exponent = np.array([-1, -1, -3, -5, 3, 40], np.int32)
    power = run_body(by_name["tensorc.pow"], (i32, i32), i32, [base, exponent])  # type: ignore[arg-type]
    assert power.tolist() == [0, 0, -1, 1, -8, np.array(3**40).astype(np.int32)]


@pytest.mark.parametrize("target", ["u1", "u2", "i1", "i2", "i4", "i8", "u8"])
def test_float_casts_are_numpys(target: str) -> None:
    """The cast's reference is spelt out for unsigned targets; here NumPy's own `astype` on whole vectors
    judges it.
    """
    from tensorc.ops.arithmetic import Cast
    from tensorc.ops.attrs import CastAttrs
    from tensorc.ops.dtypes import from_dtype

    for source in (np.float32, np.float64):
        x = specials(from_dtype(source))
        with np.errstate(all="ignore"):
            want = x.astype(target)
        assert Cast.reference(CastAttrs(from_dtype(target)), x).tolist() == want.tolist()
