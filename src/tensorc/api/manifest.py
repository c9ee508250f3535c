"""What `manifest.json` of a saved function says, as dataclasses: they are the schema.

Reading is strict: every field is there, none is unknown, none has another type than its annotation.
"""

from __future__ import annotations

import json
import types
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from tensorc.api.archive import refusal
from tensorc.codegen_llvm.target import Target

FORMAT: Final = "tensorc function"
VERSION: Final = 1
LARGEST: Final = 1 << 25
"""Bytes of a manifest that are read."""
_LONGEST_TEXT: Final = 10_000
_LARGEST_INT: Final = 1 << 31
T = TypeVar("T")


@dataclass(frozen=True)
class SavedParameter:
    """An `api.arguments.Parameter`, whose type stands in the program. `default` is the name of a member, or
    the number of the cell that holds the value; `symbol` is the name of the symbol it stands for.
    """

    name: str | None
    symbol: str | None
    default: str | int | None
    strict: bool
    allow_downcast: bool | None
    mutable: bool


@dataclass(frozen=True)
class SavedState:
    """An input with an update: what it is called, and the number of the cell that stands for it."""

    parameter: SavedParameter
    cell: int


@dataclass(frozen=True)
class SavedArray:
    """A shared variable or a large constant: its name and the member that holds its array (None in a pickle,
    which has the arrays beside the manifest).
    """

    name: str | None
    member: str | None


@dataclass(frozen=True)
class SavedOutputs:
    form: Literal["none", "one", "tuple", "list", "dict"]
    keys: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class SavedCode:
    """Object code of one body; `seal` proves that this user's own compiler made it (`codegen_llvm.trust`)."""

    member: str
    seal: str | None


@dataclass(frozen=True)
class Manifest:
    """All of a program but its function and its arrays. `updated` are numbers of cells. `members` maps the
    names of the other members to their SHA-256.
    """

    format: str
    version: int
    tensorc: str
    name: str
    pipeline: str
    parameters: tuple[SavedParameter, ...]
    state: tuple[SavedState, ...]
    outputs: SavedOutputs
    cells: tuple[SavedArray, ...]
    constants: tuple[SavedArray, ...]
    updated: tuple[int, ...]
    target: Target
    code: dict[str, SavedCode]
    members: dict[str, str]

    def to_json(self) -> bytes:
        """The text of the file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=True).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """The manifest in a file. Raises TensorcValueError (TC0471; TC0474 for a later format)."""
        try:
            found = json.loads(data.decode("utf-8"), object_pairs_hook=_table, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise refusal(f"the manifest is not JSON: {error}", "TC0471") from None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise refusal("the manifest is not that of a saved function", "TC0471")
        version = found.get("version")
        if type(version) is int and version > VERSION:
            later = refusal(f"the file has format {version}, this is version {VERSION}", "TC0474")
            later.help = f"load it with tensorc {found.get('tensorc')!s:.20}, which wrote it, or a later one"
            raise later
        if version != VERSION:
            raise refusal(f"the format version is {version!r:.20}", "TC0471")
        return _record(cls, found, "the manifest")


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key occurs twice")
    return table


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _decode(kind: Any, value: Any, where: str) -> Any:
    """`value` as the annotation `kind` says. Raises TensorcValueError (TC0471)."""
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value if value in [a for a in arguments if type(a) is type(value)] else _wrong(where, value)
    if origin is types.UnionType:
        chosen = [a for a in arguments if type(value) is a]
        return _plain(chosen[0], value, where) if chosen else _wrong(where, value)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        names = [_plain(str, k, where) for k in value]
        return {k: _decode(arguments[1], value[k], f"{where}.{k:.50}") for k in names}
    if origin is not None:
        _wrong(where, value)
    return _plain(kind, value, where)


def _record(kind: type[T], value: Any, where: str) -> T:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(value, dict) or value.keys() != names:
        odd = sorted(names ^ value.keys())[:3] if isinstance(value, dict) else value
        raise refusal(f"{where} does not have the fields it should have: {odd!r:.80}", "TC0471")
    hints = get_type_hints(kind)
    return kind(**{k: _decode(hints[k], v, f"{where}.{k}") for k, v in value.items()})


def _plain(kind: type, value: Any, where: str) -> Any:
    if type(value) is not kind:
        _wrong(where, value)
    if kind is int and not 0 <= value < _LARGEST_INT:
        _wrong(where, value)
    if kind is str and (len(value) > _LONGEST_TEXT or not _encodes(value)):
        _wrong(where, value)
    return value


def _encodes(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _wrong(where: str, value: Any) -> Any:
    raise refusal(f"{where} is {value!r:.80}", "TC0471")
