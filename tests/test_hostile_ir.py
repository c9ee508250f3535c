"""Any op of the registry with any operands, attributes, results and regions: the verifier answers with
diagnostics, and what it shows can be printed and parsed. Text reaches it from outside, so no op class may
raise anything else.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

import tensorc.ops  # noqa: F401  registers the op classes
from tensorc.ir.attributes import (
    UNIT,
    ArrayAttr,
    Attribute,
    BoolAttr,
    DenseArrayAttr,
    DenseAttr,
    DictAttr,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    SymbolRefAttr,
    TypeAttr,
    storage_dtype,
)
from tensorc.ir.builtin import Return, body, new_function, new_module
from tensorc.ir.core import Block, Operation, Region
from tensorc.ir.definition import REGISTRY, known_attribute_names
from tensorc.ir.equality import difference
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import (
    ComplexType,
    FunctionType,
    IntegerType,
    MemRefType,
    ScalarType,
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
    i32,
    i64,
    index,
    none,
    ui64,
)
from tensorc.ir.verifier import verify

SCALARS: list[ScalarType] = [
    i1,
    i8,
    i32,
    i64,
    ui64,
    f16,
    bf16,
    f32,
    f64,
    index,
    IntegerType(3),
    ComplexType(f64),
]
SHAPES: list[tuple[int | None, ...]] = [
    (),
    (0,),
    (1,),
    (3,),
    (None,),
    (2, 3),
    (3, 2),
    (None, None),
    (2, None, 3),
    (2**62, 2**62),
]
NUMBERS = [0, 1, -1, 2, 5, -(2**63), 2**63 - 1]


def any_type(draw: random.Random) -> Type:
    element, shape = draw.choice(SCALARS), draw.choice(SHAPES)
    strided = StridedLayout((None,) * len(shape), None)
    return draw.choice(
        [
            element,
            TensorType(shape, element),
            TensorType(shape, f64),
            TensorType(shape, f64),
            MemRefType(shape, element),
            MemRefType(shape, f64, strided),
            VectorType((4,), element),
            FunctionType((element,), ()),
            index,
            none,
        ]
    )


def any_attribute(draw: random.Random, depth: int = 0) -> Attribute:
    number = draw.choice(NUMBERS)
    element = draw.choice([e for e in SCALARS if storage_dtype(e) is not None])
    shape = draw.choice([(), (0,), (2,), (2, 2)])
    choices: list[Attribute] = [
        UNIT,
        BoolAttr(True),
        IntegerAttr(number),
        FloatAttr(float(number)),
        StringAttr(draw.choice(["", "f", "add", "private"])),
        SymbolRefAttr("f"),
        TypeAttr(any_type(draw)),
        DenseArrayAttr(i64, tuple(draw.choices(NUMBERS, k=draw.randint(0, 3)))),
        DenseAttr(TensorType(shape, element), np.ones(shape, storage_dtype(element))),
    ]
    if depth < 2:
        choices.append(ArrayAttr(tuple(any_attribute(draw, depth + 1) for _ in range(draw.randint(0, 3)))))
        choices.append(DictAttr((("k", any_attribute(draw, depth + 1)),)))
    return draw.choice(choices)


def any_region(draw: random.Random) -> Region:
    blocks = [
        Block([any_type(draw) for _ in range(draw.randint(0, 3))]) for _ in range(draw.choice([0, 1, 1, 2]))
    ]
    for block in blocks:
        name = draw.choice(["scf.yield", "tensorc.yield", "func.return", "scf.condition", "arith.addf"])
        operands = draw.choices(block.args, k=draw.randint(0, 2)) if block.args else []
        if draw.random() < 0.8:
            block.append(Operation(name, REGISTRY[name], operands, (), {}))
    return Region(blocks)


def any_op(draw: random.Random, name: str, like: list[Type]) -> Operation:
    """A module with one op of that name, whose operands often share a type."""
    types = [draw.choice(like) if draw.random() < 0.7 else any_type(draw) for _ in range(draw.randint(0, 5))]
    function = new_function("f", types, [])
    definition = REGISTRY[name]
    attributes = {
        known: any_attribute(draw) for known in known_attribute_names(definition) if draw.random() < 0.9
    }
    results = [draw.choice([*types, any_type(draw)]) for _ in range(draw.choice([0, 1, 1, 2]))]
    regions = [any_region(draw) for _ in range(draw.choice([0, 0, 1, 2]))]
    body(function).append(Operation(name, definition, body(function).args, results, attributes, regions))
    body(function).append(Operation(Return.name, Return, (), (), {}))
    module = new_module()
    module.regions[0].block.append(function)
    return module


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_the_verifier_always_answers(name: str) -> None:
    draw = random.Random(name)
    for _ in range(60):
        module = any_op(draw, name, [any_type(draw), TensorType((None, 3), f64)])
        found = verify(module)
        assert all(d.code.startswith("TC") and d.message for d in found)
        text = print_op(module)
        if name not in ("builtin.module", "func.func"):
            assert difference(module, parse_module(text)) is None
