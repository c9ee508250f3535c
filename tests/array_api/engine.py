"""Runs a line of the table: every form, dtype and variant through the interpreter, the plainest and the
fastest mode, against the reference. All of a line's expressions are outputs of one function, because
compiling is what costs.
"""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tensorc as tc
from tensorc.interp import tensor as interpreter
from tensorc.ir.builtin import functions
from tests.array_api.arrays import VARIANTS, Array, Operand, draw, operand
from tests.array_api.entries import Entry, Form, Tolerance

MODES = ("O0", "fast")
DEEP = bool(os.environ.get("TENSORC_ARRAY_API_DEEP"))
FEW = 4
HALF = np.dtype("float16")


@dataclass(frozen=True)
class Item:
    """A form on one dtype: its expression and how to draw its operands."""

    form: Form
    dtype: str
    operands: tuple[Operand, ...]
    result: Any

    @property
    def title(self) -> str:
        return f"{self.form.label} {self.dtype}"

    def arrays(self, variant: str) -> list[Array]:
        return [draw(o, variant, slot) for slot, o in enumerate(self.operands)]


def symbol(spec: Operand) -> Any:
    extents = tuple(int(e) if spec.known and e.isdigit() else None for e in spec.extents)
    return tc.tensor(None, spec.dtype, extents)


