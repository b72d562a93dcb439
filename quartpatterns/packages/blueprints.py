"""Finding the blueprints in the modules of a package, and registering them."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from weakref import WeakKeyDictionary

# The common base class of Flask's and Quart's blueprints, in a folder without an __init__.py.
from flask.sansio.blueprints import Blueprint as SansioBlueprint  # pyright: ignore[reportMissingTypeStubs]
from quart import Blueprint, Quart

__all__ = ["BlueprintImportError", "DuplicateBlueprintError", "register_blueprints"]


# The blueprints that each blueprint has got from each package.
_registrations: WeakKeyDictionary[Blueprint, dict[str, tuple[Blueprint, ...]]] = WeakKeyDictionary()


class BlueprintImportError(ImportError):
    """A module of the package can't be imported; ``__cause__`` is the reason.

    ``name`` is the name of the module.

    .. versionadded:: 0.1
    """


class DuplicateBlueprintError(ValueError):
    """Two blueprints have the same name, or one would be registered twice.

    .. versionadded:: 0.1
    """


def register_blueprints(app: Quart | Blueprint, package: str | ModuleType) -> tuple[Blueprint, ...]:
    """Import all modules of a package, and register the blueprints that are their variables.

    The modules are imported in the order of their names, a package before its modules; within a
    module, the order is that of the variables. So if two routes match a request, the same one
    handles it on every machine.

    Modules, packages and variables whose name starts with an underscore are left out. So are
    blueprints that another blueprint registers, and blueprints that a module has imported from
    outside of *package*, which their ``import_name`` tells.

    An application factory may call it for the same blueprint and package each time it runs: the
    later calls return the same blueprints, which the blueprint registers on each application.

    If there is an error, nothing is registered. For a common prefix, register the blueprints on
    another blueprint:

    .. code-block:: python

        api = Blueprint("api", __name__, url_prefix="/api")
        register_blueprints(api, "yourapplication.resources")
        app.register_blueprint(api)

    Arguments:
        app: The application, or a blueprint that is not registered yet.
        package: The package or its dotted name. A name that starts with a dot is relative to the
            package of *app*.

    Returns:
        The blueprints in the order of registration.

    Raises:
        BlueprintImportError: A module can't be imported.
        DuplicateBlueprintError: Two blueprints have one name, or one is already registered.
        LookupError: There is no blueprint in the package.
        TypeError: A blueprint is one of Flask's, or *package* is not a package.

    .. versionadded:: 0.1
    """
    if isinstance(package, str):
        name = _absolute_name(package, app.import_name) if package.startswith(".") else package
        package = _import(name)
    # A blueprint outlives the applications that a factory makes.
    done = _registrations.setdefault(app, {}) if isinstance(app, Blueprint) else {}
    if package.__name__ in done:
        return done[package.__name__]
    found = [one for one in _find_blueprints(package) if one.blueprint is not app]
    if not found:
        raise LookupError(
            f"No module of {package.__name__} has a blueprint as a variable: write"
            " 'name = Blueprint(\"name\", __name__)' in one."
        )
    _check_duplicates(found, _registered(app))
    for one in found:
        app.register_blueprint(one.blueprint)
    done[package.__name__] = blueprints = tuple(one.blueprint for one in found)
    return blueprints


@dataclass(frozen=True, slots=True)
class _Found:
    """A blueprint and its place, as ``module:variable``."""

    blueprint: Blueprint
    place: str


def _find_blueprints(package: ModuleType) -> list[_Found]:
    """Return the blueprints of *package*, each once, without the nested ones."""
    found: dict[int, _Found] = {}
    for module in _modules(package):
        for name, value in vars(module).items():
            # Not isinstance(): it would ask proxies such as current_app for their class.
            if name.startswith("_") or not issubclass(type(value), SansioBlueprint):
                continue
            if f"{value.import_name}.".startswith(f"{package.__name__}."):
                place = f"{module.__name__}:{name}"
                if not isinstance(value, Blueprint):
                    raise TypeError(f"{place} is a blueprint of Flask: import Blueprint from quart")
                found.setdefault(id(value), _Found(value, place))
    nested = {id(inner) for one in found.values() for inner in _nested(one.blueprint)}
    return [one for key, one in found.items() if key not in nested]


def _nested(blueprint: SansioBlueprint) -> Iterator[SansioBlueprint]:
    for inner, _ in blueprint._blueprints:  # pyright: ignore[reportPrivateUsage]
        yield inner
        yield from _nested(inner)


def _registered(app: Quart | Blueprint) -> dict[str, SansioBlueprint]:
    """Return the blueprints that are registered on *app*, by name."""
    if isinstance(app, Quart):
        return dict(app.blueprints)
    nested = app._blueprints  # pyright: ignore[reportPrivateUsage]
    return {options.get("name", inner.name): inner for inner, options in nested}


def _check_duplicates(found: Iterable[_Found], registered: dict[str, SansioBlueprint]) -> None:
    places = dict.fromkeys(registered, "one that is already registered")
    for one in found:
        if any(one.blueprint is other for other in registered.values()):
            raise DuplicateBlueprintError(
                f"{one.place} is already registered: register it yourself or let"
                " register_blueprints do it, but not both."
            )
        if (name := one.blueprint.name) in places:
            raise DuplicateBlueprintError(
                f"Two blueprints are called {name!r}: {places[name]}, and {one.place}. Rename one."
            )
        places[name] = one.place


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    """Yield *package*, then its modules and packages at any depth, sorted by name."""
    if not hasattr(package, "__path__"):
        raise TypeError(f"{package.__name__} is a module: pass the package that contains it.")
    yield package
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        if not info.name.startswith("_"):
            module = _import(f"{package.__name__}.{info.name}")
            if info.ispkg:
                yield from _modules(module)
            else:
                yield module


def _absolute_name(name: str, relative_to: str) -> str:
    package = getattr(sys.modules.get(relative_to), "__package__", None)
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError as error:
        message = f"{name!r} is relative to the package of {relative_to}: {error}"
        raise BlueprintImportError(f"{message}; write the full name.", name=name) from error


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # a module may raise anything
        message = f"Importing {name} failed: {type(error).__name__}: {error}"
        if "partially initialized module" in str(error):
            message += (
                "\nThis is a circular import: call register_blueprints after everything that the"
                " blueprints import, or use current_app in them."
            )
        raise BlueprintImportError(message, name=name) from error
