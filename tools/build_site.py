"""Build the documentation as a site into build/site: docs/, the reference, search that works offline.

Strict: a warning (a link that leads nowhere, a page in no list, text that does not parse) fails the build.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from gen_codes import page
from gen_reference import ROOT, reference

SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
REFERENCE = (
    "- [Reference](reference/index.md): every public name, from its docstring.\n"
    "- [Error codes](error_codes.md): what each code of an error means."
)
_PAGE = re.compile(r"\]\(([^)#:]+\.md)\)")


def contents(index: str) -> str:
    """docs/index.md with the reference, which only the site has, and the navigation that its links say."""
    index = index.rstrip() + f"\n{REFERENCE}\n"
    parts = []
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        pages = "\n".join(_PAGE.findall(text))
        parts.append(f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n")
    return index + "\n" + "\n".join(parts)


def stage() -> None:
    """Copy docs/ and add what is generated."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE)
    shutil.copy(SOURCE / "site" / "conf.py", SOURCE / "conf.py")
    reference(SOURCE / "reference")
    (SOURCE / "error_codes.md").write_text(page(), encoding="utf-8")
    index = (SOURCE / "index.md").read_text(encoding="utf-8")
    (SOURCE / "index.md").write_text(contents(index), encoding="utf-8")
    spec = SOURCE / "spec" / "README.md"
    names = sorted(p.stem for p in (SOURCE / "spec").glob("*.md") if p.stem != "README")
    listed = "\n".join(n for n in names if n != "semantics")
    spec.write_text(
        spec.read_text(encoding="utf-8") + f"\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n", encoding="utf-8"
    )


def main() -> int:
    stage()
    shutil.rmtree(SITE, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-n", SOURCE, SITE]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    status = subprocess.run([*map(str, command)], env=environment, check=False).returncode
    if status == 0:
        print(f"{(SITE / 'index.html').relative_to(ROOT)}: open it in a browser")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
