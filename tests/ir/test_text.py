"""Printing and parsing: exact text, and equality after a round trip for random modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.support import VECTOR, Add, Around, Cell, Effect, Neg, Yield, chain, finish, function
from tensorc.ir.attributes import (
    UNIT,
    ArrayAttr,
    Attribute,
    BoolAttr,
    DenseArrayAttr,
    DenseAttr,
    DenseResourceAttr,
    DictAttr,
    FloatAttr,
    IntegerAttr,
    OpaqueAttr,
    StringAttr,
    SymbolRefAttr,
    TypeAttr,
    storage_dtype,
)
from tensorc.ir.builder import Builder
from tensorc.ir.builtin import body, new_function
from tensorc.ir.core import Block, Operation, Region
from tensorc.ir.equality import difference, equal
from tensorc.ir.location import UNKNOWN, FileLocation, FusedLocation, Location, NamedLocation
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import (
    ComplexType,
    FunctionType,
    IntegerType,
    MemRefType,
    StridedLayout,
    TensorType,
    Type,
    VectorType,
    bf16,
    f16,
    f32,
    f64,
    i1,
    i8,
    i64,
    index,
    none,
    ui64,
)


def nested_module() -> Operation:
    b, (x,) = function()
    inner = Block([VECTOR])
    outer = b.create_op(
        Around, [x], results=[VECTOR, VECTOR], regions=[Region([inner]), Region([Block()]), Region()]
    )
    inside = Builder.at_end(inner)
    (n,) = inside.create(Neg, [inner.args[0]])
    inside.create_op(Yield, [n, x])
    Builder.at_end(outer.regions[1].block).create_op(Yield, [])
    cell = b.create_op(Cell, [], results=[VECTOR], regions=[Region([Block([VECTOR])])])
    at = Builder.at_end(cell.regions[0].block)
    at.create_op(Yield, at.create(Neg, [cell.regions[0].block.args[0]]))
    return finish(b, b.create(Add, outer.results)[0])


def test_numbering_and_layout() -> None:
    assert print_op(nested_module()) == (
        '"builtin.module"() ({\n'
        '  "func.func"() ({\n'
        "  ^bb0(%arg0: tensor<?xf64>):\n"
        '    %0:2 = "t.around"(%arg0) ({\n'
        "    ^bb0(%arg1: tensor<?xf64>):\n"
        '      %1 = "t.neg"(%arg1) : (tensor<?xf64>) -> tensor<?xf64>\n'
        '      "t.yield"(%1, %arg0) : (tensor<?xf64>, tensor<?xf64>) -> ()\n'
        "    }, {\n"
        '      "t.yield"() : () -> ()\n'
        "    }, {\n"
        "    }) : (tensor<?xf64>) -> (tensor<?xf64>, tensor<?xf64>)\n"
        '    %1 = "t.cell"() ({\n'
        "    ^bb0(%arg0: tensor<?xf64>):\n"
        '      %0 = "t.neg"(%arg0) : (tensor<?xf64>) -> tensor<?xf64>\n'
        '      "t.yield"(%0) : (tensor<?xf64>) -> ()\n'
        "    }) : () -> tensor<?xf64>\n"
        '    %2 = "t.add"(%0#0, %0#1) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>\n'
        '    "func.return"(%2) : (tensor<?xf64>) -> ()\n'
        '  }) {function_type = (tensor<?xf64>) -> tensor<?xf64>, sym_name = "f"} : () -> ()\n'
        "}) : () -> ()\n"
    )


def test_an_inner_op_printed_alone_keeps_its_names() -> None:
    module = nested_module()
    add = list(body(module.regions[0].block.first))[2]  # type: ignore[arg-type]
    assert print_op(add) == '%2 = "t.add"(%0#0, %0#1) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>\n'


def with_attribute(attribute: Attribute) -> Operation:
    b, (x,) = function()
    b.create_op(Neg, [x], discardable={"d.a": attribute})
    return finish(b, x)


def attribute_after(text: str) -> Attribute:
    module = parse_module(f'"func.func"() ({{"func.return"() {{a = {text}}} : () -> ()}}) : () -> ()')
    return body(module.regions[0].block.first).terminator.attributes["a"]  # type: ignore[arg-type]


NAN_BITS = np.array([0x7FC00000, 0xFF800001, 0x7F800001, 0x3F800000], "uint32").view("float32")


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        (UNIT, ""),
        (BoolAttr(True), "true"),
        (IntegerAttr(-3), "-3 : i64"),
        (IntegerAttr(2**64 - 1, ui64), "18446744073709551615 : ui64"),
        (IntegerAttr(1, i1), "1 : i1"),
        (IntegerAttr(5, index), "5 : index"),
        (FloatAttr(0.1, f32), "0.1 : f32"),
        (FloatAttr(float("nan"), bf16), "0x7FC0 : bf16"),
        (StringAttr('a"\\\n\té\x00'), r'"a\22\5C\0A\09\C3\A9\00"'),
        (SymbolRefAttr("g"), "@g"),
        (SymbolRefAttr("a b"), '@"a b"'),
        (TypeAttr(FunctionType((i64,), ())), "(i64) -> ()"),
        (ArrayAttr((UNIT, IntegerAttr(1))), "[unit, 1 : i64]"),
        (DictAttr((("b", UNIT), ("a c", BoolAttr(False)))), '{"a c" = false, b}'),
        (DenseArrayAttr(i64, ()), "array<i64>"),
        (DenseArrayAttr(i1, (1, 0)), "array<i1: true, false>"),
        (DenseArrayAttr(f32, (0.1, float("inf"))), "array<f32: 0.1, 0x7F800000>"),
        (DenseAttr(TensorType((), f64), np.array(2.0)), "dense<2.0> : tensor<f64>"),
        (DenseAttr(TensorType((0, 3), f64), np.zeros((0, 3))), "dense<> : tensor<0x3xf64>"),
        (
            DenseAttr(TensorType((2, 2), i8), np.array([[1, 2], [3, -4]], "int8")),
            "dense<[[1, 2], [3, -4]]> : tensor<2x2xi8>",
        ),
        (DenseAttr(TensorType((2,), i1), np.array([True, False])), "dense<[true, false]> : tensor<2xi1>"),
        (DenseAttr(TensorType((2,), f64), np.array([0.0, -0.0])), "dense<[0.0, -0.0]> : tensor<2xf64>"),
        (DenseAttr(TensorType((3,), f16), np.full(3, np.nan, "float16")), "dense<0x7E00> : tensor<3xf16>"),
        (
            DenseAttr(TensorType((4,), f32), NAN_BITS),
            "dense<[0x7FC00000, 0xFF800001, 0x7F800001, 1.0]> : tensor<4xf32>",
        ),
        (
            DenseAttr(TensorType((2,), ComplexType(f32)), np.array([1 + 2j, 0], "complex64")),
            "dense<[(1.0, 2.0), (0.0, 0.0)]> : tensor<2xcomplex<f32>>",
        ),
        (OpaqueAttr("gpu.address_space<workgroup>"), "#gpu.address_space<workgroup>"),
    ],
)
def test_attribute_text(attribute: Attribute, text: str) -> None:
    module = with_attribute(attribute)
    printed = print_op(module)
    assert f"{{d.a{' = ' if text else ''}{text}}}" in printed
    assert difference(module, parse_module(printed)) is None


def test_large_constants_print_as_bytes() -> None:
    value = np.arange(101, dtype="int16")
    module = with_attribute(DenseAttr(TensorType((101,), IntegerType(16)), value))
    printed = print_op(module)
    assert 'dense<"0x000001000200' in printed
    assert equal(module, parse_module(printed))


def test_resources() -> None:
    a, b = np.arange(20.0), np.arange(20.0) + 1
    type = TensorType((20,), f64)
    arrays = ArrayAttr(tuple(DenseResourceAttr("h", type, v) for v in (a, b, a)))
    module = with_attribute(arrays)
    printed = print_op(module)
    assert (
        "[dense_resource<h> : tensor<20xf64>, dense_resource<h_1> : tensor<20xf64>, dense_resource<h>"
        in printed
    )
    assert 'h: "0x400000000000000000000000000000000000F03F' in printed
    parsed = parse_module(printed)
    assert equal(module, parsed)
    assert print_op(parsed) == printed
    b[3] = 7
    assert not equal(module, parsed)


def test_equality_sees_every_kind_of_difference() -> None:
    base = nested_module()
    for change in (
        ('"t.neg"(%arg1)', '"t.neg"(%arg0)'),
        ('"t.yield"(%1, %arg0)', '"t.yield"(%arg0, %1)'),
        ('"t.neg"(%arg0)', '"t.pick"(%arg0)'),
        ("tensor<?xf64>) -> ()\n    })", "tensor<?xf64>) -> () loc(unknown)\n    }) {d.x}"),
        ('sym_name = "f"', 'sym_name = "g"'),
        ('"t.yield"() : () -> ()', '"t.effect"() : () -> tensor<?xf64> "t.yield"() : () -> ()'),
    ):
        text = print_op(base)
        assert change[0] in text
        assert difference(base, parse_module(text.replace(change[0], change[1], 1))) is not None
    assert equal(base, parse_module(print_op(base)))


# -- what MLIR prints for the same programs


def test_text_as_mlir_prints_it() -> None:
    module = parse_module(
        """
        #loc = loc(unknown)
        !t = tensor<?xf64>
        "builtin.module"() ({
          "func.func"() <{function_type = (tensor<?xf64>) -> tensor<?xf64>, sym_name = "f"}> ({
          ^bb0(%x: !t loc(#loc3)):  // a comment
            %a, %b:2 = "t.many"(%x) <{overflowFlags = #arith.overflow<none>, fastmath =
            #arith.fastmath<none>}> {k}
              : (!t) -> (!t, !t, !t) loc(#loc2)
            "func.return"(%b#1) : (!t) -> () loc("n")
          }) : () -> () loc(#loc)
        }) : () -> ()
        #loc1 = loc("f.py":3:4)
        #loc2 = loc(fused[#loc1, "g.py":5:6 to 5:9, "vjp"(#loc1)])
        #loc3 = loc("x"(#loc1))
        """
    )
    function = module.regions[0].block.first
    assert function is not None
    many = body(function).first
    assert many is not None
    assert set(many.attributes) == {"k"}
    assert body(function).terminator.operands[0] is many.results[2]
    place = FileLocation("f.py", 3, 4)
    assert many.location == FusedLocation(
        (place, FileLocation("g.py", 5, 6, 5, 9), NamedLocation("vjp", place))
    )
    assert body(function).args[0].location == NamedLocation("x", place)
    assert function.location == UNKNOWN


def test_ops_without_location_are_located_in_the_text() -> None:
    module = parse_module('\n  "func.func"() ({}) {sym_name = "f"} : () -> ()', "x.mlir")
    assert module.regions[0].block.first.location == FileLocation("x.mlir", 2, 3)  # type: ignore[union-attr]


# -- random modules

widths = st.sampled_from([1, 8, 16, 32, 64])
floats = st.sampled_from([f16, bf16, f32, f64])
integers = st.builds(lambda w, u: IntegerType(w, u and w > 1), widths, st.booleans())
scalars = st.one_of(integers, floats, st.just(index), st.builds(ComplexType, floats))
extents = st.one_of(st.none(), st.integers(0, 5), st.just(2**62))
shapes = st.lists(extents, max_size=3).map(tuple)
memrefs = st.builds(
    lambda shape, element, strides, offset, space: MemRefType(
        shape,
        element,
        None if strides is None else StridedLayout(tuple(strides[: len(shape)]), offset),
        space,
    ),
    shapes,
    scalars,
    st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(-9, 9)), min_size=3, max_size=3)),
    st.one_of(st.none(), st.integers(0, 9)),
    st.integers(0, 5),
)
values = st.one_of(
    scalars,
    st.builds(TensorType, shapes, scalars),
    memrefs,
    st.builds(VectorType, st.lists(st.integers(1, 8), min_size=1, max_size=2).map(tuple), scalars),
    st.just(none),
)
types: st.SearchStrategy[Type] = st.recursive(
    values,
    lambda t: st.builds(FunctionType, st.lists(t, max_size=2).map(tuple), st.lists(t, max_size=2).map(tuple)),
    max_leaves=4,
)


def integer_attributes(t: IntegerType) -> st.SearchStrategy[Attribute]:
    low, high = (
        (0, 2**t.width - 1) if t.unsigned or t.width == 1 else (-(2 ** (t.width - 1)), 2 ** (t.width - 1) - 1)
    )
    return st.builds(IntegerAttr, st.integers(low, high), st.just(t))


@st.composite
def dense(draw: st.DrawFn) -> DenseAttr:
    element = draw(scalars.filter(lambda t: storage_dtype(t) is not None))
    dtype: Any = storage_dtype(element)
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    count = int(np.prod(shape, dtype=int))
    if dtype == np.dtype(bool):
        return DenseAttr(
            TensorType(shape, element),
            np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool).reshape(shape),
        )
    data = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
    return DenseAttr(TensorType(shape, element), np.frombuffer(data, dtype).reshape(shape))


texts = st.text(st.characters(exclude_categories=()), max_size=6)
names = st.one_of(st.sampled_from(["a", "b.c", "axis", "x y", "0", "é", "true", "loc"]), texts.filter(bool))
leaves: st.SearchStrategy[Attribute] = st.one_of(
    st.just(UNIT),
    st.builds(BoolAttr, st.booleans()),
    integers.flatmap(integer_attributes),
    st.builds(FloatAttr, st.floats(), floats),
    st.builds(StringAttr, texts),
    st.builds(SymbolRefAttr, names),
    st.builds(TypeAttr, types),
    st.builds(
        DenseArrayAttr, st.just(i64), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3).map(tuple)
    ),
    st.builds(DenseArrayAttr, floats, st.lists(st.floats(), max_size=3).map(tuple)),
    dense(),
)
attributes: st.SearchStrategy[Attribute] = st.recursive(
    leaves,
    lambda a: st.one_of(
        st.builds(ArrayAttr, st.lists(a, max_size=3).map(tuple)),
        st.builds(DictAttr, st.dictionaries(names, a, max_size=3).map(lambda d: tuple(d.items()))),
    ),
    max_leaves=6,
)
places = st.builds(FileLocation, texts, st.integers(0, 10**6), st.integers(0, 999))
locations: st.SearchStrategy[Location] = st.recursive(
    st.one_of(st.just(UNKNOWN), places),
    lambda part: st.one_of(
        st.builds(NamedLocation, texts, part),
        st.builds(FusedLocation, st.lists(part, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)


@st.composite
def modules(draw: st.DrawFn) -> Operation:
    """Modules of unregistered ops with random operands, results, attributes, locations and nesting."""
    inputs = draw(st.lists(types, max_size=2))
    function = new_function("f", inputs, ())
    open_blocks = [(body(function), list(body(function).args))]
    for _ in range(draw(st.integers(0, 8))):
        block, visible = draw(st.sampled_from(open_blocks))
        operands = draw(st.lists(st.sampled_from(visible), max_size=3)) if visible else []
        op = Operation(
            draw(st.sampled_from(["t.x", "u.y", "odd name"])),
            None,
            operands,
            draw(st.lists(types, max_size=3)),
            draw(st.dictionaries(names, attributes, max_size=3)),
            [Region([Block(draw(st.lists(types, max_size=2)))]) for _ in range(draw(st.integers(0, 2)))],
            draw(locations),
        )
        block.append(op)
        open_blocks += [(r.block, [*visible, *r.block.args]) for r in op.regions]
        visible += op.results
    b = Builder.at_end(Block())
    b.block = body(function)
    return finish(b)


@given(modules())
def test_parse_after_print_is_the_identity(module: Operation) -> None:
    text = print_op(module)
    again = parse_module(text)
    assert difference(module, again) is None
    assert print_op(again) == text


@given(modules())
def test_locations_survive(module: Operation) -> None:
    text = print_op(module, locations=True)
    again = parse_module(text)
    assert print_op(again, locations=True) == text
    strip = [op.location for op in module.walk()]
    assert [op.location for op in again.walk()] == strip


def test_text_is_deterministic() -> None:
    assert print_op(chain(50)) == print_op(chain(50))
    b, (x,) = function()
    first = b.create_op(Effect, [x], discardable={"z.z": UNIT, "a.a": UNIT})
    assert "{a.a, z.z}" in print_op(finish(b, first.result))
