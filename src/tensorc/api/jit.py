"""`tc.jit`: Python functions on arrays, traced when first called and compiled, one body for every form of
call.

The object `tc.jit` returns is of the native entry's type. A call goes to the compiled body used last, in
machine code, and so do calls of the last forms with containers, keywords and Python numbers; any other comes
to the `Dispatcher`, which takes the arguments apart, looks up the body for their form, and traces one if
there is none.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sys
import threading
import types
import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import Any, Final, overload

from tensorc.api import jit_call
from tensorc.api.expr import Expr
from tensorc.api.function import Function, compile_program
from tensorc.api.jit_call import Binder, Call, Kind
from tensorc.api.jit_trace import NeedsOuter, Traceable, tracing
from tensorc.api.modes import Mode, as_mode
from tensorc.api.native_forms import form_of_call, lasts
from tensorc.codegen_llvm.entry import DispatcherBase, FunctionBase, new_dispatcher
from tensorc.codegen_llvm.native import for_form
from tensorc.ir.core import Operation
from tensorc.ir.errors import TensorcTypeError
from tensorc.ir.location import caller_location, warn_user

WARN_AT: Final = 32
"""So many traces of one function are a sign that something changes with every call."""
MOST_VARIANTS: Final = 256
"""The oldest trace goes when there are more."""
MOST_FORMS: Final = 64
"""Ways to write a call that lead to one trace, each with its own shortcut."""
MOST_RECENT: Final = 4
"""Shortcuts that the native entry tries."""


def _answer(direct: Callable[..., Any], kinds: Sequence[Kind], *leaves: Any) -> Any:
    return direct(*[jit_call.native(leaf, kind) for leaf, kind in zip(leaves, kinds, strict=True)])


class Variant:
    """One trace of a function: the form of call it is for (`f(x: tensor<?xf64>, n=3)`), and its compiled
    body.
    """

    def __init__(self, form: str, function: Function, kinds: Sequence[Kind]) -> None:
        self.form = form
        self.function = function
        self._answer = partial(_answer, function.direct, tuple(kinds))
        self._kinds = tuple(kinds)
        self._for_forms: dict[Hashable, FunctionBase | None] = {}

    @property
    def calls(self) -> int:
        """Calls it has answered."""
        counts = self.function.counts()
        return counts["fast"] + counts["generic"]

    def source(self, stage: str = "tensor", **options: str) -> str:
        """Its text at a stage, as `Function.source`."""
        return self.function.source(stage, **options)

    def module(self, stage: str = "tensor") -> Operation:
        """Its IR at a stage, as `Function.module`."""
        return self.function.module(stage)

    def answer(self, leaves: Sequence[Any]) -> Any:
        """The result for the leaves of a call of this form."""
        return self._answer(*leaves)

    def for_calls_like(
        self, binder: Binder, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> FunctionBase | None:
        """The function to try first after such a call, if the native entry can take it apart."""
        static = [v for i, v in enumerate(args) if i in binder.positions]
        static += [v for name, v in kwargs.items() if name in binder.names]
        if not all(map(lasts, static)):
            return None
        key = (len(args), *kwargs, *map(id, static))  # which the form keeps alive
        if key not in self._for_forms:
            form = form_of_call(binder, args, kwargs, self._kinds)
            made = None if form is None else for_form(self.function, form, self._answer)
            if len(self._for_forms) >= MOST_FORMS:
                self._for_forms.clear()
            self._for_forms[key] = made
        return self._for_forms[key]

    def __repr__(self) -> str:
        return f"<{self.form}: {self.calls} calls>"


class _Pending:
    """A form that some thread is tracing now."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.process = os.getpid()


