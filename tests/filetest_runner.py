"""Text tests: one `.mlir` file holds one or more cases of input, header and expectation.

    // test: pass=canonicalize,cse          run passes and compare the text that comes out (calls suffice)
    // test: roundtrip                      parse, print, compare (`roundtrip locations`: with locations)
    // test: verify                         every error stands on its line: `... // error: TC0123 words of it`
    // test: run                            nothing but calls
    // run: @f([1.0, 2.0], 3) == [3.0]      call a function of the input and of the output, by every engine
    "builtin.module"() ({ ...
    // ---- expect
    "builtin.module"() ({ ...

`// -----` separates cases; a case without a header takes that of the case before. `~=` instead of `==` allows
a few ulps. Several results are separated by commas; `nan` and `inf` are numbers. With passes, an `// error:`
comment expects the passes to stop with that error on that line. `make bless` (TENSORC_BLESS=1) rewrites what
follows `// ---- expect`.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

import tensorc.ops  # noqa: F401  registers the op classes
from tensorc.interp import loops, tensor
from tensorc.ir.builtin import function_type, functions, lookup, symbol_name
from tensorc.ir.clone import clone_op
from tensorc.ir.core import Operation
from tensorc.ir.diagnostics import Diagnostic
from tensorc.ir.equality import difference
from tensorc.ir.errors import TensorcError
from tensorc.ir.location import FileLocation, file_location
from tensorc.ir.parser import parse_module
from tensorc.ir.printer import print_op
from tensorc.ir.types import TensorType, Type
from tensorc.ir.verifier import check, verify
from tensorc.ops.dtypes import to_dtype
from tensorc.passes import manager
from tests.codegen_llvm.emitter_support import compile_module

EXPECT = "// ---- expect\n"
_SEPARATOR = re.compile(r"^// -----[ \t]*\n", re.MULTILINE)
_HEADER = re.compile(r"^// test: (.*?)[ \t]*$", re.MULTILINE)
_RUN = re.compile(r"^// run: @(\w+)(\(.*\)) (==|~=) (.*?)[ \t]*$", re.MULTILINE)
_ANY_RUN = re.compile(r"^// run:", re.MULTILINE)
_ERROR = re.compile(r"// error: (TC\d{4})[ \t]*(.*?)[ \t]*(?=// error:|$)")

VERIFY = manager.Options(verify_each=True, reproducer=False)
Engine = Callable[[Operation, str, Sequence[Any], Sequence[Type]], list[Any]]


class FileTestError(AssertionError):
    """What a text test found; its message names the case and the command that shows the same."""


@dataclass(frozen=True)
class Case:
    """One case; `line` is its first line in the file, `expected` is None where the file has no
    expectation.
    """

    path: Path
    number: int
    line: int
    test: str
    input: str
    expected: str | None

    @property
    def source(self) -> str:
        """The input, moved down so that its lines have the numbers they have in the file."""
        return "\n" * (self.line - 1) + self.input

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}:{self.number}"


def read(path: Path) -> list[Case]:
    """The cases of a file. Raises ValueError when it has no header or a line that looks like a run but is
    none.
    """
    cases: list[Case] = []
    test = ""
    line = 1
    for number, text in enumerate(_SEPARATOR.split(path.read_text(encoding="utf-8"))):
        source, marker, expected = text.partition(EXPECT)
        header = _HEADER.search(source)
        test = header.group(1) if header else test
        if not test:
            raise ValueError(f"{path}: no `// test:` header")
        if len(_ANY_RUN.findall(source)) != len(_RUN.findall(source)):
            raise ValueError(f"{path}: a `// run:` line is malformed (`// run: @f(...) == ...`)")
        cases.append(Case(path, number, line, test, source, expected if marker else None))
        line += text.count("\n") + 1
    return cases


def run(case: Case) -> str | None:
    """Run a case; returns the text for its expectation, or None where it has none. Raises FileTestError."""
    kind, _, rest = case.test.partition("=") if case.test.startswith("pass=") else case.test.partition(" ")
    if kind == "verify":
        _verify(case)
        return None
    if case.test == "run":
        if not _RUN.search(case.input):
            raise FileTestError(f"{case.name}: a run test needs `// run:` lines")
        module = parse_module(case.source, case.path.name)
        check(module)
        _calls(case, module)
        return None
    if kind == "roundtrip" and rest in ("", "locations"):
        return _roundtrip(case, rest == "locations")
    if kind == "pass":
        return _passes(case, rest)
    raise FileTestError(f"{case.name}: unknown test {case.test!r}")


def compare(case: Case, got: str | None) -> None:
    """Raises FileTestError with a diff when the text is not the expected one."""
    if got is None or got == case.expected:
        return
    expected = (case.expected or "").splitlines(keepends=True)
    diff = "".join(difflib.unified_diff(expected, got.splitlines(keepends=True), "expected", "got"))
    raise FileTestError(f"{case.name} ({_command(case)}):\n{diff}\n`make bless` accepts this")


def bless(path: Path) -> None:
    """Rewrite the expectations of a file from what its cases give now."""
    parts = []
    for case in read(path):
        got = run(case)
        parts.append(case.input if got is None else f"{case.input}{EXPECT}{got}")
    path.write_text("// -----\n".join(parts), encoding="utf-8")


def _command(case: Case) -> str:
    pipeline = case.test.removeprefix("pass=") if case.test.startswith("pass=") else ""
    return f"tensorc opt {case.path}" + (f" -p '{pipeline}'" if pipeline else "")


# -- the kinds of test


def _roundtrip(case: Case, locations: bool) -> str:
    module = parse_module(case.source, case.path.name)
    check(module, allow_unregistered=True)
    text = print_op(module, locations)
    found = difference(module, parse_module(text))
    if found is not None:
        raise FileTestError(f"{case.name}: what was printed parses to something else: {found}")
    _calls(case, module)
    return text


def _verify(case: Case) -> None:
    wanted = _wanted(case)
    if not wanted:
        raise FileTestError(f"{case.name}: a verify test needs `// error:` lines")
    try:
        found = verify(parse_module(case.source, case.path.name))
    except TensorcError as error:
        found = [Diagnostic(error.code, str(error), None, error.location)]
    _match(case, wanted, [(_line(d.location), d.code, f"{d.message} {d.help or ''}") for d in found])


def _passes(case: Case, pipeline: str) -> str | None:
    wanted = _wanted(case)
    module = parse_module(case.source, case.path.name)
    check(module)
    try:
        manager.run(module, pipeline, VERIFY)
    except TensorcError as error:
        if not wanted:
            raise
        _match(case, wanted, [(_line(error.location), error.code, str(error))])
        return None
    if wanted:
        raise FileTestError(f"{case.name}: {pipeline} succeeded, the file expects an error")
    check(module)
    _calls(case, parse_module(case.source, case.path.name), module)
    if case.expected is None and _RUN.search(case.input):
        return None
    return print_op(module)


# -- expected errors


def _wanted(case: Case) -> list[tuple[int, str, str]]:
    lines = enumerate(case.source.split("\n"), 1)
    return [(n, *match.groups()) for n, line in lines for match in _ERROR.finditer(line)]


def _line(location: Any) -> int:
    place: FileLocation | None = file_location(location)
    return 0 if place is None else place.line


def _match(case: Case, wanted: list[tuple[int, str, str]], found: list[tuple[int, str, str]]) -> None:
    """Every wanted error is found and every found one wanted."""
    left = list(found)
    missing = []
    for line, code, words in wanted:
        hit = next((f for f in left if f[:2] == (line, code) and words in f[2]), None)
        if hit is None:
            missing.append(f"line {line}: {code} {words}")
        else:
            left.remove(hit)
    if missing or left:
        unexpected = [f"line {line}: {code} {message}" for line, code, message in left]
        raise FileTestError(f"{case.name}:\n  not found: {missing}\n  not expected: {unexpected}")


# -- calls


def _calls(case: Case, source: Operation, *outputs: Operation) -> None:
    """Every `// run:` line on the case's input and on what passes made of it."""
    for name, arguments, relation, expected in _RUN.findall(case.input):
        function = lookup(source, name)
        if function is None:
            raise FileTestError(f"{case.name}: there is no function @{name}")
        type = function_type(function)
        if not all(isinstance(t, TensorType) for t in type.results):
            raise FileTestError(f"{case.name}: @{name} does not return tensors")
        call = ast.parse(f"f{arguments}", mode="eval").body
        assert isinstance(call, ast.Call)
        values = [_literal(a) for a in call.args]
        wanted = _literal(ast.parse(f"({expected},)", mode="eval").body)
        for module in (source, *outputs):
            for label, engine in _engines(module, name):
                got = engine(module, name, _arrays(values, type.inputs), type.results)
                _judge(
                    f"{case.name}: @{name} by {label}", got, _arrays(wanted, type.results), relation == "=="
                )


