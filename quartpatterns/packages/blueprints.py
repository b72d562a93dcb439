"""The blueprints in the modules of a package, and their registration."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

# The base of Flask's blueprints and Quart's; a folder of Flask's without an __init__.py.
from flask.sansio.blueprints import Blueprint as SansioBlueprint  # pyright: ignore[reportMissingTypeStubs]
from quart import Blueprint, Quart

from .modules import import_package, submodules

__all__ = ["DuplicateBlueprintError", "register_blueprints"]


class DuplicateBlueprintError(ValueError):
    """A blueprint, or its name, would be registered a second time; the message says where from."""


def register_blueprints(app: Quart | Blueprint, package: str | ModuleType) -> tuple[Blueprint, ...]:
    """Register the blueprints that are variables of a package's modules, and return them.

    The modules are imported and searched in the order of their names, a package before what is
    in it, whatever order the file system has: where two routes match a request, the same one
    answers on every machine. In a module, the order is that of the variables.

    What has a name that starts with an underscore is left out: a module, a package with all that
    is in it, a variable. So is a blueprint that another registers itself, and one from elsewhere
    that a module has merely imported: its ``import_name`` is outside of *package*.

    Nothing is registered unless everything can be. A prefix for all of them is that of a
    blueprint to register them on::

        api = Blueprint("api", __name__, url_prefix="/api")
        register_blueprints(api, "yourapplication.resources")
        app.register_blueprint(api)

    Arguments:
        app: The application, or a blueprint that is not registered yet.
        package: The package or its dotted name; ``.blueprints`` is one beside the module, or in
            the package, that *app* was made for.

    Raises:
        BlueprintImportError: A module can't be imported; the error names it and has the cause.
        DuplicateBlueprintError: Two blueprints have one name, or one is registered already.
        LookupError: There is no blueprint in the package.
        TypeError: A blueprint is Flask's, or *package* is no package.
    """
    if isinstance(package, str):
        package = import_package(package, relative_to=app.import_name)
    variables = _variables(submodules(package), within=package.__name__)
    found = [one for one in _own(variables) if one.blueprint is not app]
    if not found:
        raise LookupError(
            f"no module of {package.__name__} has a blueprint among its variables:"
            " write 'name = Blueprint(\"name\", __name__)' in one"
        )
    _ensure_no_duplicates(found, _registered(app))
    for one in found:
        app.register_blueprint(one.blueprint)
    return tuple(one.blueprint for one in found)


@dataclass(frozen=True, slots=True)
class _Found:
    blueprint: Blueprint
    place: str


def _variables(modules: Iterable[ModuleType], *, within: str) -> Iterator[_Found]:
    for module in modules:
        for name, value in vars(module).items():
            # The type alone: isinstance() would ask proxies such as current_app what they are.
            if name.startswith("_") or not issubclass(type(value), SansioBlueprint):
                continue
            if f"{value.import_name}.".startswith(f"{within}."):
                yield _Found(_of_quart(value, place := f"{module.__name__}:{name}"), place)


def _of_quart(blueprint: Any, place: str) -> Blueprint:
    if isinstance(blueprint, Blueprint):
        return blueprint
    kind = type(blueprint).__module__.partition(".")[0]
    raise TypeError(f"{place} is a blueprint of {kind}: import Blueprint from quart")


def _own(found: Iterable[_Found]) -> list[_Found]:
    """Each blueprint once, where it is met first, without those that are nested in others."""
    first: dict[int, _Found] = {}
    for one in found:
        first.setdefault(id(one.blueprint), one)
    nested = {id(inner) for one in first.values() for inner in _nested(one.blueprint)}
    return [one for identity, one in first.items() if identity not in nested]


def _nested(blueprint: SansioBlueprint) -> Iterator[SansioBlueprint]:
    # Flask has no public name for what register_blueprint() noted.
    for inner, _ in blueprint._blueprints:  # pyright: ignore[reportPrivateUsage]
        yield inner
        yield from _nested(inner)


def _registered(app: Quart | Blueprint) -> dict[str, SansioBlueprint]:
    """What is registered on *app*, by name."""
    if isinstance(app, Quart):
        return dict(app.blueprints)
    nested = app._blueprints  # pyright: ignore[reportPrivateUsage]  # as above
    return {options.get("name", inner.name): inner for inner, options in nested}


def _ensure_no_duplicates(found: Iterable[_Found], registered: dict[str, SansioBlueprint]) -> None:
    places = {name: "registered already" for name in registered}
    for one in found:
        if _is_one_of(one.blueprint, registered.values()):
            raise DuplicateBlueprintError(
                f"{one.place} is registered already: register it by hand or let"
                " register_blueprints do it, once, not both"
            )
        if (name := one.blueprint.name) in places:
            raise DuplicateBlueprintError(
                f"two blueprints are called {name!r}: {places[name]}, and {one.place};"
                " give one another name"
            )
        places[name] = one.place


def _is_one_of(blueprint: Blueprint, others: Collection[SansioBlueprint]) -> bool:
    return any(blueprint is other for other in others)
