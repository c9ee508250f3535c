"""What `import tensorc as tc` shows: symbols, functions of arrays, compiled functions, shared variables.

- `expr`, `leaves`, `methods`: the immutable expression node, its leaves (symbols, literals, shared
  variables),
  and `Tensor` with NumPy's operators. `leaves` is imported first: it completes `Tensor`.
- `convert`, `broadcast`, `extents`: literals and NumPy's promotion; broadcasting as explicit ops; arithmetic
  on extents.
- `elementwise`, `functions`, `shapes`, `indexing`, `nn`, `special`, `numpy_protocol`: the functions of `tc`.
- `trace`: expressions to a `func.func` and back. `grad`: derivatives, by way of it.
- `program`, `substitute`, `arguments`, `build`, `function`, `profile`, `modes`: `tc.function`, from its
  checks and `givens` to the native callable.
- `pytree`, `jit_call`, `jit_trace`, `jit`, `escaped`: `tc.jit`, from nested containers and the form of a call
  by way of running the function on symbols to the compiled variants. `native_forms`: calls without Python.
- `short_axes`: bodies that are made when calls show that they pay.
- `saving` (`f.save`, `tc.load`) and `pickling`, over `saved_program` (programs as text and back), `manifest`
  and `archive` (the file and its checks).
- `notation`, `pretty`, `debugprint`: expressions as formulas and trees.

May import every layer but `interop`, `cli`, `embed`, `demo`. A new elementwise function needs nothing here:
every `Pointwise` op with a public name is one by itself (docs/add_an_op.md). Any other goes to `functions` or
`shapes`, and into its `__all__`.
"""

from tensorc.api import leaves as _leaves  # noqa: F401  (first: see above)
