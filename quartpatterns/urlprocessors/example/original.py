"""The original: the two sites of the page, with Flask."""

from flask import Blueprint, Flask, g, render_template
from werkzeug.middleware.dispatcher import DispatcherMiddleware

HELLO = {"en": "Hello!", "de": "Guten Tag!", "fr": "Bonjour !"}


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})

    @app.url_defaults
    def add_language_code(endpoint, values):
        if "lang_code" in values or not g.lang_code:
            return
        if app.url_map.is_endpoint_expecting(endpoint, "lang_code"):
            values["lang_code"] = g.lang_code

    @app.url_value_preprocessor
    def pull_lang_code(endpoint, values):
        g.lang_code = values.pop("lang_code", None)

    @app.get("/<lang_code>/")
    def index():
        hello = HELLO.get(g.lang_code, "?")
        return render_template("index.html", hello=hello, languages=HELLO)

    @app.get("/<lang_code>/about")
    def about():
        return render_template("about.html", languages=HELLO)

    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/blueprint": create_site(config or {})})
    return app


def create_site(config):
    app = Flask(__name__)
    app.config.from_mapping(config)
    frontend = Blueprint("frontend", __name__, url_prefix="/<lang_code>")

    @frontend.url_defaults
    def add_language_code(endpoint, values):
        values.setdefault("lang_code", g.lang_code)

    @frontend.url_value_preprocessor
    def pull_lang_code(endpoint, values):
        g.lang_code = values.pop("lang_code")

    @frontend.get("/")
    def index():
        hello = HELLO.get(g.lang_code, "?")
        return render_template("index.html", hello=hello, languages=HELLO)

    @frontend.get("/about")
    def about():
        return render_template("about.html", languages=HELLO)

    app.register_blueprint(frontend)
    return app
