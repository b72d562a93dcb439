"""The application on an ASGI server."""

from quart import request
from quartpatterns.appdispatch import RouteDispatcher, WSGIMiddleware
from quartpatterns.subclassing import FaithfulQuart

import toolshed

from .extensions import csrf, login_manager
from .views import site


def create_app(config=None):
    flask_app = toolshed.create_app(config)
    app = FaithfulQuart("toolshed", static_folder=None)
    app.config.from_mapping(flask_app.config)
    app.extensions["flask_app"] = flask_app

    login_manager.init_app(app)
    csrf.init_app(app)
    for module in (site,):
        app.register_blueprint(module.blueprint)

    @app.url_build_error_handlers.append
    def flask_url(error, endpoint, values):
        """Build the URL of a route that has not moved."""
        with flask_app.test_request_context(base_url=request.root_url):
            return flask_app.url_for(endpoint, **values)

    app.asgi_app = RouteDispatcher(app, WSGIMiddleware(flask_app))
    return app
