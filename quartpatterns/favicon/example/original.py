"""The original: a favicon with Flask."""

import os

from flask import Flask, render_template, send_from_directory


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})

    # The page calls url_for here, which needs an application context.
    app.add_url_rule(
        "/redirect/favicon.ico", endpoint="redirect", redirect_to="/static/favicon.ico"
    )

    @app.route("/favicon.ico")
    def favicon():
        return send_from_directory(
            os.path.join(app.root_path, "static"),
            "favicon.ico",
            mimetype="image/vnd.microsoft.icon",
        )

    @app.get("/")
    def index():
        return render_template("index.html")

    return app
