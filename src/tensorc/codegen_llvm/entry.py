"""The native entry (`entry.ll`): compiling it once, the vectorcall type of compiled functions, and the
context of one function.
"""

from __future__ import annotations

import ctypes
import itertools
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from tensorc.codegen_llvm import entry_layout as layout
from tensorc.codegen_llvm import jit, loading, runtime_symbols
from tensorc.codegen_llvm.abi import ArraySpec, Signature, Words
from tensorc.codegen_llvm.entry_layout import CONTEXT, WORD
from tensorc.codegen_llvm.objects import ObjectCode
from tensorc.ir.errors import InternalError
from tensorc.runtime import memory, threads
from tensorc.runtime.cell import Cell, closed_gate, use_helpers

if TYPE_CHECKING:
    from tensorc.codegen_llvm.native import Machine

F = TypeVar("F", bound="FunctionBase")
D = TypeVar("D", bound="DispatcherBase")
FILES = {
    "entry.ll": 1,
    "entry_rare.ll": 0,
    "entry_bind.ll": 1,
    "entry_claim.ll": 0,
    "entry_tree.ll": 1,
    "entry_small.ll": 1,
    "threads.ll": 1,
    "threads_linux.ll" if sys.platform == "linux" else "threads_plain.ll": 1,
    "bodies.ll": 1,
    "memory.ll": 1,
    "memory_linux.ll" if sys.platform == "linux" else "memory_plain.ll": 0,
}
"""The files, with the code generator's level: the better one for what every call runs."""
_CALLS = ("call", "dispatch", "release", "invoke")
_CELLS = ("wait", "snapshot", "commit", "claim")
_MEMORY = ("release", "hold", "figures", "handler", "handler_record")
_THREADS = ("parallel", "threads", "worker", "retire")
_BODIES = ("alloc", "free", "poll", "hold", "drop", "drop_all", "times", "look_up", "loop", "copy")
"""What bodies call."""
EXPORTS = tuple(
    f"tensorc_{name}"
    for name in (*_CALLS, *_CELLS, *(f"memory_{name}" for name in _MEMORY), *_THREADS, *_BODIES)
)


class FunctionBase:
    """What every compiled function is. A class derived from it adds methods and attributes; `function_type`
    makes it callable from C.

    The slots: the capsule that owns the context, the function that takes native arrays only, the callbacks
    the context borrows (in a tuple, which the garbage collector never empties), the Python slow path (unset
    in `direct`), what `direct` shares with it, and the form of call whose leaves it takes, if a dispatcher
    takes calls apart for it; then the second is what the dispatcher tries next.
    """

    __slots__ = ("__dict__", "__weakref__", "_context", "_direct", "_form", "_holds", "_slow", "_state")

    if TYPE_CHECKING:
        _context: object
        _direct: Callable[..., Any]
        _form: bytes
        _holds: tuple[object, ...]
        _slow: Callable[..., Any]
        _state: Machine

        def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...

    @property
    def direct(self) -> Callable[..., Any]:
        """The same function without a slow path: takes positional arrays in native form, TypeError for
        anything else.
        """
        return self._direct

    @property
    def machine(self) -> Machine:
        """Its compiled bodies, cells and constants."""
        return self._state

    def counts(self) -> dict[str, int]:
        """How many calls each path has answered: "fast", "generic", and how many of these went through "slow"
        first.
        """
        return self._state.context.counts()


class DispatcherBase(FunctionBase):
    """The base of what `new_dispatcher` makes: the entry is loaded by the first call, not by a decorator."""

    __slots__ = ()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """What Python calls while there is no vectorcall."""
        set_vectorcall(self, "tensorc_dispatch")
        return self(*args, **kwargs)


# ---------------------------------------------------------------------------------------- the shared library

_GET = re.compile(r"^  (%[\w.]+) = get (\w+), ([%@][\w.]+), (\w+)$", re.M)
_PUT = re.compile(r"^  put (\w+) (\S+), ([%@][\w.]+), (\w+)$", re.M)
_TEXT = re.compile(r'^text (@[\w.]+) = "(.*)"$', re.M)
_NAME = re.compile(r"\$(\w+)")


