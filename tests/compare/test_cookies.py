"""Signed cookies are verified with the key of the original, and all attributes are compared."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from typing import Any

import pytest
from flask import Flask
from flask import Response as FlaskResponse
from flask import session as flask_session
from flask_login import encode_cookie  # type: ignore[import-untyped]
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer
from quart import Quart, session
from quart.sessions import SecureCookieSessionInterface
from rich.console import Console

from quartpatterns.compare import Arrangement, Capture, Case, Step
from quartpatterns.compare.case import Comparison, Transport
from quartpatterns.compare.cookies import CookieKeys, CookieReader, keys_of, normalize_cookie
from quartpatterns.compare.parity import ParityResult, compare_applications, run_comparison
from quartpatterns.compare.parity_report import as_data, render
from quartpatterns.compare.processes import in_thread
from quartpatterns.compare.servers import serve


def create_original(config: dict[str, Any] | None = None) -> Flask:
    app = Flask(__name__)
    app.config.from_mapping({"SECRET_KEY": "same"} | (config or {}))

    @app.get("/")
    def index() -> str:
        flask_session["user"] = "ada"
        if text := app.config.get("TEXT"):
            flask_session["text"] = text
        if app.config.get("PERMANENT"):
            flask_session.permanent = True
        return "hello"

    return app


def create_port(config: dict[str, Any] | None = None) -> Quart:
    app = Quart(__name__)
    app.config.from_mapping({"SECRET_KEY": "same"} | (config or {}))

    @app.get("/")
    async def index() -> str:
        session["user"] = app.config.get("USER", "ada")
        if text := app.config.get("TEXT"):
            session["text"] = text
        if app.config.get("PERMANENT"):
            session.permanent = True
        return "hello"

    return app


async def compare(original: Any, port: Any, *steps: Step) -> ParityResult:
    case = Case("a session", *(steps or (Step("/"),)))
    (result,) = [result async for result in compare_applications(original, port, [case])]
    return result


def cookies(result: ParityResult) -> tuple[str, str]:
    [finding] = result.findings
    assert (finding.state, finding.aspect) == ("undeclared", "header:set-cookie")
    return finding.original, finding.port


SESSION = 'session=signed({"user":"ada"}); HttpOnly; Path=/'


@pytest.mark.parametrize("text", ["", "x" * 500])
async def test_equal_sessions(text: str) -> None:
    """Time and signature of a cookie are not compared; a compressed one is read as well."""
    result = await compare(create_original({"TEXT": text}), create_port({"TEXT": text}))
    assert result.passed
    assert not result.unverified


async def test_another_key() -> None:
    """The original could not read the session of this port."""
    result = await compare(create_original(), create_port({"SECRET_KEY": "other"}))
    assert cookies(result) == (SESSION, SESSION.replace("signed", "signed with another key"))


async def test_another_content() -> None:
    result = await compare(create_original(), create_port({"USER": "eve"}))
    assert cookies(result) == (SESSION, SESSION.replace("ada", "eve"))


async def test_another_salt() -> None:
    """The same key is not enough."""
    port = create_port()
    port.session_interface = interface = SecureCookieSessionInterface()
    interface.salt = "other"
    assert "signed with another key" in cookies(await compare(create_original(), port))[1]


async def test_fallback_keys() -> None:
    """The port may use a key that the original still reads; not the other way round."""
    old, new = {"SECRET_KEY": "old"}, {"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["old"]}
    assert (await compare(create_original(new), create_port(old))).passed
    assert not (await compare(create_original(old), create_port(new))).passed


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("SESSION_COOKIE_HTTPONLY", False),
        ("SESSION_COOKIE_SECURE", True),
        ("SESSION_COOKIE_SAMESITE", "Lax"),
        ("SESSION_COOKIE_PATH", "/app"),
        ("SESSION_COOKIE_NAME", "sid"),
        ("SESSION_COOKIE_PARTITIONED", True),
    ],
)
async def test_attributes(setting: str, value: Any) -> None:
    """Each attribute of the session cookie is compared."""
    assert not (await compare(create_original(), create_port({setting: value}))).passed


async def test_lifetime() -> None:
    """The time that a cookie lives is compared, not the second at which it expires."""
    permanent = {"PERMANENT": True}
    assert (await compare(create_original(permanent), create_port(permanent))).passed
    shorter = permanent | {"PERMANENT_SESSION_LIFETIME": 3600}
    original, port = cookies(await compare(create_original(permanent), create_port(shorter)))
    assert "Expires=in 2678400 s" in original
    assert "Expires=in 3600 s" in port


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(2678393.0, "in 2678400 s", id="a request that took seven seconds"),
        pytest.param(31.6, "in 30 s", id="half a minute"),
        pytest.param(5.0, "in 5 s", id="five seconds"),
        pytest.param(-0.5, "in 0 s", id="now"),
    ],
)
def test_expires(seconds: float, expected: str) -> None:
    now = 1_800_000_000.0
    cookie = f"a=b; Path=/; Expires={formatdate(now + seconds, usegmt=True)}"
    assert normalize_cookie(cookie, CookieReader(), now) == f"a=b; Expires={expected}; Path=/"


@pytest.mark.parametrize("value", ["Thu, 01 Jan 1970 00:00:00 GMT", "soon"])
def test_other_expires(value: str) -> None:
    """A constant date is compared as it is, and so is what is no date."""
    cookie = f"a=; Expires={value}"
    assert normalize_cookie(cookie, CookieReader(), time.time()) == cookie


async def test_captured_content() -> None:
    """Random text in a session can be captured."""
    one, other = create_original({"TEXT": "c4f3"}), create_port({"TEXT": "beef"})
    step = Step("/", capture={"text": Capture('"text":"(.{4})"', place="header:set-cookie")})
    assert (await compare(one, other, step)).passed
    assert not (await compare(one, other)).passed


def signing(sign: Callable[[str], str], key: str = "same") -> Flask:
    """An application that signs a cookie of its own."""
    app = Flask(__name__)
    app.secret_key = key

    @app.get("/")
    def index() -> FlaskResponse:
        response = FlaskResponse("hello")
        response.set_cookie("token", sign("ada"))
        return response

    return app


@pytest.mark.parametrize(
    "sign",
    [
        pytest.param(lambda text, key: URLSafeTimedSerializer(key).dumps(text), id="timed"),
        pytest.param(lambda text, key: URLSafeSerializer(key).dumps(text), id="untimed"),
        pytest.param(lambda text, key: encode_cookie(text, key), id="remember token"),
    ],
)
async def test_other_signed_cookies(sign: Callable[[str, str], str]) -> None:
    """Cookies of itsdangerous and Flask-Login are verified, too."""
    same, other = signing(lambda text: sign(text, "same")), signing(lambda text: sign(text, "x"))
    result = await compare(same, same)
    assert result.passed
    assert not result.unverified
    original, port = cookies(await compare(same, other))
    assert original.startswith(("token=signed(ada)", 'token=signed("ada")'))
    assert port.startswith(("token=signed with another key(", "token=signed, not verified("))


async def test_unknown_salt() -> None:
    """A cookie whose salt nobody knows is compared by its content, and the report says so."""
    app = signing(lambda text: URLSafeTimedSerializer("same", salt="own").dumps(text))
    result = await compare(app, app)
    assert result.passed
    assert result.unverified == {"token"}
    console = Console(width=100)
    with console.capture() as capture:
        console.print(render({"apps": [result]}, "in process"))
    text = " ".join(capture.get().split())
    assert "apps: no key or salt is known to verify 1 signed cookie (token)" in text
    assert as_data({"apps": [result]}, "")["comparisons"]["apps"]["unverified_cookies"] == ["token"]


async def test_unknown_salt_and_another_key() -> None:
    """A key that the original does not have is noticed, whatever the salt is."""
    same, other = (
        signing(lambda text, key=key: URLSafeTimedSerializer(key, salt="own").dumps(text), key)  # type: ignore[misc]
        for key in ("same", "other")
    )
    result = await compare(same, other)
    original, port = cookies(result)
    assert original.startswith('token=signed, not verified("ada")')
    assert port.startswith('token=signed with another key("ada")')


async def test_unknown_key() -> None:
    """Without a key, the content is compared, and the report says so."""
    one, other = create_original(), create_port({"SECRET_KEY": "other"})
    result = await compare(one.wsgi_app, other.asgi_app)
    assert result.passed
    assert result.unverified == {"session"}


def test_keys() -> None:
    app = create_original({"SECRET_KEY": b"new", "SECRET_KEY_FALLBACKS": ["old"]})
    assert keys_of(app) == CookieKeys((b"old", b"new"))
    assert keys_of(create_port({"SESSION_COOKIE_NAME": "sid"})) == CookieKeys((b"same",), "sid")
    assert keys_of(Flask(__name__)) is None
    assert keys_of("http://localhost") is None


@pytest.mark.parametrize("value", ["a.b", "x" * 40, f"{'a' * 3}.{'b' * 27}", "1|" + "a" * 127])
def test_other_values(value: str) -> None:
    """A value that is not signed remains."""
    reader = CookieReader(lambda: None)
    assert normalize_cookie(f"a={value}", reader, None) == f"a={value}"


@contextlib.asynccontextmanager
async def arrange(_: Any) -> AsyncIterator[Arrangement]:
    yield Arrangement({"SECRET_KEY": "configured"}, {"SECRET_KEY": "configured"})


@contextlib.asynccontextmanager
async def arrange_other_key(_: Any) -> AsyncIterator[Arrangement]:
    yield Arrangement({"SECRET_KEY": "configured"}, {"SECRET_KEY": "other"})


@pytest.mark.parametrize("transport", ["in process", pytest.param("on the wire")])
@pytest.mark.parametrize(
    ("arrangement", "passed"),
    [pytest.param(arrange, True, id="same"), pytest.param(arrange_other_key, False, id="other")],
)
async def test_configured_key(arrangement: Any, passed: bool, transport: Transport) -> None:
    """The key is that of the application as it is configured, on both transports."""
    original, port = (f"tests.compare.test_cookies:create_{one}" for one in ("original", "port"))
    comparison = Comparison("keys", original, port, [Case("one", Step("/"))], arrangement)
    (result,) = [result async for result in run_comparison(comparison, transport)]
    assert result.passed is passed
    assert not result.unverified or not passed


async def test_url() -> None:
    """The key of an application behind a URL is not known."""
    async with in_thread(serve("tests.compare.flask_app", "gunicorn-gthread")) as server:
        result = await compare(server.url, server.url, Step("/count"))
    assert result.passed
    assert result.unverified == {"session"}
