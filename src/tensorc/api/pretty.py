"""`tc.pprint`: an expression as mathematics, in text that Python reads or in LaTeX.

What NumPy does by itself is not written: broadcasting, and conversions that promotion makes. What occurs
several times, or would make a line too long, gets a name and a line of its own; so the text is never longer
than the graph, and nothing is recursive on its depth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from tensorc.api import convert
from tensorc.api.expr import Expr, Node
from tensorc.api.leaves import Constant, Shared
from tensorc.api.notation import ATOM, LATEX_FUNCTIONS, OPERATORS, UNARY, Text, latex_name
from tensorc.ir.attributes import DenseAttr, IntegerAttr
from tensorc.ir.errors import TensorcValueError
from tensorc.ir.location import caller_location
from tensorc.ir.types import ScalarType, TensorType, Type
from tensorc.ops.attrs import (
    AxesAttrs,
    AxisAttrs,
    CastAttrs,
    IotaAttrs,
    PermAttrs,
    ShapeAttrs,
    SliceAttrs,
    UpdateSliceAttrs,
)
from tensorc.ops.base import OpDef
from tensorc.ops.dtypes import to_dtype
from tensorc.ops.families import Pointwise
from tensorc.ops.index import BroadcastExtents

FORMATS: Final = ("text", "latex")
WIDTH: Final = 100
"""A subexpression longer than this gets a line of its own."""
REPEATED: Final = 12
"""So does one longer than this that is used more than once."""
LITERAL: Final = 6
"""Arrays of more elements are shown by their type."""


@dataclass(frozen=True)
class Form:
    """The operands of a node that are written, and how the node is made of their texts."""

    operands: tuple[Expr, ...]
    build: Callable[[Sequence[Text], bool], Text]


def pprint(x: Any, format: str = "text") -> str:
    """`x` as mathematics: with `format="text"` in NumPy's notation with the fewest parentheses, with "latex"
    for a formula. `x` is an expression, a list of them (one line each), or a compiled function (its outputs;
    those of the latest trace, if `tc.jit` made it, and nothing before its first call).

    Raises TensorcValueError for another format.
    """
    if format not in FORMATS:
        raise TensorcValueError(
            f"pprint: format={format!r}",
            code="TC0403",
            location=caller_location(),
            help="one of 'text', 'latex'",
        )
    from tensorc.api.jit import Jitted

    if isinstance(x, Jitted):
        x = x.variants[-1].function if x.variants else []
    program = getattr(x, "program", None)
    if program is not None:
        roots = list(program.exprs[: program.output_count])
    else:
        roots = [convert.asarray(e) for e in (x if isinstance(x, list | tuple) else [x])]
    return _Writer(roots, format == "latex").text()


def latex_of_small(x: Expr, limit: int = 200) -> str | None:
    """LaTeX for notebooks, or None for a graph that is too large to be read as a formula."""
    seen: set[int] = set()
    todo = [x]
    while todo and len(seen) <= limit:
        node = todo.pop().node
        if node is not None and id(node) not in seen:
            seen.add(id(node))
            todo.extend(node.operands)
    return None if todo else f"${_Writer([x], True).text()}$"


class _Writer:
    def __init__(self, roots: Sequence[Expr], latex: bool) -> None:
        self.roots, self.latex = roots, latex
        self.forms: dict[int, Form] = {}
        self.order: list[Expr] = []
        self.uses: Counter[int] = Counter(id(r) for r in roots)
        self._visit()
        self.taken = {e.name for e in self.order if e.name}
        self.texts: dict[int, Text] = {}
        self.lines: list[tuple[str, str]] = []
        self.count = 0

    def _visit(self) -> None:
        stack = [(e, False) for e in reversed(self.roots)]
        while stack:
            expr, ready = stack.pop()
            if ready:
                self.order.append(expr)
            elif id(expr) not in self.forms:
                form = self.forms[id(expr)] = form_of(expr)
                self.uses.update(id(e) for e in form.operands)
                stack.append((expr, True))
                stack.extend((e, False) for e in reversed(form.operands))

    def text(self) -> str:
        for expr in self.order:
            self.texts[id(expr)] = self._one(expr)
        shown = [self.texts[id(e)].text for e in self.roots]
        if not self.latex:
            return "\n".join([*(f"{name} = {text}" for name, text in self.lines), *shown])
        if not self.lines and len(shown) == 1:
            return shown[0]
        rows = [*(rf"{name} &= {text}" for name, text in self.lines), *(f"& {text}" for text in shown)]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _one(self, expr: Expr) -> Text:
        if expr.node is None:
            return self._leaf(expr)
        form = self.forms[id(expr)]
        made = form.build([self.texts[id(e)] for e in form.operands], self.latex)
        last = len(self.roots) == 1 and expr is self.roots[0]
        long = len(made.text) > (REPEATED if self.uses[id(expr)] > 1 else WIDTH)
        if last or not long:
            return made
        name = self._fresh("t")
        self.lines.append((name, made.text))
        return Text(name)

    def _fresh(self, stem: str) -> str:
        while True:
            name = f"{stem}{self.count}"
            self.count += 1
            if name not in self.taken:
                return latex_name(name) if self.latex else name

    def _leaf(self, expr: Expr) -> Text:
        if isinstance(expr, Constant) and not expr.name:
            return _literal(expr.value, self.latex)
        if expr.name:
            return Text(latex_name(expr.name) if self.latex else expr.name)
        return Text(self._fresh("w" if isinstance(expr, Shared) else "x"))


def _literal(value: np.ndarray[Any, Any], latex: bool) -> Text:
    if value.ndim == 0:
        return _number(value.item(), latex)
    if value.size > LITERAL:
        shape = ", ".join(map(str, value.shape))
        return _call("array", [Text(shape), Text(str(value.dtype))], latex)
    return Text(_listed(value.tolist(), latex))


def literal_text(value: Any) -> str:
    """A literal: a number, a short list, or the shape and dtype of a long array."""
    return _literal(np.asarray(value), latex=False).text


def _listed(value: Any, latex: bool) -> str:
    """Nested lists; their depth is the rank of a literal of a few elements."""
    if not isinstance(value, list):
        return _number(value, latex).text
    return f"[{', '.join(_listed(v, latex) for v in value)}]"


def _number(value: Any, latex: bool) -> Text:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        text = str(int(value)) if value or str(value)[0] != "-" else "-0.0"
    else:
        text = repr(value)
    if latex and text.lstrip("-") in ("inf", "nan"):
        text = text.replace("inf", r"\infty").replace("nan", r"\mathrm{NaN}")
    return Text(text, UNARY if text.startswith("-") else ATOM)


def _call(name: str, parts: Sequence[Text], latex: bool) -> Text:
    inside = ", ".join(p.text for p in parts)
    if not latex:
        return Text(f"{name}({inside})")
    head = f"\\{name}" if name in LATEX_FUNCTIONS else rf"\operatorname{{{latex_escape(name)}}}"
    return Text(rf"{head}\left({inside}\right)")


def latex_escape(name: str) -> str:
    """A function's name inside `\\operatorname`."""
    return name.replace("_", r"\_")


