"""Check the pages that Sphinx has written.

``python -m docs.extension.check docs/_build/html`` prints each link that leads nowhere, and each
script, style sheet, font or image that a browser would load from another host.
The exit code is 1 if there is one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["problems"]

# What a browser loads, by element; the others are links that a reader follows.
LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href"}
# Elements <link> that a browser does not load: relations between pages.
RELATIONS = {"canonical", "index", "search", "next", "prev", "author", "copyright"}
STYLE_URL = re.compile(
    r"url\(\s*[\"']?((?:https?:)?//[^)\"']+)|@import\s+[\"']((?:https?:)?//[^\"']+)"
)


@dataclass
class _Page(HTMLParser):
    """The links and anchors of one page."""

    anchors: set[str] = field(default_factory=set[str])
    links: list[str] = field(default_factory=list[str])
    loaded: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "name" in values:
            self.anchors.add(values["name"])
        relation = set(values.get("rel", "").split())
        target = values.get(LOADED.get(tag, ""), "")
        if target and not relation & RELATIONS:
            self.loaded.append(target)
        if "href" in values:
            self.links.append(values["href"])


def problems(folder: Path) -> list[str]:
    """Return what is wrong in the pages of a folder, as lines for people."""
    files = [file for file in sorted(folder.rglob("*.html")) if "_downloads" not in file.parts]
    pages = {file.resolve(): _read(file) for file in files}
    found = [] if pages else [f"{folder}: there are no pages"]
    for file, page in pages.items():
        name = file.relative_to(folder.resolve())
        found += [f"{name}: {line}" for line in _problems(file, page, pages)]
    for file in sorted(folder.rglob("*.css")):
        for match in STYLE_URL.finditer(file.read_text()):
            found.append(f"{file.relative_to(folder)}: loads {match[1] or match[2]}")
    return found


def _read(file: Path) -> _Page:
    page = _Page()
    page.feed(file.read_text())
    return page


def _problems(file: Path, page: _Page, pages: dict[Path, _Page]) -> Iterator[str]:
    for target in page.loaded:
        if urlsplit(target).netloc:
            yield f"loads {target}"
    for link in dict.fromkeys([*page.links, *page.loaded]):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        path = (file.parent / unquote(parts.path)).resolve() if parts.path else file
        if not path.is_file():
            yield f"there is no {link}"
        elif parts.fragment and path in pages:
            anchor = unquote(parts.fragment)
            if anchor not in pages[path].anchors and anchor != "top":
                yield f"there is no anchor {link}"


def main() -> None:
    """Print the problems of the folder that the command line names."""
    found = problems(Path(sys.argv[1]))
    for line in found:
        sys.stdout.write(f"{line}\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
