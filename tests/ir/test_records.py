"""`records.dataclass` makes what `dataclasses.dataclass` makes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import math
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from typing import Any, ClassVar

import pytest

from tensorc.ir import records

OPTIONS: list[dict[str, Any]] = [
    {},
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"slots": True},
    {"eq": False},
    {"frozen": True, "eq": False},
    {"frozen": True, "slots": True, "eq": False},
    {"order": True},
]
Maker = Callable[..., Any]


def classes(make: Maker, options: dict[str, Any]) -> list[type]:
    @make(**options)
    class Empty:
        """Nothing."""

    @make(**options)
    class One:
        """One field, which may hold what is not equal to itself."""

        x: Any

    @make(**options)
    class Many:
        """All kinds of fields."""

        a: int
        b: str = "b"
        c: list[int] = field(default_factory=list)
        hidden: int = field(default=3, repr=False)
        ignored: int = field(default=4, compare=False)
        common: ClassVar[int] = 5

        def size(self) -> int:
            return len(self.c)

    @make(**options)
    class Inner(Many):
        """More fields behind those of its base."""

        d: float = 0.5

    @make(**options)
    class Own:
        """Methods of its own are kept."""

        x: int = 1

        def __repr__(self) -> str:
            return "mine"

        def __hash__(self) -> int:
            return 7

    return [Empty, One, Many, Inner, Own]


def instances(found: list[type]) -> list[Any]:
    empty, one, many, inner, own = found
    nan = math.nan
    return [
        *(empty(), empty(), one(nan), one(nan), one(float("nan")), one((1, 2)), one(x=0), one(-0.0)),
        *(many(1), many(1, "b", []), many(a=2), many(1, ignored=9), many(1, hidden=9), many(1, c=[1])),
        *(inner(1), inner(1, d=2.0), inner(1, "b", [], 3, 4, 0.5), own(), own(2)),
    ]


def outcome(job: Callable[[], Any]) -> Any:
    try:
        return job()
    except (TypeError, AttributeError):  # which of them, the library itself is not sure of, with slots
        return "refused"


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_they_behave_as_the_standard_librarys(options: dict[str, Any]) -> None:
    ours, theirs = (instances(classes(m, options)) for m in (records.dataclass, dataclasses.dataclass))
    equal = [[[a == b for a in made] for b in made] for made in (ours, theirs)]
    assert equal[0] == equal[1]
    hashes = [[outcome(lambda v=v: hash(v)) for v in made] for made in (ours, theirs)]
    same = [[[a == b for a in made] for b in made] for made in hashes]
    assert options.get("eq") is False or same[0] == same[1]
    for mine, other in zip(ours, theirs, strict=True):
        assert repr(mine) == repr(other)
        known = {type(outcome(lambda v=v: hash(v))) for v in (mine, other)}
        assert len(known) == 1
        assert str(dataclasses.asdict(mine)) == str(dataclasses.asdict(other))
        first, second = (inspect.signature(type(v)).parameters.values() for v in (mine, other))
        assert [(p.name, p.kind, p.annotation) for p in first] == [
            (p.name, p.kind, p.annotation) for p in second
        ]
        assert type(mine).__match_args__ == type(other).__match_args__
        assert hasattr(mine, "__dict__") == hasattr(other, "__dict__")
        assert [f.name for f in dataclasses.fields(mine)] == [f.name for f in dataclasses.fields(other)]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_they_change_and_refuse_as_the_standard_librarys(options: dict[str, Any]) -> None:
    assert changes(records.dataclass, options) == changes(dataclasses.dataclass, options)


def changes(maker: Maker, options: dict[str, Any]) -> list[Any]:
    _, _, many, inner, _ = classes(maker, options)

    class Plain(many):  # type: ignore[misc, valid-type]
        """Derived without being a dataclass: attributes of its own can be set."""

    value, derived, plain = many(1), inner(1), Plain(1)
    return [
        *(outcome(lambda v=v: setattr(v, "a", 2)) for v in (value, derived, plain)),
        *(outcome(lambda v=v: setattr(v, "other", 2)) for v in (value, derived)),
        # With slots, the library looks for the class that these have replaced.
        options.get("slots") or outcome(lambda: setattr(plain, "other", 2)),
        *(outcome(lambda v=v: delattr(v, "b")) for v in (many(1), inner(1), Plain(1))),
        value.a,
        dataclasses.replace(derived, a=5).a,
        outcome(lambda: many()),
        outcome(lambda: many(1, nothing=2)),
        copy.copy(derived).d,
    ]


@pytest.mark.parametrize("first", [records.dataclass, dataclasses.dataclass])
@pytest.mark.parametrize("second", [records.dataclass, dataclasses.dataclass])
def test_they_derive_from_each_other(first: Maker, second: Maker) -> None:
    @first(frozen=True)
    class Base:
        """A field."""

        a: int = 1

    @second(frozen=True)
    class Derived(Base):
        """One more."""

        b: int = 2

    assert Derived(3) == Derived(3, 2) != Derived(3, 3)
    assert hash(Derived(3)) == hash(Derived(3, 2))
    with pytest.raises(TypeError, match="frozen"):
        second(type("Open", (Base,), {"__annotations__": {"c": int}}))


def test_defaults_are_made_anew() -> None:
    _, _, many, *_ = classes(records.dataclass, {})
    first, second = many(1), many(1)
    first.c.append(1)
    assert (first.size(), second.size(), many.common) == (1, 0, 5)


@records.dataclass(frozen=True, slots=True)
class Stored:
    """Reached by name, for pickles."""

    x: int
    y: tuple[int, ...] = ()


def test_pickles_and_copies() -> None:
    value = Stored(1, (2, 3))
    for made in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert made == value
        assert hash(made) == hash(value)
    with pytest.raises(FrozenInstanceError):
        value.x = 2  # type: ignore[misc]


def test_what_follows_the_constructor_and_what_holds_itself() -> None:
    @records.dataclass
    class Node:
        """Refers to itself."""

        child: Any = None
        count: int = field(init=False, default=0)

        def __post_init__(self) -> None:
            self.count += 1

    node = Node()
    node.child = node
    assert node.count == 1
    assert "..." in repr(node)
