"""The Sphinx extension that builds this documentation.

* :mod:`~docs.extension.generated` writes the pages of the patterns and of the reference.
* :mod:`~docs.extension.repository` makes links between files of the repository links between pages.
* :mod:`~docs.extension.references` finds the names that docstrings mention.
* :mod:`~docs.extension.completeness` checks that the reference has every public name.
* :mod:`~docs.extension.lists` writes lists into pages: the extras, the settings, the commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from docs.extension import completeness, generated, lists, references, repository

__all__ = ["setup"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what Sphinx calls."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", read_page)
    app.connect("include-read", read_included_file)
    app.connect("doctree-read", shorten_diffs)
    app.connect("missing-reference", references.resolve)
    # After Furo's own function, which has the priority 500.
    app.connect("html-page-context", name_levels, priority=900)
    app.connect("env-check-consistency", completeness.check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx) -> None:
    """Write the pages that are not in the repository."""
    generated.write(Path(app.srcdir))


def read_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Insert the lists into a page, and let its links lead to pages."""
    path = f"docs/{page}.md"
    source[0] = repository.rewrite_links(lists.insert(source[0]), path, page)


def read_included_file(app: Sphinx, path: Path, parent: str, source: list[str]) -> None:
    """Let the links of a file that a page includes lead to pages."""
    name = (Path(app.srcdir) / path).resolve().relative_to(repository.ROOT).as_posix()
    page = app.env.current_document.docname
    source[0] = repository.rewrite_links(generated.add_links(source[0], name), name, page)


def name_levels(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Give the headings of the navigation a level, without which they are invalid HTML."""
    tree = context["furo_navigation_tree"]
    context["furo_navigation_tree"] = tree.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )


def shorten_diffs(app: Sphinx, doctree: nodes.document) -> None:
    """Remove the headers of diffs: they contain paths of the machine that builds the pages."""
    for block in doctree.findall(nodes.literal_block):
        if block.get("language") == "udiff":
            lines = block.astext().splitlines()[2:]
            if lines and lines[0].startswith("@@ -1,"):
                del lines[0]  # Nothing is left out before the first line.
            text = "\n".join("..." if line.startswith("@@") else line for line in lines).strip("\n")
            block.rawsource = text
            block[:] = [nodes.Text(text)]
