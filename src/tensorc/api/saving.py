"""Saving compiled functions: `f.save`, `tc.load`.

A saved function is one zip file: `manifest.json` (names, defaults, the form of the result, what the code is
for, SHA-256 of all members), `program.mlir` (the traced function with its locations), `state/NAME.npy`
(shared variables), `constants/N.npy`, `defaults/N.npy`, and `code/fast`, `code/generic` (object code).
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

import numpy as np

from tensorc.api import manifest as schema
from tensorc.api.archive import LONGEST_NAME, Reader, Writer, refusal
from tensorc.api.arguments import MISSING, Parameter
from tensorc.api.leaves import Shared
from tensorc.api.manifest import (
    Manifest,
    SavedArray,
    SavedCode,
    SavedOutputs,
    SavedParameter,
    SavedState,
)
from tensorc.api.modes import PIPELINE_OF, Mode
from tensorc.api.program import Program
from tensorc.api.saved_program import Opened, all_shared, harmless, opened, parsed, rebuilt, text_of
from tensorc.codegen_llvm import trust
from tensorc.codegen_llvm.objects import ObjectCode, pack
from tensorc.codegen_llvm.target import target
from tensorc.ir.core import BlockArgument, Operation
from tensorc.ir.errors import TensorcError, TensorcTypeError
from tensorc.ir.location import UNKNOWN, Location, caller_location
from tensorc.ir.types import TensorType
from tensorc.runtime.cell import snapshot
from tensorc.version import __version__

if TYPE_CHECKING:
    from tensorc.api.build import Build, Kind
    from tensorc.api.function import Function

Array = np.ndarray[Any, np.dtype[Any]]
File = str | os.PathLike[str] | IO[bytes]
PROGRAM: Final = "program.mlir"
KINDS: Final = ("fast", "generic")
LARGEST_PROGRAM: Final = 1 << 28
LARGEST_CODE: Final = 1 << 28
_IN_PATHS: Final = " !#$&'()+,-./;=@[]_{}~"


def save(function: Function, file: File) -> None:
    """Write a function to a path or a file open for writing; see `Function.save`."""
    location = caller_location()
    try:
        with _writing(file) as stream:
            _write(function, stream)
    except TensorcError as error:
        raise error.at(location) from None


@contextmanager
def _writing(file: File) -> Iterator[IO[bytes]]:
    """The file to write; a path gets its content at once when it is complete."""
    if not isinstance(file, str | os.PathLike):
        if not callable(getattr(file, "write", None)) or isinstance(file, type | io.TextIOBase):
            raise TensorcTypeError(
                f"save: expected a path or a file open for writing bytes, got {type(file).__name__}",
                code="TC0476",
                help="f.save('model.tensorc'), or open the file with mode 'wb'",
            )
        yield file
        return
    path = Path(os.path.realpath(file))
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _write(function: Function, stream: IO[bytes]) -> None:
    program = function.program
    form = opened(program)
    shared = saved_shared(program, form)
    state = snapshot([v.cell for v in shared])
    names = member_names(program)
    cells = [SavedArray(v.name, f"state/{names[v]}.npy") for v in shared]
    large = [SavedArray(c.name, f"constants/{i}.npy") for i, c in enumerate(form.constants)]
    defaults = {i: (f"defaults/{i}.npy", array) for i, array in default_arrays(program).items()}
    manifest = manifest_of(function, cells, large, {i: member for i, (member, _) in defaults.items()})
    with Writer(stream) as writer:
        for saved, array in zip((*cells, *large), (*state, *[c.value for c in form.constants]), strict=True):
            writer.add_array(cast(str, saved.member), array)
        for member, array in defaults.values():
            writer.add_array(member, array)
        writer.add(PROGRAM, text_of(form.function, locations=True).encode("utf-8", "surrogatepass"))
        code = _write_code(function, writer)
        writer.finish(replace(manifest, code=code, members=dict(writer.members)).to_json())


def _write_code(function: Function, writer: Writer) -> dict[str, SavedCode]:
    written = {}
    for kind, code in codes_of(function).items():
        purpose = purpose_of(function.build, kind)
        if purpose is not None:
            written[str(kind)] = SavedCode(f"code/{kind}", trust.seal(code, purpose))
            writer.add(f"code/{kind}", code.to_bytes())
    return written


def saved_shared(program: Program, form: Opened) -> tuple[Shared, ...]:
    """The shared variables in the order of a file: those that the saved function takes come first."""
    return tuple(dict.fromkeys([*form.shared, *all_shared(program)]))


def manifest_of(
    function: Function,
    cells: Sequence[SavedArray],
    constants: Sequence[SavedArray],
    defaults: Mapping[int, str],
) -> Manifest:
    """All that is said of a function besides its arrays and its code."""
    program = function.program
    outputs = program.outputs
    if outputs.form not in ("none", "one", "tuple", "list", "dict"):
        raise TensorcTypeError(
            f"save: {program.name} returns a structure of Python objects, which a file cannot hold",
            code="TC0475",
            help="save a function made by tc.function",
        )
    numbers = {v: i for i, v in enumerate(saved_shared(program, opened(program)))}
    return Manifest(
        format=schema.FORMAT,
        version=schema.VERSION,
        tensorc=__version__,
        name=program.name,
        pipeline=function.mode.pipeline,
        parameters=tuple(
            _saved(p, numbers[p.default] if isinstance(p.default, Shared) else defaults.get(i))
            for i, p in enumerate(program.parameters)
        ),
        state=tuple(SavedState(_saved(p, None), numbers[cell]) for p, cell in program.state),
        outputs=SavedOutputs(outputs.form, tuple(outputs.keys), program.output_count),
        cells=tuple(cells),
        constants=tuple(constants),
        updated=tuple(numbers[v] for v in program.updated),
        target=target(),
        code={},
        members={},
    )


def _saved(parameter: Parameter, default: str | int | None) -> SavedParameter:
    symbol = None if parameter.expr is None else parameter.expr.name
    strict, mutable = bool(parameter.strict), parameter.mutable
    return SavedParameter(parameter.name, symbol, default, strict, parameter.allow_downcast, mutable)


def default_arrays(program: Program) -> dict[int, Array]:
    """The default values of parameters that are no shared variables, by position."""
    return {
        i: np.asarray(p.default)
        for i, p in enumerate(program.parameters)
        if p.default is not MISSING and not isinstance(p.default, Shared)
    }


def codes_of(function: Function) -> dict[Kind, ObjectCode]:
    """The object code of the bodies that there are, and of those that were loaded with the function."""
    bodies = list(function.machine.bodies.items())  # another thread may add one
    compiled = {k: body.object_code for k, body in bodies}
    return {**function.build.stored, **cast("dict[Kind, ObjectCode]", compiled)}


def purpose_of(build: Build, kind: Kind) -> bytes | None:
    """What the object code of a body is made from, and for which machine: bodies of one purpose have the same
    code. None for code that also depends on what a program has added to the compiler.
    """
    texts = build.made_from(kind)
    return None if texts is None else pack([kind, *texts, repr(target())])


def shared_names(program: Program) -> dict[Shared, str]:
    """A name for each shared variable: its own, where it has one; otherwise its number. Where another has it
    already, a number follows.
    """
    taken: set[str] = set()
    variables = enumerate(all_shared(program))
    return {v: _unique(v.name or str(position), taken) for position, v in variables}


def member_names(program: Program) -> dict[Shared, str]:
    """The same as paths of members."""
    taken: set[str] = set()
    names = enumerate(shared_names(program).items())
    return {v: _unique(_path(name) or str(position), taken) for position, (v, name) in names}


def _unique(base: str, taken: set[str]) -> str:
    name, number = base, 1
    while name in taken:
        name, number = f"{base}.{number}", number + 1
    taken.add(name)
    return name


def _path(name: str) -> str | None:
    """A name as a path: slashes stay, what paths should not hold is written as %XX. None where it is none."""
    if len(name) > LONGEST_NAME:
        return None
    text = "".join(c if c.isalnum() or c in _IN_PATHS else quote(c, errors="replace") for c in name)
    return None if {"", ".", ".."} & {*text.split("/")} else text


def load(file: File, trust_code: bool = False) -> Function:
    """See `tensorc.api.function.load`."""
    location = caller_location()
    try:
        with _reading(file) as stream:
            return _load(stream, trust_code)
    except TensorcError as error:
        if error.code in ("TC0470", "TC0471", "TC0472", "TC0473", "TC0474"):
            error.message = f"load: {_shown(file)}: {error.message}"
        error.location = location
        raise error from None


def _shown(file: File) -> str:
    name = os.fspath(file) if isinstance(file, str | os.PathLike) else getattr(file, "name", "the file")
    return name if isinstance(name, str) else "the file"


@contextmanager
def _reading(file: File) -> Iterator[IO[bytes]]:
    if isinstance(file, str | os.PathLike):
        with open(file, "rb") as stream:
            yield stream
    elif callable(getattr(file, "seek", None)) and not isinstance(file, type | io.TextIOBase):
        yield file
    else:
        raise TensorcTypeError(
            f"load: expected a path or a file that can be read and sought, got {type(file).__name__}",
            code="TC0476",
            help="tc.load('model.tensorc'), or open the file with mode 'rb'",
        )


def _load(stream: IO[bytes], trust_code: bool) -> Function:
    reader = Reader(stream)
    manifest = Manifest.from_json(reader.manifest(schema.LARGEST))
    reader.expect(manifest.members)
    arrays = [_array(reader, saved.member) for saved in (*manifest.cells, *manifest.constants)]
    defaults = {
        i: _array(reader, p.default)
        for i, p in enumerate(manifest.parameters)
        if p.default is not None and not isinstance(p.default, int)
    }
    codes = read_codes({k: reader.content(c.member, LARGEST_CODE) for k, c in manifest.code.items()})
    seals = None if trust_code else {k: c.seal for k, c in manifest.code.items()}
    function = parsed(_text(reader.content(PROGRAM, LARGEST_PROGRAM)), PROGRAM)
    shared = _shared(function, manifest, arrays)
    return assemble(function, manifest, shared, arrays[len(shared) :], defaults, codes, seals)


def _shared(function: Operation, manifest: Manifest, arrays: Sequence[Array]) -> tuple[Shared, ...]:
    """Variables that hold the first of these arrays, with what the function says of them."""
    first = len(manifest.parameters) + len(manifest.state)
    arguments = dict(enumerate(function.regions[0].block.args[first:]))
    holders = {p.default: i for i, p in enumerate(manifest.parameters) if isinstance(p.default, int)}
    made = []
    for number, (saved, array) in enumerate(zip(manifest.cells, arrays, strict=False)):
        stands_for = arguments.get(number) if number < len(arguments) - len(manifest.constants) else None
        if stands_for is None and number in holders:
            stands_for = dict(enumerate(function.regions[0].block.args)).get(holders[number])
        made.append(Shared(array, saved.name, *_described(stands_for, array)))
    return tuple(made)


def _described(argument: BlockArgument | None, array: Array) -> tuple[Location, tuple[int | None, ...]]:
    """Location and extents of a variable from the argument it stands for."""
    if argument is None or not isinstance(argument.type, TensorType) or argument.type.rank != array.ndim:
        return UNKNOWN, array.shape
    return harmless(argument.location), argument.type.shape


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise refusal("the program is not text", "TC0472") from None


def _array(reader: Reader, member: object) -> Array:
    if not isinstance(member, str):
        raise refusal("an array is not in the file", "TC0471")
    return reader.array(member)


def read_codes(found: Mapping[str, bytes]) -> dict[Kind, ObjectCode]:
    """Object code by kind of body."""
    codes: dict[Kind, ObjectCode] = {}
    for kind, data in found.items():
        if kind not in KINDS:
            raise refusal(f"there is code for {kind!r:.80}", "TC0471")
        try:
            codes[cast("Kind", kind)] = ObjectCode.from_bytes(data)
        except ValueError as error:
            raise refusal(f"the {kind} code: {error}") from None
    return codes


def assemble(
    function: Operation,
    manifest: Manifest,
    shared: Sequence[Shared],
    constants: Sequence[Array],
    defaults: Mapping[int, Array],
    codes: Mapping[Kind, ObjectCode],
    seals: Mapping[str, str | None] | None,
) -> Function:
    """The compiled function of what was read. Code is used where it was made from this very program for this
    machine and, unless `seals` is None, is sealed.
    """
    from tensorc.api.build import Build
    from tensorc.api.function import compile_program

    if manifest.pipeline not in PIPELINE_OF.values() or not manifest.name.isprintable() or not manifest.name:
        raise refusal(f"there is no pipeline {manifest.pipeline!r:.40}, or the name is no name", "TC0471")
    program, same = rebuilt(function, manifest, shared, constants)
    program = replace(program, parameters=_with_defaults(program, manifest, shared, defaults))
    mode = Mode(manifest.pipeline)
    usable: dict[Kind, ObjectCode] = {}
    if codes and same and manifest.target == target():
        build = Build(program, mode)
        usable = {k: c for k, c in codes.items() if _may_run(build, k, c, seals)}
    try:
        return compile_program(program, mode, stored=usable)
    except TensorcError as error:
        raise refusal(f"the program cannot be compiled: {error.message}", "TC0472") from None


def _may_run(build: Build, kind: Kind, code: ObjectCode, seals: Mapping[str, str | None] | None) -> bool:
    purpose = purpose_of(build, kind)
    return purpose is not None and (seals is None or trust.sealed(code, purpose, seals[kind]))


def _with_defaults(
    program: Program, manifest: Manifest, shared: Sequence[Shared], defaults: Mapping[int, Array]
) -> tuple[Parameter, ...]:
    found = []
    for position, (parameter, saved) in enumerate(zip(program.parameters, manifest.parameters, strict=True)):
        if isinstance(saved.default, int):
            held = shared[saved.default] if saved.default < len(shared) else None
            if held is None or held.tensor_type != parameter.type:
                raise refusal("the variable that holds a default value has another type", "TC0472")
            parameter = replace(parameter, default=held)
        elif position in defaults:
            parameter = replace(parameter, default=_default(parameter, defaults[position]))
        found.append(parameter)
    return tuple(found)


def _default(parameter: Parameter, value: Array) -> Array:
    try:
        converted = parameter.convert(value, "the default value", None)
    except TensorcError as error:
        raise refusal(error.message, "TC0473") from None
    converted.setflags(write=False)
    return converted
