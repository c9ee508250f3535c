"""Draw docs/levels.svg: the levels of the compiler, with the passes between them as the pipeline `O2` lists
them. `--check` only says whether the picture is current.

The samples on the right are looked for in a compiled function, so that they are what a reader would see.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

import tensorc as tc  # noqa: E402
from tensorc.passes.pipelines import O2  # noqa: E402

PICTURE = ROOT / "docs" / "levels.svg"
WIDTH, BOX, GAP, LEFT, MIDDLE, RIGHT = 780, 62, 50, 24, 330, 630
STYLE = """
  .ground { fill: #ffffff; stroke: #d0d7de; } .box { fill: #eef4fb; stroke: #4078b0; }
  .name { fill: #10243a; font-weight: 600; } .said { fill: #3d4f63; } .pass { fill: #8a4b00; }
  .code { fill: #1a3d63; font-family: ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
  .arrow { stroke: #6b7d90; stroke-width: 1.5; fill: none; } .head { fill: #6b7d90; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #11161d; stroke: #30363d; } .box { fill: #1b2a3a; stroke: #6aa5dc; }
    .name { fill: #e8f0f8; } .said { fill: #b3c0cd; } .pass { fill: #f0b46a; } .code { fill: #a9cdf2; }
    .arrow { stroke: #8b9bab; } .head { fill: #8b9bab; }
  }
"""


@dataclass(frozen=True)
class Level:
    """A box: its name, what it is made of, where it can be seen, words of the sample function's text there,
    and the passes that lead on.
    """

    name: str
    said: str
    stage: str | None
    sample: tuple[str, ...]
    passes: tuple[str, ...] = ()


def levels() -> list[Level]:
    """The levels, with the passes of `O2` up to and including each change of level."""
    names = O2.split(",")
    fuse, lower = names.index("fuse"), names.index("lower-to-loops")  # the two that change the level
    return [
        Level("expression", "NumPy's operators on symbols", None, ("tc.log(1 + tc.exp(z))",), ("trace",)),
        Level("tensors", "tensorc.* on values", "tensor", ('"tensorc.softplus"',), tuple(names[: fuse + 1])),
        Level(
            "kernels",
            "one loop nest each, fused",
            "fused",
            ('"tensorc.kernel"', '"tensorc.generic"'),
            tuple(names[fuse + 1 : lower + 1]),
        ),
        Level(
            "loops",
            "func arith math scf memref vector",
            "loops",
            ('"scf.for"', '"vector.maskedload"', '"math.fma"'),
            (*names[lower + 1 :], "emit"),
        ),
        Level("LLVM IR", "or NVVM IR, for graphics processors", "llvm", ("define", "fmul"), ("LLVM",)),
        Level("machine code", "or PTX", "asm", ()),
    ]


def wrapped(passes: tuple[str, ...]) -> list[str]:
    """Pass names in lines short enough for the picture; repetitions show that a pass runs again."""
    lines = [""]
    for name in [key for key, _ in groupby(passes)]:
        if len(lines[-1]) + len(name) > 62:
            lines.append("")
        lines[-1] += (" · " if lines[-1] else "") + name
    return lines


def text(x: float, y: float, kind: str, size: int, content: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" font-size="{size}">{escape(content)}</text>'


def shape(position: int, level: Level) -> list[str]:
    y = 20 + position * (BOX + GAP)
    parts = [f'<rect x="{LEFT}" y="{y}" width="270" height="{BOX}" rx="6" class="box"/>']
    parts.append(text(LEFT + 14, y + 26, "name", 16, level.name))
    parts.append(text(LEFT + 14, y + 47, "said", 13, level.said))
    parts.append(text(MIDDLE, y + 37, "code", 13, "  ".join(level.sample)))
    if level.stage:
        parts.append(text(RIGHT, y + 37, "said", 13, f"f.source({level.stage!r})"))
    if level.passes:
        top, bottom, x = y + BOX, y + BOX + GAP, LEFT + 40
        parts.append(f'<path d="M {x} {top} V {bottom - 8}" class="arrow"/>')
        parts.append(f'<path d="M {x - 5} {bottom - 9} h 10 l -5 9 z" class="head"/>')
        lines = wrapped(level.passes)
        first = top + GAP / 2 + 4 - 8 * (len(lines) - 1)
        parts += [text(x + 18, first + 16 * n, "pass", 13, line) for n, line in enumerate(lines)]
    return parts


def picture() -> str:
    """The SVG; raises if a sample is not in the text of its stage."""
    z = tc.vector("z")
    compiled = tc.function([z], tc.log(1 + tc.exp(z)))
    found = levels()
    for level in found:
        missing = [s for s in level.sample if level.stage and s not in compiled.source(level.stage)]
        if missing:
            raise SystemExit(f"{level.name}: {missing} not in its text any more; choose another sample")
    height = 40 + len(found) * BOX + (len(found) - 1) * GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" role="img">',
        "<title>The levels of the compiler, and the passes between them</title>",
        f"<style>{STYLE}</style>",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" class="ground"/>',
    ]
    for position, level in enumerate(found):
        parts += shape(position, level)
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    drawn = picture()
    if "--check" in sys.argv:
        return 0 if PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == drawn else 1
    PICTURE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
