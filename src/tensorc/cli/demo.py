"""`tensorc demo`: train two models on real digits."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

from tensorc.ir.errors import TensorcValueError

INSTALL = "pip install 'tensorc[demo]'"
NEEDED = {"sklearn": "scikit-learn", "rich": "rich"}


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "demo",
        help="train two models on handwritten digits",
        description="Train softmax regression and a two-layer network on 1,797 real handwritten digits.",
        allow_abbrev=False,
    )
    parser.set_defaults(handler=demonstrate)


def demonstrate(options: argparse.Namespace) -> int:
    """Run the command. Without the extra: one diagnostic with the line that installs it."""
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise TensorcValueError(f"the demo needs {' and '.join(missing)}", code="TC0903", help=INSTALL)
    from tensorc.demo import digits

    try:
        return digits.main()
    except SystemExit:  # rich ends the program when the reader of its output has gone
        raise BrokenPipeError from None
