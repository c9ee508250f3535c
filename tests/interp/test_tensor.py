"""The tensor interpreter itself: calls, checks, locations, long chains."""

from __future__ import annotations

import numpy as np
import pytest

from tensorc.interp.tensor import run
from tensorc.ir import builtin
from tensorc.ir.attributes import ArrayAttr, IntegerAttr, StringAttr, SymbolRefAttr
from tensorc.ir.builder import Builder
from tensorc.ir.core import Operation, Value
from tensorc.ir.errors import TensorcError, TensorcIndexError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import FileLocation
from tensorc.ir.types import TensorType, Type, f64, i64, index
from tensorc.ops import emit
from tensorc.ops import index as extent
from tensorc.ops.attrs import AxisAttrs

VECTOR = TensorType((None,), f64)


def start(*types: Type) -> tuple[Operation, Builder, list[Value]]:
    function = builtin.new_function("f", types, [])
    block = builtin.body(function)
    return function, Builder.at_end(block, FileLocation("model.py", 3, 5)), list(block.args)


def finish(function: Operation, b: Builder, *results: Value) -> Operation:
    b.create_op(builtin.Return, results)
    args = builtin.body(function).args
    given = [builtin.arg_attributes(function, a.index) for a in args]
    builtin.set_signature(function, [a.type for a in args], [r.type for r in results], given)
    return function


def test_a_chain_of_ten_thousand_ops() -> None:
    function, b, (x,) = start(VECTOR)
    y = x
    for _ in range(10_000):
        y = emit.add(b, y, x)
    (found,) = run(finish(function, b, y), [np.array([1.0, -2.0])])
    assert found.tolist() == [10_001.0, -20_002.0]


def test_an_argument_returned_twice_and_unused_values() -> None:
    function, b, (x, _) = start(VECTOR, VECTOR)
    emit.exp(b, x)
    found = run(finish(function, b, x, x), [np.ones(2), np.ones(3)])
    assert [f.tolist() for f in found] == [[1, 1], [1, 1]]


def test_arguments_are_not_changed() -> None:
    function, b, (x, u) = start(VECTOR, VECTOR)
    y = emit.update_slice(b, x, u, [1], [1])
    given = np.arange(4.0)
    (found,) = run(finish(function, b, y), [given, np.array([9.0, 9.0])])
    assert found.tolist() == [0, 9, 9, 3]
    assert given.tolist() == [0, 1, 2, 3]


def test_extents_are_integers() -> None:
    function, b, (x, n) = start(VECTOR, index)
    size = extent.value(b, extent.mul(b, extent.dim(b, x, 0), n))
    bigger = extent.select(b, extent.compare(b, "sgt", size, 5), size, -1)
    function = finish(function, b, size, extent.value(b, bigger))
    assert run(function, [np.ones(3), 2]) == [6, 6]
    assert run(function, [np.ones(1), 2]) == [2, -1]


def test_calls() -> None:
    module = builtin.new_module()
    double, b, (x,) = start(VECTOR)
    double.set_attribute("sym_name", StringAttr("double"))
    finish(double, b, emit.add(b, x, x))
    main, b, (x,) = start(VECTOR)
    attrs = builtin.CallAttrs(SymbolRefAttr("double"))
    once = b.create_op(builtin.Call, [x], attrs, results=[VECTOR]).result
    twice = b.create_op(builtin.Call, [once], attrs, results=[VECTOR]).result
    finish(main, b, emit.add(b, twice, once))
    for function in (double, main):
        module.regions[0].block.append(function)
    (found,) = run(main, [np.array([1.0, 2.0])])
    assert found.tolist() == [6, 12]


def test_a_call_of_nothing() -> None:
    main, b, (x,) = start(VECTOR)
    attrs = builtin.CallAttrs(SymbolRefAttr("nowhere"))
    made = b.create_op(builtin.Call, [x], attrs, results=[VECTOR]).result
    with pytest.raises(TensorcValueError, match="@nowhere"):
        run(finish(main, b, made), [np.ones(1)])


def test_faults_carry_the_ops_location() -> None:
    function, b, (x, y) = start(VECTOR, VECTOR)
    function = finish(function, b, emit.add(b, x, y))
    with pytest.raises(TensorcValueError) as caught:
        run(function, [np.ones(3), np.ones(4)])
    assert caught.value.location == FileLocation("model.py", 3, 5)
    assert "axis 0: 3 and 4" in caught.value.message


@pytest.mark.parametrize(("indices", "named"), [([0, 3], "index 3"), ([0, -4, 7], "index -4")])
def test_gather_names_the_first_wrong_index(indices: list[int], named: str) -> None:
    function, b, (x, i) = start(VECTOR, TensorType((None,), i64))
    function = finish(function, b, emit.op(b, "gather", x, i, attrs=AxisAttrs(0)))
    with pytest.raises(TensorcIndexError, match=f"{named} is out of bounds for axis 0 with extent 3"):
        run(function, [np.ones(3), np.array(indices)])


def test_dynamic_shape_checks() -> None:
    function, b, (x, n) = start(VECTOR, index)
    reshaped = finish(function, b, emit.reshape(b, x, [n, 2]))
    assert run(reshaped, [np.ones(6), 3])[0].shape == (3, 2)
    with pytest.raises(TensorcValueError, match="6 elements cannot be arranged as 8"):
        run(reshaped, [np.ones(6), 4])
    with pytest.raises(TensorcValueError, match="must not be negative, got -3"):
        run(reshaped, [np.ones(6), -3])
    function, b, (x, n) = start(VECTOR, index)
    spread = finish(function, b, emit.broadcast(b, x, [2, n]))
    assert run(spread, [np.ones(1), 0])[0].shape == (2, 0)
    with pytest.raises(TensorcValueError, match="extent 3 on axis 0 cannot become 4"):
        run(spread, [np.ones(3), 4])


def test_declared_extents_must_agree() -> None:
    dims = ArrayAttr((StringAttr("n"),))
    function = builtin.new_function(
        "f", [VECTOR, VECTOR], [VECTOR], [{"tensorc.dims": dims}, {"tensorc.dims": dims}]
    )
    b = Builder.at_end(builtin.body(function))
    b.create_op(builtin.Return, [builtin.body(function).args[0]])
    assert run(function, [np.ones(2), np.ones(2)])[0].shape == (2,)
    with pytest.raises(TensorcValueError, match="declared equal differ: 2 and 3"):
        run(function, [np.ones(2), np.ones(3)])
    fixed = ArrayAttr((IntegerAttr(5),))
    builtin.set_signature(function, [VECTOR, VECTOR], [VECTOR], [{"tensorc.dims": fixed}, {}])
    with pytest.raises(TensorcValueError, match="declared equal differ: 5 and 2"):
        run(function, [np.ones(2), np.ones(3)])


def test_wrong_arguments() -> None:
    function, b, (x,) = start(TensorType((None, 3), f64))
    function = finish(function, b, x)
    with pytest.raises(TensorcTypeError, match="takes 1 arguments, got 2"):
        run(function, [np.ones((1, 3)), 2])
    with pytest.raises(TensorcTypeError, match="float32"):
        run(function, [np.ones((1, 3), np.float32)])
    with pytest.raises(TensorcTypeError, match=r"needs tensor<\?x3xf64>"):
        run(function, [np.ones(3)])
    with pytest.raises(TensorcValueError, match="shape"):
        run(function, [np.ones((1, 4))])


def test_a_declaration_has_nothing_to_run() -> None:
    with pytest.raises(TensorcError, match="no body"):
        run(builtin.new_declaration("f", [VECTOR], [VECTOR]), [np.ones(2)])
