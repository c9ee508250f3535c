"""The entry in Python: the same steps as `entry.ll`, for processes where objects are not laid out as it
needs, and as its oracle in tests.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorc.codegen_llvm.abi import ASSUMPTION, FAILED, NO_MEMORY, OK, POLL, ArraySpec
from tensorc.codegen_llvm.entry_layout import descriptor, native_form
from tensorc.runtime.cell import commit, snapshot

if TYPE_CHECKING:
    from tensorc.codegen_llvm.entry import Callbacks
    from tensorc.codegen_llvm.native import Machine

Array = np.ndarray[Any, np.dtype[Any]]
_Packed = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)


class PythonEntry:
    """Calls the bodies of one function on arrays in native form. TypeError for any other argument."""

    def __init__(self, machine: Machine, callbacks: Callbacks) -> None:
        self._state, self._callbacks = machine, callbacks
        _long_call()  # compiled now, not in a call

    def __call__(self, *args: object) -> Any:
        inputs = self._state.signature.inputs
        if len(args) != len(inputs):
            raise TypeError(f"{self._state.name}: {len(args)} arguments, not {len(inputs)}")
        arrays = [_require(self._state.name, array, spec) for array, spec in zip(args, inputs, strict=True)]
        result = self._attempt(arrays, generic_only=False)
        return self._attempt(arrays, generic_only=True) if result is _AGAIN else result

    def _attempt(self, inputs: list[Array], generic_only: bool) -> Any:
        if not self._state.signature.updates:
            return self._finish(*self._run(inputs, snapshot(self._state.cells), generic_only), generic_only)
        with self._state.cells[self._state.signature.updates[0][0]].turn:  # saves work, see runtime/cell.py
            return self._update(inputs, generic_only)

    def _update(self, inputs: list[Array], generic_only: bool) -> Any:
        state = self._state
        while True:
            for cell in state.cells:
                cell.wait()
            read = snapshot(state.cells)
            code, outs, error = self._run(inputs, read, generic_only)
            if code != OK or commit(state.cells, read, state.signature.updates, outs):
                return self._finish(code, outs, error, generic_only)

    def _finish(self, code: int, outs: list[Array], error: list[int], generic_only: bool) -> Any:
        if code == OK:
            return self._collect(outs[: self._state.signature.results])
        if code == ASSUMPTION and not generic_only:
            return _AGAIN
        return self._report(code, error)

    def _run(
        self, inputs: list[Array], read: Sequence[Array], generic_only: bool
    ) -> tuple[int, list[Array], list[int]]:
        state = self._state
        cells = [_require(state.name, c, s) for c, s in zip(read, state.signature.cells, strict=True)]
        varying = inputs + cells
        fast = (
            not generic_only and "fast" in state.bodies and all(array.flags.c_contiguous for array in varying)
        )
        if not fast and "generic" not in state.bodies:
            self._callbacks.load_generic()
        body = state.bodies["fast" if fast else "generic"]
        arrays = varying + list(state.constants)
        error, extents = (
            np.zeros(4, np.int64),
            np.zeros(sum(s.rank + 1 for s in state.signature.outputs) + 1, np.int64),
        )
        code = _invoke(body.shapes_address, [*arrays, error, extents])
        if code != OK:
            return self._fast_only(code, fast), [], error.tolist()
        outs = [np.empty(shape, spec.dtype) for shape, spec in _split(extents, state.signature.outputs)]
        code = _invoke(body.body_address, [*arrays, *outs, error], long=True)
        if code == OK:
            state.context.count("fast" if fast else "generic")
        return self._fast_only(code, fast), outs, error.tolist()

    @staticmethod
    def _fast_only(code: int, fast: bool) -> int:
        """Only a fast body may answer that an assumption does not hold."""
        return -1 if code == ASSUMPTION and not fast else code

    def _collect(self, outs: list[Array]) -> Any:
        form, wrap = self._state.signature.result, self._callbacks.wrap
        forms: dict[str, Callable[[], Any]] = {
            "none": lambda: None,
            "one": lambda: outs[0],
            "tuple": lambda: tuple(outs),
            "list": lambda: outs,
            "dict": lambda: dict(zip(self._state.signature.keys, outs, strict=True)),
        }
        result = forms[form]()
        return result if wrap is None else wrap(result)

    def _report(self, code: int, cell: list[int]) -> None:
        if code == NO_MEMORY:
            raise MemoryError
        if code != FAILED:
            raise SystemError(f"{self._state.name}: the compiled body returned the unexpected code {code}")
        self._callbacks.on_error(cell[0], cell[1], cell[2], cell[3])
        raise SystemError(f"{self._state.name}: the error callback returned without raising")


_AGAIN = object()


def _require(name: str, array: object, spec: ArraySpec) -> Array:
    problem = native_form(array, spec)
    if problem is not None:
        raise TypeError(f"{name}: {spec.name or 'an argument'} is not in native form: {problem}")
    assert isinstance(array, np.ndarray)
    return array


def _invoke(address: int, arrays: Sequence[Array], long: bool = False) -> int:
    """Call a packed function without the GIL; a `long` one answers signals and raises what their handlers
    raise.
    """
    blocks = [np.array(descriptor(array), np.int64) for array in arrays]
    pointers = np.array([block.ctypes.data for block in blocks], np.int64)
    if not long:
        return int(_Packed(address)(pointers.ctypes.data))
    record = np.zeros(len(POLL), np.int64)
    blocks[-1][0] = record.ctypes.data
    return int(_long_call()(address, pointers.ctypes.data, record.ctypes.data))


@cache
def _long_call() -> Callable[[int, int, int], int]:
    from tensorc.codegen_llvm.entry import library

    word = ctypes.c_void_p
    return ctypes.PYFUNCTYPE(ctypes.c_int32, word, word, word)(library()["tensorc_invoke"])


def _split(extents: Array, specs: Sequence[ArraySpec]) -> list[tuple[tuple[int, ...], ArraySpec]]:
    found, at = [], 0
    for spec in specs:
        found.append((tuple(extents[at : at + spec.rank].tolist()), spec))
        at += spec.rank
    return found
