"""tensorc: NumPy-style mathematics, compiled to native code.

import tensorc as tc

x = tc.matrix("x")
f = tc.function([x], tc.nn.softmax(x))
"""

from typing import Any

from tensorc.version import __version__ as __version__  # first: it notes when the package was loaded

# isort: split
from tensorc.api import elementwise as _elementwise
from tensorc.api import nn as nn
from tensorc.api import special as special
from tensorc.api import symbols as _symbols
from tensorc.api.arguments import In as In
from tensorc.api.arguments import Out as Out
from tensorc.api.convert import asarray as asarray
from tensorc.api.convert import constant as constant
from tensorc.api.debugprint import debugprint as debugprint
from tensorc.api.function import Function as Function
from tensorc.api.function import function as function
from tensorc.api.function import load as load

# elementwise ops, and constructors such as `dmatrix`: one name for every op class and kind of symbol
globals().update(_elementwise.public_functions())
globals().update(_symbols.constructors())

from tensorc.api.functions import *  # noqa: E402, F403  (after the ops: `where` takes any operands)
from tensorc.api.grad import grad as grad  # noqa: E402
from tensorc.api.indexing import inc_subtensor as inc_subtensor  # noqa: E402
from tensorc.api.indexing import set_subtensor as set_subtensor  # noqa: E402
from tensorc.api.jit import Jitted as Jitted  # noqa: E402
from tensorc.api.jit import jit as jit  # noqa: E402
from tensorc.api.leaves import Shared as Shared  # noqa: E402
from tensorc.api.leaves import shared as shared  # noqa: E402
from tensorc.api.modes import Mode as Mode  # noqa: E402
from tensorc.api.pretty import pprint as pprint  # noqa: E402
from tensorc.api.profile import Profile as Profile  # noqa: E402
from tensorc.api.python_errors import remark as _remark  # noqa: E402
from tensorc.api.pytree import register_pytree_node as register_pytree_node  # noqa: E402
from tensorc.api.shapes import *  # noqa: E402, F403
from tensorc.api.standard import *  # noqa: E402, F403
from tensorc.api.suggestions import no_function as _no_function  # noqa: E402
from tensorc.api.symbols import tensor as tensor  # noqa: E402
from tensorc.ir.errors import InternalError as InternalError  # noqa: E402
from tensorc.ir.errors import TensorcAttributeError as TensorcAttributeError  # noqa: E402
from tensorc.ir.errors import TensorcError as TensorcError  # noqa: E402
from tensorc.ir.errors import TensorcIndexError as TensorcIndexError  # noqa: E402
from tensorc.ir.errors import TensorcOverflowError as TensorcOverflowError  # noqa: E402
from tensorc.ir.errors import TensorcTypeError as TensorcTypeError  # noqa: E402
from tensorc.ir.errors import TensorcValueError as TensorcValueError  # noqa: E402
from tensorc.ir.tracebacks import install as _install  # noqa: E402

_install(_remark)


def __getattr__(name: str) -> Any:
    """The error for a name that is not here; for type checkers, the names entered above by table."""
    raise _no_function("tc", name)


_SUBMODULES = ("api", "codegen_llvm", "ir", "ops", "passes", "runtime", "version")
__all__ = sorted(
    name
    for name in globals()
    if not name.startswith("_") and name not in (*_SUBMODULES, "Any")
)
