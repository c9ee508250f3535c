"""Compiled functions as Python objects: LLVM text of a body, or its object code, in; a callable out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

import numpy as np

from tensorc.codegen_llvm import entry, entry_layout, jit, loading
from tensorc.codegen_llvm.abi import Signature, Words
from tensorc.codegen_llvm.entry import Binding, Callbacks, Context, FunctionBase, function_type
from tensorc.codegen_llvm.entry_python import PythonEntry
from tensorc.codegen_llvm.objects import ObjectCode
from tensorc.ir.errors import InternalError
from tensorc.runtime.cell import Cell

Array = np.ndarray[Any, np.dtype[Any]]
F = TypeVar("F", bound=FunctionBase)
Slow = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
OnError = Callable[[int, int, int, int], Any]
Generic = Callable[[], "NativeBody"]

GIL_BYTES = 1 << 17
"""A call on more bytes than this, inputs and outputs together, releases the GIL. Releasing costs about 45 ns,
a body at least ten times that for so much data; a body that does more per byte deserves a lower limit.
"""


class NativeBody:
    """One body of a function, loaded from its object code, whose exports are the packed forms of the shape
    function and of the body, `i32 (ptr array of descriptor pointers)`: here are their addresses.

    Raises InternalError if the code cannot be loaded.
    """

    __slots__ = ("__weakref__", "_code", "body_address", "object_code", "shapes_address")

    def __init__(self, code: ObjectCode) -> None:
        self.object_code = code
        self._code = loading.load(code)
        self.shapes_address, self.body_address = (self._code[name] for name in code.exports)


def compile_object(name: str, llvm_text: str, signature: Signature, *, level: int) -> ObjectCode:
    """Compile the text that defines `@NAME` and `@NAME_shapes`. Raises InternalError if LLVM rejects it."""
    text = packed_text(name, llvm_text, signature)
    return jit.compile_text(text, level=level, exports=exports_of(name))


def compile_body(name: str, llvm_text: str, signature: Signature, *, level: int) -> NativeBody:
    """`compile_object`, loaded."""
    return NativeBody(compile_object(name, llvm_text, signature, level=level))


def exports_of(name: str) -> tuple[str, str]:
    """The symbols that the object code of a function's body defines."""
    return f"{name}_shapes.packed", f"{name}.packed"


def packed_text(name: str, llvm_text: str, signature: Signature) -> str:
    """The text with the packed forms of its two functions, which are what gets called."""
    if not name or any(c in name for c in '"\\\n'):
        raise ValueError(f"{name!r} cannot be the name of a function in LLVM IR")
    arguments = len(signature.arguments)
    counts = {f"{name}_shapes": arguments + 2, name: arguments + len(signature.outputs) + 1}
    return "\n".join([llvm_text, *(_packed(each, count, llvm_text) for each, count in counts.items())])


def _packed(name: str, count: int, text: str) -> str:
    """A function that takes one array of pointers. The one that `text` defines is inlined into it, with its
    attributes, the width of its vectors among them: neither another function nor a call is left.
    """
    defined = re.search(rf'^define [^@]*@"?{re.escape(name)}"?\([^)]*\)([^{{]*)\{{', text, re.MULTILINE)
    flags = "nounwind" if defined is None else defined[1].strip()
    lines = [f'define i32 @"{name}.packed"(ptr %pointers) {flags} {{']
    for k in range(count):
        lines += [f"  %p{k} = getelementptr ptr, ptr %pointers, i64 {k}", f"  %a{k} = load ptr, ptr %p{k}"]
    arguments = ", ".join(f"ptr %a{k}" for k in range(count))
    return "\n".join(
        [*lines, f'  %code = call i32 @"{name}"({arguments}) alwaysinline', "  ret i32 %code", "}", ""]
    )


