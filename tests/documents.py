"""Documents as programs: what the fenced blocks, the marks and the tables of a Markdown page mean.

    ```python          executed, with the line numbers of the page; all blocks of a page share one process
    ```text, ```mlir   right after a python block: exactly what that block printed
    ```console         `$ command` lines, each followed by exactly what the command printed
    # file: NAME       as the first line of a block (// in other languages): written to that file, not run
    | … | tensorc |    a table with this column: every code span in it is executed, row by row
    | NumPy | tensorc | … | the two columns are expressions, and their values are compared
    <!-- not run: REASON -->   before a block that is neither of these
    <!-- varies: REASON -->    before a block whose output differs from run to run and is not compared
    <!-- runs in the repository -->  the page needs the sources; otherwise it runs in an empty folder
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
MARK = "\x1e"
OUTPUTS = ("text", "mlir")
IN_REPOSITORY = "<!-- runs in the repository -->"
_FENCE = re.compile(r"^```(\w*)\s*$")
_LOOKS_LIKE_FENCE = re.compile(r"^\s*(?:`{3,}|~{3,})")
_REMARK = re.compile(r"^<!-- (not run|varies): (\S.*) -->$")
_FILE = re.compile(r"^(?:#|//) file: (\S+)$")
_SPAN = re.compile(r"`([^`]+)`")
_CELL = re.compile(r"(?<!\\)\|")


@dataclass
class Block:
    """One fenced block: its language, the lines between the fences, the line number of the opening fence, and
    the remark in a comment before it.
    """

    language: str
    lines: list[str]
    start: int
    remark: str = ""

    @property
    def file(self) -> str | None:
        """The file this block is to be written to."""
        found = _FILE.match(self.lines[0]) if self.lines else None
        return found[1] if found else None

    @property
    def runs(self) -> bool:
        return self.language in ("python", "console") and not self.file and self.remark != "not run"


@dataclass
class Row:
    """A line of a table with a column `tensorc`: its code, and NumPy's where values are compared."""

    code: list[str]
    numpy: str | None
    start: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text, in order; line numbers start at 1."""
    found: list[Block] = []
    current: Block | None = None
    remark = ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if current is None and fence:
            current = Block(fence[1], [], number, remark)
        elif current is not None and line == "```":
            found.append(current)
            current = None
        elif current is not None:
            current.lines.append(line)
        elif _LOOKS_LIKE_FENCE.match(line):
            raise AssertionError(f"line {number}: {line!r} would go unseen; begin a block with ```language")
        if line.strip():
            said = _REMARK.match(line)
            remark = said[1] if said else ""
    assert current is None, f"the block opened on line {current and current.start} is not closed"
    return found


def rows(text: str) -> Iterator[Row]:
    """The rows of all tables that have a column `tensorc`, outside of fenced blocks."""
    header: list[str] | None = None
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.startswith("```")
        if fenced or not line.startswith("|"):
            header = None
            continue
        cells = [c.strip().replace("\\|", "|") for c in _CELL.split(line)[1:-1]]
        if header is None:
            header = cells
        elif "tensorc" in header and not set(line) <= set("|-: "):
            code = _SPAN.findall(cells[header.index("tensorc")])
            left = _SPAN.findall(cells[header.index("NumPy")]) if "NumPy" in header else []
            yield Row(code, left[0] if left and code else None, number)


def program(text: str) -> str:
    """The page as one Python program, every statement on its line; a mark is printed before each block that
    runs.
    """
    pieces: list[tuple[int, list[str]]] = []
    for block in blocks(text):
        content = "\n".join(block.lines[1:]) + "\n"
        if block.file:
            pieces.append((block.start, [f"_page.write({block.file!r}, {content!r})"]))
        elif block.runs and block.language == "console":
            pieces.append((block.start, [f"_page.mark(); _page.console({block.lines!r})"]))
        elif block.runs:
            pieces.append((block.start, ["_page.mark()", *block.lines]))
    for row in rows(text):
        if row.numpy is not None:
            pieces.append((row.start, [f"_page.compare({row.numpy!r}, {row.code[0]!r}, globals())"]))
        else:
            pieces += [(row.start, [f"_page.execute({row.code!r}, globals())"])] if row.code else []
    lines = [f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); import document_runtime as _page"]
    for start, piece in sorted(pieces, key=lambda p: p[0]):
        lines += [""] * (start - 1 - len(lines))
        lines += piece
    return "\n".join([*lines, "_page.finish(globals())"]) + "\n"


def environment() -> dict[str, str]:
    """A reader's environment: the package importable, nothing of the test run that this is part of."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "TENSORC_CACHE": "0",
    }