class Dispatcher:
    """The compiled variants of one function, and the way from a call to its variant."""

    def __init__(self, target: Traceable, mode: Mode) -> None:
        self.target, self.mode = target, mode
        self.variants: dict[Any, Variant] = {}
        self._pending: dict[Any, _Pending] = {}
        self._face: weakref.ref[FunctionBase] | None = None
        self._plain: FunctionBase | None = None
        self._recent: list[FunctionBase] = []
        self._traces = self._inlined = self._gone = 0
        self._warned = False

    def show(self, face: FunctionBase) -> None:
        """Say which object users call."""
        self._face = weakref.ref(face)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The function's result: computed, or an expression if an argument is one."""
        bound = self.target.binder.bind(args, kwargs)
        kinds = jit_call.kinds_of(bound, lambda: self._labels(bound))
        if kinds is None:
            return self._inline(bound)
        try:
            variant = self.variant(bound, kinds)
        except NeedsOuter:
            return self._inline(bound)
        if bound.plain:
            self._plain = variant.function
            self._line_up()
        else:
            self._put_first(variant.for_calls_like(self.target.binder, args, kwargs))
        return variant.answer(bound.leaves)

    def find(self, args: tuple[Any, ...], kwargs: dict[str, Any], what: str) -> Variant:
        """The variant that would answer this call, traced now if there is none. Without arguments, the
        latest.
        """
        if not args and not kwargs and self.variants:
            return next(reversed(self.variants.values()))
        bound = self.target.binder.bind(args, kwargs)
        kinds = jit_call.kinds_of(bound, lambda: self._labels(bound))
        if kinds is None:
            raise TensorcTypeError(
                f"{self.target.name}.{what}: arguments that choose a body are values, not symbols",
                code="TC0492",
                location=caller_location(),
                help="pass arrays of the shapes and dtypes that the function is called with",
            )
        try:
            return self.variant(bound, kinds)
        except NeedsOuter:
            raise TensorcTypeError(
                f"{self.target.name}.{what}: {self.target.name} uses values of a trace under way",
                code="TC0492",
                location=caller_location(),
                help="ask for it outside the traced function",
            ) from None

    def variant(self, call: Call, kinds: Sequence[Kind]) -> Variant:
        """The variant for a form of call. Of several threads that need a new one, one traces and the others
        wait; after a failure, which leaves nothing behind, each tries for itself.
        """
        key = (call.structure, tuple(kinds))
        while True:
            found = self.variants.get(key)
            if found is not None:
                return found
            mine = _Pending()
            theirs = self._pending.setdefault(key, mine)
            if theirs is mine:
                return self._traced(key, call, kinds, mine)
            if theirs.process != mine.process:  # its thread did not survive a fork
                self._pending.pop(key, None)
            elif tracing():  # two traces that wait for each other would do so for ever
                return self._made(key, call, kinds)
            else:
                theirs.done.wait()

    def _traced(self, key: Hashable, call: Call, kinds: Sequence[Kind], mine: _Pending) -> Variant:
        try:
            return self.variants.get(key) or self._made(key, call, kinds)
        finally:
            self._pending.pop(key, None)
            mine.done.set()

    def _made(self, key: Hashable, call: Call, kinds: Sequence[Kind]) -> Variant:
        target = self.target
        program = target.trace(call, kinds)
        function = compile_program(program, self.mode, slow=_back_to(self))
        form = target.described(call, kinds, self._labels(call))
        made = self.variants.setdefault(key, Variant(form, function, kinds))
        self._traces += 1
        while len(self.variants) > MOST_VARIANTS:
            oldest = self.variants.pop(next(iter(self.variants)), None)
            self._gone += 0 if oldest is None else oldest.calls
        self._warn()
        return made

    def _inline(self, call: Call) -> Any:
        self._inlined += 1
        return self.target.inline(call)

    def _put_first(self, function: FunctionBase | None) -> None:
        """Have the native entry try a function of a form before others."""
        if function is None:
            return
        others = [other for other in self._recent if other is not function]
        self._recent = [function, *others][:MOST_RECENT]
        self._line_up()

    def _line_up(self) -> None:
        """Say which function the native entry tries first, and which after that. Nobody is kept from calling
        meanwhile: it may find any of them in any order, and tries only so many.
        """
        face = None if self._face is None else self._face()
        line = [*self._recent, *([] if self._plain is None else [self._plain])]
        if face is None or not line:
            return
        for function, following in itertools.zip_longest(self._recent, line[1:]):
            if following is not None:
                function._direct = following
            elif hasattr(function, "_direct"):
                del function._direct
        face._direct = line[0]

    def _labels(self, call: Call) -> list[str]:
        return self.target.binder.paths(call.structure)

    def _warn(self) -> None:
        if self._traces < WARN_AT or self._warned:
            return
        self._warned = True
        last = [v.form for v in list(self.variants.values())[-2:]]
        warn_user(
            f"{self.target.name} has been traced {self._traces} times, each for another form of call; the "
            f"latest: {', '.join(last)}. A static argument that changes with every call costs a compile each "
            "time: pass it as an ordinary one",
            RuntimeWarning,
        )

    def clear(self) -> None:
        """Forget all variants; code that runs is freed when it has finished."""
        face = None if self._face is None else self._face()
        if face is not None:
            with contextlib.suppress(AttributeError):  # no call has filled the slot yet
                del face._direct
        self.variants, self._plain, self._recent = {}, None, []
        self._traces = self._inlined = self._gone = 0

    def stats(self) -> dict[str, int]:
        """Traces made, calls answered by compiled code, calls inlined."""
        calls = self._gone + sum(v.calls for v in list(self.variants.values()))
        return {"traces": self._traces, "calls": calls, "inlined": self._inlined}


