"""The content of the page about a pattern: its README, its code and its cases."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from dataclasses import dataclass
from html import escape
from importlib import resources

from markdown_it import MarkdownIt
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from quartpatterns import catalog
from quartpatterns.compare import Case

__all__ = ["PatternContent", "code_stylesheet", "pattern_content"]

LIGHT, DARK = "friendly", "github-dark"


@dataclass(frozen=True, slots=True)
class PatternContent:
    """The content of the page about a pattern."""

    readme: Markup  # without its title
    port: Markup  # the highlighted source code
    original: Markup
    helpers: tuple[tuple[str, str], ...]  # public names, and the first lines of their docstrings
    cases: tuple[Case, ...]


@functools.cache
def pattern_content(pattern: catalog.Pattern) -> PatternContent:
    """Return the content of the page about *pattern*. It reads files, so call it in a thread."""
    folder = resources.files(f"quartpatterns.{pattern.name}")

    def read(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    package = importlib.import_module(f"quartpatterns.{pattern.name}")
    cases = importlib.import_module(f"quartpatterns.{pattern.name}.example.cases")
    names = sorted(getattr(package, "__all__", ()))
    return PatternContent(
        readme=_markdown(_with_links(read("README.md"))),
        port=_highlight(read("example/port.py")),
        original=_highlight(read("example/original.py")),
        helpers=tuple((name, _summary(getattr(package, name))) for name in names),
        cases=(*cases.CASES, *getattr(cases, "EXTRAS", ())),
    )


def _summary(value: object) -> str:
    """Return the first line of the docstring of *value*, without the markup of Sphinx."""
    doc = (inspect.getdoc(value) or "") if callable(value) else ""
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"\1", doc.partition("\n")[0]).replace("`", "")


def _with_links(text: str) -> str:
    """Return *text* with links to the gallery's pages, and none to files that it does not have.

    The links are relative, because the gallery can be below a prefix.
    """
    text = re.sub(r"\]\(\.\./(\w+)/README\.md(?:#[\w-]+)?\)", r"](\1)", text)
    return re.sub(r"\[([^]]+)\]\((?:\.\.|example)/[^)]*\)", r"\1", text)


def _markdown(text: str) -> Markup:
    options = {"html": False, "highlight": _highlight_fence}
    parser = MarkdownIt("commonmark", options).enable("table")
    title, _, rest = text.partition("\n")
    return Markup(parser.render(rest if title.startswith("# ") else text))


def _highlight_fence(code: str, language: str, _attributes: str) -> str:
    return str(_highlight(code, language)) if language else escape(code)


def _highlight(text: str, language: str = "python") -> Markup:
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    return Markup(highlight(text, lexer, HtmlFormatter(nowrap=True)))


@functools.cache
def code_stylesheet() -> str:
    """Return the CSS of highlighted code, for light and dark mode."""
    light, dark = (
        str(HtmlFormatter(style=style).get_style_defs("pre"))  # type: ignore[no-untyped-call]  # incomplete stubs
        for style in (LIGHT, DARK)
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
