"""The page of an API's documentation, without a third party."""

from __future__ import annotations

from quart import Quart, render_template_string
from quart_schema import hide

from quartpatterns.ajax.packages import package_files

__all__ = ["swagger_ui"]

# A document without servers means the root of the host, and requests that are tried out would
# miss the mount prefix. No badge of an online validator, which would be sent the API's address.
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<link rel="icon" href="{{ url_for('swagger-ui.static', filename='favicon-32x32.png') }}">
<link rel="stylesheet" href="{{ url_for('swagger-ui.static', filename='swagger-ui.css') }}">
<div id="swagger-ui"><noscript>This page is made by JavaScript.</noscript></div>
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


def swagger_ui(app: Quart, path: str = "/docs", *, title: str | None = None) -> None:
    """Show the OpenAPI document of quart-schema with Swagger UI, all of it from this server.

    The page of quart-schema loads Swagger UI from a CDN. Turn that one off:

    .. code-block:: python

        QuartSchema(app, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
        swagger_ui(app)

    Arguments:
        app: The application, with its :class:`~quart_schema.QuartSchema`.
        path: The page's path; its endpoint is ``swagger_ui``.
        title: The page's title; that of the document by default.

    Raises:
        ModuleNotFoundError: Swagger UI is not installed.
        RuntimeError: The application has no OpenAPI document, or a page for it already.
    """
    if "openapi" not in app.view_functions:
        raise RuntimeError("swagger_ui shows what QuartSchema(app) documents: call that before")
    if "swagger_ui" in app.view_functions:
        raise RuntimeError("QuartSchema has a page of its own: call it with swagger_ui_path=None")
    info = app.extensions["QUART_SCHEMA"].info
    package_files(app, "swagger-ui", "flask_swagger_ui", "dist")

    @hide
    async def view() -> str:
        return await render_template_string(PAGE, title=title or info.title)

    app.add_url_rule(path, "swagger_ui", view)
