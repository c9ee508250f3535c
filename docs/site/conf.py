"""Sphinx: how docs/ becomes a site. `make docs` copies the pages, adds the reference, and builds strictly."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from pygments.lexer import RegexLexer, words
from pygments.token import Comment, Keyword, Name, Number, String, Text
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

import tensorc

project = "tensorc"
release = version = tensorc.__version__
copyright = "the tensorc authors; Apache-2.0"
extensions = ["myst_parser", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["site/**"]
html_theme = "furo"
html_title = f"tensorc {release}"
html_static_path = ["site/static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
nitpicky = True
add_module_names = False
python_display_short_literal_types = True
toc_object_entries_show_parents = "hide"
highlight_language = "none"
pygments_style = "tango"
pygments_dark_style = "github-dark"
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_exclude = ".linenos, .gp, .go"


class Mlir(RegexLexer):
    """MLIR's generic text form."""

    name, aliases = "MLIR", ["mlir"]
    tokens = {  # noqa: RUF012  (Pygments' own form: it reads a plain class attribute)
        "root": [
            (r"//.*", Comment),
            (r'"(?:\\.|[^"\\])*"', String),
            (r"[%^][\w#]+", Name.Variable),
            (r"@\w+", Name.Function),
            (words(("tensor", "memref", "index", "dense", "array", "strided"), suffix=r"\b"), Keyword.Type),
            (r"\b(?:[iuf]+\d+)\b", Keyword.Type),
            (r"-?\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b", Number),
            (r"[(){}<>\[\]:,=?*|-]+", Text),
            (r"\s+|\w+|.", Text),
        ]
    }


class LinkNames(SphinxPostTransform):
    """Inline code that is a public name, `tc.grad` or `tc.grad(cost, w)`, links to the reference."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        objects = self.env.get_domain("py").objects
        for literal in list(self.document.findall(nodes.literal)):
            found = re.match(r"(tc(?:\.\w+)+)(?:\(.*\))?$", literal.astext())
            target = objects.get(found[1]) if found else None
            inside = literal.parent
            if target is None or isinstance(inside, nodes.reference | addnodes.pending_xref | nodes.title):
                continue
            address = self.app.builder.get_relative_uri(self.env.docname, target.docname)
            reference = nodes.reference("", "", internal=True, refuri=f"{address}#{target.node_id}")
            literal.replace_self(reference)
            reference += literal


def setup(app: Any) -> None:
    app.add_lexer("mlir", Mlir)
    app.add_post_transform(LinkNames)
