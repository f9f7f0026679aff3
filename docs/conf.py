"""How Sphinx builds the documentation: sphinx-build -W docs build/docs, or tox run -e docs."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))  # for what follows; npcnn and conformance are those that are installed

import generate  # noqa: E402

project = "npcnn and its conformance suite"
author = "The npcnn developers"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["build"]
html_theme = "alabaster"
html_theme_options = {
    "page_width": "1400px", "sidebar_width": "260px", "code_font_size": "0.8em", "show_powered_by": False
}  # fmt: skip
autodoc_member_order = "bysource"
autodoc_typehints = "signature"


def as_it_is_laid_out(app, what, name, obj, options, lines):
    """Docstrings here are plain text in columns: the first line is a sentence, what follows is shown as it stands."""
    first, *rest = lines or [""]
    shown = [f"   {line}" for line in rest]
    lines[:] = [first.replace("*", r"\*").replace("`", "``").replace("|", r"\|")]
    if any(map(str.strip, rest)):
        lines += ["", ".. code-block:: text", "", *shown]


def setup(app):
    generate.write(DOCS)
    app.connect("autodoc-process-docstring", as_it_is_laid_out)