class Machine:
    """What a function and its `direct` share: context, bodies ("fast", "generic"), cells, constants.

    Owned by the function's capsule, out of the garbage collector's sight, so it must not lead to Python
    callbacks: a cycle through it would never be collected.
    """

    def __init__(
        self,
        name: str,
        signature: Signature,
        cells: Sequence[Cell],
        constants: Sequence[Array],
        context: Context,
    ) -> None:
        self.name, self.signature, self.context = name, signature, context
        self.cells, self.constants = tuple(cells), tuple(constants)
        self.bodies: dict[str, NativeBody] = {}

    def install(self, kind: str, body: NativeBody) -> None:
        """Use `body` as the "fast" or the "generic" one."""
        self.bodies[kind] = body
        self.context.install(kind.upper(), body.shapes_address, body.body_address)


@overload
def compile_native(
    name: str,
    llvm_text: str,
    signature: Signature,
    *,
    level: int,
    slow: Slow,
    on_error: OnError,
    cells: Sequence[Cell] = ...,
    constants: Sequence[Array] = ...,
    generic: Generic | None = ...,
    wrap: Callable[[Any], Any] | None = ...,
    gil_bytes: int = ...,
) -> FunctionBase: ...
@overload
def compile_native(
    name: str,
    llvm_text: str,
    signature: Signature,
    *,
    level: int,
    slow: Slow,
    on_error: OnError,
    cells: Sequence[Cell] = ...,
    constants: Sequence[Array] = ...,
    generic: Generic | None = ...,
    wrap: Callable[[Any], Any] | None = ...,
    gil_bytes: int = ...,
    base: type[F],
) -> F: ...
def compile_native(
    name: str,
    llvm_text: str,
    signature: Signature,
    *,
    level: int,
    slow: Slow,
    on_error: OnError,
    cells: Sequence[Cell] = (),
    constants: Sequence[Array] = (),
    generic: Generic | None = None,
    wrap: Callable[[Any], Any] | None = None,
    gil_bytes: int = GIL_BYTES,
    base: type[FunctionBase] = FunctionBase,
) -> FunctionBase:
    """Compile a body and make it callable.

    `llvm_text` defines `i32 @NAME(inputs, outputs, err)` and `i32 @NAME_shapes(inputs, err, extents)`. With
    `generic`, it is the fast body (contiguous arguments, may return 2) and `generic()` compiles the complete
    one when a call first needs it; without, it is complete itself.

    A call with positional exact ndarrays in native form runs no Python. Any other call goes to `slow(direct,
    args, kwargs)`, which converts and returns `direct(*arrays)`, in whatever form it likes. `on_error(site,
    index, value, extra)` must raise. `wrap(result)` makes the final result. `base` is a class derived from
    FunctionBase, whose methods the function has; every instance can carry attributes.

    Raises InternalError if LLVM rejects the text, TypeError if a cell or constant is not in native form.
    """
    body = compile_body(name, llvm_text, signature, level=level)
    return link_native(
        name,
        body,
        signature,
        slow=slow,
        on_error=on_error,
        cells=cells,
        constants=constants,
        generic=generic,
        wrap=wrap,
        gil_bytes=gil_bytes,
        base=base,
    )


def link_native(
    name: str,
    body: NativeBody,
    signature: Signature,
    *,
    slow: Slow,
    on_error: OnError,
    cells: Sequence[Cell] = (),
    constants: Sequence[Array] = (),
    generic: Generic | None = None,
    wrap: Callable[[Any], Any] | None = None,
    gil_bytes: int = GIL_BYTES,
    binding: Binding | None = None,
    tree: Words | None = None,
    watch: Callable[..., Any] | None = None,
    base: type[F],
) -> F:
    """`compile_native` for a body that is compiled already, here or from stored object code: functions may
    share one, with other cells or constants. `binding` says which arguments may be given by name, or left
    away; by default none. `tree` are the nodes of the containers that `wrap` makes, for the entry to do so.
    `watch(*args)` is asked now and then, before a call, and may `prefer` a sibling.
    """
    _check_arrays(name, signature, cells, constants)
    loader = _Loader(generic)
    callbacks = Callbacks(on_error, loader, wrap, watch)
    binding = binding or Binding.strict(len(signature.inputs))
    context = Context(name, signature, cells, constants, callbacks, gil_bytes, binding, tree)
    machine = loader.machine = Machine(name, signature, cells, constants, context)
    machine.install("generic" if generic is None else "fast", body)
    if entry_layout.unsupported():
        direct: Callable[..., Any] = PythonEntry(machine, callbacks)
        return _python_function(base, machine, callbacks, slow, direct)
    capsule = entry.make_capsule(context, machine)
    strict = _native_function(FunctionBase, machine, callbacks, capsule)
    function = _native_function(base, machine, callbacks, capsule)
    function._slow = _forward(slow, strict)
    function._direct = strict
    return function


