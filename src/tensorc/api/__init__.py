"""What `import tensorc as tc` shows: symbols, functions, shared variables, gradients.

May import every layer but `interop`, `cli`, `embed`, `demo`. `leaves` is imported first: it completes
`Tensor`, on which the rest builds.
"""

from tensorc.api import leaves as _leaves  # noqa: F401  (first: see above)
