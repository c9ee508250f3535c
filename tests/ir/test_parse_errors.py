"""Malformed text: always a ParseError with the right code, line and column, never another exception."""

from __future__ import annotations

import random

import pytest

from ir.support import chain
from ir.test_text import nested_module
from tensorc.ir.errors import ParseError
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op


def inside(ops: str) -> str:
    return f'"func.func"() ({{\n^bb0(%x: f64, %n: index):\n{ops}\n}}) {{sym_name = "f"}} : () -> ()'


def attribute(text: str) -> str:
    return inside(f'"t.x"() {{a = {text}}} : () -> ()')


CASES = [
    ("builtin.module", "TC0101", 1, "expected an operation in generic form"),
    ("module {", "TC0101", 1, "--mlir-print-op-generic"),
    ('"t.x"() : () -> ()', "TC0101", 1, "functions at the top level, found t.x"),
    ('"builtin.module"() ({}) : () -> () "builtin.module"() ({}) : () -> ()', "TC0101", 1, "one module"),
    ('"builtin.module"() ({', "TC0101", 1, "found the end of the text"),
    (inside('"t.x"(%y) : (f64) -> ()'), "TC0102", 3, "%y is not defined here"),
    (inside('"t.x"(%y) : (f64) -> ()\n%y = "t.y"() : () -> f64'), "TC0102", 3, "%y is defined at line 4"),
    (
        inside('"t.x"() ({%y = "t.y"() : () -> f64}) : () -> ()\n"t.x"(%y) : (f64) -> ()'),
        "TC0102",
        4,
        "cannot see",
    ),
    (inside('%y:2 = "t.x"() : () -> (f64, f64) "t.x"(%y) : (f64) -> ()'), "TC0102", 3, "write %y#0"),
    (inside('"t.x"(%x#1) : (f64) -> ()'), "TC0102", 3, "there is no #1"),
    (inside('%x = "t.x"() : () -> f64'), "TC0103", 3, "%x is already defined"),
    (inside('"t.x"(%x) : (f32) -> ()'), "TC0104", 3, "operand 0 has type f64, the signature says f32"),
    (inside('"t.x"(%x) : () -> ()'), "TC0104", 3, "the signature has 0 operands"),
    (inside('%y:2 = "t.x"() : () -> f64'), "TC0104", 3, "has 1 results, 2 are named"),
    (inside('%y:0 = "t.x"() : () -> ()'), "TC0104", 3, "results"),
    (inside('"t.x"() [^bb1] : () -> ()'), "TC0101", 3, "successors are not supported"),
    (inside('"t.x"() ({^a: ^a: }) : () -> ()'), "TC0103", 3, "block ^a is defined twice"),
    (inside('"t.x"() {a, a} : () -> ()'), "TC0106", 3, "occurs twice"),
    (inside('"t.x"() <{a}> {a} : () -> ()'), "TC0106", 3, "is also a property"),
    (attribute("tensor<4x"), "TC0101", 3, "expected a type"),
    (attribute("tensor<4xq8>"), "TC0105", 3, "`q8` is not a scalar type"),
    (attribute("tensor<*xf32>"), "TC0105", 3, "not a scalar type"),
    (attribute("tensor<4xsi32>"), "TC0105", 3, "write iN for signed"),
    (attribute("i0"), "TC0105", 3, "1 to 16777216 bits"),
    (attribute("i99999999999999999999"), "TC0105", 3, "1 to 16777216 bits"),
    (attribute(f"tensor<{'9' * 5000}xf32>"), "TC0105", 3, "extent is too large"),
    (attribute("vector<?xf32>"), "TC0105", 3, "positive, static"),
    (attribute("memref<4xf32, strided<[1, 2]>>"), "TC0105", 3, "2 strides for 1 extents"),
    (attribute("memref<4xf32, affine_map<(d0) -> (d0)>>"), "TC01", 3, ""),
    (attribute("complex<i32>"), "TC0105", 3, "floating-point element"),
    (attribute("!nothing"), "TC0105", 3, "expected a type"),
    (attribute("#nothing"), "TC0106", 3, "not defined above"),
    (attribute("-"), "TC0101", 3, "expected a number"),
    (attribute("300 : i8"), "TC0106", 3, "does not fit i8"),
    (attribute("9" * 5000), "TC0106", 3, "does not fit i64"),
    (attribute("-1 : ui8"), "TC0106", 3, "does not fit ui8"),
    (attribute("1.5 : i8"), "TC0106", 3, "is not an integer"),
    (attribute("3 : f32"), "TC0106", 3, "write 3.0"),
    (attribute("0x1FFFFFFFF : f32"), "TC0106", 3, "more than 32 bits"),
    (attribute("1.0e999 : f64"), "TC0106", 3, "written as its bits, 0x7FF0000000000000"),
    (attribute("1.0 : tensor<f32>"), "TC0106", 3, "cannot have type"),
    (attribute('"abc'), "TC0106", 3, "not terminated"),
    (attribute(r'"a\q"'), "TC0106", 3, "unknown escape"),
    (attribute(r'"\FF"'), "TC0106", 3, "not UTF-8"),
    (attribute("[1"), "TC0101", 3, "`,` or `]`"),
    (attribute("array<f32: true>"), "TC0106", 3, "floating-point literal"),
    (attribute("array<index: 1>"), "TC0106", 3, "integers or floats"),
    (attribute("dense<[[1], [1, 2]]> : tensor<2x2xi64>"), "TC0106", 3, "differ in shape"),
    (attribute("dense<[1, 2]> : tensor<3xi64>"), "TC0106", 3, "elements of shape (2,)"),
    (attribute("dense<> : tensor<3xi64>"), "TC0106", 3, "without elements"),
    (attribute("dense<1> : tensor<?xi64>"), "TC0106", 3, "static tensor or vector"),
    (attribute("dense<1> : tensor<99999999x99999999xi64>"), "TC0106", 3, "at most 1048576"),
    (attribute("dense<1.0> : tensor<2xbf16>"), "TC0106", 3, "bf16 are not supported"),
    (attribute('dense<"0xZZ"> : tensor<2xi8>'), "TC0106", 3, "string of bytes"),
    (attribute('dense<"0x01"> : tensor<2xi8>'), "TC0106", 3, "1 bytes"),
    (attribute('dense<"0x0102"> : tensor<2xi1>'), "TC0106", 3, "00 or 01"),
    (attribute("dense<(1.0, 2.0)> : tensor<f64>"), "TC0106", 3, "do not have type"),
    (attribute("dense<[(1.0, 2.0), 1.0]> : tensor<2xcomplex<f64>>"), "TC0106", 3, "pairs only"),
    (attribute("dense_resource<h> : tensor<2xi8>"), "TC0108", 3, "resource h is not defined"),
    (attribute("[" * 100_000), "TC0107", 3, "nested deeper"),
    (attribute("{a = " * 100_000), "TC0107", 3, "nested deeper"),
    (attribute("() -> (" * 100_000), "TC0107", 3, "nested deeper"),
    (attribute("dense<" + "[" * 100_000), "TC0107", 3, "nested deeper"),
    (inside('"t.x"() : () -> () loc(' + '"a"(' * 100_000), "TC0107", 3, "nested deeper"),
    (inside('"t.x"() : () -> () loc(#loc7)'), "TC0109", 3, "#loc7 is not defined"),
    (inside('"t.x"() : () -> () loc(#loc)') + "\n#loc = loc(#loc)", "TC0109", 5, "refers to itself"),
    (inside('"t.x"() : () -> () loc(nowhere)'), "TC0109", 3, "expected a location"),
    (attribute("1") + '{-# dialect_resources: { builtin: { h: "0x00" } } #-}', "TC0108", 4, "whole bytes"),
    (attribute("1") + "{-# other #-}", "TC0108", 4, "dialect_resources"),
    (attribute('"{-#"') + "// #-}", "TC0108", 3, "begins inside"),
]


