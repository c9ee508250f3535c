"""The tensor ops: one op, one class, grouped by family; the loop dialects in `loops/`; the scalar table in
`scalar.py`.

May import `ir` only. Importing the package registers every op class found in the folder, so a new op is one
class in one file. See README.md.
"""

from __future__ import annotations

import importlib
import pkgutil


def _import_all() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


_import_all()
