"""The original: the application that is a package, with Flask."""

from quartpatterns.packages.example.yourapplication_flask import app


def create_app(config=None):
    app.config.from_mapping(config or {})
    return app
