"""What to add to errors of Python itself that a wrong use of ours ends in: a keyword that a function does not
have, an expression that is called, a function taken for a namespace, a name that cannot be imported.

The message is Python's, at the user's line and without a frame of ours; the remark comes below it.
"""

from __future__ import annotations

import ast
import inspect
from types import FrameType, FunctionType, ModuleType, TracebackType
from typing import Any, Final

from tensorc.api import suggestions
from tensorc.api.expr import Expr
from tensorc.ir.location import FrameLocation, is_ours
from tensorc.ir.source import fragment

_NOTHING: Final = object()


def remark(error: BaseException, tb: TracebackType | None) -> str | None:
    """What to write instead, or None when the error has nothing to do with us."""
    if isinstance(error, ImportError):
        return _imported(error)
    if isinstance(error, AttributeError):
        return _attribute(error)
    if not isinstance(error, TypeError) or tb is None:
        return None
    while tb.tb_next is not None:
        tb = tb.tb_next
    found = fragment(FrameLocation(tb.tb_frame.f_code, tb.tb_lasti))
    if found is None or not isinstance(found.node, ast.Call):
        return None
    target = _value(found.node.func, tb.tb_frame)
    if isinstance(target, Expr):
        name = found.text(found.node.func) or "x"
        return (
            f"{name} is an expression: {name}[i] takes elements, {name}.eval({{input: value}}) computes it, "
            f"f = tc.function([input], {name}) makes a function of it"
        )
    return _call(error, target)


def _imported(error: ImportError) -> str | None:
    name = str(error).removeprefix("cannot import name ").split(" from ", 1)[0].strip("'")
    if error.name != __name__.partition(".")[0] or not name.isidentifier():
        return None
    return suggestions.function_help("tc", name)


def _attribute(error: AttributeError) -> str | None:
    owner = getattr(error, "obj", None)
    if not isinstance(owner, FunctionType) or not is_ours(owner.__module__) or not error.name:
        return None
    return f"tc.{owner.__name__} is a function; " + suggestions.function_help("", error.name)


def _call(error: TypeError, target: Any) -> str | None:
    if not callable(target) or not is_ours(getattr(target, "__module__", "")):
        return None
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return None
    wrong = str(error).partition("unexpected keyword argument '")[2].partition("'")[0]
    near = suggestions.keyword(wrong, [p.name for p in parameters]).removeprefix(": ") if wrong else ""
    shown = ", ".join(str(p.replace(annotation=p.empty)) for p in parameters)
    return f"{near + ' ' if near else ''}it is {target.__name__}({shown})"


def _value(node: ast.AST, frame: FrameType) -> Any:
    """What a name, or attributes of a name, stand for; nothing of the user's is run to find out."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return _NOTHING
    value = frame.f_locals.get(node.id, frame.f_globals.get(node.id, _NOTHING))
    for name in reversed(names):
        ours = isinstance(value, Expr) or (isinstance(value, ModuleType) and is_ours(value.__name__))
        if not ours or name.startswith("_"):
            return _NOTHING
        value = getattr(value, name, _NOTHING)
    return value
