"""The documents run: every block is executed and its output compared, or says why not. `documents.py` has the
conventions; `TENSORC_BLESS=1` rewrites the expected texts from what the code prints now.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.documents import (
    ROOT,
    blessed,
    blocks,
    differences,
    expectations,
    missing_names,
    rows,
    run,
    unexplained,
    unshown,
)
from tools import draw_levels

_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# The pages under spec are generated: test_spec.py holds every line of them.
WRITTEN = [d for d in DOCUMENTS if d.parent.name != "spec" or d.name == "semantics.md"]


def runs(document: Path) -> bool:
    text = document.read_text(encoding="utf-8")
    return any(b.runs for b in blocks(text)) or any(r.code for r in rows(text))


def bless(document: Path, text: str, outputs: list[str], folder: Path) -> None:
    """Write what is printed now; again where longer outputs have moved the lines that messages name."""
    for _ in range(4):
        text = blessed(text, outputs)
        outputs = run(document, text, folder)
        if not differences(text, outputs):
            break
    document.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("document", [d for d in WRITTEN if runs(d)], ids=lambda d: d.stem)
def test_document_runs(document: Path, tmp_path: Path) -> None:
    text = document.read_text(encoding="utf-8")
    outputs = run(document, text, tmp_path)
    assert unshown(text, outputs) == [], "print nothing, or show it in a text block"
    if os.environ.get("TENSORC_BLESS"):
        bless(document, text, outputs, tmp_path)
        return
    found = differences(text, outputs)
    assert found == [], f"{document.name}: `make bless` rewrites it\n" + "\n".join(found)


@pytest.mark.parametrize("document", WRITTEN, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_block_runs_or_says_why_not(document: Path) -> None:
    assert unexplained(document.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = [t for t in _LINK.findall(text) if not t.startswith("http")]
    assert [t for t in targets if not (document.parent / t).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_what_a_page_speaks_of_exists(document: Path) -> None:
    assert missing_names(document.read_text(encoding="utf-8")) == []


def test_names_that_do_not_exist_are_noticed() -> None:
    text = "`tc.exp`, `tc.sofmax(x)`, `tc.nn.relu6`, `tensorc dump`, `tensorc dunk`\n"
    text += "\n```text\n`tc.inside_a_block`\n```\n"
    assert missing_names(text) == ["tc.nn.relu6", "tc.sofmax", "tensorc dunk"]


def test_the_tables_for_newcomers_are_executed() -> None:
    found = list(rows((ROOT / "docs" / "coming_from.md").read_text(encoding="utf-8")))
    assert sum(bool(r.numpy) for r in found) >= 20
    assert sum(len(r.code) for r in found if r.numpy is None) >= 35


def test_every_page_is_listed() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = set(_LINK.findall(index))
    pages = {str(d.relative_to(ROOT / "docs")) for d in WRITTEN if ROOT / "docs" in d.parents}
    assert pages - listed - {"index.md"} == set()


def test_the_picture_shows_the_pipeline_as_it_is() -> None:
    drawn = draw_levels.picture()
    assert drawn == draw_levels.PICTURE.read_text(encoding="utf-8"), "python tools/draw_levels.py"


def test_readme_opens_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]
    assert any(line.startswith("make demo") for line in lines)
    assert any(line.startswith("make test") for line in lines)


COMPARED = (
    "```python\nimport numpy as np\nimport tensorc as tc\n"
    "x = tc.vector('x')\nvalues = {'x': np.ones(3)}\n```\n\n"
    "| NumPy | tensorc |\n|---|---|\n"
)
PLANTED = {
    "an exception": "```python\n1 / 0\n```\n",
    "a failing command": "```console\n$ tensorc dump nothing.py:f\n```\n",
    "a failing shell": "```console\n$ false\n```\n",
    "a row that raises": "| Theano | tensorc |\n|---|---|\n| `x` | `undefined_name` |\n",
    "a wrong shape in a row": f"{COMPARED}| `np.sum(x)` | `x` |\n",
    "a wrong dtype in a row": f"{COMPARED}| `np.argmax(x)` | `tc.argmax(x) * 1.0` |\n",
    "a wrong value in a row": f"{COMPARED}| `np.exp(x)` | `tc.exp(x) + 1e-9` |\n",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_page_that_fails_is_noticed(kind: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"planted\.md"):
        run(tmp_path / "planted.md", "# Title\n\n" + PLANTED[kind], tmp_path)


@pytest.mark.parametrize("fence", ["  ```python", "```python title", "~~~python", "````python"])
def test_a_block_that_would_go_unseen_is_refused(fence: str) -> None:
    with pytest.raises(AssertionError, match="line 3"):
        blocks(f"# Title\n\n{fence}\n1 / 0\n```\n")


def test_errors_have_the_line_of_the_page(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r'planted.py", line 4'):
        run(tmp_path / "planted.md", "# Title\n\n```python\n1 / 0\n```\n", tmp_path)


def test_a_wrong_output_is_noticed(tmp_path: Path) -> None:
    text = (
        "```python\n# file: m.py\nprint('written')\n```\n\n```python\nprint('a')\n```\n\n```text\nb\n```\n\n"
        "```console\n$ python m.py\nsomething else\n```\n\n```python\nprint('unseen')\n```\n\n"
        "```ini\nnothing\n```\n\n<!-- not run: a picture -->\n```sh\nmake\n```\n"
    )
    outputs = run(tmp_path / "planted.md", text, tmp_path)
    assert [index for index, _ in expectations(text)] == [0, 1]
    assert len(differences(text, outputs)) == 2
    assert unshown(text, outputs) == ["line 19 prints 'unseen'"]
    assert unexplained(text) == ["line 23: ini"]
    mended = blessed(text, outputs)
    assert differences(mended, outputs) == []
    assert "$ python m.py\nwritten\n" in mended
