"""Pipeline text: `canonicalize,cse,autodiff{wrt=0,1 only=true}`.

    pipeline = pass ("," pass)*
    pass     = name [ "{" option (separator option)* "}" ]
    option   = name [ "=" value ]          a bare name means true

Options stand for the fields of the pass, with dashes for underscores, separated by blanks or commas; a comma
inside a list (`wrt=0,1`) belongs to the list, because what follows it has no `=`.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any

from tensorc.ir.errors import TensorcValueError
from tensorc.passes import pipelines

if TYPE_CHECKING:
    from tensorc.passes.manager import Pass

_PASS = re.compile(r"\s*([A-Za-z0-9_-]+)\s*(?:\{([^{}]*)\})?\s*(,|$)")
_OPTION = re.compile(
    r"[\s,]*([A-Za-z][A-Za-z0-9_-]*)\s*(?:=\s*([^\s=,]*(?:\s*,\s*[^\s=,{}]+(?![^\s,]*\s*=))*))?"
)


def parse_pipeline(text: str) -> list[Pass]:
    """The passes a text names; none for an empty text. A name of a whole pipeline (`O2`) stands for its
    passes.

    Raises TensorcValueError that names the unknown pass or option, what was meant perhaps, or the place the
    text goes wrong.
    """
    found: list[Pass] = []
    for name, options in _split(text):
        listed = None if options else pipelines.PIPELINES.get(name)
        if listed is None:
            found.append(_make(name, options or ""))
        else:
            found.extend(parse_pipeline(listed))
    return found


def _split(text: str) -> Iterator[tuple[str, str | None]]:
    position = 0
    while text.strip():
        match = _PASS.match(text, position)
        if match is None:
            raise _error(
                f"malformed pipeline at column {position + 1}: {text[position : position + 30]!r}",
                "names with options, as in canonicalize,fuse{max-ops=32}",
            )
        yield match[1], match[2]
        position = match.end()
        if match[3] == "," and position == len(text):
            raise _error("the pipeline ends in a comma", "remove it, or name one more pass")
        if not match[3]:
            return


def _error(message: str, help: str) -> TensorcValueError:
    return TensorcValueError(message, code="TC0501", help=help)


def _make(name: str, options: str) -> Pass:
    names = list(pipelines.PASSES)
    if name not in pipelines.PASSES:
        raise _error(f"unknown pass {name!r}", _meant(name, [*names, *pipelines.PIPELINES]))
    cls = pipelines.load(name)
    made: Pass = cls(**dict(_options(cls, name, options)))
    return made


def _meant(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 3)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"


def _options(cls: Any, name: str, text: str) -> Iterator[tuple[str, object]]:
    known: dict[str, Field[Any]] = {f.name.replace("_", "-"): f for f in fields(cls)}
    position, seen = 0, set()
    while position < len(text.rstrip().rstrip(",")):
        match = _OPTION.match(text, position)
        if match is None or match.end() == position:
            raise _error(
                f"malformed options of pass {name}: {text[position:]!r}",
                "write option=value, separated by blanks",
            )
        key, value = match[1], match[2]
        if key not in known:
            raise _error(
                f"pass {name} has no option {key!r}",
                _meant(key, list(known)) if known else f"{name} takes no options",
            )
        if key in seen:
            raise _error(f"option {key} of pass {name} is given twice", "give it once")
        seen.add(key)
        hint = typing.get_type_hints(cls)[known[key].name]
        yield known[key].name, _value(name, key, hint, value)
        position = match.end()
    for key, field in known.items():
        if key not in seen and field.default is MISSING and field.default_factory is MISSING:
            raise _error(f"pass {name} needs the option {key}", f"write {name}{{{key}=...}}")


def _value(name: str, key: str, hint: Any, text: str | None) -> object:
    if isinstance(hint, types.UnionType):
        (hint,) = (t for t in typing.get_args(hint) if t is not type(None))
    if hint is bool:
        value = {None: True, "true": True, "false": False}.get(text)
        if value is None:
            raise _error(
                f"option {key} of pass {name}: {text!r} is not true or false", f"write {key} or {key}=false"
            )
        return value
    if not text:
        raise _error(f"option {key} of pass {name} needs a value", f"write {key}=...")
    try:
        return _CONVERTERS[hint](text)
    except ValueError:
        kind = _KINDS[hint]
        raise _error(f"option {key} of pass {name}: {text!r} is not {kind}", f"write {kind}") from None


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


_CONVERTERS: dict[Any, Any] = {int: int, float: float, str: str, tuple[int, ...]: _integers}
_KINDS: dict[Any, str] = {
    int: "an integer",
    float: "a number",
    str: "a word",
    tuple[int, ...]: "integers, as in 0,1",
}


def format_pass(one: Pass) -> str:
    """The text of a pass: its name, and the options that differ from their defaults."""
    shown = [f for f in fields(one) if getattr(one, f.name) != f.default]  # type: ignore[arg-type]
    options = " ".join(f"{f.name.replace('_', '-')}={_show(getattr(one, f.name))}" for f in shown)
    return f"{one.name}{{{options}}}" if options else one.name


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def format_pipeline(passes: Sequence[Pass]) -> str:
    """The text of a pipeline: `parse_pipeline` reads it back."""
    return ",".join(map(format_pass, passes))
