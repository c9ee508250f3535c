"""The layers: which folder of src/tensorc may import which. Read from the source, so that a lazy import
counts too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "tensorc"

_IR = {"ir"}
_OPS = _IR | {"ops"}
_CPU = _OPS | {"passes", "interp", "runtime", "codegen_llvm"}
_GPU = _CPU | {"codegen_cuda"}
_API = _GPU | {"api"}

ALLOWED: dict[str, set[str]] = {
    "ir": _IR,
    "ops": _OPS,
    "passes": _OPS | {"passes"},
    "interp": _OPS | {"interp"},
    "runtime": _IR | {"runtime"},
    "codegen_llvm": _CPU,
    "codegen_cuda": _GPU,
    "api": _API,
    "interop": _API | {"interop"},
    "embed": _API | {"embed"},
    "demo": _API | {"demo"},
    "cli": _API | {"cli", "embed", "demo"},
    # Single modules beside the folders.
    "version": set(),
    "__init__": _API,
    "__main__": {"cli"},
}
EVERYWHERE = {"version"}


def unit(path: Path, package: Path = PACKAGE) -> str:
    """The layer a source file belongs to: its top folder, or its own name beside the folders."""
    parts = path.relative_to(package).with_suffix("").parts
    return parts[0]


def imported_units(tree: ast.AST, path: Path, package: Path = PACKAGE) -> Iterator[tuple[int, str]]:
    """(line, layer) of every import of tensorc in a file, at any depth, relative ones resolved."""
    here = ("tensorc", *path.relative_to(package).parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _split(node.lineno, alias.name.split("."), [])
        if isinstance(node, ast.ImportFrom):
            base = list(here[: len(here) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            yield from _split(node.lineno, base, [a.name for a in node.names])


def _split(line: int, module: list[str], names: list[str]) -> Iterator[tuple[int, str]]:
    if module[0] != "tensorc":
        return
    if len(module) > 1:
        yield line, module[1]
        return
    # `from tensorc import passes` names layers, `from tensorc import grad` (or `import tensorc`) the public
    # face.
    for name in names or [""]:
        yield line, name if name in ALLOWED else "api"


def violations(package: Path = PACKAGE) -> list[str]:
    found = []
    for path in sorted(package.rglob("*.py")):
        layer = unit(path, package)
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        for line, target in imported_units(tree, path, package):
            if target in EVERYWHERE or target in ALLOWED.get(layer, set()):
                continue
            found.append(f"{path.relative_to(package.parent)}:{line}: `{layer}` must not import `{target}`")
    return found


def test_layers_hold() -> None:
    assert violations() == []


def test_every_folder_is_a_layer() -> None:
    folders = {p.parent.relative_to(PACKAGE).parts[0] for p in PACKAGE.glob("*/*.py")}
    assert folders <= set(ALLOWED), "a new folder needs a place in ALLOWED"


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("ir/planted.py", "from tensorc.ops.base import OpDef", "`ir` must not import `ops`"),
        ("ir/planted.py", "from ..ops import base", "`ir` must not import `ops`"),
        ("ir/planted.py", "def f():\n    import tensorc.ops.base", "`ir` must not import `ops`"),
        ("ops/planted.py", "from tensorc import passes", "`ops` must not import `passes`"),
        ("passes/planted.py", "import tensorc", "`passes` must not import `api`"),
        ("passes/rules/planted.py", "from ...interp import tensor", "`passes` must not import `interp`"),
        ("interp/planted.py", "from tensorc.passes.manager import x", "`interp` must not import `passes`"),
        ("codegen_llvm/planted.py", "from tensorc.codegen_cuda import ptx", "must not import `codegen_cuda`"),
        ("api/planted.py", "from tensorc.cli import main", "`api` must not import `cli`"),
        ("newcomer/planted.py", "from tensorc.ir import core", "`newcomer` must not import `ir`"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, file: str, line: str, expected: str) -> None:
    path = tmp_path / "tensorc" / file
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n", encoding="utf-8")
    (found,) = violations(tmp_path / "tensorc")
    assert expected in found


def test_what_is_allowed_is_not_reported(tmp_path: Path) -> None:
    path = tmp_path / "tensorc" / "passes" / "fine.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import numpy\nfrom tensorc.ir import core\nfrom ..ops import base\nfrom . import manager\n"
        "from tensorc.version import __version__\n",
        encoding="utf-8",
    )
    assert violations(tmp_path / "tensorc") == []
