"""Importing a file of the user's and finding a compiled function in it."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from tensorc.api.function import Function
from tensorc.api.jit import Jitted
from tensorc.cli.errors import Reported, wrong_file
from tensorc.cli.text import read_text
from tensorc.ir.errors import TensorcError


def load_user_file(name: str) -> ModuleType:
    """The module of a Python file, as `import` would give it: `__name__` is not `__main__`.

    What the file prints goes to stderr, so that stdout holds only what was asked for. An error inside it is
    the user's own: its traceback is shown, from the user's first line on, and Reported is raised.
    """
    read_text(name)  # missing, a directory, binary, not UTF-8: said in our words
    path = Path(name).resolve()
    stem = path.stem if path.stem not in sys.modules else f"{path.stem}_of_user"
    spec = importlib.util.spec_from_file_location(stem, path)
    if spec is None or spec.loader is None:
        raise wrong_file(f"{name} is not a Python file", "its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module  # dataclasses and pickles look their module up by name
    with _as_script(path), contextlib.redirect_stdout(sys.stderr):
        try:
            spec.loader.exec_module(module)
        except TensorcError:
            raise
        except SystemExit as stop:
            raise wrong_file(f"{name} called sys.exit({stop.code!r}) while it was imported", _GUARD) from None
        except Exception as error:
            _show(error, str(path))
            raise Reported from None
    return module


_GUARD = 'put what runs the program behind `if __name__ == "__main__":`'


@contextlib.contextmanager
def _as_script(path: Path) -> Iterator[None]:
    """The file's folder first on the import path and its name as argv, as when it is run."""
    saved = sys.path[:], sys.argv[:]
    sys.path.insert(0, str(path.parent))
    sys.argv[:] = [str(path)]
    try:
        yield
    finally:
        sys.path[:], sys.argv[:] = saved


def _show(error: Exception, file: str) -> None:
    """The traceback from the first frame in the user's file on; none of ours before it."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    sys.stderr.write("".join(traceback.format_exception(type(error), error, trace)))


def find_function(module: ModuleType, name: str | None, file: str) -> Any:
    """The compiled function NAME (dotted for attributes: `model.train`) of a module; without a name the only
    one.
    """
    compiled = [n for n, v in vars(module).items() if is_compiled(v)]
    known = (
        f"compiled functions there: {', '.join(compiled)}"
        if compiled
        else "no name there holds a compiled function"
    )
    if name is None:
        if len(compiled) != 1:
            raise wrong_file(f"{file} needs the name of a function: {file}:NAME", known)
        name = compiled[0]
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise wrong_file(f"{file} has no {name!r}", known)
        found = getattr(found, part)
    if not is_compiled(found):
        raise wrong_file(
            f"{name} in {file} is {_kind(found)}, not a compiled function",
            f"{known}; compile one with tc.function([inputs], outputs)",
        )
    return found if not isinstance(found, Jitted) else _latest(found, name, file)


def _latest(found: Jitted, name: str, file: str) -> Function:
    """The body compiled last of a function that may have several."""
    if not found.variants:
        raise wrong_file(
            f"{name} in {file} has not been called yet, and a function is compiled by its first call",
            f"call it in {file}, or compile it with tc.function([inputs], {name}(*inputs))",
        )
    return found.variants[-1].function


def is_compiled(value: object) -> bool:
    """Whether a value can show its stages."""
    return isinstance(value, Function | Jitted)


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"
