"""Running a Python function on symbols: tracing for a compiled body, inlining into a larger expression.

Both keep a stack of what this thread is tracing, for two purposes only: a function that calls itself without
end is told so, and a thread that traces never waits for another one that does.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from types import CodeType
from typing import Any, Final, TypeVar

from tensorc.api import convert, pytree
from tensorc.api.escaped import definition, escaped
from tensorc.api.expr import Expr
from tensorc.api.jit_call import Binder, Call, Kind, kind_of, normal
from tensorc.api.leaves import Argument, Constant, Origin, Symbol
from tensorc.api.program import Outputs, Program, make_program
from tensorc.api.trace import postorder
from tensorc.ir.errors import TensorcError, TensorcTypeError, TensorcValueError
from tensorc.ir.location import Location, caller_location
from tensorc.ir.types import TensorType
from tensorc.ops.dtypes import from_dtype

MOST_REPEATS: Final = 32
"""A function that is traced inside itself so often, for the same types, would be so for ever."""
FRAMES_EACH: Final = 10
"""Python's own limit is not for us to reach, because anything can fail there: a traced call within a trace
may take so many of its frames.
"""
MOST_NOTES: Final = 3
MOST_SHOWN: Final = 6
MOST_COMPARED: Final = 64
_NEED_VALUES: Final = frozenset({"TC0321", "TC0322", "TC0323"})
"""Errors that say a symbol has no value: `bool`, `int` or an array of it was asked for."""
T = TypeVar("T")


class _Stack(threading.local):
    """What this thread is tracing, outermost first."""

    def __init__(self) -> None:
        self.frames: list[Hashable] = []


_stack = _Stack()


def tracing() -> bool:
    """Whether this thread is in the middle of a trace."""
    return bool(_stack.frames)


class NeedsOuter(Exception):
    """The function uses values of a trace under way around it, so it has no value of its own."""


class Traceable:
    """A Python function and how its calls are bound; `trace` and `inline` run it."""

    def __init__(self, function: Callable[..., Any], name: str, binder: Binder) -> None:
        self.function, self.name, self.binder = function, name, binder
        self.code = code_of(function)
        self._place = caller_location()

    @cached_property
    def location(self) -> Location:
        """Where the function is defined; if Python does not tell, where it was given to `tc.jit`."""
        return self._place if self.code is None else definition(self.code)

    def trace(self, call: Call, kinds: Sequence[Kind]) -> Program:
        """The program of all calls of this form. Raises what the function does, with a note on the types."""
        origin = Origin(self.name, self.code)
        paths = self.binder.paths(call.structure)
        arguments = [
            Argument(TensorType((None,) * k.rank, from_dtype(k.dtype)), path, self.location, origin, k.weak)
            for k, path in zip(kinds, paths, strict=True)
        ]
        key = (self, call.structure, tuple(kinds))
        program, structure = self._run(
            lambda: self._program(call, arguments, origin), key, call, kinds, paths
        )
        return replace(program, outputs=_outputs(structure))

    def _program(
        self, call: Call, arguments: Sequence[Argument], origin: Origin
    ) -> tuple[Program, pytree.Structure]:
        try:
            results, structure = self._results(pytree.unflatten(call.structure, arguments))
            self._check_free(results, arguments)
        finally:
            origin.open = False
        program = make_program(
            arguments,
            results,
            updates=None,
            givens=None,
            name=self.name,
            on_unused_input="ignore",
            allow_input_downcast=None,
            no_default_updates=False,
            location=self.location,
        )
        return program, structure

    def inline(self, call: Call) -> Any:
        """The function's result on arguments some of which are symbolic: its expressions, in its form."""
        paths = self.binder.paths(call.structure)
        leaves = [convert.asarray(leaf) for leaf in call.leaves]
        types = [_described(leaf) for leaf in leaves]
        key = (self, call.structure, tuple(map(_identity, leaves)))
        bound = pytree.unflatten(call.structure, leaves)
        results, structure = self._run(lambda: self._results(bound, weak=True), key, call, types, paths)
        return pytree.unflatten(structure, results)

    def _results(self, bound: Any, weak: bool = False) -> tuple[list[Any], pytree.Structure]:
        args, kwargs = bound
        found, structure = pytree.flatten(self.function(*args, **(kwargs or {})))
        paths = pytree.paths(structure, "its result")
        values = [self._result(leaf, path) for leaf, path in zip(found, paths, strict=True)]
        make = convert.asarray if weak else convert.constant
        return [v if isinstance(v, Expr) else make(v) for v in values], structure

    def _result(self, leaf: Any, path: str) -> Any:
        try:
            return normal(leaf, lambda: f"{self.name}: {path}")
        except TensorcTypeError as error:
            error.location = self.location
            error.help = "a result is made of arrays and numbers, in tuples, lists, dictionaries, dataclasses"
            raise

    def _check_free(self, results: Sequence[Expr], arguments: Sequence[Argument]) -> None:
        """Symbols that are no arguments: of a trace around this one, of one that has ended, or the user's
        own.
        """
        own = set(arguments)
        free = [e for e in postorder(results) if isinstance(e, Symbol) and e not in own]
        nested = len(_stack.frames) > 1
        if nested and any(isinstance(e, Argument) and e.origin.open for e in free):
            raise NeedsOuter
        for symbol in free:
            if isinstance(symbol, Argument):
                raise escaped(symbol, results)
            raise TensorcValueError(
                f"{self.name}: the result needs {symbol!r}, which is not an argument of {self.name}",
                code="TC0491",
                location=symbol.location,
                help=f"make it a parameter, and pass it: {self.name}(..., {symbol.name or 'x'})",
            )

    def _run(
        self,
        action: Callable[[], T],
        key: Hashable,
        call: Call,
        types: Sequence[Kind | str],
        paths: Sequence[str],
    ) -> T:
        """`action()`, which runs the function on symbols; an error in it gets a note on what was traced."""
        frames = _stack.frames
        if frames.count(key) >= MOST_REPEATS:
            raise self._endless("for the same types")
        if len(frames) >= sys.getrecursionlimit() // FRAMES_EACH:
            raise self._endless(f"{len(frames)} deep")
        frames.append(key)
        try:
            return action()
        except NeedsOuter:
            raise
        except Exception as error:
            _annotate(error, f"while tracing {self.described(call, types, paths)}")
            raise
        finally:
            frames.pop()

    def described(self, call: Call, types: Sequence[Kind | str], paths: Sequence[str]) -> str:
        """`f(x: tensor<?xf64>, n=3)`."""
        shown = [f"{path}: {type}" for path, type in zip(paths, types, strict=True)]
        shown += self.binder.statics(call.structure)
        if len(shown) > MOST_SHOWN:
            shown = [*shown[:MOST_SHOWN], f"... {len(shown) - MOST_SHOWN} more"]
        return f"{self.name}({', '.join(shown)})"

    def _endless(self, why: str) -> TensorcError:
        return TensorcValueError(
            f"{self.name} calls itself while it is traced, {why}",
            code="TC0490",
            location=self.location,
            help="a recursion ends where a static argument says so: tc.jit(static_argnames='depth'); one "
            "that depends on values of arrays is a loop; sys.setrecursionlimit allows deeper ones",
        )