# ------------------------------------------------------------------------------------------------ the forms


def form_of(expr: Expr) -> Form:
    """What is written of a node: its own special form, its operator, or a function call."""
    node = expr.node
    if node is None:
        return Form((), lambda parts, latex: Text(""))
    special = _SPECIAL.get(node.definition.name)
    if special is not None:
        return special(node)
    if issubclass(node.definition, Pointwise):
        operands = _implied(expr, node)
        plain = _operator_form(node, operands)
        return Form(operands, lambda parts, latex: plain.build(_telling(operands, parts, latex), latex))
    return _operator_form(node, node.operands)


def _telling(operands: Sequence[Expr], parts: Sequence[Text], latex: bool) -> list[Text]:
    """A float literal among integers is written as one: `k * 2.0`; beside floats, `x * 2` says the same."""
    literal = [isinstance(e, Constant) and e.ndim == 0 and not e.name for e in operands]
    if any(e.dtype.kind == "f" and not known for e, known in zip(operands, literal, strict=True)):
        return list(parts)
    return [
        Text(repr(float(e.value)), p.level)
        if isinstance(e, Constant) and known and e.dtype.kind == "f"
        else p
        for e, p, known in zip(operands, parts, literal, strict=True)
    ]


def _operator_form(node: Node, operands: tuple[Expr, ...]) -> Form:
    patterns = OPERATORS.get(_ON_BOOLS.get(node.definition.name, "") if _bools(operands) else "")
    patterns = patterns or OPERATORS.get(node.definition.name)
    if patterns is not None and len(patterns[0].operands) == len(operands):
        return Form(operands, lambda parts, latex: patterns[latex].fill(parts, latex))
    return _function_form(node, operands)


