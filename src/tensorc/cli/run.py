"""`tensorc run FILE.mlir --args a.npy b.npy`: run a function of a file on arrays."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from tensorc.cli.errors import CommandLineError
from tensorc.cli.text import entry_function, read_module, shown
from tensorc.ir.errors import TensorcError, TensorcTypeError, TensorcValueError

if TYPE_CHECKING:
    from tensorc.cli.arrays import Array
    from tensorc.ir.core import Operation
    from tensorc.ir.types import Type

    Runner = Callable[[Sequence[Array]], list[Array]]

INTERPRETER: Final = "interp"
MODES: Final = (INTERPRETER, "fast", "compile-fast", "O0", "O1", "O2", "O3")
_MOST_STEPS: Final = 200_000_000
_NUMPYS_LIMITS: Final = ("array is too big", "maximum supported dimension")


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "run",
        help="run a function of a file on arrays",
        description=(
            "Run a function on .npy arrays and print its results. Tensor functions are compiled; "
            "kernels and loops run in the interpreter, which checks every access."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("file", help="a .mlir file; - reads standard input")
    parser.add_argument("--entry", metavar="NAME", help="the function (default: @main, or the only one)")
    parser.add_argument("--args", nargs="*", default=[], metavar="FILE.npy", help="the arguments, in order")
    parser.add_argument(
        "--mode", choices=MODES, help="how to run (default: fast; interp for kernels and loops)"
    )
    parser.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="FILE",
        help="a .npy per result, or one .npz for all",
    )
    parser.add_argument(
        "--max-steps",
        type=_steps,
        default=_MOST_STEPS,
        metavar="N",
        help="give up after N instructions of the loop interpreter (default: %(default)s)",
    )
    parser.set_defaults(handler=run)


def _steps(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < len(text) <= 15:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of steps")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from tensorc.cli.arrays import check_targets, load_array, print_arrays, save_arrays

    module = read_module(options.file)
    function = entry_function(module, options.entry, options.file)
    given = [load_array(name) for name in options.args]
    results = _executed(_runner(module, function, options), given)
    check_targets(options.output, len(results))
    if options.output:
        save_arrays(options.output, results)
    else:
        print_arrays(results)
    return 0


def _executed(runner: Runner, given: list[Array]) -> list[Array]:
    """The results; what NumPy has to say about arrays it cannot make is an error of the program."""
    try:
        return runner(given)
    except ValueError as error:
        if isinstance(error, TensorcError) or not any(words in str(error) for words in _NUMPYS_LIMITS):
            raise
        raise TensorcValueError(str(error), code="TC0902") from None


def _runner(module: Operation, function: Operation, options: argparse.Namespace) -> Runner:
    """From given arrays to results, by the level of the function and the mode."""
    from tensorc.cli import levels, loop_runner

    levels.check_calls(module, function)
    level = levels.level_of(function)
    mode = options.mode or ("fast" if level == "tensor" else INTERPRETER)
    if level != "tensor" and mode != INTERPRETER:
        raise CommandLineError(
            f"{shown(options.file)} is at the {level} level, where extents are taken on trust: "
            f"only --mode {INTERPRETER} runs it, which checks every access"
        )
    name = levels.name_of(function)
    if mode != INTERPRETER:
        from tensorc.cli.compiled import compile_function

        compiled = compile_function(module, function, mode)
        return lambda given: compiled(*tensor_arguments(function, given))
    if level == "tensor":
        from tensorc.interp import tensor

        return lambda given: _as_arrays(tensor.run(function, tensor_arguments(function, given)))
    types = function.attrs.function_type.inputs if level == "fused" else None  # type: ignore[attr-defined]
    if level != "loops":
        levels.lower(module, level)
    runner = loop_runner.LoopRunner(module, name, options.max_steps)
    if types is None:
        return runner
    return lambda given: runner(tensor_arguments(function, given, types))


def tensor_arguments(
    function: Operation, given: Sequence[Array], types: Sequence[Type] | None = None
) -> list[Any]:
    """The arguments of a tensor function: the given arrays, each of its parameter's type, and the constants
    the file holds.

    Raises TensorcTypeError for a wrong number, dtype or rank, TensorcValueError for a wrong extent.
    """
    from tensorc.cli import levels

    types = list(types or function.attrs.function_type.inputs)  # type: ignore[attr-defined]
    values = levels.bind(function, types, given)
    name = levels.name_of(function)
    return [
        fitted(v, t, f"argument {k} of @{name}") for k, (v, t) in enumerate(zip(values, types, strict=True))
    ]


def fitted(array: Array, type: Type, what: str) -> Any:
    """An array if it is of the tensor type; an `int` or `bool` where the parameter is one."""
    import numpy as np

    from tensorc.ir.types import IndexType, TensorType, i1
    from tensorc.ops.dtypes import to_dtype

    if isinstance(type, IndexType) or type == i1:
        if array.ndim or array.dtype.kind not in ("b" if type == i1 else "iu"):
            raise TensorcTypeError(f"{what}: needs a 0-d array for {type}, got {_text(array)}", code="TC0281")
        return bool(array) if type == i1 else int(array)
    if not isinstance(type, TensorType):
        raise TensorcTypeError(f"{what}: there are no arrays of type {type}", code="TC0281")
    try:
        wanted: np.dtype[Any] = to_dtype(type.element)
    except TypeError as error:
        raise TensorcTypeError(f"{what}: {error}", code="TC0281") from None
    if array.dtype != wanted or array.ndim != type.rank:
        help = f"convert it with array.astype('{wanted}')" if array.ndim == type.rank else None
        raise TensorcTypeError(f"{what}: needs {type}, got {_text(array)}", code="TC0281", help=help)
    if any(n is not None and n != m for n, m in zip(type.shape, array.shape, strict=True)):
        raise TensorcValueError(f"{what}: needs {type}, got {_text(array)}", code="TC0282")
    return array


def _text(array: Array) -> str:
    return f"{array.dtype} of shape {list(array.shape)}"


def _as_arrays(results: Sequence[Any]) -> list[Array]:
    import numpy as np

    return [np.asarray(r) for r in results]
