"""The pages of Quart's documentation about the subject of a pattern."""

from __future__ import annotations

__all__ = ["QUART", "quart_guides"]

QUART = "https://quart.palletsprojects.com/en/latest/"

# The titles of the pages, by path.
TITLES = {
    "discussion/contexts": "Contexts",
    "discussion/flask_evolution": "Flask evolution",
    "how_to_guides/background_tasks": "Background tasks",
    "how_to_guides/blueprints": "Blueprints",
    "how_to_guides/configuration": "Configuration",
    "how_to_guides/flask_migration": "Migration from Flask",
    "how_to_guides/json_encoding": "JSON encoding",
    "how_to_guides/middleware": "Middleware",
    "how_to_guides/quart_extensions": "Quart extensions",
    "how_to_guides/request_body": "Consuming the request body",
    "how_to_guides/routing": "Routing",
    "how_to_guides/server_sent_events": "Server-sent events",
    "how_to_guides/session_storage": "Session storage",
    "how_to_guides/startup_shutdown": "Startup and shutdown",
    "how_to_guides/streaming_response": "Streaming responses",
    "how_to_guides/templating": "Templates",
    "reference/response_values": "Response return values",
    "tutorials/deployment": "Deploying Quart",
}
PAGES = {
    "packages": ("how_to_guides/blueprints",),
    "appfactories": ("how_to_guides/configuration",),
    "appdispatch": ("how_to_guides/middleware",),
    "urlprocessors": ("how_to_guides/routing",),
    "lazyloading": ("how_to_guides/routing",),
    "subclassing": ("discussion/flask_evolution", "discussion/contexts"),
    "singlepageapplications": ("how_to_guides/routing",),
    "deferredcallbacks": ("how_to_guides/background_tasks",),
    "streaming": ("how_to_guides/streaming_response", "how_to_guides/server_sent_events"),
    "errorpages": ("reference/response_values",),
    "methodoverrides": ("how_to_guides/middleware",),
    "requestchecksum": ("how_to_guides/request_body",),
    "templateinheritance": ("how_to_guides/templating",),
    "flashing": ("how_to_guides/session_storage",),
    "wtforms": ("how_to_guides/request_body",),
    "ajax": ("how_to_guides/json_encoding",),
    "fileuploads": ("how_to_guides/request_body",),
    "sqlite3": ("how_to_guides/startup_shutdown",),
    "sqlalchemy": ("how_to_guides/startup_shutdown", "how_to_guides/quart_extensions"),
    "mongodb": ("how_to_guides/startup_shutdown",),
    "caching": ("how_to_guides/quart_extensions",),
    "tasks": ("how_to_guides/background_tasks",),
    "deployment": ("tutorials/deployment",),
}


def quart_guides(name: str) -> list[tuple[str, str]]:
    """Return path and title of the pages about the pattern *name*, and of that about migration."""
    paths = (*PAGES.get(name, ()), "how_to_guides/flask_migration")
    return [(path, TITLES[path]) for path in paths]
