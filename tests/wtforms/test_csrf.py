"""Every request that changes something is checked, for every kind of view."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any

import pytest
from quart import Blueprint, Quart, jsonify, request, websocket
from quart.typing import ResponseReturnValue
from quart.typing import TestClientProtocol as Client
from quart.views import MethodView, View

from quartpatterns.wtforms import CSRFError, CSRFProtect, QuartForm, csrf_token_view, generate_csrf
from tests.senders import SENDERS
from tests.serving import served
from tests.wtforms.test_tokens import KEY, aged, make, post, text


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    return make(app_class)


def csrf(app: Quart) -> CSRFProtect:
    """Return the CSRFProtect of *app*."""
    found: CSRFProtect = app.extensions["csrf"]
    return found


async def status(client: Client, path: str = "/", **how: Any) -> int:
    return (await client.post(path, **how)).status_code


@pytest.mark.checks("WT-8")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS"])
async def test_methods(app: Quart, method: str) -> None:
    """Only methods that change something are checked."""

    @app.route("/any", methods=["POST", "PUT", "PATCH", "DELETE", "GET"])
    async def view() -> str:
        return "seen"

    client = app.test_client()
    expected = 400 if method in {"POST", "PUT", "PATCH", "DELETE"} else 200
    send = getattr(client, method.lower())
    assert (await send("/any")).status_code == expected
    headers = {"X-CSRFToken": await text(client)}
    assert (await send("/any", headers=headers)).status_code == 200


@pytest.mark.checks("WT-8")
async def test_token_locations(app: Quart) -> None:
    """A header comes first; a form field may have a prefix; nothing else is searched."""
    client = app.test_client()
    token = await text(client)
    right, wrong = {"X-CSRF-Token": token}, {"X-CSRFToken": "wrong"}
    assert await status(client, headers=right) == 200
    assert await status(client, headers={**right, **wrong}) == 400
    assert await status(client, form={"csrf_token": token}, headers=wrong) == 400
    assert await status(client, form={"csrf_token": "wrong"}, headers=right) == 200
    assert await status(client, form={"a-csrf_token": token}) == 200
    assert await status(client, query_string={"csrf_token": token}) == 400
    assert await status(client, json={"csrf_token": token}) == 400
    assert await status(client, headers={"Cookie": f"csrf_token={token}"}) == 400


@pytest.mark.checks("WT-16")
async def test_exempt(app: Quart) -> None:
    """Views, view classes and blueprints can be exempt; nothing else is exempt with them."""
    protect = csrf(app)

    def decorated(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await view(*args, **kwargs)

        return wrapper

    async def view() -> str:
        return "seen"

    def copy() -> Any:
        async def view() -> str:
            return "seen"

        return view

    class Whole(View):
        methods = ["POST"]

        async def dispatch_request(self, **kwargs: Any) -> ResponseReturnValue:
            return "seen"

    class Methods(MethodView):
        async def post(self) -> str:
            return "seen"

    parent, child = Blueprint("parent", __name__), Blueprint("child", __name__)
    other = Blueprint("other", __name__)
    parent.post("/parent")(copy())
    child.post("/child")(copy())
    other.post("/other")(copy())
    parent.register_blueprint(child, url_prefix="/nested")
    protect.exempt(parent)

    app.post("/exempt")(protect.exempt(view))
    app.post("/namesake", endpoint="namesake")(copy())
    app.add_url_rule("/around", "around", decorated(protect.exempt(copy())), methods=["POST"])
    app.add_url_rule("/outside", "outside", protect.exempt(decorated(copy())), methods=["POST"])
    app.add_url_rule("/partial", "partial", functools.partial(copy()), methods=["POST"])
    app.add_url_rule("/whole", view_func=protect.exempt(Whole.as_view("whole")))
    app.add_url_rule("/whole2", view_func=Whole.as_view("whole2"))
    app.add_url_rule("/methods", view_func=protect.exempt(Methods).as_view("methods"))
    app.register_blueprint(parent)
    app.register_blueprint(other)

    client = app.test_client()
    for path in ("exempt", "around", "outside", "whole", "methods", "parent", "nested/child"):
        assert await status(client, f"/{path}") == 200, path
    for path in ("namesake", "other", "whole2", "partial"):
        assert await status(client, f"/{path}") == 400, path


@pytest.mark.checks("WT-16")
async def test_exempt_by_name(app: Quart) -> None:
    @app.post("/named")
    async def named() -> str:
        return "seen"

    client = app.test_client()
    assert await status(client, "/named") == 400
    csrf(app).exempt(f"{__name__}.named")
    assert await status(client, "/named") == 200


@pytest.mark.checks("WT-16")
async def test_all_kinds_of_views(app: Quart) -> None:
    """Synchronous views, view classes and blueprints are protected, too."""
    seen: list[str] = []
    blueprint = Blueprint("blueprint", __name__)

    def sync() -> str:
        seen.append("sync")
        return generate_csrf()

    class Methods(MethodView):
        async def post(self) -> str:
            seen.append("class")
            return generate_csrf()

    app.post("/sync")(sync)
    app.add_url_rule("/class", view_func=Methods.as_view("class"))
    blueprint.post("/blueprint", endpoint="sync")(sync)
    app.register_blueprint(blueprint)
    client = app.test_client()
    for path in ("/sync", "/class", "/blueprint"):
        assert await status(client, path) == 400
    assert not seen
    token = await text(client)
    for path in ("/sync", "/class", "/blueprint"):
        response = await client.post(path, form={"csrf_token": token})
        token = await response.get_data(as_text=True)
    assert seen == ["sync", "class", "sync"]


@pytest.mark.checks("WT-16")
async def test_several_applications(app_class: type[Quart]) -> None:
    """Two applications with one CSRFProtect do not affect each other."""
    protect = CSRFProtect()
    apps = [app_class(f"{__name__}{number}") for number in range(2)]
    for number, app in enumerate(apps):
        app.config.from_mapping(SECRET_KEY=f"key {number}", SESSION_COOKIE_NAME=f"s{number}")
        protect.init_app(app)
        app.get("/token")(generate_csrf_view)
        app.post("/")(seen_view)
    clients = [app.test_client() for app in apps]
    tokens = [await text(client) for client in clients]
    for client, right, wrong in zip(clients, tokens, reversed(tokens), strict=True):
        assert await status(client, form={"csrf_token": right}) == 200
        assert await status(client, form={"csrf_token": wrong}) == 400
    apps[0].config["WTF_CSRF_ENABLED"] = False
    assert [await status(client) for client in clients] == [200, 400]
    with pytest.raises(RuntimeError, match="register it once"):
        CSRFProtect(apps[0])


async def generate_csrf_view() -> str:
    return generate_csrf()


async def seen_view() -> str:
    return "seen"


@pytest.mark.wire
@pytest.mark.checks("WT-16")
async def test_concurrent_users(app: Quart) -> None:
    """Concurrent users have different tokens."""

    @app.post("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.01)
        return generate_csrf().partition(".")[0]

    async def visit(number: int) -> None:
        got = await server.client.get("/token", headers={"Cookie": ""})
        headers = {"Cookie": got.headers["Set-Cookie"].partition(";")[0]}
        data = {"csrf_token": got.text if number % 3 else "wrong"}
        answer = await server.client.post("/slow", data=data, headers=headers)
        expected = (200, got.text.partition(".")[0]) if number % 3 else (400, None)
        assert answer.status_code == expected[0]
        assert expected[1] in (None, answer.text)

    async with served(app) as server:
        await asyncio.gather(*map(visit, range(24)))


@pytest.mark.checks("WT-16")
async def test_protect(app: Quart) -> None:
    """An application may call ``protect`` itself; a call without ``await`` is an error."""
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False

    @app.post("/checked")
    async def checked() -> str:
        await csrf(app).protect()
        return "seen"

    @app.post("/forgotten")
    async def forgotten() -> str:
        csrf(app).protect()
        return "seen"

    client = app.test_client()
    assert await status(client) == 200
    assert await status(client, "/checked") == 400
    assert await status(client, "/checked", form={"csrf_token": await text(client)}) == 200
    with pytest.warns(RuntimeWarning, match="protect' was never awaited"):
        assert await status(client, "/forgotten", form={"csrf_token": "x"}) == 500


async def test_no_such_page(app: Quart) -> None:
    """An unknown page is a 404 and an unknown method a 405, with or without a token."""
    client = app.test_client()
    assert await status(client, "/nothing") == 404
    assert await status(client, "/token") == 405


@pytest.mark.checks("WT-9")
async def test_error_handler(app: Quart) -> None:
    """An error handler may send another response; the error has the reason in one word."""

    @app.errorhandler(CSRFError)
    async def handle(error: CSRFError) -> Any:
        return jsonify(reason=error.reason, description=error.description), 418

    client = app.test_client()
    for sent, reason in (({}, "missing"), ({"form": {"a": "b"}}, "session")):
        response = await client.post("/", **sent)
        assert response.status_code == 418
        assert (await response.get_json())["reason"] == reason
    old = aged(await text(client), 7200)
    for token, reason in ((None, "missing"), ("x", "invalid"), (old, "expired")):
        _, body = await post(client, token)
        assert f'"reason":"{reason}"' in body


@pytest.mark.checks("WT-10")
@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        *SENDERS,
        # A page with the policy no-referrer sends it, too: the token decides. The decorator
        # same_origin_required refuses it, because it checks no token.
        pytest.param({"Origin": "null"}, True, id="null"),
        # Only CSRFProtect has a setting for trusted origins.
        pytest.param({"Origin": "https://app.example"}, True, id="trusted"),
        pytest.param(
            {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"},
            True,
            id="trusted and cross-site",
        ),
        pytest.param({"Origin": "http://app.example"}, False, id="trusted, but not by http"),
    ],
)
async def test_origin(
    app: Quart, headers: dict[str, str], allowed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Other sites are refused by the headers of the browser, even with a valid token."""
    caplog.set_level(logging.INFO, "quartpatterns.wtforms.csrf")
    app.config["WTF_CSRF_TRUSTED_ORIGINS"] = ["https://app.example"]
    client = app.test_client()
    token = await text(client)
    answer, body = await post(client, token, headers={"Host": "localhost", **headers})
    assert answer == (200 if allowed else 400)
    assert allowed or "<p>The request comes from another site, " in body
    if "Origin" not in headers and not allowed:
        assert f"another site, a {headers['Sec-Fetch-Site']} page" in body
    remedy = "add its origin to the setting WTF_CSRF_TRUSTED_ORIGINS."
    logged = [record.getMessage() for record in caplog.records]
    assert [message.endswith(remedy) for message in logged] == ([] if allowed else [True])
    app.config["WTF_CSRF_CHECK_ORIGIN"] = False
    assert (await post(client, token, headers={"Host": "localhost", **headers}))[0] == 200