_ON_BOOLS: Final = {
    f"tensorc.logical_{name}": f"tensorc.bitwise_{name}" for name in ("and", "or", "xor", "not")
}


def _bools(operands: Sequence[Expr]) -> bool:
    return all(isinstance(e.type, TensorType) and e.dtype == np.bool_ for e in operands)


def function_name(node: Node) -> str:
    """The name a user calls an op by."""
    definition = node.definition
    public = definition.public if issubclass(definition, OpDef) else None
    return public or definition.name.partition(".")[2]


def _function_form(node: Node, operands: tuple[Expr, ...]) -> Form:
    name = function_name(node)
    keywords = [
        Text(f"{'axis' if f.name == 'axes' else f.name}={attribute_text(value)}")
        for f in fields(node.attrs)
        if (value := getattr(node.attrs, f.name)) is not None
    ]
    return Form(operands, lambda parts, latex: _call(name, [*parts, *keywords], latex))


def attribute_text(value: object) -> str:
    """An attribute's value as it is written in a call."""
    if isinstance(value, Type):
        return str(to_dtype(value)) if isinstance(value, ScalarType) else str(value)
    if isinstance(value, tuple) and len(value) == 1:
        return str(value[0])
    return str(value)


def _implied(expr: Expr, node: Node) -> tuple[Expr, ...]:
    """The operands of an elementwise op without the broadcasting and promotion that NumPy does by itself."""
    tries = ([_unbroadcast(e, new_axes) for e in node.operands] for new_axes in (True, False))
    bare = next((found for found in tries if _broadcasts_back(expr, found)), list(node.operands))
    plain = [_unconverted(e) for e in bare]
    kept = [e.dtype for e, p in zip(bare, plain, strict=True) if e is p]
    integers = node.definition.name == "tensorc.div" and all(p.dtype.kind in "iub" for p in plain)
    integers = integers and convert.resolve(np.true_divide, plain)[-1] == expr.dtype
    return tuple(
        p if e is p or integers or any(d == e.dtype and _promotes(p, d) for d in kept) else e
        for e, p in zip(bare, plain, strict=True)
    )


def _unbroadcast(expr: Expr, new_axes: bool = True) -> Expr:
    """Without `broadcast_to`, and without new axes in front if that is meant too."""
    while expr.node is not None:
        name, attrs = expr.node.definition.name, expr.node.attrs
        leading = isinstance(attrs, AxesAttrs) and attrs.axes == tuple(range(len(attrs.axes)))
        if name != "tensorc.broadcast_to" and not (name == "tensorc.expand_dims" and leading and new_axes):
            break
        expr = expr.node.operands[0]
    return expr


def _broadcasts_back(expr: Expr, bare: Sequence[Expr]) -> bool:
    """Whether NumPy would give these operands the shape of the result."""
    rank = len(expr.extents)
    for axis, extent in enumerate(expr.extents):
        met = [e.extents[axis - rank] for e in bare if len(e.extents) >= rank - axis]
        if isinstance(extent, int):
            if not any(isinstance(m, int) and m == extent for m in met):
                return False
        elif not any(m is extent for m in met) and not (
            extent.node is not None and extent.node.definition is BroadcastExtents and len(met) > 1
        ):
            return False
    return True


def _unconverted(expr: Expr) -> Expr:
    cast = expr.node is not None and expr.node.definition.name == "tensorc.cast"
    return expr.node.operands[0] if cast and expr.node is not None else expr


def _promotes(expr: Expr, wanted: np.dtype[Any]) -> bool:
    if expr.node is not None and expr.node.definition.name == "tensorc.from_index":
        return wanted.kind in "iuf"
    return bool(np.result_type(expr.dtype, wanted) == wanted)


def _same(node: Node) -> Form:
    return Form(node.operands[:1], lambda parts, latex: parts[0])


def _method(node: Node, suffix: str) -> Form:
    def build(parts: Sequence[Text], latex: bool) -> Text:
        shown = rf"\text{{{latex_escape(suffix)}}}" if latex else suffix
        return Text(parts[0].at(ATOM, latex) + shown)

    return Form(node.operands[:1], build)


def _cast(node: Node) -> Form:
    assert isinstance(node.attrs, CastAttrs)
    return _method(node, f".astype({str(to_dtype(node.attrs.to))!r})")


def _dim(node: Node) -> Form:
    assert isinstance(node.attrs, AxisAttrs)
    return _method(node, f".shape[{node.attrs.axis}]")


