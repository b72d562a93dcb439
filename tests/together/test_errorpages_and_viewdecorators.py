"""An API with logins and validated requests: each of its errors is a problem document."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from quart import Blueprint, Quart, abort, request, websocket
from quart_schema import (
    DataSource,
    QuartSchema,
    validate_headers,
    validate_querystring,
    validate_request,
    validate_response,
)
from werkzeug.exceptions import TooManyRequests

from quartpatterns.errorpages import ErrorPages, field_errors
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    fresh_login_required,
    login_required,
    login_user,
    roles_required,
)
from quartpatterns.wtforms import CSRFProtect
from tests.serving import served

PROBLEM = "application/problem+json"
SECRET = "tiger-secret"


class Tag(BaseModel):
    name: str = Field(max_length=5)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tags: list[Tag]


class Album(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=10)
    tags: list[Tag] = []
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    either: int | list[int] = 0
    by_name: dict[str, int] = {}


class Account(BaseModel):
    name: str
    password: SecretStr
    again: str = ""

    @field_validator("password")
    @classmethod
    def check_password(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) > 5:
            raise ValueError(f"{value.get_secret_value()!r} is too long")
        return value

    @model_validator(mode="after")
    def check_again(self) -> Account:
        if self.again != self.password.get_secret_value():
            raise ValueError(f"{self.again} is not {self.password.get_secret_value()}")
        return self


class Point(msgspec.Struct, forbid_unknown_fields=True):
    x: int
    color: Literal["red", "blue"] = "red"
    inner: list[Point] = []


class Pin(msgspec.Struct):
    pin: str

    def __post_init__(self) -> None:
        raise ValueError(f"{self.pin} is wrong")


@dataclass
class Comment:
    text: str
    rating: int = 1


@dataclass
class Page:
    page: int = 1
    per_page: int = 10


@dataclass
class Token:
    x_token: str


class User(UserMixin):
    def __init__(self, id: str) -> None:
        self.id = id
        self.roles = ["reader"]


def create_app(app_class: type[Quart], **options: Any) -> Quart:
    app = app_class(__name__)
    app.secret_key = "a key"
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.config["MAX_CONTENT_LENGTH"] = 10_000
    ErrorPages(app, **{"prefixes": {"/api": "problem"}, **options})
    QuartSchema(app, convert_casing=options.pop("casing", False))
    LoginManager(app, login_view="login").user_loader(User)
    api = Blueprint("api", __name__, url_prefix="/api")

    @app.get("/login")
    async def login() -> str:
        login_user(User("1"))
        return ""

    @app.get("/page")
    @login_required
    async def page() -> str:
        return "page"

    @api.route("/private", methods=["GET", "POST"])
    @login_required
    async def private() -> str:
        return "private"

    @api.get("/fresh")
    @fresh_login_required
    async def fresh() -> str:
        return "fresh"

    @api.get("/admin")
    @roles_required("admin")
    async def admin() -> str:
        return "admin"

    @api.get("/status/<int:code>")
    async def status(code: int) -> str:
        if code == 429:
            raise TooManyRequests(retry_after=7)
        abort(code)

    @api.post("/albums")
    @validate_request(Album)
    async def albums(data: Album) -> str:
        return data.title

    @api.post("/lists")
    @validate_request(list[Album])
    async def lists(data: list[Album]) -> str:
        return str(len(data))

    @api.post("/accounts")
    @validate_request(Account)
    async def accounts(data: Account) -> str:
        return data.name

    @api.post("/points")
    @validate_request(Point)
    async def points(data: Point) -> str:
        return str(data.x)

    @api.post("/pins")
    @validate_request(Pin)
    async def pins(data: Pin) -> str:
        return ""

    @api.post("/forms")
    @validate_request(Comment, source=DataSource.FORM)
    async def forms(data: Comment) -> str:
        return data.text

    @api.get("/search")
    @validate_querystring(Page)
    async def search(query_args: Page) -> str:
        return str(query_args.page)

    @api.get("/headers")
    @validate_headers(Token)
    async def with_headers(headers: Token) -> str:
        return headers.x_token

    @api.get("/response")
    @validate_response(Page)
    async def response() -> Any:
        return {"page": SECRET}

    @api.post("/body")
    async def body() -> str:
        return str(len(await request.get_data()))

    @api.websocket("/ws")
    @login_required
    async def ws() -> None:
        await websocket.accept()

    app.register_blueprint(api)
    return app


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    return create_app(app_class)


async def problem(response: Any, status: int) -> dict[str, Any]:
    """Check that *response* is a problem document with *status*, and return it."""
    assert (response.status_code, response.headers["Content-Type"]) == (status, PROBLEM)
    text = await response.get_data(as_text=True)
    assert SECRET not in text and "login" not in response.headers.get("Location", "")
    document: dict[str, Any] = json.loads(text)
    assert document["status"] == status and document["title"] and document["request_id"]
    return document


ACCEPTS = ["*/*", "text/event-stream", "text/html", "application/json", PROBLEM, "image/png", None]


@pytest.mark.parametrize("path", ["/api/private", "/api/fresh", "/api/admin"])
@pytest.mark.parametrize("accept", ACCEPTS)
async def test_unauthenticated(app: Quart, path: str, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    response = await app.test_client().get(path, headers=headers)
    document = await problem(response, 401)
    assert document["detail"] == "Log in first."
    assert response.headers["WWW-Authenticate"].lower() == "cookie"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "page"),
        ({"Accept": "*/*"}, "page"),
        ({"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"}, "page"),
        ({"Accept": "application/json, text/plain, */*"}, "problem"),
        ({"Accept": PROBLEM}, "problem"),
        ({"Accept": "text/event-stream"}, "problem"),
        ({"X-Requested-With": "XMLHttpRequest"}, "problem"),
    ],
)
async def test_unauthenticated_elsewhere(
    app: Quart, headers: dict[str, str], expected: str
) -> None:
    """Outside of the API, the request decides."""
    response = await app.test_client().get("/page", headers=headers)
    if expected == "page":
        assert (response.status_code, response.location) == (302, "/login?next=%2Fpage")
    else:
        await problem(response, 401)


async def test_html_is_configured(app_class: type[Quart]) -> None:
    app = create_app(app_class, prefixes={"/": "html"})
    response = await app.test_client().get("/api/private", headers={"Accept": "application/json"})
    assert response.status_code == 302


async def test_login_comes_before_the_token(app: Quart) -> None:
    """Without a login it is a 401, with a login and without a token a 400."""
    CSRFProtect(app)
    blueprint = Blueprint("guarded", __name__, url_prefix="/api/guarded")

    @blueprint.before_request
    @login_required
    async def before() -> None: ...

    @blueprint.post("/")
    async def view() -> str:
        return ""

    @app.post("/form")
    @login_required
    async def form() -> str:
        return ""

    app.register_blueprint(blueprint)
    client = app.test_client()
    for path in ("/api/private", "/api/guarded/"):
        await problem(await client.post(path), 401)
    response = await client.post("/form")
    assert (response.status_code, response.location) == (302, "/login?next=%2Fform")
    assert (await problem(await client.post("/api/albums"), 400))["detail"].startswith("The CSRF")
    await client.get("/login")
    for path in ("/api/private", "/api/guarded/"):
        assert (await problem(await client.post(path), 400))["detail"].startswith("The CSRF")


@pytest.mark.parametrize("code", [400, 403, 404, 409, 410, 413, 415, 422, 429, 500, 501, 503])
async def test_status(app: Quart, code: int) -> None:
    response = await app.test_client().get(f"/api/status/{code}", headers={"Accept": "text/html"})
    await problem(response, code)
    if code == 429:
        assert response.headers["Retry-After"] == "7"


async def test_routing(app: Quart) -> None:
    client = app.test_client()
    await problem(await client.get("/api/nowhere"), 404)
    response = await client.delete("/api/private")
    await problem(response, 405)
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    await client.get("/login")
    await problem(await client.get("/api/admin"), 403)


async def test_too_large(app: Quart) -> None:
    await problem(await app.test_client().post("/api/body", data=b"x" * 20_000), 413)


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/api/albums", "text/plain", 415),
        ("/api/albums", "application/x-www-form-urlencoded", 415),
        ("/api/albums", None, 400),
        ("/api/forms", "application/json", 415),
    ],
)
async def test_media_type(app: Quart, path: str, kind: str | None, status: int) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    if kind is None and isinstance(app, FaithfulQuart):
        status = 415  # As in Flask.
    await problem(await app.test_client().post(path, data=b"x=1", headers=headers), status)


@pytest.mark.parametrize("body", [b"{", b"", b"nul"])
async def test_no_json(app: Quart, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    await problem(await app.test_client().post("/api/albums", data=body, headers=headers), 400)


STRING = "Input should be a valid string"
MISSING = "Field required"


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("albums", {}, {"#/title": MISSING}),
        ("albums", {"title": None}, {"#/title": STRING}),
        ("albums", None, {"#": "Input should be a valid dictionary or instance of Album"}),
        ("albums", [], {"#": "Input should be a valid dictionary or instance of Album"}),
        (
            "albums",
            {"title": "x", "tags": [{"name": "a"}, {"name": SECRET}, {}]},
            {
                "#/tags/1/name": "String should have at most 5 characters",
                "#/tags/2/name": MISSING,
            },
        ),
        (
            "albums",
            {"title": "x", "a/b~ä%": 1},
            {"#/a~1b~0%C3%A4%25": "Extra inputs are not permitted"},
        ),
        (
            "albums",
            {"title": "x", "pet": {"kind": "dog", "tags": [{}]}},
            {"#/pet/tags/0/name": MISSING},
        ),
        (
            "albums",
            {"title": "x", "pet": {"kind": SECRET}},
            {
                "#/pet": "Input tag '***' found using 'kind' does not match any of the expected"
                " tags: 'cat', 'dog'"
            },
        ),
        ("albums", {"title": "x", "by_name": {"a": "b"}}, {"#/by_name/a": "*"}),
        ("albums", {"title": "x", "either": [1, "x"]}, {"#/either": "*", "#/either/1": "*"}),
        ("lists", [{"title": "x"}, {"title": 1}], {"#/1/title": STRING}),
        ("lists", {}, {"#": "Input should be a valid list"}),
        (
            "accounts",
            {"name": "ann", "password": SECRET},
            {"#/password": "Value error, '***' is too long"},
        ),
        (
            "accounts",
            {"name": "ann", "password": "tiger", "again": SECRET},
            {"#": "Value error, *** is not ***"},
        ),
        ("points", {}, {"#/x": "Object missing required field `x`"}),
        ("points", {"x": SECRET}, {"#/x": "Expected `int`, got `str`"}),
        ("points", {"x": 1, "color": SECRET}, {"#/color": "Invalid enum value"}),
        ("points", {"x": 1, "y": 1}, {"#/y": "Object contains unknown field `y`"}),
        (
            "points",
            {"x": 1, "inner": [{"x": 1}, {"x": 1, "inner": [{}]}]},
            {"#/inner/1/inner/0/x": "Object missing required field `x`"},
        ),
        ("pins", {"pin": SECRET}, {"#": "*** is wrong"}),
    ],
)
async def test_body(app: Quart, path: str, body: Any, expected: dict[str, str]) -> None:
    """Each error of the body has a JSON pointer, and no value of the client."""
    response = await app.test_client().post(
        f"/api/{path}", data=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    document = await problem(response, 400)
    assert document["detail"] == "The JSON body of the request is not valid."
    found = {error["pointer"]: error["detail"] for error in document["errors"]}
    assert set(found) == set(expected)
    for pointer, detail in expected.items():
        assert detail in ("*", found[pointer])


@pytest.mark.parametrize(
    ("data", "message", "expected"),
    [
        ({"password": SECRET}, f"{SECRET.upper()} is weak", "*** is weak"),
        ({"password": SECRET}, f"{SECRET.title()} is {SECRET}", "*** is ***"),
        ({"a": "ab", "b": "abc"}, "abc and ABC", "*** and ***"),
        ({"a": "(.*)"}, "no (.*) here", "no *** here"),
        ([*range(5000), {"a": SECRET}], f"{SECRET} is weak", "The value is not valid."),
        ([{"a": SECRET}, *([[]] * 5000)], f"{SECRET} is weak", "The value is not valid."),
    ],
)
async def test_values_in_messages(app: Quart, data: Any, message: str, expected: str) -> None:
    """A message contains no value, also in another case or if there are too many to look for."""

    class Model(RootModel[Any]):
        @model_validator(mode="before")
        @classmethod
        def refuse(cls, data: Any) -> Any:
            raise PydanticCustomError("weak", "{text}", {"text": message})

    with pytest.raises(ValidationError) as caught:
        Model.model_validate(data)
    async with app.app_context():
        [error] = field_errors(caught.value, data)
    assert error["detail"] == expected


async def test_casing(app_class: type[Quart]) -> None:
    """The names are those of the client, if quart-schema converts them."""
    app = create_app(app_class, prefixes={"/api": "problem"})
    app.config["QUART_SCHEMA_CONVERT_CASING"] = True
    client = app.test_client()
    body = {"title": "x", "byName": {"aKey": "x"}}
    document = await problem(await client.post("/api/albums", json=body), 400)
    assert document["errors"][0]["pointer"] == "#/byName/aKey"
    document = await problem(await client.get("/api/search?perPage=x"), 400)
    assert document["errors"][0]["parameter"] == "perPage"


async def test_other_places(app: Quart) -> None:
    """A query parameter, a field of a form, and a header have their names."""
    client = app.test_client()
    number = "Input should be a valid integer, unable to parse string as an integer"
    document = await problem(await client.get(f"/api/search?page={SECRET}&per_page=1"), 400)
    assert document["errors"] == [{"detail": number, "parameter": "page"}]
    document = await problem(await client.post("/api/forms", form={"rating": SECRET}), 400)
    assert document["errors"] == [
        {"detail": MISSING, "field": "text"},
        {"detail": number, "field": "rating"},
    ]
    document = await problem(await client.get("/api/headers"), 400)
    assert document["errors"] == [{"detail": MISSING, "header": "X-Token"}]
    assert document["detail"] == "The headers of the request are not valid."


async def test_many_errors(app: Quart) -> None:
    document = await problem(await app.test_client().post("/api/lists", json=[1] * 900), 400)
    assert len(document["errors"]) == 100


async def test_page(app_class: type[Quart]) -> None:
    """A page names the fields as well, without values."""
    app = create_app(app_class, prefixes={})
    response = await app.test_client().post(
        "/api/forms", form={"rating": SECRET}, headers={"Accept": "text/html"}
    )
    text = await response.get_data(as_text=True)
    assert response.status_code == 400 and SECRET not in text
    assert "The form of the request is not valid. text: Field required; rating: Input" in text


async def test_response(app: Quart) -> None:
    """An invalid response is a fault of the application, of which the client learns nothing."""
    document = await problem(await app.test_client().get("/api/response"), 500)
    assert "errors" not in document


async def test_websocket(app: Quart) -> None:
    """The response to the handshake is a problem document, if the server can send one."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    messages = iter([{"type": "websocket.connect"}])

    async def receive() -> Any:
        for message in messages:
            return message
        await asyncio.Event().wait()

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/api/ws",
        "raw_path": b"/api/ws",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["type"] == "websocket.http.response.start" and sent[0]["status"] == 401
    assert dict(sent[0]["headers"])[b"content-type"] == PROBLEM.encode()
    document = json.loads(b"".join(message["body"] for message in sent[1:]))
    assert document["status"] == 401 and document["request_id"]


async def test_websocket_messages(app: Quart) -> None:
    """A websocket can send the errors of a message itself."""

    @app.websocket("/messages")
    async def messages() -> None:
        data = await websocket.receive_json()
        try:
            TypeAdapter(Album).validate_python(data)
        except ValidationError as error:
            await websocket.send_json({"errors": field_errors(error, data)})

    async with app.test_client().websocket("/messages") as connection:
        await connection.send_json({"title": 1})
        answer = await connection.receive_json()
    assert answer == {"errors": [{"detail": STRING, "pointer": "#/title"}]}


@pytest.mark.wire
async def test_on_the_wire(app: Quart) -> None:
    async with served(app) as server:
        response = await server.client.get(
            "/api/private", headers={"Accept": "text/event-stream"}, follow_redirects=False
        )
        assert (response.status_code, response.headers["Content-Type"]) == (401, PROBLEM)
        response = await server.client.post("/api/albums", json={"tags": [{}]})
        places = [error["pointer"] for error in response.json()["errors"]]
        assert places == ["#/title", "#/tags/0/name"]