def code_of(function: Any) -> CodeType | None:
    """The code of the Python function behind wrappers, partials and bound methods."""
    seen = 0
    while seen < 100:
        inner = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
        inner = inner or getattr(function, "__func__", None)
        if inner is None:
            break
        function, seen = inner, seen + 1
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _outputs(structure: pytree.Structure) -> Outputs:
    """The plainest form that tells the structure: the native entry builds all but trees by itself."""
    if structure == (pytree.LEAF,):
        return Outputs("one")
    kind, _, _ = structure[0]
    if kind is type(None):
        return Outputs("none")
    if kind in (list, tuple) and all(token is pytree.LEAF for token in structure[1:]):
        return Outputs("list" if kind is list else "tuple")
    return Outputs("tree", structure=structure)


def _described(leaf: Any) -> str:
    if isinstance(leaf, Constant):
        return str(kind_of(leaf.value)) if leaf.weak is None else leaf.weak
    return leaf.weak or str(leaf.type)


def _identity(leaf: Any) -> Hashable:
    """What an inlined call can depend on: the type of a symbol, the value of a literal."""
    if isinstance(leaf, Constant):
        return leaf.type, leaf.weak, leaf.value.tobytes() if leaf.value.size < MOST_COMPARED else id(leaf)
    return leaf.type, leaf.weak


def _annotate(error: Exception, note: str) -> None:
    """A note in the way of each kind of error, on the innermost few functions only."""
    if isinstance(error, TensorcError):
        given = [n for n in error.notes if n.startswith("while tracing")]
        if len(given) < MOST_NOTES and note not in given:
            valueless = error.code in _NEED_VALUES and not given
            remark = "; only static arguments (static_argnames=) have values then" if valueless else ""
            error.notes = (*error.notes, note + remark)
    elif len(getattr(error, "__notes__", ())) < MOST_NOTES:
        error.add_note(f"tensorc: {note}")
