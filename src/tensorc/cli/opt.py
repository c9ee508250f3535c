"""`tensorc opt FILE.mlir -p 'canonicalize,cse,fuse{max-ops=32}'`: run any list of passes on IR text."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tensorc.cli.errors import CommandLineError
from tensorc.cli.text import STDIN, read_module, write_text
from tensorc.ir.errors import TensorcError


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "opt",
        help="run passes on IR text",
        description="Parse and verify IR text, run passes on it, print the result, which opt reads again.",
        allow_abbrev=False,
    )
    parser.add_argument("file", nargs="?", help="a .mlir file; - reads standard input")
    parser.add_argument(
        "-p",
        "--passes",
        default="",
        metavar="PIPELINE",
        help="passes with options, as in 'canonicalize,autodiff{wrt=0,1}', or a whole pipeline (O0 to O3)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the result there")
    parser.add_argument("--list-passes", action="store_true", help="list the passes and their options")
    parser.add_argument("--locations", action="store_true", help="print loc(...) behind every op")
    parser.add_argument("--verify-each", action="store_true", help="verify the IR after every pass")
    parser.add_argument(
        "--print-after-all", action="store_true", help="print the IR after every pass, on stderr"
    )
    parser.add_argument("--timing", action="store_true", help="print the time every pass took, on stderr")
    parser.add_argument(
        "--statistics", action="store_true", help="print how often every rule fired, on stderr"
    )
    parser.add_argument(
        "--rules",
        action="store_true",
        help="list the rewrite rules; with a file: those that were applied, and how often, on stderr",
    )
    parser.add_argument(
        "--bisect-limit",
        type=_count,
        metavar="N",
        help="make only the first N rewrites of the whole pipeline",
    )
    parser.set_defaults(handler=optimise)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rewrites (0, 1, 2, ...)")
    return int(text)


def optimise(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.list_passes:
        write_text(pass_list())
        return 0
    if options.rules and options.file is None:
        from tensorc.passes import registry

        write_text(registry.listing())
        return 0
    if options.file is None:
        raise CommandLineError("name a file, or - for standard input")
    from tensorc.ir.printer import print_op
    from tensorc.ir.verifier import check
    from tensorc.passes import manager

    passes = pipeline(options.passes)
    module = read_module(options.file)
    how = manager.Options(
        verify_each=options.verify_each,
        print_after_all=options.print_after_all,
        bisect_limit=options.bisect_limit,
        write=sys.stderr.write,
    )
    report = manager.run(module, passes, how)
    if passes and not options.verify_each:
        check(module)
    if options.timing:
        sys.stderr.write(report.timing())
    if options.statistics:
        sys.stderr.write(report.statistics())
    write_text(print_op(module, locations=options.locations), options.output or STDIN)
    if options.rules:
        from tensorc.passes import registry

        sys.stderr.write(registry.applied(report.rules))
    return 0


def pipeline(text: str) -> list[Any]:
    """The passes of pipeline text; none for a blank one. Raises CommandLineError."""
    from tensorc.passes.text import parse_pipeline

    if not text.strip():
        return []
    try:
        return list(parse_pipeline(text))
    except TensorcError as error:
        help = f" ({error.help})" if error.help else ""
        raise CommandLineError(f"{error.message}{help}") from None


def pass_list() -> str:
    """Every pass with its options and what it does, then the named pipelines."""
    from dataclasses import MISSING, fields

    from tensorc.passes import pipelines

    lines = []
    for name in pipelines.PASSES:
        cls = pipelines.load(name)
        said = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
        lines.append(f"{name}\n    {said}")
        for option in fields(cls):
            default = "" if option.default is MISSING else f" = {option.default}"
            lines.append(f"    {option.name.replace('_', '-')}: {option.type}{default}")
    lines += [f"\n{name}\n    {text}" for name, text in pipelines.PIPELINES.items()]
    return "\n".join(lines) + "\n"
