"""`dataclass` as the standard library has it, made in less time.

That one writes each of up to eight methods as text and compiles it, half a millisecond a class: a third of
what importing this package took. Here only `__init__` is compiled. How instances compare, hash, print and
refuse to change is written once, for all classes. They are dataclasses to `fields`, `replace` and `asdict`,
and to type checkers. What is asked for beyond `eq`, `frozen` and `slots`, and what derives from a dataclass,
is the standard library's to do.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, **options):
        """A decorator like `dataclasses.dataclass`, with or without options."""
        return _made(cls) if cls is not None else lambda cls: _made(cls, **options)


_MISSING: Final = dataclasses.MISSING


def _made(cls: type, eq: bool = True, frozen: bool = False, slots: bool = False, **others: Any) -> type:
    if others or any(map(dataclasses.is_dataclass, cls.__bases__)):
        return dataclasses.dataclass(eq=eq, frozen=frozen, slots=slots, **others)(cls)
    own = dict(cls.__dict__)
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # the library would write down the signature, which takes long
    made: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    parameters: Any = made.__dataclass_params__  # type: ignore[attr-defined]
    parameters.init, parameters.repr, parameters.eq, parameters.frozen = True, True, eq, frozen
    every = dataclasses.fields(made)
    methods: dict[str, Any] = {"__init__": _init(made, every, frozen, slots)}
    methods["__repr__"] = _repr_of([f.name for f in every if f.repr])
    if eq:
        compared = _values([f.name for f in every if f.compare])
        methods["__eq__"] = _eq_of(compared)
        if own.get("__hash__") is None and ("__eq__" in own or "__hash__" not in own):
            made.__hash__ = _hash_of(compared) if frozen else None  # type: ignore[method-assign, assignment]
    if frozen and slots:
        methods |= {"__getstate__": _state, "__setstate__": _set_state}
    for name, method in methods.items():
        if name not in own:
            setattr(made, name, method)
    if frozen:
        _freeze(made, {f.name for f in every})
    return made


def _init(made: type, every: tuple[dataclasses.Field[Any], ...], frozen: bool, slots: bool) -> Any:
    """The constructor, compiled: the one method whose speed depends on it."""
    known: dict[str, Any] = {"_missing": _MISSING, "_set": object.__setattr__}
    parameters, lines = ["self"], []
    for f in every:
        value = f.name
        if f.default_factory is not _MISSING:
            known[f"_make_{f.name}"] = f.default_factory
            value = f"_make_{f.name}()"
            if f.init:
                parameters.append(f"{f.name}=_missing")
                value = f"{value} if {f.name} is _missing else {f.name}"
        elif f.default is not _MISSING:
            if not f.init and not slots:
                continue  # the class has it
            known[f"_default_{f.name}"] = f.default
            value = f.name if f.init else f"_default_{f.name}"
            parameters += [f"{f.name}=_default_{f.name}"] if f.init else []
        elif f.init:
            parameters.append(f.name)
        else:
            continue
        lines.append(f"_set(self, {f.name!r}, {value})" if frozen else f"self.{f.name} = {value}")
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n  " + "\n  ".join(lines or ["pass"]), known)
    init = known["__init__"]
    init.__qualname__ = f"{made.__qualname__}.__init__"
    init.__annotations__ = {**{f.name: f.type for f in every if f.init}, "return": None}
    return init


def _values(names: list[str]) -> Any:
    """What gives the fields of an instance as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda self: ()
    (name,) = names
    return lambda self: (getattr(self, name),)


def _eq_of(values: Any) -> Any:
    def __eq__(self: object, other: object) -> Any:
        if self is other:
            return True
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _hash_of(values: Any) -> Any:
    def __hash__(self: object) -> int:
        return hash(values(self))

    return __hash__


def _repr_of(names: list[str]) -> Any:
    busy: set[int] = set()

    def __repr__(self: object) -> str:
        if id(self) in busy:  # it holds itself
            return "..."
        busy.add(id(self))
        try:
            values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        finally:
            busy.discard(id(self))
        return f"{type(self).__qualname__}({values})"

    return __repr__


def _freeze(made: Any, names: set[str]) -> None:
    def refuse(self: object, name: str) -> None:
        if type(self) is made or name in names:
            raise dataclasses.FrozenInstanceError(f"field {name!r} of {made.__qualname__} cannot be changed")

    def __setattr__(self: object, name: str, value: object) -> None:
        refuse(self, name)
        super(made, self).__setattr__(name, value)

    def __delattr__(self: object, name: str) -> None:
        refuse(self, name)
        super(made, self).__delattr__(name)

    made.__setattr__, made.__delattr__ = __setattr__, __delattr__


def _state(self: Any) -> list[Any]:
    return [getattr(self, f.name) for f in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for f, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, f.name, value)
