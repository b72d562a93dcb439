"""Importing a view by its dotted name, or finding it in the source of its module."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from quart.views import View

__all__ = ["LazyImportError", "absolute_name", "check_view", "import_view", "split_name"]


class LazyImportError(ImportError):
    """A view can't be imported; ``__cause__`` is the reason, if another error is.

    .. versionadded:: 0.1
    """


def split_name(import_name: str) -> tuple[str, str]:
    """Return module and view of ``package.module.view`` or ``package.module:view``.

    Raises:
        ValueError: The name is not a dotted name.
    """
    module, _, name = import_name.replace(":", ".").rpartition(".")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise ValueError(f"{import_name!r} is not the name of a view: write 'package.module.view'.")
    return module, name


def absolute_name(import_name: str, relative_to: str) -> str:
    """Return the full name; a leading dot stands for the package of the module *relative_to*.

    Raises:
        ValueError: *relative_to* is not in a package, or has fewer packages than there are dots.
    """
    package = getattr(sys.modules.get(relative_to), "__package__", None)
    try:
        return importlib.util.resolve_name(import_name, package)
    except ImportError as error:
        message = f"{import_name!r} is relative to the package of {relative_to}: {error}"
        raise ValueError(f"{message}; write the full name.") from error


def import_view(import_name: str) -> Callable[..., Any]:
    """Import the module of a view and return the view; of a class, its ``as_view``.

    Raises:
        LazyImportError: The module can't be imported, doesn't have the name, or it is not a view.
    """
    module_name, name = split_name(import_name)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module may raise anything
        raise LazyImportError(
            f"{import_name} can't be imported: {type(error).__name__}: {error}", name=module_name
        ) from error
    try:
        view: Any = getattr(module, name)
    except AttributeError as error:
        close = difflib.get_close_matches(name, vars(module), n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise LazyImportError(f"{module_name} has no {name!r}{hint}", name=module_name) from error
    if isinstance(view, type):
        if not issubclass(view, View):
            raise LazyImportError(f"{import_name} is a class, but not a subclass of Quart's View")
        return view.as_view(name)
    if not callable(view):
        raise LazyImportError(f"{import_name} is not a view but of type {type(view).__name__}")
    function: Callable[..., Any] = view
    return function


def check_view(import_name: str) -> None:
    """Check that a view exists. Its module is imported only if its source doesn't show the name.

    The packages that contain the module are always imported.

    Raises:
        LazyImportError: The view doesn't exist.
    """
    module, name = split_name(import_name)
    try:
        spec = importlib.util.find_spec(module)
        loader: Any = spec.loader if spec else None
        tree = ast.parse(loader.get_source(module) or "")
    except Exception:  # no module, no source, a syntax error: importing it gives the reason
        tree = ast.Module(body=[], type_ignores=[])
    if name not in _bound_names([tree]):
        import_view(import_name)


def _bound_names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that *nodes* bind, without those inside of functions and classes."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (one.asname or one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        else:
            yield from _bound_names(ast.iter_child_nodes(node))