@pytest.mark.parametrize(("text", "code", "line", "message"), CASES, ids=range(len(CASES)))
def test_error(text: str, code: str, line: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_module(text, "x.mlir")
    error = caught.value
    shown = str(error)
    assert error.code.startswith(code)
    assert error.location is not None
    assert error.location.line == line  # type: ignore[attr-defined]
    assert message in shown
    assert f"--> x.mlir:{line}:" in shown
    assert shown.splitlines()[0] == f"error[{error.code}]: {error.message}"


def test_the_column_is_that_of_the_offending_token() -> None:
    with pytest.raises(ParseError) as caught:
        parse_module(inside('%y = "t.x"(%x, %zz) : (f64) -> f64'))
    assert str(caught.value) == (
        "error[TC0102]: %zz is not defined here\n"
        "  --> <string>:3:16\n"
        '3 | %y = "t.x"(%x, %zz) : (f64) -> f64\n'
        "  |                ^^^"
    )


def test_mutated_text_never_raises_anything_else() -> None:
    draw = random.Random(7)
    sources = [
        print_op(nested_module(), locations=True),
        print_op(chain(3)),
        attribute("dense<[1, 2]> : tensor<2xi8>"),
    ]
    pieces = [
        '"',
        "(",
        ")",
        "{",
        "}",
        "<",
        ">",
        "%0",
        ":",
        "->",
        "^bb0",
        "0x",
        "#",
        "@",
        "{-#",
        "#-}",
        "\\",
        "\0",
        "é",
        "loc(",
    ]
    outcomes = set()
    for _ in range(3000):
        text = draw.choice(sources)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(text))
            text = (
                text[:at]
                + draw.choice([draw.choice(pieces), ""])
                + text[at + draw.choice([0, 1, 1, 5, 40]) :]
            )
        try:
            parse_module(text)
            outcomes.add("accepted")
        except ParseError as error:
            str(error)
            outcomes.add(error.code)
    assert {"TC0101", "TC0102"} <= outcomes