def _back_to(dispatcher: Dispatcher) -> Callable[..., Any]:
    """The slow path of a variant: whatever its body does not take goes to the dispatcher, which it must not
    keep alive.
    """
    reference = weakref.ref(dispatcher)

    def slow(direct: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found = reference()
        assert found is not None, "the object that was called keeps it"
        return found.call(*args, **kwargs)

    return slow


class Jitted(DispatcherBase):
    """What `tc.jit` returns: call it with arrays, numbers, and nested containers of them; or with symbols."""

    _dispatcher: Dispatcher
    _options: tuple[Any, ...]
    __name__: str
    __qualname__: str

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The traces so far, oldest first: each has `form`, `calls`, `source(stage)` and `module(stage)`."""
        return tuple(self._dispatcher.variants.values())

    def stats(self) -> dict[str, int]:
        """How many `traces` were made, `calls` answered by compiled code, and calls `inlined` into
        expressions.
        """
        return self._dispatcher.stats()

    def source(self, stage: str = "tensor", /, *args: Any, **kwargs: Any) -> str:
        """The text at a stage (`tensor fused loops llvm asm ptx`) of the body that answers a call with these
        arguments; without any, of the latest.
        """
        return self._dispatcher.find(args, kwargs, "source").source(stage)

    def module(self, stage: str = "tensor", /, *args: Any, **kwargs: Any) -> Operation:
        """The IR at a stage (`tensor fused loops`) of the body that answers a call with these arguments."""
        return self._dispatcher.find(args, kwargs, "module").module(stage)

    def clear(self) -> None:
        """Forget all traces and free their code."""
        self._dispatcher.clear()

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """A function that its module knows by name travels by name, any other as function and options; so
        does one of a script or notebook for cloudpickle, because other processes do not have that module.
        """
        pickler = sys._getframe(1).f_globals.get("__name__", "")
        if self.__module__ == "__main__" and "cloudpickle" in pickler:
            return _rebuilt, self._options
        found: Any = sys.modules.get(self.__module__)
        for part in self.__qualname__.split("."):
            found = getattr(found, part, None)
        return self.__qualname__ if found is self else (_rebuilt, self._options)

    def __copy__(self) -> Jitted:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Jitted:
        return self

    def __repr__(self) -> str:
        return f"<tensorc jit {self.__qualname__}{self._dispatcher.target.binder.signature}>"


@overload
def jit(
    function: Callable[..., Any],
    *,
    static_argnums: int | Iterable[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    mode: Mode | str | None = None,
    name: str | None = None,
) -> Jitted: ...
@overload
def jit(
    function: None = None,
    *,
    static_argnums: int | Iterable[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    mode: Mode | str | None = None,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Jitted]: ...
def jit(
    function: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Iterable[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    mode: Mode | str | None = None,
    name: str | None = None,
) -> Any:
    """Compile a Python function of arrays: `@tc.jit`, `@tc.jit(static_argnums=1)`, or `tc.jit(fn)`.

    The first call runs `function` on symbols and compiles what it returns; later calls run compiled code. It
    is traced again for another structure of the arguments, another rank, dtype, or static value, never for
    another shape. Arguments and results are arrays, numbers, and pytrees of them: lists, tuples, named
    tuples, dictionaries, dataclasses, None, and classes given to `tc.register_pytree_node`. Results are
    arrays, never numbers.

    Python numbers stay weak, as in NumPy 2: with a float32 array they give float32. They are not compiled in:
    another number is no new trace. An int that is out of range for the dtype it meets raises
    TensorcOverflowError, also where that shows only at the call. bool is not weak.

    A default that a call does not override is no argument: the function sees the default itself, and may look
    at it. Static arguments are ordinary Python values that the function may look at. They are compared by
    type and value and must be hashable. Everything else that the function reads besides its arguments is read
    once, when it is traced; shared variables are read at every call, and their default updates happen at
    every call.

    Called with symbols, also inside a function that is being traced, it is inlined: it returns expressions.

    Raises TensorcTypeError for arguments or results that are no arrays, TensorcValueError for traced values
    that were kept and used later and for endless recursion, and whatever the function raises while it is
    traced, with a note on the types it was traced for.
    """
    options = (static_argnums, static_argnames, mode, name)
    if function is None:
        return lambda found: _jitted(found, *options)
    return _jitted(function, *options)


def _rebuilt(function: Any, *options: Any) -> Jitted:
    return _jitted(function, *options)


def _jitted(function: Any, static_argnums: Any, static_argnames: Any, mode: Any, name: Any) -> Jitted:
    if not callable(function) or isinstance(function, type | Expr):
        raise TensorcTypeError(
            f"jit takes a function, got {type(function).__name__}",
            code="TC0493",
            location=caller_location(),
            help="@tc.jit above a def; options by name: @tc.jit(static_argnums=1)",
        )
    if name is not None and not (isinstance(name, str) and name.isprintable() and not {*name} & {*'"\\'}):
        raise TensorcTypeError(
            f"jit: the name is {name!r}; a name is printable text without quotes and backslashes",
            code="TC0494",
            location=caller_location(),
            help="name='loss'",
        )
    shown = str(name or getattr(function, "__name__", type(function).__name__))
    binder = Binder(function, shown, static_argnums, static_argnames)
    dispatcher = Dispatcher(Traceable(function, shown, binder), as_mode(mode))
    made = new_dispatcher(Jitted, dispatcher.call)
    dispatcher.show(made)
    made._dispatcher = dispatcher
    made._options = (function, static_argnums, static_argnames, mode, name)
    made.__name__ = made.__qualname__ = shown
    functools.update_wrapper(made, function)
    return made
