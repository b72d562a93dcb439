"""The links of all Markdown files lead somewhere, where people read the code as well."""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from docs.extension import repository
from docs.extension.repository import ROOT, links, markdown_files, page_of, rewrite_links

FILES = markdown_files()
HEADING = re.compile(r"#{1,6} +(?P<text>.*?)(?: +#+)?$")
# A name of the DNS with at least two parts, or localhost, and perhaps a port.
HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?")


@cache
def anchors(path: str) -> frozenset[str]:
    """Return the anchors that a site for code gives to the headings of a file."""
    found: list[str] = []
    lines = (ROOT / path).read_text().splitlines()
    for number in repository.lines_of_text(lines):
        if match := HEADING.fullmatch(lines[number]):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match["text"])
            name = repository.slug(text)
            found.append(f"{name}-{found.count(name)}" if name in found else name)
    return frozenset(found)


@cache
def is_file(path: str) -> bool:
    """Return whether the repository has a file of this name, in upper and lower case as written."""
    file = ROOT / path
    if path.startswith(tuple(f"docs/{folder}/" for folder in repository.GENERATED)):
        return False
    return file.is_file() and file.name in {one.name for one in file.parent.iterdir()}


def problem(path: str, target: str) -> str | None:
    """Return what is wrong with a link of a file, or ``None``."""
    parts = urlsplit(target)
    if parts.scheme:
        if parts.scheme != "https":
            return "is not https"
        return None if HOST.fullmatch(parts.netloc) else "has no valid host"
    if target.startswith("/"):
        return "is absolute: name the file relative to this one"
    folder = posixpath.dirname(path)
    found = posixpath.normpath(posixpath.join(folder, parts.path)) if parts.path else path
    if not is_file(found):
        return "names no file"
    if parts.fragment and found.endswith(".md") and parts.fragment not in anchors(found):
        return "names no heading"
    return None


@pytest.mark.parametrize("path", FILES)
def test_links(path: str) -> None:
    """Each link names a file of the repository and a heading in it, or is a valid URL."""
    wrong = [
        f"{path}:{line}: {target} {text}"
        for line, target in links((ROOT / path).read_text())
        if (text := problem(path, target))
    ]
    assert not wrong, "\n".join(wrong)


def test_files() -> None:
    """The test sees the files that people read first."""
    assert {"README.md", "CONTRIBUTING.md", "docs/index.md", "docs/tasks/queues.md"} <= set(FILES)
    assert len([name for name in FILES if name.startswith("quartpatterns/")]) == 26


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("http://quart.palletsprojects.com", "is not https"),
        ("https://localhost", "has no valid host"),
        ("https://a b.example.org", "has no valid host"),
        ("/README.md", "is absolute: name the file relative to this one"),
        ("../READ.md", "names no file"),
        ("../readme.md", "names no file"),
        ("patterns/sqlite3.md", "names no file"),
        ("../README.md#two-command", "names no heading"),
        ("#two-commands", "names no heading"),
        ("cases.md#the-classes", None),
        ("#values-that-the-applications-generate", None),
        ("https://quart.palletsprojects.com/en/latest/#x", None),
    ],
)
def test_problems(target: str, text: str | None) -> None:
    assert problem("docs/cases.md", target) == text


MARKDOWN = """\
[a](../README.md#use) and [`b`](x.py "title"), not `[c](c.md)` | [`d`](d.md)
```python
[e](e.md)
```
````text
```
[f](f.md)
````
![g](g.svg)
[h](https://example.org/h.md)
"""


def test_markdown() -> None:
    """Code is no link, and a link may contain code."""
    assert list(links(MARKDOWN)) == [
        (1, "../README.md#use"),
        (1, "x.py"),
        (1, "d.md"),
        (9, "g.svg"),
        (10, "https://example.org/h.md"),
    ]


@pytest.mark.parametrize(
    ("path", "page", "target", "new"),
    [
        (
            "quartpatterns/sqlite3/README.md",
            "patterns/sqlite3",
            "../tasks/README.md#x",
            "tasks.md#x",
        ),
        (
            "quartpatterns/tasks/README.md",
            "patterns/tasks",
            "../../docs/tasks/canvas.md",
            "../tasks/canvas.md",
        ),
        ("quartpatterns/tasks/README.md", "patterns/tasks", "__init__.py", "../reference/tasks.md"),
        ("quartpatterns/tasks/README.md", "patterns/tasks", "#use", "#use"),
        (
            "quartpatterns/ajax/README.md",
            "patterns/ajax",
            "example/port.py",
            "../examples/ajax.md#portpy",
        ),
        ("README.md", "index", "docs/benchmark.svg", "benchmark.svg"),
        ("docs/tasks/index.md", "tasks/index", "../../README.md", "../index.md"),
        ("CONTRIBUTING.md", "contributing", "SECURITY.md", "security.md"),
    ],
)
def test_rewritten(path: str, page: str, target: str, new: str) -> None:
    """On a page, a link to a file leads to the page that shows the file."""
    text = f"[x]({target})\n"
    assert rewrite_links(text, path, page) == f"[x]({new})\n"


def test_code_is_not_rewritten() -> None:
    text = rewrite_links(MARKDOWN, "docs/tasks/index.md", "tasks/index")
    assert "`[c](c.md)`" in text
    assert "[`d`](d.md)" in text
    assert "\n[e](e.md)\n" in text
    assert "](g.svg)" in text
    assert "](../index.md#use)" not in text


def test_pages_exist() -> None:
    """Each file with a page of its own exists."""
    for path in ("README.md", "CHANGES.md", "CONTRIBUTING.md", "SECURITY.md"):
        assert Path(ROOT, path).is_file()
        assert "/" not in page_of(path)
