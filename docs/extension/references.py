"""References from docstrings to names.

A docstring names an object by the module in which it is defined, or as its own module imports it.
The reference describes an object under its public name. Names of other libraries have no link,
because the build needs no network; that they exist is checked as well.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Iterator
from functools import cache
from types import FunctionType
from typing import Any

import werkzeug.exceptions
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from quartpatterns.catalog import PATTERNS

__all__ = ["exists", "public_name", "resolve"]


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Return what takes the place of a reference that Sphinx does not find, or ``None``.

    ``None`` makes a warning: there is no such name.
    """
    if node.get("refdomain") != "py":
        return None
    target, module = node["reftarget"], node.get("py:module") or ""
    for name in (target, f"{module}.{target}"):
        public = public_name(name)
        if public and public != target:
            domain = env.domains.python_domain
            document = node.get("refdoc", env.docname)
            builder = app.builder
            found = domain.resolve_xref(
                env, document, builder, node["reftype"], public, node, content
            )
            if found is not None:
                return found
    # The type of a parameter may be a type variable, or text that is no name.
    is_type = node["reftype"] == "class" and (node.get("refspecific") or "[" in target)
    if is_type or exists(target, module, node.get("py:class") or ""):
        return content
    return None


@cache
def _public_names() -> dict[str, str]:
    """Return the public name of each object, by the name of its definition."""
    found: dict[str, str] = {}
    for name in (*(pattern.name for pattern in PATTERNS), "compare"):
        package = importlib.import_module(f"quartpatterns.{name}")
        for public in package.__all__:
            value = getattr(package, public)
            # isinstance() asks a proxy, such as current_job, for an object that may be missing.
            if issubclass(type(value), type | FunctionType):
                defined = f"{value.__module__}.{value.__qualname__}"
                found.setdefault(defined, f"{package.__name__}.{public}")
    return found


def public_name(name: str) -> str | None:
    """Return the public name of an object, or of a member of it, by the name of its definition."""
    names = _public_names()
    head, members = name, ""
    while head:
        if head in names:
            return names[head] + members
        head, _, last = head.rpartition(".")
        members = f".{last}{members}"
    return None


@cache
def exists(target: str, module: str = "", class_name: str = "") -> bool:
    """Return whether a docstring can mean an object with this name.

    Arguments:
        target: The name, absolute or as the module sees it.
        module: The package whose page contains the docstring.
        class_name: The class whose docstring it is, or that of one of its members.
    """
    parts = target.split(".")
    return any(_has(place, parts) for place in _places(module, class_name)) or _is_importable(parts)


def _places(module: str, class_name: str) -> Iterator[Any]:
    yield builtins
    yield werkzeug.exceptions
    if not module:
        return
    package = importlib.import_module(module)
    classes = [package]
    for part in class_name.split(".") if class_name else ():
        classes = [vars(one)[part] for one in classes if part in vars(one)]
        yield from classes
        # A docstring that is inherited sees the module of the base class.
        for one in classes:
            bases = [base.__module__ for base in getattr(one, "__mro__", ())]
            yield from (sys.modules[name] for name in bases if name in sys.modules)
    for name, loaded in list(sys.modules.items()):
        if name == module or name.startswith(f"{module}."):
            yield loaded
            yield from (value for value in vars(loaded).values() if issubclass(type(value), type))


def _has(place: Any, parts: list[str]) -> bool:
    for part in parts:
        names = {*getattr(place, "__annotations__", {}), *getattr(place, "__slots__", ())}
        try:
            place = getattr(place, part)
        except (AttributeError, RuntimeError):
            return part == parts[-1] and part in names
    return True


def _is_importable(parts: list[str]) -> bool:
    for length in range(len(parts), 0, -1):
        try:
            place = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        return _has(place, parts[length:])
    return False
