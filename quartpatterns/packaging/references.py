"""What the text of Python files and templates refers to; nothing is imported or executed."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from jinja2 import Environment, TemplateSyntaxError

__all__ = ["Folder", "Kind", "Reference", "in_python", "in_template"]

Kind = Literal["template", "static", "data"]

RENDERERS = frozenset(
    {
        "get_or_select_template",
        "get_template",
        "render_template",
        "select_template",
        "stream_template",
        "templated",
    }
)
OPTIONS = frozenset({"template", "template_name", "templates"})
FOLDERS: dict[str, Kind] = {"template_folder": "template", "static_folder": "static"}
STATEMENTS = frozenset({"extends", "from", "import", "include"})

# Only its lexer is used, which knows no tags and so takes those of every extension.
_ENVIRONMENT = Environment(autoescape=True)


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that is referred to.

    Arguments:
        kind: ``template`` and ``static`` are below a folder of that kind, ``data`` is below the
            package.
        names: The name, or several of which one is to be there.
        place: Where, as ``demo/views.py:12``.
    """

    kind: Kind
    names: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of templates or static files, from the top.

    Arguments:
        kind: Which of the two.
        path: Its path; ``/`` where it is computed.
    """

    kind: Kind
    path: str


def in_python(path: str, code: bytes) -> Iterator[Reference | Folder]:
    """What the module *code* refers to, and the folders that its applications have.

    A file that is no Python, such as a template for a module, refers to nothing.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            place = f"{path}:{node.lineno}"
            yield from _called(_name(node.func), node, place)
            yield from _options(node, path, place)


def _called(function: str, node: ast.Call, place: str) -> Iterator[Reference]:
    first = _texts(node.args[0]) if node.args else ()
    if function in RENDERERS:
        yield from _reference("template", first, place)
    elif function == "send_static_file":
        yield from _reference("static", first, place)
    elif function == "open_resource":
        yield from _reference("data", first, place)
    elif function == "url_for" and first and _is_static(first[0]):
        for keyword in node.keywords:
            if keyword.arg == "filename":
                yield from _reference("static", _texts(keyword.value), place)


def _options(node: ast.Call, path: str, place: str) -> Iterator[Reference | Folder]:
    """What keyword arguments say, whatever is called."""
    for keyword in node.keywords:
        texts = _texts(keyword.value)
        if keyword.arg in FOLDERS and ast.unparse(keyword.value) != "None":
            beside = posixpath.join(posixpath.dirname(path), texts[0] if texts else "/")
            yield Folder(FOLDERS[keyword.arg], posixpath.normpath(beside))
        elif keyword.arg in OPTIONS:
            values = keyword.value.values if isinstance(keyword.value, ast.Dict) else ()
            for names in (texts, *map(_texts, values)):
                # template="dark" is no file.
                if all(PurePosixPath(name).suffix for name in names):
                    yield from _reference("template", names, place)


def in_template(path: str, text: str) -> Iterator[Reference]:
    """What the template *text* refers to; one that can't be read as Jinja refers to nothing."""
    try:
        lexed = list(_ENVIRONMENT.lex(text))
    except TemplateSyntaxError:
        return
    tokens = [token for token in lexed if token[1] != "whitespace"]
    for index, (line, kind, value) in enumerate(tokens):
        after = tokens[index + 1 : index + 7]
        place = f"{path}:{line}"
        if kind == "name" and value == "url_for":
            yield from _static(after, place)
        elif value in STATEMENTS and tokens[index - 1][1] == "block_begin":
            optional = [token[2] for token in after[1:3]] == ["ignore", "missing"]
            if after and after[0][1] == "string" and not optional:
                yield Reference("template", (ast.literal_eval(after[0][2]),), place)


def _static(after: list[tuple[int, str, str]], place: str) -> Iterator[Reference]:
    """``('static', filename='style.css'``, as tokens."""
    values = [token[2] for token in after]
    kinds = [token[1] for token in after]
    if values[:1] + values[2:5] == ["(", ",", "filename", "="] and kinds[1] == kinds[5] == "string":
        if _is_static(ast.literal_eval(values[1])):
            yield Reference("static", (ast.literal_eval(values[5]),), place)


def _is_static(endpoint: str) -> bool:
    return endpoint.rpartition(".")[2] == "static"


def _reference(kind: Kind, names: tuple[str, ...], place: str) -> Iterator[Reference]:
    if names:
        yield Reference(kind, names, place)


def _name(function: ast.expr) -> str:
    """``render_template`` of ``quart.render_template``."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _texts(node: ast.expr) -> tuple[str, ...]:
    """The text that *node* is, or the texts of the list that it is."""
    nodes = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    texts = [one.value for one in nodes if isinstance(one, ast.Constant)]
    found = tuple(text for text in texts if isinstance(text, str))
    return found if len(found) == len(nodes) else ()