def _literal(node: ast.expr) -> Any:
    """A number, `nan`, `inf`, a list or a tuple."""
    if isinstance(node, ast.List):
        return [_literal(e) for e in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_literal(e) for e in node.elts)
    if isinstance(node, ast.Name) and node.id in ("nan", "inf"):
        return getattr(math, node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_literal(node.operand)
    return ast.literal_eval(node)


def _arrays(values: Sequence[Any], types: Sequence[Type]) -> list[Any]:
    """Literals as arrays of the given types; `index` values stay integers."""
    if len(values) != len(types):
        raise FileTestError(f"{len(values)} values for types {', '.join(map(str, types))}")
    return [
        np.array(v, to_dtype(t.element)) if isinstance(t, TensorType) else v
        for v, t in zip(values, types, strict=True)
    ]


def _engines(module: Operation, name: str) -> list[tuple[str, Engine]]:
    """What can run `@name` at the level its module is on."""
    lowered: list[tuple[str, Engine]] = [
        ("the loop interpreter", _run_loops),
        ("machine code", _run_machine_code),
    ]
    if lookup(module, f"{name}_shapes") is not None:
        return lowered
    return [
        ("the tensor interpreter", _run_tensors),
        *((label, _after_lowering(run)) for label, run in lowered),
    ]


def _run_tensors(
    module: Operation, name: str, arguments: Sequence[Any], results: Sequence[Type]
) -> list[Any]:
    function = lookup(module, name)
    assert function is not None
    return tensor.run(function, arguments)


def _after_lowering(engine: Engine) -> Engine:
    def run_lowered(
        module: Operation, name: str, arguments: Sequence[Any], results: Sequence[Type]
    ) -> list[Any]:
        lowered = clone_op(module)
        manager.run(lowered, "decompose,bufferize,lower-to-loops", VERIFY)
        return engine(lowered, name, arguments, results)

    return run_lowered


def _run_loops(module: Operation, name: str, arguments: Sequence[Any], results: Sequence[Type]) -> list[Any]:
    interpreter = loops.LoopInterpreter(module)

    def call(symbol: str, *args: Any) -> int:
        return int(interpreter.call(symbol, list(args), len(arguments)))

    return _shapes_then_values(call, name, arguments, results)


def _run_machine_code(
    module: Operation, name: str, arguments: Sequence[Any], results: Sequence[Type]
) -> list[Any]:
    lowered = clone_op(module)
    manager.run(lowered, "expand-math", VERIFY)
    # An unresolved symbol would end the process.
    for symbol in filter(None, (symbol_name(f) for f in functions(lowered) if not f.regions[0].blocks)):
        if llvm.address_of_symbol(symbol) is None:
            raise FileTestError(f"@{name} calls @{symbol}, which this runner does not bind")
    native = compile_module(lowered)

    def call(symbol: str, *args: Any) -> int:
        function = lookup(lowered, symbol)
        assert function is not None
        return native.call(symbol, args, function_type(function).inputs)

    return _shapes_then_values(call, name, arguments, results)


def _shapes_then_values(
    call: Callable[..., int], name: str, arguments: Sequence[Any], results: Sequence[Type]
) -> list[Any]:
    """Ask `@f_shapes` for the extents of the outputs, then call `@f`."""
    types = [t for t in results if isinstance(t, TensorType)]
    cell, extents = np.zeros(4, np.int64), np.zeros(sum(t.rank for t in types), np.int64)
    _no_fault(name, call(f"{name}_shapes", *arguments, cell, extents), cell)
    left = extents.tolist()
    outputs = []
    for t in types:
        shape, left = tuple(left[: t.rank]), left[t.rank :]
        outputs.append(np.full(shape, 77).astype(to_dtype(t.element)))
    _no_fault(name, call(name, *arguments, *outputs, cell), cell)
    return outputs


def _no_fault(name: str, code: int, cell: np.ndarray[Any, Any]) -> None:
    if code:
        raise FileTestError(f"@{name} returns {code}, error cell {cell.tolist()}")


def _judge(label: str, got: Sequence[Any], wanted: Sequence[Any], exact: bool) -> None:
    if len(got) != len(wanted):
        raise FileTestError(f"{label} returns {len(got)} results, {len(wanted)} expected")
    for one, want in zip(got, wanted, strict=True):
        if not _same(np.asarray(one), want, exact):
            raise FileTestError(f"{label} gives\n{one!r}\nexpected\n{want!r}")


def _same(got: np.ndarray[Any, Any], want: np.ndarray[Any, Any], exact: bool) -> bool:
    if got.dtype != want.dtype or got.shape != want.shape:
        return False
    if got.dtype.kind != "f":
        return bool((got == want).all())
    if exact:
        zeros = want == 0
        return np.array_equal(got, want, equal_nan=True) and bool(
            (np.signbit(got) == np.signbit(want))[zeros].all()
        )
    return np.allclose(got, want, rtol=8 * float(np.finfo(got.dtype).eps), atol=0, equal_nan=True)
