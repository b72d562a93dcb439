"""The original: HTTP method overrides with Flask."""

from flask import Flask, jsonify, render_template, request


class HTTPMethodOverrideMiddleware:
    allowed_methods = frozenset(["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"])
    bodyless_methods = frozenset(["GET", "HEAD", "OPTIONS", "DELETE"])

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        method = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "").upper()
        if method in self.allowed_methods:
            environ["REQUEST_METHOD"] = method
        if method in self.bodyless_methods:
            environ["CONTENT_LENGTH"] = "0"
        return self.app(environ, start_response)


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})
    app.wsgi_app = HTTPMethodOverrideMiddleware(app.wsgi_app)
    methods = ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE"]

    @app.get("/")
    def index():
        return render_template("index.html")

    @app.route("/seen", methods=methods)
    def seen():
        form = request.form.to_dict(flat=False)
        return jsonify(method=request.method, form=form, content_length=request.content_length)

    @app.delete("/post")
    def delete():
        return "deleted"

    return app
