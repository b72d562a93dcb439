"""The original: error pages and API errors with Flask, as its pages write them."""

from flask import Blueprint, Flask, abort, json, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

USERS = {"ada": {"user_id": "420", "name": "Ada"}, "grace": {"user_id": "421", "name": "Grace"}}


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


def handle_exception(e):
    """Return JSON instead of HTML for HTTP errors."""
    # start with the correct headers and status code from the error
    response = e.get_response()
    # replace the body with JSON
    response.data = json.dumps({"code": e.code, "name": e.name, "description": e.description})
    response.content_type = "application/json"
    return response


def error_page(template):
    def handler(e):
        # if a request is in the URL space of the API
        if request.path.startswith("/api/"):
            return handle_exception(e)
        # note that we set the status explicitly
        return render_template(
            template, code=e.code, name=e.name, description=e.description
        ), e.code

    return handler


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})
    app.register_blueprint(blog())
    app.register_blueprint(api())
    for code in (403, 404, 410, 500):
        app.register_error_handler(code, error_page(f"{code}.html"))
    app.register_error_handler(HTTPException, error_page("error.html"))
    app.register_error_handler(InvalidAPIUsage, invalid_api_usage)

    @app.route("/")
    def index():
        return render_template("index.html")

    @app.route("/forbidden")
    def forbidden():
        abort(403)

    @app.route("/gone")
    def gone():
        abort(410)

    @app.route("/broken")
    def broken():
        raise RuntimeError("this text is only in the log")

    @app.route("/unavailable")
    def unavailable():
        abort(503, "Come back <later>.")

    # a username needs to be supplied in the query args
    # a successful request would be like /profile?username=ada
    @app.route("/profile")
    def user_profile():
        username = request.args.get("username")
        # if a username isn't supplied in the request, return a 400 bad request
        if username is None:
            abort(400)
        # if a user can't be found by their username, return 404 not found
        if username not in USERS:
            abort(404)
        return render_template("profile.html", username=username)

    @app.route("/foo")
    def get_foo():
        raise InvalidAPIUsage("This view is gone", status_code=410)

    @app.route("/bar")
    def get_bar():
        raise InvalidAPIUsage("Too many", payload={"limit": 3, "message": "lost"})

    return app


def blog():
    blog = Blueprint("blog", __name__, url_prefix="/blog")

    @blog.route("/<slug>")
    def entry(slug):
        abort(410 if slug == "old" else 404)

    @blog.errorhandler(404)
    def page_not_found(e):
        return render_template("no_entry.html"), 404

    return blog


def api():
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.errorhandler(404)
    def resource_not_found(e):
        return jsonify(error=str(e)), 404

    @api.route("/cheese/<name>")
    def get_one_cheese(name):
        if name != "brie":
            abort(404, description=f"There is no cheese {name}.")
        return jsonify(name=name)

    # a correct request might be /api/user?user_id=420
    @api.route("/user")
    def user_api():
        user_id = request.args.get("user_id")
        if not user_id:
            raise InvalidAPIUsage("No user id provided!")
        user = next((user for user in USERS.values() if user["user_id"] == user_id), None)
        if not user:
            raise InvalidAPIUsage("No such user!", status_code=404)
        return jsonify(user)

    @api.route("/broken")
    def broken():
        raise RuntimeError("this text is only in the log")

    return api