def run(document: Path, text: str, folder: Path) -> list[str]:
    """Execute a page; what each block that runs printed."""
    script = folder / f"{document.stem}.py"
    script.write_text(program(text), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=ROOT if IN_REPOSITORY in text else folder,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    shown = f"{document.name} (line numbers are the page's):\n{done.stdout[-2000:]}\n{done.stderr}"
    assert done.returncode == 0, shown
    return done.stdout.replace(f"{folder}{os.sep}", "").split(MARK)[1:]


def missing_names(text: str) -> list[str]:
    """Names of `tc` and commands of `tensorc` that a text has outside of blocks, and that do not exist."""
    import tensorc as tc
    from tensorc.cli.entry import COMMANDS

    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = _SPAN.findall(prose)
    missing = set()
    for name in {n for span in spans for n in re.findall(r"\btc((?:\.\w+)+)", span)}:
        found: object = tc
        for part in name[1:].split("."):
            found = getattr(found, part, None)
        if found is None:
            missing.add(f"tc{name}")
    commands = {command.__name__.rpartition(".")[2] for command in COMMANDS}
    named = {n for span in spans for n in re.findall(r"^tensorc ([a-z]+)", span)}
    return sorted(missing | {f"tensorc {n}" for n in named - commands})


def expectations(text: str) -> list[tuple[int, Block]]:
    """(index among the blocks that run, block that holds the expected text): output blocks after python ones,
    and console blocks themselves.
    """
    pairs = []
    seen = -1
    previous: Block | None = None
    for block in blocks(text):
        seen += block.runs
        if block.runs and block.language == "console" and block.remark != "varies":
            pairs.append((seen, block))
        if block.language in OUTPUTS and previous is not None and previous.language == "python":
            pairs.append((seen, block))
        previous = block
    return pairs


def unexplained(text: str) -> list[str]:
    """Blocks that are neither executed, nor written to a file, nor an expected text, nor marked."""
    checked = {block.start for _, block in expectations(text)}
    return [
        f"line {b.start}: {b.language or 'no language'}"
        for b in blocks(text)
        if not (b.runs or b.file or b.start in checked or b.remark)
    ]


def unshown(text: str, outputs: list[str]) -> list[str]:
    """Blocks whose output the page does not show, though it could."""
    shown = {index for index, _ in expectations(text)}
    running = [b for b in blocks(text) if b.runs]
    return [
        f"line {block.start} prints {output.strip()[:60]!r}"
        for index, (block, output) in enumerate(zip(running, outputs, strict=True))
        if output.strip() and index not in shown and block.remark != "varies"
    ]


def differences(text: str, outputs: list[str]) -> list[str]:
    """Expected texts that are not what was printed."""
    return [
        f"line {block.start}: expected\n" + "\n".join(block.lines) + "\ngot\n" + outputs[index]
        for index, block in expectations(text)
        if outputs[index].rstrip("\n") != "\n".join(block.lines)
    ]


def blessed(text: str, outputs: list[str]) -> str:
    """The page with its expected texts replaced by what was printed."""
    lines = text.splitlines()
    for index, block in reversed(expectations(text)):
        lines[block.start : block.start + len(block.lines)] = outputs[index].rstrip("\n").splitlines()
    return "\n".join(lines) + "\n"