def expand(source: str, names: dict[str, int | str]) -> str:
    """`entry.ll` without its abbreviations. Raises KeyError for an unknown name."""
    count = itertools.count()

    def place(base: str, field: str) -> tuple[str, str]:
        name = f"%field.{next(count)}"
        return name, f"  {name} = getelementptr i8, ptr {base}, i64 {names[field]}\n"

    def get(m: re.Match[str]) -> str:
        value, kind, base, field = m.groups()
        name, line = place(base, field)
        return f"{line}  {value} = load {kind}, ptr {name}"

    def put(m: re.Match[str]) -> str:
        kind, value, base, field = m.groups()
        name, line = place(base, field)
        return f"{line}  store {kind} {value}, ptr {name}"

    def text(m: re.Match[str]) -> str:
        name, value = m.groups()
        return f'{name} = internal constant [{len(value) + 1} x i8] c"{value}\\00"'

    for pattern, replace in ((_GET, get), (_PUT, put), (_TEXT, text)):
        source = pattern.sub(replace, source)
    return _NAME.sub(lambda m: str(names[m.group(1)]), source)


@cache
def library() -> dict[str, int]:
    """Addresses of the shared functions, compiled now if this is the first need. They live as long as the
    process.
    """
    names = layout.names(FunctionBase)

    def compile() -> tuple[ObjectCode, ...]:
        together: dict[int, list[str]] = {}
        for file, level in FILES.items():
            text = Path(__file__).with_name(file).read_text(encoding="utf-8")
            together.setdefault(level, []).append(expand(text, names))
        # No optimiser, it takes longer than it gains in code written out by hand.
        return tuple(
            jit.compile_text(texts, level=0, machine_level=level) for level, texts in together.items()
        )

    from tensorc.codegen_llvm import cache as cached  # imported by the first compile

    code, _ = cached.obtain(
        lambda: ["native entry", repr(sorted(names.items()))],  # the files are sources of ours
        "the native entry",
        "",
        compile,
        lambda parts: loading.load(*parts, exports=EXPORTS),
    )
    ctypes.pythonapi.Py_IncRef(
        ctypes.py_object(code)
    )  # functions may be called while the interpreter shuts down
    use_helpers(code.addresses)
    memory.use(code.addresses, hand_out=layout.handlers_agree())
    threads.use(code.addresses)
    return code.addresses


runtime_symbols.provide(tuple(f"tensorc_{name}" for name in (*_BODIES, "parallel", "claim")), library)

# -------------------------------------------------------------------------------------------------- the type


class _Member(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("pfunc", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]


_T_PYSSIZET, _READONLY = 19, 1
_TP_CALL, _TP_MEMBERS = 50, 72
_HAVE_VECTORCALL = 1 << 11
_types: dict[tuple[type, bool], tuple[type, object]] = {}


def function_type(base: type[F]) -> type[F]:
    """The callable type with the methods of `base`: made once with PyType_FromSpec, because only such a type
    keeps its vectorcall slot.

    Where the native entry is not supported, a Python class whose calls all take the slow path.
    """
    key = base, layout.unsupported() is None
    if key not in _types:
        _types[key] = _native_type(base) if key[1] else (_python_type(base), None)
    return _types[key][0]


def _python_type(base: type[FunctionBase]) -> type:
    def call(self: FunctionBase, /, *args: object, **kwargs: object) -> object:
        return self._slow(*args, **kwargs)

    return type(base.__name__, (base,), {"__slots__": (), "__call__": call, "__module__": base.__module__})


def _native_type(base: type[FunctionBase]) -> tuple[type, object]:
    """The type, and what it refers to. Without a vectorcall an instance is an error to call, or it has the
    `__call__` of `base`: a slot for calls would hide that, and the flag asks for such a slot, so the flag is
    set afterwards.
    """
    offset = int(base.__basicsize__)
    members = (_Member * 2)(_Member(b"__vectorcalloffset__", _T_PYSSIZET, offset, _READONLY, None), _Member())
    table, flags = [_Slot(_TP_MEMBERS, ctypes.addressof(members))], 0
    if not issubclass(base, DispatcherBase):
        call = ctypes.cast(ctypes.pythonapi.PyVectorcall_Call, ctypes.c_void_p).value
        table, flags = [*table, _Slot(_TP_CALL, call)], _HAVE_VECTORCALL
    slots = (_Slot * 3)(*table)
    name = f"{base.__module__}.{base.__qualname__}".encode()
    spec = _Spec(name, offset + WORD, 0, flags, slots)
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object)(
        ("PyType_FromSpecWithBases", ctypes.pythonapi)
    )
    made: type = make(ctypes.addressof(spec), (base,))
    layout.set_flags(made, _HAVE_VECTORCALL)
    return made, (members, slots, name, spec)


