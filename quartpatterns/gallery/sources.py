"""What the pages show of a pattern: its README, its code and its cases, made ready once."""

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

__all__ = ["Exhibit", "exhibit", "stylesheet"]

LIGHT, DARK = "friendly", "github-dark"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A pattern as its page shows it.

    Arguments:
        readme: Its README.md as HTML, without the title.
        port: The source of ``port.py`` as HTML.
        original: The source of ``original.py`` as HTML.
        helpers: The names that the pattern's package exports, with the first line of each
            docstring.
        cases: What port and original must answer alike.
    """

    readme: Markup
    port: Markup
    original: Markup
    helpers: tuple[tuple[str, str], ...]
    cases: tuple[Case, ...]


@functools.cache
def exhibit(pattern: catalog.Pattern) -> Exhibit:
    """The exhibit of a *pattern* that is built; reads files, so that it belongs into a thread."""
    folder = resources.files(f"quartpatterns.{pattern.name}")

    def read(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    package = importlib.import_module(f"quartpatterns.{pattern.name}")
    cases = importlib.import_module(f"quartpatterns.{pattern.name}.example.cases")
    names = sorted(getattr(package, "__all__", ()))
    return Exhibit(
        readme=_markdown(read("README.md")),
        port=_code(read("example/port.py")),
        original=_code(read("example/original.py")),
        helpers=tuple((name, _summary(getattr(package, name))) for name in names),
        cases=tuple(cases.CASES),
    )


def _summary(value: object) -> str:
    """The first line of a docstring, without Sphinx's marks."""
    doc = (inspect.getdoc(value) or "") if callable(value) else ""
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"\1", doc.partition("\n")[0]).replace("`", "")


def _markdown(text: str) -> Markup:
    parser = MarkdownIt("commonmark", {"html": False, "highlight": _fence}).enable("table")
    title, _, rest = text.partition("\n")
    return Markup(parser.render(rest if title.startswith("# ") else text))


def _fence(code: str, language: str, _attributes: str) -> str:
    return str(_code(code, language)) if language else escape(code)


def _code(text: str, language: str = "python") -> Markup:
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    return Markup(highlight(text, lexer, HtmlFormatter(nowrap=True)))


@functools.cache
def stylesheet() -> str:
    """The colours of highlighted code, for light and for dark."""
    light, dark = (
        str(HtmlFormatter(style=style).get_style_defs("pre"))  # type: ignore[no-untyped-call]  # a stub's gap
        for style in (LIGHT, DARK)
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
