"""Pytrees: taking containers apart and building them again, and what makes two structures equal."""

from __future__ import annotations

import dataclasses
import enum
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorc as tc
from tensorc.api import pytree

Point = namedtuple("Point", ["x", "y"])


@dataclasses.dataclass(frozen=True)
class Layer:
    w: object
    b: object
    act: str = dataclasses.field(default="tanh", metadata={"static": True})
    cached: object = dataclasses.field(default=None, init=False)

    def __post_init__(self):
        if isinstance(self.w, str):
            raise AssertionError("built again through __init__")


class Pair:
    def __init__(self, a, b, label):
        self.a, self.b, self.label = a, b, label

    def __eq__(self, other):
        return type(other) is Pair and (self.a, self.b, self.label) == (other.a, other.b, other.label)

    __hash__ = None


tc.register_pytree_node(Pair, lambda p: ((p.a, p.b), p.label), lambda label, c: Pair(*c, label))


class Color(enum.Enum):
    RED = 1
    BLUE = 2


KEYS = st.one_of(
    st.text(max_size=3),
    st.integers(-3, 3),
    st.booleans(),
    st.sampled_from(Color),
    st.tuples(st.integers(0, 2)),
)
LEAVES = st.one_of(st.integers(-5, 5), st.floats(allow_nan=False), st.text(max_size=2))


def containers(children):
    return st.one_of(
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(KEYS, children, max_size=3),
        st.dictionaries(KEYS, children, max_size=3).map(OrderedDict),
        st.dictionaries(KEYS, children, max_size=3).map(lambda d: defaultdict(list, d)),
        st.builds(Point, children, children),
        st.builds(lambda w, b: Layer(w if not isinstance(w, str) else 0, b), children, children),
        st.builds(Pair, children, children, st.text(max_size=2)),
        st.none(),
    )


TREES = st.recursive(LEAVES, containers, max_leaves=12)


@given(TREES)
def test_a_tree_comes_back_as_it_was(tree):
    leaves, structure = pytree.flatten(tree)
    again = pytree.unflatten(structure, leaves)
    assert again == tree
    assert type(again) is type(tree)
    if isinstance(tree, dict):
        assert list(again) == list(tree)


@given(TREES)
def test_structures_do_not_depend_on_leaves_and_are_hashable(tree):
    leaves, structure = pytree.flatten(tree)
    other = pytree.unflatten(structure, [object() for _ in leaves])
    assert pytree.flatten(other)[1] == structure
    assert hash(pytree.flatten(other)[1]) == hash(structure)
    assert len(pytree.paths(structure)) == len(leaves) == structure.count(pytree.LEAF)
    assert len(set(pytree.paths(structure))) == len(leaves)


@given(TREES, TREES)
def test_equal_structures_are_trees_of_one_form(a, b):
    first, second = pytree.flatten(a), pytree.flatten(b)
    if first[1] == second[1]:
        assert type(a) is type(b)
        exchanged = pytree.unflatten(first[1], second[0])
        assert exchanged == b


@given(st.dictionaries(KEYS, st.integers(), min_size=2, max_size=5), st.randoms())
def test_dictionaries_in_any_order_have_one_structure(tree, random):
    items = list(tree.items())
    random.shuffle(items)
    shuffled = dict(items)
    assert pytree.flatten(shuffled) == pytree.flatten(tree)
    assert list(pytree.unflatten(pytree.flatten(shuffled)[1], pytree.flatten(tree)[0])) == list(shuffled)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1], (1,)),
        ({1: 0}, {True: 0}),
        ({1: 0}, {1.0: 0}),
        ({"a": 0}, {"b": 0}),
        ({"a": 0}, OrderedDict(a=0)),
        (None, 0),
        ([], None),
        ([None], []),
        ((1, 2), Point(1, 2)),
        (Layer(1, 2, "tanh"), Layer(1, 2, "relu")),
        (Pair(1, 2, "a"), Pair(1, 2, "b")),
        (defaultdict(list, a=1), defaultdict(int, a=1)),
        ([[1], 2], [1, [2]]),
    ],
)
def test_different_forms_have_different_structures(a, b):
    assert pytree.flatten(a)[1] != pytree.flatten(b)[1]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        ((1, 2), (1.0, 2)),
        (np.float32(1), np.float64(1)),
        (((True,),), ((1,),)),
        (complex(0.0, 0.0), complex(0.0, -0.0)),
        (Color.RED, 1),
    ],
)
def test_static_values_are_compared_by_type_too(a, b):
    assert pytree.StaticKey(a) != pytree.StaticKey(b)
    assert pytree.StaticKey(a) == pytree.StaticKey(a)
    assert hash(pytree.StaticKey(b)) == hash(pytree.StaticKey(b))


def test_nan_is_one_static_value():
    assert pytree.StaticKey(float("nan")) == pytree.StaticKey(float("nan"))
    assert pytree.StaticKey((np.float32("nan"),)) == pytree.StaticKey((np.float32("nan"),))


def test_arrays_and_subclasses_of_containers_are_leaves():
    class MyList(list):
        pass

    for leaf in (np.ones(3), np.float32(1), MyList([1]), "text", {1, 2}, range(3)):
        leaves, structure = pytree.flatten([leaf])
        assert leaves[0] is leaf
        assert structure == ((list, 1, None), pytree.LEAF)


def test_paths_are_what_one_would_write():
    tree = {"p": [1, Point(2, None)], "q": Layer((3,), 4)}
    assert pytree.paths(pytree.flatten(tree)[1], "t") == [
        "t['p'][0]",
        "t['p'][1].x",
        "t['q'].w[0]",
        "t['q'].b",
    ]


def test_deep_trees_do_not_recurse_and_endless_ones_are_refused():
    deep = 0
    for _ in range(900):
        deep = [deep]
    leaves, structure = pytree.flatten(deep)
    assert leaves == [0]
    assert pytree.unflatten(structure, [1]) != deep
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(tc.TensorcValueError, match="contains itself"):
        pytree.flatten(endless)


def test_registering():
    with pytest.raises(tc.TensorcValueError, match="registered already"):
        tc.register_pytree_node(Pair, lambda p: ((), None), lambda r, c: None)
    with pytest.raises(tc.TensorcValueError, match="container by itself"):
        tc.register_pytree_node(dict, lambda p: ((), None), lambda r, c: None)
    with pytest.raises(tc.TensorcTypeError, match="a class and two functions"):
        tc.register_pytree_node("Pair", lambda p: ((), None), lambda r, c: None)

    class NoRest:
        pass

    tc.register_pytree_node(NoRest, lambda p: 3, lambda r, c: None)
    with pytest.raises(tc.TensorcTypeError, match="NoRest must return"):
        pytree.flatten(NoRest())

    class Unhashable:
        pass

    tc.register_pytree_node(Unhashable, lambda p: ((), []), lambda r, c: None)
    with pytest.raises(tc.TensorcTypeError, match="hashable"):
        pytree.flatten(Unhashable())


def test_a_static_field_must_be_hashable():
    with pytest.raises(tc.TensorcTypeError, match=r"'act'.*not hashable"):
        pytree.flatten(Layer(1, 2, ["relu"]))
