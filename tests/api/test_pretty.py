"""`tc.pprint`: the text reads back as the same expression, with no more parentheses than that takes."""

import random
import re

import numpy as np
import pytest

import tensorc as tc
from tensorc.api import pretty
from tensorc.api.expr import BUILDER, make
from tensorc.api.leaves import Symbol
from tensorc.api.trace import trace
from tensorc.interp.tensor import run
from tensorc.ir.definition import REGISTRY
from tensorc.ir.location import UNKNOWN
from tensorc.ir.types import TensorType
from tensorc.ops import index as ix
from tensorc.ops.base import OpDef
from tensorc.ops.dtypes import from_dtype
from tensorc.ops.families import Pointwise

SYMBOLS = {
    "x": tc.matrix("x"),
    "y": tc.matrix("y"),
    "t": tc.tensor3("t"),
    "v": tc.vector("v"),
    "i": tc.lvector("i"),
    "k": tc.lscalar("k"),
    "b": tc.tensor("b", "bool", (None,)),
}
VALUES = {
    "x": np.arange(12.0).reshape(3, 4) / 7 + 0.1,
    "y": np.arange(12.0)[::-1].reshape(3, 4) / 5 + 0.1,
    "t": np.arange(24.0).reshape(2, 3, 4),
    "v": np.arange(4.0),
    "i": np.array([2, 0]),
    "k": np.array(2),
    "b": np.array([True, False]),
}
NAMES = {**{n: getattr(tc, n) for n in tc.__all__}, **SYMBOLS, "softmax": tc.nn.softmax, "inf": np.inf}


def read(text: str) -> object:
    return eval(text, {"__builtins__": {"abs": abs}}, NAMES)


AS_WRITTEN = (
    """
x + y * 2;(x + y) * 2;x - (y - x);x - y - x;x / y / x;x / (y / x);x / y * x;x / (y * x);-x ** 2;(-x) ** 2
x ** -y;(x ** y) ** x;x ** y ** x;-(x + y);x - -y;x * -y;-x * y;x * -1;(-1) ** k;x % y % x;x % (y % x)
(x > 0) == (y > 0);(x > 0) & (y < 1);~b | b ^ b;b & (b | b);k // 2 % 3;k << 2 | 1;k << (2 | k);~k & -k
log(1 + exp(x));where(x > 0, x, -x);abs(x) + sqrt(y);maximum(minimum(x, 1), 0.5);x - 1e-05;x * inf
sum(x);sum(x, axis=0);max(x - y, axis=1);mean(x + y, axis=0);prod(x);sum(t, axis=(0, 2));any(b)
argmax(x, axis=1)
x[1:];x[:, 0];x[::-1, -1];x[1:-1];x[-3:];x[2:10:3];x[::2];x[:, ::-2];x[0, 1];x[i];x[:, i];x[k];x[k:]
t[1, :, 2:]
v[None];x[:, None];(x + y)[1:];(-x)[0];x[1:].set(v);x[i].add(v + 1);x[:1, :2].add(v[:2])
x.T;(x + y).T;t.transpose(1, 0, 2);x @ y.T;x @ (y.T @ x);(x + y) @ v;v @ v;v @ x.T;-x @ v
x + v;x[None] + v;t + x;k * x;k / k;x.T[k:]
b * 2.0 + k;(b > k) // 0.0;x * 2 + k
x.shape[0] * x;x.astype('float32');concatenate([x, y], axis=1);softmax(x, axis=1)
""".replace("\n", ";")
    .strip(";")
    .split(";")
)


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_what_was_written_is_what_is_shown(text):
    expr = read(text)
    assert tc.pprint(expr) == text
    latex = tc.pprint(expr, "latex")
    assert latex.count("{") - latex.count(r"\{") == latex.count("}") - latex.count(r"\}")
    assert latex.count(r"\left") - latex.count(r"\leftarrow") == latex.count(r"\right")


