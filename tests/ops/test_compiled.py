"""Compiled code gives the reference, for every op class, its samples, special values, sizes and layouts. No
op is named here.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tensorc.interp import loops
from tensorc.ir import builtin
from tensorc.ir.builder import Builder
from tensorc.ir.core import Operation
from tensorc.ir.definition import Attrs
from tensorc.ir.types import TensorType, Type, f64, i1, i32, i64
from tensorc.ops.base import OpDef, Sample
from tensorc.ops.families import Pointwise
from tensorc.passes import manager
from tensorc.passes.pipelines import PIPELINES
from tests.codegen_llvm.emitter_support import Native, compile_module
from tests.ops.harness import OPS, label, type_of
from tests.ops.test_scalar_bodies import lanes


@dataclass
class Case:
    """One function to compile and the operands to call it with."""

    types: list[Type]
    attrs: Attrs
    calls: list[tuple[Any, ...]] = field(default_factory=list)


def layouts(x: Any) -> Iterator[Any]:
    """`x` under other strides: Fortran order, every axis reversed, every second element, repeated by stride
    0.
    """
    yield x
    if x.ndim == 0:
        return
    yield np.asfortranarray(x)
    everywhere = (slice(None, None, -1),) * x.ndim
    yield x[everywhere].copy()[everywhere]
    apart = np.zeros([2 * n + 1 for n in x.shape], x.dtype)
    odd = (slice(1, None, 2),) * x.ndim
    apart[odd] = x
    yield apart[odd]
    if x.shape[0] == 1:
        yield np.broadcast_to(x[0], x.shape)


def relaid(operands: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    yield tuple(operands)
    for k, x in enumerate(operands):
        if isinstance(x, np.ndarray):
            for view in list(layouts(x))[1:]:
                yield (*operands[:k], view, *operands[k + 1 :])


def pointwise_calls(op: type[Pointwise], elements: Sequence[Any], rank: int) -> Iterator[tuple[Any, ...]]:
    """Special values in vectors and blocks; sizes 0 and 1."""
    data = lanes(tuple(elements))
    size = data[0].size
    if rank == 0:
        yield from (tuple(d[k : k + 1].reshape(()) for d in data) for k in range(0, size, max(1, size // 7)))
    elif rank == 1:
        yield tuple(data)
        yield tuple(d[:1] for d in data)
        yield tuple(d[:0] for d in data)
    else:
        rows = size // 3
        blocks = tuple(d[: rows * 3].reshape(rows, 3) for d in data)
        yield from relaid(blocks)
        yield tuple(d[:, :0] for d in blocks)
        yield tuple(d[:1, :1] for d in blocks)


def cases(op: type[OpDef], principal: bool = False) -> list[Case]:
    """The samples by type, all extents unknown; a Pointwise op gets its special values, principal types in
    ranks 0 to 2.
    """
    found: dict[Any, Case] = {}

    def case(types: list[Type], attrs: Attrs) -> Case:
        return found.setdefault((tuple(types), attrs), Case(types, attrs))

    for sample in op.samples():
        if (
            principal
            and not {t.element for t in map(type_of, sample.operands) if isinstance(t, TensorType)}
            <= PRINCIPAL
        ):
            continue
        case([type_of(x, True) for x in sample.operands], sample.attrs).calls.extend(relaid(sample.operands))
        if issubclass(op, Pointwise):
            elements = [type_of(x).element for x in sample.operands]  # type: ignore[attr-defined]
            for rank in range(3) if set(elements) <= PRINCIPAL else (2,):
                made = case([TensorType((None,) * rank, e) for e in elements], sample.attrs)
                made.calls.extend(pointwise_calls(op, elements, rank))
    return list(found.values())


def module_of(op: type[OpDef], all_cases: Sequence[Case]) -> Operation:
    module = builtin.new_module()
    for number, case in enumerate(all_cases):
        results = op.infer(case.types, case.attrs)
        assert results is not None
        tensors = [r for r in results if isinstance(r, TensorType)]
        function = builtin.new_function(f"f{number}", case.types, tensors)
        block = builtin.body(function)
        b = Builder.at_end(block)
        made = b.create(op, block.args, case.attrs)
        b.create_op(builtin.Return, [v for v in made if isinstance(v.type, TensorType)])
        module.regions[0].block.append(function)
    return module


def assert_close(got: Any, want: Any, operands: Sequence[Any], op: type[OpDef]) -> None:
    assert got.shape == want.shape
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    info = np.finfo(want.dtype)
    if issubclass(op, Pointwise):
        np.testing.assert_allclose(got, want, rtol=8 * info.eps, atol=4 * float(info.smallest_subnormal))
        return
    finite = [
        np.abs(x[np.isfinite(x)]).max(initial=1)
        for x in operands
        if isinstance(x, np.ndarray) and x.dtype.kind == "f"
    ]
    np.testing.assert_allclose(got, want, rtol=8 * info.eps, atol=16 * info.eps * max(finite, default=1) ** 2)


LEVELS = {"O0": 0, "O1": 1, "O2": 2, "O3": 3}
"""Pipelines that compile, and LLVM's level for each."""
PRINCIPAL = {i1, i32, i64, f64}
"""Element types that every level is tried on; O0 and O3, which between them have all the passes, are tried on
all.
"""


