"""The original: error pages and API errors with Flask."""

import uuid

from flask import Blueprint, Flask, abort, g, json, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

USERS = {"ada", "grace"}


class InvalidAPIUsage(Exception):  # noqa: N818 - its name on the page
    status_code = 400

    def __init__(self, message, status_code=None, payload=None):
        super().__init__()
        self.message = message
        if status_code is not None:
            self.status_code = status_code
        self.payload = payload

    def to_dict(self):
        rv = dict(self.payload or ())
        rv["message"] = self.message
        return rv


def invalid_api_usage(e):
    response = jsonify(e.to_dict())
    response.status_code = e.status_code
    return response


def page(template):
    def handler(e):
        if request.path.startswith("/api/"):
            return json_error(e)
        context = {"code": e.code, "name": e.name, "description": e.description}
        return render_template(template, request_id=g.request_id, **context), e.code

    return handler


def json_error(e):
    response = e.get_response()
    response.data = json.dumps({"code": e.code, "name": e.name, "description": e.description})
    response.content_type = "application/json"
    return response


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})
    app.register_blueprint(blog())
    app.register_blueprint(api())
    for code in (403, 404, 410, 500):
        app.register_error_handler(code, page(f"{code}.html"))
    app.register_error_handler(HTTPException, page("error.html"))
    app.register_error_handler(InvalidAPIUsage, invalid_api_usage)

    @app.before_request
    def identify():
        g.request_id = request.headers.get("X-Request-ID") or uuid.uuid4().hex

    @app.get("/")
    def index():
        return render_template("index.html")

    @app.get("/forbidden")
    def forbidden():
        abort(403)

    @app.get("/gone")
    def gone():
        abort(410)

    @app.get("/broken")
    def broken():
        raise RuntimeError("this text is only in the log")

    @app.get("/unavailable")
    def unavailable():
        abort(503, "Come back <later>.")

    @app.get("/profile")
    def profile():
        username = request.args.get("username")
        if username is None:
            abort(400)
        if username not in USERS:
            abort(404)
        return render_template("profile.html", username=username)

    @app.get("/foo")
    def get_foo():
        raise InvalidAPIUsage("This view is gone", status_code=410)

    @app.get("/bar")
    def get_bar():
        raise InvalidAPIUsage("Too many", payload={"limit": 3, "message": "lost"})

    return app


def blog():
    blog = Blueprint("blog", __name__, url_prefix="/blog")

    @blog.get("/<slug>")
    def entry(slug):
        abort(410 if slug == "old" else 404)

    @blog.errorhandler(404)
    def no_entry(e):
        return render_template("no_entry.html"), 404

    return blog


def api():
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.get("/users/<name>")
    def get_user(name):
        if name not in USERS:
            abort(404, description=f"There is no user {name}.")
        return jsonify(name=name)

    @api.get("/broken")
    def broken():
        raise RuntimeError("this text is only in the log")

    return api