@pytest.mark.checks("WT-10")
@pytest.mark.parametrize(
    ("headers", "message"),
    [
        pytest.param({}, "The referrer header is missing.", id="none"),
        pytest.param({"Referer": ""}, "The referrer header is missing.", id="empty"),
        pytest.param({"Referer": "https://localhost/page"}, None, id="own page"),
        pytest.param({"Referer": "https://localhost:443/page"}, None, id="own port"),
        pytest.param({"Referer": "http://localhost/page"}, "does not match", id="by http"),
        pytest.param({"Referer": "https://localhost:99999/"}, "does not match", id="invalid port"),
        pytest.param({"Referer": "https://[::1"}, "does not match", id="invalid URL"),
        pytest.param({"Referer": "https://evil.example/localhost"}, "does not match", id="other"),
        pytest.param({"Referer": "https://app.example/x"}, None, id="trusted"),
        pytest.param({"Origin": "https://localhost"}, None, id="same origin"),
        pytest.param({"Origin": "null"}, "The referrer header is missing.", id="null origin"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, None, id="same site"),
        pytest.param(
            {"Sec-Fetch-Site": "same-origin", "Referer": "https://evil.example/"},
            "does not match",
            id="contradiction",
        ),
    ],
)
async def test_referrer(app: Quart, headers: dict[str, str], message: str | None) -> None:
    """Over https a header must prove that the request comes from this site."""
    app.config["WTF_CSRF_TRUSTED_ORIGINS"] = ["https://app.example"]
    client = app.test_client()
    token = await text(client)
    headers = {"Host": "localhost", **headers}
    answer, body = await post(client, token, headers=headers, scheme="https")
    assert answer == (400 if message else 200)
    assert message is None or message in body
    app.config["WTF_CSRF_SSL_STRICT"] = False
    assert (await post(client, token, headers=headers, scheme="https"))[0] == 200


