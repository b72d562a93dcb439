"""The original: an application with layered configuration, as in Flask's page on Fabric.

The page's fabfile is ``fabfile.py``, and its WSGI file ``yourapplication.wsgi``.
"""

import os
from pathlib import Path

from flask import Flask, abort

FOLDER = Path(__file__).parent
SETTINGS = ("GREETING", "ITEMS_PER_PAGE", "SUPPORT")
VARIABLES = {
    "given": "YOURAPPLICATION_CONFIG",
    "unset": "YOURAPPLICATION_UNSET",
    "missing": "YOURAPPLICATION_MISSING",
    "broken": "YOURAPPLICATION_BROKEN",
}


def make_app(variable):
    app = Flask(__name__)
    app.config.from_object("quartpatterns.deployment.example.default_config")
    app.config.from_envvar(variable)
    return app


def create_app(config=None):
    # The WSGI file of the page does this before it imports the application.
    os.environ.setdefault("YOURAPPLICATION_CONFIG", str(FOLDER / "application.cfg"))
    os.environ.setdefault("YOURAPPLICATION_MISSING", "/nowhere/application.cfg")
    os.environ.setdefault("YOURAPPLICATION_BROKEN", str(FOLDER / "broken.cfg"))
    app = make_app("YOURAPPLICATION_CONFIG")
    app.config.from_mapping(config or {})

    @app.get("/settings")
    def settings():
        return {key: app.config[key] for key in SETTINGS}

    @app.get("/start/<kind>")
    def start(kind):
        if kind not in VARIABLES:
            abort(404)
        try:
            started = make_app(VARIABLES[kind])
        except (OSError, RuntimeError, SyntaxError):
            return {"started": False, "variable": VARIABLES[kind]}
        return {"started": True, "greeting": started.config["GREETING"]}

    return app
