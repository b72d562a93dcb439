"""The original: an application with layered configuration, as in Flask's page on Fabric."""

import os
from pathlib import Path

from flask import Flask, abort, render_template

FOLDER = Path(__file__).parent
SETTINGS = ("GREETING", "ITEMS_PER_PAGE", "SUPPORT")
VARIABLES = {
    "given": "YOURAPPLICATION_CONFIG",
    "unset": "YOURAPPLICATION_UNSET",
    "missing": "YOURAPPLICATION_MISSING",
    "broken": "YOURAPPLICATION_BROKEN",
}
# The commands that "fab pack deploy" runs on this machine and on each host, see fabfile.py.
PLAN = (
    "python setup.py sdist --formats=gztar",
    "put dist/yourapplication-1.0.tar.gz /tmp/yourapplication-1.0.tar.gz",
    "/var/www/yourapplication/env/bin/pip install /tmp/yourapplication-1.0.tar.gz",
    "rm /tmp/yourapplication-1.0.tar.gz",
    "touch /var/www/yourapplication.wsgi",
)


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

    @app.get("/")
    def index():
        settings = {key: app.config[key] for key in SETTINGS}
        return render_template("deployment/index.html", settings=settings, variables=VARIABLES)

    @app.get("/settings")
    def settings():
        return {key: app.config[key] for key in SETTINGS}

    @app.get("/start/<kind>")
    def start(kind):
        if kind not in VARIABLES:
            abort(404)
        try:
            started = make_app(VARIABLES[kind])
        except (OSError, RuntimeError, SyntaxError) as error:
            text = str(error).replace(str(FOLDER), ".")
            return {"started": False, "error": type(error).__name__, "text": text}
        return {"started": True, "greeting": started.config["GREETING"]}

    @app.get("/plan")
    def plan():
        return render_template("deployment/plan.html", lines=PLAN)

    @app.get("/health")
    def health():
        return "ok"

    return app
