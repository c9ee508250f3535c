"""What to write instead, in the user's own words: for `if`, `while`, `and`, `not`, `0 < x < 1`, `max(x, 0)`,
`for r in x`, `x[i] = v` and others that Python settles before an expression has values.

Each remedy is made of the source at the error's location, so that it can be pasted; where there is no
source, or it is long, a general one is given.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from tensorc.api.expr import Expr
from tensorc.ir.errors import TensorcError
from tensorc.ir.location import Location, caller_location
from tensorc.ir.source import Fragment, fragment, text_at
from tensorc.ir.types import TensorType
from tensorc.ops.arithmetic import Cast
from tensorc.ops.views import BroadcastTo, ExpandDims

_GENERAL_TRUTH: Final = (
    "choose element by element with tc.where(condition, a, b); combine conditions with & | ~ in "
    "parentheses: (x > 0) & (x < 1)"
)
_WHOLE: Final = {
    "sum": "{0}.sum(axis=0)",
    "max": "{0}.max(axis=0)",
    "min": "{0}.min(axis=0)",
    "any": "tc.any({0})",
    "all": "tc.all({0})",
}
_LONGEST_NAME: Final = 60
_IMPLIED: Final = (Cast, BroadcastTo, ExpandDims)
_PAIRWISE: Final = {"max": "maximum", "min": "minimum"}


def quoted(expr: Expr) -> str:
    """An expression inside a sentence: `` `x @ w` (tensor<?x3xf64>) ``."""
    expr = _as_given(expr)
    name = label(expr)
    return f"an expression of type {expr.type}" if name is None else f"`{name}` ({expr.type})"


def listed(exprs: Sequence[Expr], joined: str = ", ") -> str:
    """Expressions in a list: `x @ w: tensor<?x3xf64>, 1.0: tensor<f64>`."""
    given = [_as_given(e) for e in exprs if isinstance(e.type, TensorType)]
    return joined.join(str(e.type) if label(e) is None else f"{label(e)}: {e.type}" for e in given)


def explained(error: TensorcError, operands: Sequence[Expr]) -> TensorcError:
    """The error of an op's inference for somebody who wrote an expression: with the operands' names, without
    the number of the op's constraint.
    """
    tensors = [e for e in operands if isinstance(e.type, TensorType)]
    if error.location is None and any(label(_as_given(e)) for e in tensors):
        error.notes = (*error.notes, f"got {listed(tensors)}")
    if error.constraint:
        error.message = error.message.removesuffix(f" ({error.constraint})")
    return error


def label(expr: Expr, longest: int = 32) -> str | None:
    """The name of an expression, or how it was written; None when there is nothing short to say."""
    from tensorc.api.leaves import Constant

    if expr.name:
        return expr.name if expr.name.isprintable() and len(expr.name) <= _LONGEST_NAME else _cut(expr.name)
    if isinstance(expr, Constant):  # it has the location of the expression around it
        return repr(expr.value.item()) if expr.value.size == 1 else None
    return None if expr.location == caller_location() else text_at(expr.location, longest)


def _cut(name: str) -> str:
    text = repr(name)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."


def _as_given(expr: Expr) -> Expr:
    """What the user wrote where a conversion was put around it."""
    here = caller_location()
    while expr.node is not None and expr.node.definition in _IMPLIED and expr.node.location == here:
        expr = expr.node.operands[0]
    return expr


def truth(location: Location) -> str:
    """Instead of asking an expression whether it is true."""
    found = fragment(location)
    return (_truth_of(found) if found is not None else None) or _GENERAL_TRUTH


def _truth_of(found: Fragment) -> str | None:
    node, parent = found.node, found.parent
    if isinstance(node, ast.BoolOp) or isinstance(parent, ast.BoolOp):
        return _connective(found, node if isinstance(node, ast.BoolOp) else parent)
    if isinstance(node, ast.UnaryOp) or isinstance(parent, ast.UnaryOp):
        return _negation(found, node if isinstance(node, ast.UnaryOp) else parent)
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        return _chain(found, node)
    if isinstance(node, ast.Call):
        return _pairwise(found, node)
    if isinstance(parent, ast.While):
        return (
            "the number of rounds cannot depend on a symbolic value: compile one round with tc.function and "
            "loop in Python over its results"
        )
    if isinstance(parent, ast.Assert):
        return "a compiled function can return the condition: check its result with assert"
    chosen = _choice(found, node, parent)
    return chosen and f"choose element by element: {chosen}"


def _connective(found: Fragment, node: Any) -> str | None:
    sign, word = ("&", "and") if isinstance(node.op, ast.And) else ("|", "or")
    parts = found.texts(*node.values)
    if parts is None:
        return None
    written = f" {sign} ".join(f"({part})" for part in parts)
    return f"`{word}` needs one truth value; element by element: {written}"


def _negation(found: Fragment, node: Any) -> str | None:
    operand = found.text(node.operand) if isinstance(node.op, ast.Not) else None
    return operand and f"`not` needs one truth value; element by element: tc.logical_not({operand})"


def _chain(found: Fragment, node: ast.Compare) -> str | None:
    sides = found.texts(node.left, *node.comparators)
    if sides is None:
        return None
    signs = [_SIGNS[type(op)] for op in node.ops if type(op) in _SIGNS]
    if len(signs) != len(node.ops):
        return None
    links = [f"({a} {sign} {b})" for a, sign, b in zip(sides, signs, sides[1:], strict=False)]
    return f"a chain of comparisons is an `and`; element by element: {' & '.join(links)}"


_SIGNS: Final[dict[type, str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


def _pairwise(found: Fragment, node: ast.Call) -> str | None:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    parts = found.texts(*node.args)
    if name not in _PAIRWISE or parts is None or len(parts) != 2:
        return None
    return f"Python's {name} compares once; element by element: tc.{_PAIRWISE[name]}({parts[0]}, {parts[1]})"


def _choice(found: Fragment, test: ast.AST, parent: ast.AST | None) -> str | None:
    """`tc.where(...)` for a conditional expression, or for an `if` that assigns or returns one thing."""
    if isinstance(parent, ast.IfExp) and parent.test is test:
        parts = found.texts(test, parent.body, parent.orelse)
        return f"tc.where({', '.join(parts)})" if parts else None
    if not isinstance(parent, ast.If) or len(parent.body) != 1 or len(parent.orelse) > 1:
        return None
    first = parent.body[0]
    second = parent.orelse[0] if parent.orelse else None
    if isinstance(first, ast.Return) and isinstance(second, ast.Return) and first.value and second.value:
        parts = found.texts(test, first.value, second.value)
        return f"return tc.where({', '.join(parts)})" if parts else None
    return _assignment(found, test, first, second)


def _assignment(found: Fragment, test: ast.AST, first: ast.stmt, second: ast.stmt | None) -> str | None:
    target = _target(first)
    if target is None or not isinstance(first, ast.Assign):
        return None
    if second is None:
        parts = found.texts(test, first.value)
        return f"{target} = tc.where({', '.join(parts)}, {target})" if parts else None
    if not isinstance(second, ast.Assign) or _target(second) != target:
        return None
    parts = found.texts(test, first.value, second.value)
    return f"{target} = tc.where({', '.join(parts)})" if parts else None


def _target(statement: ast.stmt) -> str | None:
    """The only name a statement assigns to."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        (target,) = statement.targets
        return target.id if isinstance(target, ast.Name) else None
    return None


