"""The page "Subclassing Flask" as it teaches it: a request class with ordered parameters."""

from flask import Flask, Request, jsonify, render_template, request
from werkzeug.datastructures import MultiDict


class OrderedMultiDict(MultiDict):
    """Parameters in the order in which they came, several of one name among others."""

    def __init__(self, items=()):
        self.order = list(items)
        super().__init__(self.order)

    def items(self, multi=False):
        return iter(self.order) if multi else super().items()


class MyRequest(Request):
    """Request subclass to override request parameter storage"""

    parameter_storage_class = OrderedMultiDict


class MyFlask(Flask):
    """Flask subclass using the custom request class"""

    request_class = MyRequest


def create_app(config=None):
    app = MyFlask(__name__)
    app.config.from_mapping(config or {})

    @app.get("/")
    def index():
        return render_template("subclassing/index.html")

    @app.get("/hello")
    def hello():
        return "Hello, World!"

    @app.get("/json")
    def data():
        return {"id": 1, "name": "Ada", "tags": ["a", "b"]}

    @app.get("/template")
    def template():
        return render_template("subclassing/list.html", items=range(10))

    @app.route("/parameters", methods=["GET", "POST"])
    def parameters():
        source = request.form if request.method == "POST" else request.args
        return jsonify(ordered=list(source.items(multi=True)), first=source.to_dict())

    @app.post("/checked")
    def checked():
        return jsonify(request.get_json())

    return app
