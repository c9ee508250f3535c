"""Rules of the house that a machine can hold: file length, folders that say what they hold."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "tensorc"
LONGEST_FILE = 800


def test_no_file_is_too_long() -> None:
    sources = [
        p
        for folder in ("src", "tests", "tools", "examples", "benchmarks")
        for p in (ROOT / folder).rglob("*.py")
    ]
    assert sources
    lengths = {str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in sources}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_every_folder_says_what_it_holds() -> None:
    silent = []
    for folder in sorted({p.parent for p in PACKAGE.rglob("*.py")}):
        readme, init = folder / "README.md", folder / "__init__.py"
        said = readme.exists() or (
            init.exists() and init.read_text(encoding="utf-8").lstrip().startswith('"""')
        )
        if not said:
            silent.append(str(folder.relative_to(ROOT)))
    assert silent == [], (
        "a README.md or a docstring in __init__.py: what lives here, who may import it, where to add"
    )


def test_every_module_has_a_docstring() -> None:
    bare = [
        str(p.relative_to(ROOT))
        for p in sorted(PACKAGE.rglob("*.py"))
        if not p.read_text(encoding="utf-8").lstrip().startswith(('"""', 'r"""'))
    ]
    assert bare == []
