"""Every name that `tc` and its modules export, every method and operator, stands in the table or is exempt
with a reason.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

import tensorc as tc
from tensorc.api.methods import Tensor
from tensorc.api.symbols import constructors
from tests.array_api.exempt import EXEMPT
from tests.array_api.table import ALIASES, TABLE

MODULES: dict[str, Any] = {"nn": tc.nn, "special": tc.special}
CONSTRUCTORS = set(constructors())
OPERATORS = {
    "__eq__": "eq",
    "__ne__": "ne",
    "__and__": "and_",
    "__or__": "or_",
}
"""Special methods whose function in `operator` has another name."""
BUILT_IN = {"divmod", "round"}
"""Special methods whose function is a builtin."""


def exported() -> set[str]:
    names = {n for n in tc.__all__ if n not in MODULES and n not in CONSTRUCTORS}
    for module, content in MODULES.items():
        names |= {f"{module}.{n}" for n in content.__all__}
    names |= {f"Tensor.{n}" for n in dir(Tensor) if not n.startswith("_")}
    return names | {f"operator.{n}" for n in operators()}


def operators() -> set[str]:
    """The operators that expressions define, by their names in `operator`."""
    found = set()
    for name in vars(Tensor):
        plain = OPERATORS.get(name, name.strip("_"))
        if hasattr(operator, plain) or plain in BUILT_IN:
            found.add(plain)
    return found


def test_every_name_is_in_the_table() -> None:
    covered = set(TABLE) | set(ALIASES) | set(EXEMPT)
    assert exported() - covered == set(), "write a line in tests/array_api/table*.py, or why not in exempt.py"


def test_constants() -> None:
    assert (tc.e, tc.pi, tc.inf, tc.newaxis) == (np.e, np.pi, np.inf, np.newaxis)
    assert np.isnan(tc.nan)


def test_no_line_is_stale() -> None:
    assert (set(TABLE) | set(ALIASES) | set(EXEMPT)) - exported() == set()
    assert set(ALIASES.values()) <= set(TABLE)
    assert not set(EXEMPT) & (set(TABLE) | set(ALIASES))
    assert all(len(reason) > 10 for reason in EXEMPT.values())
