"""Views by their dotted names: imported, or looked for in the source."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from quart.views import View

__all__ = ["LazyImportError", "absolute", "ensure_importable", "imported", "split"]


class LazyImportError(ImportError):
    """A view can't be imported; the message has its whole name, ``__cause__`` what happened."""


def split(import_name: str) -> tuple[str, str]:
    """The names of module and view in ``package.module.view`` or ``package.module:view``.

    Raises:
        ValueError: It is no such name.
    """
    module, _, name = import_name.replace(":", ".").rpartition(".")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise ValueError(f"{import_name!r} is no name of a view: write 'package.module.view'")
    return module, name


def absolute(import_name: str, relative_to: str) -> str:
    """*import_name* in whole, where a dot in front starts at the package of *relative_to*.

    Raises:
        ValueError: *relative_to* is in no package, or in none so deep.
    """
    package = getattr(sys.modules.get(relative_to), "__package__", None)
    try:
        return importlib.util.resolve_name(import_name, package)
    except ImportError as error:
        message = f"{import_name!r} is relative to the package of {relative_to}: {error}"
        raise ValueError(f"{message}; write the whole name") from error


def imported(import_name: str) -> Callable[..., Any]:
    """The view called *import_name*; for a class of views, the view that it makes.

    Raises:
        LazyImportError: Its module can't be imported, has no such name, or it is no view.
    """
    module_name, name = split(import_name)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever a module raises while it runs
        raise LazyImportError(
            f"{import_name} can't be imported: {type(error).__name__}: {error}", name=module_name
        ) from error
    try:
        found = getattr(module, name)
    except AttributeError as error:
        raise LazyImportError(_not_there(module, name), name=module_name) from error
    return _as_view(found, import_name)


def _not_there(module: ModuleType, name: str) -> str:
    close = difflib.get_close_matches(name, vars(module), n=3)
    remedy = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{module.__name__} has no {name!r}{remedy}"


def _as_view(found: Any, import_name: str) -> Callable[..., Any]:
    if isinstance(found, type):
        if issubclass(found, View):
            return found.as_view(import_name.rpartition(".")[2])
        raise LazyImportError(f"{import_name} is a class, and not one of quart.views")
    if not callable(found):
        raise LazyImportError(f"{import_name} is {type(found).__name__}, and no view")
    view: Callable[..., Any] = found
    return view


def ensure_importable(import_name: str) -> None:
    """Do nothing if *import_name* names something, without importing its module if possible.

    The packages around the module are imported. The module itself is, where its source does
    not show the name, as that of a module with ``from elsewhere import *``.

    Raises:
        LazyImportError: It names nothing.
    """
    module, name = split(import_name)
    if name not in _bound([_parsed(module)]):
        imported(import_name)


def _parsed(module: str) -> ast.Module:
    """The source of *module*; nothing where there is none."""
    try:
        spec = importlib.util.find_spec(module)
        loader: Any = spec.loader if spec else None
        return ast.parse(loader.get_source(module) or "")
    except Exception:  # whatever stands in the way: importing it will tell
        return ast.Module(body=[], type_ignores=[])


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that *nodes* bind, outside of the bodies of functions and classes."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (one.asname or one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        else:
            yield from _bound(ast.iter_child_nodes(node))