class Declined(Exception):
    """The specialised body left this call to the generic one."""


@dataclass
class Compiled:
    """The cases of one op through one pipeline; `calls` are those its body is made for."""

    module: Operation
    cases: list[Case]
    strided: bool

    def calls(self, case: Case) -> Iterator[tuple[Any, ...]]:
        for operands in case.calls:
            arrays = [x for x in operands if isinstance(x, np.ndarray)]
            if self.strided or all(x.flags.c_contiguous for x in arrays):
                yield operands


def compiled(op: type[OpDef], pipeline: str) -> Compiled:
    all_cases = cases(op, principal=pipeline in ("O1", "O2"))
    module = module_of(op, all_cases)
    manager.run(module, PIPELINES[pipeline], manager.Options(reproducer=False))
    return Compiled(module, all_cases, strided=pipeline == "O0")


@pytest.mark.parametrize("op", OPS, ids=label)
@pytest.mark.parametrize("pipeline", ["O0", "O3"])
def test_the_loop_interpreter_gives_the_reference(op: type[OpDef], pipeline: str) -> None:
    made = compiled(op, pipeline)
    for number, case in enumerate(made.cases):
        for operands in itertools.islice(made.calls(case), 3):
            if max((np.size(x) for x in operands), default=0) < 100:
                with contextlib.suppress(*[Declined] * (pipeline != "O0")):
                    check_call(op, Sample(operands, case.attrs), Loops(made.module, number))


@pytest.mark.parametrize("op", OPS, ids=label)
@pytest.mark.parametrize("pipeline", LEVELS)
def test_machine_code_gives_the_reference(op: type[OpDef], pipeline: str) -> None:
    made = compiled(op, pipeline)
    native = compile_module(made.module, LEVELS[pipeline])
    for number, case in enumerate(made.cases):
        for operands in made.calls(case):
            with contextlib.suppress(*[Declined] * (pipeline != "O0")):
                check_call(op, Sample(operands, case.attrs), Machine(made.module, number, native))
    assert native.live == 0, "buffers are left over"


def check_call(op: type[OpDef], sample: Sample, function: Loops | Machine) -> None:
    with np.errstate(all="ignore"):
        produced = op.reference(sample.attrs, *sample.operands)
    wanted = [w for w in (produced if isinstance(produced, tuple) else (produced,)) if not isinstance(w, int)]
    outs = [np.full(w.shape, 77).astype(w.dtype) for w in wanted]
    extents = function.call(sample.operands, outs)
    assert extents == [n for o in outs for n in o.shape]
    for got, want in zip(outs, wanted, strict=True):
        assert_close(got, np.asarray(want), sample.operands, op)


@dataclass
class Loops:
    """A function of a lowered module, run by the loop interpreter."""

    module: Operation
    number: int

    def call(self, ins: Sequence[Any], outs: Sequence[Any]) -> list[int]:
        name = f"f{self.number}"
        code, cell, extents = loops.shapes(self.module, name, ins, sum(o.ndim for o in outs))
        if code == 2:
            raise Declined
        assert code == 0, cell
        code, cell = loops.run(self.module, name, ins, outs)
        assert code == 0, cell
        return [int(e) for e in extents]


@dataclass
class Machine:
    """A function of a lowered module in machine code."""

    module: Operation
    number: int
    native: Native

    def call(self, ins: Sequence[Any], outs: Sequence[Any]) -> list[int]:
        cell, extents = np.zeros(4, np.int64), np.zeros(sum(o.ndim for o in outs), np.int64)
        given, written = [raw(x) for x in ins], [raw(o) for o in outs]
        self._call("_shapes", [*given, cell, extents])
        self._call("", [*given, *written, cell])
        return extents.tolist()

    def _call(self, suffix: str, args: Sequence[Any]) -> None:
        name = f"f{self.number}{suffix}"
        function = builtin.lookup(self.module, name)
        assert function is not None
        types = [a.type for a in builtin.body(function).args]
        code = self.native.call(name, args, types)
        if code == 2:
            raise Declined
        assert code == 0, args[-1]


def raw(x: Any) -> Any:
    """Bools are bytes in memory."""
    return x.view(np.int8) if isinstance(x, np.ndarray) and x.dtype == bool else x


@pytest.fixture(autouse=True, scope="module")
def blas() -> None:
    """Machine code finds BLAS by these names."""
    from ctypes import c_char_p, c_void_p, py_object, pythonapi

    import llvmlite.binding as llvm
    from scipy.linalg import cython_blas

    name, pointer = pythonapi.PyCapsule_GetName, pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = c_char_p, [py_object]
    pointer.restype, pointer.argtypes = c_void_p, [py_object, c_char_p]
    for function in ("sgemm", "dgemm"):
        capsule = cython_blas.__pyx_capi__[function]
        llvm.add_symbol(f"tensorc_blas_{function}", pointer(capsule, name(capsule)))