def iteration(location: Location, x: Expr) -> str:
    """Instead of walking over an expression."""
    found = fragment(location)
    if found is not None and isinstance(found.node, ast.Call) and isinstance(found.node.func, ast.Name):
        parts = found.texts(*found.node.args)
        whole = _WHOLE.get(found.node.func.id)
        if whole is not None and parts is not None and len(parts) == 1:
            return f"write it on the whole array: {whole.format(parts[0])}"
    if while_traced(x) is not None:
        return "write it on whole arrays, as in NumPy, or pass the rows as a list or tuple of arguments"
    shape = ", ".join(["3", *("None" if not isinstance(e, int) else str(e) for e in x.extents[1:])])
    comma = "," if x.ndim == 1 else ""
    return (
        "write it on whole arrays, as in NumPy; or, if the number of rows is fixed, state it: "
        f"tc.tensor({x.name or 'x'!r}, shape=({shape}{comma}))"
    )


def item_assignment(location: Location) -> str:
    """Instead of `x[i] = v` and `x[i] += v`."""
    found = fragment(location)
    written = None if found is None else _functional(found, found.node, found.parent)
    return f"write {written}" if written else "write x = x[i].set(v), and x = x[i].add(v) for x[i] += v"


def _functional(found: Fragment, node: ast.AST, parent: ast.AST | None) -> str | None:
    if not isinstance(node, ast.Subscript) or not isinstance(parent, ast.Assign | ast.AugAssign):
        return None
    parts = found.texts(node.value, node, parent.value)
    if parts is None:
        return None
    array, item, value = parts
    if isinstance(parent, ast.Assign):
        return f"{array} = {item}.set({value})"
    if isinstance(parent.op, ast.Add):
        return f"{array} = {item}.add({value})"
    if isinstance(parent.op, ast.Sub):
        return f"{array} = {item}.add(-({value}))"
    return f"{array} = {item}.set(...) with the new value of {item}"


def while_traced(x: Expr) -> str | None:
    """What to do for a value that is needed while a jitted function is traced; None for other values."""
    from tensorc.api.leaves import Argument
    from tensorc.api.trace import postorder

    argument = next((e for e in postorder([x]) if isinstance(e, Argument) and e.origin.open), None)
    if argument is None:
        return None
    name = argument.origin.function
    return (
        f"inside {name} only expressions can be built: return it from {name} and use the result"
        if argument.weak is None
        else f"return it from {name} and use the result, or make {argument.name} a static argument: "
        f"tc.jit({name}, static_argnames={argument.name!r})"
    )


def array(x: Expr) -> str:
    """Instead of `np.asarray(x)`."""
    compiled = "call x.eval({input: value}), or compile it with tc.function"
    return f"{while_traced(x) or compiled}; on expressions use the functions of tc instead of np"


def index(x: Expr) -> str:
    """Instead of `range(n)`, `np.zeros(n)` and other places where Python itself needs an int."""
    general = (
        "tc.arange(n), tc.zeros((n, m)), x[n] and x.reshape(n, -1) take symbolic integers; range, "
        "np.zeros and lists do not"
    )
    from tensorc.api.leaves import Argument

    if isinstance(x, Argument) and x.origin.open:
        name, n = x.origin.function, x.name
        return f"make {n} a static argument: tc.jit({name}, static_argnames={n!r}); {general}"
    return general


def number(location: Location, kind: str, x: Expr) -> str:
    """Instead of `float(x)`, `int(x)`, `complex(x)`."""
    traced = while_traced(x)
    if traced is not None:
        return traced
    found = fragment(location)
    node = None if found is None else found.node
    inside = found.text(node.args[0]) if found and isinstance(node, ast.Call) and node.args else None
    name = inside if inside is not None and inside.isidentifier() else "x"
    return f"compute it first: {kind}({name}.eval({{input: value}})), or call a function made by tc.function"