def for_form(function: FunctionBase, form: Words, slow: Callable[..., Any]) -> FunctionBase | None:
    """The same function for a dispatcher's calls of one form, whose leaves it takes; `slow(*leaves)` has what
    is not in native form. None where the native entry is not supported.
    """
    if entry_layout.unsupported():
        return None
    made = function_type(FunctionBase)
    twin = made.__new__(made)
    twin._context, twin._state = function._context, function._state
    twin._holds = (*function._holds, form)
    twin._form = np.array(form.words, np.int64).tobytes()
    twin._slow = slow
    entry.set_vectorcall(twin, "tensorc_call")
    return twin


def _native_function(base: type[F], machine: Machine, callbacks: Callbacks, capsule: object) -> F:
    made = function_type(base)
    function = made.__new__(made)
    function._context, function._state = capsule, machine
    function._holds = _held(callbacks)
    entry.set_vectorcall(function, "tensorc_call")
    return function


def _held(callbacks: Callbacks) -> tuple[object, ...]:
    """What a context borrows."""
    return callbacks.on_error, callbacks.load_generic, callbacks.wrap, callbacks.watch, callbacks.siblings


def prefer(function: FunctionBase, sibling: FunctionBase) -> None:
    """Have calls of a native function go to a sibling that takes them first."""
    siblings = function._holds[4]
    assert isinstance(siblings, list)
    siblings.append(sibling)
    function.machine.context.prefer(sibling.machine.context)


def _python_function(
    base: type[F], machine: Machine, callbacks: Callbacks, slow: Slow, direct: Callable[..., Any]
) -> F:
    made = function_type(base)
    function = made.__new__(made)
    function._state, function._direct = machine, direct
    function._holds = _held(callbacks)
    function._slow = _forward(slow, direct)
    return function


def _forward(slow: Slow, direct: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        return slow(direct, args, kwargs)

    return forward


class _Loader:
    """Compiles the generic body once, when a call first needs it, whichever thread comes first."""

    machine: Machine

    def __init__(self, generic: Generic | None) -> None:
        self._generic = generic

    def __call__(self) -> None:
        with jit.compiling():
            if "generic" in self.machine.bodies:
                return
            if self._generic is None:
                raise InternalError(f"{self.machine.name}: there is no generic body")
            body = self._generic()
            # A signal handler may have called this function meanwhile: what it installed is in use.
            if "generic" not in self.machine.bodies:
                self.machine.install("generic", body)


def _check_arrays(name: str, signature: Signature, cells: Sequence[Cell], constants: Sequence[Array]) -> None:
    if len(cells) != len(signature.cells) or len(constants) != len(signature.constants):
        raise ValueError(f"{name}: {len(cells)} cells and {len(constants)} constants do not fit {signature}")
    if not all(isinstance(cell, Cell) for cell in cells):
        raise TypeError(f"{name}: a cell must be a tensorc.runtime.cell.Cell, which has a lock")
    if len(set(cells)) != len(cells):
        raise ValueError(f"{name}: the same cell twice")
    held = [(cell[0], spec) for cell, spec in zip(cells, signature.cells, strict=True)]
    for array, spec in [*held, *zip(constants, signature.constants, strict=True)]:
        problem = entry_layout.native_form(array, spec)
        if problem is not None:
            raise TypeError(f"{name}: {spec.name or 'an array'} is not in native form: {problem}")
    for array, spec in zip(constants, signature.constants, strict=True):
        if not array.flags.c_contiguous:
            raise TypeError(f"{name}: the constant {spec.name!r} is not C-contiguous")