def _transpose(node: Node) -> Form:
    assert isinstance(node.attrs, PermAttrs)
    perm = node.attrs.perm
    if perm != tuple(reversed(range(len(perm)))):
        return _method(node, f".transpose({', '.join(map(str, perm))})")

    def build(parts: Sequence[Text], latex: bool) -> Text:
        base = parts[0].at(ATOM, latex)
        return Text(rf"{{{base}}}^{{\top}}" if latex else f"{base}.T")

    return Form(node.operands, build)


def _reduction(node: Node) -> Form:
    assert isinstance(node.attrs, AxesAttrs)
    axes, rank = node.attrs.axes, node.operands[0].ndim
    name, sign = function_name(node), {"sum": r"\sum", "prod": r"\prod"}.get(function_name(node))
    every = axes == tuple(range(rank))

    def build(parts: Sequence[Text], latex: bool) -> Text:
        if not latex:
            shown = "" if every else f", axis={attribute_text(axes)}"
            return Text(f"{name}({parts[0].text}{shown})")
        below = "" if every else f"_{{{', '.join(map(str, axes))}}}"
        head = sign or (f"\\{name}" if name in LATEX_FUNCTIONS else rf"\operatorname{{{latex_escape(name)}}}")
        return Text(rf"{head}{below} \left({parts[0].text}\right)")

    return Form(node.operands, build)


def _shape_form(name: str) -> Callable[[Node], Form]:
    """`broadcast_to(x, (n, 3))`: extents that are operands stand in the places of -1."""

    def form(node: Node) -> Form:
        attrs = node.attrs
        assert isinstance(attrs, ShapeAttrs | IotaAttrs)
        first = len(node.operands) - attrs.shape.count(-1)

        def build(parts: Sequence[Text], latex: bool) -> Text:
            given = iter(parts[first:])
            shape = [next(given).text if n == -1 else str(n) for n in attrs.shape]
            inside = f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(shape)})"
            axis = [Text(f"axis={attrs.axis}")] if isinstance(attrs, IotaAttrs) else []
            return _call(name, [*parts[:first], Text(inside), *axis], latex)

        return Form(node.operands, build)

    return form


def _constant(node: Node) -> Form:
    value: object = getattr(node.attrs, "value", None)  # `arith.constant` has attributes of its own
    if isinstance(value, DenseAttr):
        array = value.value
        return Form((), lambda parts, latex: _literal(array, latex))
    number = value.value if isinstance(value, IntegerAttr) else getattr(value, "value", value)
    return Form((), lambda parts, latex: _number(number, latex))


def _comparison(node: Node) -> Form:
    name = _PREDICATES.get(getattr(node.attrs, "predicate", -1))
    if name is None:
        return _function_form(node, node.operands)
    pattern = OPERATORS[f"tensorc.{name}"]
    return Form(node.operands, lambda parts, latex: pattern[latex].fill(parts, latex))


_PREDICATES: Final = dict(enumerate(("eq", "ne", "lt", "le", "gt", "ge")))
"""The numbers of `arith.cmpi`'s comparisons of signed integers."""


def _indexed(base: Text, inside: Sequence[str], latex: bool) -> Text:
    shown = ", ".join(inside)
    return Text(base.at(ATOM, latex) + (rf"\left[{shown}\right]" if latex else f"[{shown}]"))


def _expand_dims(node: Node) -> Form:
    assert isinstance(node.attrs, AxesAttrs)
    rank = node.operands[0].ndim + len(node.attrs.axes)
    inside = ["None" if axis in node.attrs.axes else ":" for axis in range(rank)]
    while len(inside) > 1 and inside[-1] == ":":
        inside.pop()
    return Form(node.operands, lambda parts, latex: _indexed(parts[0], inside, latex))


def _vectors_product(node: Node) -> Form | None:
    """`x @ v`: a product of matrices, of which one was made of a vector, without the axis that was added."""
    inner = node.operands[0].node
    if inner is None or inner.definition.name != "tensorc.matmul":
        return None
    plain = []
    for place, operand in enumerate(inner.operands):
        added = operand.node
        made = added is not None and added.definition.name == "tensorc.expand_dims"
        if made and added is not None and operand.ndim == 2 and added.attrs == AxesAttrs((1 - (place == 0),)):
            operand = added.operands[0]
        plain.append(operand)
    if len(_shape(node)) != sum(e.ndim for e in plain) - 2:
        return None
    pattern = OPERATORS["tensorc.matmul"]
    return Form(tuple(plain), lambda parts, latex: pattern[latex].fill(parts, latex))


