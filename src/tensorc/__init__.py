"""tensorc: NumPy-style mathematics, compiled to native code.

    import tensorc as tc

    x = tc.matrix("x")
    f = tc.function([x], tc.nn.softmax(x))
"""

from tensorc.api import elementwise as _elementwise
from tensorc.api import functions as _functions
from tensorc.api import nn, special
from tensorc.api import shapes as _shapes
from tensorc.api import symbols as _symbols
from tensorc.api.arguments import In, Out
from tensorc.api.convert import asarray, constant
from tensorc.api.function import Function, function
from tensorc.api.grad import grad
from tensorc.api.indexing import inc_subtensor, set_subtensor
from tensorc.api.leaves import Shared, shared
from tensorc.api.modes import Mode
from tensorc.api.symbols import tensor
from tensorc.ir.errors import (
    InternalError,
    TensorcError,
    TensorcIndexError,
    TensorcTypeError,
    TensorcValueError,
)
from tensorc.version import __version__

globals().update(_symbols.constructors())
globals().update(_elementwise.public_functions())
globals().update({name: getattr(_shapes, name) for name in _shapes.PUBLIC})
globals().update({name: getattr(_functions, name) for name in _functions.PUBLIC})

__all__ = sorted([*(name for name in globals() if not name.startswith("_")), "__version__"])
