"""`main`: parse the command line, run a command, and turn whatever goes wrong into one diagnostic.

Exit status: 0 done; 1 the input is wrong (or, worded as such, the compiler is); 2 the command line is wrong;
130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from tensorc.cli import cache, demo, doctor, dump, opt, run
from tensorc.cli.errors import CommandLineError, Reported
from tensorc.cli.text import forget_texts
from tensorc.ir.errors import InternalError, TensorcError
from tensorc.version import __version__

DONE, WRONG_INPUT, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
COMMANDS: Final = (dump, opt, run, cache, doctor, demo)
_TRACEBACK: Final = "TENSORC_TRACEBACK"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (default: the process's own); returns the exit status and never raises."""
    parser = make_parser()
    try:
        options = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has written help, version or the complaint
        return _finish(stop.code if isinstance(stop.code, int) else WRONG_USAGE)
    if options.command is None:
        parser.print_help(sys.stderr)
        return WRONG_USAGE
    return _finish(_guarded(options.handler, options))


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="tensorc",
        description="NumPy-style mathematics, compiled to native code by a compiler you can read.",
        epilog="exit status: 0 done, 1 the input is wrong, 2 the command line is wrong",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tensorc {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


def _guarded(handler: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    try:
        return handler(options)
    except BrokenPipeError:  # the reader (`head`) has what it wants
        _abandon_stdout()
        return DONE
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except Reported:
        return WRONG_INPUT
    except CommandLineError as error:
        _complain(f"tensorc {options.command}: error: {error}\ntry: tensorc {options.command} --help")
        return WRONG_USAGE
    except TensorcError as error:
        _complain(str(error))
    except MemoryError:
        _complain("error[TC0902]: out of memory")
    except OSError as error:
        _complain(f"error[TC0901]: {error}")
    except Exception as error:
        _complain_of_defect(error)
    finally:
        forget_texts()
    return WRONG_INPUT


def _complain_of_defect(error: Exception) -> None:
    """A defect of ours: one diagnostic, and the traceback only for those who ask for it."""
    kind = "" if isinstance(error, InternalError) else f"{type(error).__name__}: "
    _complain(f"error[TC0900]: the compiler failed, which is a defect of tensorc: {kind}{error}")
    if os.environ.get(_TRACEBACK):
        _complain("".join(traceback.format_exception(error)))
    else:
        _complain(f"  = help: please report it with this input; {_TRACEBACK}=1 shows where it happened")


def _complain(text: str) -> None:
    try:
        print(text.encode("utf-8", "backslashreplace").decode("utf-8"), file=sys.stderr, flush=True)
    except UnicodeEncodeError:
        print(text.encode("ascii", "backslashreplace").decode("ascii"), file=sys.stderr, flush=True)
    except OSError:  # nobody listens
        pass


def _finish(status: int) -> int:
    """Flush now: an error at the interpreter's exit would print a traceback."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
    except OSError as error:
        _complain(f"error[TC0901]: writing the output failed: {error}")
        _abandon_stdout()
        return status or WRONG_INPUT
    return status


def _abandon_stdout() -> None:
    """Let the interpreter's last flush go nowhere."""
    try:
        target = sys.stdout.fileno()
    except (OSError, ValueError):  # not a real file: a test's capture
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, target)
    os.close(null)
