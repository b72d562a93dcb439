"""The original: a guestbook made by a factory, with Flask."""

from collections import deque

from flask import Blueprint, Flask, abort, current_app, redirect, render_template, request, url_for
from werkzeug.datastructures import Headers
from werkzeug.middleware.dispatcher import DispatcherMiddleware

MAX_LENGTH = 200  # characters of an entry


class Guestbook:
    def init_app(self, app):
        app.extensions["guestbook"] = deque(maxlen=app.config["MAX_ENTRIES"])

    @property
    def entries(self):
        return current_app.extensions["guestbook"]


guestbook = Guestbook()
frontend = Blueprint("frontend", __name__)
admin = Blueprint("admin", __name__, url_prefix="/admin")


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(INDEX_TEMPLATE="admin/index.html", MAX_ENTRIES=100, SITE="Guestbook")
    if isinstance(config, str):
        app.config.from_pyfile(f"config/{config}.cfg")
    else:
        app.config.from_mapping(config or {})

    guestbook.init_app(app)
    app.register_blueprint(frontend)
    app.register_blueprint(admin)
    if not isinstance(config, str):
        # More instances in the same process, each with its own file.
        instances = {"/dev": create_app("dev"), "/prod": create_app("prod")}
        app.wsgi_app = DispatcherMiddleware(app.wsgi_app, instances)
    app.wsgi_app = NoSniff(app.wsgi_app)
    return app


@frontend.get("/")
def index():
    return render_template("frontend/index.html", entries=guestbook.entries, max_length=MAX_LENGTH)


@frontend.post("/entries")
def add():
    text = request.form.get("text", "").strip()
    if not 1 <= len(text) <= MAX_LENGTH:
        abort(400, f"An entry has 1 to {MAX_LENGTH} characters.")
    guestbook.entries.append(text)
    return redirect(url_for("frontend.index"), 303)


@admin.get("/")
def overview():
    name = current_app.config["INDEX_TEMPLATE"]
    return render_template(name, entries=guestbook.entries)


@admin.record_once
def show_site(state):
    app = state.app
    app.context_processor(lambda: {"site": app.config["SITE"]})


class NoSniff:
    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        def starting(status, headers, exc_info=None):
            headers = Headers(headers)
            headers["X-Content-Type-Options"] = "nosniff"
            return start_response(status, list(headers), exc_info)

        return self.app(environ, starting)
