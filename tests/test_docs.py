"""The documents run: every ```python block is executed, and a ```text block right after it is its exact
output.

The blocks of one document share a namespace and keep their line numbers, so that an error names a line of the
document. `TENSORC_BLESS=1` rewrites the ```text blocks from what the code prints now.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MARK = "\x1e"
_FENCE = re.compile(r"^```(\w*)\s*$")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@dataclass
class Block:
    """One fenced block: its language, the lines between the fences, and the line number of the opening fence.
    """

    language: str
    lines: list[str]
    start: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text, in order; line numbers start at 1."""
    found: list[Block] = []
    current: Block | None = None
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if current is None and fence:
            current = Block(fence[1], [], number)
        elif current is not None and line == "```":
            found.append(current)
            current = None
        elif current is not None:
            current.lines.append(line)
    assert current is None, f"the block opened on line {current and current.start} is not closed"
    return found


def program(python: list[Block]) -> str:
    """The blocks as one program, each line where it stands in the document; a mark is printed before each
    block.
    """
    lines: list[str] = []
    for block in python:
        lines += [""] * (block.start - 1 - len(lines))
        lines.append(f"print({MARK!r}, end='')")
        lines += block.lines
    return "\n".join(lines) + "\n"


def environment() -> dict[str, str]:
    """A reader's environment: the package importable, nothing of the test run that this is part of."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(document: Path, text: str, folder: Path) -> list[str]:
    """Execute a document; what each of its python blocks printed."""
    python = [b for b in blocks(text) if b.language == "python"]
    script = folder / f"{document.stem}.py"
    script.write_text(program(python), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{document.name} (line numbers are the document's):\n{done.stderr}"
    return done.stdout.replace(f"{folder}{os.sep}", "").split(MARK)[1:]


def expectations(text: str) -> list[tuple[int, Block]]:
    """(index among the python blocks, text block) for every text block that follows a python block directly.
    """
    pairs = []
    seen = -1
    all_blocks = blocks(text)
    for before, block in zip([None, *all_blocks], all_blocks, strict=False):
        if block.language == "python":
            seen += 1
        if block.language == "text" and before is not None and before.language == "python":
            pairs.append((seen, block))
    return pairs


def bless(document: Path, text: str, outputs: list[str]) -> None:
    lines = text.splitlines()
    for index, block in reversed(expectations(text)):
        lines[block.start : block.start + len(block.lines)] = outputs[index].rstrip("\n").splitlines()
    document.write_text("\n".join(lines) + "\n", encoding="utf-8")


DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXECUTED = [
    d for d in DOCUMENTS if any(b.language == "python" for b in blocks(d.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("document", EXECUTED, ids=lambda d: d.stem)
def test_document_runs(document: Path, tmp_path: Path) -> None:
    text = document.read_text(encoding="utf-8")
    outputs = run(document, text, tmp_path)
    if os.environ.get("TENSORC_BLESS"):
        bless(document, text, outputs)
        return
    for index, block in expectations(text):
        expected = "\n".join(block.lines)
        assert outputs[index].rstrip("\n") == expected, (
            f"{document.name}:{block.start}: `make bless` rewrites it"
        )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = [t for t in _LINK.findall(text) if not t.startswith("http")]
    assert [t for t in targets if not (document.parent / t).exists()] == []


def test_readme_opens_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]
    assert any(line.startswith("make demo") for line in lines)
    assert any(line.startswith("make test") for line in lines)


def test_a_wrong_document_fails(tmp_path: Path) -> None:
    document = tmp_path / "planted.md"
    with pytest.raises(AssertionError, match=r'planted.py", line 4'):
        run(document, "# Title\n\n```python\n1 / 0\n```\n", tmp_path)
    text = "```python\nprint('a')\n```\n\n```text\nb\n```\n"
    ((index, block),) = expectations(text)
    assert run(document, text, tmp_path)[index] == "a\n"
    assert block.lines == ["b"]
