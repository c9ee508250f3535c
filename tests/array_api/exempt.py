"""Names that are no functions of arrays, and where they are tested instead."""

_ERRORS = "a kind of error: tests/diagnostics"
_EXPRESSION = "what an expression knows of itself, no value of the array: tests/api/test_symbols.py"
_COMPILING = "compiles or describes a program: tests/api"

_CONSTANT = "a constant of the Array API standard: test_names.py compares it with NumPy's"

EXEMPT = {
    "e": _CONSTANT,
    "inf": _CONSTANT,
    "nan": _CONSTANT,
    "newaxis": _CONSTANT,
    "pi": _CONSTANT,
    "Function": _COMPILING,
    "In": _COMPILING,
    "Out": _COMPILING,
    "Mode": _COMPILING,
    "Profile": _COMPILING,
    "debugprint": "writes a program as text: tests/api",
    "function": _COMPILING,
    "jit": _COMPILING,
    "Jitted": _COMPILING,
    "register_pytree_node": _COMPILING,
    "load": "reads a saved function: tests/api/test_saving.py",
    "pprint": "writes an expression as text: tests/api",
    "grad": "derivatives are held against differences: tests/api/test_grad.py",
    "Shared": "state between calls: tests/api/test_function.py",
    "shared": "state between calls: tests/api/test_function.py",
    "tensor": "makes a symbol: tests/api/test_symbols.py",
    "InternalError": _ERRORS,
    "TensorcError": _ERRORS,
    "TensorcAttributeError": _ERRORS,
    "TensorcIndexError": _ERRORS,
    "TensorcOverflowError": _ERRORS,
    "TensorcTypeError": _ERRORS,
    "TensorcValueError": _ERRORS,
    "Tensor.dtype": _EXPRESSION,
    "Tensor.extents": _EXPRESSION,
    "Tensor.index": _EXPRESSION,
    "Tensor.location": _EXPRESSION,
    "Tensor.name": _EXPRESSION,
    "Tensor.node": _EXPRESSION,
    "Tensor.tensor_type": _EXPRESSION,
    "Tensor.type": _EXPRESSION,
    "Tensor.weak": _EXPRESSION,
    "Tensor.eval": "compiles and calls: tests/api/test_function.py",
    "operator.contains": "refused with an error of its own: tests/diagnostics",
    "operator.delitem": "refused with an error of its own: tests/diagnostics",
    "operator.index": "refused with an error of its own: tests/diagnostics",
    "operator.setitem": "refused with an error of its own: tests/diagnostics",
}
