"""Finding the files that Python code and templates refer to, without importing or running them."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from jinja2 import Environment, TemplateSyntaxError

__all__ = ["ResourceFolder", "Kind", "Reference", "find_in_python", "find_in_template"]

Kind = Literal["template", "static", "data"]

_FUNCTIONS: dict[str, Kind] = {
    "get_or_select_template": "template",
    "get_template": "template",
    "render_template": "template",
    "select_template": "template",
    "stream_template": "template",
    "templated": "template",
    "send_static_file": "static",
    "open_resource": "data",
}
"""Functions whose first argument is the name of a file."""
_TEMPLATE_ARGUMENTS = {"template", "template_name", "templates"}
_FOLDER_ARGUMENTS: dict[str, Kind] = {"template_folder": "template", "static_folder": "static"}
_JINJA_STATEMENTS = {"extends", "from", "import", "include"}

# Only the lexer is used. It does not know the names of tags, so it accepts those of extensions.
_LEXER = Environment(autoescape=True)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a file, at a *place* such as ``demo/views.py:12``.

    The file is in a folder of its *kind*, or in the package if it is ``data``. If there are several
    *names*, one of them must exist.
    """

    kind: Kind
    names: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True)
class ResourceFolder:
    """A folder of templates or static files. *path* is ``/`` if the code computes it."""

    kind: Kind
    path: str


def find_in_python(path: str, code: bytes) -> Iterator[Reference | ResourceFolder]:
    """Yield the references in a module, and the folders of its applications and blueprints.

    A file that is not valid Python, such as a template of a module, has no references.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            place = f"{path}:{node.lineno}"
            yield from _call_references(node, place)
            for keyword in node.keywords:
                yield from _argument_references(keyword, path, place)


def _call_references(node: ast.Call, place: str) -> Iterator[Reference]:
    # "render_template" for both render_template() and quart.render_template()
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    first = _strings(node.args[0]) if node.args else ()
    if first and name in _FUNCTIONS:
        yield Reference(_FUNCTIONS[name], first, place)
    elif first and name == "url_for" and _is_static(first[0]):
        for keyword in node.keywords:
            if keyword.arg == "filename" and (names := _strings(keyword.value)):
                yield Reference("static", names, place)


def _argument_references(
    keyword: ast.keyword, path: str, place: str
) -> Iterator[Reference | ResourceFolder]:
    """Yield what a keyword argument refers to, for any function."""
    strings = _strings(keyword.value)
    if keyword.arg in _FOLDER_ARGUMENTS and ast.unparse(keyword.value) != "None":
        folder = posixpath.join(posixpath.dirname(path), strings[0] if strings else "/")
        yield ResourceFolder(_FOLDER_ARGUMENTS[keyword.arg], posixpath.normpath(folder))
    elif keyword.arg in _TEMPLATE_ARGUMENTS:
        values = keyword.value.values if isinstance(keyword.value, ast.Dict) else ()
        for names in (strings, *map(_strings, values)):
            # A name without a suffix, such as template="dark", is not the name of a file.
            if names and all(PurePosixPath(name).suffix for name in names):
                yield Reference("template", names, place)


def find_in_template(path: str, text: str) -> Iterator[Reference]:
    """Yield the references in a template. One that is not valid Jinja has no references."""
    try:
        tokens = [token for token in _LEXER.lex(text) if token[1] != "whitespace"]
    except TemplateSyntaxError:
        return
    for index, (line, kind, value) in enumerate(tokens):
        following = tokens[index + 1 : index + 7]
        place = f"{path}:{line}"
        if kind == "name" and value == "url_for":
            yield from _static_references(following, place)
        elif value in _JINJA_STATEMENTS and tokens[index - 1][1] == "block_begin":
            optional = [token[2] for token in following[1:3]] == ["ignore", "missing"]
            if following and following[0][1] == "string" and not optional:
                yield Reference("template", (ast.literal_eval(following[0][2]),), place)


def _static_references(tokens: list[tuple[int, str, str]], place: str) -> Iterator[Reference]:
    """Yield the reference in ``('static', filename='style.css'``."""
    values = [token[2] for token in tokens]
    kinds = [token[1] for token in tokens]
    if values[:1] + values[2:5] == ["(", ",", "filename", "="] and (
        kinds[1::4] == ["string", "string"] and _is_static(ast.literal_eval(values[1]))
    ):
        yield Reference("static", (ast.literal_eval(values[5]),), place)


def _is_static(endpoint: str) -> bool:
    return endpoint.rpartition(".")[2] == "static"


def _strings(node: ast.expr) -> tuple[str, ...]:
    """Return the string, or all strings of the list. A computed value has none."""
    nodes = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    values = [item.value for item in nodes if isinstance(item, ast.Constant)]
    strings = tuple(value for value in values if isinstance(value, str))
    return strings if len(strings) == len(nodes) else ()