SHOWN = {
    "std": lambda x, v: tc.std(x, axis=0),
    "clip": lambda x, v: tc.clip(x, 0, 1),
    "reshape": lambda x, v: x.reshape(2, -1),
    "zeros": lambda x, v: tc.zeros_like(x) + tc.ones((3, 4)) + x,
    "both integers": lambda x, v: x.astype("int64") / x.shape[0],
    "kept dims": lambda x, v: x - x.max(axis=1, keepdims=True),
    "left and right": lambda x, v: tc.where(x > 0.5, x, 1) * tc.where(v > 1, 0, v),
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_text_reads_back_as_the_same_values(name):
    expr = SHOWN[name](SYMBOLS["x"], SYMBOLS["v"])
    lines = tc.pprint(expr).splitlines()
    space = dict(NAMES)
    for line in lines[:-1]:
        left, _, right = line.partition(" = ")
        space[left] = eval(right, {"__builtins__": {"abs": abs}}, space)
    again = eval(lines[-1], {"__builtins__": {"abs": abs}}, space)
    inputs = {SYMBOLS[n]: VALUES[n] for n in ("x", "v")}
    used = {s: value for s, value in inputs.items() if s.name in re.findall(r"\w+", tc.pprint(expr))}
    np.testing.assert_array_equal(again.eval(used), expr.eval(used))


BINARY = (
    "{0} + {1};{0} - {1};{0} * {1};{0} / {1};{0} ** {1};{0} % {1};{0} // {1};{0} < {1};{0} & {1};{0} @ {1}"
)
OTHERS = """-{0};~{0};exp({0});{0}.T;{0}[1:];{0}[::-1];{0}[0];{0}.sum(axis=0);{0}[:, None];{0}[..., -2:]
{0}.mean();{0}.astype('float32');{0}[None];{0}[k];{0}[i];{0}[:-k];{0}.max(axis=-1, keepdims=True)
where({0} > 0, {1}, 1)"""
FORMS = [*BINARY.split(";") * 3, *re.split("[;\n]", OTHERS)]


def _random_source(rng, depth):
    if depth == 0:
        return rng.choice([*SYMBOLS, "2", "0.5", "-1", "3.0"])
    parts = [f"({_random_source(rng, rng.randrange(depth))})" for _ in range(2)]
    return rng.choice(FORMS).format(*parts)


def _value(expr):
    traced = trace([expr], list(SYMBOLS.values()))
    (result,) = run(traced.func, [*VALUES.values(), *[c.value for c in traced.constants]])
    return result


def test_random_expressions_read_back_as_the_same_values():
    rng, compared = random.Random(7), 0
    for _ in range(600):
        try:
            expr = read(_random_source(rng, 4))
            value = _value(expr)
        except (TypeError, ValueError, IndexError, AttributeError, SyntaxError, ArithmeticError):
            continue  # not every combination is a program
        text = tc.pprint(expr)
        if "broadcast_extents" in text:
            continue  # an extent that only the call decides has no name in NumPy
        space = dict(NAMES)
        *lines, last = text.splitlines()
        for line in lines:
            name, _, right = line.partition(" = ")
            space[name] = eval(right, {"__builtins__": {"abs": abs}}, space)
        again = _value(eval(last, {"__builtins__": {"abs": abs}}, space))
        assert again.dtype == value.dtype, text
        np.testing.assert_array_equal(again, value, err_msg=text)
        compared += 1
    assert compared > 100


def _leaf(value, position):
    """A symbol of the kind of a sample's operand: a tensor, an extent, or a fact about one."""
    if isinstance(value, np.ndarray | np.generic):
        return Symbol(TensorType(np.shape(value), from_dtype(value.dtype)), f"a{position}", UNKNOWN)
    size = tc.vector(f"n{position}").extents[0]
    return ix.compare(BUILDER, "eq", size, 3) if isinstance(value, bool) else size


OPS = [d for name, d in REGISTRY.items() if name.startswith("tensorc.") and issubclass(d, OpDef)]


@pytest.mark.parametrize("definition", OPS, ids=lambda d: d.name)
def test_every_op_has_a_form(definition):
    sample = next(iter(definition.samples()))
    operands = tuple(_leaf(value, position) for position, value in enumerate(sample.operands))
    for result in make(definition, operands, sample.attrs, UNKNOWN):
        text, latex = pprint_any(result), pprint_any(result, latex=True)
        assert text
        assert latex
        if issubclass(definition, Pointwise):
            assert all(re.search(rf"\b{e.name}\b", text) for e in operands)


def pprint_any(expr, latex=False):
    """`pprint` also of extents, which users never hold."""
    return pretty._Writer([expr], latex).text()


def test_latex():
    x, w = tc.vector("x"), tc.shared(np.ones(3), "learning_rate")
    alpha, v1 = tc.scalar("alpha"), tc.vector("v1")
    assert tc.pprint(tc.log(1 + tc.exp(x)), "latex") == r"\log\left(1 + e^{x}\right)"
    assert tc.pprint(alpha / (w + v1) ** 2, format="latex") == (
        r"\frac{\alpha}{{\left(\text{learning\_rate} + v_{1}\right)}^{2}}"
    )
    assert tc.pprint((x * x).sum(axis=0), "latex") == r"\sum \left(x \cdot x\right)"
    assert tc.pprint(tc.where(x >= 0, x, -x), "latex") == (
        r"\begin{cases} x & \text{if } x \ge 0 \\ -x & \text{otherwise} \end{cases}"
    )
    assert (x + 1)._repr_latex_() == "$x + 1$"
    deep = x
    for _ in range(300):
        deep = tc.exp(deep)
    assert deep._repr_latex_() is None
    with pytest.raises(tc.TensorcError, match="'text', 'latex'"):
        tc.pprint(x, "html")


def test_names():
    x, w = tc.vector(), tc.shared(np.ones(3))
    assert tc.pprint(x + tc.vector() * w + x) == "x0 + x1 * w2 + x0"
    taken = tc.vector("x0")
    assert tc.pprint(taken + tc.vector()) == "x0 + x1"
    assert tc.pprint(tc.constant(np.ones((3, 4))) * x) == "array(3, 4, float64) * x0"
    assert tc.pprint(tc.constant([1.5, 2.0], name="c") + x) == "c + x0"
    assert tc.pprint(tc.constant([1.5, 2.0])) == "[1.5, 2]"
    assert tc.pprint([x + 1, 2.5]) == "x0 + 1\n2.5"
    f = tc.function([taken], [taken + 1, taken * 2])
    assert tc.pprint(f) == "x0 + 1\nx0 * 2"


def test_what_is_shared_is_written_once():
    x = tc.vector("x")
    total = tc.exp(x) + tc.exp(-x) + 1
    assert tc.pprint(total * total + total) == "t0 = exp(x) + exp(-x) + 1\nt0 * t0 + t0"
    doubled = x
    for _ in range(200):
        doubled = doubled + doubled * doubled
    assert len(tc.pprint(doubled)) < 20_000


def test_ten_thousand_ops():
    deep = tc.vector("x")
    for step in range(10_000):
        deep = tc.exp(deep) if step % 2 else -deep
    text = tc.pprint(deep)
    assert text.count("exp(") == 5000
    assert max(map(len, text.splitlines())) < 150
    assert tc.pprint(deep) == text


def test_a_jitted_function_shows_its_latest_trace():
    f = tc.jit(lambda a, b=2.0: [a * b, a - b])
    assert tc.pprint(f) == ""
    f(np.ones(3))
    assert tc.pprint(f) == "a * 2\na - 2"
    f(np.ones(3), 1.5)
    assert tc.pprint(f) == "a * b\na - b"
    assert "a - b" in tc.pprint(f, format="latex")
