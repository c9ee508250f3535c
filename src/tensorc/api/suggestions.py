"""Names that are not there: what was probably meant."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import Any, Final

from tensorc.ir.errors import TensorcAttributeError
from tensorc.ir.location import caller_location

_NAMESPACES: Final = ("tc", "tc.nn", "tc.special")
_CLOSE: Final = 0.7

_KEYWORDS: Final = {"dim": "axis", "keepdim": "keepdims", "input": "x", "a": "x"}

FUNCTIONS: Final = {
    "TensorType": "tc.tensor(name, dtype, shape)",
    "Variable": "tc.tensor(name, dtype, shape)",
    "placeholder": "tc.tensor(name, dtype, shape)",
    "alloc": "tc.full(shape, value)",
    "array": "tc.asarray(value)",
    "as_tensor": "tc.asarray(value)",
    "as_tensor_variable": "tc.asarray(value)",
    "cast": "x.astype(dtype)",
    "cat": "tc.concatenate([a, b])",
    "detach": "tc.stop_gradient(x)",
    "empty": "tc.zeros(shape)",
    "gradient": "tc.grad(cost, wrt)",
    "inv": "1 / x",
    "mm": "tc.matmul(a, b)",
    "nnet": "tc.nn",
    "permute": "tc.transpose(x, axes)",
    "sgn": "tc.sign(x)",
    "unsqueeze": "tc.expand_dims(x, axis)",
}
"""Names that other libraries have for what is here; every name in a remedy exists (tested)."""

METHODS: Final = {
    "backward": "tc.grad(cost, wrt)",
    "contiguous": "x itself: the compiler chooses the layout",
    "detach": "tc.stop_gradient(x)",
    "expand": "tc.broadcast_to(x, shape)",
    "fill": "tc.full_like(x, value)",
    "float": "x.astype('float32')",
    "double": "x.astype('float64')",
    "int": "x.astype('int32')",
    "long": "x.astype('int64')",
    "item": "x.eval({input: value}).item()",
    "numpy": "x.eval({input: value})",
    "tolist": "x.eval({input: value}).tolist()",
    "value": "x.eval({input: value})",
    "permute": "x.transpose(axes)",
    "t": "x.T",
    "unsqueeze": "tc.expand_dims(x, axis)",
    "view": "x.reshape(shape)",
    "get_value": "x.eval({input: value}); only shared variables hold one",
    "set_value": "tc.shared(value), which makes a variable that holds one",
    "append": "tc.concatenate([x, y])",
}


def no_function(namespace: str, name: str) -> AttributeError:
    """The error of a namespace (`tc`, `tc.nn`, ...) for a name it does not have."""
    if name.startswith("_"):
        return AttributeError(f"module {namespace} has no attribute {name!r}")
    return TensorcAttributeError(
        f"{namespace} has no function {name!r}",
        code="TC0343",
        location=caller_location(),
        help=function_help(namespace, name),
    )


def no_method(x: Any, name: str) -> AttributeError:
    """The error of an expression for an attribute it does not have."""
    if name.startswith("_") or hasattr(type(x), name):
        # protocols of other libraries ask for many such names; what the class has failed by itself
        return AttributeError(f"{type(x).__name__!r} object has no attribute {name!r}")
    from tensorc.api.advice import quoted

    return TensorcAttributeError(
        f"{quoted(x)} has no method or attribute {name!r}",
        code="TC0344",
        location=caller_location(),
        help=_method_help(type(x), x.name or "x", name),
    )


def keyword(name: str, known: list[str]) -> str:
    """`: did you mean 'axis'?` for a keyword that is not known, or nothing."""
    near = [n for n in (_KEYWORDS.get(name),) if n in known] or get_close_matches(name, known, 1, 0.6)
    return f": did you mean {near[0]!r}?" if near else ""


def _public(namespace: str) -> list[str]:
    module = sys.modules.get("tensorc.api." + namespace.partition(".")[2]) if "." in namespace else None
    names = getattr(module or sys.modules["tensorc"], "__all__", [])
    return [n for n in names if not n.startswith("_")]


def function_help(namespace: str, name: str) -> str:
    """What to write for a function that a namespace does not have."""
    return known(namespace, name) or "dir(tc) lists the functions"


def known(namespace: str, name: str) -> str | None:
    """What is meant by a function that a namespace does not have, if that can be told."""
    found = [f"{space}.{name}" for space in _NAMESPACES if space != namespace and name in _public(space)]
    if found:
        return f"it is {found[0]}"
    if name in FUNCTIONS:
        return f"write {FUNCTIONS[name]}"
    if name[:1] in "cz" and "d" + name[1:] in _public("tc"):  # Theano's letters for complex symbols
        return "complex numbers are not supported: keep real and imaginary part in two variables"
    spelled = {n: f"{space}.{n}" for space in reversed(_NAMESPACES) for n in _public(space)}
    spelled |= {n: f"{namespace}.{n}" for n in _public(namespace)}
    near = [spelled[n] for n in get_close_matches(name, spelled, 3, _CLOSE)]
    return f"did you mean {' or '.join(near)}?" if near else None


def _method_help(kind: type, label: str, name: str) -> str:
    if name in METHODS:
        return "write " + METHODS[name].replace("x.", f"{label}.").replace("(x", f"({label}")
    found = [f"{space}.{name}({label})" for space in _NAMESPACES if name in _public(space)]
    if found:
        return f"it is a function: {found[0]}"
    known = [n for n in dir(kind) if not n.startswith("_")]
    near = [f"{label}.{n}" for n in get_close_matches(name, known, 3, _CLOSE)]
    functions = {n: f"{s}.{n}({label})" for s in reversed(_NAMESPACES) for n in _public(s)}
    near += [functions[n] for n in get_close_matches(name, functions, 1, 0.8)] if not near else []
    return f"did you mean {' or '.join(near)}?" if near else "expressions have the methods of NumPy arrays"
