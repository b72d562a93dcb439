"""The port: JavaScript, fetch and JSON with Quart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field
from quart import abort, jsonify, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
from quart_schema import (
    DataSource,
    Info,
    QuartSchema,
    document_querystring,
    document_response,
    hide,
    validate_request,
    validate_response,
)

from quartpatterns.ajax import package_files, require_json, swagger_ui
from quartpatterns.subclassing import FaithfulQuart

FACTS = (
    "Granite cools slowly, deep below; basalt cools fast, and above.",
    "Pumice floats.",
    "Marble was limestone once.",
)
NAMES = ["Ada", "</script><script>alert(1)</script>", "O'Hara & Söhne"]


def first(value: Any) -> Any:
    """Return the first value of a repeated field, as ``request.form[...]`` does."""
    return value[0] if isinstance(value, list) else value


Line = Annotated[str, Field(min_length=1, max_length=100)]


class Numbers(BaseModel):
    a: int = 0
    b: int = 0


class Sum(BaseModel):
    result: int


class User(BaseModel):
    username: Line
    email: Line


class UserDetail(User):
    picture: str


class Room(BaseModel):
    name: Annotated[Line, BeforeValidator(first)]
    description: Annotated[str, Field(max_length=1000), BeforeValidator(first)] = ""


def is_written(number: int) -> bool:
    """Whether Python writes *number*: it refuses one with more than 4,300 digits."""
    try:
        str(number)
    except ValueError:
        return False
    return True


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application of both pages: jQuery adds numbers, the rest uses ``fetch``."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})
    users = {
        1: User(username="ada", email="ada@example.com"),
        2: User(username="grace", email="grace@example.com"),
        3: User(username="edsger", email="edsger@example.com"),
    }
    info = Info("Users and rooms", "1")
    QuartSchema(app, info=info, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
    swagger_ui(app)
    package_files(app, "jquery", "xstatic.pkg.jquery", "data")

    def detail(id: int) -> dict[str, Any]:
        picture = url_for("static", filename=f"users/{id}/profile.svg")
        return {**users[id].model_dump(), "picture": picture}

    def known_user(view: Callable[[int], Awaitable[Any]]) -> Callable[[int], Awaitable[Any]]:
        """Answer 404 for an unknown user, before the decorators below read the body."""

        @wraps(view)
        async def wrapper(id: int) -> Any:
            if id not in users:
                abort(404)
            return await view(id)

        return wrapper

    @app.get("/")
    @hide
    async def index() -> str:
        return await render_template("index.html")

    # Documented but not validated: an invalid number is 0, as on Flask's page.
    @app.get("/_add_numbers")
    @document_querystring(Numbers)
    @validate_response(Sum)
    async def add_numbers() -> Sum:
        a = request.args.get("a", 0, type=int)
        b = request.args.get("b", 0, type=int)
        if not is_written(a + b):
            abort(400)
        return Sum(result=a + b)

    @app.get("/fetch")
    @hide
    async def fetch() -> str:
        return await render_template("fetch.html", fact=FACTS[0], names=NAMES)

    @app.get("/api")
    @hide
    async def api() -> str:
        return await render_template("api.html")

    @app.get("/geology_fact")
    @hide
    async def geology_fact() -> str:
        number = request.args.get("number", 1, type=int)
        return await render_template("geology_fact.html", fact=FACTS[number % len(FACTS)])

    @app.get("/users")
    @document_response(list[UserDetail])
    async def user_list() -> ResponseReturnValue:
        return jsonify([detail(id) for id in users])

    @app.get("/user/<int:id>")
    @known_user
    @validate_response(UserDetail)
    async def user_detail(id: int) -> dict[str, Any]:
        return detail(id)

    @app.post("/user/<int:id>")
    @known_user
    @require_json
    @validate_request(User)
    @validate_response(UserDetail)
    async def user_update(id: int, data: User) -> dict[str, Any]:
        users[id] = data
        return detail(id)

    @app.post("/room")
    @validate_request(Room, source=DataSource.FORM)
    @validate_response(Room)
    async def room(data: Room) -> Room:
        return data

    @app.post("/login")
    @hide
    async def login() -> ResponseReturnValue:
        form = await request.form
        if form["username"] != "admin" or form["password"] != "secret":
            return {"error": "Invalid credentials"}, 401
        return redirect(url_for("index"))

    return app
