"""The application on an ASGI server."""

from quartpatterns.appdispatch import RouteDispatcher, WSGIMiddleware
from quartpatterns.subclassing import FaithfulQuart

import toolshed


def create_app(config=None):
    flask_app = toolshed.create_app(config)
    app = FaithfulQuart("toolshed", static_folder=None)
    app.config.from_mapping(flask_app.config)
    app.asgi_app = RouteDispatcher(app, WSGIMiddleware(flask_app))
    return app