def _shape(node: Node) -> tuple[int | None, ...]:
    kind = node.types[0]
    return kind.shape if isinstance(kind, TensorType) else ()


def _reshape(node: Node) -> Form:
    return _vectors_product(node) or _shape_form("reshape")(node)


def _concatenate(node: Node) -> Form:
    assert isinstance(node.attrs, AxisAttrs)
    axis = Text(f"axis={node.attrs.axis}")

    def build(parts: Sequence[Text], latex: bool) -> Text:
        listed = Text(f"[{', '.join(p.text for p in parts)}]")
        return _call("concatenate", [listed, axis], latex)

    return Form(node.operands, build)


def _squeeze(node: Node) -> Form:
    """`x[2]` is a slice of one element whose axis is dropped."""
    product = _vectors_product(node)
    if product is not None:
        return product
    assert isinstance(node.attrs, AxesAttrs)
    inner = node.operands[0].node
    if inner is not None and inner.definition.name == "tensorc.slice":
        return _slice(inner, node.attrs.axes)
    return _function_form(node, node.operands)


def _slice(node: Node, dropped: Sequence[int] = ()) -> Form:
    attrs = node.attrs
    assert isinstance(attrs, SliceAttrs)
    positions = _merged(attrs.starts, node.operands[1:])
    sizes = _merged(attrs.sizes, node.operands[1 + attrs.starts.count(-1) :])
    spans = [
        _span(start, size, step, node.operands[0].extents[axis], axis in dropped and size == 1)
        for axis, (start, size, step) in enumerate(zip(positions, sizes, attrs.steps, strict=True))
    ]
    kept = [axis for axis in dropped if sizes[axis] != 1]
    return _spanned(node.operands[:1], spans, "" if not kept else f".squeeze({attribute_text(tuple(kept))})")


def _update_slice(node: Node) -> Form:
    attrs = node.attrs
    assert isinstance(attrs, UpdateSliceAttrs)
    x, update = node.operands[:2]
    spans = [
        _span(start, size, step, x.extents[axis], False)
        for axis, (start, size, step) in enumerate(
            zip(_merged(attrs.starts, node.operands[2:]), update.extents, attrs.steps, strict=True)
        )
    ]
    return _spanned((x, _unbroadcast(update)), spans, ".add({})" if attrs.add else ".set({})")


def _merged(static: Sequence[int], operands: Sequence[Expr]) -> list[Any]:
    given = iter(operands)
    return [next(given) if n == -1 else n for n in static]


def _span(start: Any, size: Any, step: int, extent: Any, single: bool) -> Any:
    """start:stop:step as it was written, as far as the arithmetic on it tells; a single position alone."""
    first = _position(start, extent)
    if single:
        return first
    stop: Any = None
    if isinstance(size, int) and isinstance(start, int):
        stop = start + size * step
        whole = isinstance(extent, int) and (stop >= extent if step > 0 else stop < 0)
        stop = None if whole else stop
    elif size is not extent:
        stop = _stop(size, step, extent)
    begins = isinstance(first, int) and first == 0 if step > 0 else _is_last(start, extent)
    return (None if begins else first, stop, step)


def _peeled(value: Any, extent: Any) -> Any:
    """Under a `select` against empty slices, and under bounds that Python's slicing has by itself."""
    while isinstance(value, Expr) and value.node is not None:
        name, operands = value.node.definition.name, value.node.operands
        if name == "arith.select":
            value = operands[2]
            continue
        upper, lower = name == "arith.minsi", name == "arith.maxsi"
        bounds = [e for e in operands if (upper and _is_upper(e, extent)) or (lower and _is_lower(e))]
        if not bounds:
            break
        value = operands[operands[0] is bounds[0]]
    return value


def _is_upper(value: Expr, extent: Any) -> bool:
    """The extent, or the last position."""
    node, known = value.node, _integer(value)
    if known is not None:
        return isinstance(extent, int) and known in (extent, extent - 1)
    if node is not None and node.definition.name == "arith.subi" and _integer(node.operands[1]) == 1:
        return node.operands[0] is extent
    return value is extent or (node is not None and node.definition.name == "tensorc.dim")


def _is_lower(value: Expr) -> bool:
    return _integer(value) in (0, -1)