@pytest.mark.wire
@pytest.mark.checks("WT-10")
async def test_websocket(app: Quart) -> None:
    """A page of another site can't open a websocket with the cookies of the user."""

    async def greet() -> None:
        await websocket.send("hello")

    app.websocket("/ws")(greet)
    app.websocket("/open", endpoint="open")(csrf(app).exempt(functools.partial(greet)))
    async with served(app) as server:
        for path, origin, expected in (
            ("/ws", None, 101),
            ("/ws", f"http://127.0.0.1:{server.port}", 101),
            ("/ws", "https://evil.example", 400),
            ("/ws", f"http://127.0.0.1:{server.port + 1}", 400),
            ("/open", "https://evil.example", 101),
        ):
            assert await handshake(server.port, path, origin) == expected


async def handshake(port: int, path: str, origin: str | None) -> int:
    """Return the status of the response to the opening request of a websocket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *([f"Origin: {origin}"] if origin else []),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


@pytest.mark.checks("WT-12")
async def test_refresh(app: Quart) -> None:
    """A script that sends its token in a header gets a new one before the old one expires."""
    client = app.test_client()
    token = await text(client)
    response = await client.post("/", headers={"X-CSRFToken": token})
    assert "X-CSRFToken" not in response.headers
    response = await client.post("/", headers={"X-CSRFToken": aged(token, 2000)})
    assert response.status_code == 200
    new = response.headers["X-CSRFToken"]
    assert await status(client, headers={"X-CSRFToken": new}) == 200
    # A refusal because of an expired token has a new token, too.
    response = await client.post("/", headers={"X-CSRFToken": aged(token, 4000)})
    assert response.status_code == 400
    assert await status(client, headers={"X-CSRFToken": response.headers["X-CSRFToken"]}) == 200
    # The response to a form has no new token, because no script would read it.
    response = await client.post("/", form={"csrf_token": aged(token, 4000)})
    assert "X-CSRFToken" not in response.headers
    app.config["WTF_CSRF_REFRESH"] = False
    response = await client.post("/", headers={"X-CSRFToken": aged(token, 2000)})
    assert "X-CSRFToken" not in response.headers


@pytest.mark.checks("WT-12")
async def test_refresh_without_a_session(app: Quart) -> None:
    """After the session has ended, repeating the request once is enough."""
    token = await text(app.test_client())
    client = app.test_client()
    response = await client.post("/", headers={"X-CSRFToken": token})
    assert response.status_code == 400
    assert await status(client, headers={"X-CSRFToken": response.headers["X-CSRFToken"]}) == 200


@pytest.mark.checks("WT-12")
async def test_token_view(app: Quart) -> None:
    app.add_url_rule("/fresh", view_func=csrf_token_view)
    client = app.test_client()
    response = await client.get("/fresh")
    data = await response.get_json()
    assert data["expires_in"] == 3600
    assert isinstance(data["expires_in"], int)
    assert response.headers["Cache-Control"] == "no-store"
    assert await post(client, data["csrf_token"]) == (200, "posted")


@pytest.mark.checks("WT-8")
async def test_form_after_the_protection(app: Quart) -> None:
    """A form needs no second token after the check; a form in an exempt view needs one."""

    @app.post("/form")
    async def form() -> Any:
        created = await QuartForm.create()
        return {"valid": await created.validate_on_submit()}

    @app.post("/exempt")
    @csrf(app).exempt
    async def exempt() -> Any:
        created = await QuartForm.create()
        return {"valid": await created.validate_on_submit()}

    client = app.test_client()
    token = await text(client)
    response = await client.post("/form", headers={"X-CSRFToken": token})
    assert (await response.get_json())["valid"] is True
    response = await client.post("/exempt")
    assert (await response.get_json())["valid"] is False
    response = await client.post("/exempt", form={"csrf_token": token})
    assert (await response.get_json())["valid"] is True


@pytest.mark.checks("WT-11")
async def test_later_hooks_see_the_body(app: Quart) -> None:
    """A later ``before_request`` function can read the whole body."""
    bodies: list[bytes] = []

    @app.before_request
    async def read() -> None:
        bodies.append(await request.get_data(cache=True, as_text=False, parse_form_data=False))

    client = app.test_client()
    token = await text(client)
    assert await post(client, token) == (200, "posted")
    assert bodies[-1] == f"csrf_token={token}".encode()
    assert app.secret_key == KEY
