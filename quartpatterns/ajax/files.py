"""Scripts and styles from Python packages, and the page of an API's documentation with them."""

from __future__ import annotations

import os
from importlib.util import find_spec

from quart import Blueprint, Quart, render_template_string
from quart_schema import hide

from quartpatterns._shared.extras import missing_extra

__all__ = ["package_files", "swagger_ui"]

# Without servers in the document, requests from the page would miss the mount prefix. The validator
# is an online service that would get the URL of the API.
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<link rel="icon" href="{{ url_for('swagger-ui.static', filename='favicon-32x32.png') }}">
<link rel="stylesheet" href="{{ url_for('swagger-ui.static', filename='swagger-ui.css') }}">
<div id="swagger-ui"><noscript>This page needs JavaScript.</noscript></div>
<script src="{{ url_for('swagger-ui.static', filename='swagger-ui-bundle.js') }}"></script>
<script>
fetch({{ url_for("openapi")|tojson }})
  .then((response) => response.json())
  .then((spec) => SwaggerUIBundle({
    spec: { servers: [{ url: {{ (request.script_root or "/")|tojson }} }], ...spec },
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null
  }))
</script>
</html>
"""


def package_files(app: Quart, name: str, package: str, folder: str = "") -> None:
    """Serve the files of an installed package below ``/<name>``.

    A page can then load its scripts and styles from the application, and needs no CDN. It works
    without the Internet, no other site learns who reads it, and the versions of the scripts are
    locked like those of other dependencies. In templates, use
    ``url_for("<name>.static", filename=...)``.

    The files are the static files of a blueprint, and are hidden from the API's documentation.

    Arguments:
        app: The application.
        name: The name of the blueprint and of the path.
        package: The name of the package as for ``import``; it is not imported.
        folder: The folder in the package.

    Raises:
        ModuleNotFoundError: The package is not installed.

    .. versionadded:: 0.1
    """
    files = os.path.join(_package_folder(package), folder)
    blueprint = Blueprint(name, __name__, static_folder=files, static_url_path=f"/{name}")
    app.register_blueprint(blueprint)
    view = app.view_functions[f"{name}.static"]
    hide(getattr(view, "__func__", view))


def _package_folder(package: str) -> str:
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:  # a parent package is missing
        spec = None
    if spec is None or not spec.submodule_search_locations:
        if package.partition(".")[0] in ("xstatic", "flask_swagger_ui"):
            raise missing_extra("ajax", package)
        raise ModuleNotFoundError(f"There is no package {package}: install it.", name=package)
    return next(iter(spec.submodule_search_locations))


def swagger_ui(app: Quart, path: str = "/docs", *, title: str | None = None) -> None:
    """Serve a page with Swagger UI for the OpenAPI document of quart-schema.

    The page of quart-schema loads Swagger UI from a CDN; this one loads it from the application.
    Turn the other one off:

    .. code-block:: python

        QuartSchema(app, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
        swagger_ui(app)

    Arguments:
        app: The application, with its :class:`~quart_schema.QuartSchema`.
        path: The path of the page; its endpoint is ``swagger_ui``.
        title: The title of the page; by default that of the document.

    Raises:
        ModuleNotFoundError: Swagger UI is not installed.
        RuntimeError: The application has no OpenAPI document, or already a page for it.

    .. versionadded:: 0.1
    """
    if "openapi" not in app.view_functions:
        raise RuntimeError("swagger_ui needs an OpenAPI document: call QuartSchema(app) before it.")
    if "swagger_ui" in app.view_functions:
        raise RuntimeError("QuartSchema has its own page: call it with swagger_ui_path=None.")
    info = app.extensions["QUART_SCHEMA"].info
    package_files(app, "swagger-ui", "flask_swagger_ui", "dist")

    @hide
    async def view() -> str:
        return await render_template_string(PAGE, title=title or info.title)

    app.add_url_rule(path, "swagger_ui", view)
