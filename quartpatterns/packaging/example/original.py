"""The original: an application with templates, static files and data, with Flask."""

from importlib import metadata

from flask import Flask, render_template

NAME = __name__.partition(".")[0]
VERSION = metadata.version(NAME)


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})

    @app.get("/")
    def index():
        with app.open_resource("notice.txt", "r") as file:
            notice = file.read()
        return render_template("index.html", notice=notice, name=NAME, number=VERSION)

    @app.get("/version")
    def version():
        return {"name": NAME, "version": VERSION}

    return app
