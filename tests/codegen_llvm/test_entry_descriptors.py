"""What a body is told about its arguments: it returns the descriptor itself, for all dtypes and ranks."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen_llvm.entry_bodies import put_extents, raise_recorded
from tensorc.codegen_llvm import entry_layout
from tensorc.codegen_llvm.abi import ArraySpec, Signature
from tensorc.codegen_llvm.native import NativeBody, compile_body, compile_native, link_native

DTYPES = [
    np.dtype(c) for c in ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
]


def words_of(rank: int) -> int:
    return 3 + 2 * rank


def tell(rank: int) -> str:
    """y = the words of x's descriptor."""
    n = words_of(rank)
    copies = "".join(
        f"  %x{k}.p = getelementptr i64, ptr %x, i64 {k}\n  %x{k} = load i64, ptr %x{k}.p\n"
        f"  %y{k}.p = getelementptr i64, ptr %y.data, i64 {k}\n  store i64 %x{k}, ptr %y{k}.p\n"
        for k in range(n)
    )
    return f"""
define i32 @f_shapes(ptr %x, ptr %err, ptr %extents) {{
{put_extents(str(n))}  ret i32 0
}}
define i32 @f(ptr %x, ptr %y, ptr %err) {{
  %y.p = getelementptr i8, ptr %y, i64 8
  %y.data = load ptr, ptr %y.p
{copies}  ret i32 0
}}
"""


def refuse(direct: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "slow"


@cache
def told(dtype: np.dtype[Any], rank: int) -> Any:
    words = ArraySpec(np.dtype(np.int64), (None,))
    signature = Signature((ArraySpec(dtype, (None,) * rank, "x"),), (words,), result="one")
    return link(signature, rank)


@cache
def tell_body(rank: int) -> NativeBody:
    words = ArraySpec(np.dtype(np.int64), (None,))
    return compile_body("f", tell(rank), Signature((words,), (words,)), level=1)


def link(signature: Signature, rank: int) -> Any:
    from tensorc.codegen_llvm.entry import FunctionBase

    return link_native(
        "f", tell_body(rank), signature, slow=refuse, on_error=raise_recorded, base=FunctionBase
    )


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """A view: rank 0 to 5, extents 0 to 3, steps of either sign, axes permuted, broadcast."""
    rank = draw(st.integers(0, 5))
    dtype = draw(st.sampled_from(DTYPES))
    shape = [draw(st.integers(0, 3)) for _ in range(rank)]
    steps = [draw(st.sampled_from([1, 1, 2, -1, -3])) for _ in range(rank)]
    base = np.zeros([max(n * abs(s), 1) for n, s in zip(shape, steps, strict=True)], dtype)
    view = base[(*(slice(None, None, s) for s in steps), ...)]
    view = view[(*(slice(0, n) for n in shape), ...)]
    view = view.transpose(draw(st.permutations(range(rank))))
    if rank and draw(st.booleans()):
        axis = draw(st.integers(0, rank - 1))
        one = view[tuple(slice(0, 1) if k == axis else slice(None) for k in range(rank))]
        if one.shape[axis]:
            view = np.broadcast_to(one, [2 if k == axis else n for k, n in enumerate(one.shape)])
    return view


@given(arrays())
def test_a_body_sees_the_array_as_it_is(x: np.ndarray[Any, Any]) -> None:
    words = told(x.dtype, x.ndim)(x)
    assert words.tolist() == entry_layout.descriptor(x)
    data, aligned, offset, *numbers = words.tolist()
    sizes, strides = numbers[: x.ndim], numbers[x.ndim :]
    assert (data, aligned, offset) == (x.ctypes.data, x.ctypes.data, 0)
    assert tuple(sizes) == x.shape
    for n, stride, have in zip(sizes, strides, x.strides, strict=True):
        assert n <= 1 or x.size == 0 or stride * x.itemsize == have
    if x.size and x.flags.c_contiguous:
        assert strides == [int(np.prod(sizes[k + 1 :])) for k in range(x.ndim)]


@given(arrays(), st.integers(1, 7))
def test_native_form_is_one_rule_in_two_languages(x: np.ndarray[Any, Any], shift: int) -> None:
    """Also with data that is not aligned."""
    raw = np.zeros(x.nbytes + 16, np.uint8)
    moved = raw[shift : shift + x.nbytes].view(x.dtype).reshape(x.shape)
    spec = ArraySpec(x.dtype, (None,) * x.ndim)
    for array in (x, moved, x.view(type("Sub", (np.ndarray,), {})), x.astype(x.dtype.newbyteorder())):
        native = isinstance(told(x.dtype, x.ndim)(array), np.ndarray)
        assert native == (entry_layout.native_form(array, spec) is None)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_has_its_own_singleton(dtype: np.dtype[Any]) -> None:
    x = np.zeros(3, dtype)
    assert told(dtype, 1)(x)[3:].tolist() == [3, 1]
    for other in DTYPES:
        if other is not dtype:
            assert told(dtype, 1)(np.zeros(3, other)) == "slow"


def test_two_c_types_of_one_size() -> None:
    codes = [c for c in "lq" if np.dtype(c).itemsize == 8]
    native = [ArraySpec(np.dtype(c), ()).dtype is np.dtype(np.int64) for c in codes]
    assert all(native)
    taken = [isinstance(told(np.dtype(np.int64), 1)(np.zeros(3, c)), np.ndarray) for c in codes]
    assert taken == [np.dtype(c) is np.dtype(np.int64) for c in codes]


@pytest.mark.parametrize("dtype", ["g", "G", "O", "U3", "M8[s]", "V4", "S1", [("a", "i4")]])
def test_dtypes_machine_code_cannot_hold(dtype: Any) -> None:
    with pytest.raises(TypeError, match="no native form"):
        ArraySpec(np.dtype(dtype), ())


def test_specs_are_normalised() -> None:
    spec = ArraySpec(np.dtype(">f8"), [None, 3], "x")  # type: ignore[arg-type]
    assert spec.dtype is np.dtype(np.float64)
    assert spec.shape == (None, 3)
    assert hash(spec) == hash(ArraySpec(np.dtype(np.float64), (None, 3), "x"))
    with pytest.raises(ValueError, match="negative"):
        ArraySpec(np.dtype(np.float64), (-1,))


@given(arrays())
def test_make_native(x: np.ndarray[Any, Any]) -> None:
    for target in (np.dtype(np.complex128), np.dtype(np.bool_)):
        made = entry_layout.make_native(x, target)
        assert entry_layout.native_form(made, ArraySpec(target, x.shape)) is None
        assert made.flags.c_contiguous
        assert not np.shares_memory(made, x)


def test_rank_64() -> None:
    words = ArraySpec(np.dtype(np.int64), (None,))
    signature = Signature((ArraySpec(np.dtype(np.int8), (None,) * 64, "x"),), (words,), result="one")
    f = compile_native("f", tell(64), signature, level=0, slow=refuse, on_error=raise_recorded)
    x = np.zeros((1,) * 62 + (2, 3), np.int8)
    assert f(x).tolist() == entry_layout.descriptor(x)
    assert f(x[..., ::2]).tolist()[-2:] == [3, 2]