def _integer(value: Any) -> int | None:
    if isinstance(value, int):
        return value
    if value.node is None or value.node.definition.name != "arith.constant":
        return None
    held = getattr(value.node.attrs.value, "value", None)
    return held if isinstance(held, int) else None


def _position(value: Any, extent: Any) -> Any:
    """A start: a number, one counted from the end, or an expression."""
    value = _peeled(value, extent)
    known = _integer(value)
    if known is not None:
        return known
    if value.node is not None and value.node.definition.name in ("arith.addi", "arith.subi"):
        left, right = value.node.operands
        number = _integer(right)
        if left is extent and number is not None:
            return number if value.node.definition.name == "arith.addi" else -number
    return value


def _is_last(value: Any, extent: Any) -> bool:
    if isinstance(value, int):
        return isinstance(extent, int) and value == extent - 1
    return _position(value, extent) == -1 if isinstance(_position(value, extent), int) else False


def _stop(size: Any, step: int, extent: Any) -> Any:
    size = _peeled(size, extent)
    if isinstance(size, Expr) and size.node is not None and size.node.definition.name == "arith.ceildivsi":
        size = _peeled(size.node.operands[0], extent)
    if isinstance(size, int) or size.node is None or size.node.definition.name != "arith.subi":
        return None if size is extent else size
    last = size.node.operands[0 if step > 0 else 1]
    if last is extent or _integer(last) in (-1, extent):
        return None
    return _position(last, extent)


def _spanned(operands: tuple[Expr, ...], spans: Sequence[Any], suffix: str) -> Form:
    while len(spans) > 1 and isinstance(spans[-1], tuple) and spans[-1] == (None, None, 1):
        spans = spans[:-1]
    written = [e for span in spans for e in (span if isinstance(span, tuple) else (span,))]
    extra = tuple(e for e in written if isinstance(e, Expr))

    def build(parts: Sequence[Text], latex: bool) -> Text:
        shown = {id(e): p.text for e, p in zip(extra, parts[len(operands) :], strict=True)}

        def piece(value: Any) -> str:
            return "" if value is None else shown[id(value)] if isinstance(value, Expr) else str(value)

        inside = [
            f"{piece(s[0])}:{piece(s[1])}{'' if s[2] == 1 else f':{s[2]}'}"
            if isinstance(s, tuple)
            else piece(s)
            for s in spans
        ]
        indexed = _indexed(parts[0], inside, latex)
        if not suffix:
            return indexed
        ending = suffix.format(parts[1].text if len(operands) > 1 else "")
        return Text(indexed.text + (rf"\text{{{ending}}}" if latex else ending))

    return Form((*operands, *extra), build)


def _gathered(node: Node, indices: Sequence[Expr]) -> list[Any]:
    assert isinstance(node.attrs, AxisAttrs)
    return [*[(None, None, 1)] * node.attrs.axis, *indices]


def _gather(node: Node) -> Form:
    return _spanned(node.operands[:1], _gathered(node, node.operands[1:]), "")


def _scatter(suffix: str) -> Callable[[Node], Form]:
    def form(node: Node) -> Form:
        *indices, update = node.operands[1:]
        return _spanned((node.operands[0], _unbroadcast(update)), _gathered(node, indices), suffix)

    return form


_SPECIAL: Final[dict[str, Callable[[Node], Form]]] = {
    "tensorc.cast": _cast,
    "tensorc.dim": _dim,
    "tensorc.from_index": _same,
    "tensorc.to_index": _same,
    "tensorc.transpose": _transpose,
    "tensorc.broadcast_to": _shape_form("broadcast_to"),
    "tensorc.sum_to": _shape_form("sum_to"),
    "tensorc.reshape": _reshape,
    "tensorc.concatenate": _concatenate,
    "tensorc.iota": _shape_form("iota"),
    "tensorc.constant": _constant,
    "arith.constant": _constant,
    "arith.cmpi": _comparison,
    "tensorc.expand_dims": _expand_dims,
    "tensorc.squeeze": _squeeze,
    "tensorc.slice": _slice,
    "tensorc.update_slice": _update_slice,
    "tensorc.gather": _gather,
    "tensorc.scatter_add": _scatter(".add({})"),
    "tensorc.scatter_set": _scatter(".set({})"),
    **{
        f"tensorc.{name}": _reduction
        for name in ["sum", "prod", "max", "min", "mean", "any", "all", "peak", "logsumexp"]
    },
}