def set_vectorcall(function: FunctionBase, entry: Literal["tensorc_call", "tensorc_dispatch"]) -> None:
    """Make an instance of a native `function_type` answer calls; its slots are filled."""
    place = id(function) + type(function).__basicsize__ - WORD
    ctypes.c_void_p.from_address(place).value = library()[entry]


def new_dispatcher(base: type[D], slow: Callable[..., Any]) -> D:
    """A callable whose calls go to the compiled function in its slot `_direct`, which may be exchanged at any
    time, also during a call; and to `slow(*args, **kwargs)` while there is none.
    """
    made = function_type(base)
    function = made.__new__(made)
    function._slow = slow
    return function


# ----------------------------------------------------------------------------------------------- the context


@dataclass(frozen=True)
class Callbacks:
    """The Python side of a function. The context borrows these, so the function keeps them in a slot the
    collector can see.
    """

    on_error: Callable[[int, int, int, int], Any]
    load_generic: Callable[[], Any]
    wrap: Callable[[Any], Any] | None
    watch: Callable[..., Any] | None = None
    siblings: list[FunctionBase] = field(default_factory=list)
    """Functions whose contexts are tried first: those of `Context.prefer`."""


@dataclass(frozen=True)
class Binding:
    """What a call may leave to the entry: the name of every input ("" for one that is passed by position
    only), and its default, an array in native form, or None; `by_name`, whether there are keywords at all,
    such as `out=`.
    """

    names: tuple[str, ...]
    defaults: tuple[np.ndarray[Any, Any] | None, ...]
    by_name: bool = True

    @staticmethod
    def strict(inputs: int) -> Binding:
        """All by position."""
        return Binding(("",) * inputs, (None,) * inputs, by_name=False)


