"""The same with Quart: the classes change their base, and the views get ``async`` and ``await``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from quart import Quart, Response, jsonify, render_template, request
from werkzeug.datastructures import MultiDict

from quartpatterns.subclassing import FaithfulQuart, FaithfulRequest


class OrderedMultiDict(MultiDict[str, str]):
    """Parameters in the order in which they came, several of one name among others.

    Werkzeug has a class for it, which is to go in its version 3.2.
    """

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.order = list(items)
        super().__init__(self.order)

    def items(self, multi: bool = False) -> Iterator[tuple[str, str]]:  # type: ignore[override]
        return iter(self.order if multi else super().items())


class MyRequest(FaithfulRequest):
    """Request subclass to override request parameter storage."""

    parameter_storage_class = OrderedMultiDict


class MyQuart(FaithfulQuart):
    """Quart subclass using the custom request class."""

    request_class = MyRequest


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    """Make the application."""
    app = MyQuart(__name__)
    app.config.from_mapping(config or {})

    @app.get("/")
    async def index() -> str:
        return await render_template("subclassing/index.html")

    @app.get("/hello")
    async def hello() -> str:
        return "Hello, World!"

    @app.get("/json")
    async def data() -> dict[str, Any]:
        return {"id": 1, "name": "Ada", "tags": ["a", "b"]}

    @app.get("/template")
    async def template() -> str:
        return await render_template("subclassing/list.html", items=range(10))

    @app.route("/parameters", methods=["GET", "POST"])
    async def parameters() -> Response:
        source = await request.form if request.method == "POST" else request.args
        return jsonify(ordered=list(source.items(multi=True)), first=source.to_dict())

    @app.post("/checked")
    async def checked() -> Response:
        return jsonify(await request.get_json())

    return app
