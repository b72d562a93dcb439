"""Scripts and styles that come as Python packages, served by the application itself."""

from __future__ import annotations

import os
from importlib.util import find_spec

from quart import Blueprint, Quart
from quart_schema import hide

__all__ = ["package_files"]


def package_files(app: Quart, name: str, package: str, folder: str = "") -> None:
    """Serve the files of an installed package below ``/<name>``.

    What a page needs then comes from the same place as the page: it works without the Internet,
    no third party learns who reads it, and the version is locked as every other dependency's.
    Templates name a file with ``url_for("<name>.static", filename=...)``.

    The files are static files of a blueprint called *name*. They are left out of the API's
    documentation.

    Arguments:
        app: The application.
        name: Of the blueprint, and of the path.
        package: The package, by its name for ``import``; it is not imported.
        folder: The folder in it.

    Raises:
        ModuleNotFoundError: The package is not installed.
    """
    files = os.path.join(_folder(package), folder)
    blueprint = Blueprint(name, __name__, static_folder=files, static_url_path=f"/{name}")
    app.register_blueprint(blueprint)
    view = app.view_functions[f"{name}.static"]
    hide(getattr(view, "__func__", view))


def _folder(package: str) -> str:
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:  # a package around it is missing
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"there is no package {package} to serve files of: pip install 'quartpatterns[ajax]'"
            " has jQuery and Swagger UI; others are installed by their own names",
            name=package,
        )
    return next(iter(spec.submodule_search_locations))
