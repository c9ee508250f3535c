"""`tensorc dump FILE.py:NAME --stage S`: a compiled function as text, at any stage of the compiler."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, Final

from tensorc.api.modes import PIPELINE_OF, STAGES, as_mode
from tensorc.cli.errors import CommandLineError
from tensorc.cli.text import STDIN, entry_function, read_module, shown, write_text
from tensorc.ir.errors import TensorcValueError

if TYPE_CHECKING:
    from tensorc.ir.core import Operation

_PYTHON: Final = (".py", ".pyw")


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "dump",
        help="show a compiled function at a stage",
        description=(
            "Show a function at a stage: tensor (stabilised), fused (kernels), loops, llvm, asm, ptx. "
            "FILE.py is imported (not run as a program) and NAME is a compiled function in it; "
            "FILE.mlir is compiled from its @main or @NAME."
        ),
        allow_abbrev=False,
    )
    parser.add_argument(
        "target", metavar="FILE[:NAME]", help="FILE.py:NAME, FILE.mlir[:NAME], or - for text on stdin"
    )
    parser.add_argument("--stage", choices=STAGES, default="tensor", help="default: %(default)s")
    parser.add_argument("--arch", metavar="sm_90", help="the GPU ptx is for")
    parser.add_argument(
        "--mode",
        choices=tuple(PIPELINE_OF),
        help="compile in this mode (default: the function's own; fast for text)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the text there")
    parser.set_defaults(handler=dump)


def dump(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.arch is not None and options.stage != "ptx":
        raise CommandLineError("--arch goes with --stage ptx")
    file, name = split_target(options.target)
    show = _of_python if file.endswith(_PYTHON) else _of_text
    text = show(file, name, options)
    write_text(text if text.endswith("\n") else text + "\n", options.output or STDIN)
    return 0


def split_target(target: str) -> tuple[str, str | None]:
    """FILE and NAME; a colon inside an existing file's name, or of a drive, belongs to FILE."""
    file, colon, name = target.rpartition(":")
    if not colon or os.path.exists(target) or not all(part.isidentifier() for part in name.split(".")):
        return target, None
    if len(file) == 1 and not os.path.exists(file):  # C:name
        return target, None
    return file, name


def _of_python(file: str, name: str | None, options: argparse.Namespace) -> str:
    from tensorc.cli.user_file import find_function, load_user_file

    function = find_function(load_user_file(file), name, file)
    if options.mode is None:
        return str(function.source(options.stage, **_arch(options)))
    from tensorc.api.build import Build

    return Build(function.program, as_mode(options.mode)).source(options.stage, **_arch(options))


def _arch(options: argparse.Namespace) -> dict[str, str]:
    return {} if options.arch is None else {"arch": options.arch}


def _of_text(file: str, name: str | None, options: argparse.Namespace) -> str:
    from tensorc.cli import levels

    module = read_module(file)
    function = entry_function(module, name, file)
    levels.check_calls(module, function)
    level = levels.level_of(function)
    if level in ("buffers", "loops"):
        return _of_loops(module, level, file, options)
    from tensorc.cli.compiled import build_of

    return build_of(module, function, options.mode or "fast").source(options.stage, **_arch(options))


def _of_loops(module: Operation, level: Any, file: str, options: argparse.Namespace) -> str:
    """The later stages of text that is at the loop level already."""
    from tensorc.cli import levels
    from tensorc.ir.printer import print_op

    if options.stage in ("tensor", "fused"):
        raise TensorcValueError(
            f"{shown(file)} is at the {level} level, past the stage {options.stage}", code="TC0907"
        )
    if level == "buffers":
        levels.lower(module, level)
    if options.stage == "loops":
        return print_op(module)
    if options.stage == "ptx":
        from tensorc.codegen_cuda import ptx

        return str(ptx(module, **_arch(options)))
    from tensorc.codegen_llvm import emitter, jit

    show = jit.optimised_text if options.stage == "llvm" else jit.assembly
    return str(show(emitter.emit(module), level=as_mode(options.mode).level))
