"""The modules of a package, imported in an order that is the same everywhere."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from types import ModuleType

__all__ = ["BlueprintImportError", "import_package", "submodules"]


class BlueprintImportError(ImportError):
    """A module that may hold blueprints can't be imported; its ``__cause__`` says why.

    ``name`` is the name of the module.
    """


def import_package(name: str, *, relative_to: str) -> ModuleType:
    """The package called *name*.

    Arguments:
        name: Its dotted name; a dot in front makes it relative.
        relative_to: The name of the module whose package a relative name starts from.

    Raises:
        BlueprintImportError: There is no such package, or its import fails.
    """
    return _imported(_absolute(name, relative_to) if name.startswith(".") else name)


def submodules(package: ModuleType) -> Iterator[ModuleType]:
    """*package*, then the modules and packages in it, at any depth, sorted by name.

    A name that starts with an underscore is left out, with all that is below it.

    Raises:
        BlueprintImportError: The import of one fails.
        TypeError: *package* is a module that is no package.
    """
    if not hasattr(package, "__path__"):
        raise TypeError(f"{package.__name__} is a module: name the package that it is in")
    yield package
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
        if found.name.startswith("_"):
            continue
        module = _imported(f"{package.__name__}.{found.name}")
        if found.ispkg:
            yield from submodules(module)
        else:
            yield module


def _absolute(name: str, relative_to: str) -> str:
    package = getattr(sys.modules.get(relative_to), "__package__", None)
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError as error:
        message = f"{name!r} is relative to the package of {relative_to}: {error}"
        raise BlueprintImportError(f"{message}; write the whole name", name=name) from error


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever a module raises while it runs
        raise BlueprintImportError(_explained(name, error), name=name) from error


def _explained(name: str, error: Exception) -> str:
    message = f"importing {name} failed: {type(error).__name__}: {error}"
    if "partially initialized module" in str(error):
        message += (
            "\nThe import goes in a circle: call register_blueprints after everything that the"
            " blueprints import is there, or let them use current_app"
        )
    return message
