"""What `import tensorc` costs and what the wheel holds."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"

FORBIDDEN = {
    *("llvmlite", "scipy", "numba", "numba_cuda", "cupy", "sklearn", "rich"),
    *("hypothesis", "pytest", "mpmath", "jax", "jaxlib", "torch", "pandas"),
}

_REPORT = "import sys, json; {}; print(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"


def loaded_after(statement: str, path: Path = SOURCE) -> set[str]:
    """Top-level modules in `sys.modules` of a fresh interpreter after one statement."""
    code = f"import sys; sys.path.insert(0, {str(path)!r}); " + _REPORT.format(statement)
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_import_is_lean() -> None:
    loaded = loaded_after("import tensorc")
    assert "tensorc" in loaded
    assert loaded.isdisjoint(FORBIDDEN)


def test_decorating_needs_no_compiler() -> None:
    assert loaded_after("import tensorc; tensorc.jit(abs)").isdisjoint(FORBIDDEN)


def test_the_probe_sees_a_forbidden_import() -> None:
    assert "llvmlite" in loaded_after("import tensorc, llvmlite")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the build backend is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    code = f"import hatchling.build as b; b.build_wheel({str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("tensorc-*.whl")
    return path


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"tensorc"}
    assert "tensorc/py.typed" in names
    packed = {n for n in names if n.endswith(".py")}
    assert packed == {str(p.relative_to(SOURCE)) for p in (SOURCE / "tensorc").rglob("*.py")}


def test_wheel_works_unpacked(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    assert "tensorc" in loaded_after(
        f"import tensorc; assert tensorc.__file__.startswith({str(tmp_path)!r})", tmp_path
    )


def test_wheel_metadata(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (archive.read(n).decode() for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
    (scripts,) = (archive.read(n).decode() for n in archive.namelist() if n.endswith("entry_points.txt"))
    required = {
        line.removeprefix("Requires-Dist: ")
        for line in metadata.splitlines()
        if line.startswith("Requires-Dist:")
    }
    assert {r.split(">")[0] for r in required if "extra ==" not in r} == {"numpy", "llvmlite", "scipy"}
    assert "tensorc = tensorc.cli:main" in scripts
    assert "Requires-Python: >=3.11" in metadata