class Context:
    """The memory `entry.ll` reads for one function. Owns what only machine code refers to; knows none of the
    Python callbacks as objects.
    """

    def __init__(
        self,
        name: str,
        signature: Signature,
        cells: Sequence[Cell],
        constants: Sequence[np.ndarray[Any, Any]],
        callbacks: Callbacks,
        gil_bytes: int,
        binding: Binding,
        tree: Words | None = None,
    ) -> None:
        self._keep: list[object] = [signature, *constants, binding, tree]
        self._siblings: list[Context] = []
        self._words = np.zeros(len(CONTEXT), np.int64)
        self.address = int(self._words.ctypes.data)
        self._name = ctypes.create_string_buffer(name.encode())
        bare_one = signature.result == "one" and callbacks.wrap is None
        fields = {
            "NAME": ctypes.addressof(self._name),
            "GIL_BYTES": gil_bytes,
            "RESULT_FORM": layout.RESULT_ONE_BARE if bare_one else layout.RESULT_FORMS[signature.result],
            "ON_ERROR": id(callbacks.on_error),
            "LOADER": id(callbacks.load_generic),
            "WRAP": 0 if callbacks.wrap is None else id(callbacks.wrap),
            "WATCH": 0 if callbacks.watch is None else id(callbacks.watch),
            **self._counts(signature),
            **self._arrays(signature, cells, constants),
            **self._binding(binding),
            "KEYS": self._block([id(key) for key in signature.keys]),
            **self._tree(tree),
        }
        for name_of_field, value in fields.items():
            self._set(name_of_field, value)

    def _tree(self, tree: Words | None) -> dict[str, int]:
        """The entry builds the result's containers itself, in place of the wrapper."""
        if tree is None:
            return {}
        return {"RESULT_FORM": layout.RESULT_TREE, "KEYS": self._block(tree.words), "WRAP": 0}

    def _set(self, field: str, value: int) -> None:
        self._words[CONTEXT[field] // WORD] = value

    def _block(self, words: Sequence[int]) -> int:
        """A block of memory with these words, as long-lived as the context; its address."""
        block = np.array([*words, 0], dtype=np.int64)
        self._keep.append(block)
        return int(block.ctypes.data)

    def _counts(self, signature: Signature) -> dict[str, int]:
        s = signature
        return {
            "N_INPUTS": len(s.inputs),
            "N_CELLS": len(s.cells),
            "N_CONSTANTS": len(s.constants),
            "N_ARGUMENTS": len(s.arguments),
            "N_OUTPUTS": len(s.outputs),
            "N_RESULTS": s.results,
            "N_UPDATES": len(s.updates),
            "N_BOXES": len(s.cells) if s.updates else 0,
            "N_EXTENTS": sum(out.rank for out in s.outputs),
            "N_WORDS": sum(out.rank + 1 for out in s.outputs) + 1,
        }

    def _binding(self, binding: Binding) -> dict[str, int]:
        names = [sys.intern(name) if name else None for name in binding.names]
        out = sys.intern("out")
        self._keep += [*names, out]
        takes_out = binding.by_name and out not in names
        return {
            "NAMES": self._block([0 if name is None else id(name) for name in names]),
            "DEFAULTS": self._block([0 if value is None else id(value) for value in binding.defaults]),
            "OUT_NAME": id(out) if takes_out else 0,
        }

    def _arrays(
        self, s: Signature, cells: Sequence[Cell], constants: Sequence[np.ndarray[Any, Any]]
    ) -> dict[str, int]:
        pointers = len(s.arguments) + max(len(s.outputs) + 1, 2)
        extents_at = layout.FRAME_HEAD + WORD * pointers
        refs_at = extents_at + WORD * (sum(out.rank for out in s.outputs) + 1 + len(s.outputs))
        bound_at = refs_at + WORD * (len(s.cells) + len(s.outputs))
        place = bound_at + WORD * (len(s.inputs) + max(s.results, 1))
        varying = s.inputs + s.cells
        inputs = self._specs(varying, place)
        place += sum(map(layout.room, varying))
        outputs = self._specs(s.outputs, place)
        place += sum(map(layout.room, s.outputs))
        return {
            "INPUT_SPECS": inputs,
            "OUTPUT_SPECS": outputs,
            "EXTENTS_AT": extents_at,
            "REFS_AT": refs_at,
            "BOUND_AT": bound_at,
            "FRAME_BYTES": place,
            "CELLS": self._block([id(cell) for cell in cells]),
            "BOXES": self._block([cell.box for cell in cells] if s.updates else []),
            "CLOSED_GATE": closed_gate(),
            "CONSTANTS": self._block([self._block(layout.descriptor(array)) for array in constants]),
            "UPDATES": self._block([n for pair in s.updates for n in pair]),
        }

    def _specs(self, specs: Sequence[ArraySpec], place: int) -> int:
        _, table = layout.spec_words(specs, 0, place)
        records, _ = layout.spec_words(specs, self._block(table), place)
        return self._block(records)

    def install(self, kind: str, shapes: int, body: int) -> None:
        """Give the context its "FAST" or "GENERIC" body. The body comes last: its presence is what the entry
        tests.
        """
        self._set(f"{kind}_SHAPES", shapes)
        self._set(f"{kind}_BODY", body)

    def prefer(self, sibling: Context) -> None:
        """Try another context first, which must live as long as this one; then those preferred before."""
        sibling._set("SIBLING", int(self._words[CONTEXT["SIBLING"] // WORD]))
        self._siblings.append(sibling)
        self._set("SIBLING", sibling.address)

    def counts(self) -> dict[str, int]:
        """How many calls the "fast" and the "generic" body have answered, and how many came "slow"."""
        own = {
            kind: int(self._words[CONTEXT[f"COUNT_{kind.upper()}"] // WORD])
            for kind in ("fast", "generic", "slow")
        }
        return {kind: n + sum(s.counts()[kind] for s in self._siblings) for kind, n in own.items()}

    def count(self, kind: str) -> None:
        """One more call; for the Python entry."""
        self._words[CONTEXT[f"COUNT_{kind.upper()}"] // WORD] += 1


def make_capsule(context: Context, owner: object) -> object:
    """A capsule around the context's address that keeps `owner` alive, unseen by the garbage collector (see
    `tensorc_release`).
    """
    new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
        ("PyCapsule_New", ctypes.pythonapi)
    )
    hold = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.py_object)(
        ("PyCapsule_SetContext", ctypes.pythonapi)
    )
    capsule = new(context.address, None, library()["tensorc_release"])
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))
    if hold(capsule, owner) != 0:
        raise InternalError("PyCapsule_SetContext failed")
    return capsule