def reference(entry: Entry, form: Form, arrays: Sequence[Array]) -> Array | Exception:
    """What the reference gives, in a dtype that we compute with; or its exception."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = flat(form.call(entry.reference, *arrays))
            if any(x.dtype == HALF for x in found):
                found = flat(form.call(entry.reference, *map(single, arrays)))
            return found[0] if len(found) == 1 else np.concatenate([x.ravel() for x in found])
    except Exception as error:
        return error


def flat(value: Any) -> list[Array]:
    """The arrays of a result, which may be several."""
    return [np.asarray(v) for v in value] if isinstance(value, list | tuple) else [np.asarray(value)]


def single(array: Array) -> Array:
    """NumPy computes float16 from small integers; we compute float32, which is what it is compared with."""
    return array.astype(np.float32) if array.dtype.itemsize == 1 else array


def build(entry: Entry, form: Form, dtype: str, known: dict[tuple[int, Operand], Any]) -> Item | Exception:
    """The expression, or the error that ours raises."""
    operands = tuple(operand(text, dtype) for text in form.operands)
    symbols = [known.setdefault((slot, o), symbol(o)) for slot, o in enumerate(operands)]
    try:
        result = form.call(entry.ours, *symbols)
        if isinstance(result, list | tuple):
            result = tc.concatenate([tc.ravel(r) for r in result])
        return Item(form, dtype, operands, tc.asarray(result))
    except Exception as error:
        return error


def run(entry: Entry, variants: Sequence[str] = VARIANTS) -> list[str]:
    """Everything that is wrong with a line, as sentences."""
    known: dict[tuple[int, Operand], Any] = {}
    items: list[Item] = []
    problems: list[str] = []
    for form in entry.forms:
        for dtype in form.dtypes:
            built = build(entry, form, dtype, known)
            expected = first_reference(entry, form, dtype)
            title = f"{form.label} {dtype}"
            if isinstance(built, Exception):
                problems += refusal(entry, title, form, dtype, built, expected)
            elif isinstance(expected, Exception):
                if not excused(entry.allowed, form.label, dtype):
                    problems += accepted_wrongly(title, built, expected, known)
            elif (built.result.dtype, built.result.ndim) != (expected.dtype, expected.ndim):
                given, wanted = (f"{x.dtype} of rank {x.ndim}" for x in (built.result, expected))
                problems.append(f"{title}: ours is {given}, reference {wanted}")
            elif dtype in computed(entry, form):
                items.append(built)
    return problems + compared(entry, items, known, variants)


def first_reference(entry: Entry, form: Form, dtype: str) -> Array | Exception:
    operands = [operand(text, dtype) for text in form.operands]
    return reference(entry, form, [draw(o, "plain", k) for k, o in enumerate(operands)])


def computed(entry: Entry, form: Form) -> Sequence[str]:
    """The dtypes whose values are computed: all in a deep run, else a few for the first form and one for each
    other, another one for every name and form.
    """
    if DEEP:
        return form.dtypes
    rng = np.random.default_rng(zlib.crc32(f"{entry.name} {form.label}".encode()))
    return [str(d) for d in rng.permutation(np.array(form.dtypes))[: FEW if form is entry.forms[0] else 1]]


def excused(reasons: Mapping[str, str], label: str, dtype: str) -> bool:
    return any(key in reasons for key in (label, dtype, f"{label} {dtype}"))


def refusal(
    entry: Entry, title: str, form: Form, dtype: str, error: Exception, expected: Array | Exception
) -> Iterator[str]:
    """Ours raised while the expression was built."""
    if not isinstance(error, tc.TensorcError):
        yield f"{title}: {type(error).__name__}, no TensorcError: {error}"
    elif isinstance(expected, Exception):
        yield from other_kind(title, error, expected)
    elif not excused(entry.refused, form.label, dtype):
        yield f"{title}: ours refuses: {error}"


def other_kind(title: str, error: Exception, expected: Exception) -> Iterator[str]:
    """An error that is TypeError in NumPy is one here; the others are ValueError or IndexError."""
    if isinstance(expected, TypeError) != isinstance(error, TypeError):
        yield f"{title}: {type(error).__name__} ({error}) where the reference raises {expected!r}"


def accepted_wrongly(
    title: str, item: Item, expected: Array | Exception, known: Mapping[tuple[int, Operand], Any]
) -> Iterator[str]:
    """The reference raises and ours built an expression: then the call must raise."""
    symbols = [known[slot, o] for slot, o in enumerate(item.operands)]
    f = tc.function(symbols, item.result, mode="O0", on_unused_input="ignore")
    try:
        got = f(*item.arrays("plain"))
    except tc.TensorcError as error:
        assert isinstance(expected, Exception)
        yield from other_kind(title, error, expected)
    except Exception as error:
        yield f"{title}: {type(error).__name__}, no TensorcError: {error}"
    else:
        yield f"{title}: ours gives {got.dtype}{list(got.shape)} where the reference raises {expected!r}"


@dataclass
class Compiled:
    """The functions of some items: one a mode, and the interpreter on the stabilised program."""

    items: tuple[Item, ...]
    keys: list[tuple[int, Operand]]
    functions: dict[str, Any]
    program: Any
    """The stabilised program, for the interpreter."""

    @classmethod
    def of(cls, items: Sequence[Item], known: Mapping[tuple[int, Operand], Any]) -> Compiled:
        keys = sorted({(k, o) for item in items for k, o in enumerate(item.operands)}, key=str)
        symbols, outputs = [known[key] for key in keys], [item.result for item in items]
        made = {mode: tc.function(symbols, outputs, mode=mode, on_unused_input="ignore") for mode in MODES}
        program = next(iter(functions(made["O0"].module("tensor"))))
        return cls(tuple(items), keys, made, program)

    def results(self, variant: str) -> Iterator[tuple[str, list[Array]]]:
        arrays = [draw(o, variant, slot) for slot, o in self.keys]
        for mode, f in self.functions.items():
            yield mode, f(*arrays)
        with np.errstate(all="ignore"):
            yield "interpreter", interpreter.run(self.program, arrays)


def compared(
    entry: Entry, items: list[Item], known: Mapping[tuple[int, Operand], Any], variants: Sequence[str]
) -> list[str]:
    """Values, dtypes and shapes in every variant; where the reference raises in a variant, ours must."""
    problems: list[str] = []
    compiled: dict[tuple[str, ...], Compiled] = {}
    for variant in variants:
        tried = [item for item in items if variant not in item.form.skip]
        expected = {item: reference(entry, item.form, item.arrays(variant)) for item in tried}
        sound = [item for item, want in expected.items() if not isinstance(want, Exception)]
        for item, want in expected.items():
            if isinstance(want, Exception) and not excused(entry.allowed, item.form.label, item.dtype):
                problems += must_raise(item, variant, want, known)
        if not sound:
            continue
        key = tuple(item.title for item in sound)
        if key not in compiled:
            compiled[key] = Compiled.of(sound, known)
        problems += differences(entry, compiled[key], variant, expected)
    return problems


def must_raise(
    item: Item, variant: str, want: Exception, known: Mapping[tuple[int, Operand], Any]
) -> Iterator[str]:
    symbols = [known[slot, o] for slot, o in enumerate(item.operands)]
    f = tc.function(symbols, item.result, mode="O0", on_unused_input="ignore")
    try:
        got = f(*item.arrays(variant))
    except tc.TensorcError:
        return
    given = f"{got.dtype}{list(got.shape)}"
    yield f"{item.title}, {variant}: ours gives {given} where the reference raises {want!r}"


def differences(
    entry: Entry, compiled: Compiled, variant: str, expected: Mapping[Item, Array | Exception]
) -> Iterator[str]:
    try:
        results = list(compiled.results(variant))
    except Exception as error:
        yield f"{variant}: {type(error).__name__}: {error}"
        return
    for engine, values in results:
        for item, got in zip(compiled.items, values, strict=True):
            want = expected[item]
            assert not isinstance(want, Exception)
            wrong = difference(np.asarray(got), want, entry.tolerance, item.arrays(variant))
            if wrong:
                yield f"{item.title}, {variant}, {engine}: {wrong}"


def difference(got: Array, want: Array, tolerance: Tolerance, operands: Sequence[Array]) -> str | None:
    """What tells two arrays apart, or None."""
    if got.dtype != want.dtype:
        return f"dtype {got.dtype}, reference {want.dtype}"
    if got.shape != want.shape:
        return f"shape {got.shape}, reference {want.shape}"
    if got.dtype.kind != "f":
        return first_place(got, want, got != want)
    with np.errstate(all="ignore"):
        return first_place(got, want, apart(got, want, tolerance, operands))


def apart(got: Array, want: Array, tolerance: Tolerance, operands: Sequence[Array]) -> Array:
    """Where two float arrays differ by more than the tolerance."""
    both = np.isfinite(got) & np.isfinite(want)
    scale = np.abs(want)
    if tolerance.scaled:
        peaks = [np.abs(x[np.isfinite(x)].astype(np.float64)).max(initial=1.0) for x in operands]
        scale = np.maximum(scale, want.dtype.type(np.prod(peaks)))
    room = tolerance.ulps * np.spacing(scale)
    wrong = np.where(both, np.abs(got - want) > room, ~((got == want) | (np.isnan(got) & np.isnan(want))))
    if tolerance.zeros:
        wrong |= (got == 0) & (want == 0) & (np.signbit(got) != np.signbit(want))
    return np.asarray(wrong)


def first_place(got: Array, want: Array, wrong: Any) -> str | None:
    if not np.any(wrong):
        return None
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{got[place]!r} at {place}, reference {want[place]!r} ({int(np.sum(wrong))} of {got.size})"
