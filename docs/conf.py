"""Sphinx: a page a pattern, made of its README.md and the docstrings of its helpers."""

from __future__ import annotations

import importlib
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from quartpatterns import __version__, catalog

project = "quartpatterns"
author = "The quartpatterns developers"
copyright = "2026, The quartpatterns developers"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "moving/toolshed", "tutorial/photoboard"]
html_theme = "alabaster"
html_theme_options = {
    "description": "Flask's patterns, async-first on Quart.",
    "page_width": "1160px",  # lines of code have up to 100 characters
}
autodoc_typehints = "description"
autodoc_member_order = "bysource"
myst_heading_anchors = 3
# A README speaks of files beside it, which are no pages of this documentation; docstrings that are
# inherited speak of sections of their own library's.
suppress_warnings = ["myst.xref_missing", "ref.ref"]

PAGE = """\
```{{include}} ../../quartpatterns/{name}/README.md
:relative-docs: ../../docs/
```

## Helpers

```{{eval-rst}}
.. automodule:: quartpatterns.{name}
   :members:
   :imported-members:
   :exclude-members: {excluded}
```
"""

pages = Path(__file__).with_name("patterns")
pages.mkdir(exist_ok=True)
documented: set[str] = set()
for pattern in catalog.PATTERNS:
    package = importlib.import_module(f"quartpatterns.{pattern.name}")
    # A class that several patterns export is documented once.
    shared = {
        name
        for name in package.__all__
        if getattr(getattr(package, name), "__module__", "").startswith("quartpatterns._shared")
    }
    excluded = ", ".join(sorted(shared & documented)) or "none"
    documented |= shared
    page = PAGE.format(name=pattern.name, excluded=excluded)
    (pages / f"{pattern.name}.md").write_text(page)


def shorten_diffs(app: Sphinx, doctree: nodes.document) -> None:
    """Remove the headers of diffs: they contain paths of the machine that builds the pages."""
    for block in doctree.findall(nodes.literal_block):
        if block.get("language") == "udiff":
            lines = block.astext().splitlines()[2:]
            text = "\n".join("..." if line.startswith("@@") else line for line in lines).strip("\n")
            block.rawsource = text
            block[:] = [nodes.Text(text)]


def setup(app: Sphinx) -> None:
    """Register what Sphinx calls."""
    app.connect("doctree-read", shorten_diffs)
