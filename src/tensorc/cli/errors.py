"""What commands raise besides the errors of the compiler."""

from __future__ import annotations

from tensorc.ir.errors import TensorcError, TensorcValueError


class CommandLineError(Exception):
    """The command line is wrong in a way argparse cannot see: exit status 2."""


class Reported(Exception):
    """The input is wrong and the user has been told: exit status 1."""


def wrong_file(message: str, help: str | None = None) -> TensorcError:
    """The error of a file that cannot be read, written or understood."""
    return TensorcValueError(message, code="TC0901", help=help)
