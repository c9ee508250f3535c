"""Rewrite rules by algebra: small functions with a law, an example and a class (`exact`, `rounding`,
`stable`).

Used by `passes/canonicalize.py` (exact and rounding) and `passes/stabilise.py` (stable); may import `ir`,
`ops`, `passes.fold` and `passes.shapes`. A new rule goes into the file of its algebra and into that file's
`PATTERNS`; a new algebra is a new file, entered below. The example is a Python expression over inputs `x`,
`y`, ... (see `tests/passes/rule_examples.py`); from it a test is generated that the rule fires and keeps what
its class promises.
"""

from __future__ import annotations

from tensorc.ir.rewriter import Pattern
from tensorc.passes import fold
from tensorc.passes.rules import (
    arithmetic,
    choice,
    error_function,
    explog,
    extents,
    logistic,
    logsum,
    order,
    roots,
    views,
)

CANONICAL: tuple[Pattern, ...] = (
    *fold.PATTERNS,
    *extents.PATTERNS,
    *views.PATTERNS,
    *arithmetic.PATTERNS,
    *choice.PATTERNS,
)
"""Rules of `canonicalize`: only the form changes (`exact`), or an op is replaced by a cheaper one
(`rounding`).
"""

STABLE: tuple[Pattern, ...] = (
    *logistic.PATTERNS,
    *logsum.PATTERNS,
    *explog.PATTERNS,
    *error_function.PATTERNS,
    *roots.PATTERNS,
    *order.PATTERNS,
)
"""Rules of `stabilise`: the same real function by a form at least as close to it."""

SHIPPED = {"CANONICAL": CANONICAL, "STABLE": STABLE}
"""The rules of this package's files, should another be entered by hand."""
