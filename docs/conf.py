"""The configuration of Sphinx. The extension of this documentation is in docs/extension."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from quartpatterns import __version__

project = "quartpatterns"
author = "The quartpatterns developers"
copyright = "2026, The quartpatterns developers"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "docs.extension",
]
exclude_patterns = [
    "_build",
    "coming_from_flask/examples",
    "moving/toolshed",
    "tutorial/photoboard",
]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4

autodoc_typehints = "description"
autodoc_member_order = "bysource"
# A name in a docstring must exist: see docs/extension/references.py.
nitpicky = True
nitpick_ignore_regex = [
    # Docstrings that are inherited from SQLAlchemy use its abbreviations and its own labels.
    (r"py:.*", r"_(orm|asyncio|engine|exc|result)\..*"),
    (r"std:ref", r"session_closing|session_run_sync|asyncio_events"),
    # How autodoc writes a ParamSpec.
    (r"py:obj", r"typing\.~_?P"),
]

html_theme = "furo"
html_title = "quartpatterns"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
templates_path = ["_templates"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}

# `make linkcheck` needs the network, so CI does not run it. docs/_build/linkcheck/output.txt lists
# all links to other sites.
linkcheck_ignore = [r"https?://(localhost|127\.0\.0\.1|[\w.]*example\.(com|org))\b"]
